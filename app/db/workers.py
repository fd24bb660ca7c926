"""Worker rows: heartbeats and announcements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.clock import now
from app.db.tables import Worker


def announce(session: Session, worker_id: str, slots: int, capabilities: dict[str, Any]) -> None:
    """Enter a worker, or renew its entry."""
    session.merge(Worker(id=worker_id, started_at=now(), heartbeat_at=now(), slots=slots, capabilities=capabilities))


def beat(session: Session, worker_id: str) -> None:
    session.execute(update(Worker).where(Worker.id == worker_id).values(heartbeat_at=now()))


def alive(session: Session, within: timedelta) -> Sequence[Worker]:
    """Workers heard of lately, the longest-serving first."""
    return session.scalars(select(Worker).where(Worker.heartbeat_at > now() - within).order_by(Worker.started_at)).all()


def leave(session: Session, worker_id: str) -> None:
    session.execute(delete(Worker).where(Worker.id == worker_id))


def forget(session: Session, before: datetime) -> None:
    """Drop workers not heard of since ``before``."""
    session.execute(delete(Worker).where(Worker.heartbeat_at < before))
