"""A job row as the API shows it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy.orm import Session

from app.clock import rfc3339
from app.db import jobs, models
from app.db.tables import Artifact, Job
from app.jobs import states
from app.jobs.media import media_type
from app.problems import Problem, job_error


@dataclass(frozen=True, slots=True)
class View:
    """One job at one moment. ``retry_after``: seconds until asking again makes sense; None when it is final."""

    job: Job
    body: dict[str, Any]
    retry_after: int | None

    @property
    def final(self) -> bool:
        return self.job.status in states.FINAL

    @property
    def headers(self) -> dict[str, str]:
        headers = {"ETag": f'W/"{self.job.seq}"', "Cache-Control": "private, no-cache"}
        return headers if self.retry_after is None else {**headers, "Retry-After": str(self.retry_after)}


def find(session: Session, job_id: str, owner: str | None) -> Job:
    """Raises not-found (also for another key's job) and gone."""
    job = jobs.get(session, job_id, owner)
    if job is None or job.kind != "convert":
        raise Problem("not-found", f"There is no job {job_id[:64]!r}")
    if job.status == "expired":
        raise Problem("gone", "The job was deleted or has expired", status=410)
    return job


def view(session: Session, job: Job) -> View:
    position = jobs.queued(session, job.id) if job.status == "queued" else None
    files = [file.name for file in models.files(session, job.model_id)] if job.model_id else []
    body = {
        **_state(job, position),
        "source": job.detected or {"format": job.source, "version": None, "files": files},
        "target": _targets(job)[0],
        "targets": _targets(job),
        **_wishes(job),
        "model": job.model_id,
        "retry_of": job.retry_of,
        "created_at": rfc3339(job.created_at),
        "started_at": rfc3339(job.started_at),
        "finished_at": rfc3339(job.finished_at),
        "expires_at": rfc3339(job.expires_at),
        "stages": job.stages,
        "verification": job.verification,
        "error": job_error(job.error, job.request_id) if job.error else None,
        "warnings": job.warnings,
        "artifacts": [artifact(entry) for entry in jobs.artifacts(session, job.id)],
        "urls": _urls(job.id),
    }
    return View(job, body, None if job.status in states.FINAL else _retry_after(session, position))


def _state(job: Job, position: int | None) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "stage": job.stage,
        "seq": job.seq,
        "progress": round(job.progress, 4),
        "queue_position": position,
        "attempt": job.attempt,
    }


def _wishes(job: Job) -> dict[str, Any]:
    return {
        "options": job.options,
        "verify": job.verify,
        "device": job.device,
        "on_mismatch": job.on_mismatch,
        "tag": job.tag,
    }


def _targets(job: Job) -> list[dict[str, Any]]:
    """Each target with its verdict and error, once there are any."""
    told = {result["format"]: result for result in job.results}
    none = {"verdict": None, "error": None}
    entries = [{"format": name, **none, **told.get(name, {})} for name in job.targets]
    for entry in entries:
        if entry["error"]:
            entry["error"] = job_error(entry["error"], job.request_id)
    return entries


def artifact(entry: Artifact) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "sha256": entry.sha256,
        "media_type": media_type(entry.name),
        "url": f"/v1/jobs/{entry.job_id}/artifacts/{quote(entry.name)}",
    }


def _urls(job_id: str) -> dict[str, str]:
    own = f"/v1/jobs/{job_id}"
    parts = ("events", "cancel", "retry", "logs", "report", "artifacts", "download")
    return {"self": own, **{part: f"{own}/{part}" for part in parts}}


def _retry_after(session: Session, position: int | None) -> int:
    """The median of the last jobs' times, for each that is before this one; 1 to 30 s."""
    seconds = jobs.recent_seconds(session)
    median = statistics.median(seconds) if seconds else 1.0
    return round(min(30.0, max(1.0, median * ((position or 0) + 1))))


def listing(session: Session, found: Sequence[Job]) -> list[dict[str, Any]]:
    return [view(session, job).body for job in found]
