"""Layers that only move elements: flatten, reshape, permute, crop, pad, repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.keras.read.layer import MAX_WINDOW, Layer, reads
from workers.formats.keras.read.tensor import Tensor, channels_first, plain
from workers.formats.keras.read.windows import channels_last, spatial
from workers.hub.graph import GraphBuilder


@reads("Flatten")
def flatten(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Behind the batch all in one; channels-first maps are turned to channels-last before (not in Keras 1).

    What is turned is only remembered: a Dense layer takes its rows in that order instead.
    """
    if x.rank == 1:
        return Tensor(g.Unsqueeze(x.value, [1]), (0, 1))
    if x.rank == 2:
        return x
    if not channels_last(layer) and layer.generation > 1:
        x = Tensor(x.plain(g), tuple(range(x.rank)))
        x = Tensor(x.value, (0, x.rank - 1, *range(1, x.rank - 1)))
    behind = g.shape(x.value)[1:]
    sizes = tuple(size for size in behind if isinstance(size, int))
    natural = x.order == tuple(range(x.rank))
    wide = [axis for axis, size in zip(x.order[1:], behind, strict=True) if size != 1]
    if natural or x.order[0] != 0 or len(sizes) != len(behind) or wide == sorted(wide):
        value = x.value if wide == sorted(wide) and x.order[0] == 0 else x.plain(g)
        return Tensor(g.Flatten(value, axis=1), (0, 1))
    return Tensor(g.Flatten(x.value, axis=1), (0, 1), None, (sizes, x.order[1:]))


@reads("Reshape")
def reshape(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """To a shape without the batch; one size may be -1."""
    target = [-1 if size is None else size for size in _target(layer)]
    behind = x.shape[1:]
    if -1 in target and all(isinstance(size, int) for size in behind):
        rest, total = 1, 1
        for size in target:
            rest *= size if size != -1 else 1
        for size in layer.fixed(behind):
            total *= size
        if rest and total % rest == 0 and target.count(-1) == 1:
            target[target.index(-1)] = total // rest
    if len(target) > 1 and all(size == 1 for size in target[:-1]) and len(target) < 4 and target[-1] > 0:
        # A row of channels as a map of one position.
        value = g.Reshape(x.plain(g), [-1, target[-1], *[1] * (len(target) - 1)])
        return Tensor(value, channels_first(len(target) + 1))
    if tuple(target) == tuple(behind):
        return Tensor(x.value, x.order, None, x.flat)
    head = -1 if -1 not in target else 0
    return plain(g.Reshape(x.plain(g), [head, *target]))


def _target(layer: Layer) -> list[int | None]:
    value: Any = layer.config.get("target_shape")
    items = value if isinstance(value, list) else [value]
    found: list[int | None] = []
    for item in items:
        if item is not None and (isinstance(item, bool) or not isinstance(item, int) or not -1 <= item < 2**31):
            raise layer.malformed(f"its target_shape is {str(value)[:60]}")
        found.append(item)
    if sum(item in (None, -1) for item in found) > 1 or 0 in found or len(found) > 8:
        raise layer.malformed(f"its target_shape is {str(value)[:60]}")
    return found


@reads("Permute")
def permute(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Axes counted from 1, the batch left out. Nothing is moved here: the result lies as its input does."""
    dims = layer.integers("dims")
    if sorted(dims) != list(range(1, x.rank)):
        raise layer.malformed(f"its dims {dims} do not permute {x.rank - 1} axes")
    source = [0, *dims]
    value = x.plain(g) if x.flat is not None else x.value
    order = tuple(range(x.rank)) if x.flat is not None else x.order
    return Tensor(value, tuple(source.index(axis) for axis in order))


@reads("RepeatVector")
def repeat_vector(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    layer.rank(x, 2)
    count = layer.integer("n")
    if not 1 <= count <= MAX_WINDOW:
        raise layer.malformed(f"it repeats {count} times")
    return plain(g.Expand(g.Unsqueeze(x.plain(g), [1]), [1, count, 1]))


def sides(layer: Layer, key: str, axes: int, default: Any) -> list[tuple[int, int]]:
    """What goes or comes at the beginning and the end of each spatial axis."""
    value = layer.config.get(key, default)
    items = value if isinstance(value, list) else [value] * axes
    if axes == 1 and len(items) == 2 and all(isinstance(item, int) for item in items):
        items = [items]
    found = []
    for item in items:
        pair = layer.as_integers(item, key)
        pair = pair * 2 if len(pair) == 1 else pair
        if len(pair) != 2 or not all(0 <= size <= MAX_WINDOW for size in pair):
            raise layer.malformed(f"its {key} is {str(value)[:60]}")
        found.append((pair[0], pair[1]))
    if len(found) != axes:
        raise layer.malformed(f"its {key} is {str(value)[:60]} for {axes} axes")
    return found


@reads("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    axes = int(layer.kind[-2])
    value, make = spatial(g, layer, x, axes)
    pairs = sides(layer, "padding", axes, 1)
    pads = [0, 0, *(first for first, _ in pairs), 0, 0, *(last for _, last in pairs)]
    return make(g.Pad(value, pads, layer.number(x, 0), mode="constant"))


@reads("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    axes = int(layer.kind[-2])
    value, make = spatial(g, layer, x, axes)
    pairs = sides(layer, "cropping", axes, 1)
    for size, (first, last) in zip(g.shape(value)[2:], pairs, strict=True):
        if isinstance(size, int) and first + last >= size:
            raise layer.malformed(f"it crops {first} and {last} off {size}")
    starts = [first for first, _ in pairs]
    stops = [-last if last else np.iinfo(np.int64).max for _, last in pairs]
    return make(g.Slice(value, starts, stops, list(range(2, axes + 2))))
