"""A request's body, whichever of its forms it has: fields as plain values, files in a staging folder."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from app.context import Hub
from app.problems import Problem
from app.uploads import body
from app.uploads.multipart import Form, Received, receive, receive_raw

MAX_JSON = 1 << 20


@dataclass(slots=True)
class Submission:
    """``values``: lists by field name, JSON already parsed in a JSON body. ``files`` are gone when the request ends."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    files: list[Received] = field(default_factory=list)
    is_json: bool = False


@asynccontextmanager
async def submission(request: Request, hub: Hub) -> AsyncIterator[Submission]:
    """Read multipart/form-data or application/json; anything else is unsupported-media-type."""
    content_type = request.headers.get("content-type", "")
    essence = content_type.partition(";")[0].strip().lower()
    chunks = body.chunks(request, hub.settings, hub.storage.free_bytes)
    with hub.storage.staging() as folder:
        try:
            if essence == "multipart/form-data":
                yield _of_form(await receive(chunks, content_type, folder, hub.settings.max_upload_files))
            elif essence == "application/json":
                yield _of_json(await body.whole(request, hub.settings, hub.storage.free_bytes, MAX_JSON))
            else:
                raise Problem(
                    "unsupported-media-type",
                    f"Content-Type {essence[:100]!r} is not multipart/form-data or application/json",
                )
        except ClientDisconnect:
            raise Problem("bad-request", "The upload ended before its end") from None


@asynccontextmanager
async def raw_file(request: Request, hub: Hub, name: str) -> AsyncIterator[Received]:
    """The whole body as one file called ``name``."""
    chunks = body.chunks(request, hub.settings, hub.storage.free_bytes)
    with hub.storage.staging() as folder:
        try:
            yield await receive_raw(chunks, folder / "1", "model", name)
        except ClientDisconnect:
            raise Problem("bad-request", "The upload ended before its end") from None


def _of_form(form: Form) -> Submission:
    values: dict[str, list[Any]] = {}
    for name, value in form.fields:
        values.setdefault(name, []).append(value)
    return Submission(values, form.files)


def _of_json(raw: bytes) -> Submission:
    content = parse_json(raw, "bad-request", "The body")
    if not isinstance(content, dict):
        raise Problem("bad-request", "The body is not a JSON object")
    return Submission(
        {name: value if isinstance(value, list) else [value] for name, value in content.items()}, [], True
    )


def parse_json(raw: bytes | str, problem: str, what: str) -> Any:
    """JSON without NaN and infinities, which JSON does not have; not deeper than Python can follow."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Problem(problem, f"{what} is not valid JSON: {str(error)[:200]}") from None


def model_files(submission: Submission, field: str = "model") -> Sequence[Received]:
    """The files of the model itself; two of one name could not be told apart."""
    files = [file for file in submission.files if file.field == field]
    names = [file.name for file in files]
    doubled = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise Problem("bad-request", f"Two files of the upload are called {doubled[0]!r}")
    return files
