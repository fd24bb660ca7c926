"""Convolutions: plain, depthwise, transposed, of two and three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.tflite.read.align import sized
from workers.formats.tflite.read.layer import Layer, Out, Value, reads
from workers.formats.tflite.read.spatial import SAME, padding, window
from workers.hub.graph import GraphBuilder

FLAT, DEEP = ("h", "w"), ("d", "h", "w")
INT32 = np.iinfo(np.int32)


def bias(g: GraphBuilder, layer: Layer, index: int, weight: int, data: int, count: int) -> Value | None:
    """The bias as real numbers [count]; integers count in steps of the input's scale times the weight's."""
    if not layer.has(index):
        return None
    size = layer.sizes(index)
    if int(np.prod(size)) != count:
        raise layer.malformed(f"its bias has the shape {size}, the layer needs [{count}]")
    array, inner, outer = layer.const(index), layer.held(data).quantization, layer.held(weight).quantization
    if array is None or array.dtype.kind != "i" or inner is None or outer is None:
        x = layer.x(g, index)
        return x if len(size) == 1 else g.Reshape(x, [count])
    scale = (inner.scale.astype(np.float64) * outer.scale.astype(np.float64)).astype(np.float32)
    array = array.reshape(count)
    if layer.scope.dequantize or array.min(initial=0) < INT32.min or array.max(initial=0) > INT32.max:
        return g.constant((array * scale.astype(np.float64)).astype(np.float32))
    stored = g.weight(layer.held(index).tensor.name, array.astype(np.int32, copy=False))
    if scale.size == 1:
        return g.DequantizeLinear(stored, g.constant(scale.reshape(())))
    if scale.size != count:
        raise layer.malformed(f"its weight has {scale.size} scales for {count} filters")
    return g.DequantizeLinear(stored, g.constant(scale), axis=0)


def convolved(g: GraphBuilder, layer: Layer, weight: Value, kernel: list[int], axes: Sequence[str], groups: int) -> Out:
    """The convolution of input 0 by ``weight``, channels first, with the layer's windows and activation."""
    strides = window(layer, [f"stride_{axis}" for axis in axes])
    dilations = window(layer, [f"dilation_{axis}_factor" for axis in axes], 1)
    count = int(layer_filters(layer, weight))
    sizes = layer.dims(0)[1:-1]
    y = g.Conv(
        layer.x(g, 0, first=True), weight, bias(g, layer, 2, 1, 0, count), kernel_shape=kernel, strides=strides,
        dilations=dilations, group=groups, **padding(layer, sizes, kernel, strides, dilations),
    )  # fmt: skip
    return Out(layer.activated(g, y), first=True)


def layer_filters(layer: Layer, weight: Value, axis: int = 0) -> int:
    size = GraphBuilder.shape(weight)[axis]
    if not isinstance(size, int):
        raise layer.unsupported("its weight has a size that depends on the data")
    return size


