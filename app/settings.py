"""Every setting of the service: an ``ONNXHUB_*`` environment variable each. ``docs/settings.md`` comes from here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1 << 20
GIB = 1 << 30


class Settings(BaseSettings):
    """Sizes are bytes and times are seconds unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="ONNXHUB_", extra="ignore", frozen=True)

    home: Path = Field(
        Path("~/.local/share/onnxhub"), validate_default=True, description="Where state and toolchains live."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line logged.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Log lines as JSON or readable; auto is text on a terminal."
    )

    broker_url: str = Field("", description="redis:// URL of the queue; empty starts a private Valkey.")
    database_url: str = Field("", description="SQLAlchemy URL; empty is SQLite in HOME.")
    storage: str = Field("", description="Folder of the uploaded and converted files; empty is HOME/storage.")

    auth: Literal["off", "keys"] = Field("off", description="keys: every request under /v1 needs an API key.")

    max_upload_bytes: int = Field(16 * GIB, ge=1, description="Largest request body.")
    max_upload_files: int = Field(10_000, ge=1, description="Most files in one upload.")
    upload_stall_seconds: float = Field(30.0, gt=0, description="An upload that sends nothing for so long is dropped.")
    disk_reserve_bytes: int = Field(512 * MIB, ge=0, description="Uploads are refused when the disk has less left.")
    max_queued: int = Field(1000, ge=1, description="New jobs are refused while so many wait.")
    max_wait_seconds: float = Field(60.0, ge=0, description="Longest `Prefer: wait` or `?wait=` that is honoured.")
    inspect_seconds: float = Field(60.0, gt=0, description="Longest that POST /v1/inspect waits for a worker.")

    concurrency: int = Field(2, ge=1, description="Jobs that one worker does at a time.")
    job_seconds: int = Field(3600, ge=1, description="Wall clock of one job.")
    max_attempts: int = Field(3, ge=1, description="A job whose worker died is started so often at most.")
    lease_seconds: float = Field(10.0, gt=1, description="A job whose worker is silent for so long is started anew.")
    worker_alive_seconds: float = Field(30.0, gt=1, description="A worker silent for so long counts as gone.")
    redispatch_seconds: float = Field(
        15.0, gt=0, description="A waiting job is sent anew after this, then twice it, ..."
    )
    shutdown_seconds: float = Field(5.0, ge=0, description="What running jobs get to finish in when `serve` stops.")

    retention_hours: float = Field(168.0, gt=0, description="Results are kept so long after a job ended.")
    idempotency_hours: float = Field(24.0, gt=0, description="An Idempotency-Key is remembered so long.")
    orphan_hours: float = Field(1.0, ge=0, description="Files that nothing refers to are deleted after this.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.home / 'onnxhub.db'}"

    @property
    def storage_folder(self) -> Path:
        """The folder of all blobs."""
        return Path(self.storage).expanduser().resolve() if self.storage else self.home / "storage"

    @property
    def work_folder(self) -> Path:
        """Where running jobs have their folders; on the disk of the storage, so that results are moved, not copied."""
        return self.storage_folder / "work"


def table() -> str:
    """The settings as the rows of a Markdown table."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default == "" else f"`{field.default}`"
        rows.append(f"| `ONNXHUB_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
