"""The tables. Times are UTC; identifiers are UUIDv7 texts, so their order is the order of creation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, ForeignKey, Index, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """A moment; SQLite has no time zones, so what it gives back is said to be UTC again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        int: BigInteger(),
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        str: String(255),
    }


class ApiKey(Table):
    """``secret`` is the SHA-256 of the key's random part, which is never stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str]
    secret: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Blob(Table):
    """A stored file. ``touched_at``: when it was last referred to; the sweeper leaves young ones alone."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int]
    touched_at: Mapped[datetime] = mapped_column(index=True)


class Model(Table):
    """An uploaded set of files. ``kept``: made by POST /v1/models, else it goes with its job."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    owner: Mapped[str | None]
    sha256: Mapped[str] = mapped_column(String(64))
    kept: Mapped[bool]
    created_at: Mapped[datetime]
    inspection: Mapped[str | None] = mapped_column(String(36))


class ModelFile(Table):
    """``name`` is what the user called it, cleaned; it is never a path on this machine."""

    __tablename__ = "model_files"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(1024))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)


class Job(Table):
    """One conversion or inspection. This row is the only truth about it."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str | None]
    progress: Mapped[float]
    seq: Mapped[int]

    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id", ondelete="SET NULL"), index=True)
    source: Mapped[str | None]
    targets: Mapped[list[Any]]
    options: Mapped[dict[str, Any]]
    verify: Mapped[str] = mapped_column(String(16))
    device: Mapped[str] = mapped_column(String(16))
    on_mismatch: Mapped[str] = mapped_column(String(16))
    samples: Mapped[str | None] = mapped_column(String(64), index=True)
    tag: Mapped[str | None]
    retry_of: Mapped[str | None] = mapped_column(String(36))
    request_id: Mapped[str | None]

    attempt: Mapped[int]
    cancel_requested: Mapped[bool]
    lease: Mapped[str | None] = mapped_column(String(36))
    lease_expires: Mapped[datetime | None]
    worker: Mapped[str | None]
    dispatched_at: Mapped[datetime | None]
    dispatches: Mapped[int]

    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]

    detected: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    results: Mapped[list[Any]]
    stages: Mapped[list[Any]]
    warnings: Mapped[list[Any]]
    verification: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    inspection: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    log: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_jobs_status_id", "status", "id"),
        Index("ix_jobs_owner_id", "owner", "id"),
    )


class JobEvent(Table):
    """One change of a job: what it was and the members that changed with it."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]


class Artifact(Table):
    """One file that a job made; ``name`` is relative to the job's results."""

    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(1024), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)


class IdempotencyKey(Table):
    """``fingerprint`` is null while the first request with the key is running."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(16), primary_key=True)
    route: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    resource: Mapped[str | None] = mapped_column(String(36))
    status: Mapped[int | None]


class Worker(Table):
    """A worker process: when it was last heard of, and what it announced that it can do."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime] = mapped_column(index=True)
    slots: Mapped[int]
    capabilities: Mapped[dict[str, Any]]
