"""A job's events as server-sent events: resumable by ``Last-Event-ID``, ending with the job."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio.to_thread

from app.clock import rfc3339
from app.context import Hub
from app.db import jobs
from app.db.tables import JobEvent
from app.jobs import states

PING_SECONDS = 15.0
CLOSING_SECONDS = 1.0
RETRY_MS = 2000


async def stream(hub: Hub, job_id: str, after: int) -> AsyncIterator[str]:
    """Everything after that sequence number, then whatever comes, until the job is final."""
    yield f"retry: {RETRY_MS}\n\n"
    quiet = 0.0
    while not hub.closing:
        events = await anyio.to_thread.run_sync(_read, hub, job_id, after)
        for event in events:
            after = event.seq
            yield _lines(event)
            if event.data.get("status") in states.FINAL:
                return
        if events:
            quiet = 0.0
        elif await hub.watch.changed(job_id, after, CLOSING_SECONDS):
            if not await anyio.to_thread.run_sync(_exists, hub, job_id):
                return
        else:
            quiet += CLOSING_SECONDS
            if quiet >= PING_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"


def _read(hub: Hub, job_id: str, after: int) -> list[JobEvent]:
    with hub.db.read() as session:
        return list(jobs.events_after(session, job_id, after))


def _exists(hub: Hub, job_id: str) -> bool:
    with hub.db.read() as session:
        return jobs.get(session, job_id) is not None


def _lines(event: JobEvent) -> str:
    data = {"seq": event.seq, "at": rfc3339(event.at), "type": event.type, **event.data}
    return f"id: {event.seq}\nevent: {event.type}\ndata: {json.dumps(data)}\n\n"
