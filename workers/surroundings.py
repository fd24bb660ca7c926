"""What the engine's process keeps of the environment that it was started in.

Jobs are forked from it, so that what is not here is nowhere in a job's memory: keys and tokens of the user's stay out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

KEPT = frozenset(
    (
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR",
        "FORCE_COLOR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OPENBLAS_CORETYPE",
        "OPENBLAS_L2_SIZE", "ONNXHUB_HOME", "ONNXHUB_TOOLCHAINS", "ONNXHUB_JOB_SECONDS", "ONNXHUB_JOB_MEMORY_MB",
        "ONNXHUB_JOB_DISK_MB", "ONNXHUB_REQUIRE_SANDBOX", "ONNXHUB_MODEL_CODE",
    )
)  # fmt: skip
# Sets have the same order in every run. OpenBLAS would start threads when it is loaded, which the jail does not hold.
ADDED = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
DONE = "tidied"


def tidy(module: str) -> None:
    """Start ``python -m module`` anew, once, with the same arguments and no more of the environment than is kept.

    ``-P``: no module comes from the folder in which the command is given.
    """
    if DONE in sys._xoptions:
        return
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    os.execve(sys.executable, [sys.executable, "-P", "-X", DONE, "-m", module, *sys.argv[1:]], kept | ADDED)
