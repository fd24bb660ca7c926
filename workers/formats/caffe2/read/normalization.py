"""Normalisations: over the batch's stored statistics, over channels, groups, instances and rows."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read.layer import Layer, Value, prod, reads
from workers.formats.caffe2.read.sizes import check_constant
from workers.formats.caffe2.read.windows import back, first
from workers.hub.graph import GraphBuilder


@reads("SpatialBN")
def spatial_bn(
    g: GraphBuilder, layer: Layer, x: Value, scale: Value, bias: Value, mean: Value | None = None,
    variance: Value | None = None, sums: Value | None = None, squares: Value | None = None,
) -> Value | list[Value]:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon) * scale + bias; without is_test by the statistics of the batch itself."""
    epsilon = layer.real("epsilon", 1e-5)
    x = first(g, layer, x)
    if len(layer.shape(scale)) != 1 or len(layer.shape(bias)) != 1:
        raise layer.malformed("its scale and bias must be vectors")
    if layer.flag("is_test") or layer.scope.training:
        if mean is None or variance is None:
            raise layer.malformed("its running mean and variance are missing")
        return back(g, layer, g.BatchNormalization(x, scale, bias, mean, variance, epsilon=epsilon))
    layer.note(
        "batch-statistics",
        "The layer is in training mode (is_test is not set): as Caffe2 does with this file, it normalises by the mean "
        "and variance of the batch it is given, not by the stored ones.",
    )
    return back(g, layer, _by_batch(g, layer, x, scale, bias, epsilon))


def _by_batch(g: GraphBuilder, layer: Layer, x: Value, scale: Value, bias: Value, epsilon: float) -> Value:
    rank = layer.rank(x, *range(2, 6))
    axes = [axis for axis in range(rank) if axis != 1]
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    variance = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
    normal = g.Div(centred, g.Sqrt(g.Add(variance, layer.number(x, epsilon))))
    shape = [1, -1] + [1] * (rank - 2)
    return g.Add(g.Mul(normal, g.Reshape(scale, shape)), g.Reshape(bias, shape))


@reads("LRN")
def lrn(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """x / (bias + alpha/size * sum of squares)^beta over neighbouring channels; the second output is the bracket."""
    x = first(g, layer, x)
    layer.rank(x, *range(3, 6))
    size, alpha, beta = layer.integer("size", 0), layer.real("alpha", 0.0), layer.real("beta", 0.0)
    bias = layer.real("bias", 1.0)
    if not 1 <= size <= 4096:
        raise layer.malformed(f"its size is {size}")
    found = [back(g, layer, g.LRN(x, size=size, alpha=alpha, beta=beta, bias=bias))] if size % 2 else []
    if layer.outputs > 1 or not found:
        bracket = _bracket(g, layer, x, size, alpha, bias)
        if not found:
            found = [back(g, layer, g.Mul(x, g.Pow(bracket, layer.number(x, -beta))))]
        found.append(back(g, layer, bracket))
    return found[: layer.outputs or 1]


def _bracket(g: GraphBuilder, layer: Layer, x: Value, size: int, alpha: float, bias: float) -> Value:
    """The windows of an even size begin (size - 1) // 2 channels earlier."""
    channels = layer.size(x, 1)
    before = (size - 1) // 2
    if channels * channels > 1 << 22:
        raise layer.unsupported(f"the second output of {channels} channels is too large a convolution")
    weight = np.zeros((channels, channels, *[1] * (len(layer.shape(x)) - 2)))
    for channel in range(channels):
        weight[channel, max(channel - before, 0) : max(channel - before + size, 0)] = 1
    sums = g.Conv(g.Mul(x, x), layer.array(x, weight))
    return g.Add(g.Mul(sums, layer.number(x, alpha / size)), layer.number(x, bias))


@reads("InstanceNorm")
def instance_norm(g: GraphBuilder, layer: Layer, x: Value, scale: Value, bias: Value) -> list[Value]:
    """Over the plane of every channel of every image; further outputs are the mean and 1/sqrt(variance + epsilon)."""
    x = first(g, layer, x)
    epsilon = layer.real("epsilon", 1e-5)
    found = [back(g, layer, g.InstanceNormalization(x, scale, bias, epsilon=epsilon))]
    if layer.outputs > 1:
        axes = list(range(2, layer.rank(x, *range(3, 6))))
        mean, variance = _moments(g, x, axes)
        inverse = g.Reciprocal(g.Sqrt(g.Add(variance, layer.number(x, epsilon))))
        found += [g.Squeeze(mean, axes), g.Squeeze(inverse, axes)]
    return found[: layer.outputs]


def _moments(g: GraphBuilder, x: Value, axes: list[int]) -> tuple[Value, Value]:
    mean = g.ReduceMean(x, axes, keepdims=1)
    centred = g.Sub(x, mean)
    return mean, g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)


