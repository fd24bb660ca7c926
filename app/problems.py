"""Everything that the API refuses, and everything that can end a job, as RFC 9457 problems with stable type URIs.

``python -m app.problems`` prints ``docs/problems.md``; the service shows each type at its own URI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

PREFIX = "/problems/"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """``status`` 0: ends a job and stands in its ``error``. ``remedy`` says what a client can do."""

    status: int
    title: str
    remedy: str


REQUEST_KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "The request is malformed", "Correct what `detail` names and send it again."),
    "bad-cursor": Kind(400, "The cursor of a listing is not valid", "Use the `next` of an earlier answer as it is."),
    "digest-mismatch": Kind(400, "The body is not what its digest says", "It was damaged on the way: send it again."),
    "unauthorized": Kind(401, "An API key is needed", "Send `Authorization: Bearer KEY` or `X-API-Key: KEY`."),
    "forbidden": Kind(403, "A page of another site may not do that", "Use the service's own page, or a program."),
    "not-found": Kind(404, "There is no such thing", "Check the URL; what another key owns is not found either."),
    "method-not-allowed": Kind(405, "This URL does not take that method", "See `Allow`, and docs/api.md."),
    "request-timeout": Kind(408, "The upload stalled", "Send it again over a steadier line."),
    "not-final": Kind(409, "The job is not done yet", "Wait `Retry-After` seconds, or ask with `?wait=60`."),
    "job-failed": Kind(409, "The job did not succeed", "Read the job's `error`; its artifacts can be fetched singly."),
    "in-use": Kind(409, "A job still needs it", "Wait for the job, or cancel it."),
    "idempotency-in-progress": Kind(
        409, "The first request with this key is still running", "Wait `Retry-After` seconds and repeat."
    ),
    "gone": Kind(410, "It was deleted or has expired", "Submit the job again."),
    "too-large": Kind(413, "The upload is too large", "`limit` says how much is allowed; ONNXHUB_MAX_UPLOAD_BYTES."),
    "unsupported-media-type": Kind(
        415, "The body's type is not understood", "Send multipart/form-data or application/json, without encoding."
    ),
    "range-not-satisfiable": Kind(416, "The file has no such range", "`Content-Range` gives its size."),
    "invalid-request": Kind(422, "A field has an impossible value", "`errors` names each field and what is wrong."),
    "idempotency-mismatch": Kind(
        422, "This Idempotency-Key was used for another request", "Use a new key for a new request."
    ),
    "too-many": Kind(422, "The upload has too many files or fields", "Send one archive instead."),
    "queue-full": Kind(503, "Too many jobs wait already", "Wait `Retry-After` seconds and repeat."),
    "no-worker": Kind(503, "No worker is running", "Start one (`onnxhub serve`), or wait until it is up: /readyz."),
    "storage-full": Kind(503, "The disk is nearly full", "Delete old jobs; ONNXHUB_DISK_RESERVE_BYTES."),
    "timed-out": Kind(504, "The workers are too busy to answer in time", "Wait `Retry-After` seconds and repeat."),
}

# These end a job: they stand in its `error`, and answer POST /v1/inspect with 422 (the last three with 500).
JOB_KINDS: dict[str, Kind] = {
    "unknown-format": Kind(0, "The files are of no known format", "`detail` lists what was seen; name a `source`."),
    "ambiguous-format": Kind(0, "The files could be of several formats", "Name the `source`."),
    "missing-file": Kind(422, "A file of the model is missing", "Upload it together with the others."),
    "malformed-model": Kind(0, "A model file is damaged or inconsistent", "`file` and `detail` say where."),
    "unsafe-model": Kind(0, "The model would read foreign files or run code", "Export it without that."),
    "unsafe-archive": Kind(0, "The archive has members that will not be unpacked", "Pack plain files only."),
    "unsupported-version": Kind(0, "The file is of a version that cannot be read", "Save it with another version."),
    "unsupported-conversion": Kind(422, "There is no such conversion", "GET /v1/formats lists what there is."),
    "unsupported-op": Kind(
        0, "The model has operators that cannot be converted", "`unsupported` names every layer and the reason."
    ),
    "invalid-options": Kind(422, "The options do not fit", "GET /v1/conversions gives their schema."),
    "limit-exceeded": Kind(0, "A limit was exceeded", "`which` names it; the operator can raise it."),
    "parity-failed": Kind(
        0, "The converted model computes something else", "Read the report; `on_mismatch=warn` lets it pass."
    ),
    "toolchain-missing": Kind(0, "A framework's environment is not installed", "onnxhub toolchain install NAME"),
    "canceled": Kind(0, "The job was canceled", "Retry it if that was a mistake."),
    "checker-failed": Kind(0, "The converted model is not valid ONNX", "A fault of onnxhub: please report it."),
    "toolchain-crashed": Kind(0, "A framework's own process failed", "Retry; if it stays, report it."),
    "internal": Kind(500, "onnxhub itself failed", "Retry; if it stays, report it with the `request_id`."),
}
FAULTS = frozenset({"checker-failed", "toolchain-crashed", "internal"})

KINDS: dict[str, Kind] = {**REQUEST_KINDS, **JOB_KINDS}


class Problem(Exception):
    """An answer that is a problem: ``name`` is a key of KINDS, further members go into the body as they are."""

    def __init__(
        self, name: str, detail: str, *, status: int = 0, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.status = status or KINDS[name].status
        self.headers = dict(headers or {})
        self.members = members


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong value: ``pointer`` is a JSON Pointer into the request's fields."""

    pointer: str
    detail: str


