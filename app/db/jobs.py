"""Job rows and their events: every change is one conditional UPDATE and one event row in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, delete, func, select, update
from sqlalchemy.orm import Session

from app.clock import now
from app.db.tables import Artifact, Job, JobEvent
from app.jobs import states
from app.jobs.states import Status


def add(session: Session, job: Job) -> None:
    """A new job, queued, with its first event."""
    session.add(job)
    session.flush()
    told = {"status": job.status, "stage": job.stage, "progress": job.progress}
    session.add(JobEvent(job_id=job.id, seq=job.seq, at=job.created_at, type="queued", data=told))


def get(session: Session, job_id: str, owner: str | None = None) -> Job | None:
    """The job, if there is one; ``owner`` restricts to one key's jobs, None does not restrict."""
    job = session.get(Job, job_id)
    return job if job is not None and owner in (None, job.owner) else None


def change(
    session: Session,
    job_id: str,
    event: str,
    *conditions: ColumnElement[bool],
    to: Status | None = None,
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> int | None:
    """Set ``values`` (and the status ``to``) if the job is in a state that allows it and meets ``conditions``.

    The new sequence number, or None when nothing was changed.
    """
    statement = update(Job).where(Job.id == job_id, *conditions)
    if to is not None:
        statement = statement.where(Job.status.in_(states.before(to)))
        values["status"] = to
    statement = statement.values(seq=Job.seq + 1, **values).execution_options(synchronize_session=False)
    row = session.execute(statement.returning(Job.seq, Job.status, Job.stage, Job.progress)).one_or_none()
    if row is None:
        return None
    told = {"status": row.status, "stage": row.stage, "progress": row.progress, **(data or {})}
    session.add(JobEvent(job_id=job_id, seq=row.seq, at=now(), type=event, data=told))
    return int(row.seq)


def listing(
    session: Session, *, owner: str | None, status: str | None = None, target: str | None = None,
    tag: str | None = None, after: str | None = None, limit: int,
) -> Sequence[Job]:  # fmt: skip
    """Conversions, the newest first, those older than ``after``; expired ones only when asked for."""
    statement = select(Job).where(Job.kind == "convert").order_by(Job.id.desc()).limit(limit)
    statement = statement.where(Job.status == status) if status else statement.where(Job.status != "expired")
    if owner is not None:
        statement = statement.where(Job.owner == owner)
    if tag is not None:
        statement = statement.where(Job.tag == tag)
    if target is not None:
        # The list is stored as JSON text; a format's name holds no quotes.
        statement = statement.where(cast(Job.targets, Text).contains(f'"{target}"', autoescape=True))
    if after is not None:
        statement = statement.where(Job.id < after)
    return session.scalars(statement).all()


def events_after(session: Session, job_id: str, seq: int, limit: int = 1000) -> Sequence[JobEvent]:
    chosen = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > seq).order_by(JobEvent.seq).limit(limit)
    return session.scalars(chosen).all()


def sequence_numbers(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """The current sequence number of each job; what waiters watch."""
    return {row.id: row.seq for row in session.execute(select(Job.id, Job.seq).where(Job.id.in_(ids)))}


def artifacts(session: Session, job_id: str) -> Sequence[Artifact]:
    return session.scalars(select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)).all()


def artifact(session: Session, job_id: str, name: str) -> Artifact | None:
    return session.get(Artifact, (job_id, name))


def counts(session: Session) -> dict[str, int]:
    """How many jobs there are in each state."""
    found = {row[0]: int(row[1]) for row in session.execute(select(Job.status, func.count()).group_by(Job.status))}
    return {status: found.get(status, 0) for status in states.STATUSES}


def queued(session: Session, before_id: str | None = None) -> int:
    """How many jobs wait, or wait before this one."""
    statement = select(func.count()).select_from(Job).where(Job.status == "queued")
    return session.scalar(statement.where(Job.id < before_id) if before_id else statement) or 0


def recent_seconds(session: Session, count: int = 20) -> list[float]:
    """How long the last jobs ran."""
    statement = (
        select(Job.started_at, Job.finished_at)
        .where(Job.status == "succeeded", Job.started_at.is_not(None))
        .order_by(Job.finished_at.desc())
        .limit(count)
    )
    return [(row.finished_at - row.started_at).total_seconds() for row in session.execute(statement)]


def cancel(session: Session, job_id: str, error: Mapping[str, Any], expires: datetime) -> None:
    """A waiting job is canceled here and now; a running one is asked to, its worker sees to it."""
    done = change(
        session, job_id, "canceled", Job.status == "queued", to="canceled", error=dict(error), finished_at=now(),
        expires_at=expires, cancel_requested=True,
    )  # fmt: skip
    if done is None:
        running = (Job.status == "running", Job.cancel_requested.is_(False))
        change(session, job_id, "cancel-requested", *running, cancel_requested=True)


def expire(session: Session, job_id: str) -> bool:
    """Turn a final job into its tombstone: no artifacts, no model, no log."""
    gone = change(session, job_id, "expired", to="expired", model_id=None, samples=None, log=None, inspection=None)
    if gone is not None:
        session.execute(delete(Artifact).where(Artifact.job_id == job_id))
    return gone is not None


def undispatched(session: Session, patience: timedelta, limit: int = 100) -> list[tuple[str, datetime | None]]:
    """Waiting jobs never sent, or sent so long ago that the message may be lost; the wait doubles with each sending."""
    statement = (
        select(Job.id, Job.dispatched_at, Job.dispatches)
        .where(Job.status == "queued", (Job.dispatched_at.is_(None)) | (Job.dispatched_at < now() - patience))
        .order_by(Job.id)
        .limit(limit)
    )
    return [
        (row.id, row.dispatched_at)
        for row in session.execute(statement)
        if row.dispatched_at is None or row.dispatched_at + patience * 2 ** min(row.dispatches - 1, 6) < now()
    ]


def mark_dispatched(session: Session, job_id: str, seen: datetime | None) -> str | None:
    """Reserve a sending; the job's kind, or None when another process was faster or the job no longer waits."""
    same = Job.dispatched_at.is_(None) if seen is None else Job.dispatched_at == seen
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.status == "queued", same)
        .values(dispatched_at=now(), dispatches=Job.dispatches + 1)
        .execution_options(synchronize_session=False)
    )
    return session.execute(statement.returning(Job.kind)).scalar_one_or_none()


def unmark_dispatched(session: Session, job_id: str) -> None:
    """The sending failed: the sweeper tries again."""
    statement = update(Job).where(Job.id == job_id, Job.status == "queued").values(dispatched_at=None)
    session.execute(statement.execution_options(synchronize_session=False))


def unmark_all_dispatched(session: Session) -> None:
    """No message is left: every waiting job has to be sent."""
    statement = update(Job).where(Job.status == "queued").values(dispatched_at=None, dispatches=0)
    session.execute(statement.execution_options(synchronize_session=False))


def abandoned(session: Session) -> Sequence[Job]:
    """Running jobs whose worker let the lease run out."""
    return session.scalars(select(Job).where(Job.status == "running", Job.lease_expires < now())).all()


def outdated(session: Session, limit: int = 100) -> Sequence[str]:
    """Final jobs past their time."""
    statement = select(Job.id).where(Job.status.in_(("succeeded", "failed", "canceled")), Job.expires_at < now())
    return session.scalars(statement.limit(limit)).all()


def purge(session: Session, before: datetime) -> None:
    """Forget tombstones of jobs that ended before that moment."""
    session.execute(delete(Job).where(Job.status == "expired", Job.finished_at < before))
