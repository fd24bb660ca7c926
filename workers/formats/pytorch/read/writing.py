"""Putting a changed view back: for each operator that gives a view, the base with the view's part replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workers.formats.pytorch.read.layer import Layer, Size
from workers.formats.pytorch.read.shaping import as_vector, reshape, size_list, size_of
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value

Undo = Callable[..., Value]


def _shaped_back(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, *_: Any, **__: Any) -> Value:
    return reshape(g, layer, new, layer.dims(base))


def _replaced(
    g: GraphBuilder, layer: Layer, base: Value, new: Value, axis: int, start: Size, end: Size | None, step: int
) -> Value:
    """``base`` with ``base[start:end:step]`` along ``axis`` replaced by ``new``."""
    size = layer.dim(base, axis)
    if step < 1:
        raise layer.malformed(f"its step is {step}")
    positions = g.Range(0, size if isinstance(size, int) else size.scalar(g), 1)
    stop: Size = end if end is not None else (1 << 63) - 1
    chosen = g.Slice(positions, as_vector(g, [start]), as_vector(g, [stop]), [0], [step])
    rank = layer.rank(base)
    first = [axis, *(other for other in range(rank) if other != axis)]
    back = [first.index(other) for other in range(rank)]
    rows, values = (x if axis == 0 else g.Transpose(x, perm=first) for x in (base, new))
    made = g.ScatterND(rows, g.Unsqueeze(chosen, [1]), values)
    return layer.shaped(made if axis == 0 else g.Transpose(made, perm=back), layer.dims(base))


def undo_slice(
    g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, dim: Any = 0, start: Any = None,
    end: Any = None, step: Any = 1,
) -> Value:  # fmt: skip
    axis = layer.axis(base, dim)
    first = 0 if start is None else size_of(layer, start)
    last = None if end is None else size_of(layer, end)
    return _replaced(g, layer, base, new, axis, first, last, layer.integer(step))


def undo_select(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, dim: Any, position: Any) -> Value:
    axis = layer.axis(base, dim)
    start = size_of(layer, position)
    row = g.Unsqueeze(new, [axis])
    if isinstance(start, int):
        return _replaced(g, layer, base, row, axis, start, None if start == -1 else start + 1, 1)
    one = Sym("int", lambda b: b.Add(start.scalar(b), 1))
    return _replaced(g, layer, base, row, axis, start, one, 1)


def undo_narrow(
    g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, dim: Any, start: Any, length: Any
) -> Value:
    first, count = layer.integer(start), layer.integer(length)
    return _replaced(g, layer, base, new, layer.axis(base, dim), first, first + count, 1)


def undo_transpose(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, a: Any, b: Any) -> Value:
    perm = list(range(layer.rank(base)))
    first, second = layer.axis(base, a), layer.axis(base, b)
    perm[first], perm[second] = second, first
    return g.Transpose(new, perm=perm)


def undo_t(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any) -> Value:
    return g.Transpose(new)


def undo_permute(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: Any, dims: Any) -> Value:
    perm = [layer.axis(base, dim) for dim in dims]
    return g.Transpose(new, perm=[perm.index(axis) for axis in range(len(perm))])


def undo_split(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: int, size: Any, dim: Any = 0) -> Value:
    axis = layer.axis(base, dim)
    sizes = size_list(layer, size)
    if len(sizes) == 1:
        start, end = layer.integer(sizes[0]) * index, layer.integer(sizes[0]) * (index + 1)
    else:
        start = sum(layer.integers(sizes[:index]))
        end = start + layer.integer(sizes[index])
    return _replaced(g, layer, base, new, axis, start, end, 1)


def undo_chunk(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: int, chunks: Any, dim: Any = 0) -> Value:
    axis = layer.axis(base, dim)
    size = -(-layer.static(base, axis) // layer.integer(chunks))
    return _replaced(g, layer, base, new, axis, size * index, size * (index + 1), 1)


def undo_unbind(g: GraphBuilder, layer: Layer, base: Value, new: Value, index: int, dim: Any = 0) -> Value:
    return undo_select(g, layer, base, new, None, dim, index)


UNDO: dict[str, Undo] = {
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "unsqueeze", "squeeze"),
                    _shaped_back),
    "slice": undo_slice, "select": undo_select, "narrow": undo_narrow, "transpose": undo_transpose, "t": undo_t,
    "permute": undo_permute, "split": undo_split, "split_with_sizes": undo_split, "chunk": undo_chunk,
    "unbind": undo_unbind, "numpy_T": undo_t,
}  # fmt: skip
