"""Score a writer on ONNX's own backend test suite: passed, refused with a reason, wrong or crashed.

``python -m benchmarks.onnx_backend --target pytorch [--peers]``: every case goes through normalise -> legalise ->
write -> run in torch. Its recorded outputs are the judge; where they differ from what onnxruntime computes for the very
same model, onnxruntime, the hub's runtime, is. ``--peers`` gives the same cases, and the same judge, to onnx2torch.

``python -m benchmarks.onnx_backend --target onnx [--opset N]``: normalise -> write at that opset -> run in onnxruntime,
held against what onnxruntime computes for the model as it was.

Further: ``--sets``, ``--only SUBSTRING``, ``--jobs N``, ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from benchmarks.judge import Verdict, difference, held, identical, judge, table
from benchmarks.suite import ALL_SETS, Case, by_onnxruntime, cases, concerns_a_writer, node_cases

Score = Callable[[Sequence[Case]], list[Verdict]]


def score(batch_of_cases: Sequence[Case], target: str = "pytorch") -> list[Verdict]:
    """Write all cases, run those that were written in one process of the target's toolchain, judge."""
    with tempfile.TemporaryDirectory() as scratch:
        verdicts: dict[str, Verdict] = {}
        written: dict[str, Path] = {}
        for case in batch_of_cases:
            folder = Path(scratch) / case.name
            folder.mkdir()
            refusal = write(case, target, folder)
            if refusal is None:
                written[case.name] = folder
            else:
                verdicts[case.name] = refusal
        runnable = [case for case in batch_of_cases if case.name in written]
        for case, results in run(runnable, written, Path(scratch)):
            verdicts[case.name] = judge(case, results)
    return [verdicts[case.name] for case in batch_of_cases]


def write(case: Case, target: str, folder: Path, opset: int | None = None) -> Verdict | None:
    """None when the case was written; else why not."""
    import onnx_ir as ir

    from workers.errors import ConversionError
    from workers.formats import all_formats
    from workers.formats.contract import WriteRequest
    from workers.hub.check import check
    from workers.hub.normalise import normalise
    from workers.options import Options

    writer = all_formats()[target].write
    assert writer is not None
    try:
        hub, _ = normalise(ir.from_proto(onnx.ModelProto.FromString(case.model)))
        check(hub)
        writer(WriteRequest(hub, folder, case.name, Options(opset=opset)))
    except ConversionError as error:
        return Verdict(case.set, case.name, "refused", error.detail)
    except Exception as error:  # the score counts what must never happen
        return Verdict(case.set, case.name, "crashed", f"{type(error).__name__}: {error}")
    return None


# --- run in torch -----------------------------------------------------------------------------------------------------


class Batch:
    """Arrays of many cases on their way to the tool and back."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}

    def put(self, value: Any) -> Any:
        """An index into the arrays, a list of them, or None."""
        if value is None or isinstance(value, list):
            return value and [self.put(each) for each in value]
        array = held(np.asarray(value))
        if array.dtype.name == "bfloat16" or array.dtype.name.startswith("float8"):
            array = np.array(array, order="C").view(np.dtype(f"u{array.dtype.itemsize}"))
        self.arrays[f"a{len(self.arrays)}"] = array
        return len(self.arrays) - 1


def taken(spec: Any, outputs: Sequence[Any], types: Sequence[str]) -> Any:
    if spec is None or isinstance(spec, list):
        return spec and [taken(each, outputs, types) for each in spec]
    name = types[spec]
    bits = name == "bfloat16" or name.startswith("float8")
    return outputs[spec].view(getattr(ml_dtypes, name)) if bits else outputs[spec]


def run(found: Sequence[Case], folders: Mapping[str, Path], work: Path) -> Iterator[tuple[Case, list[dict[str, Any]]]]:
    """Each case with one result a sample: ``outputs`` or ``error``."""
    from workers.toolchains import find

    toolchain = find("run:many")
    if toolchain is None:
        raise SystemExit("the torch toolchain is not installed: onnxhub toolchain install torch")
    batch, requests, owners = Batch(), [], []
    for case in found:
        for inputs, _ in case.samples:
            requests.append({"model": str(folders[case.name] / "model.py"), "inputs": batch.put(inputs)})
            owners.append(case.name)
    files = [folder / "model.py" for folder in folders.values()]
    if not requests:
        return
    options = {"cases": requests, "threads": 1}
    answer = toolchain.run("run:many", files, batch.arrays, work=work, options=options)
    outputs, types = list(answer.outputs.values()), answer.answer["output_types"]
    results: dict[str, list[dict[str, Any]]] = {}
    for owner, result in zip(owners, answer.answer["cases"], strict=True):
        if result["ok"]:
            result["outputs"] = taken(result["outputs"], outputs, types)
        results.setdefault(owner, []).append(result)
    for case in found:
        yield case, results[case.name]


# --- written as ONNX again --------------------------------------------------------------------------------------------


def score_onnx(batch_of_cases: Sequence[Case], opset: int | None = None) -> list[Verdict]:
    """Normalise, write at ``opset``, and let onnxruntime compute the model as it was and as it is."""
    verdicts = []
    for case in batch_of_cases:
        with tempfile.TemporaryDirectory() as scratch:
            refusal = write(case, "onnx", Path(scratch), opset)
            verdicts.append(refusal or _against_itself(case, Path(scratch) / "model.onnx"))
    return verdicts


def _against_itself(case: Case, path: Path) -> Verdict:
    """``by`` says how closely the two agree; what onnxruntime runs only afterwards, the recorded outputs judge."""
    before, after = onnx.ModelProto.FromString(case.model), onnx.load(path)
    closely = "bit for bit"
    for inputs, recorded in case.samples:
        want, told = _run(before, inputs)
        got, refusal = _run(after, inputs)
        if got is None:
            kind = "not judged" if want is None else "crashed"
            return Verdict(case.set, case.name, kind, f"onnxruntime does not run it: {told or refusal}")
        if want is not None and identical(want, got):
            continue
        closely = "within tolerance"
        reason = "onnxruntime did not run it before" if want is None else difference(want, got, case.rtol, case.atol)
        if reason is None:
            continue
        closely = "recorded outputs"
        reason = difference(recorded, got, case.rtol, case.atol)
        if reason is not None:
            return Verdict(case.set, case.name, "random" if case.random else "wrong", reason)
    return Verdict(case.set, case.name, "passed", by=closely)


def _run(model: onnx.ModelProto, inputs: Sequence[Any]) -> tuple[list[Any] | None, str]:
    """The outputs, or None and onnxruntime's words: it lacks operators, element types and opsets."""
    try:
        return by_onnxruntime(model, inputs), ""
    except Exception as error:
        return None, " ".join(str(error).split())[:300]


