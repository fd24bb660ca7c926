"""A job in a forked child of this very process: an interpreter is started once, and what it holds is shared.

The calling process has one thread, for a fork of several would inherit locks that nobody opens again, and nothing in
its environment that a job must not see: a child inherits the memory where it once lay.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from workers.sandbox import jail
from workers.sandbox.disk import Growth
from workers.sandbox.outcome import VARIABLE, Limits, Outcome
from workers.sandbox.run import Watch, environment
from workers.sandbox.streams import Events, Tail

Entry = Callable[[str], int]


class Ahead:
    """A child forked before its job is known: it calls ``prepare``, which imports, and waits for ``run``.

    It is in no jail until then, sees no file of a user's, and ends with the process that made it.
    """

    def __init__(self, prepare: Callable[[], Entry]) -> None:
        alone()
        sys.stdout.flush()
        sys.stderr.flush()
        pipes = [os.pipe() for _ in range(3)]
        (ordered, self._order), (lifeline, self._held) = os.pipe(), os.pipe()
        given = [ours for _, ours in pipes]
        self._streams = [theirs for theirs, _ in pipes]
        self._init = os.fork()
        if self._init == 0:
            _attend(prepare, ordered, given, lifeline, [*self._streams, self._order, self._held])
        for descriptor in (*given, ordered, lifeline):
            os.close(descriptor)

    def run(
        self,
        folder: Path,
        *,
        read: Sequence[Path],
        write: Sequence[Path],
        limits: Limits,
        env: Mapping[str, str],
        on_event: Callable[[dict[str, Any]], None],
    ) -> Outcome:
        """The prepared function on ``folder``, in the jail, once; the same promises as ``sandbox.run``."""
        token = uuid.uuid4().hex
        spec = {"read": [str(path) for path in read], "write": [str(path) for path in write], "limits": asdict(limits)}
        order = {"folder": str(folder), "environment": environment(folder, token, env), "spec": spec}
        start = time.monotonic()
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._order, "wb") as pipe:
            pipe.write(json.dumps(order).encode())
        events, out, err = self._streams
        watch = Watch(self._init, token, limits, Growth(write), start, self._held)
        return watch.until_done(self._status, Events(events), Tail(out), Tail(err), on_event, lambda: False)

    def _status(self) -> int | None:
        ended, status = os.waitpid(self._init, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if ended else None


def alone() -> None:
    """Refuse to fork a process of several threads."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"{threads - 1} threads were started before the fork; it would not be safe")


def _attend(
    prepare: Callable[[], Entry], ordered: int, given: list[int], lifeline: int, foreign: list[int]
) -> NoReturn:
    """The init of the job's processes: outside the jail, and there as long as any of them."""
    try:
        for descriptor in foreign:
            os.close(descriptor)
        os.setsid()
        jail.adopt()
        jail.dumpable(False)
        init = os.getpid()
        child = os.fork()
        if child == 0:
            jail.dumpable(True)
            _wait(prepare, ordered, given, init)
        for descriptor in (*given, ordered):
            os.close(descriptor)
        jail.be_init(child, lifeline)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _wait(prepare: Callable[[], Entry], ordered: int, given: list[int], init: int) -> NoReturn:
    """The child until it has its order. The jail closes on one thread only, so that there must be no other."""
    try:
        entry = prepare()
        alone()
        with os.fdopen(ordered, "rb") as pipe:
            text = pipe.read()
        if not text:
            os._exit(0)  # nobody wants it
        order = json.loads(text)
    except BaseException:
        os.write(given[-1], traceback.format_exc().encode())
        os._exit(1)
    become({**order, "spec": {**order["spec"], "parent": init}}, given, entry)


def become(order: dict[str, Any], descriptors: Sequence[int], entry: Entry) -> NoReturn:
    """The forked child: its own session, streams, environment and jail, then the job.

    ``order`` has the job's ``folder``, the whole ``environment`` and the jail's ``spec``; ``descriptors`` are where
    events, output and errors go.
    """
    status = 1
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        events, out, err = (os.dup(descriptor) for descriptor in descriptors)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for source, target in ((out, 1), (err, 2), (events, 3)):
            os.dup2(source, target)
        os.closerange(4, 256)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        os.environ[VARIABLE] = json.dumps(jail.apply(order["spec"]))
        status = entry(order["folder"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
