"""Two tensors held against each other: every number that the report shows, and whether the bounds hold.

An element passes when ``|a - b| <= atol + rtol * max|a|``; the tensor passes when every element does, the cosine
similarity is reached, NaN and Inf stand in the same places, and shape and element type are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.options import Tolerance
from workers.parity.tolerance import tolerance_for
from workers.report.schema import Metrics

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

CHUNK = 1 << 20
"""Elements that are widened to float64 at a time, so that comparing costs no second copy of a large tensor."""


def compare(name: str, reference: Array, result: Array, tolerance: Tolerance | None = None) -> Metrics:
    """Hold ``result`` against ``reference``; ``tolerance`` None takes the default of the reference's element type."""
    if reference.shape != result.shape:
        return _incomparable(
            name, reference, f"the shape is {list(result.shape)} where the reference has {list(reference.shape)}"
        )
    problem = None
    if _dtype(reference) != _dtype(result):
        problem = f"the element type is {_dtype(result)} where the reference has {_dtype(reference)}"
    bounds = tolerance_for(reference.dtype, tolerance)
    if reference.dtype.kind in "OUST" or result.dtype.kind in "OUST":
        return _compare_text(name, reference, result, problem)
    gap = _gap(_flat(reference), _flat(result))
    return _metrics(name, reference, result, gap, bounds, problem)


def missing(name: str, reference: Array) -> Metrics:
    """The metrics of an output that the result does not have."""
    return _incomparable(name, reference, "the result has no such output")


@dataclass(slots=True)
class _Gap:
    """Sums over all finite pairs of a and b, scaled by ``scale`` so that no square over- or underflows."""

    scale: float = 0.0
    peak: float = 0.0
    max_abs: float = 0.0
    max_rel: float = 0.0
    aa: float = 0.0
    bb: float = 0.0
    ab: float = 0.0
    dd: float = 0.0
    finite: int = 0
    nonfinite_agree: bool = True
    equal: bool = True


def _gap(a: Array, b: Array) -> _Gap:
    gap = _Gap()
    for x, y, equal in _chunks(a, b):
        finite = np.isfinite(x) & np.isfinite(y)
        if not finite.all():
            gap.nonfinite_agree &= bool(((x == y) | (np.isnan(x) & np.isnan(y)) | finite).all())
            x, y = x[finite], y[finite]
        gap.equal &= equal
        gap.finite += x.size
        gap.peak = max(gap.peak, _peak(x))
        gap.scale = max(gap.scale, gap.peak, _peak(y))
    if gap.scale == 0.0:
        return gap
    for x, y, equal in _chunks(a, b):
        _add(gap, x, y, equal)
    return gap


def _add(gap: _Gap, x: Float64, y: Float64, equal: bool) -> None:
    """One chunk's share of the sums and maxima."""
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.all():
        x, y = x[finite], y[finite]
    if not equal:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            difference = np.abs(x - y)
            relative = difference / np.abs(x)
        gap.max_abs = max(gap.max_abs, _peak(difference))
        gap.max_rel = max(gap.max_rel, float(np.max(relative, initial=0.0, where=x != 0)))
        difference /= gap.scale
        gap.dd += float(difference @ difference)
    x, y = x / gap.scale, y / gap.scale
    gap.aa += float(x @ x)
    gap.bb += float(y @ y)
    gap.ab += float(x @ y)


def _chunks(a: Array, b: Array) -> Iterator[tuple[Float64, Float64, bool]]:
    """Pairs of chunks as float64, and whether the originals are equal (int64 beyond 2^53 loses digits in float64)."""
    for start in range(0, a.size, CHUNK):
        x, y = a[start : start + CHUNK], b[start : start + CHUNK]
        yield x.astype(np.float64), y.astype(np.float64), bool(np.array_equal(x, y))


