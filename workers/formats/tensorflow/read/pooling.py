"""Pooling. Cells of SAME padding never count in an average."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import FLOATS
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.convolution import Layout, layout_of, padding
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads


def _window(layer: Layer, form: Layout, ksize: list[int], strides: list[int]) -> tuple[list[int], list[int]]:
    for values, key in ((ksize, "ksize"), (strides, "strides")):
        if len(values) != form.spatial + 2 or form.others(values) != [1, 1] or any(v < 1 for v in values):
            raise layer.unsupported(f"its {key} is {values}: it pools over the batch or the channels")
    return form.space(ksize), form.space(strides)


def _pool(
    g: Builder, layer: Layer, x: Value, spatial: int, average: bool, ksize: list[int], strides: list[int]
) -> Value:
    form = layout_of(layer, spatial)
    layer.rank(x, spatial + 2)
    kernel, steps = _window(layer, form, ksize, strides)
    source = form.first(g, x)
    pads = padding(layer, form, source, kernel, steps, [1] * spatial)
    if not average and layer.element(x) not in FLOATS:
        raise layer.unsupported(f"it pools {layer.element(x).name} numbers")
    if average:
        result = g.AveragePool(source, kernel_shape=kernel, strides=steps, count_include_pad=0, **pads)
    else:
        result = g.MaxPool(source, kernel_shape=kernel, strides=steps, **pads)
    return form.back(g, result)


def _over_channels(g: Builder, layer: Layer, x: Value, ksize: list[int], strides: list[int]) -> Value | None:
    """The largest of every few neighbouring channels (maxout), by windows side by side that fill the channels."""
    if layer.type != "MaxPool" or ksize != strides or ksize[:3] != [1, 1, 1] or layer.s("data_format") == "NCHW":
        return None
    channels = layer.size(x, 3)
    if ksize[3] < 2 or channels % ksize[3]:
        return None
    split = g.Reshape(x, [0, 0, 0, channels // ksize[3], ksize[3]])
    return g.ReduceMax(split, [4], keepdims=0)


@reads("MaxPool", "MaxPool3D", "AvgPool", "AvgPool3D")
def pool(g: Builder, layer: Layer, x: Value) -> Value:
    maxout = _over_channels(g, layer, x, layer.ints("ksize"), layer.ints("strides"))
    if maxout is not None:
        return maxout
    spatial = 3 if layer.type.endswith("3D") else 2
    average = layer.type.startswith("Avg")
    return _pool(g, layer, x, spatial, average, layer.ints("ksize"), layer.ints("strides"))


@reads("MaxPoolV2", "AvgPoolV2")
def pool_v2(g: Builder, layer: Layer, x: Value, ksize: Value, strides: Value) -> Value:
    sizes = layer.integers(g, ksize, "its window"), layer.integers(g, strides, "its strides")
    return _pool(g, layer, x, 2, layer.type.startswith("Avg"), *sizes)


@reads("MaxPoolWithArgmax")
def max_pool_with_argmax(g: Builder, layer: Layer, x: Value) -> list[Value]:
    """The places count in the flattened [H, W, C] of an image, or of the batch: ONNX counts along [N, C, H, W]."""
    form = Layout(True, 2)
    kernel, steps = _window(layer, form, layer.ints("ksize"), layer.ints("strides"))
    source = form.first(g, x)
    pads = padding(layer, form, source, kernel, steps, [1, 1])
    result, places = g.ops("MaxPool", source, outputs=2, kernel_shape=kernel, strides=steps, **pads)
    channels, height, width = layer.sizes(source, 1)
    area = np.array(height * width, np.int64)
    within = g.Mod(places, area)
    rest = g.Div(places, area)
    channel = g.Mod(rest, np.array(channels, np.int64))
    found = g.Add(g.Mul(within, np.array(channels, np.int64)), channel)
    if layer.flag("include_batch_in_index"):
        batch = g.Div(rest, np.array(channels, np.int64))
        found = g.Add(found, g.Mul(batch, np.array(height * width * channels, np.int64)))
    return [form.back(g, result), cast(g, form.back(g, found), layer.dtype("Targmax", "DT_INT64"))]
