"""Wall time and peak memory of one call in a fresh process, and the copy that both are compared with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """``seconds`` of the call itself, ``import_seconds`` before it, ``peak`` bytes of the whole process."""

    seconds: float
    import_seconds: float
    peak: int


def copy_seconds(source: Path, target: Path, runs: int = 3) -> float:
    """The median time of copying a file whose pages are cached, as the conversion's are."""
    times = []
    for _ in range(runs):
        target.unlink(missing_ok=True)
        start = time.perf_counter()
        shutil.copyfile(source, target)
        times.append(time.perf_counter() - start)
    target.unlink()
    return sorted(times)[runs // 2]


def in_fresh_process(module: str, *arguments: str) -> Cost:
    """Import ``module``, call its ``work(*arguments)``, and tell what that took.

    The peak is that of the process's own memory: ``ru_maxrss`` would begin with that of its parent.
    """
    program = (
        "import time, sys, json; start = time.perf_counter(); from importlib import import_module; "
        f"work = import_module({module!r}).work; ready = time.perf_counter(); work(*sys.argv[1:]); "
        "done = time.perf_counter(); peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]; "
        "print(json.dumps([done - ready, ready - start, int(peak) * 1024]))"
    )
    result = subprocess.run([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    seconds, import_seconds, peak = json.loads(result.stdout.splitlines()[-1])
    return Cost(seconds, import_seconds, peak)


def machine() -> str:
    """One line on the machine that gave the numbers."""
    import os
    import platform

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
