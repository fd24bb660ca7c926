"""A job forked from the process that asks for it keeps every promise of one in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.workers.sandbox.processes import end_with

ROOT = Path(__file__).parents[3]
PROGRAM = """
import dataclasses, json, os, sys, threading, time
from pathlib import Path
from workers.sandbox import Limits, forked

def entry(folder):
    {job}
    return 0

def prepare():
    {prepare}
    return entry

folder, events = Path(sys.argv[1]), []
{before}
outcome = forked.Ahead(prepare).run(folder, read=[Path(sys.prefix), Path(sys.base_prefix)], write=[folder],
    limits=Limits(**{limits}), env={{"GIVEN": "here"}}, on_event=events.append)
answer = {{name: getattr(outcome, name) for name in ("kind", "code", "stdout", "stderr")}}
print(json.dumps({{**answer, "events": events}}))
"""


THREAD = "threading.Thread(target=time.sleep, args=(5,), daemon=True).start()"


def program(job: str, limits: dict[str, float] | None = None, before: str = "", prepare: str = "pass") -> str:
    job = "\n    ".join(job.splitlines())
    return PROGRAM.format(job=job, limits=limits or {"wall_s": 20}, before=before, prepare=prepare)


def run(folder: Path, job: str, **more: Any) -> dict[str, Any]:
    command = [sys.executable, "-c", program(job, **more), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_job_runs_and_its_events_and_words_come_back(tmp_path: Path) -> None:
    job = "print('hello', os.getcwd() == folder, os.environ['GIVEN']); os.write(3, b'{\"event\": \"stage\"}\\n')"
    answer = run(tmp_path, job)
    assert answer == {
        "kind": "ok",
        "code": 0,
        "stdout": "hello True here\n",
        "stderr": "",
        "events": [{"event": "stage"}],
    }


@pytest.mark.parametrize(
    "payload",
    [
        "open('/etc/passwd').read()",
        "open('/proc/%d/environ' % os.getppid()).read()",
        "open('/tmp/onnxhub-canary', 'w')",
        "__import__('socket').socket()",
    ],
)
def test_it_is_in_the_jail(payload: str, tmp_path: Path) -> None:
    if not landlocked(tmp_path):
        pytest.skip("Landlock is not in this kernel: files are guarded by permissions only")
    answer = run(tmp_path, payload)
    assert (answer["kind"], answer["code"]) == ("failed", 1)
    assert "PermissionError" in answer["stderr"]


def landlocked(folder: Path) -> bool:
    layers = json.loads(run(folder, "print(os.environ['ONNXHUB_SANDBOX'])")["stdout"])
    return any(name == "landlock" and held for name, held, _ in layers)


def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, "time.sleep(60)", limits={"wall_s": 0.3})["kind"] == "timeout"


def test_a_job_that_dies_by_a_signal_says_which(tmp_path: Path) -> None:
    answer = run(tmp_path, "os.kill(os.getpid(), 11)")
    assert answer["kind"] == "signal"


def test_what_detaches_itself_is_ended_with_the_job(tmp_path: Path) -> None:
    inner = "if os.fork() == 0:\n        time.sleep(3)\n        Path('late').touch()"
    job = f"if os.fork() == 0:\n    os.setsid()\n    {inner}\n    os._exit(0)"
    assert run(tmp_path, job)["kind"] == "ok"
    time.sleep(3.5)
    assert not (tmp_path / "late").exists()


def test_a_process_of_several_threads_is_not_forked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", program("pass", before=THREAD), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1 and "would not be safe" in done.stderr


def test_the_job_dies_with_the_one_who_asked_for_it(tmp_path: Path) -> None:
    asking = subprocess.Popen([sys.executable, "-c", program("time.sleep(60)"), str(tmp_path)], cwd=ROOT)
    end_with(asking, 2)


@pytest.mark.parametrize(("prepare", "words"), [("1 / 0", "ZeroDivisionError"), (THREAD, "would not be safe")])
def test_a_child_that_cannot_be_prepared_says_why(prepare: str, words: str, tmp_path: Path) -> None:
    answer = run(tmp_path, "Path('done').touch()", prepare=prepare)
    assert (answer["kind"], answer["code"]) == ("failed", 1) and words in answer["stderr"]
    assert not (tmp_path / "done").exists()


def test_a_child_that_nobody_wants_ends(tmp_path: Path) -> None:
    before = "unwanted = forked.Ahead(prepare); print(unwanted._init, flush=True); sys.exit()"
    command = [sys.executable, "-c", program("pass", before=before), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{int(done.stdout)}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
