"""API keys and idempotency keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.clock import now
from app.db.tables import ApiKey, IdempotencyKey


def add(session: Session, key: ApiKey) -> None:
    session.add(key)


def get(session: Session, key_id: str) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def listing(session: Session) -> Sequence[ApiKey]:
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at)).all()


def revoke(session: Session, key_id: str) -> bool:
    """False when there is no such key in force."""
    statement = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now())
    return bool(session.execute(statement.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


def remembered(session: Session, owner: str, route: str, key: str) -> IdempotencyKey | None:
    return session.get(IdempotencyKey, (owner, route, key))


def reserve(session: Session, owner: str, route: str, key: str) -> bool:
    """Take the key for a request that begins; False when it is taken already."""
    try:
        with session.begin_nested():
            session.add(IdempotencyKey(owner=owner, route=route, key=key, created_at=now()))
    except IntegrityError:
        return False
    return True


def conclude(
    session: Session, owner: str, route: str, key: str, *, fingerprint: str, resource: str, status: int
) -> None:
    """The request was carried out: remember what it was and what it made."""
    found = session.get_one(IdempotencyKey, (owner, route, key))
    found.fingerprint, found.resource, found.status = fingerprint, resource, status


def release(session: Session, owner: str, route: str, key: str) -> None:
    """The request failed: its key is free again."""
    mine = (IdempotencyKey.owner == owner, IdempotencyKey.route == route, IdempotencyKey.key == key)
    session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.fingerprint.is_(None)))


def forget(session: Session, before: datetime, *, unfinished: bool) -> None:
    """Drop keys older than ``before``: all, or only those whose request never ended (its process died)."""
    statement = delete(IdempotencyKey).where(IdempotencyKey.created_at < before)
    session.execute(statement.where(IdempotencyKey.fingerprint.is_(None)) if unfinished else statement)
