"""Pooling: ``padding`` is that of both sides together, and defaults to size - 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.formats.darknet.read.convolution import blurred
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

# What Darknet takes for the cells outside: a window that sees nothing else keeps it.
LOWEST = np.float32(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class _Window:
    """Windows along one axis: the first begins ``begin`` cells before the image, the last ends ``end`` behind it."""

    size: int
    stride: int
    begin: int
    end: int

    @property
    def empty(self) -> bool:
        """Whether some window may lie wholly outside."""
        return self.begin >= self.size or self.end >= self.size


def _window(layer: Layer, side: Dim, size: int, stride: int) -> _Window:
    """Output (i + padding - size)/stride + 1, windows from x * stride - padding/2 on.

    Before August 2018 the default padding was (size - 1)/2, the output (i + 2 * padding)/stride and the start
    x * stride - padding.
    """
    if layer.variant.old_pooling and layer.type == "maxpool":
        begin = layer.window("padding", (size - 1) // 2, least=0)
        if not isinstance(side, int):
            raise layer.free("the old pooling needs the size of its input")
        out = (side + 2 * begin) // stride
        if out < 1:
            raise layer.malformed(f"its stride of {stride} leaves nothing of its input of {side}")
    else:
        padding = layer.window("padding", size - 1, least=0)
        begin = padding // 2
        if not isinstance(side, int):
            if stride == 1 and padding == size - 1:
                return _Window(size, stride, begin, padding - begin)
            raise layer.free("with this stride and padding its pooling needs the size of its input")
        found = layer.out(side, padding, size, stride)
        assert isinstance(found, int)
        out = found
    return _Window(size, stride, begin, max((out - 1) * stride + size - side - begin, 0))


def _windows(layer: Layer, x: Value, antialiasing: bool = False) -> list[_Window]:
    stride = layer.window("stride")
    size = layer.window("size", stride)
    strides = [1, 1] if antialiasing else [layer.window("stride_y", stride), layer.window("stride_x", stride)]
    return [_window(layer, side, size, step) for side, step in zip(layer.plane(x), strides, strict=True)]


def _attributes(windows: list[_Window]) -> dict[str, list[int]]:
    return {
        "kernel_shape": [w.size for w in windows],
        "strides": [w.stride for w in windows],
        "pads": [*(w.begin for w in windows), *(w.end for w in windows)],
    }


@reads("maxpool", "max")
def maxpool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Cells outside count as the lowest float. AlexeyAB: ``maxpool_depth`` over channels, ``antialiasing``."""
    x = layer.image(g, x)
    if layer.whole("maxpool_depth"):
        return _over_channels(g, layer, x)
    blur = bool(layer.whole("antialiasing"))
    windows = _windows(layer, x, blur)
    attributes = _attributes(windows)
    if any(window.empty for window in windows):
        pads = [0, 0, *(w.begin for w in windows), 0, 0, *(w.end for w in windows)]
        y = g.MaxPool(g.Pad(x, pads, LOWEST), **{**attributes, "pads": [0] * 4})
    else:
        y = g.MaxPool(x, **attributes)
    if not blur:
        return y
    stride = layer.window("stride")
    return blurred(g, layer, y, [layer.window("stride_y", stride), layer.window("stride_x", stride)])


def _over_channels(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The largest of channels c, c + out_channels, c + 2 * out_channels, ..."""
    outputs, channels = layer.positive("out_channels"), layer.channels(x)
    if outputs > channels:
        raise layer.malformed(f"out_channels={outputs} is more than its {channels} channels")
    rest = -channels % outputs
    if rest:
        x = g.Pad(x, [0, 0, 0, 0, 0, rest, 0, 0], LOWEST)
    height, width = layer.sizes(x)[1:]
    return g.ReduceMax(g.Reshape(x, [0, (channels + rest) // outputs, outputs, height, width]), [1], keepdims=0)


@reads("local_avgpool", "local_avg")
def local_avgpool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The mean of the cells inside the image; windows as those of maxpool."""
    x = layer.image(g, x)
    windows = _windows(layer, x)
    if any(window.empty for window in windows):
        raise layer.unsupported("some of its windows lie wholly outside the image: Darknet divides by zero there")
    return g.AveragePool(x, **_attributes(windows), count_include_pad=0)


@reads("avgpool", "avg")
def avgpool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The mean of every channel, [N, C, 1, 1]."""
    return g.GlobalAveragePool(layer.image(g, x))
