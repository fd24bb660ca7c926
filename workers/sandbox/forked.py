"""A job in a forked child of this very process: an interpreter is started once, and what it holds is shared.

The calling process has one thread, for a fork of several would inherit locks that nobody opens again, and nothing in
its environment that a job must not see: a child inherits the memory where it once lay.
"""

from __future__ import annotations

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


def run(
    entry: Entry,
    folder: Path,
    *,
    read: Sequence[Path],
    write: Sequence[Path],
    limits: Limits,
    env: Mapping[str, str],
    on_event: Callable[[dict[str, Any]], None],
) -> Outcome:
    """``entry(folder)`` in a forked child of the jail; the same promises as ``sandbox.run``."""
    alone()
    token = uuid.uuid4().hex
    pipes = [os.pipe() for _ in range(3)]
    lifeline, held = os.pipe()
    spec = {"read": [str(path) for path in read], "write": [str(path) for path in write], "limits": asdict(limits)}
    order = {"folder": str(folder), "environment": environment(folder, token, env), "spec": spec}
    given = [ours for _, ours in pipes]
    kept = [theirs for theirs, _ in pipes]
    start = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    init = os.fork()
    if init == 0:
        _attend(order, given, lifeline, [*kept, held], entry)
    for descriptor in (*given, lifeline):
        os.close(descriptor)
    events, out, err = kept
    watch = Watch(init, token, limits, Growth(write), start, held)
    return watch.until_done(lambda: _status(init), Events(events), Tail(out), Tail(err), on_event, lambda: False)


def alone() -> None:
    """Refuse to fork a process of several threads."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"{threads - 1} threads were started before the fork; it would not be safe")


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _attend(order: dict[str, Any], given: list[int], lifeline: int, foreign: list[int], entry: Entry) -> NoReturn:
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
            become({**order, "spec": {**order["spec"], "parent": init}}, given, entry)
        for descriptor in given:
            os.close(descriptor)
        jail.be_init(child, lifeline)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


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
