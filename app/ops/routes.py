"""Is it alive, is it ready, which version, and its metrics: for machines, without a key."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import text
from starlette.responses import JSONResponse

from app.context import Hub, TheHub
from app.db import jobs, workers

router = APIRouter(tags=["ops"])


@router.get("/livez", operation_id="live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get(
    "/readyz", operation_id="ready", responses={503: {"description": "Something is missing; the body says what."}}
)
def ready(hub: TheHub) -> Response:
    """Every part that a job needs: database, broker, storage, workers."""
    checks = {"database": _database, "broker": _broker, "storage": _storage, "workers": _workers}
    told = {name: _told(check, hub) for name, check in checks.items()}
    fine = all(entry["ok"] for entry in told.values())
    return JSONResponse({"ready": fine, "checks": told}, status_code=200 if fine else 503)


def _told(check: Callable[[Hub], dict[str, Any]], hub: Hub) -> dict[str, Any]:
    try:
        return check(hub)
    except Exception as error:  # whatever is wrong with a part is what the check is there to say
        return {"ok": False, "detail": f"{type(error).__name__}: {str(error)[:300]}"}


def _database(hub: Hub) -> dict[str, Any]:
    with hub.db.read() as session:
        session.execute(text("SELECT 1"))
    return {"ok": True}


def _broker(hub: Hub) -> dict[str, Any]:
    hub.queue.ping()
    return {"ok": True}


def _storage(hub: Hub) -> dict[str, Any]:
    free = hub.storage.free_bytes()
    return {"ok": free > hub.settings.disk_reserve_bytes, "free_bytes": free}


def _workers(hub: Hub) -> dict[str, Any]:
    with hub.db.read() as session:
        found = workers.alive(session, timedelta(seconds=hub.settings.worker_alive_seconds))
    warnings = sorted({warning for worker in found for warning in worker.capabilities.get("warnings", [])})
    return {"ok": bool(found), "workers": len(found), "slots": sum(w.slots for w in found), "warnings": warnings}


@router.get("/version", operation_id="version")
def which() -> dict[str, str]:
    """The version of the service."""
    return {"name": "onnxhub", "version": version("onnxhub")}


@router.get("/metrics", operation_id="metrics")
def metrics(hub: TheHub) -> Response:
    """Prometheus metrics."""
    with hub.db.read() as session:
        counts = jobs.counts(session)
        seconds = jobs.recent_seconds(session)
        found = workers.alive(session, timedelta(seconds=hub.settings.worker_alive_seconds))
    for status, count in counts.items():
        hub.metrics.jobs.labels(status).set(count)
    hub.metrics.workers.set(len(found))
    hub.metrics.slots.set(sum(worker.slots for worker in found))
    hub.metrics.free.set(hub.storage.free_bytes())
    hub.metrics.job_seconds.set(statistics.median(seconds) if seconds else 0.0)
    return Response(hub.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
