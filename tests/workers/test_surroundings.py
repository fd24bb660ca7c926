"""The engine's process keeps nothing of the environment that a job must not see, and no module of the folder runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from workers.sandbox import jail

ONNXHUB = str(Path(sys.executable).with_name("onnxhub"))
MODEL = Path(__file__).parents[1] / "models" / "caffe" / "lenet_v1"
FILES = (str(MODEL / "lenet.prototxt"), str(MODEL / "lenet_iter_10000.caffemodel"))


def test_a_users_secrets_are_in_no_process_of_a_job(tmp_path: Path) -> None:
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "hush", "ONNXHUB_API_KEY": "hush"}
    command = [ONNXHUB, "convert", *FILES, "--to", "onnx", "--out", str(tmp_path / "out")]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    seen: dict[int, bytes] = {}
    while running.poll() is None:
        for pid in jail.descendants(running.pid):
            try:
                seen[pid] = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
        time.sleep(0.002)
    assert running.returncode == 0
    assert len(seen) >= 2  # the job and its init; where OpenCV is installed its own, too
    assert not any(b"hush" in words for words in seen.values())


def test_a_module_in_the_folder_of_a_model_is_not_run(tmp_path: Path) -> None:
    for name in ("typing", "json", "numpy", "onnx", "typer", "workers"):
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    command = [ONNXHUB, "convert", *FILES, "--to", "onnx", "--out", "out", "--verify", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("ran-*"))
