"""What is past its time goes, what somebody may still want stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from app.clock import now
from app.db import jobs
from app.db.tables import Artifact, Blob, Job, Model
from app.jobs.sweeper import clean
from tests.app.serving import Api

Submit = Callable[..., httpx2.Response]
LONG_AGO = now() - timedelta(days=400)


@pytest.fixture
def api(start: Callable[..., Api], capabilities: dict[str, Any]) -> Api:
    """Blobs are orphans after a second or so."""
    api = start(orphan_hours=0.0)
    api.announce(capabilities)
    return api


def blobs(api: Api) -> list[Path]:
    return [path for path in (api.settings.storage_folder / "blobs").rglob("*") if path.is_file()]


def age(api: Api, table: Any, **values: Any) -> None:
    with api.hub.db.write() as session:
        session.execute(update(table).values(**values))


def finish(api: Api, job_id: str, expires: Any) -> None:
    with api.hub.db.write() as session:
        jobs.change(session, job_id, "started", to="running")
        jobs.change(session, job_id, "succeeded", to="succeeded", finished_at=now(), expires_at=expires)
        session.add(Artifact(job_id=job_id, name="hub.onnx", kind="hub", size=1, sha256="a" * 64))


def test_files_of_living_jobs_stay(api: Api, submit: Submit) -> None:
    submit()
    finish(api, submit(content=b"other").json()["id"], now() + timedelta(hours=1))
    age(api, Blob, touched_at=LONG_AGO)
    clean(api.hub)
    assert len(blobs(api)) == 2


def test_an_outdated_job_becomes_a_tombstone_and_its_files_go(api: Api, submit: Submit) -> None:
    job = submit().json()
    finish(api, job["id"], LONG_AGO)
    age(api, Blob, touched_at=LONG_AGO)
    clean(api.hub)
    assert blobs(api) == []
    assert api.http.get(job["urls"]["self"]).status_code == 410
    assert [item["id"] for item in api.http.get("/v1/jobs?status=expired").json()["items"]] == [job["id"]]
    with api.hub.db.read() as session:
        assert session.get(Model, job["model"]) is None
        assert jobs.artifacts(session, job["id"]) == []
    age(api, Job, finished_at=LONG_AGO)
    clean(api.hub)
    assert api.http.get(job["urls"]["self"]).status_code == 404


def test_a_blob_that_two_share_goes_with_the_last(api: Api, submit: Submit) -> None:
    first, second = submit().json(), submit().json()
    assert len(blobs(api)) == 1
    for job, left in ((first, 1), (second, 0)):
        api.http.delete(job["urls"]["self"])
        age(api, Blob, touched_at=LONG_AGO)
        clean(api.hub)
        assert len(blobs(api)) == left


def test_a_kept_model_outlives_its_jobs(api: Api) -> None:
    model = api.http.post("/v1/models", files={"model": ("a", b"1")}, headers={"Prefer": "wait=0"}).json()
    job = api.http.post("/v1/jobs", json={"model": model["id"], "target": "caffe"}).json()
    api.http.delete(job["urls"]["self"])
    age(api, Blob, touched_at=LONG_AGO)
    clean(api.hub)
    assert api.http.get(model["files"][0]["url"]).content == b"1"


def test_folders_of_dead_attempts_go_and_those_at_work_stay(api: Api, submit: Submit) -> None:
    running, waiting = submit().json()["id"], submit().json()["id"]
    with api.hub.db.write() as session:
        jobs.change(session, running, "started", to="running", attempt=2)
    work = api.settings.work_folder
    names = [f"{running}.2", f"{running}.1", f"{waiting}.1", "00000000-0000-7000-8000-000000000000.1"]
    for name in names:
        (work / name / "out").mkdir(parents=True)
    clean(api.hub)
    assert [folder.name for folder in work.iterdir()] == names[:1]


def test_a_young_orphan_is_left_alone(start: Callable[..., Api], capabilities: dict[str, Any]) -> None:
    api = start(orphan_hours=1)
    api.announce(capabilities)
    job = api.http.post("/v1/jobs", files={"model": ("a", b"1")}, data={"target": "caffe"}).json()
    api.http.delete(job["urls"]["self"])
    clean(api.hub)
    assert len(blobs(api)) == 1