@reads("GroupNorm")
def group_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value) -> list[Value]:
    """Over groups of channels; further outputs are the mean and 1/sqrt(variance + epsilon) [N, groups]."""
    x = first(g, layer, x)
    rank, channels = layer.rank(x, *range(2, 6)), layer.size(x, 1)
    groups = layer.integer("group", 32)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels cannot be taken in {groups} groups")
    if rank == 2:
        x = g.Unsqueeze(x, [2])
    epsilon = layer.real("epsilon", 1e-5)
    y = g.GroupNormalization(x, gamma, beta, num_groups=groups, epsilon=epsilon)
    y.shape = x.shape  # ONNX infers none for this function
    found = [back(g, layer, g.Squeeze(y, [2]) if rank == 2 else y)]
    if layer.outputs > 1:
        mean, variance = _moments(g, g.Reshape(x, [0, groups, -1]), [2])
        inverse = g.Reciprocal(g.Sqrt(g.Add(variance, layer.number(x, epsilon))))
        found += [g.Squeeze(mean, [2]), g.Squeeze(inverse, [2])]
    return found[: layer.outputs]


@reads("LayerNorm")
def layer_norm(
    g: GraphBuilder, layer: Layer, x: Value, gamma: Value | None = None, beta: Value | None = None
) -> list[Value]:
    """Over all axes from ``axis`` on; further outputs are the mean and sqrt(variance + epsilon) [dims[:axis], 1]."""
    rank = layer.rank(x, *range(1, 9))
    axis, epsilon = layer.axis(layer.integer("axis", 1), rank), layer.real("epsilon", 1e-5)
    affine = layer.flag("elementwise_affine")
    if affine and (gamma is None or beta is None):
        raise layer.malformed("its gamma and beta are missing")
    inner = layer.sizes(x, axis)
    check_constant(layer, prod(inner))
    scale = gamma if affine and gamma is not None else g.constant(layer.array(x, np.ones(inner)))
    shift = beta if affine else None
    scale_, shift_ = _of_shape(g, layer, scale, inner), _of_shape(g, layer, shift, inner)
    found: list[Value] = [g.LayerNormalization(x, scale_, shift_, axis=axis, epsilon=epsilon)]
    if layer.outputs > 1:
        mean, variance = _moments(g, x, list(range(axis, rank)))
        deviation = g.Sqrt(g.Add(variance, layer.number(x, epsilon)))
        extra = list(range(axis + 1, rank))
        found += [g.Squeeze(part, extra) if extra else part for part in (mean, deviation)]
    return found[: layer.outputs]


def _of_shape(g: GraphBuilder, layer: Layer, x: Value | None, shape: tuple[int, ...]) -> Value | None:
    """Parameters by the number of their elements, as Caffe2 takes them."""
    if x is None or layer.shape(x) == shape:
        return x
    if prod(layer.sizes(x)) != prod(shape):
        raise layer.malformed(f"a parameter of the shape {list(layer.shape(x))} must be {list(shape)}")
    return g.Reshape(x, list(shape))


@reads("RMSNorm")
def rms_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value) -> list[Value]:
    """x / sqrt(mean of squares + eps) * gamma + beta over all axes from ``axis`` on; then the factor [dims[:axis]]."""
    rank = layer.rank(x, *range(1, 9))
    axis, epsilon = layer.axis(layer.integer("axis", 1), rank), layer.real("eps", 0.0)
    axes = list(range(axis, rank))
    inner = layer.sizes(x, axis)
    factor = g.Reciprocal(g.Sqrt(g.Add(g.ReduceMean(g.Mul(x, x), axes, keepdims=1), layer.number(x, epsilon))))
    scale, shift = _of_shape(g, layer, gamma, inner), _of_shape(g, layer, beta, inner)
    y = g.Add(g.Mul(g.Mul(x, factor), scale), shift)
    return [y, g.Squeeze(factor, axes)][: layer.outputs]


@reads("AffineChannel")
def affine_channel(g: GraphBuilder, layer: Layer, x: Value, scale: Value, bias: Value) -> Value:
    """x * scale + bias per channel."""
    rank, axis = layer.rank(x, *range(2, 33)), layer.channel(x)
    shape = [-1] + [1] * (rank - 1 - axis)
    return g.Add(g.Mul(x, g.Reshape(scale, shape)), g.Reshape(bias, shape))


@reads("Normalize")
def normalize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / max(|x|, 1e-12) along the axis."""
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33)))
    length = g.Sqrt(g.ReduceSum(g.Mul(x, x), [axis], keepdims=1))
    return g.Div(x, g.Max(length, layer.number(x, 1e-12)))


@reads("NormalizeL1")
def normalize_l1(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / sum |x| along the axis; rows of zeros stay."""
    axis = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33)))
    length = g.ReduceSum(g.Abs(x), [axis], keepdims=1)
    zero = g.Equal(length, layer.number(x, 0))
    return g.Div(x, g.Where(zero, layer.number(x, 1), length))


@reads("NormalizePlanarYUV")
def normalize_planar_yuv(g: GraphBuilder, layer: Layer, x: Value, mean: Value, deviation: Value) -> Value:
    """(x - mean) / deviation per channel of the first row of each."""
    layer.rank(x, 4)
    channels = layer.size(x, 1)
    parts = []
    for part in (mean, deviation):
        if layer.rank(part, 2) and layer.size(part, 1) != channels:
            raise layer.malformed(f"its mean and deviation have {layer.size(part, 1)} channels, its input {channels}")
        parts.append(g.Reshape(g.Slice(part, [0], [1], [0]), [1, channels, 1, 1]))
    return g.Div(g.Sub(x, parts[0]), parts[1])
