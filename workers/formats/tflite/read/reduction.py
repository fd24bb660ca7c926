"""Sums, means, extremes and counts along axes."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.activation import computable
from workers.formats.tflite.read.align import keeps_order, place, single
from workers.formats.tflite.read.layer import BOOL, I32, I64, Array, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder

REDUCTIONS = {
    "MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_PROD": "ReduceProd", "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin", "REDUCE_ANY": "ReduceMax", "REDUCE_ALL": "ReduceMin",
}  # fmt: skip


# Beyond, rounding twice and rounding once differ for less than one in a hundred numbers.
BITS = 6
LARGE_PLANE = 32


@reads(*REDUCTIONS)
def reduction(g: GraphBuilder, layer: Layer) -> Out:
    """The mean of integers is cut off towards zero; any and all are extremes of 0 and 1."""
    rank, keep = layer.rank(0), layer.flag("keep_dims")
    axes = layer.axes(1, rank)
    if rank and 0 in axes and layer.dims(0)[0] == "batch" and layer.scope.batch is not None:
        raise layer.free("it reduces the batch axis")
    held = layer.held(0)
    first = rank > 2 and held.prefers_first and (keep or keeps_order(rank, axes))
    x = computable(g, layer.x(g, 0, first=first))
    known = _product(layer, axes) if layer.type == "REDUCE_PROD" else None
    if not axes:
        return Out(g.Identity(x), first=first)
    at = sorted(place(axis, rank, first) for axis in axes)
    if layer.type == "MEAN" and x.dtype in (I32, I64):
        count = g.Div(g.ReduceProd(g.Gather(g.Shape(x), at), keepdims=0), np.asarray(1, np.int64))
        total = g.ReduceSum(cast(g, x, I64), at, keepdims=int(keep))
        return Out(g.Div(total, count), first=first and keep)
    y = g.op(REDUCTIONS[layer.type], x, at, keepdims=int(keep))
    if layer.type == "MEAN":
        y = _rounded_twice(g, layer, y, axes)
    return Out(cast(g, y, BOOL) if layer.outs[0].type == "bool" else y, first=first and keep, known=known)


def _rounded_twice(g: GraphBuilder, layer: Layer, y: Value, axes: list[int]) -> Value:
    """A mean of integers as its kernel rounds it: to a multiple of 2^-bits first, then half of a step away from zero.

    The sum is multiplied by (scale / scale of the result / count) = m * 2^-bits with m in [0.5, 1) up to the count's
    power of two. With few bits every second result is a step above what rounding once would give. Over a large plane
    whose axes are kept it is the stored integers that are summed, and their zero point is rounded on its own.
    """
    source, result = layer.held(0).quantization, layer.quantization_of_result()
    if source is None or result is None or layer.scope.dequantize:
        return y
    count, step = math.prod(layer.size(0, axis) for axis in axes), float(result.scale[0])
    ratio = float(source.scale[0]) / step
    exponent = math.frexp(ratio)[1]
    bits, shift = min(count.bit_length() - 1, 32, 31 + exponent) - exponent, 0.0
    if axes == [1, 2] and layer.rank(0) == 4 and layer.flag("keep_dims") and layer.outs[0].type in ("int8", "uint8"):
        if count < LARGE_PLANE:
            return y
        bits, shift = -math.frexp(ratio / count)[1], float(source.zero_point[0]) * ratio
    if not 1 <= bits <= BITS and not shift:
        return y
    parts = g.Floor(g.Add(g.Mul(y, np.float32(2**bits / step)), np.float32(0.5 + shift * 2**bits)))
    away = g.Mul(g.Add(parts, g.Mul(g.Sign(parts), np.float32(0.25))), np.float32(step / 2**bits))
    return g.Sub(away, np.float32(step * math.floor(shift + 0.5))) if shift else away


def _product(layer: Layer, axes: list[int]) -> Array | None:
    known = layer.known(0)
    if known is None or known.ndim != 1 or axes != [0]:
        return None
    names = [item for item in known.flat if isinstance(item, str)]
    product: int | str = math.prod(int(item) for item in known.flat if not isinstance(item, str))
    if names:
        product = "*".join([*names, *([str(product)] if product != 1 else [])])
    return np.asarray([product] if layer.flag("keep_dims") else product, object)


@reads("ARG_MAX", "ARG_MIN")
def arg_extreme(g: GraphBuilder, layer: Layer) -> Out:
    """Of equals the first."""
    rank = layer.rank(0)
    axis = layer.axis(layer.integer(1, "axis"), rank)
    first = rank > 2 and layer.held(0).prefers_first and keeps_order(rank, [axis])
    x = layer.x(g, 0, first=first)
    op = "ArgMax" if layer.type == "ARG_MAX" else "ArgMin"
    return Out(g.op(op, cast(g, x, I32) if x.dtype == BOOL else computable(g, x), axis=place(axis, rank, first),
                    keepdims=0))  # fmt: skip


@reads("CUMSUM")
def cumsum(g: GraphBuilder, layer: Layer) -> Out:
    rank = layer.rank(0)
    axis = layer.axis(layer.integer(1, "axis"), rank)
    x, first = single(g, layer)
    y = g.CumSum(computable(g, x), np.asarray(place(axis, rank, first), np.int64),
                 exclusive=int(layer.flag("exclusive")), reverse=int(layer.flag("reverse")))  # fmt: skip
    return Out(y, first=first)


@reads("TOPK_V2")
def topk_v2(g: GraphBuilder, layer: Layer) -> list[Out]:
    """Along the last axis, the greatest first."""
    real = not layer.moves(0)
    k = g.Reshape(whole(g, layer.x(g, 1)), [1])
    x = layer.x(g, 0, real=real)
    values, indices = g.ops("TopK", computable(g, x), k, outputs=2, axis=-1, largest=1, sorted=1)
    return [Out(cast(g, values, x.dtype or I32), real=real), Out(indices)]


# --- by segments -----------------------------------------------------------------------------------------------------


@reads("SEGMENT_SUM")
def segment_sum(g: GraphBuilder, layer: Layer) -> Value:
    """Rows of equal, ascending numbers are added up; the last number tells how many there are."""
    ids = whole(g, layer.x(g, 1))
    count = g.Add(g.ReduceMax(ids, [0], keepdims=1), np.asarray([1], np.int64))
    return _scattered(g, layer, ids, count, "add", 0)


LOWEST = {"UNSORTED_SEGMENT_SUM": ("add", 0), "UNSORTED_SEGMENT_PROD": ("mul", 1)}


@reads("UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN")
def unsorted_segment(g: GraphBuilder, layer: Layer) -> Value:
    """Rows of equal numbers are put together; negative ones drop a row; empty segments get the neutral element."""
    if layer.rank(1) != 1:
        raise layer.unsupported("its segments are numbered over several axes")
    largest = layer.type.endswith("MAX")
    dtype = layer.dtype(0).numpy()
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    how, start = LOWEST.get(layer.type, ("max", info.min) if largest else ("min", info.max))
    count = g.Reshape(whole(g, layer.x(g, 2)), [1])
    ids = whole(g, layer.x(g, 1))
    ids = g.Where(g.Less(ids, np.asarray(0, np.int64)), count, ids)
    y = _scattered(g, layer, ids, g.Add(count, np.asarray([1], np.int64)), how, start)
    return g.Slice(y, [0], count, [0])


def _scattered(g: GraphBuilder, layer: Layer, ids: Value, count: Value, how: str, start: float) -> Value:
    x = layer.x(g, 0)
    rest = g.Shape(x, start=1)
    ground = g.Expand(layer.as_type(0, start), g.Concat(count, rest, axis=0))
    return g.ScatterND(ground, g.Unsqueeze(ids, [-1]), x, reduction=how)
