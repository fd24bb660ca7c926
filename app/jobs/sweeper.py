"""Whatever a dead process left undone, done by any API process that lives. Each step is a conditional update, so that
several sweepers side by side do no harm."""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from typing import Any

import anyio.to_thread
import structlog
from sqlalchemy.orm import Session

from app.clock import now
from app.context import Hub
from app.db import jobs, keys, models, workers
from app.db.tables import Job
from app.jobs.routes import CANCELED
from app.jobs.submit import dispatch
from app.queue import QueueUnavailable

log = structlog.get_logger("sweeper")

EVERY_SECONDS = 1.0
CLEAN_EVERY_SECONDS = 60.0
# An upload of so many hours is not going to end.
STAGING_HOURS = 24
UNFINISHED_KEY_MINUTES = 15
LOST = {
    "type": "internal",
    "title": "onnxhub itself failed",
    "detail": "The worker died each time it was at this job",
    "hint": "The model may need more memory than the machine has; see the worker's log.",
    "retryable": True,
}


async def run(hub: Hub) -> None:
    """Forever: look after jobs every second and after files every minute. An error is logged and tried again."""
    cleaned = 0.0
    while True:
        try:
            await anyio.to_thread.run_sync(look_after_jobs, hub)
            if anyio.current_time() - cleaned >= CLEAN_EVERY_SECONDS:
                cleaned = anyio.current_time()
                await anyio.to_thread.run_sync(clean, hub)
        except Exception:
            log.exception("sweep failed")
        await asyncio.sleep(EVERY_SECONDS)


def look_after_jobs(hub: Hub) -> None:
    """Take jobs from dead workers, send those that wait unsent."""
    with hub.db.read() as session:
        lost = jobs.abandoned(session)
    for job in lost:
        with hub.db.write() as session:
            _take_back(session, hub, job)
    _notice_a_new_broker(hub)
    patience = timedelta(seconds=hub.settings.redispatch_seconds)
    with hub.db.read() as session:
        waiting = jobs.undispatched(session, patience)
    for job_id, seen in waiting:
        if not dispatch(hub, job_id, seen):
            break  # the broker is away: no use in asking once more for each job


def _notice_a_new_broker(hub: Hub) -> None:
    """What a broker forgot is sent again at once; the ever longer waits are for what it merely has not delivered."""
    try:
        forgot = hub.queue.forgot()
    except QueueUnavailable:
        return
    if forgot:
        with hub.db.write() as session:
            jobs.unmark_all_dispatched(session)


def _take_back(session: Session, hub: Hub, job: Job) -> None:
    """A running job without a lease goes back to the queue, or ends when that was tried often enough."""
    same = (Job.lease == job.lease, Job.lease_expires == job.lease_expires)
    ending: dict[str, Any] = {"finished_at": now(), "expires_at": _expiry(hub), "lease": None}
    log.warning("worker lost", job=job.id, worker=job.worker, attempt=job.attempt)
    if job.cancel_requested:
        jobs.change(session, job.id, "canceled", *same, to="canceled", error=CANCELED, **ending)
    elif job.attempt >= hub.settings.max_attempts:
        jobs.change(session, job.id, "failed", *same, to="failed", error={**LOST, "stage": job.stage}, **ending)
    else:
        jobs.change(
            session, job.id, "requeued", *same, to="queued", data={"reason": "the worker died"}, lease=None,
            dispatched_at=None, stage=None, progress=0.0,
        )  # fmt: skip


def clean(hub: Hub) -> None:
    """Forget what is past its time, then delete the files that nothing refers to any more."""
    settings = hub.settings
    with hub.db.write() as session:
        for job_id in jobs.outdated(session):
            jobs.expire(session, job_id)
        jobs.purge(session, _ago(hours=settings.retention_hours))
        models.remove_unkept(session)
        keys.forget(session, _ago(hours=settings.idempotency_hours), unfinished=False)
        keys.forget(session, _ago(minutes=UNFINISHED_KEY_MINUTES), unfinished=True)
        workers.forget(session, _ago(hours=1))
    with hub.db.read() as session:
        orphans = models.orphans(session, _ago(hours=settings.orphan_hours))
    for sha256 in orphans:
        with hub.db.write() as session:  # row and file together, so that an upload of the same content waits
            if models.forget_orphan(session, sha256, _ago(hours=settings.orphan_hours)):
                hub.storage.delete(sha256)
    hub.storage.sweep_staging(STAGING_HOURS * 3600)
    _sweep_work(hub)


def _sweep_work(hub: Hub) -> None:
    """Remove the folders of attempts that are over: their worker died before it could."""
    if not hub.settings.work_folder.is_dir():
        return
    for folder in hub.settings.work_folder.iterdir():
        job_id, _, attempt = folder.name.partition(".")
        with hub.db.read() as session:
            job = jobs.get(session, job_id)
        if job is None or job.status != "running" or str(job.attempt) != attempt:
            shutil.rmtree(folder, ignore_errors=True)


def _ago(*, hours: float = 0.0, minutes: float = 0.0) -> datetime:
    return now() - timedelta(hours=hours, minutes=minutes)


def _expiry(hub: Hub) -> datetime:
    return now() + timedelta(hours=hub.settings.retention_hours)
