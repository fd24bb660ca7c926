"""The one task: it gets a job's id and does the job, if that job still waits to be done."""

from __future__ import annotations

import os
import socket
from functools import cache

import structlog

from app.db.engine import Database
from app.settings import Settings
from app.storage.local import LocalStorage
from workers.celery_app import app
from workers.claim import claim
from workers.supervise import supervise

log = structlog.get_logger("worker")


@cache
def _parts(pid: int) -> tuple[Settings, Database, LocalStorage]:
    """What a job needs, made once a process: a database connection must not outlive a fork."""
    settings = Settings()
    return settings, Database(settings.database), LocalStorage(settings.storage_folder)


@app.task(name="workers.tasks.convert", max_retries=1, default_retry_delay=5)  # type: ignore[untyped-decorator]
def convert(job_id: str) -> None:
    """Safe to run twice, at the same time too: only one of the runs gets the lease."""
    settings, db, storage = _parts(os.getpid())
    held = claim(db, job_id, f"{socket.gethostname()}:{os.getpid()}", settings.lease_seconds)
    if held is None:
        log.info("nothing to do", job=job_id)
        return
    log.info("started", job=job_id, attempt=held.attempt)
    supervise(db, storage, settings, held)
    log.info("ended", job=job_id, attempt=held.attempt)
