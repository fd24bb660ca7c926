"""Layers that join two or more outputs element by element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.activation import activate
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("shortcut")
def shortcut(g: GraphBuilder, layer: Layer, x: Value, *sources: Value) -> Value:
    """The previous output plus those of ``from``, of whose channels as many count as both have."""
    x = layer.image(g, x)
    images = [layer.image(g, source) for source in sources]
    if "weights_type" in layer.options or layer.variant.alexeyab or len(images) > 1:
        return activate(g, layer, _weighted(g, layer, x, images), "linear")
    return activate(g, layer, _overlap(g, layer, x, images[0]), "linear")


# --- pjreddie ---------------------------------------------------------------------------------------------------------


def _overlap(g: GraphBuilder, layer: Layer, x: Value, source: Value) -> Value:
    """alpha * x + beta * source where they overlap, x elsewhere.

    A source larger by a factor is sampled at every factor-th pixel, one smaller is added to every factor-th pixel.
    """
    alpha, beta = (np.float32(layer.number(key, 1.0)) for key in ("alpha", "beta"))
    if g.shape(source)[1:] == g.shape(x)[1:]:
        return g.Add(_scaled(g, x, alpha), _scaled(g, source, beta))
    (channels, *plane), (theirs, *from_plane) = layer.sizes(x), layer.sizes(source)
    strides, samples = ([max(a // b, 1) for a, b in pairs] for pairs in (
        list(zip(from_plane, plane, strict=True)), list(zip(plane, from_plane, strict=True)),
    ))  # fmt: skip
    if strides[0] != strides[1] or samples[0] != samples[1]:
        raise layer.malformed(f"its source is {from_plane}, it is {plane}: not by one factor in both directions")
    common, sides = min(channels, theirs), [min(a, b) for a, b in zip(plane, from_plane, strict=True)]
    ends = [(side - 1) * strides[0] + 1 for side in sides]
    if (common, ends, strides[0]) != (theirs, from_plane, 1):
        source = g.Slice(source, [0, 0, 0], [common, *ends], [1, 2, 3], [1, strides[0], strides[0]])
    add = _spread(g, _scaled(g, source, beta), common, sides, samples[0])
    rest = [channels - common, *(side - part * samples[0] for side, part in zip(plane, sides, strict=True))]
    if any(rest):
        add = g.Pad(add, [0, 0, 0, 0, 0, *rest])
    return g.Add(_part_scaled(g, x, alpha, common, sides, samples[0]), add)


def _scaled(g: GraphBuilder, x: Value, by: np.float32) -> Value:
    return x if by == 1 else g.Mul(x, by)


def _spread(g: GraphBuilder, x: Value, channels: int, sides: Sequence[int], factor: int) -> Value:
    """Every pixel at the upper left of a block of ``factor`` by ``factor`` zeros."""
    if factor == 1:
        return x
    height, width = sides
    cells = g.Pad(g.Reshape(x, [0, channels, height, 1, width, 1]), [0] * 9 + [factor - 1, 0, factor - 1])
    return g.Reshape(cells, [0, channels, height * factor, width * factor])


def _part_scaled(
    g: GraphBuilder, x: Value, alpha: np.float32, channels: int, sides: Sequence[int], factor: int
) -> Value:
    """x times alpha where the source is added: x + (alpha - 1) * x under a mask an axis."""
    if alpha == 1:
        return x
    part = g.Mul(x, np.float32(alpha - np.float32(1)))
    for axis, (size, used, step) in enumerate(
        zip(g.shape(x)[1:], (channels, *sides), (1, factor, factor), strict=True)
    ):
        assert isinstance(size, int)
        mask = np.zeros(size, np.float32)
        mask[: used * step : step] = 1
        if not mask.all():
            part = g.Mul(part, mask.reshape(-1, *[1] * (2 - axis)))
    return g.Add(x, part)


# --- AlexeyAB ---------------------------------------------------------------------------------------------------------


def _weighted(g: GraphBuilder, layer: Layer, x: Value, sources: Sequence[Value]) -> Value:
    """All sources are added; with ``weights_type`` each is multiplied by its weight, a number or one a channel."""
    kind, channels = layer.word("weights_type", "none"), layer.channels(x)
    for source in sources:
        if g.shape(source)[2:] != g.shape(x)[2:]:
            raise layer.malformed(f"it adds {list(g.shape(source)[2:])} pixels to {list(g.shape(x)[2:])}")
    if kind not in ("none", "per_feature", "per_layer", "per_channel"):
        raise layer.malformed(f"weights_type={kind[:40]} is none of none, per_feature, per_layer, per_channel")
    weights: list[Value] = []
    if kind != "none":
        width = channels if kind == "per_channel" else 1
        table = _normalized(layer, layer.take(len(sources) + 1, width))
        weights = [
            layer.weight(g, f"weights_{index}", row.reshape(-1, 1, 1)) for index, row in enumerate(table)
        ]  # fmt: skip
    total = g.Mul(x, weights[0]) if weights else x
    for index, source in enumerate(sources):
        common = min(channels, layer.channels(source))
        part = source if layer.channels(source) == common else g.Slice(source, [0], [common], [1])
        if common < channels:
            part = g.Pad(part, [0, 0, 0, 0, 0, channels - common, 0, 0])
        total = g.Add(total, g.Mul(part, weights[index + 1]) if weights else part)
    return total


def _normalized(layer: Layer, weights: Array) -> Array:
    """The weights [sources + 1, width] as Darknet's loader normalises them over the sources; 0.0001 keeps the sum
    from zero. relu: of max(w, 0.001)."""
    how = layer.word("weights_normalization", "none")
    if how == "none":
        return weights
    if how not in ("relu", "avg_relu", "softmax"):
        raise layer.malformed(f"weights_normalization={how[:40]} is none of none, relu, softmax")

    def normalized() -> Array:
        wide = weights.astype(np.float64)
        part = np.exp(wide - wide.max(0)) if how == "softmax" else np.maximum(wide, 0.001)
        result: Array = part / (part.sum(0) + 1e-4)
        return result

    return layer.computed(weights.shape, normalized)


@reads("scale_channels")
def scale_channels(g: GraphBuilder, layer: Layer, x: Value, source: Value) -> Value:
    """The map ``from`` times the previous output, one value a channel; with ``scale_wh`` one value a pixel."""
    x, source = layer.image(g, x), layer.image(g, source)
    ours, theirs = g.shape(x)[1:], g.shape(source)[1:]
    wanted = (1, *theirs[1:]) if layer.whole("scale_wh") else (theirs[0], 1, 1)
    if ours != wanted:
        raise layer.malformed(f"its input is {list(ours)} where {list(wanted)} is needed to scale {list(theirs)}")
    return activate(g, layer, g.Mul(x, source), "linear")


@reads("sam")
def sam(g: GraphBuilder, layer: Layer, x: Value, source: Value) -> Value:
    """The element-wise product with ``from``."""
    x, source = layer.image(g, x), layer.image(g, source)
    if g.shape(x)[1:] != g.shape(source)[1:]:
        raise layer.malformed(f"it multiplies {list(g.shape(x)[1:])} by {list(g.shape(source)[1:])}")
    return activate(g, layer, g.Mul(x, source), "linear")
