"""A process that imports the engine once and forks a jailed child a job: the second it takes to import is paid once.

``Zygote`` is the supervisor's handle; run as ``python -m workers.sandbox.zygote DESCRIPTOR`` this module is the process
itself. It only imports: it holds no secrets, opens no file of a user, and has one thread, for a fork of several would
inherit locks that nobody opens again. It does one job at a time, and whatever a job leaves running is its to end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from workers.sandbox import jail
from workers.sandbox.disk import Growth
from workers.sandbox.forked import alone, become
from workers.sandbox.outcome import Limits, Outcome
from workers.sandbox.run import Watch, environment
from workers.sandbox.streams import Events, Tail

PRELOAD = "workers.preload"
MESSAGE = 1 << 20
JOBS = 200
START_SECONDS = 60.0
CLOSE_SECONDS = 5.0


class Zygote:
    """Starts the process when it is first needed, and anew after ``JOBS`` jobs or when it is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._jobs = 0

    @property
    def pid(self) -> int | None:
        """The warm process, when there is one."""
        return self._process.pid if self._process is not None else None

    def run(
        self,
        folder: Path,
        *,
        read: Sequence[Path],
        limits: Limits,
        env: Mapping[str, str],
        on_event: Callable[[dict[str, Any]], None],
        should_stop: Callable[[], bool],
    ) -> Outcome:
        """``workers.child.main(folder)`` in a forked child of the jail; the same promises as ``sandbox.run``."""
        channel = self._ready()
        self._jobs += 1
        token = uuid.uuid4().hex
        (events_out, events_in), (out, out_in), (err, err_in) = os.pipe(), os.pipe(), os.pipe()
        lifeline, held = os.pipe()
        spec = {"read": [str(p) for p in read], "write": [str(folder)], "limits": asdict(limits)}
        order = {"folder": str(folder), "environment": environment(folder, token, env), "spec": spec}
        start = time.monotonic()
        given = [events_in, out_in, err_in, lifeline]
        assert self._process is not None
        watch = Watch(self._process.pid, token, limits, Growth([folder]), start, held)
        try:
            socket.send_fds(channel, [json.dumps(order).encode()], given)
            for descriptor in given:
                os.close(descriptor)
            self._answer(channel)
            return watch.until_done(self._status, Events(events_out), Tail(out), Tail(err), on_event, should_stop)
        except BaseException:
            watch.cut()
            self.close()  # the answer to this job must not be taken for the next one's
            raise

    def close(self) -> None:
        """Let the process end; the job that it is at, if any, must have lost its lifeline."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            try:
                self._process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._channel = None

    def _ready(self) -> socket.socket:
        if self._process is not None and (self._process.poll() is not None or self._jobs >= JOBS):
            self.close()
        if self._channel is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.sandbox.zygote", str(theirs.fileno())],
                # OpenBLAS starts its threads when it is imported, and a fork of several threads is not safe.
                env={
                    **environment(Path("/"), "", {"OPENBLAS_NUM_THREADS": "1"}),
                    "PYTHONPATH": str(Path(jail.__file__).parents[2]),
                },
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            theirs.close()
            self._channel, self._jobs = ours, 0
            ours.settimeout(START_SECONDS)
            self._answer(ours)
        return self._channel

    def _answer(self, channel: socket.socket) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(channel.recv(MESSAGE) or b"{}")
        if not answer:
            raise ChildProcessError("the warm process died")
        return answer

    def _status(self) -> int | None:
        """The child's exit status once the zygote has reaped it; a dead zygote took its child with it."""
        assert self._channel is not None and self._process is not None
        self._channel.setblocking(False)
        try:
            message = self._channel.recv(MESSAGE)
        except BlockingIOError:
            return None
        finally:
            self._channel.settimeout(START_SECONDS)
        if not message:
            return -signal.SIGKILL
        return int(json.loads(message)["status"])


def main(descriptor: int) -> None:
    """Import, say so, and fork until the supervisor is gone."""
    jail.adopt()
    channel = socket.socket(fileno=descriptor)
    entry = import_module(PRELOAD).main
    alone()
    channel.send(json.dumps({"ready": True}).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE, 4)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            channel.close()
            order = json.loads(message)
            become({**order, "spec": {**order["spec"], "parent": os.getppid()}}, descriptors[:3], entry)
        *streams, lifeline = descriptors
        for received in streams:
            os.close(received)
        channel.send(json.dumps({"pid": pid}).encode())
        status = jail.attend(pid, lifeline)
        os.close(lifeline)
        channel.send(json.dumps({"status": status}).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
