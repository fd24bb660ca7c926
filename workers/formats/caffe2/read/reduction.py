"""Sums, means and extremes over axes, and the places of extremes."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read.layer import FLOATS, I32, Layer, Value, reads
from workers.formats.caffe2.read.sizes import check_constant, size_of
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder

REDUCTIONS = {
    "ReduceSum": "ReduceSum", "ReduceMean": "ReduceMean", "ReduceMax": "ReduceMax", "ReduceMin": "ReduceMin",
    "ReduceL1": "ReduceL1", "ReduceL2": "ReduceL2", "ReduceProd": "ReduceProd", "ReduceSumSquare": "ReduceSumSquare",
}  # fmt: skip


def _axes(layer: Layer, x: Value) -> list[int]:
    rank = layer.rank(x)
    axes = [layer.axis(axis, rank) for axis in layer.integers("axes")]
    if len(set(axes)) != len(axes):
        raise layer.malformed(f"its axes are {axes}")
    return sorted(axes) or list(range(rank))


@reads(*REDUCTIONS)
def reduce(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Without axes over all; the axes stay unless keepdims is 0."""
    axes = _axes(layer, x)
    if not axes:
        return g.Identity(x)
    return g.op(REDUCTIONS[layer.type], x, axes, keepdims=int(layer.flag("keepdims", True)))


