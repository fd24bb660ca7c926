"""GET /v1/formats and /v1/conversions."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from app.auth import Caller
from app.catalog.catalog import current
from app.context import TheHub
from app.openapi import problems

router = APIRouter(prefix="/v1", tags=["catalog"])


@router.get("/formats", operation_id="listFormats", responses=problems("unauthorized"))
def formats(hub: TheHub, caller: Caller, request: Request) -> Response:
    """Every format that a live worker reads or writes: extensions, needs, layer types, and what can verify it now."""
    catalog = current(hub)
    return _cached(request, {"engine": catalog.engine, "items": list(catalog.formats.values())})


@router.get("/conversions", operation_id="listConversions", responses=problems("unauthorized"))
def conversions(
    hub: TheHub, caller: Caller, request: Request, source: str | None = None, target: str | None = None
) -> Response:
    """The pairs that can be converted now, how each end would be verified, and the JSON Schema of ``options``."""
    catalog = current(hub)
    pairs = [
        {
            "source": a,
            "target": b,
            "verification": {"source": _verifiers(catalog.formats[a]), "target": _verifiers(catalog.formats[b])},
        }
        for a in catalog.sources()
        for b in catalog.targets()
        if source in (None, a) and target in (None, b)
    ]
    return _cached(request, {"items": pairs, "options": catalog.options, "devices": list(catalog.devices)})


def _verifiers(format: dict[str, Any]) -> list[str]:
    return [entry["title"] for entry in format.get("verify", []) if entry["available"]]


def _cached(request: Request, content: dict[str, Any]) -> Response:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=60"}
    if f'"{digest}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return JSONResponse(content, headers=headers)
