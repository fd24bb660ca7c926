"""Pooling over two spatial axes, and the normalisation over neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from workers.formats.tflite.read.layer import Layer, Out, Value, reads
from workers.formats.tflite.read.spatial import padding, window
from workers.hub.graph import GraphBuilder


def _pooling(g: GraphBuilder, layer: Layer) -> tuple[Value, dict[str, Any]]:
    layer.rank(0, 4)
    kernel, strides = window(layer, ["filter_height", "filter_width"]), window(layer, ["stride_h", "stride_w"])
    pads = padding(layer, layer.dims(0)[1:-1], kernel, strides, [1, 1])
    return layer.x(g, 0, first=True), {"kernel_shape": kernel, "strides": strides, **pads}


@reads("AVERAGE_POOL_2D")
def average_pool_2d(g: GraphBuilder, layer: Layer) -> Out:
    """Padding does not count."""
    x, attributes = _pooling(g, layer)
    y = g.AveragePool(x, count_include_pad=0, **attributes)
    if layer.held(0).quantised and not layer.scope.dequantize:
        y = _ties_away(g, layer, y, attributes)
    return Out(layer.activated(g, y), first=True)


def _ties_away(g: GraphBuilder, layer: Layer, y: Value, attributes: Mapping[str, Any]) -> Value:
    """A mean of stored integers half way between two becomes the one further from 0, where rounding takes the even one.

    Windows of an even number of elements end there once in that number, and every later layer hands it on. A nudge of a
    quarter of what two different means can differ by settles them, and only them.
    """
    source = layer.held(0).quantization
    if source is None or source.per_channel:
        return y
    count = math.prod(attributes["kernel_shape"])
    if count % 2 and not any(attributes.get("pads", (1,))):
        return y
    step, zero = float(source.scale[0]), int(source.zero_point[0])
    nudge = np.float32(step / (4 * count))
    if layer.outs[0].type == "uint8":
        return g.Add(y, nudge)
    return g.Add(y, g.Mul(g.Sign(g.Add(y, np.float32(step * zero)) if zero else y), nudge))


@reads("MAX_POOL_2D")
def max_pool_2d(g: GraphBuilder, layer: Layer) -> Out:
    x, attributes = _pooling(g, layer)
    return Out(layer.activated(g, g.MaxPool(x, **attributes)), first=True)


@reads("L2_POOL_2D")
def l2_pool_2d(g: GraphBuilder, layer: Layer) -> Out:
    """The root of the mean of squares."""
    x, attributes = _pooling(g, layer)
    y = g.Sqrt(g.AveragePool(g.Mul(x, x), count_include_pad=0, **attributes))
    return Out(layer.activated(g, y), first=True)


@reads("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(g: GraphBuilder, layer: Layer) -> Out:
    """x * (bias + alpha * sum)^-beta over ``radius`` channels on both sides; ONNX divides alpha by the window."""
    rank = layer.rank(0)
    radius = layer.i("radius")
    if rank < 3 or not 0 <= radius < 1 << 16:
        raise layer.malformed(f"its input has {rank} axes and its radius is {radius}")
    size = 2 * radius + 1
    y = g.LRN(layer.x(g, 0, first=True), size=size, alpha=layer.f("alpha") * size, beta=layer.f("beta"),
              bias=layer.f("bias"))  # fmt: skip
    return Out(y, first=True)
