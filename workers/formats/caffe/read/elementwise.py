"""Layers that combine bottoms element by element, or a bottom with a stored scale and bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.caffe.file import Array
from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import constant_of

MERGED = "onnxhub.merged"


@reads("Eltwise")
def eltwise(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """PROD, SUM with a coefficient a bottom, or MAX of bottoms of one shape; nothing is broadcast."""
    p = layer.eltwise_param
    if len(xs) < 2:
        raise layer.malformed("it needs two or more bottoms")
    _same_shape(layer, xs)
    if len(p.coeff) and (p.operation == "PROD" or len(p.coeff) != len(xs)):
        raise layer.malformed(f"{len(p.coeff)} coefficients for {p.operation} of {len(xs)} bottoms")
    if p.operation == "MAX":
        return g.Max(*xs)
    if p.operation == "PROD":
        result = xs[0]
        for x in xs[1:]:
            result = g.Mul(result, x)
        return result
    if p.operation != "SUM":
        raise layer.unsupported(f"operation {p.operation!r} is not known")
    return _sum(g, xs, [float(c) for c in p.coeff] or [1.0] * len(xs))


def _sum(g: GraphBuilder, xs: tuple[Value, ...], coefficients: list[float]) -> Value:
    """A chain of Add and Sub, with Mul where a coefficient is neither 1 nor -1."""
    first = coefficients[0]
    result = xs[0] if first == 1 else g.Mul(xs[0], first)
    for x, c in zip(xs[1:], coefficients[1:], strict=True):
        result = g.Sub(result, x) if c == -1 else g.Add(result, x if c == 1 else g.Mul(x, c))
    return result


def _same_shape(layer: Layer, xs: tuple[Value, ...]) -> None:
    first = layer.shape(xs[0])
    for x in xs[1:]:
        shape = layer.shape(x)
        fits = len(shape) == len(first) and all(
            a == b or not (isinstance(a, int) and isinstance(b, int)) for a, b in zip(first, shape, strict=True)
        )
        if not fits:
            raise layer.malformed(f"its bottoms differ in shape: {_words(first)} and {_words(shape)}")


def _words(shape: tuple[Any, ...]) -> str:
    return "x".join("?" if dim is None else str(dim) for dim in shape) or "()"


@reads("Scale")
def scale(g: GraphBuilder, layer: Layer, x: Value, factor: Value | None = None) -> Value:
    """x * blob (+ blob), the blob's axes beginning at ``axis``; with two bottoms the second is the factor.

    Directly behind a BatchNorm whose result nothing else reads, it becomes that node's scale and bias.
    """
    p = layer.scale_param
    if factor is not None:
        y, shape = _broadcast(g, layer, x, factor, p.axis, "Mul")
        if not p.bias_term:
            return y
        return g.Add(y, layer.weight(g, 0, shape, "bias", _under(layer, x, p.axis, len(shape))))
    axis, shape = _stored_axes(layer, x, p.axis, p.num_axes)
    if axis == 1 and len(shape) == 1 and _bare_batch_norm(layer, x):
        return _merge(g, layer, x, shape)
    view = _under(layer, x, p.axis, len(shape))
    y = g.Mul(x, layer.weight(g, 0, shape, "weight", view))
    return g.Add(y, layer.weight(g, 1, shape, "bias", view)) if p.bias_term else y


@reads("Bias")
def bias(g: GraphBuilder, layer: Layer, x: Value, addend: Value | None = None) -> Value:
    """x + blob, the blob's axes beginning at ``axis``; with two bottoms the second is added."""
    p = layer.bias_param
    if addend is not None:
        return _broadcast(g, layer, x, addend, p.axis, "Add")[0]
    _, shape = _stored_axes(layer, x, p.axis, p.num_axes)
    return g.Add(x, layer.weight(g, 0, shape, "bias", _under(layer, x, p.axis, len(shape))))


