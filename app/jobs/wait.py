"""How long a client wants to wait, and waiting."""

from __future__ import annotations

import re

import anyio.to_thread
from starlette.requests import Request

from app.context import Hub
from app.jobs import resource
from app.jobs.resource import View
from app.problems import FieldError, invalid

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)


def preferred(request: Request, hub: Hub) -> int | None:
    """The seconds of ``Prefer: wait=n`` (RFC 7240) or ``?wait=n``, at most what the service honours."""
    query = request.query_params.get("wait")
    if query is not None:
        if not query.isdigit():
            raise invalid("invalid-request", [FieldError("/wait", "is not a number of seconds")])
        return min(int(query[:6]), int(hub.settings.max_wait_seconds))
    match = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return min(int(match[1]), int(hub.settings.max_wait_seconds)) if match else None


def applied(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Preference-Applied": f"wait={seconds}"}


async def look(hub: Hub, job_id: str, owner: str | None) -> View:
    """The job as it is now."""
    return await anyio.to_thread.run_sync(_look, hub, job_id, owner)


def _look(hub: Hub, job_id: str, owner: str | None) -> View:
    with hub.db.read() as session:
        return resource.view(session, resource.find(session, job_id, owner))


async def until_final(hub: Hub, job_id: str, owner: str | None, seconds: float) -> View:
    """The job as soon as it is final, or as it is after ``seconds``."""
    end = anyio.current_time() + seconds
    view = await look(hub, job_id, owner)
    while not view.final and not hub.closing and (left := end - anyio.current_time()) > 0:
        await hub.watch.changed(job_id, view.job.seq, min(left, 1.0))
        view = await look(hub, job_id, owner)
    return view


async def until_changed(hub: Hub, job_id: str, owner: str | None, seconds: float) -> View:
    """The job as soon as it is not what it is now, or as it is after ``seconds``."""
    end = anyio.current_time() + seconds
    view = await look(hub, job_id, owner)
    while not hub.closing and (left := end - anyio.current_time()) > 0:
        if await hub.watch.changed(job_id, view.job.seq, min(left, 1.0)):
            return await look(hub, job_id, owner)
    return view
