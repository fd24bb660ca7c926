"""Recorded models of every system converted to ONNX by us and by the public converters, side by side.

    python -m benchmarks.conversions [SYSTEM ...]

Each conversion is one cold process, as on a command line; its product is run in onnxruntime on the recorded inputs and
compared with what the framework itself gave. Converters live in environments of their own, built at the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import MIB, machine
from benchmarks.peers import Peer
from benchmarks.product import FAILED, RIGHT, WRONG, judged
from tests.workers.formats.cases import Case, cases, expected
from workers.formats import all_formats

HERE = Path(__file__).parent / "converters"
TENSORFLOW = ("tensorflow-cpu==2.21.0", "tf-keras==2.21.0", "keras==3.15.1")
TF2ONNX = Peer("tf2onnx", "tf2onnx 1.17.0", ("tf2onnx==1.17.0", *TENSORFLOW), HERE / "run_tf2onnx.py")
KERAS = Peer("tf2onnx", "Keras 3.15.1's export", ("tf2onnx==1.17.0", *TENSORFLOW), HERE / "run_keras.py")
PADDLE2ONNX = Peer(
    "paddle2onnx",
    "paddle2onnx 2.1.0",
    (
        "paddle2onnx==2.1.0",
        "paddlepaddle==3.3.1",
        "setuptools==80.9.0",
        "packaging==25.0",
        # What its folding of constants asks for.
        "onnxruntime==1.22.1",
        "onnx_graphsurgeon==0.5.8",
    ),
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
TIMEOUT, TICK = 300.0, 0.02
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TELLING = re.compile(r"(?<!fatal)error|unsupported|not supported|failed|invalid|empty file", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """``seconds`` of the cold process, ``peak`` bytes of it and its children.

    ``end`` is right, wrong (it runs and gives something else) or failed (nothing written, or nothing that loads).
    """

    case: str
    end: str
    words: str
    seconds: float
    peak: int


def ours(case: Case, target: Path) -> list[str]:
    """The command line that a user types."""
    options = target.with_suffix(".json")
    options.write_text(json.dumps(case.facts.get("options", {})))
    command = [str(Path(sys.executable).with_name("onnxhub")), "convert", *map(str, case.files), "--to", "onnx"]
    return [*command, "--out", str(target.parent / "out"), "--options", str(options), "--verify", "none"]


def theirs(peer: Peer, system: str, case: Case, target: Path) -> list[str]:
    files = [str(file.path) for file in case.uploaded]
    return [str(peer.python()), str(peer.tool), system, str(case.folder / "case.json"), str(target), *files]


def attempt(case: Case, system: str, peer: Peer | None) -> Attempt:
    """One cold conversion, and what its product is worth; whatever a converter does, it ends in an Attempt."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.onnx"
        command = ours(case, target) if peer is None else theirs(peer, system, case, target)
        start = time.perf_counter()
        with (Path(scratch) / "log").open("w+", errors="replace") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
            peak, hung = watch(process)
            seconds = time.perf_counter() - start
            log.seek(0)
            words = f"it did not end within {TIMEOUT:.0f} s" if hung else told(log.read())
        made = sorted(Path(scratch).rglob("*.onnx"))
        if process.returncode or not made:
            return Attempt(case.name, FAILED, f"status {process.returncode}: {words}", seconds, peak)
        end, why = judged(case, made[0], expected(system).steps.get(case.name, 0.0))
        return Attempt(case.name, end, why, seconds, peak)


def told(log: str) -> str:
    """The converter's last words about what went wrong."""
    lines = [" ".join(line.split()) for line in COLOUR.sub("", log).splitlines() if line.strip()]
    telling = [index for index, line in enumerate(lines) if TELLING.search(line)]
    return " ".join(lines[telling[-1] if telling else -3 :])[:300]


def watch(process: subprocess.Popen[bytes]) -> tuple[int, bool]:
    """Wait for the end: the most memory that the process and its descendants had together, and whether it hung."""
    peak = 0
    end, hung = time.monotonic() + TIMEOUT, False
    while process.poll() is None:
        peak = max(peak, sum(map(memory, family(process.pid))))
        if time.monotonic() > end and not hung:
            hung = True
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(TICK)
    return peak, hung


def family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def memory(pid: int) -> int:
    """Resident bytes of a process, its share of those that several have; nothing once it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    _, _, rest = rollup.partition("\nPss:")
    return int(rest.split()[0]) * 1024 if rest else 0


def all_of(system: str, peer: Peer | None) -> list[Attempt]:
    """Every recorded case by one converter; all of them failed where its environment cannot be built."""
    try:
        if peer is not None:
            peer.python()
    except subprocess.CalledProcessError as error:
        return [Attempt(case.name, FAILED, f"its environment was not built: {error}", 0.0, 0) for case in cases(system)]
    return [attempt(case, system, peer) for case in cases(system)]


def row(system: str, title: str, attempts: Sequence[Attempt]) -> str:
    right = [one for one in attempts if one.end == RIGHT]
    wrong = sum(one.end == WRONG for one in attempts)
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
            attempts = all_of(system, peer)
            lines.append(row(system, title, attempts))
            failures += [f"{system}/{a.case}, {title}: {a.end}: {a.words}" for a in attempts if a.end != RIGHT]
    print(f"machine: {machine()}\n")
    print("| system | converter | right | wrong | median time, cold | median peak memory |\n|---|---|---|---|---|---|")
    print(*lines, sep="\n")
    print("", *failures, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
