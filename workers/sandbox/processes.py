"""The processes of one job, found in /proc: all below the one that adopts the job's orphans."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from workers.sandbox import jail

TICKS = os.sysconf("SC_CLK_TCK")
OWN_MEMORY = (b"RssAnon", b"RssShmem", b"VmSwap")


def memory(pids: set[int]) -> tuple[int, int]:
    """(own memory, resident memory) of all together, in bytes: mapped files on disk count for the second only.

    Own is what is private or shared without a file, in RAM or swapped out.
    """
    own = resident = 0
    for pid in pids:
        sizes = _sizes(pid)
        own += sum(sizes.get(name, 0) for name in OWN_MEMORY)
        resident += sizes.get(b"VmRSS", 0)
    return own, resident


def _sizes(pid: int) -> dict[bytes, int]:
    """The sizes in a process's status, in bytes. When its first thread has ended any other one tells them."""
    for path in (Path(f"/proc/{pid}/status"), *Path(f"/proc/{pid}/task").glob("*/status")):
        try:
            lines = [line.split() for line in path.read_bytes().splitlines()]
        except OSError:
            continue  # it ended meanwhile
        sizes = {line[0].rstrip(b":"): int(line[1]) << 10 for line in lines if line[-1:] == [b"kB"]}
        if sizes:
            return sizes
    return {}


class CpuClock:
    """CPU seconds of all below ``reaper`` from now on, those of ended processes with them.

    An ended process is in its parent's account, unless the parent refuses to be told of its children's ends: what was
    seen of every process is the second measure, and the greater one counts.
    """

    def __init__(self, reaper: int) -> None:
        self.reaper = reaper
        self._before = _ticks(reaper)[2]
        self._seen: dict[tuple[int, int], int] = {}

    def seconds(self, pids: set[int]) -> float:
        """For the processes ``pids`` that are there now."""
        told = _ticks(self.reaper)[2] - self._before
        for pid in pids:
            born, own, children = _ticks(pid)
            told += own + children
            self._seen[pid, born] = own
        return max(told, sum(self._seen.values())) / TICKS


def _ticks(pid: int) -> tuple[int, int, int]:
    """(time of birth, CPU time of its own, CPU time of its ended children) of a process; zeros when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0, 0, 0
    user, system, child_user, child_system = map(int, fields[11:15])
    return int(fields[19]), user + system, child_user + child_system


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
