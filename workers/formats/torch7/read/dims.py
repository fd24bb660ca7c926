"""Sizes of axes, of which one may be free: ``batch``, or a multiple of it, ``6*batch``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

_MULTIPLE = re.compile(r"(\d+)\*(.+)\Z")


def parts(dim: Dim) -> tuple[int, str | None]:
    """(6, "batch") of ``6*batch``, (6, None) of 6. An unnamed free axis is its own symbol."""
    if isinstance(dim, int):
        return dim, None
    found = _MULTIPLE.match(dim or "?")
    return (int(found[1]), found[2]) if found else (1, dim or "?")


def _joined(factor: int, symbol: str | None) -> Dim:
    if symbol is None or factor == 0:
        return factor
    return symbol if factor == 1 else f"{factor}*{symbol}"


def times(dims: Iterable[Dim]) -> Dim:
    """The product; None when two free axes are in it."""
    factor, symbol = 1, None
    for dim in dims:
        number, name = parts(dim)
        factor *= number
        if name is not None and symbol is not None:
            return None
        symbol = symbol or name
    return _joined(factor, symbol)


def divided(dim: Dim, by: Dim) -> Dim:
    """``dim / by``; None when it does not go without rest."""
    (factor, symbol), (divisor, other) = parts(dim), parts(by)
    if divisor == 0 or factor % divisor or (other is not None and other != symbol):
        return None
    return _joined(factor // divisor, None if other is not None else symbol)


def reshaped(g: GraphBuilder, x: ir.Value, dims: Sequence[Dim]) -> ir.Value | None:
    """``x`` in another shape; itself when it has it already, None when two axes would have to be guessed."""
    shape = g.shape(x)
    if tuple(dims) == shape and None not in dims:
        return x
    target, guessed = [], 0
    for axis, dim in enumerate(dims):
        if isinstance(dim, int):
            target.append(dim)
        elif dim is not None and axis < len(shape) and shape[axis] == dim:
            target.append(0)
        else:
            target.append(-1)
            guessed += 1
    if guessed > 1:
        return None
    result = g.Reshape(x, target)
    result.shape = ir.Shape(dims)
    return result
