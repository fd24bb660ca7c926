"""Normalisation."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import F16
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.convolution import layout_of
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads


@reads("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def fused_batch_norm(
    g: Builder, layer: Layer, x: Value, scale: Value, offset: Value, mean: Value, variance: Value
) -> list[Value]:
    """With is_training (the default!) the batch's own statistics count, and the stored ones are ignored."""
    spatial = 3 if len(layer.shape(x)) == 5 else 2
    form = layout_of(layer, spatial)
    layer.rank(x, spatial + 2)
    epsilon = layer.f("epsilon", 1e-4)
    source = form.first(g, x)
    if layer.element(x) == F16:
        scale, offset, mean, variance = (cast(g, value, F16) for value in (scale, offset, mean, variance))
    if not layer.flag("is_training", True):
        result = g.BatchNormalization(source, scale, offset, mean, variance, epsilon=epsilon)
        return [form.back(g, result), mean, variance]
    axes = [0, *range(2, spatial + 2)]
    batch_mean = g.ReduceMean(source, axes, keepdims=1)
    centred = g.Sub(source, batch_mean)
    batch_variance = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
    shape = [1, -1, *[1] * spatial]
    normal = g.Div(centred, g.Sqrt(g.Add(batch_variance, layer.number(x, epsilon))))
    result = g.Add(g.Mul(normal, g.Reshape(scale, shape)), g.Reshape(offset, shape))
    layer.note("batch-statistics", "This batch normalisation uses the statistics of the batch it is given.")
    means, variances = g.Squeeze(batch_mean, axes), g.Squeeze(batch_variance, axes)
    return [form.back(g, result), means, _of_sample(g, layer, source, axes, variances)]


def _of_sample(g: Builder, layer: Layer, x: Value, axes: list[int], variance: Value) -> Value:
    """The variance that a node hands out is divided by one less than the number of values; the result's is not."""
    sizes = g.Gather(g.Shape(x), np.array(axes, np.int64), axis=0)
    count = cast(g, g.ReduceProd(sizes, [0], keepdims=0), layer.element(variance))
    one = layer.number(variance, 1)
    return g.Mul(variance, g.Div(count, g.Max(g.Sub(count, one), one)))


@reads("BatchNormWithGlobalNormalization")
def batch_norm_with_global_normalization(
    g: Builder, layer: Layer, x: Value, mean: Value, variance: Value, beta: Value, gamma: Value
) -> Value:
    scale = gamma
    if not layer.flag("scale_after_normalization"):
        scale = g.Expand(np.ones(1, np.float32), g.Shape(gamma))
    result = g.BatchNormalization(
        g.Transpose(x, perm=[0, 3, 1, 2]), scale, beta, mean, variance, epsilon=layer.f("variance_epsilon")
    )
    return g.turn(result, [0, 2, 3, 1])


@reads("LRN")
def lrn(g: Builder, layer: Layer, x: Value) -> Value:
    """alpha is not divided by the size of the window 2r + 1 as it is in ONNX."""
    radius = layer.i("depth_radius", 5)
    if not 0 <= radius < 1 << 31:
        raise layer.malformed(f"its depth_radius is {radius}")
    size = 2 * radius + 1
    result = g.LRN(
        g.Transpose(x, perm=[0, 3, 1, 2]), size=size, alpha=layer.f("alpha", 1.0) * size, beta=layer.f("beta", 0.5),
        bias=layer.f("bias", 1.0),
    )  # fmt: skip
    return g.turn(result, [0, 2, 3, 1])


@reads("L2Loss")
def l2_loss(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Mul(g.ReduceSumSquare(x, keepdims=0), layer.number(x, 0.5))