@reads("Moments")
def moments(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """The mean and the variance."""
    axes, keep = _axes(layer, x), int(layer.flag("keepdims", True))
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    return [g.ReduceMean(x, axes, keepdims=keep), g.ReduceMean(g.Mul(centred, centred), axes, keepdims=keep)]


# --- leading and trailing axes ---------------------------------------------------------------------------------------


@reads("ReduceBackSum", "ReduceBackMean", "ReduceBackMax", "ReduceFrontSum", "ReduceFrontMean", "ReduceFrontMax")
def reduce_end(g: GraphBuilder, layer: Layer, x: Value, lengths: Value | None = None) -> Value:
    """Over the first or last axes; lengths say how much of the one axis counts."""
    rank, count = layer.rank(x), layer.integer("num_reduce_dim", 1)
    if not 0 <= count <= rank:
        raise layer.malformed(f"it reduces {count} of {rank} axes")
    back = "Back" in layer.type
    kind = layer.type.removeprefix("ReduceBack" if back else "ReduceFront")
    axes = list(range(rank - count, rank)) if back else list(range(count))
    if lengths is not None:
        if count != 1 or rank != 2:
            raise layer.unsupported("it takes lengths and more than a matrix")
        return _by_length(g, layer, x, lengths, axes[0], kind)
    if not axes:
        return g.Identity(x)
    return g.op(f"Reduce{kind}", x, axes, keepdims=0)


def _by_length(g: GraphBuilder, layer: Layer, x: Value, lengths: Value, axis: int, kind: str) -> Value:
    """Only the first ``lengths`` numbers of a row (or of a column) count."""
    size = size_of(g, layer, x, axis)
    stop = g.Squeeze(size, [0]) if not isinstance(size, list) else np.asarray(size[0])
    places = g.Unsqueeze(g.Range(np.asarray(0), stop, np.asarray(1)), [1 - axis])
    inside = g.Less(cast(g, places, layer.element(lengths)), g.Unsqueeze(lengths, [axis]))
    if kind == "Max":
        return g.ReduceMax(g.Where(inside, x, layer.number(x, float(np.finfo(np.float32).min))), [axis], keepdims=0)
    total = g.ReduceSum(g.Where(inside, x, layer.number(x, 0)), [axis], keepdims=0)
    return total if kind == "Sum" else g.Div(total, cast(g, lengths, layer.element(x)))


@reads("RowwiseMax")
def rowwise_max(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 3)
    return g.ReduceMax(x, [2], keepdims=0)


@reads("ColwiseMax")
def colwise_max(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 3)
    return g.ReduceMax(x, [1], keepdims=0)


@reads("ReduceTailSum")
def reduce_tail_sum(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over all axes but the first."""
    rank = layer.rank(x, *range(1, 9))
    return g.ReduceSum(x, list(range(1, rank)), keepdims=0) if rank > 1 else g.Identity(x)


@reads("SumReduceLike")
def sum_reduce_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """Over the axes that the second tensor lacks, whose own stand at the end or from ``axis`` on."""
    rank, kept = layer.rank(x), layer.rank(like)
    axis = layer.integer("axis", -1)
    if layer.has("axis_str") or kept > rank:
        raise layer.unsupported("it names its axis by a letter or reduces to more axes than it has")
    start = rank - kept if axis == -1 else axis
    if not 0 <= start <= rank - kept:
        raise layer.malformed(f"its axis {axis} does not fit inputs of {rank} and {kept} axes")
    axes = [place for place in range(rank) if not start <= place < start + kept]
    return g.ReduceSum(x, axes, keepdims=0) if axes else g.Identity(x)


# --- over everything -------------------------------------------------------------------------------------------------


def _everything(layer: Layer, x: Value) -> list[int]:
    return list(range(layer.rank(x)))


@reads("SumElements", "SumElementsInt")
def sum_elements(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _total(g, layer, x)


def _total(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    kind = "ReduceMean" if layer.flag("average") else "ReduceSum"
    axes = _everything(layer, x)
    return g.op(kind, x, axes, keepdims=0) if axes else g.Identity(x)


@reads("SumSqrElements")
def sum_sqr_elements(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _total(g, layer, g.Mul(x, x))


@reads("LpNorm")
def lp_norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Sum of |x| or of squares (no root is taken) of all numbers, or their mean: a vector of one."""
    power = layer.integer("p", 2)
    if power not in (1, 2):
        raise layer.malformed(f"its p is {power}")
    powers = g.Abs(x) if power == 1 else g.Mul(x, x)
    total = _total(g, layer, powers)
    return g.Reshape(total, [1])


# --- places ----------------------------------------------------------------------------------------------------------


@reads("ArgMax", "ArgMin")
def arg_extreme(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first place of the extreme: int64."""
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33)))
    if layer.element(x) not in FLOATS:
        x = cast(g, x, I32) if layer.element(x).itemsize < 4 else x
    return g.op(layer.type, x, axis=axis, keepdims=int(layer.flag("keepdims", True)))


@reads("TopK")
def top_k(g: GraphBuilder, layer: Layer, x: Value, k: Value | None = None) -> list[Value]:
    """Values, places along the axis, and places in the flat tensor; beyond the end of the axis zeros and -1."""
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33)))
    if k is not None:
        found = g.const(k)
        if found is None or found.size != 1:
            raise layer.free("the number of its results depends on the data")
        count = int(found.ravel()[0])
    else:
        count = layer.integer("k")
    size = layer.sizes(x, axis, axis + 1)[0]
    if count < 1 or size < 1:
        raise layer.malformed(f"its k is {count} of {size}")
    values, places = g.ops("TopK", x, [min(count, size)], outputs=2, axis=axis)
    found_values = [values, places]
    if layer.outputs > 2:
        found_values.append(_flat_places(g, layer, x, places, axis))
    if count > size:
        pads = [0] * len(layer.shape(x)) * 2
        pads[len(layer.shape(x)) + axis] = count - size
        fills = [layer.number(x, 0), np.asarray(-1), np.asarray(-1)]
        found_values = [g.Pad(value, pads, fill) for value, fill in zip(found_values, fills, strict=False)]
    return found_values[: max(layer.outputs, 1)]


def _flat_places(g: GraphBuilder, layer: Layer, x: Value, places: Value, axis: int) -> Value:
    """Where the values stand in the tensor read from end to end."""
    shape = layer.sizes(x)
    check_constant(layer, int(np.prod(shape)))
    strides = [int(np.prod(shape[place + 1 :])) for place in range(len(shape))]
    offsets = np.zeros([1] * len(shape), np.int64)
    for place, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        if place != axis:
            offsets = offsets + (np.arange(size) * stride).reshape([-1 if a == place else 1 for a in range(len(shape))])
    flat = g.Add(g.Mul(places, np.asarray(strides[axis])), offsets)
    return g.Reshape(flat, [-1])
