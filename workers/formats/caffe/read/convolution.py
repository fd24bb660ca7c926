"""Convolution, Deconvolution and Im2col, with any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.formats.caffe.file import Array
from workers.formats.caffe.read.layer import Layer, Value, pairs, reads
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class _Window:
    kernel: list[int]
    stride: list[int]
    pad: list[int]
    dilation: list[int]

    def attributes(self) -> dict[str, list[int]]:
        return {
            "kernel_shape": self.kernel, "strides": self.stride, "pads": self.pad * 2, "dilations": self.dilation,
        }  # fmt: skip

    def out(self, layer: Layer, sizes: Sequence[int | str | None]) -> list[int]:
        """floor((i + 2p - (d(k-1)+1)) / s) + 1 for every axis that is fixed; raises when nothing would be left."""
        result = []
        for i, k, s, p, d in zip(sizes, self.kernel, self.stride, self.pad, self.dilation, strict=True):
            if isinstance(i, int):
                out = (i + 2 * p - (d * (k - 1) + 1)) // s + 1
                if out < 1:
                    raise layer.malformed(f"a kernel of {k} with dilation {d} does not fit a side of {i} with pad {p}")
                result.append(out)
        return result


def _window(layer: Layer, p: Any, x: Value) -> _Window:
    """Kernel, stride, pad and dilation for the axes behind the channel axis, which must be 1."""
    rank = layer.rank(x)
    if rank < 3:
        raise layer.malformed(f"its bottom has {rank} axes; there is no spatial one")
    if layer.axis(p.axis, rank) != 1:
        raise layer.unsupported(f"its channel axis is {p.axis}; ONNX convolves with the channels on axis 1 only")
    count = rank - 2
    window = _Window(
        pairs(layer, p, "kernel_size", 0, count), pairs(layer, p, "stride", 1, count),
        pairs(layer, p, "pad", 0, count), pairs(layer, p, "dilation", 1, count),
    )  # fmt: skip
    if min(*window.kernel, *window.stride, *window.dilation, 1) < 1:
        raise layer.malformed("kernel, stride and dilation must be given and positive")
    if max(*window.kernel, *window.stride, *window.dilation, *window.pad) > 2**20:
        raise layer.malformed("kernel, stride, pad or dilation is absurdly large")
    return window


def _grouped(layer: Layer, p: Any, channels: int, depthwise: bool) -> int:
    group = channels if depthwise and not p.has("group") else int(p.group)
    if group < 1 or channels % group or p.num_output < 1 or p.num_output % group:
        raise layer.malformed(f"{channels} channels and {p.num_output} outputs cannot be split into {group} groups")
    return group


@reads("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv")
def convolution(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Cross-correlation; every further bottom is convolved with the same weights into its own top.

    The depthwise aliases of the forks leave ``group`` out: one group a channel.
    """
    p = layer.convolution_param
    tops = []
    for x in xs:
        window, channels = _window(layer, p, x), layer.channels(x)
        window.out(layer, layer.shape(x)[2:])
        group = _grouped(layer, p, channels, depthwise=layer.type != "Convolution")
        w = layer.weight(g, 0, (p.num_output, channels // group, *window.kernel), "weight")
        b = layer.weight(g, 1, (p.num_output,), "bias") if p.bias_term else None
        tops.append(g.Conv(x, w, b, group=group, **window.attributes()))
    return tops


@reads("Deconvolution")
def deconvolution(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Transposed convolution, blob [I, O/group, k...]: output s(i-1) + d(k-1)+1 - 2p.

    A layer without stored weights but with the ``bilinear`` filler is an upsampling that Caffe itself fills in.
    """
    p = layer.convolution_param
    tops = []
    for x in xs:
        window, channels = _window(layer, p, x), layer.channels(x)
        for i, k, s, pad, d in zip(
            layer.shape(x)[2:], window.kernel, window.stride, window.pad, window.dilation, strict=True
        ):
            if isinstance(i, int) and s * (i - 1) + d * (k - 1) + 1 - 2 * pad < 1:
                raise layer.malformed(f"pad {pad} crops everything from a side of {i}")
        group = _grouped(layer, p, channels, depthwise=False)
        shape = (channels, p.num_output // group, *window.kernel)
        if not layer.stored and _is_bilinear(p, shape):
            w = g.weight(f"{layer.name}.weight", _bilinear(layer, shape))
        else:
            w = layer.weight(g, 0, shape, "weight")
        b = layer.weight(g, 1, (p.num_output,), "bias") if p.bias_term else None
        tops.append(g.ConvTranspose(x, w, b, group=group, **window.attributes()))
    return tops


def _is_bilinear(p: Any, shape: tuple[int, ...]) -> bool:
    """Whether Caffe itself would fill in an upsampling: the filler, no bias, square two-dimensional kernels."""
    return bool(p.weight_filler.type == "bilinear" and not p.bias_term and len(shape) == 4 and shape[2] == shape[3])


def _bilinear(layer: Layer, shape: tuple[int, ...]) -> Array:
    """Caffe's bilinear filler: w[y, x] = (1 - |x/f - c|)(1 - |y/f - c|), f = ceil(k/2), c = (2f - 1 - f%2) / 2f."""
    side = shape[-1]
    f = -(-side // 2)
    centre = (2 * f - 1 - f % 2) / (2 * f)
    line = 1 - np.abs(np.arange(side) / f - centre)
    layer.note("filled-weights", "The weights are in no file; Caffe's bilinear filler computes them.")
    return np.broadcast_to(np.outer(line, line).astype(np.float32), shape).copy()


@reads("Im2col")
def im2col(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Every window as a column: [N, C*k*k, oh, ow]; said as a convolution with one-hot kernels, one group a channel."""
    p = layer.convolution_param
    window, channels = _window(layer, p, x), layer.channels(x)
    window.out(layer, layer.shape(x)[2:])
    size = int(np.prod(window.kernel))
    if channels * size * size > 1 << 24:
        raise layer.unsupported(f"{channels} channels of {size} positions make too large a one-hot kernel")
    eye = np.eye(size, dtype=np.float32).reshape(size, 1, *window.kernel)
    kernel = g.weight(f"{layer.name}.windows", np.tile(eye, (channels, *[1] * (eye.ndim - 1))))
    return g.Conv(x, kernel, group=channels, **window.attributes())