def _peak(x: Float64) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def _flat(array: Array) -> Array:
    """One axis, row by row; a complex number becomes two real ones."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _metrics(name: str, a: Array, b: Array, gap: _Gap, bounds: Tolerance, problem: str | None) -> Metrics:
    max_abs = gap.max_abs
    if not gap.equal and max_abs == 0.0 and gap.nonfinite_agree and a.dtype.kind in "iu" and b.dtype.kind in "iu":
        max_abs = 1.0
    bound = bounds.atol + bounds.rtol * gap.peak
    cosine = _cosine(gap)
    ratio = _share(max_abs, bound)
    # Without a direction (nothing but zeros) there is no angle, and the elements alone decide.
    angle_holds = gap.aa == 0.0 or cosine >= bounds.cosine
    return Metrics(
        name=name,
        shape=list(a.shape),
        dtype=_dtype(a),
        max_abs=max_abs,
        max_rel=gap.max_rel,
        normalised=_share(max_abs, gap.peak),
        cosine=cosine,
        snr_db=_snr(gap),
        nonfinite_agree=gap.nonfinite_agree,
        argmax_agree=_argmax_agree(a, b, bound),
        ratio=ratio if gap.nonfinite_agree else math.inf,
        passed=problem is None and gap.nonfinite_agree and ratio <= 1.0 and angle_holds,
        problem=problem or (None if gap.nonfinite_agree else "NaN or Inf stand in other places than in the reference"),
    )


def _cosine(gap: _Gap) -> float:
    """a.b / (|a| |b|), within [-1, 1]; two zero vectors agree."""
    if gap.equal or (gap.aa == 0.0 and gap.bb == 0.0):
        return 1.0
    norms = math.sqrt(gap.aa) * math.sqrt(gap.bb)
    return max(-1.0, min(1.0, gap.ab / norms)) if norms else 0.0


def _snr(gap: _Gap) -> float:
    if gap.dd == 0.0:
        return math.inf
    return 10.0 * math.log10(gap.aa / gap.dd) if gap.aa else -math.inf


def _share(error: float, bound: float) -> float:
    if error == 0.0:
        return 0.0
    return error / bound if bound else math.inf


def _argmax_agree(a: Array, b: Array, bound: float) -> bool:
    """Along the classes (axis 1 of images and volumes, else the last): b's best is a's best, ties within bounds."""
    if a.size == 0 or a.ndim == 0 or a.dtype.kind == "c" or a.dtype.kind == "b":
        return True
    axis = 1 if a.ndim >= 4 else -1
    best = np.expand_dims(np.argmax(b, axis), axis)
    chosen = np.take_along_axis(a, best, axis).astype(np.float64)
    top = np.max(a, axis, keepdims=True).astype(np.float64)
    return bool(((chosen >= top - bound) | np.isnan(top)).all())


def _compare_text(name: str, a: Array, b: Array, problem: str | None) -> Metrics:
    """Strings are equal or not."""
    different = 0 if a.size == 0 else int(np.count_nonzero(a.astype(object) != b.astype(object)))
    agree = different == 0
    worst = 0.0 if agree else math.inf
    return Metrics(
        name=name,
        shape=list(a.shape),
        dtype=_dtype(a),
        max_abs=worst,
        max_rel=worst,
        normalised=worst,
        cosine=1.0 if agree else 0.0,
        snr_db=math.inf if agree else -math.inf,
        nonfinite_agree=True,
        argmax_agree=agree,
        ratio=worst,
        passed=agree and problem is None,
        problem=problem or (None if agree else f"{different} of {a.size} strings differ"),
    )


def _incomparable(name: str, reference: Array, problem: str) -> Metrics:
    return Metrics(
        name=name,
        shape=list(reference.shape),
        dtype=_dtype(reference),
        max_abs=math.inf,
        max_rel=math.inf,
        normalised=math.inf,
        cosine=0.0,
        snr_db=-math.inf,
        nonfinite_agree=False,
        argmax_agree=False,
        ratio=math.inf,
        passed=False,
        problem=problem,
    )


def _dtype(array: Array) -> str:
    return "string" if array.dtype.kind in "OUST" else array.dtype.name
