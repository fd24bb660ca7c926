"""Waiting for a job to change: one poll of the database serves everybody who waits in this process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import anyio.to_thread

from app.db import jobs
from app.db.engine import Database

POLL_SECONDS = 0.05


@dataclass(eq=False, slots=True)
class _Waiter:
    job_id: str
    seq: int
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Watch:
    """Polling needs no broker and misses nothing; with somebody waiting it is one short query every POLL_SECONDS."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    async def changed(self, job_id: str, seq: int, seconds: float) -> bool:
        """Wait until the job's sequence number is not ``seq``; False when ``seconds`` passed before."""
        waiter = _Waiter(job_id, seq)
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                await waiter.changed.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)

    async def _poll(self) -> None:
        while self._waiters:
            waiters = list(self._waiters)
            try:
                current = await anyio.to_thread.run_sync(self._numbers, sorted({w.job_id for w in waiters}))
            except Exception:
                for waiter in waiters:
                    waiter.changed.set()  # they look for themselves and meet the error
                raise
            for waiter in waiters:
                if current.get(waiter.job_id) != waiter.seq:
                    waiter.changed.set()
            await asyncio.sleep(POLL_SECONDS)

    def _numbers(self, ids: list[str]) -> dict[str, int]:
        with self._db.read() as session:
            return jobs.sequence_numbers(session, ids)
