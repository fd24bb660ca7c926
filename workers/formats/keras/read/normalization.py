"""Normalisation layers: over the batch's stored statistics, over axes of the sample, over groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.keras.read.activation import settled
from workers.formats.keras.read.dense import floating
from workers.formats.keras.read.layer import Array, Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder, Value


def along(g: GraphBuilder, layer: Layer, name: str, x: Tensor, axes: Sequence[int], array: Array) -> Value:
    """A weight over Keras' ``axes`` as it broadcasts against the value of ``x``."""
    sizes = [1] * x.rank
    for axis, size in zip(axes, array.shape, strict=True):
        sizes[axis] = size
    places = [sizes[axis] for axis in x.order]
    while len(places) > 1 and places[0] == 1:
        places.pop(0)
    turned = array.transpose(np.argsort([x.order.index(axis) for axis in axes])) if len(axes) > 1 else array
    label = name + "".join(f"_{place}" for place in places)
    return layer.weight(g, label, turned.reshape(places), layer.element(x))


def axes_of(layer: Layer, x: Tensor, default: int = -1) -> list[int]:
    return sorted({layer.axis(axis, x.rank) for axis in layer.integers("axis", [default])})


@reads("BatchNormalization")
def batch_normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Keras 1's mode 1 takes the statistics of each sample over its last axis instead of the stored ones, mode 2 those
    of the batch that is given."""
    x = settled(g, floating(g, layer, x))
    mode = layer.integer("mode", 0) if layer.generation == 1 else 0
    if mode == 1:
        return _by_sample(g, layer, x)
    axis = axes_of(layer, x)
    if len(axis) != 1:
        raise layer.unsupported("it keeps statistics over several axes")
    channels = layer.size(x, axis[0])
    if mode == 2:
        return _by_batch(g, layer, x, axis[0], channels)
    eps = layer.real("epsilon", 1e-3)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    uses = (layer.flag("scale", True), layer.flag("center", True), True, True)
    if x.place(axis[0]) == 1 and x.rank > 1:
        values = [
            layer.weight(g, name, layer.array(name, channels), layer.element(x)) if use
            else layer.weight(g, name, np.full(channels, name == "gamma", np.float32), layer.element(x))
            for name, use in zip(names, uses, strict=True)
        ]  # fmt: skip
        return x.like(g.BatchNormalization(x.value, *values, epsilon=eps, momentum=0.9, training_mode=0))
    gamma, beta, mean, variance = (
        layer.array(name, channels) if use else None for name, use in zip(names, uses, strict=True)
    )
    assert mean is not None and variance is not None
    scale = (1.0 if gamma is None else gamma.astype(np.float64)) / np.sqrt(variance.astype(np.float64) + eps)
    shift = (0.0 if beta is None else beta.astype(np.float64)) - mean.astype(np.float64) * scale
    multiplied = g.Mul(x.value, along(g, layer, "scale", x, axis, scale.astype(np.float32)))
    return x.like(g.Add(multiplied, along(g, layer, "shift", x, axis, shift.astype(np.float32))))


def _by_sample(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """(x - mean) / (sqrt(variance + epsilon) + epsilon) * gamma + beta over the last axis."""
    last, width = [x.rank - 1], layer.size(x, -1)
    centred, variance = _centred(g, x, [x.place(-1)])
    eps = layer.number(x, layer.real("epsilon", 1e-5))
    y = g.Div(centred, g.Add(g.Sqrt(g.Add(variance, eps)), eps))
    y = g.Mul(y, along(g, layer, "gamma", x, last, layer.array("gamma", width)))
    return x.like(g.Add(y, along(g, layer, "beta", x, last, layer.array("beta", width))))


def _by_batch(g: GraphBuilder, layer: Layer, x: Tensor, axis: int, channels: int) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over all axes but one, the batch among them."""
    centred, variance = _centred(g, x, [place for place in range(x.rank) if place != x.place(axis)])
    y = g.Div(centred, g.Sqrt(g.Add(variance, layer.number(x, layer.real("epsilon", 1e-3)))))
    y = g.Mul(y, along(g, layer, "gamma", x, [axis], layer.array("gamma", channels)))
    return x.like(g.Add(y, along(g, layer, "beta", x, [axis], layer.array("beta", channels))))


def _centred(g: GraphBuilder, x: Tensor, places: Sequence[int]) -> tuple[Value, Value]:
    centred = g.Sub(x.value, g.ReduceMean(x.value, list(places), keepdims=1))
    return centred, g.ReduceMean(g.Mul(centred, centred), list(places), keepdims=1)


