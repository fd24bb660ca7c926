"""The command line as scripts see it: files, exit statuses, JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

MODELS = Path(__file__).parents[1] / "models" / "caffe"
LENET = MODELS / "lenet_v1"
FILES = (str(LENET / "lenet.prototxt"), str(LENET / "lenet_iter_10000.caffemodel"))
ONNXHUB = str(Path(sys.executable).with_name("onnxhub"))


def onnxhub(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ONNXHUB, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_conversion_leaves_hub_target_and_reports(tmp_path: Path) -> None:
    done = onnxhub("convert", *FILES, "--to", "caffe", "--out", tmp_path / "out", "--samples", LENET / "io_0.npz")
    assert done.returncode == 0, done.stderr
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")}
    assert names >= {"hub.onnx", "report.json", "report.html", "caffe/deploy.prototxt", "caffe/model.caffemodel"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"] == "verified"


def test_a_mismatch_is_status_3_and_the_files_stay(tmp_path: Path) -> None:
    with np.load(LENET / "io_0.npz") as recorded:
        wrong = {name: recorded[name] + (0.5 if name.startswith("output") else 0) for name in recorded.files}
    np.savez(tmp_path / "wrong.npz", **wrong)
    done = onnxhub("convert", *FILES, "--to", "onnx", "--out", tmp_path / "out", "--samples", tmp_path / "wrong.npz")
    assert done.returncode == 3
    assert "computes something else" in done.stderr
    assert (tmp_path / "out" / "onnx" / "model.onnx").exists()


def test_a_refusal_is_status_1_and_no_earlier_result_stays(tmp_path: Path) -> None:
    assert onnxhub("convert", *FILES, "--to", "onnx", "--out", tmp_path, "--verify", "none").returncode == 0
    assert (tmp_path / "hub.onnx").exists()
    done = onnxhub("convert", FILES[0], "--to", "onnx", "--out", tmp_path)
    assert done.returncode == 1
    assert "weights are missing" in done.stderr
    assert not (tmp_path / "hub.onnx").exists()
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_conversion_leaves_nothing(number: signal.Signals, status: int, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "jobs")}
    command = [ONNXHUB, "convert", *FILES, "--to", "pytorch", "--out", str(tmp_path / "out")]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 20
    while not list((tmp_path / "jobs").glob("*/work")):  # the job has begun
        assert time.monotonic() < deadline and running.poll() is None
        time.sleep(0.005)
    running.send_signal(number)
    assert running.wait(20) == status
    assert not list((tmp_path / "jobs").iterdir()) and not list((tmp_path / "out").iterdir())


def test_wrong_usage_is_status_2(tmp_path: Path) -> None:
    assert onnxhub("convert", tmp_path / "nothing.prototxt", "--to", "onnx", "--out", tmp_path).returncode == 2
    assert onnxhub("convert", *FILES, "--to", "onnx").returncode == 2


def test_an_unknown_target_lists_those_that_exist(tmp_path: Path) -> None:
    done = onnxhub("convert", *FILES, "--to", "fortran", "--out", tmp_path)
    assert done.returncode == 1
    assert "caffe, onnx, pytorch" in done.stderr.replace("\n", " ")


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    done = onnxhub("convert", *FILES, "--to", "onnx", "--out", tmp_path, "--verify", "none", "--json")
    assert json.loads(done.stdout)["source"]["format"] == "caffe"


def test_inspect_says_what_it_is_and_what_blocks_which_target() -> None:
    found = json.loads(onnxhub("inspect", *FILES, "--json").stdout)
    assert found["source"]["version"] == "V1"
    assert [tensor["name"] for tensor in found["hub"]["inputs"]] == ["data"]
    assert {prospect["target"]: prospect["possible"] for prospect in found["targets"]} == {
        "caffe": True,
        "onnx": True,
        "pytorch": True,
    }


def test_a_written_folder_runs_again(tmp_path: Path) -> None:
    onnxhub("convert", *FILES, "--to", "caffe", "--out", tmp_path / "out", "--verify", "none")
    for folder in ("out/caffe", "out"):
        done = onnxhub("run", tmp_path / folder, "--inputs", LENET / "io_0.npz", "--out", tmp_path / "got.npz")
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "got.npz") as got, np.load(LENET / "io_0.npz") as want:
            np.testing.assert_allclose(got["prob"], want["output_0"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("command", ["formats", "toolchain"])
def test_listings_are_json_when_asked(command: str) -> None:
    arguments = ("list", "--json") if command == "toolchain" else ("--json",)
    assert json.loads(onnxhub(command, *arguments).stdout)
