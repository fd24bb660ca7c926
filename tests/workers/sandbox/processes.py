"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from workers.sandbox import jail


def end_with(starter: subprocess.Popen[bytes], count: int) -> None:
    """Kill ``starter`` once ``count`` processes are below it: within five seconds none of them is left."""
    deadline = time.monotonic() + 60
    while len(running := jail.descendants(starter.pid)) < count:
        assert time.monotonic() < deadline and starter.poll() is None
        time.sleep(0.01)
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + 5
    while running := {pid for pid in running if Path(f"/proc/{pid}").exists()}:
        assert time.monotonic() < deadline, running
        time.sleep(0.01)
