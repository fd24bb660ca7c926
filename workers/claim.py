"""A worker's hold on a job row: taken by one conditional update, kept by heartbeats, given up at the end.

Whatever the broker does (a message twice, late, or never), only the holder of the lease may write to the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.clock import now
from app.db import jobs, models
from app.db.engine import Database
from app.db.tables import Artifact, Job
from app.ids import new_id
from app.jobs.states import Status

Order = Literal["go on", "cancel", "lost"]


@dataclass(frozen=True, slots=True)
class File:
    """One uploaded file: the user's name for it, and which blob it is."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A job at the moment it was claimed, and the lease that proves the claim."""

    job_id: str
    lease: str
    attempt: int
    kind: str
    source: str | None
    targets: tuple[str, ...]
    options: Mapping[str, Any]
    verify: str
    device: str
    on_mismatch: str
    files: tuple[File, ...]
    samples: str | None


@dataclass(frozen=True, slots=True)
class Made:
    """One file of the results, stored already or about to be."""

    name: str
    kind: str
    size: int
    sha256: str


def claim(db: Database, job_id: str, worker: str, seconds: float) -> Claim | None:
    """Take a waiting job for ``seconds``; None when it does not wait (any more)."""
    lease = new_id()
    with db.write() as session:
        taken = jobs.change(
            session,
            job_id,
            "started",
            Job.cancel_requested.is_(False),
            to="running",
            lease=lease,
            lease_expires=now() + timedelta(seconds=seconds),
            worker=worker,
            attempt=Job.attempt + 1,
            started_at=now(),
            stage=None,
            progress=0.0,
            stages=[],
        )
        if taken is None:
            return None
        job = session.get_one(Job, job_id, populate_existing=True)
        files = models.files(session, job.model_id) if job.model_id else []
        return Claim(
            job_id=job.id,
            lease=lease,
            attempt=job.attempt,
            kind=job.kind,
            source=job.source,
            targets=tuple(job.targets),
            options=job.options,
            verify=job.verify,
            device=job.device,
            on_mismatch=job.on_mismatch,
            files=tuple(File(file.name, file.size, file.sha256) for file in files),
            samples=job.samples,
        )


def renew(db: Database, held: Claim, seconds: float) -> Order:
    """Keep the job for another ``seconds``, and hear whether to go on."""
    with db.write() as session:
        statement = (
            update(Job)
            .where(Job.id == held.job_id, Job.lease == held.lease, Job.status == "running")
            .values(lease_expires=now() + timedelta(seconds=seconds))
            .returning(Job.cancel_requested)
            .execution_options(synchronize_session=False)
        )
        cancel = session.execute(statement).scalar_one_or_none()
    return "lost" if cancel is None else "cancel" if cancel else "go on"


def order(db: Database, held: Claim) -> Order:
    """Whether to go on, without renewing anything."""
    with db.read() as session:
        row = session.execute(
            select(Job.cancel_requested).where(Job.id == held.job_id, Job.lease == held.lease, Job.status == "running")
        ).one_or_none()
    return "lost" if row is None else "cancel" if row[0] else "go on"


def tell(db: Database, held: Claim, event: str, data: Mapping[str, Any], **values: Any) -> None:
    """An event of the running job, with the values that change with it."""
    with db.write() as session:
        jobs.change(session, held.job_id, event, Job.lease == held.lease, Job.status == "running", data=data, **values)


def finish(
    session: Session, held: Claim, status: Status, made: Sequence[Made], *, keep_for: timedelta, **values: Any
) -> bool:
    """Write the end of the job and what it made; False when the lease was lost, then nothing is written.

    A cancellation that came in meanwhile wins: the caller sees False and ends the job with ``canceled``.
    """
    conditions = [Job.lease == held.lease]
    if status != "canceled":
        conditions.append(Job.cancel_requested.is_(False))
    moment = now()
    progress: dict[str, Any] = {"progress": 1.0} if status == "succeeded" else {}
    done = jobs.change(
        session, held.job_id, status, *conditions, to=status, lease=None, lease_expires=None, finished_at=moment,
        expires_at=moment + keep_for, **progress, **values,
    )  # fmt: skip
    if done is None:
        return False
    models.touch(session, {file.sha256: file.size for file in made})
    session.add_all(
        Artifact(job_id=held.job_id, name=file.name, kind=file.kind, size=file.size, sha256=file.sha256)
        for file in made
    )
    return True
