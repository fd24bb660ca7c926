"""The processes of one job, found in /proc: its session, its descendants, and strays that left both."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    session: int


def everyone() -> list[Process]:
    """All processes that can be seen, zombies left out."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if fields[0] not in (b"Z", b"X"):
            found.append(Process(int(entry), int(fields[1]), int(fields[3])))
    return found


def members(leader: int, token: str, reaper: int = 0) -> set[int]:
    """Pids of the job led by ``leader``.

    A process that detached itself is known by ``token`` in its environment, or as a child of ``reaper``, the process
    that adopts the job's orphans and has no other children.
    """
    running = everyone()
    group = {process.pid for process in running if leader in (process.session, process.pid)}
    group |= {process.pid for process in running if reaper and process.parent == reaper}
    grew = True
    while grew:
        more = {process.pid for process in running if process.parent in group} - group
        grew = bool(more)
        group |= more
    orphans = {process.pid for process in running if process.parent in (1, os.getpid())} - group
    return group | {pid for pid in orphans if _carries(pid, token)}


def _carries(pid: int, token: str) -> bool:
    try:
        return token.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


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


def kill(leader: int, token: str, reaper: int = 0) -> None:
    """End all of the job, again and again until none is left (a process may be forking while it is killed)."""
    for _ in range(20):
        left = members(leader, token, reaper)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
