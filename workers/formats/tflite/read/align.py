"""Bringing the inputs of a layer into one order of axes, and shapes of values into the form ONNX wants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.tflite.read.held import to_first
from workers.formats.tflite.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim, shape_of


def aligned(g: GraphBuilder, layer: Layer, *indices: int, real: bool = True) -> tuple[list[Value], bool]:
    """Inputs that will be broadcast against each other, and whether all have their channels in axis 1.

    An input of fewer axes gets axes of size 1 in front before its channels can move; a scalar stays as it is.
    """
    rank = max(layer.rank(index) for index in indices)
    full = [index for index in indices if layer.rank(index) == rank]
    first = rank > 2 and layer.wants_first(*full)
    return [_one(g, layer, index, rank, first, real) for index in indices], first


def _one(g: GraphBuilder, layer: Layer, index: int, rank: int, first: bool, real: bool) -> Value:
    own = layer.rank(index)
    if not first or own == 0:
        return layer.x(g, index, real=real)
    if own == rank:
        return layer.x(g, index, first=True, real=real)
    held, shape = layer.held(index), layer.dims(index)
    wide: list[Dim] = [*[1] * (rank - own), *shape]
    if held.array is not None and not held.quantised:
        array = np.ascontiguousarray(held.array()).reshape([*[1] * (rank - own), *held.shape])
        return g.constant(np.ascontiguousarray(array.transpose(to_first(rank)))[0])
    turned = [wide[axis] for axis in to_first(rank)]
    if own == 1 and all(isinstance(size, int) for size in turned):
        sizes = [int(size or 1) for size in turned[1:]]
        return g.Reshape(layer.x(g, index, real=real), sizes)
    plain = g.Unsqueeze(layer.x(g, index, real=real), list(range(rank - own)))
    return g.Transpose(plain, perm=to_first(rank))


def single(g: GraphBuilder, layer: Layer, index: int = 0, *, real: bool = True) -> tuple[Value, bool]:
    """An input in the order it is there in, for layers to which the order means nothing."""
    first = layer.rank(index) > 2 and layer.held(index).prefers_first
    return layer.x(g, index, first=first, real=real), first


def place(axis: int, rank: int, first: bool) -> int:
    """Where an axis of the file's order lies."""
    return to_first(rank).index(axis) if first else axis


def keeps_order(rank: int, removed: Sequence[int]) -> bool:
    """Whether the axes left when some are removed stand in the same order, channels first or last."""
    left = [axis for axis in to_first(rank) if axis not in removed]
    return left == sorted(left)


def volume(sizes: Sequence[Dim] | Sequence[int]) -> int | None:
    """The product of fixed sizes, None where one is free."""
    fixed = [size for size in sizes if isinstance(size, int)]
    return math.prod(fixed) if len(fixed) == len(sizes) else None


def is_batch(layer: Layer, size: Dim, number: Dim) -> bool:
    """Whether ``number``, written into the file, means the batch that only we leave free."""
    return size == "batch" and layer.scope.batch is not None and number == layer.scope.batch


def sized(y: Value, dims: Sequence[Dim]) -> Value:
    """``y`` with the sizes that ONNX's own inference could not tell."""
    have = shape_of(y)
    if have is None or (len(have) == len(dims) and None in have):
        found = [size if own is None else own for own, size in zip(have or [None] * len(dims), dims, strict=True)]
        y.shape = ir.Shape(found)
    return y
