"""The hold on a job row: one holder at a time, whatever the broker delivers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.context import Hub
from app.db import jobs
from app.db.tables import Artifact, Job
from app.jobs.submit import new_job
from app.jobs.sweeper import look_after_jobs
from app.models import service
from app.settings import Settings
from app.uploads.multipart import FileSink
from workers import claim as claims
from workers.claim import Claim, Made, claim, finish, renew


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """The inside of an API, without the API; its broker is away."""
    hub = Hub.of(Settings(home=tmp_path, lease_seconds=1.2, max_attempts=2))
    hub.prepare()
    yield hub
    hub.close()


def submit(hub: Hub, **wishes: Any) -> str:
    with hub.storage.staging() as folder, hub.db.write() as session:
        sink = FileSink(folder / "1", "model", "net.prototxt")
        sink.pending += b"layer {}"
        model = service.store(session, hub, [sink.finish()], owner=None, kept=False).model
        job = new_job(
            session, kind="convert", owner=None, model_id=model.id, source=None, targets=["caffe"], options={},
            request_id="r", **wishes,
        )  # fmt: skip
        return job.id


def take(hub: Hub, job_id: str, seconds: float = 10) -> Claim:
    held = claim(hub.db, job_id, "w", seconds)
    assert held is not None
    return held


def end(hub: Hub, held: Claim, status: Any = "succeeded", made: list[Made] | None = None, **values: Any) -> bool:
    with hub.db.write() as session:
        return finish(session, held, status, made or [], keep_for=timedelta(hours=1), **values)


def row(hub: Hub, job_id: str) -> Job:
    with hub.db.read() as session:
        return session.get_one(Job, job_id)


def events(hub: Hub, job_id: str) -> list[str]:
    with hub.db.read() as session:
        return [event.type for event in jobs.events_after(session, job_id, 0)]


def test_a_message_delivered_twenty_times_is_carried_out_once(hub: Hub) -> None:
    job_id = submit(hub)
    found: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: found.append(claim(hub.db, job_id, "w", 10))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([held for held in found if held]) == 1
    assert row(hub, job_id).attempt == 1
    assert claim(hub.db, job_id, "w", 10) is None
    held = next(held for held in found if held)
    assert [file.name for file in held.files] == ["net.prototxt"]
    assert end(hub, held)
    assert claim(hub.db, job_id, "w", 10) is None
    assert events(hub, job_id) == ["queued", "started", "succeeded"]


def test_a_lost_lease_writes_nothing(hub: Hub) -> None:
    """The worker was thought dead and the job given to another: what the first still says does not count."""
    job_id = submit(hub)
    first = take(hub, job_id, seconds=0.05)
    time.sleep(0.1)
    look_after_jobs(hub)
    assert row(hub, job_id).status == "queued"
    second = take(hub, job_id)
    assert renew(hub.db, first, 10) == "lost"
    assert claims.order(hub.db, first) == "lost"
    claims.tell(hub.db, first, "stage", {}, stage="read")
    assert not end(hub, first, made=[Made("hub.onnx", "hub", 1, "0" * 64)])
    assert renew(hub.db, second, 10) == "go on"
    assert row(hub, job_id).stage is None
    assert end(hub, second)
    assert row(hub, job_id).attempt == 2
    assert events(hub, job_id) == ["queued", "started", "requeued", "started", "succeeded"]
    with hub.db.read() as session:
        assert jobs.artifacts(session, job_id) == []


def test_a_renewed_lease_is_not_taken_away(hub: Hub) -> None:
    job_id = submit(hub)
    held = take(hub, job_id, seconds=0.3)
    for _ in range(4):
        time.sleep(0.15)
        assert renew(hub.db, held, 0.3) == "go on"
        look_after_jobs(hub)
    assert row(hub, job_id).status == "running"


def test_a_job_that_kills_its_workers_ends(hub: Hub) -> None:
    job_id = submit(hub)
    for attempt in (1, 2):
        assert take(hub, job_id, seconds=0.05).attempt == attempt
        time.sleep(0.1)
        look_after_jobs(hub)
    ended = row(hub, job_id)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error["type"] == "internal"
    assert ended.error["retryable"] is True
    assert ended.finished_at and ended.expires_at


def test_cancelling_reaches_the_holder(hub: Hub) -> None:
    job_id = submit(hub)
    held = take(hub, job_id)
    with hub.db.write() as session:
        jobs.cancel(session, job_id, {"type": "canceled"}, row(hub, job_id).created_at)
    assert claims.order(hub.db, held) == "cancel"
    assert renew(hub.db, held, 10) == "cancel"
    assert not end(hub, held, "succeeded")
    assert end(hub, held, "canceled", error={"type": "canceled"})
    assert events(hub, job_id) == ["queued", "started", "cancel-requested", "canceled"]


def test_a_cancelled_job_whose_worker_died_is_canceled_not_tried_again(hub: Hub) -> None:
    job_id = submit(hub)
    take(hub, job_id, seconds=0.05)
    with hub.db.write() as session:
        jobs.cancel(session, job_id, {"type": "canceled"}, row(hub, job_id).created_at)
    time.sleep(0.1)
    look_after_jobs(hub)
    assert row(hub, job_id).status == "canceled"


def test_a_deleted_job_lets_its_worker_go(hub: Hub) -> None:
    job_id = submit(hub)
    held = take(hub, job_id)
    with hub.db.write() as session:
        jobs.change(session, job_id, "canceled", to="canceled", lease=None)
        assert jobs.expire(session, job_id)
    assert claims.order(hub.db, held) == "lost"
    assert not end(hub, held)
    assert row(hub, job_id).status == "expired"


def test_what_was_made_stands_with_the_end(hub: Hub) -> None:
    job_id = submit(hub)
    held = take(hub, job_id)
    assert end(hub, held, made=[Made("pytorch/model.py", "target", 3, "a" * 64)], verification={"verdict": "verified"})
    with hub.db.read() as session:
        found = session.get_one(Artifact, (job_id, "pytorch/model.py"))
        assert (found.kind, found.size) == ("target", 3)
    assert row(hub, job_id).progress == 1.0
    assert row(hub, job_id).verification == {"verdict": "verified"}


def test_waiting_jobs_are_sent_again_ever_more_rarely(hub: Hub) -> None:
    job_id = submit(hub)
    patience = timedelta(seconds=0.05)
    with hub.db.read() as session:
        assert jobs.undispatched(session, patience) == [(job_id, None)]
    waits = []
    for _ in range(3):
        begun = time.monotonic()
        while True:
            with hub.db.read() as session:
                due = jobs.undispatched(session, patience)
            if due:
                break
            time.sleep(0.005)
        waits.append(time.monotonic() - begun)
        with hub.db.write() as session:
            assert jobs.mark_dispatched(session, job_id, due[0][1]) == "convert"
            assert jobs.mark_dispatched(session, job_id, due[0][1]) is None
    assert waits[0] < 0.04
    assert 0.04 < waits[1] < 0.09 < waits[2]
