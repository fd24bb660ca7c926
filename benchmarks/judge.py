"""Whether results are those that were recorded, and the table that counts the verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from benchmarks.suite import Case, by_onnxruntime

# Recorded outputs are compared as the suite does it; half floats as closely as their precision lets.
COARSE = {"float16": 2e-3, "bfloat16": 1e-2}
KINDS = ("passed", "refused", "wrong", "crashed", "random", "not judged")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``kind``: one of KINDS; ``by``: who judged a passed case, or how closely it agrees."""

    set: str
    name: str
    kind: str
    reason: str = ""
    by: str = ""


def difference(want: Any, got: Any, rtol: float, atol: float) -> str | None:
    """Why ``got`` is not ``want``, None when it is."""
    if want is None or got is None:
        return None if want is got else "one is absent"
    if isinstance(want, list):
        if not isinstance(got, list) or len(want) != len(got):
            return "not a list of the same length"
        return next((d for a, b in zip(want, got, strict=True) if (d := difference(a, b, rtol, atol))), None)
    want, got = held(np.asarray(want)), np.asarray(got)
    if want.shape != got.shape or want.dtype != got.dtype:
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    if want.dtype.kind in "iub":
        return None if np.array_equal(want, got) else "integers differ"
    with np.errstate(invalid="ignore"):  # eight-bit floats have signalling NaNs
        a, b = (array.astype(np.complex128 if array.dtype.kind == "c" else np.float64) for array in (want, got))
    finite = np.abs(a[np.isfinite(a)])
    scale = finite.max() if finite.size else 0.0
    coarse = COARSE.get(want.dtype.name, 1e-6 if "float8" not in want.dtype.name else 0.0)
    same = np.allclose(b, a, rtol=max(rtol, coarse), atol=max(atol, coarse * scale), equal_nan=True)
    return None if same else f"differs by {np.nanmax(np.abs(a - b)):.3g}, values up to {scale:.3g}"


def held(array: Any) -> Any:
    """Four-bit integers as the eight-bit ones that hold them."""
    if array.dtype == ml_dtypes.int4:
        return array.astype(np.int8)
    return array.astype(np.uint8) if array.dtype == ml_dtypes.uint4 else array


def judge(case: Case, results: Sequence[dict[str, Any]]) -> Verdict:
    reasons = []
    for (inputs, outputs), result in zip(case.samples, results, strict=True):
        if not result["ok"]:
            return Verdict(case.set, case.name, "crashed", result["error"])
        reason = difference(outputs, result["outputs"], case.rtol, case.atol)
        if reason is None:
            continue
        if case.random:
            return Verdict(case.set, case.name, "random", "its outputs are drawn by chance")
        try:
            instead = by_onnxruntime(onnx.ModelProto.FromString(case.model), inputs)
        except Exception:  # onnxruntime lacks the operator or type: the recorded outputs stand
            return Verdict(case.set, case.name, "wrong", reason)
        if difference(instead, result["outputs"], case.rtol, case.atol) is not None:
            return Verdict(case.set, case.name, "wrong", reason)
        reasons.append(reason)
    return Verdict(case.set, case.name, "passed", "; ".join(reasons), "onnxruntime" if reasons else "recorded outputs")


def table(verdicts: Sequence[Verdict], groups: Mapping[str, Callable[[Verdict], bool]]) -> str:
    """One row a group of cases, one column a kind of verdict, the kinds that never occur left out."""
    kinds = [kind for kind in KINDS if kind in KINDS[:4] or any(verdict.kind == kind for verdict in verdicts)]
    lines = ["| cases | number | " + " | ".join(kinds) + " |", "|---|---|" + "---|" * len(kinds)]
    for name, belongs in groups.items():
        counts = Counter(verdict.kind for verdict in verdicts if belongs(verdict))
        if counts:
            lines.append(f"| {name} | {sum(counts.values())} | {' | '.join(str(counts[kind]) for kind in kinds)} |")
    return "\n".join(lines)


def identical(want: Any, got: Any) -> bool:
    """The same bits, NaNs included."""
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(identical(a, b) for a, b in zip(want, got, strict=True))
    if want is None or got is None or isinstance(want, list) or isinstance(got, list):
        return want is got
    a, b = np.asarray(want), np.asarray(got)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b)) if a.dtype.kind in "OUST" else a.tobytes() == b.tobytes()
