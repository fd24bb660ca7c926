"""Sizes of axes that may be free, and reshaping to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from workers.formats.caffe2.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

CONSTANT = 1 << 26


def times(dims: Iterable[Dim]) -> Dim:
    """The product where it is a number, or the one free axis among ones; else None."""
    found = list(dims)
    if all(isinstance(dim, int) for dim in found):
        return math.prod(dim for dim in found if isinstance(dim, int))
    free = [dim for dim in found if not isinstance(dim, int)]
    fixed = math.prod(dim for dim in found if isinstance(dim, int))
    return free[0] if len(free) == 1 and fixed == 1 else None


def reshape(g: GraphBuilder, layer: Layer, x: Value, shape: Sequence[Dim]) -> Value:
    """``x`` in a shape of which at most one size is free, or free sizes stand where they stood."""
    have = layer.shape(x)
    sizes: list[int] = []
    for axis, dim in enumerate(shape):
        if isinstance(dim, int):
            sizes.append(dim)
        elif dim is not None and axis < len(have) and have[axis] == dim:
            sizes.append(0)
        elif -1 not in sizes:
            sizes.append(-1)
        else:
            raise layer.free("it reshapes to several axes of free sizes")
    if 0 in sizes and any(dim == 0 for dim in shape):
        raise layer.free("it has an axis of size 0")
    return g.Reshape(x, sizes)


def size_of(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value | list[int]:
    """The size of an axis as a vector of one: a constant where it is known, else found when the model runs."""
    dim = layer.shape(x)[axis]
    return [dim] if isinstance(dim, int) else g.Shape(x, start=axis, end=axis + 1)


def check_constant(layer: Layer, elements: int) -> None:
    """Nothing that a few bytes of arguments ask for may grow beyond reason."""
    if elements > CONSTANT:
        raise layer.malformed(f"it would make a constant of {elements:,} elements")
