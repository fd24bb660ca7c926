"""Normalisation over batches, layers, instances, groups and neighbourhoods."""

from __future__ import annotations

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.shaping import formed, reshaped
from workers.hub.graph import GraphBuilder


@reads(
    "BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_npx_batch_norm", "_contrib_SyncBatchNorm",
    "_contrib_BatchNormWithReLU",
)  # fmt: skip
def batch_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value, mean: Value, var: Value) -> Value:
    """(x - mean) / sqrt(var + eps) * gamma + beta with the stored statistics.

    ``fix_gamma``, which is the default, makes gamma 1 whatever the file holds.
    """
    rank = layer.rank(x, *range(2, 33))
    axis = layer.axis(layer.integer("axis", 1), rank)
    order = [0, axis, *(other for other in range(1, rank) if other != axis)] if axis else None
    if order is None:
        raise layer.unsupported("it normalises the batch axis itself")
    channels = layer.size(x, axis)
    values = [gamma, beta, mean, var]
    for value in values:
        layer.same(times(layer.shape(value)), channels, "the number of channels")
    values = [reshaped(g, layer, value, [channels]) for value in values]
    if layer.flag("fix_gamma", True):
        values[0] = g.constant(np.ones(channels, layer.element(beta).numpy()))
    turned = g.Transpose(x, perm=order) if axis != 1 else x
    y = g.BatchNormalization(turned, *values, epsilon=layer.real("eps", 1e-3))
    if axis != 1:
        y = g.Transpose(y, perm=[order.index(place) for place in range(rank)])
    return g.Relu(y) if layer.type == "_contrib_BatchNormWithReLU" else y


@reads("LayerNorm", "_npx_layer_norm")
def layer_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value) -> Value:
    """Over one axis, with gamma and beta of its length."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis", -1), rank)
    last = rank - 1
    for value in (gamma, beta):
        layer.same(times(layer.shape(value)), layer.shape(x)[axis], "the length of the axis")
    order = [place for place in range(rank) if place != axis] + [axis]
    turned = g.Transpose(x, perm=order) if axis != last else x
    dtype = layer.element(x)
    y = g.LayerNormalization(
        turned, cast(g, gamma, dtype), cast(g, beta, dtype), axis=-1, epsilon=layer.real("eps", 1e-5)
    )
    return g.Transpose(y, perm=[order.index(place) for place in range(rank)]) if axis != last else y


@reads("InstanceNorm")
def instance_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value) -> Value:
    """Every channel of every image over its own plane."""
    layer.rank(x, *range(3, 33))
    channels = layer.size(x, 1)
    for value in (gamma, beta):
        layer.same(times(layer.shape(value)), channels, "the number of channels")
    dtype = layer.element(x)
    return g.InstanceNormalization(x, cast(g, gamma, dtype), cast(g, beta, dtype), epsilon=layer.real("eps", 1e-3))


@reads("GroupNorm")
def group_norm(g: GraphBuilder, layer: Layer, x: Value, gamma: Value, beta: Value) -> Value:
    """gamma and beta have one value a group (MXNet 1.6 to 1.9), or one a channel (master)."""
    layer.rank(x, *range(3, 33))
    channels, groups = layer.size(x, 1), layer.integer("num_groups", 1)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels cannot be taken in {groups} groups")
    values = []
    for value, label in ((gamma, "gamma"), (beta, "beta")):
        array = g.const(value)
        length = times(layer.shape(value))
        if length not in (groups, channels) or array is None:
            raise layer.malformed(f"its {label} has {length} values for {groups} groups of {channels} channels")
        each = channels // groups if length == groups else 1
        values.append(g.weight(f"{layer.name}.{label}", np.repeat(array.reshape(-1), each)))
    y = g.GroupNormalization(x, *values, num_groups=groups, epsilon=layer.real("eps", 1e-5))
    return formed(y, layer.shape(x), layer.element(x))


@reads("L2Normalization")
def l2_normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / sqrt(sum of squares + eps): over all but the batch, over the channels, or over the plane."""
    rank = layer.rank(x, *range(2, 33))
    modes = {"instance": list(range(1, rank)), "channel": [1], "spatial": list(range(2, rank))}
    axes = modes.get(layer.word("mode", "instance"))
    if not axes:
        raise layer.malformed(f"its mode {layer.word('mode', 'instance')!r} does not fit an input of {rank} axes")
    squares = g.ReduceSumSquare(x, axes, keepdims=1)
    return g.Div(x, g.Sqrt(g.Add(squares, layer.number(x, layer.real("eps", 1e-10)))))


@reads("LRN")
def lrn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / (knorm + alpha / nsize * sum of squares of nsize channels) ^ beta."""
    layer.rank(x, 4)
    size = layer.integer("nsize")
    if size < 1 or size % 2 == 0:
        raise layer.malformed(f"its nsize is {size}; it must be odd")
    return g.LRN(
        x, size=size, alpha=layer.real("alpha", 1e-4), beta=layer.real("beta", 0.75), bias=layer.real("knorm", 2)
    )


@reads("moments")
def moments(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """Mean and (biased) variance over ``axes``."""
    rank = len(layer.shape(x))
    axes = sorted({layer.axis(axis, rank) for axis in layer.integers("axes", tuple(range(rank)))})
    keep = layer.flag("keepdims", False)
    mean = g.ReduceMean(x, axes, keepdims=1)
    apart = g.Sub(x, mean)
    var = g.ReduceMean(g.Mul(apart, apart), axes, keepdims=int(keep))
    mean = mean if keep else g.Squeeze(mean, axes)
    if len(axes) == rank and not keep:
        return [g.Reshape(mean, [1]), g.Reshape(var, [1])]
    return [mean, var]
