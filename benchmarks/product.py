"""What a converter wrote, run in onnxruntime on recorded inputs and compared with what the framework itself gave.

    python -m benchmarks.product CASE_FOLDER MODEL STEP

A process of its own, for a product may take onnxruntime down with it. Prints one JSON list: ``right``, ``wrong`` or
``failed``, and in which words.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from tests.workers.formats.cases import Case, Sample

TIMEOUT = 120
RIGHT, WRONG, FAILED = "right", "wrong", "failed"


def judged(case: Case, path: Path, step: float) -> tuple[str, str]:
    """Which of the three it is, and why; ``step`` is what one quantisation step of the outputs amounts to."""
    command = [sys.executable, "-m", "benchmarks.product", str(case.folder), str(path), str(step)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        end, words = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return FAILED, f"onnxruntime did not end within {TIMEOUT} s"
    except ValueError:
        return FAILED, f"onnxruntime ended with status {done.returncode}: {done.stderr[-200:]}"
    return str(end), str(words)


def judge(case: Case, path: Path, step: float) -> tuple[str, str]:
    """The same in this process. Names of inputs and outputs may differ from the recorded ones, their order may not."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        return FAILED, f"onnxruntime does not load it: {_line(error)}"
    for index in (0, 1):
        try:
            words = differs(case.sample(index), session, step)
        except Exception as error:
            words = f"onnxruntime does not run it: {_line(error)}"
        if words:
            return WRONG, f"sample {index}: {words}"
    return RIGHT, ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def differs(sample: Sample, session: onnxruntime.InferenceSession, step: float) -> str:
    """In which output, and by how much; nothing when all agree."""
    names = [entry.name for entry in session.get_inputs()]
    kept = set(names) == set(sample.inputs)
    feeds = dict(sample.inputs) if kept else dict(zip(names, sample.inputs.values(), strict=False))
    outputs = [entry.name for entry in session.get_outputs()]
    results = dict(zip(outputs, session.run(outputs, feeds), strict=True))
    kept = set(outputs) == set(sample.outputs)
    if len(outputs) < len(sample.outputs):
        return f"it has {len(outputs)} outputs, {len(sample.outputs)} are recorded"
    for index, (name, want) in enumerate(sample.outputs.items()):
        got = results[name] if kept else results[outputs[index]]
        if got.shape != want.shape:
            return f"output {name!r} has the shape {got.shape}, {want.shape} is recorded"
        a, b = want.astype(np.float64), got.astype(np.float64)
        worst, scale = np.abs(a - b).max(initial=0), np.abs(a).max(initial=0)
        if not worst <= max(step * 1.001, 1e-5 + 1e-4 * scale):
            return f"output {name!r} differs by {worst:.3g}, values up to {scale:.3g}"
    return ""


if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(4)
    print(json.dumps(judge(Case(Path(sys.argv[1])), Path(sys.argv[2]), float(sys.argv[3]))))
