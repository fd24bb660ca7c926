"""Making models out of received files, and reading them back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy.orm import Session

from app.clock import now, rfc3339
from app.context import Hub
from app.db import jobs, models
from app.db.tables import Job, Model, ModelFile
from app.ids import new_id
from app.problems import Problem, job_error
from app.uploads.multipart import Received


@dataclass(frozen=True, slots=True)
class Found:
    """A model with its files, in the user's order."""

    model: Model
    files: Sequence[ModelFile]


def store(session: Session, hub: Hub, files: Sequence[Received], *, owner: str | None, kept: bool) -> Found:
    """Enter the files and move them into the storage, in the caller's transaction.

    Rows first: they keep the sweeper away from blobs that were there already.
    """
    model = Model(id=new_id(), owner=owner, sha256=digest_of(files), kept=kept, created_at=now())
    rows = [
        ModelFile(model_id=model.id, position=index, name=file.name, size=file.size, sha256=file.sha256)
        for index, file in enumerate(files)
    ]
    models.add(session, model, rows)
    for file in files:
        hub.storage.commit(file.path, file.sha256)
    return Found(model, rows)


def keep_samples(session: Session, hub: Hub, files: Sequence[Received]) -> str | None:
    """Store the user's samples, if there are any; their digest."""
    for file in files:
        models.touch(session, {file.sha256: file.size})
        hub.storage.commit(file.path, file.sha256)
        return file.sha256
    return None


def digest_of(files: Sequence[Received]) -> str:
    """What makes two uploads the same model: names and contents, in any order."""
    parts = sorted((file.name, file.sha256) for file in files)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def find(session: Session, model_id: str, owner: str | None) -> Found:
    """Raises not-found, also for another key's model."""
    model = models.get(session, model_id, owner)
    if model is None:
        raise Problem("not-found", f"There is no model {model_id[:64]!r}")
    return Found(model, models.files(session, model.id))


def resource(session: Session, found: Found) -> dict[str, Any]:
    """The model as the API shows it; ``detected`` and ``error`` come from its inspection, null until that is done."""
    model = found.model
    inspection = jobs.get(session, model.inspection) if model.inspection else None
    return {
        "id": model.id,
        "sha256": model.sha256,
        "created_at": rfc3339(model.created_at),
        "files": [
            {
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256,
                "url": f"/v1/models/{model.id}/files/{quote(file.name)}",
            }
            for file in found.files
        ],
        "detected": inspection.inspection if inspection else None,
        "error": _error(inspection),
        "urls": {"self": f"/v1/models/{model.id}"},
    }


def _error(inspection: Job | None) -> dict[str, Any] | None:
    return job_error(inspection.error, inspection.request_id) if inspection and inspection.error else None
