"""Uploaded models, and inspections."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from app.auth import Caller
from app.context import Hub, TheHub, request_id
from app.db import models as rows
from app.jobs import idempotency, wait
from app.jobs.idempotency import Once
from app.jobs.media import media_type
from app.jobs.request import inspect_request, need_files
from app.jobs.submit import admission, dispatch
from app.models import inspection, service
from app.openapi import files, problems, streamed
from app.problems import FieldError, Problem, invalid
from app.storage.response import BlobResponse
from app.uploads.receive import Submission, model_files, submission

router = APIRouter(prefix="/v1", tags=["models"])

DETECT_SECONDS = 10
UPLOAD = ("bad-request", "digest-mismatch", "unauthorized", "request-timeout", "too-large", "unsupported-media-type",
          "invalid-request", "too-many", "queue-full", "no-worker", "storage-full")  # fmt: skip
FILES = {"model": files("The model's files, or one zip or tar of them.")}
HINTS = {
    "source": {"type": "string"},
    "options": {"type": "object"},
    "inputs": {"type": "array", "items": {"type": "string"}},
}


@router.post(
    "/models",
    operation_id="createModel",
    status_code=201,
    responses=problems(*UPLOAD, "idempotency-in-progress", "idempotency-mismatch"),
    openapi_extra=streamed({"type": "object", "required": ["model"], "properties": {**FILES, **HINTS}}),
)
async def create(request: Request, hub: TheHub, caller: Caller) -> Response:
    """Upload a model once, to convert it often. Answers when a worker has looked at it, or after some seconds."""
    catalog = await anyio.to_thread.run_sync(admission, hub)
    patience = wait.preferred(request, hub)
    with idempotency.once(request, hub, caller.owner) as once:
        async with submission(request, hub) as given:
            wishes = inspect_request(given, catalog)
            if wishes.model is not None:
                raise invalid("invalid-request", [FieldError("/model", "must be files")])
            received = model_files(given)
            mark = idempotency.fingerprint(wishes.model_dump(), [(f.field, f.name, f.sha256) for f in received])
            earlier = once.replay(mark)
            if earlier is not None:
                answer = await anyio.to_thread.run_sync(_show, hub, earlier[0], caller.owner, 201)
                answer.headers["Idempotency-Replayed"] = "true"
                return answer
            model_id, job_id = await anyio.to_thread.run_sync(
                _store, hub, caller.owner, given, wishes.source, wishes.options, request_id(request), once, mark
            )
    await anyio.to_thread.run_sync(dispatch, hub, job_id)
    await inspection.finished(hub, job_id, DETECT_SECONDS if patience is None else patience)
    return await anyio.to_thread.run_sync(_show, hub, model_id, caller.owner, 201)


def _store(
    hub: Hub, owner: str | None, given: Submission, source: str | None, options: dict[str, object], request: str,
    once: Once, mark: str,
) -> tuple[str, str]:  # fmt: skip
    received = model_files(given)
    need_files(len(received))
    with hub.db.write() as session:
        model = service.store(session, hub, received, owner=owner, kept=True).model
        model.inspection = inspection.enqueue(
            session, owner=owner, model_id=model.id, request=request, source=source, options=options
        )
        once.conclude(session, mark, model.id, 201)
        return model.id, model.inspection


def _show(hub: Hub, model_id: str, owner: str | None, status: int = 200) -> Response:
    with hub.db.read() as session:
        body = service.resource(session, service.find(session, model_id, owner))
    headers = {"Location": f"/v1/models/{model_id}"} if status == 201 else {"Cache-Control": "private, no-cache"}
    return JSONResponse(body, status_code=status, headers=headers)


@router.get("/models/{model_id}", operation_id="getModel", responses=problems("unauthorized", "not-found"))
def get(model_id: str, hub: TheHub, caller: Caller) -> Response:
    """The model: its files and, once a worker looked at it, what it is."""
    return _show(hub, model_id, caller.owner)


@router.delete(
    "/models/{model_id}",
    operation_id="deleteModel",
    status_code=204,
    responses=problems("unauthorized", "not-found", "in-use"),
)
def delete(model_id: str, hub: TheHub, caller: Caller) -> Response:
    """Forget the model; the jobs that used it keep what they made."""
    with hub.db.write() as session:
        found = service.find(session, model_id, caller.owner)
        if rows.in_use(session, found.model.id):
            raise Problem("in-use", "A job that is not final needs this model", headers={"Retry-After": "5"})
        rows.remove(session, found.model.id)
    return Response(status_code=204)


@router.head("/models/{model_id}/files/{name:path}", include_in_schema=False)
@router.get(
    "/models/{model_id}/files/{name:path}", operation_id="getModelFile",
    responses=problems("unauthorized", "not-found", "range-not-satisfiable"),
)  # fmt: skip
def file(model_id: str, name: str, hub: TheHub, caller: Caller) -> Response:
    """One uploaded file as it came."""
    with hub.db.read() as session:
        found = service.find(session, model_id, caller.owner)
    for entry in found.files:
        if entry.name == name:
            return BlobResponse(
                hub.storage.path(entry.sha256),
                sha256=entry.sha256,
                size=entry.size,
                name=name,
                media_type=media_type(name),
            )
    raise Problem("not-found", f"The model has no file {name[:200]!r}")


@router.post(
    "/inspect",
    operation_id="inspect",
    responses=problems(*UPLOAD, "not-found", "missing-file", "timed-out"),
    openapi_extra=streamed(
        {"type": "object", "properties": {**FILES, **HINTS}},
        {"type": "object", "required": ["model"], "properties": {"model": {"type": "string"}, **HINTS}},
    ),
)
async def inspect(request: Request, hub: TheHub, caller: Caller) -> Response:
    """What the files are: format, inputs, outputs, operators, parameters, findings, and which targets would work."""
    catalog = await anyio.to_thread.run_sync(admission, hub)
    async with submission(request, hub) as given:
        wishes = inspect_request(given, catalog)
        return JSONResponse(await inspection.once(request, hub, caller.owner, wishes, model_files(given)))
