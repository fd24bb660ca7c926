"""Normalisation over batches, samples, channels and neighbourhoods."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.torch7.objects import Array, Object
from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder

EPS = 1e-5


@reads("BatchNormalization", "SpatialBatchNormalization", "VolumetricBatchNormalization",
       "nn.SpatialBatchNormalizationCUDA")  # fmt: skip
def batch_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(x - mean) / sqrt(var + eps) * weight + bias; version 1 stores running_std = 1 / sqrt(var + eps)."""
    rank = layer.rank(x, 1, 2, 3, 4, 5)
    single = {"BatchNormalization": 1, "SpatialBatchNormalization": 3, "VolumetricBatchNormalization": 4}
    count = layer.needed("running_mean").size
    alone = single.get(layer.type.partition(".")[2], 3) == rank
    source = g.Unsqueeze(x, [0]) if alone else x
    size = layer.shape(source)[1]
    if isinstance(size, int) and size != count:
        raise layer.malformed(f"it normalises {count} channels, its input has {size}")
    eps = layer.real("eps", EPS)
    scale, offset = (_or_constant(g, layer, key, count, value) for key, value in (("weight", 1.0), ("bias", 0.0)))
    mean = layer.weight(g, "running_mean", (count,))
    if layer.tensor("running_var") is None and layer.tensor("running_std") is not None:
        variance = layer.weight(g, "running_std", (count,), lambda s: 1.0 / s.astype(np.float64) ** 2 - eps, "variance")
    else:
        variance = layer.weight(g, "running_var", (count,))
    result = g.BatchNormalization(source, scale, offset, mean, variance, epsilon=eps)
    return g.Squeeze(result, [0]) if alone else result


def _or_constant(g: GraphBuilder, layer: Layer, key: str, count: int, value: float) -> Value:
    if layer.tensor(key) is not None:
        return layer.weight(g, key, (count,))
    return g.constant(np.full(count, value, np.float32))


@reads("nn.InstanceNormalization", "nn.SpatialInstanceNormalization", "nn.InstanceNormalization2d")
def instance_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Mean and biased variance of every channel of every sample, always."""
    layer.rank(x, 4)
    inner = layer.get("bn")
    source = layer
    if layer.tensor("weight") is None and isinstance(inner, Object):
        source = Layer(inner, layer.name, layer.scope)
    count = layer.size(x, 1)
    if source.tensor("weight") is not None and source.needed("weight").size % count:
        raise layer.malformed(f"it has {source.needed('weight').size} weights for {count} channels")
    scale, offset = (_instance(g, source, key, count, value) for key, value in (("weight", 1.0), ("bias", 0.0)))
    return g.InstanceNormalization(x, scale, offset, epsilon=source.real("eps", EPS))


def _instance(g: GraphBuilder, layer: Layer, key: str, count: int, value: float) -> Value:
    """A parameter repeated once a sample of the last batch, in nets that saved it so, is taken once."""
    if layer.tensor(key) is None:
        return g.constant(np.full(count, value, np.float32))
    if layer.needed(key).size == count:
        return layer.weight(g, key, (count,))
    return layer.made(g, f"{layer.name}.{key}", (count,), lambda: layer.array(key).reshape(-1)[:count])


@flows("nn.SpatialCrossMapLRN", "cudnn.SpatialCrossMapLRN", "inn.SpatialCrossResponseNormalization",
       "nn.SpatialCrossMapLRNCUDA")  # fmt: skip
def spatial_cross_map_lrn(run: Run, layer: Layer, data: Data) -> Data:
    """x / (k + alpha / size * sum of squares over size channels)^beta; old cudnn files call k K."""
    g, x = run.g, layer.floats(run.g, layer.one(data).read())
    single = layer.rank(x, 3, 4) == 3
    k = layer.real("k", layer.real("K", 1))
    source = g.Unsqueeze(x, [0]) if single else x
    result = g.LRN(source, alpha=layer.real("alpha", 1e-4), beta=layer.real("beta", 0.75), bias=k,
                   size=layer.positive("size", 5))  # fmt: skip
    return Ref(g.Squeeze(result, [0]) if single else result)


@reads("nn.Normalize")
def normalize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / (sum |x|^p + eps)^(1/p) over the rows of a matrix, or over a vector."""
    axis, p = layer.rank(x, 1, 2) - 1, layer.real("p", 2)
    eps = np.float32(layer.real("eps", 1e-10))
    if math.isinf(p):
        return g.Div(x, g.Add(g.ReduceMax(g.Abs(x), [axis], keepdims=1), eps))
    if p == 2:
        return g.Div(x, g.Sqrt(g.Add(g.ReduceSumSquare(x, [axis], keepdims=1), eps)))
    powers = g.Abs(x) if p == 1 else g.Pow(g.Abs(x), np.float32(p))
    total = g.Add(g.ReduceSum(powers, [axis], keepdims=1), eps)
    return g.Div(x, total if p == 1 else g.Pow(total, np.float32(1 / p)))


