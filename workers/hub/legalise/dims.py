"""Questions about shapes and constants that many rules ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.hub.graph import Array, GraphBuilder
from workers.hub.node import Dim, Node, constant_of


def fixed(shape: Sequence[Dim] | None) -> tuple[int, ...] | None:
    """The shape when every axis is known, else None."""
    if shape is None or not all(isinstance(dim, int) for dim in shape):
        return None
    return tuple(int(dim) for dim in shape if isinstance(dim, int))


def spatial(node: Node, index: int = 0) -> tuple[int, ...] | None:
    """Sizes of the axes after batch and channels, when all are known."""
    shape = node.shape(index)
    return None if shape is None or len(shape) < 3 else fixed(shape[2:])


def scalar(value: ir.Value | None) -> float | None:
    """The number behind a constant of one element."""
    array = constant_of(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def integers(value: ir.Value | None) -> tuple[int, ...] | None:
    """The numbers of a constant list (axes, pads, sizes)."""
    array = constant_of(value)
    return None if array is None else tuple(int(number) for number in array.reshape(-1))


def axes_of(node: Node, index: int = 1, rank: int | None = None) -> tuple[int, ...] | None:
    """The constant axes in input ``index``, counted from the front; () when the input is omitted, None if computed."""
    if node.input(index) is None:
        return ()
    axes = integers(node.input(index))
    rank = node.rank if rank is None else rank
    if axes is None or rank is None:
        return None
    return tuple(sorted(axis % rank for axis in axes))


def target_shape(source: Sequence[Dim], target: Sequence[Dim]) -> list[int] | None:
    """What a Reshape from ``source`` to ``target`` is told: free axes are copied (0) in place, else inferred (-1).

    None when two axes would have to be inferred, or an empty one is to come where none is copied.
    """
    told: list[int] = []
    for axis, dim in enumerate(target):
        if dim == 0 and (axis >= len(source) or source[axis] != 0):
            return None
        if isinstance(dim, int):
            told.append(dim)
        elif dim is not None and axis < len(source) and source[axis] == dim:
            told.append(0)
        else:
            told.append(-1)
    return told if told.count(-1) <= 1 and (0 not in target or -1 not in told) else None


def reshape(g: GraphBuilder, x: ir.Value, target: Sequence[Dim]) -> ir.Value | None:
    """Reshape ``x`` to ``target``, free axes included; None when that cannot be told by a constant."""
    told = target_shape(g.shape(x), target)
    if told is None:
        return None
    y = g.Reshape(x, told)
    y.shape = ir.Shape(target)
    return y


def float_constant(node: Node, index: int) -> Array | None:
    """Input ``index`` as an array when it is a floating-point constant."""
    array = node.const(index)
    return array if array is not None and np.issubdtype(array.dtype, np.floating) else None
