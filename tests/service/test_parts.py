"""API and workers as processes of their own, on one broker: what runs in several containers."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.broker import Broker
from tests.service.serving import ONNXHUB, Service


class Apart(Service):
    """The API is the service's process; broker and workers stand beside it."""

    def launch(self, part: str) -> subprocess.Popen[bytes]:
        log = (self.home / f"{part}.log").open("ab")
        return subprocess.Popen([ONNXHUB, part], env=self.environment, stdout=log, stderr=log)


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[tuple[Apart, list[subprocess.Popen[bytes]]]]:
    broker = Broker(tmp_path)
    server = broker.start()
    service = Apart(tmp_path, broker_url=broker.url, concurrency=1)
    api, workers = service.launch("api"), [service.launch("worker") for _ in range(2)]
    parts = [api, *workers]
    try:
        yield service, parts
    finally:
        for part in [*parts, server]:
            part.terminate()
        for part in [*parts, server]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.wait(15)
            part.kill()
        broker.clean()
        service.http.close()


def test_two_workers_share_the_work_and_one_may_die(
    apart: tuple[Apart, list[subprocess.Popen[bytes]]], deep: list[Path], lenet: list[Path]
) -> None:
    service, (api, first, second) = apart
    service.until(lambda: service.workers() == 2, 60, "the workers did not announce themselves")
    jobs = [service.submit(deep, "onnx", verify="none") for _ in range(2)]
    for job in jobs:
        service.reaches(job, "read")
    assert len(service.children()) == 2
    first.send_signal(signal.SIGKILL)
    ended = [service.finished(job) for job in jobs]
    assert [job["status"] for job in ended] == ["succeeded", "succeeded"]
    assert sorted(job["attempt"] for job in ended) == [1, 2]
    api.send_signal(signal.SIGTERM)
    assert api.wait(15) == 0
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0
