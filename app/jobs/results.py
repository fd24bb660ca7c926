"""What a job made: its report, its artifacts one by one, everything in one download, and the one-shot conversion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from app.auth import Caller
from app.clock import now
from app.context import Hub, TheHub, request_id
from app.db import jobs, models
from app.db.tables import Artifact, Job
from app.jobs import idempotency, resource, wait
from app.jobs.media import media_type
from app.jobs.request import job_request
from app.jobs.resource import View
from app.jobs.routes import REFUSALS, not_final, store
from app.jobs.submit import admission, dispatch
from app.openapi import problems
from app.problems import Problem, job_error
from app.storage import zip as zips
from app.storage.response import BlobResponse, disposition
from app.uploads.receive import Submission, raw_file

router = APIRouter(prefix="/v1", tags=["results"])

REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
# Beside the target's own files: how to run them, for `onnxhub run`.
CARD = "onnxhub.json"
FILE = ("unauthorized", "not-found", "gone", "range-not-satisfiable")


def blob(hub: Hub, entry: Artifact, **more: object) -> BlobResponse:
    return BlobResponse(
        hub.storage.path(entry.sha256), sha256=entry.sha256, size=entry.size, name=entry.name,
        media_type=media_type(entry.name), **more,  # type: ignore[arg-type]
    )  # fmt: skip


def _found(hub: Hub, job_id: str, owner: str | None) -> tuple[View, Sequence[Artifact]]:
    with hub.db.read() as session:
        job = resource.find(session, job_id, owner)
        return resource.view(session, job), jobs.artifacts(session, job_id)


@router.get("/jobs/{job_id}/report", operation_id="getReport", responses=problems(*FILE, "not-final"))
def report(job_id: str, request: Request, hub: TheHub, caller: Caller) -> Response:
    """The report, as JSON or, for those who prefer it, as a page."""
    view, artifacts = _found(hub, job_id, caller.owner)
    if not view.final:
        raise not_final(view)
    html = _prefers_html(request.headers.get("accept", ""))
    for entry in artifacts:
        if entry.name == ("report.html" if html else "report.json"):
            headers = {"Vary": "Accept", **({"Content-Security-Policy": REPORT_CSP} if html else {})}
            return blob(hub, entry, inline=True, headers=headers)
    raise Problem("not-found", "The job ended before it had a report; its `error` says why")


def _prefers_html(accept: str) -> bool:
    """Is text/html liked better than application/json? ``*/*`` alone gets JSON."""
    quality = {"text/html": 0.0, "application/json": 0.0}
    for item in accept.split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        if kind in quality:
            quality[kind] = float(q) if q.replace(".", "", 1).isdigit() else 0.0
    return quality["text/html"] > quality["application/json"]


@router.get(
    "/jobs/{job_id}/artifacts", operation_id="listArtifacts", responses=problems("unauthorized", "not-found", "gone")
)
def listing(job_id: str, hub: TheHub, caller: Caller) -> Response:
    """Everything that the job made; also of a job that failed its parity check."""
    _, artifacts = _found(hub, job_id, caller.owner)
    return JSONResponse({"items": [resource.artifact(entry) for entry in artifacts]})


@router.head("/jobs/{job_id}/artifacts/{name:path}", include_in_schema=False)
@router.get("/jobs/{job_id}/artifacts/{name:path}", operation_id="getArtifact", responses=problems(*FILE))
def artifact(job_id: str, name: str, hub: TheHub, caller: Caller) -> Response:
    """One artifact; ranges, ETag and Repr-Digest as of RFC 9110 and 9530."""
    with hub.db.read() as session:
        resource.find(session, job_id, caller.owner)
        entry = jobs.artifact(session, job_id, name)
    if entry is None:
        raise Problem("not-found", f"The job has no artifact {name[:200]!r}")
    return blob(hub, entry)


@router.get("/jobs/{job_id}/download", operation_id="download", responses=problems(*FILE, "not-final", "job-failed"))
async def download(job_id: str, request: Request, hub: TheHub, caller: Caller, target: str | None = None) -> Response:
    """Everything as one ZIP, or with `?target=` that target's files; a lone file comes as itself.

    `?wait=n` waits for the job. A job that did not succeed is a 409, so that `curl -f` fails.
    """
    view = await wait.until_final(hub, job_id, caller.owner, wait.preferred(request, hub) or 0)
    if not view.final:
        raise not_final(view)
    _require_success(view, 409)
    _, artifacts = await anyio.to_thread.run_sync(_found, hub, job_id, caller.owner)
    name = await anyio.to_thread.run_sync(_stem, hub, view.job)
    return _package(hub, view.job, artifacts if target is None else _of_target(artifacts, target), name)


def _require_success(view: View, status: int) -> None:
    if view.job.status != "succeeded":
        error = view.body["error"] or job_error({"type": "internal"}, None)
        told = str(error.get("detail") or error["title"])
        raise Problem("job-failed", told, status=status, job=view.body["urls"]["self"], error=error)


def _of_target(artifacts: Sequence[Artifact], target: str) -> list[Artifact]:
    chosen = [a for a in artifacts if a.name.startswith(f"{target}/") and PurePosixPath(a.name).name != CARD]
    if not chosen:
        raise Problem("not-found", f"The job made nothing for a target {target[:64]!r}")
    return chosen


def _package(hub: Hub, job: Job, artifacts: Sequence[Artifact], name: str) -> Response:
    if len(artifacts) == 1:
        return blob(hub, artifacts[0])
    members = [zips.Member(entry.name, hub.storage.path(entry.sha256)) for entry in artifacts]
    headers = {"Content-Disposition": disposition(f"{name}.zip"), "Cache-Control": "private, no-cache"}
    blocks = zips.stream(members, job.finished_at or now())
    return StreamingResponse(blocks, media_type="application/zip", headers=headers)


def _stem(hub: Hub, job: Job) -> str:
    """A name for the download: the model's first file without its ending."""
    with hub.db.read() as session:
        files = models.files(session, job.model_id) if job.model_id else []
    return PurePosixPath(files[0].name).name.partition(".")[0] or "model" if files else "model"


@router.put("/convert/{target}", include_in_schema=False)
@router.post(
    "/convert/{target}",
    operation_id="convert",
    responses=problems(*REFUSALS, "job-failed"),
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def convert(target: str, request: Request, hub: TheHub, caller: Caller, filename: str = "model") -> Response:
    """One file in (`curl -T`), the target's files out: a job in one request. 202 with the job when it takes longer."""
    catalog = await anyio.to_thread.run_sync(admission, hub)
    patience = wait.preferred(request, hub)
    query = request.query_params
    values: dict[str, list[str]] = {"target": [target], "inputs": query.getlist("input")}
    values.update(
        {name: [query[name]] for name in ("source", "options", "verify", "on_mismatch", "tag") if name in query}
    )
    wishes = job_request(Submission(dict(values)), catalog)
    with idempotency.once(request, hub, caller.owner) as once:
        async with raw_file(request, hub, filename) as received:
            mark = idempotency.fingerprint(wishes.model_dump(), [("model", received.name, received.sha256)])
            earlier = once.replay(mark)
            if earlier is not None:
                job_id = earlier[0]
            else:
                given = Submission(files=[received])
                job_id = await anyio.to_thread.run_sync(
                    store, hub, caller.owner, wishes, given, request_id(request), once, mark
                )
    await anyio.to_thread.run_sync(dispatch, hub, job_id)
    seconds = hub.settings.max_wait_seconds if patience is None else patience
    view = await wait.until_final(hub, job_id, caller.owner, seconds)
    link = {"Link": f'</v1/jobs/{job_id}>; rel="job"'}
    if not view.final:
        return JSONResponse(
            view.body, status_code=202, headers={"Location": f"/v1/jobs/{job_id}", **view.headers, **link}
        )
    _require_success(view, 422)
    _, artifacts = await anyio.to_thread.run_sync(_found, hub, job_id, caller.owner)
    answer = _package(hub, view.job, _of_target(artifacts, target), PurePosixPath(filename).stem or "model")
    answer.headers.update(link)
    return answer
