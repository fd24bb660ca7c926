"""Operands of different shapes, made equal for targets that do not broadcast."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import reshape
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Dim, Node

BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")


def repeats(shape: Sequence[Dim], wanted: Sequence[Dim]) -> list[int] | None:
    """How often each axis of ``shape`` repeats in ``wanted`` (equal ranks); None when a free axis would repeat."""
    counts = []
    for have, want in zip(shape, wanted, strict=True):
        if have == want and have is not None:
            counts.append(1)
        elif have == 1 and isinstance(want, int):
            counts.append(want)
        else:
            return None
    return counts


def _expanded(g: GraphBuilder, value: Value, wanted: Sequence[Dim]) -> Value | None:
    """``value`` repeated to the shape ``wanted``; None when a free axis stands in the way."""
    shape = g.shape(value)
    padded = (1,) * (len(wanted) - len(shape)) + tuple(shape)
    counts = repeats(padded, wanted)
    if counts is None:
        return None
    full: Value | None = value
    if len(shape) < len(wanted):
        full = reshape(g, value, padded)
    if full is None or all(count == 1 for count in counts):
        return full
    tiled = g.Tile(full, counts)
    tiled.shape = ir.Shape(wanted)
    return tiled


@rule(BINARY, "broadcast-by-tiling", "The smaller operand is repeated to the shape of the result.")
def broadcast_by_tiling(g: GraphBuilder, node: Node) -> Results:
    wanted = node.out_shape()
    shapes = [node.shape(index) for index in range(len(node.inputs))]
    if wanted is None or any(shape is None for shape in shapes) or all(shape == wanted for shape in shapes):
        return None
    full = []
    for index, shape in enumerate(shapes):
        value = node.x(index) if shape == wanted else _expanded(g, node.x(index), wanted)
        if value is None:
            return None
        full.append(value)
    return g.op(node.op, *full)


@rule("Expand", "expand-to-tile", "Expanding axes of size one is tiling.")
def expand_to_tile(g: GraphBuilder, node: Node) -> Results:
    wanted = node.out_shape()
    if wanted is None or node.shape() is None:
        return None
    return _expanded(g, node.x(), wanted)


@rule("Tile", "tile-to-concat", "Repeating along an axis is concatenating the tensor with itself.")
def tile_to_concat(g: GraphBuilder, node: Node) -> Results:
    counts = node.const(1)
    if counts is None or max(int(count) for count in counts) > 1024:
        return None
    x = node.x()
    for axis, count in enumerate(int(count) for count in counts):
        if count > 1:
            x = g.Concat(*[x] * count, axis=axis)
    return x
