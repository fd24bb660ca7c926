"""What the engine takes from its environment: how much one job may use, and what it may see.

``ONNXHUB_HOME`` (default ``~/.local/share/onnxhub``), ``ONNXHUB_JOB_SECONDS`` (3600), ``ONNXHUB_JOB_MEMORY_MB`` (0:
three quarters of the machine's), ``ONNXHUB_JOB_DISK_MB`` (65536), ``ONNXHUB_REQUIRE_SANDBOX`` (0; 1: a job is refused
where a layer of the sandbox does not hold), ``ONNXHUB_MODEL_CODE`` (1; 0: uploaded source code is never run).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from workers import toolchains
from workers.sandbox import Limits

MIB = 1 << 20
# Where ``workers`` is found: the checkout, or site-packages.
SOURCE = Path(__file__).resolve().parent.parent


def number(name: str, default: int) -> int:
    """An integer setting; a value that is none is an error at once, not a default."""
    return int(os.environ.get(name) or default)


def limits() -> Limits:
    """Bounds of one job's process group."""
    seconds = number("ONNXHUB_JOB_SECONDS", 3600)
    memory = number("ONNXHUB_JOB_MEMORY_MB", 0) * MIB or _machine_memory() * 3 // 4
    disk = number("ONNXHUB_JOB_DISK_MB", 65536) * MIB
    return Limits(
        wall_s=seconds,
        cpu_s=seconds * (os.cpu_count() or 1),
        memory_bytes=memory,
        file_bytes=disk,
        disk_bytes=disk,
        processes=512,
        open_files=1024,
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def readable_always() -> list[Path]:
    """What a job may read besides its own files: the interpreter, its packages, this code and the toolchains."""
    paths = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)}
    for place in toolchains.places().values():
        if place.installed:
            paths |= {place.stamp.parent, place.interpreter}
    return [*sorted(paths), SOURCE]


def sandbox_required() -> bool:
    """Whether a job must not be done outside a complete sandbox."""
    return bool(number("ONNXHUB_REQUIRE_SANDBOX", 0))


def engine_environment() -> dict[str, str]:
    """What a job's process needs to find this code and the toolchains, whatever its home is."""
    return {
        "PYTHONPATH": str(SOURCE),
        "ONNXHUB_TOOLCHAINS": str(toolchains.home()),
        "ONNXHUB_REQUIRE_SANDBOX": str(int(sandbox_required())),
        "ONNXHUB_MODEL_CODE": str(number("ONNXHUB_MODEL_CODE", 1)),
    }
