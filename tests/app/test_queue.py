"""The queue on a real Valkey: what is sent lies there, what it forgets is sent again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.broker import Broker
from app.db import jobs
from app.jobs.sweeper import look_after_jobs
from app.queue import Queue, QueueUnavailable
from tests.app.serving import Api


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    process = broker.start()
    yield broker
    process.kill()
    process.wait()
    broker.clean()


@pytest.fixture
def client(broker: Broker) -> redis.Redis:
    return redis.Redis.from_url(broker.url.replace("redis+socket", "unix"))


def sent(client: redis.Redis, queue: str) -> list[str]:
    """The job ids that lie in a queue."""
    messages: Any = client.lrange(queue, 0, -1)
    return [json.loads(message)["headers"]["argsrepr"].strip("['],()") for message in messages]


def test_a_message_is_a_job_id_and_nothing_more(broker: Broker, client: redis.Redis) -> None:
    queue = Queue(broker.url)
    queue.ping()
    queue.send("job-1", "convert")
    queue.send("job-2", "inspect")
    queue.close()
    assert sent(client, "convert") == ["job-1"]
    assert sent(client, "inspect") == ["job-2"]


def test_a_broker_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    for url in ("", f"redis+socket://{tmp_path}/none.sock", "redis://127.0.0.1:1/0"):
        queue = Queue(url)
        with pytest.raises(QueueUnavailable):
            queue.ping()
        with pytest.raises(QueueUnavailable):
            queue.send("job", "convert")
        queue.close()


def test_what_a_broker_forgot_is_sent_again_at_once(
    start: Callable[..., Api], capabilities: dict[str, Any], broker: Broker, client: redis.Redis
) -> None:
    """However long the job has waited; the API's own sweeper may send it as well, which is harmless."""
    api = start(broker_url=broker.url, redispatch_seconds=1000)
    api.announce(capabilities)
    job = api.http.post("/v1/jobs", files={"model": ("a", b"1")}, data={"target": "caffe"}).json()["id"]
    look_after_jobs(api.hub)
    assert set(sent(client, "convert")) == {job}
    client.flushall()
    look_after_jobs(api.hub)
    assert set(sent(client, "convert")) == {job}
    look_after_jobs(api.hub)
    assert set(sent(client, "convert")) == {job}
    with api.hub.db.read() as session:
        assert jobs.queued(session) == 1


def test_a_long_home_still_has_a_socket(tmp_path: Path) -> None:
    """A socket's path is bounded by the kernel, a home's is not."""
    home = tmp_path / ("x" * 120)
    home.mkdir()
    broker = Broker(home)
    process = broker.start()
    Queue(broker.url).ping()
    process.kill()
    process.wait()
    broker.clean()
