"""Cancelling ends the child within two seconds, whatever it is doing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.service.serving import Service

STAGES = ["inspect", "read", "normalise", "check", "write:pytorch", "verify:pytorch"]


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_at_every_stage(service: Service, deep: list[Path], stage: str) -> None:
    job = service.submit(deep, "pytorch")
    service.reaches(job, stage)
    begun = time.monotonic()
    answer = service.http.post(job["urls"]["cancel"])
    ended = service.finished(job)
    took = time.monotonic() - begun
    assert answer.status_code == 202
    assert ended["status"] == "canceled"
    assert ended["error"]["type"] == "/problems/canceled"
    assert took < 2
    assert not service.children()
    service.until(lambda: not list((service.home / "storage" / "work").iterdir()), 2, "its folder is still there")


def test_deleting_a_running_job_stops_its_child(service: Service, deep: list[Path]) -> None:
    job = service.submit(deep, "pytorch")
    service.reaches(job, "read")
    assert service.http.delete(job["urls"]["self"]).status_code == 204
    service.until(lambda: not service.children(), 2, "the child still runs")
    service.until(lambda: not list((service.home / "storage" / "work").iterdir()), 2, "its folder is still there")
    assert service.http.get(job["urls"]["self"]).status_code == 410
