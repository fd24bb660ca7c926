"""A worker tells what it can do when it starts, and that it lives every few seconds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.db import workers as rows
from app.db.engine import Database
from app.settings import Settings

log = structlog.get_logger("worker")

BEAT_SECONDS = 3.0
# How often a worker looks whether it can do more than before (a toolchain was installed).
LOOK_AGAIN_BEATS = 20


@dataclass(slots=True)
class _Announcer:
    db: Database
    slots: int
    id: str
    stopping: threading.Event = field(default_factory=threading.Event)


_running: _Announcer | None = None


def start(settings: Settings) -> None:
    """Announce and keep announcing in a thread of the worker's main process."""
    global _running
    db = Database(settings.database)
    db.migrate()
    _running = _Announcer(db, settings.concurrency, f"{socket.gethostname()}:{os.getpid()}")
    threading.Thread(target=_keep, args=(_running,), daemon=True, name="announce").start()


def stop() -> None:
    """A worker that ends in order takes its entry away."""
    if _running is not None:
        _running.stopping.set()
        with _running.db.write() as session:
            rows.leave(session, _running.id)


def capabilities() -> dict[str, Any]:
    """What the engine can do here, asked in a process of its own: this one stays small and free of its libraries."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.capabilities"], stdout=subprocess.PIPE, check=True, timeout=120
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _keep(announcer: _Announcer) -> None:
    beats = 0
    while True:
        try:
            if beats % LOOK_AGAIN_BEATS == 0:
                told = capabilities()
                with announcer.db.write() as session:
                    rows.announce(session, announcer.id, announcer.slots, told)
            else:
                with announcer.db.write() as session:
                    rows.beat(session, announcer.id)
            beats += 1
        except Exception:  # tried again at the next beat
            log.exception("announcement failed")
        if announcer.stopping.wait(BEAT_SECONDS):
            return