# --- neighbourhoods -------------------------------------------------------------------------------------------------


@reads("nn.SpatialSubtractiveNormalization")
def spatial_subtractive_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x less the mean of its neighbourhood over all channels."""
    return _on_batch(g, layer, x, _subtracted)


@reads("nn.SpatialDivisiveNormalization")
def spatial_divisive_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x by the root of the mean square of its neighbourhood, where that is above a threshold."""
    return _on_batch(g, layer, x, _divided)


@reads("nn.SpatialContrastiveNormalization")
def spatial_contrastive_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _on_batch(g, layer, x, lambda g, layer, x: _divided(g, layer, _subtracted(g, layer, x)))


def _on_batch(g: GraphBuilder, layer: Layer, x: Value, rule: object) -> Value:
    assert callable(rule)
    single = layer.rank(x, 3, 4) == 3
    source = g.Unsqueeze(x, [0]) if single else x
    result: Value = rule(g, layer, source)
    return g.Squeeze(result, [0]) if single else result


def _subtracted(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    total, inside = _local_sum(g, layer, x)
    return g.Sub(x, g.Div(total, inside))


def _divided(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The root is taken before the correction at the borders."""
    total, inside = _local_sum(g, layer, g.Mul(x, x))
    deviation = g.Div(g.Sqrt(total), inside)
    limit, value = layer.real("threshold", 1e-4), layer.real("thresval", layer.real("threshold", 1e-4))
    kept = g.Where(g.Greater(deviation, np.float32(limit)), deviation, np.float32(value))
    return g.Div(x, kept)


def _local_sum(g: GraphBuilder, layer: Layer, x: Value) -> tuple[Value, Array]:
    """[N, 1, H, W], the weighted mean over all channels, among zeros; and how much of the kernel lies in the image.

    A kernel of one axis is applied along both, a kernel of two axes as it is.
    """
    kernel = layer.array("kernel").astype(np.float64)
    count, height, width = layer.positive("nInputPlane"), layer.size(x, 2), layer.size(x, 3)
    if kernel.ndim not in (1, 2) or not kernel.sum() or max(kernel.shape) > 255 or layer.shape(x)[1] != count:
        raise layer.malformed(f"its kernel of shape {list(kernel.shape)} does not fit its input")
    if kernel.ndim == 1:
        kernel = np.outer(kernel, kernel)
    kernel = kernel / kernel.sum()
    rows, columns = kernel.shape
    pads = [rows // 2, columns // 2, (rows - 1) // 2, (columns - 1) // 2]
    weight = np.broadcast_to(kernel / count, (1, count, rows, columns)).astype(np.float32)
    total = g.Conv(x, g.weight(f"{layer.name}.kernel", np.ascontiguousarray(weight)), kernel_shape=[rows, columns],
                   pads=pads)  # fmt: skip
    return total, _coverage(kernel, height, width)[None, None].astype(np.float32)


def _coverage(kernel: Array, height: int, width: int) -> Array:
    """How much of the kernel lies inside the image, at every place."""
    rows, columns = kernel.shape
    table: Array = np.zeros((rows + 1, columns + 1))
    table[1:, 1:] = kernel.cumsum(0).cumsum(1)

    def span(size: int, extent: int) -> tuple[Array, Array]:
        start = np.arange(size) - extent // 2
        return np.maximum(-start, 0), np.minimum(size - start, extent)

    (top, bottom), (left, right) = span(height, rows), span(width, columns)
    corner = np.ix_
    whole: Array = table[corner(bottom, right)] + table[corner(top, left)]
    less: Array = table[corner(top, right)] + table[corner(bottom, left)]
    return np.subtract(whole, less)


# --- inn ------------------------------------------------------------------------------------------------------------


@reads("inn.MeanSubtraction")
def mean_subtraction(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Sub(x, layer.weight(g, "mean"))


@reads("inn.ConstAffine")
def const_affine(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """a x + b, channel by channel."""
    lead = layer.rank(x, 2, 3, 4)
    axis = 0 if lead == 3 else 1
    tail = [1] * (lead - axis - 1)
    scaled = g.Mul(x, layer.weight(g, "a", (layer.needed("a").size, *tail), label="by channel"))
    return g.Add(scaled, layer.weight(g, "b", (layer.needed("b").size, *tail), label="by channel"))
