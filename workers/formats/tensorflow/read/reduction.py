"""Reductions over axes that are an input, and running sums."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import BOOL, I32
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole

SAME = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd",
        "EuclideanNorm": "ReduceL2"}  # fmt: skip


def _axes(g: Builder, layer: Layer, x: Value, axes: Value) -> list[int] | None:
    """The axes; None for none at all, in which case nothing is reduced."""
    rank = len(layer.shape(x))
    found = sorted({layer.axis(axis, rank) for axis in layer.integers(g, axes, "its axes")})
    return found or None


@reads(*SAME)
def reduce(g: Builder, layer: Layer, x: Value, axes: Value) -> Value:
    keep = int(layer.flag("keep_dims"))
    if not layer.shape(x):
        return g.Abs(x) if layer.type == "EuclideanNorm" else x
    return _reduced(g, layer, x, axes, keep)


def _reduced(g: Builder, layer: Layer, x: Value, axes: Value, keep: int) -> Value:
    known = g.numbers(axes) is not None or g.is_const(axes)
    name = SAME[layer.type]
    if not known:
        if _all_axes(g, axes):
            return g.op(name, x, keepdims=keep)
        return g.op(name, x, g.Reshape(whole(g, axes), [-1]), keepdims=keep, noop_with_empty_axes=1)
    places = _axes(g, layer, x, axes)
    if places is None:
        return g.Abs(x) if layer.type == "EuclideanNorm" else x
    return g.op(name, x, places, keepdims=keep)


def _all_axes(g: Builder, axes: Value) -> bool:
    """Old graphs compute range(0, rank, 1)."""
    node = axes.producer()
    while node is not None and node.op_type in ("Cast", "Identity") and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type == "Range" and g.numbers(node.inputs[0]) == (0,)


@reads("All", "Any")
def reduce_bool(g: Builder, layer: Layer, x: Value, axes: Value) -> Value:
    places = _axes(g, layer, x, axes)
    if places is None:
        return x
    name = "ReduceMin" if layer.type == "All" else "ReduceMax"
    return cast(g, g.op(name, cast(g, x, I32), places, keepdims=int(layer.flag("keep_dims"))), BOOL)


@reads("ArgMax", "ArgMin")
def arg(g: Builder, layer: Layer, x: Value, axis: Value) -> Value:
    """The first of equals."""
    (place,) = layer.integers(g, axis, "its axis")
    place = layer.axis(place, len(layer.shape(x)))
    if layer.element(x) == BOOL:
        x = cast(g, x, I32)
    return cast(g, g.op(layer.type, x, axis=place, keepdims=0), layer.dtype("output_type", "DT_INT64"))


@reads("Cumsum")
def cumsum(g: Builder, layer: Layer, x: Value, axis: Value) -> Value:
    (place,) = layer.integers(g, axis, "its axis")
    place = layer.axis(place, len(layer.shape(x)))
    flags = {key: int(layer.flag(key)) for key in ("exclusive", "reverse")}
    return g.CumSum(x, np.array(place, np.int64), **flags)


@reads("Cumprod")
def cumprod(g: Builder, layer: Layer, x: Value, axis: Value) -> Value:
    """A scan; exclusive drops the last and begins with one, reverse runs from the end."""
    (place,) = layer.integers(g, axis, "its axis")
    rank = len(layer.shape(x))
    place = layer.axis(place, rank)
    backward = layer.flag("reverse")
    if layer.flag("exclusive"):
        one = g.Expand(layer.number(x, 1), g.Shape(g.Slice(x, [0], [1], [place])))
        kept = g.Slice(x, [1], [2**31 - 1], [place]) if backward else g.Slice(x, [0], [-1], [place])
        x = g.Concat(kept, one, axis=place) if backward else g.Concat(one, kept, axis=place)
    dims = layer.shape(x)
    body = g.inner(f"{layer.name}_body")
    element = [dim for axis_, dim in enumerate(dims) if axis_ != place]
    state = body.input(f"{layer.name}_product", element, layer.element(x))
    item = body.input(f"{layer.name}_item", element, layer.element(x))
    after = body.Mul(state, item)
    body.graph.outputs.extend([after, body.op("Identity", after)])
    first = g.Squeeze(g.Slice(x, [0], [1], [place]), [place])
    start = g.Expand(layer.number(x, 1), g.Shape(first))
    direction = int(backward)
    _, found = g.ops("Scan", start, x, outputs=2, body=body.graph, num_scan_inputs=1, scan_input_axes=[place],
                     scan_output_axes=[place], scan_input_directions=[direction],
                     scan_output_directions=[direction])  # fmt: skip
    return _shaped(found, x)


def _shaped(found: Value, like: Value) -> Value:
    found.shape, found.type = like.shape, like.type
    return found


@reads("CumulativeLogsumexp")
def cumulative_logsumexp(g: Builder, layer: Layer, x: Value, axis: Value) -> Value:
    (place,) = layer.integers(g, axis, "its axis")
    most = g.ReduceMax(x, [place], keepdims=1)
    flags = {key: int(layer.flag(key)) for key in ("exclusive", "reverse")}
    return g.Add(g.Log(g.CumSum(g.Exp(g.Sub(x, most)), np.array(place, np.int64), **flags)), most)
