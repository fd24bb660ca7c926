"""Other converters, each in an environment of its own, asked for the same and judged alike."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import Verdict, judge
from benchmarks.suite import Case

HOME = Path.home() / ".cache/onnxhub/peers"
HERE = Path(__file__).parent
TIMEOUT = 900


@dataclass(frozen=True, slots=True)
class Peer:
    """``tool`` runs in an environment with ``packages``; it speaks a list of models and their inputs."""

    name: str
    title: str
    packages: tuple[str, ...]
    tool: Path

    def python(self) -> Path:
        """The interpreter of the peer's environment, which is built at the first call."""
        place = HOME / f"{self.name}-{hashlib.sha256(' '.join(self.packages).encode()).hexdigest()[:12]}"
        python, stamp = place / "bin/python", place / "built"
        if not stamp.exists():
            uv = [sys.executable, "-m", "uv", "--quiet"]
            subprocess.run([*uv, "venv", "--clear", "--python", "3.11", str(place)], check=True)
            subprocess.run([*uv, "pip", "install", "--python", str(python), *self.packages], check=True)
            stamp.touch()
        return python


ONNX2TORCH = Peer(
    "onnx2torch",
    "onnx2torch 1.5.15",
    (
        "onnx2torch==1.5.15",
        "onnx==1.23.2",
        "torch==2.13.0",
        "torchvision==0.28.0",
        "numpy==2.4.6",
        "safetensors==0.8.0",
    ),
    HERE / "onnx2torch_tool.py",
)


def score_peer(batch_of_cases: Sequence[Case], peer: Peer) -> list[Verdict]:
    """Convert and run all cases in the peer's environment, one process a case's batch; a crash of it costs one case."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for index, case in enumerate(batch_of_cases):
            (folder / f"{index}.onnx").write_bytes(case.model)
            for number, (inputs, _) in enumerate(case.samples):
                arrays = {f"i{place}": value for place, value in enumerate(inputs) if isinstance(value, np.ndarray)}
                with_bits = {name: _bits(array) for name, array in arrays.items()}
                np.savez(folder / f"{index}_{number}.npz", allow_pickle=False, **with_bits)
        answers = _ask(peer, folder, [len(case.samples) for case in batch_of_cases])
        return [_verdict(case, folder, index, answers) for index, case in enumerate(batch_of_cases)]


def _bits(array: Any) -> Any:
    """What numpy cannot store by itself goes as unsigned integers of the same width."""
    if array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat", "float8", "float4", "int2", "int4", "uint")):
        known = array.dtype.kind == "u" and array.dtype.isbuiltin == 1
        return array if known else array.view(np.dtype(f"u{array.dtype.itemsize}"))
    return array.astype(str) if array.dtype.kind == "O" else array


def _ask(peer: Peer, folder: Path, samples: list[int]) -> dict[int, str]:
    """What became of each case: ``ok``, or a kind and the peer's words. The tool is started again after a crash."""
    answers: dict[int, str] = {}
    while len(answers) < len(samples):
        first = len(answers)
        command = [str(peer.python()), str(peer.tool), str(folder), str(first), json.dumps(samples)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        for line in done.stdout.splitlines():
            if line.startswith("case "):
                _, index, answer = line.split(" ", 2)
                answers[int(index)] = answer
        if len(answers) < len(samples) and (done.returncode != 0 or len(answers) == first):
            answers[len(answers)] = f"crashed the process ended with status {done.returncode}: {done.stderr[-300:]}"
    return answers


def _verdict(case: Case, folder: Path, index: int, answers: dict[int, str]) -> Verdict:
    kind, _, reason = answers[index].partition(" ")
    if kind != "ok":
        return Verdict(case.set, case.name, kind, reason)
    results = []
    for number in range(len(case.samples)):
        with np.load(folder / f"{index}_{number}_out.npz", allow_pickle=False) as file:
            results.append({"ok": True, "outputs": [file[name] for name in file.files]})
    return judge(case, results)
