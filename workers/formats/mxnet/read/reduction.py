"""Sums, means, extremes and norms along axes, and where the extremes are.

Outside numpy's rules a reduction to a single number gives an array of shape (1,), and places are floats.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.elementwise import floating, truth
from workers.formats.mxnet.read.layer import BOOL, F32, I64, Layer, Value, reads
from workers.formats.mxnet.read.shaping import filled_like, reshaped
from workers.hub.graph import GraphBuilder

REDUCTIONS = {
    "sum": "ReduceSum", "sum_axis": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "max_axis": "ReduceMax",
    "min": "ReduceMin", "min_axis": "ReduceMin", "prod": "ReduceProd", "nansum": "ReduceSum", "nanprod": "ReduceProd",
}  # fmt: skip
NUMPY = {
    "_np_sum": "ReduceSum", "_np_max": "ReduceMax", "_np_amax": "ReduceMax", "_np_min": "ReduceMin",
    "_np_amin": "ReduceMin", "_np_prod": "ReduceProd", "_np_product": "ReduceProd", "_npi_mean": "ReduceMean",
    "_npi_sum": "ReduceSum", "_npi_max": "ReduceMax", "_npi_min": "ReduceMin", "_npi_prod": "ReduceProd",
}  # fmt: skip


def _axes(layer: Layer, rank: int, key: str = "axis") -> list[int]:
    """The axes to reduce: those named, or (exclude) all others; all when none is named."""
    named = sorted({layer.axis(axis, rank) for axis in layer.integers(key)})
    if not named:
        return list(range(rank))
    return [axis for axis in range(rank) if axis not in named] if layer.flag("exclude", False) else named


def _reduced(g: GraphBuilder, layer: Layer, x: Value, operator: str, axes: list[int]) -> Value:
    """Over ``axes``; a lone number keeps one axis outside numpy's rules."""
    keep = layer.flag("keepdims", False)
    if not axes:
        return x
    y = g.op(operator, x, axes, keepdims=int(keep))
    return g.Reshape(y, [1]) if len(axes) == len(layer.shape(x)) and not keep else y


