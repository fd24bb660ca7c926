"""Uploaded models and stored blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from app.clock import now
from app.db.tables import Artifact, Blob, Job, Model, ModelFile


def add(session: Session, model: Model, files: Sequence[ModelFile]) -> None:
    session.add(model)
    session.flush()
    session.add_all(files)
    touch(session, {file.sha256: file.size for file in files})


def touch(session: Session, blobs: Mapping[str, int]) -> None:
    """Note blobs as stored and needed now, by SHA-256 and size."""
    for sha256, size in sorted(blobs.items()):
        known = update(Blob).where(Blob.sha256 == sha256).values(touched_at=now())
        if not session.execute(known.execution_options(synchronize_session=False)).rowcount:  # type: ignore[attr-defined]
            session.add(Blob(sha256=sha256, size=size, touched_at=now()))
    session.flush()


def get(session: Session, model_id: str, owner: str | None = None) -> Model | None:
    """The model, if there is one; ``owner`` restricts to one key's models, None does not restrict."""
    model = session.get(Model, model_id)
    return model if model is not None and owner in (None, model.owner) else None


def files(session: Session, model_id: str) -> Sequence[ModelFile]:
    return session.scalars(select(ModelFile).where(ModelFile.model_id == model_id).order_by(ModelFile.position)).all()


def in_use(session: Session, model_id: str) -> bool:
    """Does a job that is not final need it?"""
    needed = exists().where(Job.model_id == model_id, Job.status.in_(("queued", "running")))
    return bool(session.scalar(select(needed)))


def remove(session: Session, model_id: str) -> None:
    """Forget a model; finished jobs lose their link to it, its files are swept later."""
    session.execute(update(Job).where(Job.model_id == model_id).values(model_id=None))
    session.execute(delete(Model).where(Model.id == model_id))


def remove_unkept(session: Session) -> None:
    """Forget models that came with a job, once no job names them."""
    named = exists().where(Job.model_id == Model.id)
    session.execute(delete(Model).where(Model.kept.is_(False), ~named).execution_options(synchronize_session=False))


def _unneeded(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Blob.touched_at < before,
        ~exists().where(ModelFile.sha256 == Blob.sha256),
        ~exists().where(Artifact.sha256 == Blob.sha256),
        ~exists().where(Job.samples == Blob.sha256),
    )


def orphans(session: Session, before: datetime, limit: int = 1000) -> Sequence[str]:
    """Blobs that nothing refers to and that nobody touched since ``before``."""
    return session.scalars(select(Blob.sha256).where(*_unneeded(before)).limit(limit)).all()


def forget_orphan(session: Session, sha256: str, before: datetime) -> bool:
    """Drop the row if the blob is still an orphan; then its file may go, before the transaction ends."""
    statement = delete(Blob).where(Blob.sha256 == sha256, *_unneeded(before)).returning(Blob.sha256)
    found = session.execute(statement.execution_options(synchronize_session=False)).scalar_one_or_none()
    return found is not None
