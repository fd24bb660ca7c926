"""Start a program in the jail, watch it, end it when it goes too far, and say how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workers.sandbox import jail, processes
from workers.sandbox.disk import Growth, Size
from workers.sandbox.outcome import VARIABLE, Kind, Limits, Outcome
from workers.sandbox.streams import Events, Tail

POLL_SECONDS = 0.02
LOOK_SECONDS = 0.2
WEIGH_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
TOKEN = "ONNXHUB_JOB_TOKEN"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
             "ONNXHUB_HOME", "ONNXHUB_TOOLCHAINS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # fmt: skip


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    read: Sequence[Path] = (),
    write: Sequence[Path] = (),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    env: Mapping[str, str] | None = None,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run ``argv`` (an absolute program path first) to its end.

    ``read`` and ``write`` are the only folders it sees besides the system's libraries; it has no network. ``on_event``
    is called in this thread for every JSON line the program writes on descriptor 3; ``should_stop`` is asked about five
    times a second.
    """
    token = uuid.uuid4().hex
    (events_out, events_in), (out, out_in), (err, err_in) = os.pipe(), os.pipe(), os.pipe()
    lifeline, held = os.pipe()
    spec = {
        "read": [str(path) for path in read],
        "write": [str(path) for path in write],
        "limits": asdict(limits),
        "events": events_in,
        "lifeline": lifeline,
    }
    growth = Growth(write)
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", jail.__file__, json.dumps(spec), "--", *argv],
        cwd=cwd,
        env=environment(cwd, token, env or {}),
        stdin=subprocess.DEVNULL,
        stdout=out_in,
        stderr=err_in,
        pass_fds=(events_in, lifeline),
        start_new_session=True,
    )
    for descriptor in (events_in, out_in, err_in, lifeline):
        os.close(descriptor)
    watch = Watch(process.pid, token, limits, growth, start, held)
    return watch.until_done(process.poll, Events(events_out), Tail(out), Tail(err), on_event, should_stop)


def environment(cwd: Path, token: str, more: Mapping[str, str]) -> dict[str, str]:
    """A clean environment: nothing of ours but what computing needs, a home in the job's folder, no telemetry."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    threads = str(len(os.sched_getaffinity(0)))
    return {
        **kept,
        "HOME": str(cwd),
        "TMPDIR": str(cwd),
        "ORT_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "HDF5_PLUGIN_PATH": "::",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        # Idle threads sleep: spinning ones take the cores from the other jobs of a busy machine.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONSAFEPATH": "1",  # no module is imported from the folder that the job writes to
        TOKEN: token,
        **more,
    }


class Watch:
    """The supervisor's side of one job: its clock, its scales and its axe.

    ``reaper`` is the process that adopts the job's orphans, and ends all of them when ``lifeline`` is closed.
    """

    def __init__(self, reaper: int, token: str, limits: Limits, growth: Growth, start: float, lifeline: int) -> None:
        self.reaper = reaper
        self.token = token
        self.limits = limits
        self.growth = growth
        self.start = start
        self.lifeline: int | None = lifeline
        self.cpu = processes.CpuClock(reaper)
        self.peak = 0

    def cut(self) -> None:
        """Let go of the lifeline."""
        if self.lifeline is not None:
            os.close(self.lifeline)
        self.lifeline = None

    def until_done(
        self,
        poll: Callable[[], int | None],
        events: Events,
        out: Tail,
        err: Tail,
        on_event: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ) -> Outcome:
        """Wait for the end; ``poll`` gives the exit status (negative: a signal) or None while running."""
        verdict: Kind | None = None
        try:
            verdict, status = self._wait(poll, events, on_event, should_stop)
        finally:
            self.cut()
        status = self._ended(poll) if status is None else status
        if verdict is None and status == -signal.SIGKILL:
            processes.kill(self.reaper, self.token)  # it may have been the reaper that was killed
        seconds = time.monotonic() - self.start
        events.join()
        for event in events.take():
            on_event(event)
        kind = verdict or _kind(status)
        code, number = (status, None) if status >= 0 else (None, -status)
        return Outcome(kind, code, number, err.text(), out.text(), seconds, self.peak, self.limits)

    def _ended(self, poll: Callable[[], int | None]) -> int:
        """The exit status of a job whose lifeline is cut; a reaper that does not keep its promise gets no thanks."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while (status := poll()) is None:
            time.sleep(POLL_SECONDS)
            if time.monotonic() > patience:
                processes.kill(self.reaper, self.token)
        return status

    def _wait(
        self,
        poll: Callable[[], int | None],
        events: Events,
        on_event: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ) -> tuple[Kind | None, int | None]:
        looked = weighed = self.start
        while (status := poll()) is None:
            for event in events.take():
                on_event(event)
            now = time.monotonic()
            if now - looked >= LOOK_SECONDS:
                looked = now
                if should_stop():
                    return "canceled", None
                if over := self._over(now, weigh=now - weighed >= WEIGH_SECONDS):
                    return over, None
                weighed = now if now - weighed >= WEIGH_SECONDS else weighed
            time.sleep(POLL_SECONDS)
        return None, status

    def _over(self, now: float, weigh: bool) -> Kind | None:
        """The limit that is exceeded, if any."""
        if now - self.start > self.limits.wall_s:
            return "timeout"
        members = jail.descendants(self.reaper)
        own, resident = processes.memory(members)
        self.peak = max(self.peak, resident)
        if own > self.limits.memory_bytes:
            return "memory"
        if self.cpu.seconds(members) > self.limits.cpu_s:
            return "cpu"
        if len(members) > self.limits.processes:
            return "processes"
        if weigh and self.growth.exceeds(Size(self.limits.files, self.limits.disk_bytes)):
            return "disk"
        return None


def _kind(status: int) -> Kind:
    if status == 0:
        return "ok"
    if status in (-signal.SIGXCPU,):
        return "cpu"
    if status in (-signal.SIGXFSZ,):
        return "disk"
    return "signal" if status < 0 else "failed"


__all__ = ["VARIABLE", "Watch", "environment", "run"]
