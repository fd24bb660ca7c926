"""A worker tells what it can do when it starts, and that it lives every few seconds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from app.db import workers as rows
from app.db.engine import Database
from app.settings import Settings

log = structlog.get_logger("worker")

BEAT_SECONDS = 3.0
ANSWER_SECONDS = 120


@dataclass(slots=True)
class _Announcer:
    db: Database
    slots: int
    id: str
    stopping: threading.Event = field(default_factory=threading.Event)


_running: _Announcer | None = None
_asking: subprocess.Popen[bytes] | None = None


def prepare() -> None:
    """Ask the engine already while Celery starts."""
    global _asking
    _asking = _ask()


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


def _ask() -> subprocess.Popen[bytes]:
    """What the engine can do here, asked in a process of its own: this one stays small and free of its libraries."""
    return subprocess.Popen([sys.executable, "-m", "workers.capabilities"], stdout=subprocess.PIPE)


def _capabilities() -> dict[str, Any]:
    global _asking
    asked, _asking = _asking or _ask(), None
    answer, _ = asked.communicate(timeout=ANSWER_SECONDS)
    if asked.returncode:
        raise OSError(f"python -m workers.capabilities ended with status {asked.returncode}")
    told: dict[str, Any] = json.loads(answer)
    return told


def _keep(announcer: _Announcer) -> None:
    known: object = None
    while True:
        try:
            installed = _installed()
            if installed != known:  # at the start, and when a toolchain came or went
                told = _capabilities()
                with announcer.db.write() as session:
                    rows.announce(session, announcer.id, announcer.slots, told)
                known = installed
            else:
                with announcer.db.write() as session:
                    rows.beat(session, announcer.id)
        except Exception:  # tried again at the next beat
            log.exception("announcement failed")
        if announcer.stopping.wait(BEAT_SECONDS):
            return


def _installed() -> tuple[str, ...]:
    """The toolchains' folders, which bear the digests of their locks."""
    folder = Path(os.environ.get("ONNXHUB_TOOLCHAINS") or Settings().home / "toolchains")
    return tuple(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ()
