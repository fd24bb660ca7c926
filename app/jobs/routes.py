"""POST, GET and DELETE of jobs; what they made is in ``results``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from app.auth import Caller
from app.clock import now
from app.context import Hub, TheHub, request_id
from app.db import jobs
from app.db.tables import Job
from app.jobs import events, idempotency, resource, states, wait
from app.jobs.idempotency import Once
from app.jobs.request import JobRequest, job_request, need_files
from app.jobs.resource import View
from app.jobs.submit import admission, dispatch, new_job
from app.models import inspection, service
from app.openapi import files, problems, streamed
from app.problems import FieldError, Problem, invalid
from app.uploads.multipart import Received
from app.uploads.receive import Submission, model_files, submission

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MAX_PAGE = 200
CANCELED = {"type": "canceled", "title": "The job was canceled", "detail": "The job was canceled on request"}
REFUSALS = (
    "bad-request", "digest-mismatch", "unauthorized", "not-found", "request-timeout", "idempotency-in-progress",
    "too-large", "unsupported-media-type", "invalid-request", "invalid-options", "unsupported-conversion",
    "missing-file", "idempotency-mismatch", "too-many", "queue-full", "no-worker", "storage-full", "timed-out",
)  # fmt: skip
WISHES: dict[str, Any] = {
    "target": {"type": "array", "items": {"type": "string"}, "description": "Formats to convert to; repeat the field."},
    "source": {"type": "string", "description": "The source format, when the files alone do not tell."},
    "options": {"type": "object", "description": "See the schema that GET /v1/conversions gives."},
    "inputs": {"type": "array", "items": {"type": "string"}, "description": "Input shapes: x:1,3,224,224[:float32]."},
    "verify": {"enum": ["none", "hub", "target"], "default": "target"},
    "device": {"enum": ["cpu", "cuda"], "default": "cpu"},
    "on_mismatch": {"enum": ["fail", "warn"], "default": "fail"},
    "tag": {"type": "string", "maxLength": 200},
    "dry_run": {"type": "boolean", "default": False, "description": "Only tell what would be done."},
}
BODY = streamed(
    {
        "type": "object",
        "required": ["target"],
        "properties": {
            "model": files("The model's files, or one zip or tar of them."),
            "test_inputs": {
                "type": "string",
                "format": "binary",
                "description": "An .npz of inputs and expected outputs.",
            },
            **WISHES,
        },
    },
    {"type": "object", "required": ["model", "target"], "properties": {"model": {"type": "string"}, **WISHES}},
)


@router.post("", operation_id="createJob", status_code=202, responses=problems(*REFUSALS), openapi_extra=BODY)
async def create(request: Request, hub: TheHub, caller: Caller) -> Response:
    """Convert a model: 202 with the job, 201 if it was done within `Prefer: wait=n`, 200 for a dry run."""
    catalog = await anyio.to_thread.run_sync(admission, hub)
    patience = wait.preferred(request, hub)
    with idempotency.once(request, hub, caller.owner) as once:
        async with submission(request, hub) as given:
            wishes = job_request(given, catalog)
            found = [*model_files(given), *_samples(given)]
            if wishes.dry_run:
                return await inspection.plan(request, hub, caller.owner, wishes, model_files(given))
            mark = idempotency.fingerprint(
                [wishes.model_dump(exclude={"inputs"})], [(f.field, f.name, f.sha256) for f in found]
            )
            earlier = once.replay(mark)
            if earlier is not None:
                return await _replayed(hub, caller.owner, *earlier)
            job_id = await anyio.to_thread.run_sync(
                store, hub, caller.owner, wishes, given, request_id(request), once, mark
            )
    await anyio.to_thread.run_sync(dispatch, hub, job_id)
    view = await wait.until_final(hub, job_id, caller.owner, patience or 0)
    return _created(view, wait.applied(patience))


def _samples(given: Submission) -> list[Received]:
    """The user's samples; also refuses files in fields that there are not."""
    for file in given.files:
        if file.field not in ("model", "test_inputs"):
            raise invalid("invalid-request", [FieldError(f"/{file.field[:100]}", "is no field that takes a file")])
    found = [file for file in given.files if file.field == "test_inputs"]
    if len(found) > 1:
        raise invalid("invalid-request", [FieldError("/test_inputs", "is given more than once")])
    return found


