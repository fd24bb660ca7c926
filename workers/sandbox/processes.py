"""The processes of one job, found in /proc: all below the one that adopts the job's orphans."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from workers.sandbox import jail

PAGE = os.sysconf("SC_PAGE_SIZE")


def private_bytes(pids: set[int]) -> tuple[int, int]:
    """(private memory, resident memory) of all together: mapped files count for the second only."""
    private = resident = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/statm").read_bytes().split()
        except OSError:
            continue
        resident += int(fields[1]) * PAGE
        private += (int(fields[1]) - int(fields[2])) * PAGE
    return private, resident


def kill(reaper: int, token: str) -> None:
    """End all of the job without its ``reaper``'s help, again and again until none is left.

    What lost its ``reaper`` is known by ``token`` in its environment.
    """
    for _ in range(20):
        left = jail.descendants(reaper) | {int(pid) for pid in os.listdir("/proc") if _carries(pid, token)} - {reaper}
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _carries(pid: str, token: str) -> bool:
    try:
        return pid.isdigit() and token.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