def invalid(name: str, errors: Sequence[FieldError]) -> Problem:
    """All wrong fields of a request in one problem."""
    told = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:5])
    return Problem(name, told, errors=[{"pointer": e.pointer, "detail": e.detail} for e in errors[:50]])


def body(problem: Problem, *, instance: str, request_id: str) -> dict[str, Any]:
    """The members of RFC 9457 first, then ours."""
    return {
        "type": PREFIX + problem.name,
        "title": KINDS[problem.name].title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
        **problem.members,
    }


def response(problem: Problem, *, instance: str, request_id: str) -> JSONResponse:
    return JSONResponse(
        body(problem, instance=instance, request_id=request_id),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **problem.headers},
        media_type=MEDIA_TYPE,
    )


def job_error(error: Mapping[str, Any], request_id: str | None) -> dict[str, Any]:
    """The error that the engine told, as the ``error`` of a job resource: its type becomes a URI with a page."""
    name = str(error.get("type"))
    name = name if name in JOB_KINDS else "internal"
    members = {**error, "type": PREFIX + name, "title": error.get("title") or JOB_KINDS[name].title}
    return {**members, "docs": PREFIX + name, **({"request_id": request_id} if request_id else {})}


def from_job(error: Mapping[str, Any]) -> Problem:
    """The error of an inspection as the answer to the request that asked for it."""
    name = str(error["type"]).removeprefix(PREFIX)
    members = {k: v for k, v in error.items() if k not in ("type", "title", "detail", "docs", "request_id", "status")}
    return Problem(name, str(error.get("detail", "")), status=500 if name in FAULTS else 422, **members)


def page() -> str:
    """``docs/problems.md``."""
    head = (
        "# Problems\n\nEvery refusal is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, "
        "`detail`, `instance` and `request_id`. Types are stable; switch on them, not on the words.\n"
    )
    tables = []
    for title, kinds in (
        ("Answers to a request", REQUEST_KINDS),
        ("What can end a job (the `error` of a failed job; `POST /v1/inspect` answers with them as well)", JOB_KINDS),
    ):
        rows = [f"| `{PREFIX}{n}` | {k.status or '-'} | {k.title} | {k.remedy} |" for n, k in kinds.items()]
        tables.append(
            "\n".join([f"## {title}\n", "| type | status | title | what to do |", "|---|---|---|---|", *rows])
        )
    return head + "\n" + "\n\n".join(tables) + "\n"


if __name__ == "__main__":
    print(page(), end="")
