"""Values counted: into bins, by their number, and in runs of equal neighbours."""

from __future__ import annotations

import numpy as np

from workers.formats.paddle.read.layer import BOOL, F32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.reduction import declared
from workers.formats.paddle.read.vectors import numbers
from workers.hub.graph import GraphBuilder


@reads("bincount")
def bincount(g: GraphBuilder, layer: Layer) -> Value:
    """How often each number from 0 to the largest occurs, or the sums of their weights; ``minlength`` at least."""
    x, weights = cast(g, layer.x(), I64), layer.maybe("Weights")
    found = numbers(g, layer, "minlength", "minlength", default=[0])
    least = g.constant(found) if isinstance(found, list) else cast(g, found, I64)
    rows = g.Max(g.Add(g.ReduceMax(x, [0], keepdims=1), [1]), least)
    dtype = I64 if weights is None else layer.element(weights)
    if weights is None:
        weights = g.Expand(g.constant(np.asarray(1, np.int64)), g.Shape(x))
    start = g.Expand(g.constant(np.zeros((), dtype.numpy())), rows)
    result = g.ScatterElements(start, x, weights, axis=0, reduction="add")
    return cast(g, result, declared(layer, "Out", dtype))


@reads("histogram")
def histogram(g: GraphBuilder, layer: Layer) -> Value:
    """Counts in ``bins`` of equal width from ``min`` to ``max``, or over all values where those are equal."""
    x, bins = layer.x("X"), layer.integer("bins", 100)
    if layer.flag("density") or layer.maybe("Weight") is not None:
        raise layer.unsupported("its counts are weighted or made a density")
    if not 1 <= bins <= 2**20:
        raise layer.malformed(f"it has {bins} bins")
    low, high = layer.real("min", 0), layer.real("max", 0)
    flat = cast(g, g.Reshape(x, [-1]), F32)
    if low == high:
        raise layer.unsupported("its range is that of the data")
    inside = g.And(g.GreaterOrEqual(flat, np.float32(low)), g.LessOrEqual(flat, np.float32(high)))
    place = g.Div(g.Mul(g.Sub(flat, np.float32(low)), np.float32(bins)), np.float32(high - low))
    index = g.Clip(cast(g, g.Floor(place), I64), np.asarray(0), np.asarray(bins - 1))
    start = g.constant(np.zeros(bins, np.int64))
    return g.ScatterElements(start, index, cast(g, inside, I64), axis=0, reduction="add")


@reads("unique_consecutive")
def unique_consecutive(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """One of every run of equal neighbours, which run each element is in, and how long the runs are."""
    x = layer.x()
    if layer.integers("axis"):
        raise layer.unsupported("it compares slices along an axis, which ONNX does not do")
    dtype = layer.dtype("dtype", I64)
    flat = g.Reshape(x, [-1])
    later = g.Not(g.Equal(g.Slice(flat, [1], [2**62], [0]), g.Slice(flat, [0], [-1], [0])))
    first = g.Cast(g.Slice(g.Add(g.Mul(g.Shape(flat), [0]), [1]), [0], [1], [0]), to=int(BOOL))
    starts = g.Concat(g.Expand(first, g.Min(g.Shape(flat), [1])), later, axis=0)
    run = g.Sub(g.CumSum(g.Cast(starts, to=int(I64)), np.asarray(0)), [1])
    place = g.Squeeze(g.NonZero(starts), [0])
    end = g.Concat(g.Slice(place, [1], [2**62], [0]), g.Shape(flat), axis=0)
    found = {"Out": g.Compress(flat, starts, axis=0), "Index": cast(g, run, dtype),
             "Counts": cast(g, g.Sub(end, place), dtype)}  # fmt: skip
    return {slot: value for slot, value in found.items() if layer.wants(slot)}
