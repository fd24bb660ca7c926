"""Recorded models of every system converted to ONNX by us and by the public converters, side by side.

    python -m benchmarks.conversions [SYSTEM ...]

Each conversion is one cold process, as on a command line; its product is run in onnxruntime on the recorded inputs and
compared with what the framework itself gave. Converters live in environments of their own, built at the first run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.measure import MIB, machine
from benchmarks.peers import Peer
from tests.workers.formats.cases import Case, Sample, cases, expected
from workers.formats import all_formats

HERE = Path(__file__).parent / "converters"
TENSORFLOW = ("tensorflow-cpu==2.21.0", "tf-keras==2.21.0", "keras==3.15.1")
TF2ONNX = Peer("tf2onnx", "tf2onnx 1.17.0", ("tf2onnx==1.17.0", *TENSORFLOW), HERE / "run_tf2onnx.py")
KERAS = Peer("tf2onnx", "Keras 3.15.1's export", ("tf2onnx==1.17.0", *TENSORFLOW), HERE / "run_keras.py")
PADDLE2ONNX = Peer(
    "paddle2onnx",
    "paddle2onnx 2.1.0",
    ("paddle2onnx==2.1.0", "paddlepaddle==3.3.1", "setuptools==80.9.0", "packaging==25.0"),
    HERE / "run_paddle2onnx.py",
)
PADDLE2ONNX_OLD = Peer(
    "paddle2onnx",
    "paddle2onnx 1.3.1",
    ("paddle2onnx==1.3.1", "paddlepaddle==2.6.2", "numpy==1.26.4", "onnx==1.16.2", "setuptools==80.9.0"),
    HERE / "run_paddle2onnx.py",
)
PEERS = {
    "keras": (TF2ONNX, KERAS),
    "tensorflow": (TF2ONNX,),
    "tflite": (TF2ONNX,),
    "paddle": (PADDLE2ONNX, PADDLE2ONNX_OLD),
}
TIMEOUT, TICK = 300.0, 0.01


@dataclass(frozen=True, slots=True)
class Attempt:
    """``end`` is right, wrong or failed; ``seconds`` of the cold process, ``peak`` bytes of it and its children."""

    case: str
    end: str
    words: str
    seconds: float
    peak: int


def ours(case: Case, target: Path) -> list[str]:
    """The command line that a user types."""
    options = target.with_suffix(".json")
    options.write_text(json.dumps(case.facts.get("options", {})))
    command = [sys.executable, "-m", "workers", "convert", *map(str, case.files), "--to", "onnx"]
    return [*command, "--out", str(target.parent / "out"), "--options", str(options), "--verify", "none"]


def theirs(peer: Peer, system: str, case: Case, target: Path) -> list[str]:
    files = [str(file.path) for file in case.uploaded]
    return [str(peer.python()), str(peer.tool), system, str(case.folder / "case.json"), str(target), *files]


def attempt(case: Case, system: str, peer: Peer | None) -> Attempt:
    """One cold conversion, and the product compared with the recorded outputs."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.onnx"
        command = ours(case, target) if peer is None else theirs(peer, system, case, target)
        start = time.perf_counter()
        with (Path(scratch) / "log").open("w+") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            peak = watch(process)
            seconds = time.perf_counter() - start
            log.seek(0)
            words = " ".join(log.read().split())[-300:]
        made = sorted(Path(scratch).rglob("*.onnx"))
        if process.returncode or not made:
            return Attempt(case.name, "failed", words, seconds, peak)
        wrong = compare(case, made[0], expected(system).steps.get(case.name, 0.0))
        return Attempt(case.name, "wrong" if wrong else "right", wrong, seconds, peak)


def watch(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end; the sum of the peaks of the process and its descendants as last seen."""
    peaks: dict[int, int] = {}
    end = time.monotonic() + TIMEOUT
    while process.poll() is None:
        for pid in family(process.pid):
            peaks[pid] = max(peaks.get(pid, 0), high_water(pid))
        if time.monotonic() > end:
            process.kill()
        time.sleep(TICK)
    return sum(peaks.values())


def family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def high_water(pid: int) -> int:
    """Peak bytes of a process's own memory; nothing once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) * 1024 if rest else 0


def compare(case: Case, path: Path, step: float) -> str:
    """Nothing when both samples agree, else what does not. Names may differ, the order may not."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for index in (0, 1):
            sample = case.sample(index)
            wrong = differs(sample, session, step)
            if wrong:
                return f"sample {index}: {wrong}"
    except Exception as error:
        return f"onnxruntime: {' '.join(str(error).split())[:200]}"
    return ""


def differs(sample: Sample, session: onnxruntime.InferenceSession, step: float) -> str:
    names = [entry.name for entry in session.get_inputs()]
    kept = set(names) == set(sample.inputs)
    feeds = dict(sample.inputs) if kept else dict(zip(names, sample.inputs.values(), strict=False))
    outputs = [entry.name for entry in session.get_outputs()]
    results = dict(zip(outputs, session.run(outputs, feeds), strict=True))
    kept = set(outputs) == set(sample.outputs)
    for index, (name, want) in enumerate(sample.outputs.items()):
        got = results[name] if kept else results[outputs[index]]
        if got.shape != want.shape:
            return f"output {name!r} has the shape {got.shape}, {want.shape} is recorded"
        a, b = want.astype(np.float64), got.astype(np.float64)
        worst, scale = np.abs(a - b).max(initial=0), np.abs(a).max(initial=0)
        if not worst <= max(step * 1.001, 1e-5 + 1e-4 * scale):
            return f"output {name!r} differs by {worst:.3g}, values up to {scale:.3g}"
    return ""


def row(system: str, title: str, attempts: Sequence[Attempt]) -> str:
    right = [one for one in attempts if one.end == "right"]
    wrong = sum(one.end == "wrong" for one in attempts)
    seconds = statistics.median(one.seconds for one in right) if right else 0.0
    peak = statistics.median(one.peak for one in right) if right else 0.0
    name = all_formats()[system].title
    return f"| {name} | {title} | {len(right)} of {len(attempts)} | {wrong} | {seconds:.2f} s | {peak / MIB:.0f} MiB |"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(PEERS)}; all, if none is named")
    options = parser.parse_args(argv)
    lines, failures = [], []
    for system in options.systems or PEERS:
        contenders: list[tuple[str, Peer | None]] = [("onnxhub", None)]
        contenders += [(peer.title, peer) for peer in PEERS[system]]
        for title, peer in contenders:
            if peer is not None:
                peer.python()
            attempts = [attempt(case, system, peer) for case in cases(system)]
            lines.append(row(system, title, attempts))
            failures += [f"{system}/{a.case}, {title}: {a.end}: {a.words}" for a in attempts if a.end != "right"]
    print(f"machine: {machine()}\n")
    print("| system | converter | right | wrong | median time, cold | median peak memory |\n|---|---|---|---|---|---|")
    print(*lines, sep="\n")
    print("", *failures, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
