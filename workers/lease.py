"""Holding on to a running job: the lease is renewed in a thread, the child's events become the job's."""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog

from app.db.engine import Database
from workers import claim as claims
from workers.claim import Claim, Order
from workers.stages import Stages

log = structlog.get_logger("worker")

HEARTBEAT_SECONDS = 1.0
LOOK_SECONDS = 0.25
PROGRESS_SECONDS = 0.2
WORDS = 200


class Lease:
    """Renews the lease in a thread and listens for a cancellation until the job is done."""

    def __init__(self, db: Database, held: Claim, seconds: float) -> None:
        self._db, self._held, self._seconds = db, held, seconds
        self._done = threading.Event()
        self.order: Order = "go on"
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"lease {held.job_id}")

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def stopped(self) -> bool:
        return self.order != "go on"

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(LOOK_SECONDS) and not self.stopped():
            try:
                if time.monotonic() - renewed >= HEARTBEAT_SECONDS:
                    self.order = claims.renew(self._db, self._held, self._seconds)
                    renewed = time.monotonic()
                else:
                    self.order = claims.order(self._db, self._held)
            except Exception:  # a database that is away for a moment must not end the job; the lease decides
                log.exception("heartbeat failed", job=self._held.job_id)
                if time.monotonic() - renewed > self._seconds:
                    self.order = "lost"


class Relay:
    """The child's events as events of the job: stages at once, progress a few times a second."""

    def __init__(self, db: Database, held: Claim) -> None:
        self._db, self._held = db, held
        self._stages = Stages(len(held.targets))
        self._last = 0.0
        self._layer = ""

    def __call__(self, event: dict[str, Any]) -> None:
        if event.get("event") == "stage" and isinstance(event.get("name"), str):
            name = event["name"][:WORDS]
            self._last = 0.0
            self._tell("stage", {}, name, self._stages.begin(name))
        elif event.get("event") == "progress":
            self._progress(event)

    def _progress(self, event: dict[str, Any]) -> None:
        done, total, what = event.get("done"), event.get("total"), event.get("what")
        if not isinstance(done, int) or not isinstance(total, int) or not isinstance(what, str):
            return
        moment = time.monotonic()
        if done < total and moment - self._last < PROGRESS_SECONDS:
            return
        self._last = moment
        data = {"done": done, "total": total, "layer": what[:WORDS]}
        self._tell("progress", data, self._stages.stage, self._stages.within(done, total))

    def _tell(self, kind: str, data: dict[str, Any], stage: str, progress: float) -> None:
        claims.tell(self._db, self._held, kind, data, stage=stage, progress=progress)
