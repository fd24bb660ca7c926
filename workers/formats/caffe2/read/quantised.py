"""Quantised layers: uint8 tensors that mean scale * (q - zero), between a DequantizeLinear and a QuantizeLinear.

Caffe2's integer kernels compute with the same numbers and round at the end of every layer, as these pairs do.
"""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read.convolution import convolved, transposed
from workers.formats.caffe2.read.layer import F32, U8, Array, Layer, Scale, Value, prod, reads
from workers.formats.caffe2.read.pooling import averaged, largest
from workers.formats.caffe2.read.resize import nearest
from workers.formats.caffe2.read.shape import concatenated, cut, shuffled
from workers.formats.caffe2.read.sizes import reshape, times
from workers.formats.caffe2.read.windows import moved
from workers.hub.graph import GraphBuilder


def _scale(layer: Layer) -> Scale:
    """What the numbers of the layer's result mean."""
    scale, zero = layer.real("Y_scale"), layer.integer("Y_zero_point")
    if not scale > 0 or not 0 <= zero <= 255:
        raise layer.malformed(f"its Y_scale is {scale:g}, its Y_zero_point {zero}")
    return Scale(scale, zero)


def _meaning(layer: Layer, x: Value) -> Scale:
    found = layer.scope.quantised.get(x)
    if found is None:
        raise layer.malformed(f"its input {x.name!r} is not quantised")
    return found


def _unsigned(layer: Layer, x: Value) -> Scale:
    """Of a tensor of uint8; the bias of a layer is of int32 and cannot stand for one."""
    if layer.element(x) != U8:
        raise layer.malformed(f"its input {x.name!r} is {layer.element(x).name}, not UINT8")
    return _meaning(layer, x)


