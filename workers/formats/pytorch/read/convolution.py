"""Convolutions, plain and transposed."""

from __future__ import annotations

from typing import Any

from workers.formats.pytorch.read.layer import Layer, reads
from workers.hub.graph import GraphBuilder, Value


def convolve(
    g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
    dilation: Any, groups: Any,
) -> Value:  # fmt: skip
    """``padding``: numbers for both ends of each axis, or "same" (the surplus goes behind), or "valid"."""
    kernel = layer.sizes(weight)[2:]
    n = len(kernel)
    strides, steps = layer.integers(stride, n), layer.integers(dilation, n)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(steps, kernel, strict=True)]
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
    elif padding == "valid":
        pads = [0] * (2 * n)
    else:
        pads = layer.integers(padding, n) * 2
    unbatched = layer.rank(x) == n + 1
    x = g.Unsqueeze(x, [0]) if unbatched else x
    made = g.Conv(
        x, weight, bias, kernel_shape=kernel, strides=strides, pads=pads, dilations=steps, group=layer.integer(groups)
    )
    return g.Squeeze(made, [0]) if unbatched else made


def convolve_transposed(
    g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
    output_padding: Any, groups: Any, dilation: Any,
) -> Value:  # fmt: skip
    kernel = layer.sizes(weight)[2:]
    n = len(kernel)
    unbatched = layer.rank(x) == n + 1
    x = g.Unsqueeze(x, [0]) if unbatched else x
    made = g.ConvTranspose(
        x, weight, bias, kernel_shape=kernel, strides=layer.integers(stride, n), pads=layer.integers(padding, n) * 2,
        dilations=layer.integers(dilation, n), output_padding=layer.integers(output_padding, n),
        group=layer.integer(groups),
    )  # fmt: skip
    return g.Squeeze(made, [0]) if unbatched else made


@reads("aten::conv1d", "aten::conv2d", "aten::conv3d")
def conv(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: Any = 1,
) -> Value:  # fmt: skip
    return convolve(g, layer, input, weight, bias, stride, padding, dilation, groups)


@reads("aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d")
def conv_transpose(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1,
    padding: Any = 0, output_padding: Any = 0, groups: Any = 1, dilation: Any = 1,
) -> Value:  # fmt: skip
    return convolve_transposed(g, layer, input, weight, bias, stride, padding, output_padding, groups, dilation)


@reads("aten::convolution", "aten::_convolution", "aten::convolution_overrideable")
def convolution(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
    dilation: Any, transposed: Any, output_padding: Any, groups: Any, *_: Any, **__: Any,
) -> Value:  # fmt: skip
    """The traced form of all convolutions."""
    if transposed:
        return convolve_transposed(g, layer, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolve(g, layer, input, weight, bias, stride, padding, dilation, groups)


@reads("aten::_convolution_mode")
def convolution_mode(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any,
    dilation: Any, groups: Any,
) -> Value:  # fmt: skip
    return convolve(g, layer, input, weight, bias, stride, padding, dilation, groups)


@reads("aten::conv_depthwise3d", "aten::_conv_depthwise2d", "aten::thnn_conv2d", "aten::slow_conv3d")
def depthwise(
    g: GraphBuilder, layer: Layer, self: Value, weight: Value, kernel_size: Any, bias: Value | None = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1,
) -> Value:  # fmt: skip
    groups = layer.static(self, 1) if "depthwise" in layer.type else 1
    return convolve(g, layer, self, weight, bias, stride, padding, dilation, groups)


@reads("aten::conv_tbc")
def conv_tbc(g: GraphBuilder, layer: Layer, self: Value, weight: Value, bias: Value, pad: Any = 0) -> Value:
    """Data [time, batch, channels], weight [width, in, out]."""
    x, w = g.Transpose(self, perm=[1, 2, 0]), g.Transpose(weight, perm=[2, 1, 0])
    return g.Transpose(convolve(g, layer, x, w, bias, 1, pad, 1, 1), perm=[2, 0, 1])
