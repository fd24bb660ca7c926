"""The one task: it gets a job's id and does the job, if that job still waits to be done."""

from __future__ import annotations

import os
import socket
from functools import cache

import structlog

from app.settings import Settings
from workers.celery_app import app
from workers.claim import claim
from workers.supervise import Site, supervise

log = structlog.get_logger("worker")


@cache
def _site(pid: int) -> Site:
    """Made once a process: a database connection must not outlive a fork."""
    return Site.of(Settings())


@app.task(name="workers.tasks.convert", max_retries=1, default_retry_delay=5)  # type: ignore[untyped-decorator]
def convert(job_id: str) -> None:
    """Safe to run twice, at the same time too: only one of the runs gets the lease."""
    site = _site(os.getpid())
    held = claim(site.db, job_id, f"{socket.gethostname()}:{os.getpid()}", site.settings.lease_seconds)
    if held is None:
        log.info("nothing to do", job=job_id)
        return
    log.info("started", job=job_id, attempt=held.attempt)
    supervise(site, held)
    log.info("ended", job=job_id, attempt=held.attempt)