def real(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The numbers that a quantised tensor means."""
    scale = _unsigned(layer, x)
    return g.DequantizeLinear(x, np.asarray(scale.scale, np.float32), np.asarray(scale.zero, np.uint8))


def quantised(g: GraphBuilder, layer: Layer, y: Value, scale: Scale | None = None) -> Value:
    """Rounded half to even and kept within 0 to 255."""
    scale = scale or _scale(layer)
    q = g.QuantizeLinear(y, np.asarray(scale.scale, np.float32), np.asarray(scale.zero, np.uint8))
    layer.scope.quantised[q] = scale
    return q


def _kept(layer: Layer, y: Value, x: Value) -> Value:
    """A layer that only moves numbers leaves their meaning as it is."""
    layer.scope.quantised[y] = _meaning(layer, x)
    return y


def _weight(g: GraphBuilder, layer: Layer, weight: Value, array: Array | None = None) -> Value:
    """A weight of uint8, channels first, and what its numbers mean."""
    scale = _unsigned(layer, weight)
    q = weight if array is None else g.weight(f"{layer.name}.weight", array)
    return g.DequantizeLinear(q, np.asarray(scale.scale, np.float32), np.asarray(scale.zero, np.uint8))


def _channels_first(g: GraphBuilder, layer: Layer, weight: Value) -> Value:
    """[filters, kernel..., channels] from a file, viewed in ONNX's order."""
    array = g.const(weight)
    if array is None:
        raise layer.unsupported("its weight is computed while the net runs")
    if array.ndim < 3:
        raise layer.malformed(f"its weight has the shape {list(array.shape)}")
    return _weight(g, layer, weight, np.moveaxis(array, -1, 1))


def _bias(g: GraphBuilder, layer: Layer, bias: Value | None) -> Value | None:
    """int32 numbers whose scale is that of the input times that of the weight."""
    if bias is None:
        return None
    array = g.const(bias)
    if array is None:
        raise layer.unsupported("its bias is computed while the net runs")
    scale = _meaning(layer, bias)
    with np.errstate(all="ignore"):
        return g.weight(f"{layer.name}.bias", ((array - scale.zero) * np.float64(scale.scale)).astype(np.float32))


# --- in and out ------------------------------------------------------------------------------------------------------


@reads("Int8Quantize")
def int8_quantize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    if layer.element(x) != F32:
        raise layer.malformed("it takes float32")
    return quantised(g, layer, x)


@reads("Int8Dequantize")
def int8_dequantize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return real(g, layer, x)


# --- products --------------------------------------------------------------------------------------------------------


@reads("Int8Conv", "Int8ConvRelu")
def int8_conv(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """NHWC, as all quantised layers."""
    _nhwc(layer, x)
    y = convolved(g, layer, _first(g, layer, x), _channels_first(g, layer, weight), _bias(g, layer, bias))
    y = g.Relu(y) if layer.type == "Int8ConvRelu" else y
    return quantised(g, layer, moved(g, y, 4, back=True))


@reads("Int8ConvTranspose")
def int8_conv_transpose(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    _nhwc(layer, x)
    y = transposed(g, layer, _first(g, layer, x), _channels_first(g, layer, weight), _bias(g, layer, bias))
    return quantised(g, layer, moved(g, y, 4, back=True))


def _nhwc(layer: Layer, x: Value) -> None:
    layer.rank(x, 4)
    if not layer.last:
        raise layer.malformed("quantised layers work on NHWC pictures only")


def _first(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return moved(g, real(g, layer, x), layer.rank(x, 4))


@reads("Int8FC")
def int8_fc(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value, *rest: Value) -> Value:
    """x W^T + b over all axes but the first."""
    sizes = layer.sizes(weight)
    depth = prod(sizes[1:])
    if prod(layer.sizes(x, 1)) != depth or prod(layer.sizes(bias)) != sizes[0]:
        raise layer.malformed(f"its weight of the shape {list(sizes)} does not fit its input or its bias")
    array = g.const(weight)
    if array is None:
        raise layer.unsupported("its weight is computed while the net runs")
    matrix = _weight(g, layer, weight, array.reshape(sizes[0], depth) if len(sizes) != 2 else None)
    flat = real(g, layer, x)
    if layer.rank(x) != 2:
        flat = reshape(g, layer, flat, [layer.shape(x)[0], depth])
    vector = _bias(g, layer, bias)
    return quantised(g, layer, g.Gemm(flat, matrix, vector, transB=1))


# --- pools and functions ---------------------------------------------------------------------------------------------


@reads("Int8MaxPool", "Int8MaxPoolRelu")
def int8_max_pool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The largest number is the largest value: the meaning stays."""
    _nhwc(layer, x)
    y = largest(g, layer, _first(g, layer, x))
    y = g.Relu(y) if layer.type.endswith("Relu") else y
    return quantised(g, layer, moved(g, y, 4, back=True))


@reads("Int8AveragePool", "Int8AveragePoolRelu")
def int8_average_pool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Padding counts as zeros."""
    _nhwc(layer, x)
    y = averaged(g, layer, _first(g, layer, x), include=True)
    y = g.Relu(y) if layer.type.endswith("Relu") else y
    return quantised(g, layer, moved(g, y, 4, back=True))


@reads("Int8Add", "Int8Sum", "Int8AddRelu", "Int8SumRelu")
def int8_add(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    y = g.Add(real(g, layer, a), real(g, layer, b))
    return quantised(g, layer, g.Relu(y) if layer.type.endswith("Relu") else y)


@reads("Int8Relu")
def int8_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return quantised(g, layer, g.Relu(real(g, layer, x)))


@reads("Int8LeakyRelu")
def int8_leaky_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return quantised(g, layer, g.LeakyRelu(real(g, layer, x), alpha=layer.real("alpha", 0.01)))


@reads("Int8Sigmoid")
def int8_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return quantised(g, layer, g.Sigmoid(real(g, layer, x)))


@reads("Int8Softmax")
def int8_softmax(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over all axes from ``axis`` on, taken together."""
    rank = layer.rank(x, *range(1, 9))
    axis = layer.axis(layer.integer("axis", 1), rank)
    shape = layer.shape(x)
    y = real(g, layer, x)
    if axis < rank - 1:
        y = reshape(g, layer, y, [*shape[:axis], times(shape[axis:])])
    y = g.Softmax(y, axis=axis)
    return quantised(g, layer, reshape(g, layer, y, shape) if axis < rank - 1 else y)


# --- what only moves numbers -----------------------------------------------------------------------------------------


@reads("Int8Concat")
def int8_concat(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Along the axis, or the channels of ``order``, or else the batch; all inputs have one meaning, which stays."""
    if not xs:
        raise layer.malformed("it has no inputs")
    scale = _scale(layer)
    same = [x if _meaning(layer, x) == scale else quantised(g, layer, real(g, layer, x), scale) for x in xs]
    y = concatenated(g, layer, same, _axis(layer))
    layer.scope.quantised[y] = scale
    return y


def _axis(layer: Layer) -> int:
    if layer.has("axis"):
        return layer.integer("axis")
    return layer.word("order", "NCHW").find("C") if layer.has("order") else 0


@reads("Int8ChannelShuffle")
def int8_channel_shuffle(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    _nhwc(layer, x)
    return _kept(layer, moved(g, shuffled(g, layer, moved(g, x, 4)), 4, back=True), x)


@reads("Int8ResizeNearest")
def int8_resize_nearest(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 4)
    if layer.has("output_size"):
        raise layer.unsupported("it takes its size from output_size; give width_scale and height_scale")
    factors = [layer.real("height_scale", 1.0), layer.real("width_scale", 1.0)]
    return _kept(layer, moved(g, nearest(g, layer, moved(g, x, 4), factors), 4, back=True), x)


@reads("Int8Slice")
def int8_slice(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _kept(layer, cut(g, layer, x, layer.integers("starts"), layer.integers("ends")), x)


@reads("Int8Reshape")
def int8_reshape(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    shape = layer.integers("shape")
    if not shape:
        raise layer.malformed("its shape is missing")
    return [_kept(layer, g.Reshape(x, shape), x)]


@reads("Int8Flatten")
def int8_flatten(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    axis = layer.axis(layer.integer("axis", 1), layer.rank(x, *range(1, 9)), extra=1)
    return _kept(layer, g.Flatten(x, axis=axis), x)


@reads("Int8Transpose")
def int8_transpose(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = layer.rank(x)
    axes = layer.integers("axes") or list(range(rank))[::-1]
    if sorted(axes) != list(range(rank)):
        raise layer.malformed(f"its axes are {axes} for an input of {rank} axes")
    return _kept(layer, g.Transpose(x, perm=axes), x)
