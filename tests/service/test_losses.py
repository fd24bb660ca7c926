"""Parts die; no job does."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.queue import Queue
from tests.service.serving import Service


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may be broken; it has to be whole again after each test."""
    with Service(tmp_path_factory.mktemp("losses")).running() as running:
        yield running


def test_a_killed_worker_costs_an_attempt_not_the_job(own: Service, deep: list[Path]) -> None:
    """SIGKILL to the worker's main process in the middle of a job: its pool and the job's child die with it."""
    job = own.submit(deep, "onnx", verify="none")
    own.reaches(job, "read")
    worker = own.main_worker()
    family = [worker, *worker.children(recursive=True)]
    assert len(family) >= 4  # pool processes and the jailed child
    worker.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=3)
    assert not alive
    ended = own.finished(job)
    assert ended["status"] == "succeeded", ended["error"]
    assert ended["attempt"] == 2
    assert own.main_worker().pid != worker.pid


def test_a_killed_pool_process_costs_an_attempt_not_the_job(own: Service, deep: list[Path]) -> None:
    job = own.submit(deep, "onnx", verify="none")
    own.reaches(job, "normalise")
    (child,) = own.children()
    pool = next(process for process in child.parents() if "workers.celery_app" in " ".join(process.cmdline()))
    pool.send_signal(signal.SIGKILL)
    child.wait(3)
    ended = own.finished(job)
    assert ended["status"] == "succeeded", ended["error"]
    assert ended["attempt"] == 2


def test_a_killed_child_is_an_error_of_its_own(own: Service, deep: list[Path]) -> None:
    """The child alone died, as by the machine's memory killer: that is the model's doing and is told."""
    job = own.submit(deep, "onnx", verify="none")
    own.reaches(job, "read")
    (child,) = own.children()
    child.send_signal(signal.SIGKILL)
    ended = own.finished(job)
    assert ended["status"] == "failed"
    assert ended["error"]["type"] == "/problems/toolchain-crashed"
    assert "SIGKILL" in ended["error"]["detail"]
    assert own.job(own.submit(deep[:1], "onnx"))["status"] in ("queued", "running", "failed")


def test_the_broker_dies_with_jobs_waiting_and_running(own: Service, lenet: list[Path], deep: list[Path]) -> None:
    """Valkey keeps nothing: what it held is sent again, and every job ends once."""
    jobs = [own.submit(deep, "onnx", verify="none") for _ in range(2)]
    jobs += [own.submit(lenet, "onnx", verify="none") for _ in range(8)]
    own.reaches(jobs[0], "read")
    broker = own.broker()
    broker.send_signal(signal.SIGKILL)
    late = own.submit(lenet, "onnx", verify="none")  # accepted while there is no broker
    for job in [*jobs, late]:
        ended = own.finished(job)
        assert ended["status"] == "succeeded", ended["error"]
        assert ended["attempt"] == 1
    assert own.broker().pid != broker.pid


def test_a_message_delivered_again_and_again_is_harmless(own: Service, deep: list[Path]) -> None:
    job = own.submit(deep, "onnx", verify="none")
    own.reaches(job, "read")
    queue = Queue(f"redis+socket://{own.home / 'run' / 'broker.sock'}")
    for _ in range(20):
        queue.send(job["id"], "convert")
    ended = own.finished(job)
    for _ in range(5):
        queue.send(job["id"], "convert")
    queue.close()
    time.sleep(1)
    again = own.job(job)
    assert (again["status"], again["attempt"], again["seq"]) == ("succeeded", 1, ended["seq"])


def test_stopping_leaves_no_process_and_the_next_start_goes_on(
    own: Service, lenet: list[Path], deep: list[Path]
) -> None:
    running = own.submit(deep, "onnx", verify="none")
    waiting = [own.submit(lenet, "onnx", verify="none") for _ in range(4)]
    own.reaches(running, "read")
    assert own.stop(signal.SIGINT) == 0
    own.until(lambda: not own.processes(), 2, f"still there: {own.processes()}")
    own.start()
    for job in [running, *waiting]:
        assert own.finished(job)["status"] == "succeeded"


def test_a_taken_port_is_said_at_once(own: Service, tmp_path: Path) -> None:
    other = Service(tmp_path / "other", port=own.port)
    with pytest.raises(AssertionError, match="ONNXHUB_PORT"):
        other.start()
    assert not other.processes()
