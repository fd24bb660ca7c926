"""Batch, local response, mean-variance and L2 normalisation."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe.file import Array
from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.formats.caffe.read.pooling import _Side, average
from workers.hub.graph import GraphBuilder


@reads("BatchNorm")
def batch_norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Blobs mean, variance, factor: both statistics are sums to be divided by the factor, and 0 when that is 0.

    There is no gamma or beta here; a Scale layer that follows directly is merged into this node's scale and bias.
    """
    p = layer.batch_norm_param
    channels = layer.channels(x)
    if len(layer.stored) not in (0, 3):
        raise layer.unsupported(
            f"it has {len(layer.stored)} blobs where BVLC's has mean, variance and factor; what a fork keeps in them "
            "the file does not say"
        )
    if p.has("use_global_stats") and not p.use_global_stats:
        return _batch_statistics(g, layer, x, p.eps)
    factor = float(layer.array(2, (1,))[0])
    by = 0.0 if factor == 0 else float(1 / np.float32(factor))
    mean, variance = (_scaled(layer.array(index, (channels,)), by) for index in (0, 1))
    if factor == 0:
        layer.note("untrained", "The factor blob is 0: mean and variance are 0, as in a net that was never trained.")
    return g.BatchNormalization(
        x, g.weight(f"{layer.name}.scale", np.ones(channels, np.float32)),
        g.weight(f"{layer.name}.bias", np.zeros(channels, np.float32)),
        g.weight(f"{layer.name}.mean", mean), g.weight(f"{layer.name}.variance", variance), epsilon=p.eps,
    )  # fmt: skip


def _scaled(array: Array, by: float) -> Array:
    return array if by == 1 else (array * np.float32(by)).astype(np.float32)


def _batch_statistics(g: GraphBuilder, layer: Layer, x: Value, eps: float) -> Value:
    """``use_global_stats: false``: mean and (biased) variance of this very batch, over all axes but the channels."""
    axes = [axis for axis in range(layer.rank(x)) if axis != 1]
    for index in range(len(layer.stored)):
        layer.used.add(index)
    layer.note("batch-statistics", "The layer normalises by the statistics of each batch, not by stored ones.")
    centred = g.Sub(x, g.ReduceMean(x, axes))
    variance = g.ReduceMean(g.Mul(centred, centred), axes)
    return g.Div(centred, g.Sqrt(g.Add(variance, float(eps))))


@reads("BN")
def bn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """PSPNet's form: slope, bias, mean and variance, one each a channel; SegNet's inference form: slope and bias."""
    channels = layer.channels(x)
    count = len(layer.stored)
    if count == 2 and layer.bn_param.bn_mode == "INFERENCE":
        shape = _per_channel(layer, channels)
        slope, shift = (
            layer.weight(g, i, shape, name, lambda a: a.reshape(-1, 1, 1)) for i, name in enumerate(_BN[:2])
        )
        return g.Add(g.Mul(x, slope), shift)
    if count not in (0, 4):
        raise layer.unsupported(
            f"it has {count} blobs; only the forms with slope, bias, mean, variance (PSPNet) and, with bn_mode "
            "INFERENCE, with slope and bias (SegNet) are known"
        )
    shape = _per_channel(layer, channels)
    values = [layer.weight(g, i, shape, name, lambda a: a.reshape(-1)) for i, name in enumerate(_BN)]
    return g.BatchNormalization(x, *values, epsilon=layer.bn_param.eps)


_BN = ("scale", "bias", "mean", "variance")


def _per_channel(layer: Layer, channels: int) -> tuple[int, ...]:
    """The forks keep these blobs as (1, C, 1, 1), or (C)."""
    shape = layer.array(0).shape
    return (channels,) if len(shape) == 1 else (1, channels, 1, 1)


@reads("LRN")
def lrn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Across channels ONNX's own operator; within a channel x * (1 + alpha * mean of squares)^-beta, where k is 1."""
    layer.rank(x, 4)
    p = layer.lrn_param
    if p.local_size % 2 == 0 or p.local_size > 2**15:
        raise layer.malformed(f"local_size {p.local_size} is not odd")
    if p.norm_region == "ACROSS_CHANNELS":
        return g.LRN(x, size=p.local_size, alpha=p.alpha, beta=p.beta, bias=p.k)
    if p.norm_region != "WITHIN_CHANNEL":
        raise layer.unsupported(f"norm_region {p.norm_region!r} is not known")
    pad = (p.local_size - 1) // 2
    sides = [_Side(size, p.local_size, 1, pad, size) for size in _nominal(layer, x)]
    mean = average(g, g.Mul(x, x), sides)
    return g.Mul(x, g.Pow(g.Add(g.Mul(mean, float(p.alpha)), 1.0), -float(p.beta)))


def _nominal(layer: Layer, x: Value) -> tuple[int, ...]:
    """Sizes for windows of stride 1 and full pad, which need none: a free axis may stay free."""
    return tuple(size if isinstance(size, int) else 1 for size in layer.shape(x)[2:])


@reads("MVN")
def mvn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(x - mean) / (sqrt(variance) + eps) a plane or, across channels, an image: eps stands outside the root."""
    p = layer.mvn_param
    rank = layer.rank(x, 2, 3, 4)
    axes = list(range(1 if p.across_channels else 2, rank))
    if not axes:
        raise layer.unsupported("it would normalise single values: all results are 0")
    centred = g.Sub(x, g.ReduceMean(x, axes))
    if not p.normalize_variance:
        return centred
    variance = g.ReduceMean(g.Mul(centred, centred), axes)
    return g.Div(centred, g.Add(g.Sqrt(variance), float(p.eps)))


@reads("Normalize")
def normalize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """SSD's L2 normalisation: x / sqrt(sum of squares + eps) * scale, a position or (across_spatial) an image."""
    p = layer.norm_param
    rank, channels = layer.rank(x, 4), layer.channels(x)
    axes = list(range(1, rank)) if p.across_spatial else [1]
    norm = g.Sqrt(g.Add(g.ReduceSumSquare(x, axes), float(p.eps)))
    if p.channel_shared:
        shape = layer.array(0).shape
        if layer.array(0).size != 1:
            raise layer.malformed(f"its scale is shared by all channels, but the file has {layer.array(0).size}")
        scale = layer.weight(g, 0, shape, "scale", lambda a: a.reshape(()))
    else:
        scale = layer.weight(g, 0, (channels,), "scale", lambda a: a.reshape(-1, 1, 1))
    return g.Mul(g.Div(x, norm), scale)


reads.refuse("GRN differs from fork to fork", "GRN")
reads.refuse("the forks' parameters for it are not documented", "NormalizeBBox", "L1Normalization", "L2Normalization")
reads.refuse("group normalisation has no common form among the forks of Caffe", "GroupNorm")
reads.refuse("the blob layout of cuDNN's variant is not documented", "CuDNNBatchNorm")