# --- the run and its report -------------------------------------------------------------------------------------------


def score_all(found: Sequence[Case], scoring: Score, jobs: int, size: int = 120) -> list[Verdict]:
    parts = [found[start : start + size] for start in range(0, len(found), size)]
    with ProcessPoolExecutor(jobs) as pool:
        return [verdict for part in pool.map(scoring, parts) for verdict in part]


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of contenders: who, and how its cases are scored."""

    title: str
    scoring: Score


def contenders(arguments: argparse.Namespace) -> list[Contender]:
    if arguments.target == "onnx":
        title = f"onnxhub, ONNX of opset {arguments.opset or 21}"
        return [Contender(title, partial(score_onnx, opset=arguments.opset))]
    found = [Contender("onnxhub, PyTorch", partial(score, target="pytorch"))]
    if arguments.peers:
        from benchmarks.peers import ONNX2TORCH, score_peer

        found.append(Contender(ONNX2TORCH.title, partial(score_peer, peer=ONNX2TORCH)))
    return found


def report(found: Sequence[Case], verdicts: Sequence[Verdict]) -> None:
    concerned = {case.name for case in found if case.set == "node" and concerns_a_writer(case)}
    groups: dict[str, Callable[[Verdict], bool]] = {
        "node, of a writer's concern": lambda v: v.set == "node" and v.name in concerned
    }
    groups |= {name: partial(_in_set, name) for name in dict.fromkeys(verdict.set for verdict in verdicts)}
    print(table(verdicts, groups))
    for kind in ("wrong", "crashed"):
        for verdict in verdicts:
            if verdict.kind == kind:
                print(f"{kind}: {verdict.set}/{verdict.name}: {verdict.reason[:300]}")
    for how, count in Counter(verdict.by for verdict in verdicts if verdict.by).most_common():
        print(f"passed {count}: by {how}")
    for kind in ("refused", "not judged"):
        for reason, count in Counter(_short(v.reason) for v in verdicts if v.kind == kind).most_common():
            print(f"{kind} {count}: {reason}")


def _in_set(name: str, verdict: Verdict) -> bool:
    return verdict.set == name


def _short(reason: str) -> str:
    """The reason without the name of the layer."""
    return reason.partition("): ")[2][:120] or reason[:120]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="pytorch", choices=["pytorch", "onnx"])
    parser.add_argument("--opset", type=int)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--sets", nargs="*", default=list(ALL_SETS))
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = cases(arguments.sets, arguments.only)
    rows = []
    for contender in contenders(arguments):
        start = time.perf_counter()
        verdicts = score_all(found, contender.scoring, arguments.jobs)
        print(f"\n## {contender.title}: {time.perf_counter() - start:.0f} s\n")
        report(found, verdicts)
        rows += [
            {"who": contender.title, "set": v.set, "case": v.name, "verdict": v.kind, "reason": v.reason, "by": v.by}
            for v in verdicts
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


__all__ = ["Case", "Verdict", "difference", "node_cases", "score", "score_onnx"]

if __name__ == "__main__":
    main()