@reads("CONV_2D")
def conv_2d(g: GraphBuilder, layer: Layer) -> Out:
    """Weight [filters, height, width, channels per group]; the number of groups follows from the channels."""
    layer.rank(0, 4)
    layer.rank(1, 4)
    _, *kernel, inner = layer.sizes(1)
    channels = layer.size(0, 3)
    if inner < 1 or channels % inner:
        raise layer.malformed(f"its filters take {inner} channels and its input has {channels}")
    return convolved(g, layer, layer.kernel(g, 1, (0, 3, 1, 2)), kernel, FLAT, channels // inner)


@reads("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(g: GraphBuilder, layer: Layer) -> Out:
    """Weight [1, height, width, channels * multiplier], the filters of one channel side by side."""
    layer.rank(0, 4)
    layer.rank(1, 4)
    one, *kernel, filters = layer.sizes(1)
    channels = layer.size(0, 3)
    if one != 1 or channels < 1 or filters % channels:
        raise layer.malformed(f"its weight has {filters} filters for {channels} channels")
    return convolved(g, layer, layer.kernel(g, 1, (3, 0, 1, 2)), kernel, FLAT, channels)


@reads("CONV_3D")
def conv_3d(g: GraphBuilder, layer: Layer) -> Out:
    """Weight [depth, height, width, channels per group, filters]."""
    layer.rank(0, 5)
    layer.rank(1, 5)
    *kernel, inner, _ = layer.sizes(1)
    channels = layer.size(0, 4)
    if inner < 1 or channels % inner:
        raise layer.malformed(f"its filters take {inner} channels and its input has {channels}")
    return convolved(g, layer, layer.kernel(g, 1, (4, 3, 0, 1, 2)), kernel, DEEP, channels // inner)


# --- transposed ------------------------------------------------------------------------------------------------------


@reads("TRANSPOSE_CONV")
def transpose_conv(g: GraphBuilder, layer: Layer) -> Out:
    """Inputs: the result's shape, weight [filters, height, width, channels], data, bias."""
    layer.rank(1, 4)
    layer.rank(2, 4)
    filters, *kernel, channels = layer.sizes(1)
    weight = layer.kernel(g, 1, (3, 0, 1, 2), data=2)
    return _transposed(g, layer, weight, kernel, FLAT, filters, channels)


@reads("CONV_3D_TRANSPOSE")
def conv_3d_transpose(g: GraphBuilder, layer: Layer) -> Out:
    """Weight [depth, height, width, filters, channels]."""
    layer.rank(1, 5)
    layer.rank(2, 5)
    *kernel, filters, channels = layer.sizes(1)
    weight = layer.kernel(g, 1, (4, 3, 0, 1, 2), data=2)
    return _transposed(g, layer, weight, kernel, DEEP, filters, channels)


def _transposed(
    g: GraphBuilder, layer: Layer, weight: Value, kernel: list[int], axes: Sequence[str], filters: int, channels: int
) -> Out:
    """What reaches beyond the wanted size is cut; what it leaves out is zero plus bias."""
    count = len(kernel)
    layer.same(layer.size(2, count + 1), channels, "the number of channels")
    strides = window(layer, [f"stride_{axis}" for axis in axes])
    dilations = window(layer, [f"dilation_{axis}_factor" for axis in axes], 1)
    if any(size != 1 for size in dilations):
        raise layer.unsupported("TensorFlow Lite's kernel takes no dilation here")
    begin, end = _cut(layer, kernel, strides)
    b = bias(g, layer, 3, 1, 2, filters)
    beyond = [max(-cut, 0) for cut in end]
    x = layer.x(g, 2, first=True)
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": begin + [max(c, 0) for c in end]}
    if all(more < stride for more, stride in zip(beyond, strides, strict=True)):
        y = g.ConvTranspose(x, weight, b, output_padding=beyond if any(beyond) else None, **attributes)
        return Out(layer.activated(g, sized(y, [layer.dims(2)[0], filters, *_wanted(layer, count)])), first=True)
    y = g.Pad(g.ConvTranspose(x, weight, **attributes), [*[0] * (count + 4), *beyond], np.float32(0))
    if b is not None:
        y = g.Add(y, g.Reshape(b, [filters, *[1] * count]))
    return Out(layer.activated(g, y), first=True)


def _cut(layer: Layer, kernel: list[int], strides: list[int]) -> tuple[list[int], list[int]]:
    """How much is cut at the beginning and, negative where something is added, at the end.

    The padding is that of the convolution which would lead from the wanted size back to the input's.
    """
    count = len(kernel)
    wanted = _wanted(layer, count)
    begin, end = [], []
    for axis, (k, s) in enumerate(zip(kernel, strides, strict=True)):
        size, have = wanted[axis], layer.dims(2)[axis + 1]
        if size is None:
            total = max(k - s, 0) if layer.i("padding") == SAME else 0
            begin.append(total // 2)
            end.append(total - total // 2 if k >= s else k - s)
            continue
        if not isinstance(have, int):
            raise layer.free(f"it needs the size of axis {axis + 1} of its input")
        back = -(-size // s) if layer.i("padding") == SAME else -(-(size - k + 1) // s)
        if (layer.i("padding") == SAME and back != have) or size < 1:
            raise layer.malformed(f"its result of size {size} does not belong to an input of size {have}")
        before = max((back - 1) * s + k - size, 0) // 2 if layer.i("padding") == SAME else 0
        begin.append(before)
        end.append((have - 1) * s + k - before - size)
    return begin, end


def _wanted(layer: Layer, count: int) -> list[int | None]:
    """The spatial sizes of the result, None where they are computed: they then are stride times the input's."""
    known = layer.known(0)
    if known is not None and known.size == count + 2:
        return [size if isinstance(size, int) else None for size in known.reshape(-1)[1:-1]]
    shape, free = layer.outs[0].shape, layer.outs[0].signature or layer.outs[0].shape
    if len(shape) == count + 2 == len(free) and layer.i("padding") == SAME:
        return [size if open_ >= 0 else None for size, open_ in zip(shape[1:-1], free[1:-1], strict=True)]
    raise layer.unsupported("the shape of its result is computed")
