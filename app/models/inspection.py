"""Asking a worker what some files are, and waiting for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.clock import now
from app.context import Hub, request_id
from app.db import jobs, models
from app.db.tables import Job
from app.jobs import states
from app.jobs.request import InspectRequest, JobRequest, need_files
from app.jobs.submit import dispatch, new_job
from app.models import service
from app.problems import Problem, from_job, job_error
from app.uploads.multipart import Received


def enqueue(
    session: Session, *, owner: str | None, model_id: str, request: str, source: str | None = None,
    options: dict[str, Any] | None = None, targets: Sequence[str] = (),
) -> str:  # fmt: skip
    """An inspection as a job of its own kind; its id."""
    job = new_job(
        session, kind="inspect", owner=owner, model_id=model_id, source=source, targets=list(targets),
        options=options or {}, request_id=request,
    )  # fmt: skip
    return job.id


async def finished(hub: Hub, job_id: str, seconds: float) -> Job | None:
    """The inspection once it is final; None when it is not after ``seconds``."""
    end = anyio.current_time() + seconds
    while True:
        job = await anyio.to_thread.run_sync(_get, hub, job_id)
        if job is None or job.status in states.FINAL:
            return job
        left = end - anyio.current_time()
        if left <= 0 or hub.closing:
            return None
        await hub.watch.changed(job_id, job.seq, min(left, 1.0))


def _get(hub: Hub, job_id: str) -> Job | None:
    with hub.db.read() as session:
        return jobs.get(session, job_id)


async def once(
    request: Request, hub: Hub, owner: str | None, wishes: InspectRequest | JobRequest, files: Sequence[Received]
) -> dict[str, Any]:
    """What a worker says of these files, or of an uploaded model; nothing is kept. Raises the problem that it met."""
    targets = wishes.target if isinstance(wishes, JobRequest) else []
    job_id = await anyio.to_thread.run_sync(_begin, hub, owner, wishes, files, request_id(request), targets)
    try:
        await anyio.to_thread.run_sync(dispatch, hub, job_id)
        job = await finished(hub, job_id, hub.settings.inspect_seconds)
        if job is None or job.status == "canceled":
            told = f"No worker was free within {hub.settings.inspect_seconds:g} s"
            raise Problem("timed-out", told, headers={"Retry-After": "10"})
        if job.error:
            raise from_job(job_error(job.error, None))
        return job.inspection or {}
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_forget, hub, job_id)


def _begin(
    hub: Hub, owner: str | None, wishes: InspectRequest | JobRequest, files: Sequence[Received], request: str,
    targets: Sequence[str],
) -> str:  # fmt: skip
    with hub.db.write() as session:
        if wishes.model is not None:
            model_id = service.find(session, wishes.model, owner).model.id
        else:
            need_files(len(files))
            model_id = service.store(session, hub, files, owner=owner, kept=False).model.id
        return enqueue(
            session, owner=owner, model_id=model_id, request=request, source=wishes.source, options=wishes.options,
            targets=targets,
        )  # fmt: skip


def _forget(hub: Hub, job_id: str) -> None:
    """Drop the inspection with its files; a worker that still runs it finds its lease gone and stops."""
    with hub.db.write() as session:
        job = jobs.get(session, job_id)
        if job is None:
            return
        if job.status not in states.FINAL:
            jobs.change(session, job_id, "canceled", to="canceled", lease=None, finished_at=now(), expires_at=now())
        jobs.expire(session, job_id)
        models.remove_unkept(session)


async def plan(
    request: Request, hub: Hub, owner: str | None, wishes: JobRequest, files: Sequence[Received]
) -> Response:
    """A dry run: what the files are, and for each target whether it would work and what stands in the way."""
    found = await once(request, hub, owner, wishes, files)
    prospects = [p for p in found.get("targets", []) if p.get("target") in wishes.target]
    return JSONResponse(
        {"dry_run": True, "possible": all(p["possible"] for p in prospects), **found, "targets": prospects}
    )