@reads(*REDUCTIONS)
def reduce(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    axes = _axes(layer, len(layer.shape(x)))
    if layer.type in ("nansum", "nanprod"):
        x = g.Where(g.IsNaN(x), layer.number(x, 0 if layer.type == "nansum" else 1), x)
    return _reduced(g, layer, x, REDUCTIONS[layer.type], axes)


@reads(*NUMPY)
def np_reduce(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """numpy's: () of axes or none reduces all, to a number without axes."""
    if layer.has("initial"):
        raise layer.unsupported("it starts from a value of its own (initial)")
    if layer.type in ("_npi_mean",):
        x = floating(g, layer, x)
    x = cast(g, x, layer.dtype(layer.element(x)))
    axes = _axes(layer, len(layer.shape(x)))
    return g.op(NUMPY[layer.type], x, axes, keepdims=int(layer.flag("keepdims", False))) if axes else x


@reads("_np_any", "_np_sometrue", "_np_all")
def any_all(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Whether any, or all, are other than 0."""
    axes = _axes(layer, len(layer.shape(x)))
    operator = "ReduceMin" if layer.type == "_np_all" else "ReduceMax"
    number = cast(g, truth(g, layer, x), ir.DataType.INT32)
    return cast(g, g.op(operator, number, axes, keepdims=int(layer.flag("keepdims", False))), BOOL)


@reads("norm")
def norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The sum of magnitudes (ord 1) or the root of the sum of squares (ord 2)."""
    order = layer.integer("ord", 2)
    if order not in (1, 2):
        raise layer.malformed(f"its ord is {order}; MXNet takes 1 or 2")
    axes = _axes(layer, len(layer.shape(x)))
    y = _reduced(g, layer, x, f"ReduceL{order}", axes)
    return cast(g, y, layer.dtype(layer.element(y), "out_dtype"))


@reads("_npi_norm")
def np_norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The root of the sum of all squares."""
    return g.ReduceL2(x, list(range(len(layer.shape(x)))), keepdims=0)


@reads("_npi_var", "_npi_std")
def variance(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Squares of the distance from the mean, summed and divided by n - ddof."""
    x = floating(g, layer, x)
    axes = _axes(layer, len(layer.shape(x)))
    apart = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    y = g.ReduceMean(g.Mul(apart, apart), axes, keepdims=int(layer.flag("keepdims", False)))
    lost = layer.integer("ddof", 0)
    if lost:
        count = int(np.prod([layer.sizes(x, axis, axis + 1)[0] for axis in axes], dtype=np.float64))
        if count <= lost:
            raise layer.malformed(f"its ddof {lost} leaves nothing of {count} values")
        y = g.Mul(y, layer.number(y, count / (count - lost)))
    return g.Sqrt(y) if layer.type == "_npi_std" else y


@reads("_npi_average")
def average(g: GraphBuilder, layer: Layer, x: Value, weights: Value | None = None) -> list[Value]:
    """The mean, with weights where there are some; and the sum of weights."""
    x = floating(g, layer, x)
    axes = _axes(layer, len(layer.shape(x)))
    if weights is None or not layer.flag("weighted", True):
        return [g.ReduceMean(x, axes, keepdims=0)]
    if len(layer.shape(weights)) == 1 and len(layer.shape(x)) > 1:
        rank = len(layer.shape(x))
        weights = g.Unsqueeze(weights, [axis for axis in range(rank) if axis != axes[0]])
    total = g.ReduceSum(g.Expand(weights, g.Shape(x)), axes, keepdims=0)
    return [g.Div(g.ReduceSum(g.Mul(x, weights), axes, keepdims=0), total), total]


@reads("_np_cumsum", "cumsum")
def cumsum(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Running sums along an axis, or of the flattened array."""
    x = cast(g, x, layer.dtype(layer.element(x)))
    if not layer.has("axis"):
        x = reshaped(g, layer, x, [times(layer.shape(x))])
    return g.CumSum(x, np.asarray(layer.axis(layer.integer("axis", 0), len(layer.shape(x)))))


# --- places of extremes ----------------------------------------------------------------------------------------------


@reads("argmax", "argmin", "_npi_argmax", "_npi_argmin")
def argmax(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first of equals; floats outside numpy's rules; without an axis of the flattened array."""
    numpy, keep = layer.type.startswith("_npi"), layer.flag("keepdims", False)
    operator = "ArgMax" if layer.type.endswith("max") else "ArgMin"
    rank = len(layer.shape(x))
    if layer.has("axis"):
        found = g.op(operator, x, axis=layer.axis(layer.integer("axis"), rank), keepdims=int(keep))
        if rank == 1 and not keep and not numpy:
            found = g.Reshape(found, [1])
    else:
        found = g.op(operator, reshaped(g, layer, x, [times(layer.shape(x))]), axis=0, keepdims=int(not numpy))
        if keep:
            found = g.Reshape(found, [1] * rank)
    return found if numpy else cast(g, found, F32)


@reads("argmax_channel")
def argmax_channel(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Along axis 1."""
    layer.rank(x, *range(2, 33))
    return cast(g, g.ArgMax(x, axis=1, keepdims=0), layer.element(x))


# --- sorting ---------------------------------------------------------------------------------------------------------


def ranked(
    g: GraphBuilder, layer: Layer, x: Value, *, rising: bool, count: int | None
) -> tuple[Value, Value, Value, int]:
    """(values, places as int64, the array they are of, its axis): the first ``count`` along ``axis``, or all."""
    if layer.node.attrs.get("axis", "-1").strip() == "None":
        x = reshaped(g, layer, x, [times(layer.shape(x))])
        axis = 0
    else:
        axis = layer.axis(layer.integer("axis", -1), len(layer.shape(x)))
    size = layer.shape(x)[axis]
    if count is not None and isinstance(size, int) and count > size:
        raise layer.malformed(f"it wants {count} of {size} values")
    asked = g.Shape(x, start=axis, end=axis + 1) if count is None and not isinstance(size, int) else [count or size]
    values, places = g.ops("TopK", x, asked, outputs=2, axis=axis, largest=int(not rising))  # type: ignore[arg-type]
    return values, places, x, axis


@reads("topk", "_npx_topk")
def topk(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """The k largest (or smallest): their places, their values, both, or a mask of where they are."""
    count = layer.integer("k", 1)
    values, places, x, axis = ranked(
        g, layer, x, rising=layer.flag("is_ascend", False), count=count if count > 0 else None
    )
    kind = layer.word("ret_typ", "indices")
    numbers = cast(g, places, layer.dtype(F32))
    if kind == "indices":
        return [numbers]
    if kind == "value":
        return [values]
    if kind == "both":
        return [values, numbers]
    if kind != "mask":
        raise layer.malformed(f"its ret_typ is {kind!r}")
    ones = filled_like(g, layer, places, 1, layer.element(x))
    return [g.ScatterElements(filled_like(g, layer, x, 0), places, ones, axis=axis)]


@reads("sort", "_npi_sort")
def sort(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return ranked(g, layer, x, rising=layer.flag("is_ascend", True), count=None)[0]


@reads("argsort", "_npi_argsort")
def argsort(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Places in sorted order, as floats unless ``dtype`` says otherwise."""
    places = ranked(g, layer, x, rising=layer.flag("is_ascend", True), count=None)[1]
    return cast(g, places, layer.dtype(I64 if layer.type == "_npi_argsort" and layer.scope.np_shape else F32))