def _stored_axes(layer: Layer, x: Value, axis: int, num_axes: int) -> tuple[int, tuple[int, ...]]:
    """The blob's shape: the bottom's from ``axis`` on, ``num_axes`` of them (-1: all, 0: a scalar)."""
    rank = layer.rank(x)
    first = layer.axis(axis, rank)
    stop = rank if num_axes == -1 else first + num_axes
    if num_axes < -1 or stop > rank:
        raise layer.malformed(f"axis {axis} and num_axes {num_axes} do not fit a bottom of {rank} axes")
    return first, layer.sizes(x, first, stop)


def _under(layer: Layer, x: Value, axis: int, count: int) -> Any:
    """A view that puts a blob of ``count`` axes under the bottom's from ``axis`` on: ones behind it."""
    rank = layer.rank(x)
    trailing = rank - (layer.axis(axis, rank) + count) if count else 0

    def view(array: Array) -> Array:
        return array.reshape((*array.shape, *[1] * trailing))

    return view


def _broadcast(
    g: GraphBuilder, layer: Layer, x: Value, other: Value, axis: int, op: str
) -> tuple[Value, tuple[int, ...]]:
    """``x op other`` with the second bottom's axes beginning at ``axis``; also the shape a bias blob would have."""
    rank, count = layer.rank(x), layer.rank(other)
    first = 0 if count == 0 else layer.axis(axis, rank)
    if first + count > rank:
        raise layer.malformed(f"a second bottom of {count} axes does not fit behind axis {axis} of the first")
    for a, b in zip(layer.shape(x)[first:], layer.shape(other), strict=False):
        if isinstance(a, int) and isinstance(b, int) and a != b:
            raise layer.malformed(f"its second bottom has {b} where the first has {a}")
    trailing = rank - first - count if count else 0
    if trailing:
        other = g.Unsqueeze(other, list(range(count, count + trailing)))
    shape = layer.sizes(x, first, first + count) if op == "Mul" and layer.scale_param.bias_term else ()
    return g.op(op, x, other), shape


def _bare_batch_norm(layer: Layer, x: Value) -> bool:
    """Whether ``x`` comes from a BatchNorm layer's own node, still with scale 1 and bias 0, and only goes here."""
    node, blob = x.producer(), layer.step.bottoms[0]
    return (
        node is not None
        and blob.maker is not None
        and blob.maker.record.type == "BatchNorm"
        and node.op_type == "BatchNormalization"
        and node.metadata_props.get("onnxhub.layer_type") == "BatchNorm"
        and MERGED not in node.metadata_props
        and blob.uses == 1
        and len(x.uses()) == 0
    )


def _merge(g: GraphBuilder, layer: Layer, x: Value, shape: tuple[int, ...]) -> Value:
    """Exact: BatchNormalization itself multiplies by its scale and adds its bias."""
    node = x.producer()
    if node is None:
        raise ValueError("a value without a producer cannot be merged")
    old = [node.inputs[1], node.inputs[2] if layer.scale_param.bias_term else None]
    node.replace_input_with(1, layer.weight(g, 0, shape, "weight"))
    if layer.scale_param.bias_term:
        node.replace_input_with(2, layer.weight(g, 1, shape, "bias"))
    node.metadata_props[MERGED] = layer.name
    for value in old:
        if value is not None and value.name and constant_of(value) is not None and not value.uses():
            del g.graph.initializers[value.name]
    return x


@reads("Axpy")
def axpy(g: GraphBuilder, layer: Layer, a: Value, x: Value, y: Value) -> Value:
    """a * x + y with one factor a channel (squeeze and excitation): a is [N, C, 1, 1] or [N, C]."""
    layer.rank(x, 4)
    _same_shape(layer, (x, y))
    if layer.rank(a, 2, 4) == 2:
        a = g.Unsqueeze(a, [2, 3])
    elif layer.shape(a)[2:] != (1, 1) or layer.shape(a)[1] != layer.shape(x)[1]:
        raise layer.malformed("its first bottom must be one factor a channel")
    return g.Add(g.Mul(a, x), y)


@reads("Parameter")
def parameter(g: GraphBuilder, layer: Layer) -> Value:
    """A learned blob."""
    shape = tuple(int(dim) for dim in layer.parameter_param.shape.dim)
    return layer.weight(g, 0, shape, "value", np.asarray)
