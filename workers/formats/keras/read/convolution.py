"""Convolutions: plain, grouped, depthwise and separable, over one to three axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.keras.read.activation import activate
from workers.formats.keras.read.layer import Array, Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import oihw, padding, spatial
from workers.hub.graph import GraphBuilder, Value

AXES = {"Conv1D": 1, "Conv2D": 2, "Conv3D": 3, "DepthwiseConv1D": 1, "DepthwiseConv2D": 2, "SeparableConv1D": 1,
        "SeparableConv2D": 2}  # fmt: skip


@reads("Conv1D", "Conv2D", "Conv3D")
def convolution(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Kernel [*window, in / groups, filters]; ``causal`` pads in front."""
    axes = AXES[layer.kind]
    value, make = spatial(g, layer, x, axes)
    kernel = layer.window("kernel_size", axes)
    groups = layer.integer("groups", 1)
    array = oihw(layer, layer.array("kernel"), axes)
    channels = layer.fixed(g.shape(value)[1:2])[0]
    _check(layer, array, [array.shape[0], channels // max(groups, 1), *kernel])
    if groups < 1 or channels % groups or array.shape[0] % groups:
        raise layer.malformed(f"{channels} channels and {array.shape[0]} filters cannot be taken in {groups} groups")
    y = convolved(g, layer, value, array, "kernel", groups=groups)
    return activate(g, layer, make(y), layer.config.get("activation"))


def _check(layer: Layer, array: Array, want: Sequence[int]) -> None:
    if list(array.shape) != list(want):
        raise layer.malformed(f"its kernel has the shape {list(array.shape)} [out, in, window], not {list(want)}")


def convolved(
    g: GraphBuilder, layer: Layer, x: Value, array: Array, label: str, *, groups: int = 1, bias: bool = True,
    strides: Sequence[int] | None = None,
) -> Value:  # fmt: skip
    """One ONNX Conv by the layer's window and its kernel [out, in, *window]."""
    axes = array.ndim - 2
    kernel = list(array.shape[2:])
    strides = list(strides or layer.window("strides", axes, 1))
    dilations = layer.window("dilation_rate", axes, 1)
    pads = padding(g, layer, x, kernel, strides, dilations, layer.word("padding", "valid"))
    return g.Conv(
        x, layer.weight(g, label, array, layer.element(x)), biases(g, layer, x, array.shape[0]) if bias else None,
        kernel_shape=kernel, strides=strides, dilations=dilations, group=groups, **pads,
    )  # fmt: skip


def biases(g: GraphBuilder, layer: Layer, x: Value, filters: int) -> Value | None:
    if not layer.flag("use_bias", True):
        return None
    return layer.weight(g, "bias", layer.array("bias", filters), layer.element(x))


@reads("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Kernel [*window, C, M]: output channel c * M + m comes from input channel c."""
    axes = AXES[layer.kind]
    value, make = spatial(g, layer, x, axes)
    array = per_channel(layer, axes)
    channels = layer.fixed(g.shape(value)[1:2])[0]
    _check(layer, array, [channels * layer.integer("depth_multiplier", 1), 1, *layer.window("kernel_size", axes)])
    strides = layer.window("strides", axes, 1)
    y = convolved(g, layer, value, array, "depthwise_kernel", groups=channels, strides=strides)
    return activate(g, layer, make(y), layer.config.get("activation"))


def per_channel(layer: Layer, axes: int) -> Array:
    """A depthwise kernel as [C * M, 1, *window]."""
    array = layer.array("depthwise_kernel")
    if layer.generation == 1 and layer.word("data_format", "channels_last") == "channels_first" and array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    if array.ndim != axes + 2:
        raise layer.malformed(f"its depthwise kernel has {array.ndim} axes, the layer needs {axes + 2}")
    if layer.scope.flip:
        array = np.flip(array, tuple(range(axes)))
    window, channels, multiplier = array.shape[:axes], array.shape[axes], array.shape[axes + 1]
    return array.transpose(axes, axes + 1, *range(axes)).reshape(channels * multiplier, 1, *window)


@reads("SeparableConv1D", "SeparableConv2D")
def separable(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """A depthwise convolution without bias, then one over single positions."""
    axes = AXES[layer.kind]
    value, make = spatial(g, layer, x, axes)
    array = per_channel(layer, axes)
    channels = layer.fixed(g.shape(value)[1:2])[0]
    _check(layer, array, [channels * layer.integer("depth_multiplier", 1), 1, *layer.window("kernel_size", axes)])
    y = convolved(g, layer, value, array, "depthwise_kernel", groups=channels, bias=False)
    points = oihw(layer, layer.array("pointwise_kernel"), axes)
    _check(layer, points, [points.shape[0], array.shape[0], *[1] * axes])
    weight = layer.weight(g, "pointwise_kernel", points, layer.element(y))
    y = g.Conv(y, weight, biases(g, layer, y, points.shape[0]), kernel_shape=[1] * axes, strides=[1] * axes,
               dilations=[1] * axes, pads=[0] * (2 * axes), group=1)  # fmt: skip
    return activate(g, layer, make(y), layer.config.get("activation"))
