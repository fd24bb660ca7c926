"""From a checked request to a job row that waits in the queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.catalog.catalog import Catalog, current
from app.clock import now
from app.context import Hub
from app.db import jobs
from app.db.tables import Job
from app.ids import new_id
from app.problems import Problem
from app.queue import QueueUnavailable


def admission(hub: Hub) -> Catalog:
    """Refuse before the body is read: queue-full when too many jobs wait already, no-worker when nobody is there."""
    with hub.db.read() as session:
        waiting = jobs.queued(session)
    if waiting >= hub.settings.max_queued:
        told = f"{waiting} jobs wait already"
        raise Problem("queue-full", told, limit=hub.settings.max_queued, headers={"Retry-After": "30"})
    catalog = current(hub)
    if not catalog.workers:
        raise Problem("no-worker", "No worker has been heard of lately", headers={"Retry-After": "3"})
    return catalog


def new_job(
    session: Session,
    *,
    kind: str,
    owner: str | None,
    model_id: str,
    source: str | None,
    targets: list[str],
    options: dict[str, Any],
    request_id: str,
    verify: str = "none",
    device: str = "cpu",
    on_mismatch: str = "fail",
    samples: str | None = None,
    tag: str | None = None,
    retry_of: str | None = None,
) -> Job:
    """Enter a queued job; it is sent after the commit, see ``dispatch``."""
    job = Job(
        id=new_id(), kind=kind, owner=owner, status="queued", stage=None, progress=0.0, seq=1, model_id=model_id,
        source=source, targets=targets, options=options, verify=verify, device=device, on_mismatch=on_mismatch,
        samples=samples, tag=tag, retry_of=retry_of, request_id=request_id, attempt=0, cancel_requested=False,
        dispatches=0, created_at=now(), results=[], stages=[], warnings=[],
    )  # fmt: skip
    jobs.add(session, job)
    return job


def dispatch(hub: Hub, job_id: str, seen: datetime | None = None) -> bool:
    """Send a waiting job to the workers; ``seen`` is when it was sent last, as far as the caller knows.

    False when the broker does not answer: the sweeper tries again.
    """
    with hub.db.write() as session:
        kind = jobs.mark_dispatched(session, job_id, seen)
    if kind is None:
        return True
    try:
        hub.queue.send(job_id, kind)
    except QueueUnavailable:
        with hub.db.write() as session:
            jobs.unmark_dispatched(session, job_id)
        return False
    return True
