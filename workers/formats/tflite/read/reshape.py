"""Other shapes for the same numbers in the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.tflite.read.align import is_batch, sized, volume
from workers.formats.tflite.read.held import Flat, Held, Rows, to_last
from workers.formats.tflite.read.layer import Array, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("RESHAPE", "STABLEHLO_RESHAPE")
def reshape(g: GraphBuilder, layer: Layer) -> Out:
    """The shape is an input, or an option in old files. A map that is flattened can stay channels first."""
    held = layer.held(0)
    if held.array is not None and not held.quantised:
        return _constant(layer, held)
    if held.is_complex:
        return _complex(g, layer, held)
    target = _target(layer)
    real = not layer.moves(0)
    if target is None:
        shape = whole(g, layer.x(g, 1))
        return Out(g.Reshape(layer.x(g, 0, real=real), shape), real=real)
    whole_map = _map_of(layer, held, target)
    if whole_map is not None:
        return whole_map
    sizes = fitted(layer, layer.dims(0), target)
    known = _same_elements(held, sizes)
    if held.prefers_first:
        if held.either:
            return _result(g, held.value(g, real=real, first=True), sizes, real)
        left = _flat(g, layer, held, sizes, real) or _rows(g, layer, held, sizes)
        if left is not None:
            return left
    made = _result(g, layer.x(g, 0, real=real), sizes, real, known)
    named = [size if isinstance(size, str) or size > 0 else None for size in target]
    if made.value is not None and not made.first and len(named) == len(sizes):
        sized(made.value, named)
    return made


def _complex(g: GraphBuilder, layer: Layer, held: Held) -> Out:
    """The last axis, real and imaginary part, stays where it is."""
    shape, target = layer.dims(0)[:-1], _target(layer)
    if target is None:
        raise layer.unsupported("the shape that it gives complex numbers is computed")
    return Out(g.Reshape(held.value(g), [*fitted(layer, shape, target), 2]))


def _same_elements(held: Held, sizes: list[int]) -> Array | None:
    if held.known is None or min(sizes, default=1) < 1 or volume(sizes) != held.known.size:
        return None
    return held.known.reshape(sizes)


def _result(g: GraphBuilder, x: Value, sizes: list[int], real: bool, known: Array | None = None) -> Out:
    """A single pixel with many channels is made with these in axis 1, where convolutions want them."""
    if len(sizes) == 4 and sizes[1] == sizes[2] == 1 and sizes[3] > 1:
        return Out(g.Reshape(x, [sizes[0], sizes[3], 1, 1]), first=True, real=real)
    return Out(g.Reshape(x, sizes), real=real, known=known)


def _constant(layer: Layer, held: Held) -> Out:
    target, make = _target(layer), held.array
    assert make is not None
    if target is None:
        raise layer.unsupported("it gives a constant a shape that is computed")
    sizes = fitted(layer, held.shape, target)
    return Out(array=lambda: make().reshape(sizes), shape=_shape(layer, held.shape, sizes), dtype=held.dtype)


def _shape(layer: Layer, shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    try:
        return np.broadcast_to(np.int8(0), shape).reshape(sizes).shape
    except ValueError:
        raise layer.malformed(f"its input of shape {list(shape)} cannot become {list(sizes)}") from None


def _target(layer: Layer) -> list[Any] | None:
    """The wanted shape, None when it is computed; an old file's [0] means a scalar."""
    if layer.type == "STABLEHLO_RESHAPE":
        return list(layer.outs[0].shape)
    if layer.has(1):
        known = layer.known(1)
        return None if known is None else list(known.reshape(-1))
    if "new_shape" in layer.op.options:
        return list(layer.ints("new_shape"))
    return list(layer.outs[0].shape)


