"""Records what Lua Torch computes, module by module: python -m tests.workers.formats.torch7.record_operators LUAJIT

``record_operators.lua`` builds the networks; the archive ``tests/models/torch7/operators.zip`` keeps each of them as
``NAME.t7`` with its inputs and outputs, ``NAME.io``, as Torch saved them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SCRIPT = Path(__file__).with_suffix(".lua")
ARCHIVE = Path(__file__).parents[3] / "models" / "torch7" / "operators.zip"


def record(luajit: str) -> int:
    """The number of networks recorded; those that Torch itself cannot run are left out and printed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([luajit, str(SCRIPT), folder], check=True)
        runs = sorted(Path(folder).glob("*.io"))
        with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_LZMA) as archive:
            for run in runs:
                for path in (run.with_suffix(".t7"), run):
                    archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_LZMA)
    return len(runs)


if __name__ == "__main__":
    print(record(sys.argv[1]))
