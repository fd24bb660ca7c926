"""What a jailed process may use, and how it ended."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workers.errors import Canceled, LimitExceeded, ToolchainCrashed

if TYPE_CHECKING:  # the report is written inside: who only watches a job need not load it
    from workers.report.schema import Layer

Kind = Literal["ok", "failed", "signal", "timeout", "cpu", "memory", "disk", "processes", "canceled"]
VARIABLE = "ONNXHUB_SANDBOX"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a job's processes together: seconds of wall clock and CPU, bytes of memory of their own, of all files.

    CPU, memory and open files bound each single one as well; ``file_bytes`` is the size of one file, ``disk_bytes`` and
    ``files`` are what may come to the folders that the job writes to.
    """

    wall_s: float = 3600
    cpu_s: int = 7200
    memory_bytes: int = 16 << 30
    file_bytes: int = 64 << 30
    disk_bytes: int = 64 << 30
    files: int = 100_000
    processes: int = 512
    open_files: int = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """``code`` is the exit status, ``signal`` the number that killed it; ``stderr`` the last 64 KiB of what it said."""

    kind: Kind
    code: int | None
    signal: int | None
    stderr: str
    stdout: str
    seconds: float
    peak_rss: int
    limits: Limits

    def raise_for_status(self, what: str) -> None:
        """Raise the error that the user reads, unless the process ended well. ``what``: "the conversion"."""
        limits = self.limits
        match self.kind:
            case "ok":
                return
            case "canceled":
                raise Canceled(f"{what} was canceled")
            case "timeout":
                raise LimitExceeded("time", f"{what} took longer than {limits.wall_s:g} s", limit=limits.wall_s)
            case "cpu":
                raise LimitExceeded("time", f"{what} used more than {limits.cpu_s} s of CPU", limit=limits.cpu_s)
            case "memory":
                size = limits.memory_bytes
                raise LimitExceeded("memory", f"{what} needed more than {size // MIB} MiB of memory", limit=size)
            case "disk":
                size = limits.disk_bytes
                told = f"{size // MIB} MiB or {limits.files} files"
                raise LimitExceeded("disk", f"{what} wrote more than {told}", limit=size)
            case "processes":
                count = limits.processes
                raise LimitExceeded("processes", f"{what} started more than {count} processes", limit=count)
            case "signal":
                name = signal.Signals(self.signal or 0).name
                raise ToolchainCrashed(f"{what} was killed by {name}", hint=_tail(self.stderr))
            case "failed":
                raise ToolchainCrashed(f"{what} ended with status {self.code}", hint=_tail(self.stderr))


def _tail(text: str) -> str | None:
    """The last lines of what a process said, short enough for an error."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-5:])[-1000:] or None


def held() -> list[Layer]:
    """The layers of the jail that this process runs in; empty outside one."""
    from workers.report.schema import Layer

    return [Layer(name=name, held=ok, detail=detail) for name, ok, detail in json.loads(os.environ.get(VARIABLE, "[]"))]