def store(
    hub: Hub, owner: str | None, wishes: JobRequest, given: Submission, request: str, once: Once, mark: str
) -> str:
    """Model, job and idempotency key in one transaction; the job's id."""
    received = model_files(given)
    if wishes.model is not None and received:
        raise invalid("invalid-request", [FieldError("/model", "is either files or the id of a model, not both")])
    with hub.db.write() as session:
        if wishes.model is not None:
            model_id = service.find(session, wishes.model, owner).model.id
        else:
            need_files(len(received))
            model_id = service.store(session, hub, received, owner=owner, kept=False).model.id
        job = new_job(
            session, kind="convert", owner=owner, model_id=model_id, source=wishes.source, targets=wishes.target,
            options=wishes.options, verify=wishes.verify, device=wishes.device, on_mismatch=wishes.on_mismatch,
            samples=service.keep_samples(session, hub, _samples(given)), tag=wishes.tag, request_id=request,
        )  # fmt: skip
        once.conclude(session, mark, job.id, 202)
    return job.id


async def _replayed(hub: Hub, owner: str | None, job_id: str, status: int) -> Response:
    answer = _created(await wait.look(hub, job_id, owner), {"Idempotency-Replayed": "true"})
    answer.status_code = status
    return answer


def _created(view: View, headers: dict[str, str]) -> Response:
    location = {"Location": f"/v1/jobs/{view.job.id}"}
    return JSONResponse(
        view.body, status_code=201 if view.final else 202, headers={**location, **view.headers, **headers}
    )


@router.get("", operation_id="listJobs", responses=problems("bad-cursor", "unauthorized", "invalid-request"))
def listing(
    hub: TheHub, caller: Caller, status: str | None = None, target: str | None = None, tag: str | None = None,
    after: str | None = None, limit: int = 50,
) -> Response:  # fmt: skip
    """Your jobs, the newest first; `next` is the cursor of the next page."""
    if status is not None and status not in states.STATUSES:
        raise invalid("invalid-request", [FieldError("/status", f"must be one of {', '.join(states.STATUSES)}")])
    limit = max(1, min(limit, MAX_PAGE))
    with hub.db.read() as session:
        if after is not None and jobs.get(session, after, caller.owner) is None:
            raise Problem("bad-cursor", f"{after[:64]!r} is no cursor of yours")
        found = jobs.listing(
            session, owner=caller.owner, status=status, target=target, tag=tag, after=after, limit=limit + 1
        )
        items = resource.listing(session, found[:limit])
    cursor = items[-1]["id"] if len(found) > limit else None
    headers = {"Link": f'</v1/jobs?limit={limit}&after={cursor}>; rel="next"'} if cursor else {}
    return JSONResponse({"items": items, "next": cursor}, headers=headers)


@router.get("/{job_id}", operation_id="getJob", responses=problems("unauthorized", "not-found", "gone"))
async def get(job_id: str, request: Request, hub: TheHub, caller: Caller) -> Response:
    """The job. `?wait=n` waits until it is final; with `If-None-Match`, until it is not what you know (else 304)."""
    patience = wait.preferred(request, hub)
    known = request.headers.get("if-none-match")
    view = await wait.look(hub, job_id, caller.owner)
    if known and view.headers["ETag"] in known:
        if patience and not view.final:
            view = await wait.until_changed(hub, job_id, caller.owner, patience)
    elif patience and not view.final:
        view = await wait.until_final(hub, job_id, caller.owner, patience)
    headers = {**view.headers, **wait.applied(patience)}
    if known and view.headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return JSONResponse(view.body, headers=headers)