@reads("LayerNormalization")
def layer_normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    x = settled(g, floating(g, layer, x))
    if layer.flag("rms_scaling", False):
        return _root_mean_square(g, layer, x, "gamma", centre=True)
    axes = axes_of(layer, x)
    shape = [layer.size(x, axis) for axis in axes]
    gamma, beta = layer.flag("scale", True), layer.flag("center", True)
    eps = layer.real("epsilon", 1e-3)
    trailing = [x.order[place] for place in range(x.rank - len(axes), x.rank)]
    if trailing == axes:
        scale = layer.array("gamma", *shape) if gamma else np.ones(shape, np.float32)
        bias = layer.weight(g, "beta", layer.array("beta", *shape), layer.element(x)) if beta else None
        weight = layer.weight(g, "gamma", scale, layer.element(x))
        return x.like(g.LayerNormalization(x.value, weight, bias, axis=-len(axes), epsilon=eps))
    centred, variance = _centred(g, x, [x.place(axis) for axis in axes])
    y = g.Div(centred, g.Sqrt(g.Add(variance, layer.number(x, eps))))
    return x.like(_affine(g, layer, x, y, axes, shape, gamma, beta))


def _affine(
    g: GraphBuilder, layer: Layer, x: Tensor, y: Value, axes: Sequence[int], shape: Sequence[int], gamma: bool,
    beta: bool,
) -> Value:  # fmt: skip
    if gamma:
        y = g.Mul(y, along(g, layer, "gamma", x, axes, layer.array("gamma", *shape)))
    return g.Add(y, along(g, layer, "beta", x, axes, layer.array("beta", *shape))) if beta else y


@reads("RMSNormalization")
def rms_normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) * scale."""
    return _root_mean_square(g, layer, settled(g, floating(g, layer, x)), "scale")


def _root_mean_square(g: GraphBuilder, layer: Layer, x: Tensor, name: str, *, centre: bool = False) -> Tensor:
    """Layer normalisation with ``rms_scaling`` divides by the standard deviation and subtracts nothing."""
    axes = axes_of(layer, x)
    places = [x.place(axis) for axis in axes]
    eps = layer.number(x, layer.real("epsilon", 1e-3 if centre else 1e-6))
    square = _centred(g, x, places)[1] if centre else g.ReduceMean(g.Mul(x.value, x.value), places, keepdims=1)
    y = g.Div(x.value, g.Sqrt(g.Add(square, eps)))
    if layer.owns(name) or not centre:
        shape = [layer.size(x, axis) for axis in axes]
        y = g.Mul(y, along(g, layer, name, x, axes, layer.array(name, *shape)))
    return x.like(y)


@reads("GroupNormalization")
def group_normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Groups of channels with all other axes but the batch; -1 is one channel a group."""
    x = settled(g, floating(g, layer, x))
    axis = layer.axis(layer.integer("axis", -1), x.rank)
    channels = layer.size(x, axis)
    groups = layer.integer("groups", 32)
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups or x.rank < 2:
        raise layer.malformed(f"{channels} channels do not make {groups} groups")
    order = (0, axis, *(other for other in range(1, x.rank) if other != axis))
    value = x.to(g, order)
    eps = layer.real("epsilon", 1e-3)
    ones, zeros = np.ones(groups, np.float32).astype(layer.element(x).numpy()), np.zeros(groups, np.float32)
    apart = g.Reshape(value, [0, groups, -1])
    even = g.InstanceNormalization(apart, ones, zeros.astype(layer.element(x).numpy()), epsilon=eps)
    tail = [dim if isinstance(dim, int) else None for dim in g.shape(value)[1:]]
    together = Tensor(_back(g, value, even, tail), order, x.mask)
    gamma, beta = layer.flag("scale", True), layer.flag("center", True)
    return together.like(_affine(g, layer, together, together.value, [axis], [channels], gamma, beta))


def _back(g: GraphBuilder, like: Value, y: Value, tail: Sequence[int | None]) -> Value:
    """``y`` in the shape of ``like``, whose sizes behind the batch may be free."""
    if None not in tail:
        return g.Reshape(y, [0, *(size for size in tail if size is not None)])
    found = g.Reshape(y, g.Shape(like))
    found.shape = like.shape
    return found


@reads("UnitNormalization")
def unit_normalization(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """x / sqrt(max(sum(x^2), 1e-12))."""
    x = settled(g, floating(g, layer, x))
    places = [x.place(axis) for axis in axes_of(layer, x)]
    return x.like(unit(g, layer, x.value, places))


def unit(g: GraphBuilder, layer: Layer, x: Value, places: Sequence[int], eps: float = 1e-12) -> Value:
    total = g.ReduceSum(g.Mul(x, x), list(places), keepdims=1)
    return g.Div(x, g.Sqrt(g.Max(total, layer.number(x, eps))))


@reads("LayerScale")
def layer_scale(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """A factor for every channel, as in Keras' own ConvNeXt."""
    x = settled(g, floating(g, layer, x))
    factors = layer.array("gamma", layer.size(x, -1))
    return x.like(g.Mul(x.value, along(g, layer, "gamma", x, [x.rank - 1], factors)))


@reads("CustomScaleLayer")
def custom_scale_layer(g: GraphBuilder, layer: Layer, x: Tensor, y: Tensor) -> Tensor:
    """x + scale * y, as in Keras' own Inception-ResNet."""
    scaled = y.like(g.Mul(y.value, layer.number(y, layer.real("scale", 1.0))))
    order = x.order if x.order == y.order else tuple(range(x.rank))
    return Tensor(g.Add(x.to(g, order), scaled.to(g, order)), order)
