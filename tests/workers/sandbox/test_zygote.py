"""The warm process keeps the promises of a cold one, and saves the imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.sandbox.processes import end_with
from workers import toolchains
from workers.sandbox import Limits, Outcome
from workers.sandbox.zygote import Zygote
from workers.settings import engine_environment, readable_always

MODEL = Path(__file__).parents[2] / "models" / "caffe" / "lenet_v1"


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    warm = Zygote()
    yield warm
    warm.close()


def job(folder: Path, **request: object) -> Path:
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    names = ("lenet.prototxt", "lenet_iter_10000.caffemodel")
    manifest = [{"name": name, "path": str(MODEL / name)} for name in names]
    (folder / "in" / "manifest.json").write_text(json.dumps(manifest))
    (folder / "request.json").write_text(json.dumps({"targets": ["caffe"], "verify": "none", **request}))
    return folder


def run(zygote: Zygote, folder: Path, limits: Limits | None = None, stop_after: float = 600) -> Outcome:
    start = time.monotonic()
    return zygote.run(
        folder,
        read=[*readable_always(), MODEL],
        limits=limits or Limits(),
        env=engine_environment(),
        on_event=lambda event: None,
        should_stop=lambda: time.monotonic() - start > stop_after,
    )


def test_jobs_are_done_one_after_the_other(zygote: Zygote, tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        assert run(zygote, job(folder)).kind == "ok"
        assert json.loads((folder / "result.json").read_text()) == {"ok": True}
        assert (folder / "out" / "caffe" / "model.caffemodel").exists()


def test_the_report_says_that_the_jail_held(zygote: Zygote, tmp_path: Path) -> None:
    run(zygote, job(tmp_path))
    layers = json.loads((tmp_path / "out" / "report.json").read_text())["sandbox"]
    assert {layer["name"] for layer in layers} >= {"rlimits", "no-new-privileges", "landlock", "seccomp"}


def test_a_job_that_takes_too_long_is_ended_and_the_next_one_runs(zygote: Zygote, tmp_path: Path) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    slow.mkdir()
    quick.mkdir()
    assert run(zygote, job(slow, verify="target"), replace(Limits(), wall_s=0.05)).kind == "timeout"
    assert run(zygote, job(quick)).kind == "ok"


def test_cancelling_is_quick(zygote: Zygote, tmp_path: Path) -> None:
    start = time.monotonic()
    outcome = run(zygote, job(tmp_path, targets=["pytorch"], verify="target"), stop_after=0.3)
    assert outcome.kind == "canceled"
    assert time.monotonic() - start < 2


def test_a_dead_warm_process_is_replaced(zygote: Zygote, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    run(zygote, job(first))
    assert zygote.pid is not None
    os.kill(zygote.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert run(zygote, job(second)).kind == "ok"


def test_a_job_and_its_toolchain_die_with_the_supervisor(tmp_path: Path) -> None:
    request = job(tmp_path, targets=["pytorch"], verify="target")
    code = (
        "import sys; from pathlib import Path\n"
        "from workers.sandbox import Limits; from workers.sandbox.zygote import Zygote\n"
        "from workers.settings import engine_environment, readable_always\n"
        "Zygote().run(Path(sys.argv[1]), read=[*readable_always(), Path(sys.argv[2])], limits=Limits(),\n"
        "             env=engine_environment(), on_event=lambda event: None, should_stop=lambda: False)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, str(request), str(MODEL)], cwd=Path(__file__).parents[3])
    # The warm process and the job; where PyTorch is installed the init of its jail and the tool, too.
    wanted = 4 if toolchains.places()["torch"].installed else 2
    end_with(supervisor, wanted)


def test_a_job_whose_listener_fails_leaves_a_warm_process_that_can_be_used(zygote: Zygote, tmp_path: Path) -> None:
    def fail() -> bool:
        raise RuntimeError("the database is gone")

    broken, next_one = tmp_path / "broken", tmp_path / "next"
    broken.mkdir()
    next_one.mkdir()
    with pytest.raises(RuntimeError, match="database"):
        zygote.run(
            job(broken, targets=["pytorch"], verify="target"),
            read=[*readable_always(), MODEL],
            limits=Limits(),
            env=engine_environment(),
            on_event=lambda event: None,
            should_stop=fail,
        )
    assert run(zygote, job(next_one)).kind == "ok"
    assert (next_one / "out" / "caffe" / "model.caffemodel").exists()
