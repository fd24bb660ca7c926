"""What every route works with, made once a process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from app.db.engine import Database
from app.jobs.watch import Watch
from app.ops.metrics import Metrics
from app.queue import Queue
from app.settings import Settings
from app.storage.local import LocalStorage


@dataclass(slots=True)
class Hub:
    """``closing`` becomes true when the process is told to stop: streams end then."""

    settings: Settings
    db: Database
    storage: LocalStorage
    queue: Queue
    watch: Watch
    metrics: Metrics = field(default_factory=Metrics)
    closing: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Hub:
        db = Database(settings.database)
        storage = LocalStorage(settings.storage_folder)
        return cls(settings, db, storage, Queue(settings.broker_url), Watch(db))

    def prepare(self) -> None:
        """Folders and schema; an error here is one that the operator has to see."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        self.storage.prepare()
        self.db.migrate()

    def close(self) -> None:
        self.queue.close()
        self.db.close()


def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(_hub)]


def request_id(request: Request) -> str:
    """The id under which this request stands in the logs and in problems."""
    return str(request.scope.get("state", {}).get("request_id", ""))