def fitted(layer: Layer, shape: Sequence[Dim], target: Sequence[Any]) -> list[int]:
    """``target`` as ONNX's Reshape takes it: 0 where a size is kept, at most one -1.

    A batch that only we leave free stands in the file as a number: it is recognised in front of sizes that are kept.
    Raises FreeAxis where it has gone into another axis.
    """
    sizes = [-1 if isinstance(size, str) else int(size) for size in target]
    names = [size for size in target if isinstance(size, str)]
    if len(names) + [size for size in target if not isinstance(size, str)].count(-1) > 1 or min(sizes, default=0) < -1:
        if names and list(target)[: len(names)] == list(shape)[: len(names)]:
            return [0] * len(names) + sizes[len(names) :]
        raise layer.malformed(f"its shape {list(target)} leaves more than one size open")
    total = volume(shape)
    if total is not None:
        rest = math.prod(size for size in sizes if size != -1)
        if (-1 not in sizes and rest != total) or (-1 in sizes and rest and total % rest):
            raise layer.malformed(f"its input of shape {list(shape)} cannot become {list(target)}")
        return [total // rest if size == -1 and rest else size for size in sizes]
    return _with_free(layer, shape, target, sizes)


def _named(size: Dim) -> bool:
    return isinstance(size, str)


def _with_free(layer: Layer, shape: Sequence[Dim], target: Sequence[Any], sizes: list[int]) -> list[int]:
    rest = volume(shape[1:])
    own = volume(sizes[1:])
    if sizes and not isinstance(shape[0], int) and rest is not None and own is not None:
        leads = sizes[0] == -1 or is_batch(layer, shape[0], sizes[0])
        if leads and -1 not in sizes[1:] and own == rest:
            return [0, *sizes[1:]]
        if leads and sizes[0] != -1 and sizes[1:].count(-1) == 1:
            known = -own
            if known and rest % known == 0:
                return [0, *(rest // known if size == -1 else size for size in sizes[1:])]
    if layer.scope.batch is None and (-1 in sizes or (layer.scope.recorded and not any(map(_named, shape)))):
        return sizes
    if -1 in sizes and not any(is_batch(layer, dim, sizes[0]) for dim in shape[:1]) and layer.scope.batch == 1:
        merged = rest is not None and own is not None and own and rest % own == 0 and sizes[0] == -1
        if merged:
            return sizes
    raise layer.free(f"it gives {list(shape)} the fixed shape {list(target)}")


def _flat(g: GraphBuilder, layer: Layer, held: Held, sizes: list[int], real: bool) -> Out | None:
    """[batch, ..., C] -> [batch, numbers]: left channels first for a dense layer, which turns its weight instead."""
    shape = layer.dims(0)
    if len(sizes) != 2 or len(shape) < 3 or volume(shape[1:]) not in (sizes[1], None):
        return None
    inner = volume(shape[1:])
    if inner is None or (isinstance(shape[0], int) and sizes[0] not in (0, shape[0])):
        return None
    x = held.value(g, first=True)
    spatial = tuple(int(size or 0) for size in shape[1:])

    def plain(g: GraphBuilder) -> Value:
        return g.Reshape(g.Transpose(x, perm=to_last(len(shape))), sizes)

    flat = g.Reshape(x, sizes)
    return Out(flat=Flat(flat, spatial, True, plain))


def _rows(g: GraphBuilder, layer: Layer, held: Held, sizes: list[int]) -> Out | None:
    """[batch, ..., C] -> [pixels, C]: left as the map that it is, for a dense layer over the channels."""
    shape = layer.dims(0)
    if held.quantised or len(shape) < 4 or len(sizes) != 2 or sizes[1] != shape[-1] or sizes[0] == 0:
        return None
    return Out(rows=Rows(held.value(g, first=True), shape))


def _map_of(layer: Layer, held: Held, target: Sequence[Any]) -> Out | None:
    """Rows that become the map again that they come from."""
    if held.rows is None or len(target) != len(held.rows.sizes):
        return None
    pairs = list(zip(target, held.rows.sizes, strict=True))
    same = all(a == b or (not place and is_batch(layer, b, a)) for place, (a, b) in enumerate(pairs))
    if not same and not (pairs[0][0] == -1 and all(a == b and isinstance(a, int) for a, b in pairs[1:])):
        return None
    return Out(held.rows.value, first=True)


# --- axes of size 1 --------------------------------------------------------------------------------------------------


@reads("SQUEEZE")
def squeeze(g: GraphBuilder, layer: Layer) -> Out:
    """All axes of size 1 when none are named; those of a single pixel go without a transposition."""
    held = layer.held(0)
    shape = layer.dims(0)[: -1 if held.is_complex else None]
    rank = len(shape)
    named = [layer.axis(axis, rank) for axis in layer.ints("squeeze_dims")]
    if not named and any(not isinstance(size, int) for size in shape) and layer.scope.batch is not None:
        raise layer.free("it removes all axes of size 1")
    axes = named or [axis for axis, size in enumerate(shape) if size == 1]
    if any(isinstance(shape[axis], int) and shape[axis] != 1 for axis in axes):
        raise layer.malformed(f"it removes the axes {axes} of an input of shape {list(shape)}")
    if any(is_batch(layer, shape[axis], layer.scope.batch) for axis in axes):
        raise layer.free("it removes the batch axis")
    real = not layer.moves(0)
    known = None if held.known is None else held.known.reshape(held.known.size if rank - len(axes) else ())
    if not axes:
        x = layer.x(g, 0, real=real, first=held.prefers_first)
        return Out(g.Identity(x), first=held.prefers_first, real=real, known=known)
    if held.prefers_first and rank > 2 and not held.is_complex:
        order = [0, rank - 1, *range(1, rank - 1)]
        left = [axis for axis in order if axis not in axes]
        if left == sorted(left):
            x = layer.x(g, 0, real=real, first=True)
            return Out(g.Squeeze(x, sorted(order.index(axis) for axis in axes)), real=real)
    return Out(g.Squeeze(layer.x(g, 0, real=real), axes), real=real, known=known)


@reads("EXPAND_DIMS")
def expand_dims(g: GraphBuilder, layer: Layer) -> Out:
    rank = layer.rank(0) - layer.held(0).is_complex
    axis = layer.axis(layer.integer(1, "axis"), rank, extra=1)
    real = not layer.moves(0)
    known = layer.known(0)
    return Out(g.Unsqueeze(layer.x(g, 0, real=real), [axis]), real=real,
               known=None if known is None else np.expand_dims(known, axis))  # fmt: skip


@reads("TRANSPOSE", "STABLEHLO_TRANSPOSE")
def transpose(g: GraphBuilder, layer: Layer) -> Out:
    """One that moves channels to the other end costs nothing where they lie there already."""
    rank, held = layer.rank(0), layer.held(0)
    perm = layer.integers(1, "axes") if layer.type == "TRANSPOSE" else layer.ints("permutation")
    perm = [layer.axis(axis, rank) for axis in perm]
    if sorted(perm) != list(range(rank)):
        raise layer.malformed(f"its axes {perm} are not those of an input of {rank} axes")
    if held.array is not None and not held.quantised:
        make, shape = held.array, tuple(held.shape[axis] for axis in perm)
        return Out(array=lambda: make().transpose(perm), shape=shape, dtype=held.dtype)
    real = not layer.moves(0)
    first = rank > 2 and held.prefers_first
    x = layer.x(g, 0, first=first, real=real)
    order = [0, rank - 1, *range(1, rank - 1)] if first else list(range(rank))
    moved = [order.index(axis) for axis in perm]
    if moved == list(range(rank)):
        return Out(x, real=real)
    turned = [moved[axis] for axis in (0, rank - 1, *range(1, rank - 1))] if rank > 2 else []
    if turned == list(range(rank)):
        return Out(x, first=True, real=real)
    return Out(g.Transpose(x, perm=moved), real=real)
