"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.paddle.read.layer import BOOL, F32, I32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, fixed, integer, numbers, reshaped
from workers.hub.graph import GraphBuilder

REDUCTIONS = {
    "reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd", "reduce_amax": "ReduceMax", "reduce_amin": "ReduceMin",
}  # fmt: skip


def axes_of(g: GraphBuilder, layer: Layer, x: Value, key: str = "dim", default: Sequence[int] = ()) -> list[int]:
    """The axes reduced over, in order; none named, or ``reduce_all``, means all."""
    rank = layer.rank(x)
    if layer.attr("reduce_all", False) is True or (layer.attr(key) == [] and not layer.op.inputs.get("AxisTensor")):
        return list(range(rank))
    found = fixed(layer, numbers(g, layer, key, "AxisTensor", "AxisTensorList", default=default), "its axes")
    axes = sorted({layer.axis(axis, max(rank, 1)) for axis in found if rank})
    return axes or list(range(rank))


def reduced(g: GraphBuilder, operator: str, x: Value, axes: Sequence[int], keep: bool) -> Value:
    return g.op(operator, x, list(axes), keepdims=int(keep)) if axes else g.Identity(x)


def declared(layer: Layer, slot: str, otherwise: ir.DataType) -> ir.DataType:
    """The element type that the program gives an output; complex ones are read as two real tensors."""
    for name in layer.op.outputs.get(slot, ()):
        var = layer.scope.program.vars.get(name)
        if var is not None and var.dtype not in (None, ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
            return var.dtype
    return otherwise


@reads(*REDUCTIONS)
def reduction(g: GraphBuilder, layer: Layer) -> Value:
    """Booleans and 32-bit numbers are summed up in 64 bits, as the program declares."""
    x = layer.x()
    axes = axes_of(g, layer, x, default=[0] if layer.type == layer.op.type else [])
    target = declared(layer, "Out", layer.element(x))
    if layer.op.type in ("reduce_sum", "reduce_prod", "reduce_mean"):
        x = cast(g, x, target)
    return cast(g, reduced(g, REDUCTIONS[layer.op.type], x, axes, layer.flag("keep_dim")), target)


@reads("reduce_any", "reduce_all")
def reduce_truth(g: GraphBuilder, layer: Layer) -> Value:
    x = cast(g, cast(g, layer.x(), BOOL), I32)
    operator = "ReduceMax" if layer.op.type == "reduce_any" else "ReduceMin"
    axes = axes_of(g, layer, x, default=[0] if layer.type == layer.op.type else [])
    return cast(g, reduced(g, operator, x, axes, layer.flag("keep_dim")), BOOL)


@reads("mean")
def mean(g: GraphBuilder, layer: Layer) -> Value:
    return g.ReduceMean(layer.x(), keepdims=0)


@reads("variance", "var", "std")
def variance(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axes = axes_of(g, layer, x)
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    total = reduced(g, "ReduceSum", g.Mul(centred, centred), axes, layer.flag("keep_dim"))
    less = layer.real("correction", 1.0) if layer.op.type != "variance" else 0.0
    count = times(layer.shape(x)[axis] for axis in axes)
    if isinstance(count, int):
        result = g.Div(total, layer.number(x, max(count - less, 0)))
    else:
        sizes = g.Gather(g.Shape(x), list(axes), axis=0)
        many = g.Cast(g.ReduceProd(sizes, keepdims=0), to=int(layer.element(x)))
        result = g.Div(total, g.Sub(many, layer.number(x, less)))
    return g.Sqrt(result) if layer.op.type == "std" else result


@reads("logsumexp")
def logsumexp(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axes = axes_of(g, layer, x, "axis", [0] if layer.type == layer.op.type else [])
    return reduced(g, "ReduceLogSumExp", x, axes, layer.flag("keepdim"))


@reads("p_norm")
def p_norm(g: GraphBuilder, layer: Layer) -> Value:
    """The p-th root of the sum of p-th powers along an axis, or of all elements (``asvector``)."""
    x, order, keep = layer.x(), layer.attr("porder", 2.0), layer.flag("keepdim")
    if not isinstance(order, int | float):
        raise layer.malformed(f"its porder is {order!r}")
    order = float(order)
    if layer.flag("asvector"):
        axes = list(range(layer.rank(x)))
    else:
        axes = [layer.axis(layer.integer("axis", -1), layer.rank(x))]
    return power_norm(g, layer, x, order, axes, keep)


def power_norm(g: GraphBuilder, layer: Layer, x: Value, order: float, axes: Sequence[int], keep: bool) -> Value:
    if order == 1:
        return reduced(g, "ReduceL1", x, axes, keep)
    if order == 2:
        return reduced(g, "ReduceL2", x, axes, keep)
    size = g.Abs(x)
    if math.isinf(order):
        return reduced(g, "ReduceMax" if order > 0 else "ReduceMin", size, axes, keep)
    if order == 0:
        there = g.Cast(g.Not(g.Equal(x, layer.number(x, 0))), to=int(layer.element(x)))
        return reduced(g, "ReduceSum", there, axes, keep)
    total = reduced(g, "ReduceSum", g.Pow(size, layer.number(x, order)), axes, keep)
    return g.Pow(total, layer.number(x, 1 / order))


@reads("frobenius_norm")
def frobenius_norm(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    tensor = layer.maybe("Axis")
    known = contents(layer, tensor) if tensor is not None else None
    named = [dim for dim in known if isinstance(dim, int)] if known is not None else layer.integers("dim")
    axes = sorted({layer.axis(axis, layer.rank(x)) for axis in named})
    if layer.flag("reduce_all") or not axes:
        axes = list(range(layer.rank(x)))
    return reduced(g, "ReduceL2", x, axes, layer.flag("keep_dim"))


@reads("dist")
def dist(g: GraphBuilder, layer: Layer) -> Value:
    difference = g.Sub(layer.x("X"), layer.x("Y"))
    return power_norm(g, layer, difference, layer.real("p", 2.0), list(range(layer.rank(difference))), False)


# --- positions and order ----------------------------------------------------------------------------------------------


@reads("arg_max", "arg_min")
def arg_max(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axis = integer(g, layer, "axis", "Axis", -1)
    operator = "ArgMax" if layer.op.type == "arg_max" else "ArgMin"
    keep = layer.flag("keepdims")
    rank = layer.rank(x)
    target = layer.dtype("dtype", I64)
    if layer.element(x) not in (F32, ir.DataType.DOUBLE, I32, ir.DataType.FLOAT16):
        x = cast(g, x, ir.DataType.DOUBLE)
    if layer.flag("flatten") or rank == 0:
        found = g.op(operator, g.Reshape(x, [-1]), axis=0, keepdims=0)
        found = g.Reshape(found, [1] * rank) if keep else found
    else:
        found = g.op(operator, x, axis=layer.axis(axis, rank), keepdims=int(keep))
    return cast(g, found, target)


@reads("max_with_index", "min_with_index")
def max_with_index(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x, keep = layer.x(), int(layer.flag("keepdim"))
    axis = layer.axis(layer.integer("dim", -1), layer.rank(x))
    largest = layer.op.type.startswith("max")
    index = g.op("ArgMax" if largest else "ArgMin", x, axis=axis, keepdims=keep)
    return {"Out": g.op("ReduceMax" if largest else "ReduceMin", x, [axis], keepdims=keep), "Indices": index}


@reads("top_k", "top_k_v2")
def top_k(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    k = numbers(g, layer, "k", "K", default=[1])
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x))
    count = k if isinstance(k, ir.Value) else g.constant(k)
    values, index = g.ops("TopK", x, count, outputs=2, axis=axis, largest=int(layer.flag("largest", True)),
                          sorted=int(layer.flag("sorted", True)))  # fmt: skip
    return {"Out": values, "Indices": index}


@reads("argsort")
def argsort(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    if layer.rank(x) == 0:
        return {"Out": g.Identity(x), "Indices": g.constant(np.asarray(0))}
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x))
    values, index = g.ops("TopK", x, g.Shape(x, start=axis, end=axis + 1), outputs=2, axis=axis,
                          largest=int(layer.flag("descending")))  # fmt: skip
    for result in (values, index):
        result.shape = ir.Shape(list(layer.shape(x)))
    return {"Out": values, "Indices": index}


@reads("kthvalue")
def kthvalue(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The k-th smallest along an axis."""
    x, k, keep = layer.x(), layer.integer("k", 1), layer.flag("keepdim")
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x))
    found = g.ops("TopK", x, [k], outputs=2, axis=axis, largest=0)
    last = [g.Slice(part, [k - 1], [k], [axis]) for part in found]
    values, index = last if keep else [g.Squeeze(part, [axis]) for part in last]
    return {"Out": values, "Indices": index}


@reads("mode")
def mode(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The most frequent value along an axis, of several the smallest, with its last place."""
    x, keep = layer.x(), layer.flag("keepdim")
    rank = layer.rank(x)
    axis = layer.axis(layer.integer("axis", -1), rank)
    ordered, _ = g.ops("TopK", x, g.Shape(x, start=axis, end=axis + 1), outputs=2, axis=axis, largest=0)
    same = g.Cast(g.Equal(g.Unsqueeze(ordered, [axis]), g.Unsqueeze(x, [axis + 1])), to=int(I64))
    most = g.ArgMax(g.ReduceSum(same, [axis], keepdims=0), axis=axis, keepdims=1)
    value = g.GatherElements(ordered, most, axis=axis)
    place = g.ArgMax(g.Cast(g.Equal(x, value), to=int(I64)), axis=axis, keepdims=1, select_last_index=1)
    found = [value, place] if keep else [g.Squeeze(part, [axis]) for part in (value, place)]
    return {"Out": found[0], "Indices": found[1]}


# --- running sums -----------------------------------------------------------------------------------------------------


def _line(g: GraphBuilder, layer: Layer, x: Value, default: int) -> tuple[Value, int]:
    """The tensor, flattened if asked for, and the axis along which it runs."""
    if layer.flag("flatten"):
        return reshaped(g, layer, x, [times(layer.shape(x))]), 0
    axis = integer(g, layer, "axis", "AxisTensor", default)
    return x, layer.axis(axis, layer.rank(x))


@reads("cumsum")
def cumsum(g: GraphBuilder, layer: Layer) -> Value:
    x, axis = _line(g, layer, layer.x(), -1)
    x = cast(g, x, declared(layer, "Out", layer.element(x)))
    return g.CumSum(x, np.asarray(axis), exclusive=int(layer.flag("exclusive")), reverse=int(layer.flag("reverse")))


@reads("logcumsumexp")
def logcumsumexp(g: GraphBuilder, layer: Layer) -> Value:
    x, axis = _line(g, layer, layer.x(), -1)
    top = g.ReduceMax(x, [axis], keepdims=1)
    total = g.CumSum(g.Exp(g.Sub(x, top)), np.asarray(axis), exclusive=int(layer.flag("exclusive")),
                     reverse=int(layer.flag("reverse")))  # fmt: skip
    return g.Add(g.Log(total), top)


def _triangle(g: GraphBuilder, layer: Layer, x: Value, axis: int, fill: float) -> Value:
    """Every prefix along the axis as a row of its own in a new last axis, filled up with ``fill``."""
    size = layer.size(x, axis)
    layer.bounded(size * size)
    rank = layer.rank(x)
    order = [*(i for i in range(rank) if i != axis), axis]
    rows = g.Unsqueeze(g.Transpose(x, perm=order), [rank - 1])
    return g.Where(np.tril(np.ones((size, size), bool)), rows, layer.number(x, fill))


def _turned_back(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value:
    """The last axis at its place again."""
    rank = layer.rank(x)
    order = [*(i for i in range(rank) if i != axis), axis]
    return g.Transpose(x, perm=[order.index(i) for i in range(rank)])


@reads("cumprod")
def cumprod(g: GraphBuilder, layer: Layer) -> Value:
    """Every product of a prefix, for the lengths that a table of all prefixes allows."""
    x = layer.x()
    axis = layer.axis(layer.integer("dim", -1), layer.rank(x))
    if layer.flag("exclusive") or layer.flag("reverse"):
        raise layer.unsupported("it leaves out a value or runs backwards")
    return _turned_back(g, layer, g.ReduceProd(_triangle(g, layer, x, axis, 1), [-1], keepdims=0), axis)


@reads("cummax", "cummin")
def cummax(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The extreme of every prefix, and the last place that has it."""
    x = layer.x()
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x))
    largest = layer.op.type == "cummax"
    extreme = -math.inf if largest else math.inf
    if not layer.is_float(x):
        limits = np.iinfo(layer.element(x).numpy())
        extreme = limits.min if largest else limits.max
    rows = _triangle(g, layer, x, axis, extreme)
    values = g.op("ReduceMax" if largest else "ReduceMin", rows, [-1], keepdims=0)
    index = g.op("ArgMax" if largest else "ArgMin", rows, axis=-1, keepdims=0, select_last_index=1)
    index = cast(g, _turned_back(g, layer, index, axis), layer.dtype("dtype", I64))
    return {"out": _turned_back(g, layer, values, axis), "indices": index}


@reads("median")
def median(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The middle one of an odd number of values, of an even number the mean of both or (``min``) the lower."""
    x, keep = layer.x(), layer.flag("keepdim", True)
    axes = layer.integers("axis")
    flat = not axes
    if flat:
        x = reshaped(g, layer, x, [times(layer.shape(x))])
    elif len(axes) > 1:
        raise layer.unsupported("it takes the median over several axes at once")
    axis = 0 if flat else layer.axis(axes[0], layer.rank(x))
    size = layer.size(x, axis)
    ordered, _ = g.ops("TopK", x, [size // 2 + 1], outputs=2, axis=axis, largest=0)
    low = (size - 1) // 2
    both = g.Slice(ordered, [low], [low + 1 if layer.word("mode", "avg") == "min" else size // 2 + 1], [axis])
    y = g.ReduceMean(both, [axis], keepdims=int(keep and not flat))
    return {"Out": g.Reshape(y, [1] * layer.rank(layer.x())) if flat and keep else y}
