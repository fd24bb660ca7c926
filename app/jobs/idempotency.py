"""``Idempotency-Key``: a request repeated with its key is carried out once and answered alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request

from app.context import Hub
from app.db import keys
from app.problems import Problem

MAX_KEY = 255


@dataclass(slots=True)
class Once:
    """One request under a key. ``earlier`` is (fingerprint, resource, status) of the request that came first."""

    owner: str
    route: str
    key: str | None
    earlier: tuple[str, str, int] | None = None
    concluded: bool = field(default=False)

    def replay(self, fingerprint: str) -> tuple[str, int] | None:
        """What the first request made and answered; None when this is the first. Raises idempotency-mismatch."""
        if self.earlier is None:
            return None
        if self.earlier[0] != fingerprint:
            raise Problem("idempotency-mismatch", "The first request with this Idempotency-Key was a different one")
        return self.earlier[1], self.earlier[2]

    def conclude(self, session: Session, fingerprint: str, resource: str, status: int) -> None:
        """Remember in the caller's transaction, so that what was made and its key stand or fall together."""
        if self.key is not None:
            keys.conclude(
                session, self.owner, self.route, self.key, fingerprint=fingerprint, resource=resource, status=status
            )
            self.concluded = True


@contextmanager
def once(request: Request, hub: Hub, owner: str | None) -> Iterator[Once]:
    """Reserve the request's key, if it has one, and free it again should the request fail."""
    key = request.headers.get("idempotency-key")
    route = f"{request.method} {request.url.path}"[:64]
    if key is None:
        yield Once(owner or "", route, None)
        return
    if not 0 < len(key) <= MAX_KEY:
        raise Problem("bad-request", f"An Idempotency-Key has 1 to {MAX_KEY} characters")
    guard = Once(owner or "", route, key)
    with hub.db.write() as session:
        if not keys.reserve(session, guard.owner, route, key):
            guard.earlier = _earlier(session, guard, key)
    try:
        yield guard
    finally:
        if guard.earlier is None and not guard.concluded:
            with hub.db.write() as session:
                keys.release(session, guard.owner, route, key)


def _earlier(session: Session, guard: Once, key: str) -> tuple[str, str, int]:
    found = keys.remembered(session, guard.owner, guard.route, key)
    if found is None or found.fingerprint is None:
        told = "The first request with this Idempotency-Key has not been answered yet"
        raise Problem("idempotency-in-progress", told, headers={"Retry-After": "1"})
    return found.fingerprint, found.resource or "", found.status or 202


def fingerprint(wishes: Any, files: list[tuple[str, str, str]]) -> str:
    """Equal for equal requests: their meaning and their files' digests, not their bytes."""
    return hashlib.sha256(json.dumps([wishes, sorted(files)], sort_keys=True, default=str).encode()).hexdigest()
