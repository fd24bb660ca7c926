"""Pooling: over windows, over everything, and to a given size."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.keras.read.layer import Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import padding, spatial
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value


def _axes(layer: Layer) -> int:
    return int(layer.kind[-2])


@reads("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Padding never wins."""
    return _pooled(g, layer, x, "MaxPool")


@reads("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Padding does not count."""
    return _pooled(g, layer, x, "AveragePool")


def _pooled(g: GraphBuilder, layer: Layer, x: Tensor, operator: str) -> Tensor:
    axes = _axes(layer)
    value, make = spatial(g, layer, x, axes)
    kernel = layer.window("pool_size", axes, 2)
    strides = layer.window("strides", axes, kernel)
    pads = padding(g, layer, value, kernel, strides, [1] * axes, layer.word("padding", "valid"))
    pads = {**pads, "count_include_pad": 0} if operator == "AveragePool" else pads
    return make(g.op(operator, value, kernel_shape=kernel, strides=strides, **pads))


@reads(
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
)  # fmt: skip
def global_pooling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    axes = _axes(layer)
    value, make = spatial(g, layer, x, axes)
    operator = "GlobalMaxPool" if "Max" in layer.kind else "GlobalAveragePool"
    return _reduced(g, layer, make(g.op(operator, value)), axes)


def _reduced(g: GraphBuilder, layer: Layer, x: Tensor, axes: int) -> Tensor:
    """[batch, C, 1...] as [batch, C], or as it is with ``keepdims``."""
    if layer.flag("keepdims", False):
        return x
    return Tensor(g.Flatten(x.value, axis=1), (0, 1))


@reads("GlobalAveragePooling1D")
def global_average_pooling1d(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Masked steps count neither in the sum nor in the number of steps."""
    value, make = spatial(g, layer, x, 1)
    mask = layer.kwargs.get("mask")
    counted = mask.plain(g) if isinstance(mask, Tensor) else x.mask
    if counted is None:
        return _reduced(g, layer, make(g.GlobalAveragePool(value)), 1)
    weights = g.Unsqueeze(cast(g, counted, layer.element(value)), [1])
    total = g.ReduceSum(g.Mul(value, weights), [2], keepdims=1)
    return _reduced(g, layer, make(g.Div(total, g.ReduceSum(weights, [2], keepdims=1))), 1)


@reads(
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D",
)  # fmt: skip
def adaptive_pooling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Window i of n covers [floor(i * size / n), ceil((i + 1) * size / n))."""
    axes = _axes(layer)
    value, make = spatial(g, layer, x, axes)
    return make(adaptive(g, layer, value, layer.window("output_size", axes), "Average" in layer.kind))


def adaptive(g: GraphBuilder, layer: Layer, value: Value, want: Sequence[int], average: bool) -> Value:
    """The spatial axes of a value with channels in axis 1 in so many windows."""
    axes, sizes = len(want), layer.fixed(g.shape(value)[2:])
    if all(size % to == 0 for size, to in zip(sizes, want, strict=True)):
        kernel = [size // to for size, to in zip(sizes, want, strict=True)]
        operator = "AveragePool" if average else "MaxPool"
        return g.op(operator, value, kernel_shape=kernel, strides=kernel, pads=[0] * (2 * axes))
    if max(want) > 1024:
        raise layer.unsupported(f"it pools to {list(want)} windows of unequal size, more than onnxhub writes out")
    for axis, (size, to) in enumerate(zip(sizes, want, strict=True), 2):
        value = _uneven(g, value, axis, size, to, average)
    return value


def _uneven(g: GraphBuilder, x: Value, axis: int, size: int, to: int, average: bool) -> Value:
    """Windows of unequal size along one axis, one slice each."""
    parts = []
    for index in range(to):
        first, last = index * size // to, -(-(index + 1) * size // to)
        part = g.Slice(x, [first], [last], [axis])
        parts.append(g.op("ReduceMean" if average else "ReduceMax", part, [axis], keepdims=1))
    return parts[0] if to == 1 else g.Concat(*parts, axis=axis)