@router.post("/{job_id}/cancel", operation_id="cancelJob", responses=problems("unauthorized", "not-found", "gone"))
def cancel(job_id: str, hub: TheHub, caller: Caller) -> Response:
    """Stop the job: 200 when it is final already, else 202; it ends within two seconds."""
    with hub.db.write() as session:
        job = resource.find(session, job_id, caller.owner)
        was_final = job.status in states.FINAL
        jobs.cancel(session, job_id, CANCELED, _expiry(hub))
    with hub.db.read() as session:
        view = resource.view(session, resource.find(session, job_id, caller.owner))
    return JSONResponse(view.body, status_code=200 if was_final else 202, headers=view.headers)


@router.delete(
    "/{job_id}", operation_id="deleteJob", status_code=204, responses=problems("unauthorized", "not-found", "gone")
)
def delete(job_id: str, hub: TheHub, caller: Caller) -> Response:
    """Cancel the job if it is not final, and forget its model and artifacts. The id answers 410 from then on."""
    with hub.db.write() as session:
        job = resource.find(session, job_id, caller.owner)
        if job.status not in states.FINAL:  # the worker finds its lease gone, stops the child and drops what it made
            moment = {"finished_at": now(), "expires_at": _expiry(hub)}
            jobs.change(session, job_id, "canceled", to="canceled", error=CANCELED, lease=None, **moment)
        jobs.expire(session, job_id)
    return Response(status_code=204)


@router.post(
    "/{job_id}/retry", operation_id="retryJob", status_code=202,
    responses=problems("unauthorized", "not-found", "not-final", "gone", "queue-full", "no-worker"),
)  # fmt: skip
def retry(job_id: str, request: Request, hub: TheHub, caller: Caller) -> Response:
    """The same again as a new job, with `retry_of` set."""
    admission(hub)
    with hub.db.write() as session:
        old = resource.find(session, job_id, caller.owner)
        if old.status not in states.FINAL:
            raise not_final(resource.view(session, old))
        if old.model_id is None:
            raise Problem("gone", "The job's model was deleted")
        fresh = _again(session, old, request_id(request))
    dispatch(hub, fresh.id)
    with hub.db.read() as session:
        return _created(resource.view(session, resource.find(session, fresh.id, caller.owner)), {})


def _again(session: Any, old: Job, request: str) -> Job:
    assert old.model_id is not None  # the caller looked
    return new_job(
        session, kind="convert", owner=old.owner, model_id=old.model_id, source=old.source, targets=old.targets,
        options=old.options, verify=old.verify, device=old.device, on_mismatch=old.on_mismatch, samples=old.samples,
        tag=old.tag, request_id=request, retry_of=old.id,
    )  # fmt: skip


def not_final(view: View) -> Problem:
    headers = {"Retry-After": str(view.retry_after or 1)}
    return Problem("not-final", f"The job is {view.job.status}", headers=headers, job=f"/v1/jobs/{view.job.id}")


def _expiry(hub: Hub) -> Any:
    return now() + timedelta(hours=hub.settings.retention_hours)


@router.get("/{job_id}/events", operation_id="streamJobEvents", responses=problems("unauthorized", "not-found", "gone"))
def stream(job_id: str, request: Request, hub: TheHub, caller: Caller) -> Response:
    """Server-sent events: every change of the job, from the first or after `Last-Event-ID`; ends with the job."""
    with hub.db.read() as session:
        resource.find(session, job_id, caller.owner)
    last = request.headers.get("last-event-id", "0")
    after = int(last) if last.isdigit() and len(last) < 10 else 0
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events.stream(hub, job_id, after), media_type="text/event-stream", headers=headers)


@router.get("/{job_id}/logs", operation_id="getJobLog", responses=problems("unauthorized", "not-found", "gone"))
def logs(job_id: str, hub: TheHub, caller: Caller) -> Response:
    """The last lines that the job's process wrote to its standard error."""
    with hub.db.read() as session:
        job = resource.find(session, job_id, caller.owner)
    return PlainTextResponse(job.log or "", headers={"Cache-Control": "no-store"})
