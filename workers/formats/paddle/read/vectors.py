"""Small integer tensors: shapes, axes and bounds, which come as attributes, as one tensor, or as a list of tensors.

Where their elements are known, also as sizes of axes, layers read them like attributes; else they stay computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.dims import over, parts, times, whole
from workers.formats.paddle.read.layer import I64, Layer, Value, cast
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

LONGEST = 4096


def contents(layer: Layer, x: Value) -> tuple[Dim, ...] | None:
    """The elements of an integer tensor, flattened; None where they are not all known."""
    found = layer.scope.contents.get(x)
    if found is not None:
        return found
    array = GraphBuilder.const(x)
    if array is None or array.size > LONGEST or array.dtype.kind not in "iubf":
        return None
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        return None
    return tuple(int(item) for item in array.reshape(-1))


def numbers(
    g: GraphBuilder, layer: Layer, key: str, tensor: str = "", pieces: str = "", default: Sequence[int] | None = None
) -> list[int] | Value:
    """A vector by its attribute or the inputs that override it: integers, or a computed [n] int64 tensor."""
    listed = layer.all(pieces) if pieces else []
    if listed:
        known = [contents(layer, piece) or (None,) for piece in listed]
        flat = [item for one in known for item in one]
        found = whole(flat) if len(flat) == len(listed) else None
        if found is not None:
            return found
        joined = g.Concat(*(g.Reshape(cast(g, piece, I64), [1]) for piece in listed), axis=0)
        if len(flat) == len(listed) and any(item is not None for item in flat):
            layer.scope.contents[joined] = tuple(flat)
        return joined
    whole_tensor = layer.maybe(tensor) if tensor else None
    if whole_tensor is not None:
        return vector(g, layer, whole_tensor)
    if layer.attr(key) is None and default is None:
        raise layer.malformed(f"it has neither the attribute {key} nor a tensor in its place")
    return layer.integers(key, default or ())


def vector(g: GraphBuilder, layer: Layer, x: Value) -> list[int] | Value:
    """An integer tensor as numbers where they are known, else as [n] int64."""
    known = contents(layer, x)
    fixed = whole(known) if known is not None else None
    if fixed is not None:
        return fixed
    wide = cast(g, x, I64)
    flat = wide if layer.shape(x) and len(layer.shape(x)) == 1 else g.Reshape(wide, [-1])
    if known is not None:
        layer.scope.contents[flat] = known
        flat.shape = ir.Shape([len(known)])
    return flat


def fixed(layer: Layer, found: list[int] | Value, what: str) -> list[int]:
    """Numbers that must be known."""
    if isinstance(found, list):
        return found
    known = contents(layer, found)
    if known is not None:
        raise layer.free(f"{what} must be a number")
    raise layer.unsupported(f"{what} is computed from the data; ONNX needs it to be known")


def integer(g: GraphBuilder, layer: Layer, key: str, tensor: str, default: int | None = None) -> int:
    """One number, which must be known."""
    found = fixed(layer, numbers(g, layer, key, tensor, default=None if default is None else [default]), f"its {key}")
    if len(found) != 1:
        raise layer.malformed(f"its {key} has {len(found)} values instead of one")
    return found[0]


def scalar(g: GraphBuilder, x: Value) -> Value:
    """A tensor of one element without axes."""
    array = g.const(x)
    if array is not None and array.size == 1:
        return g.constant(array.reshape(()))
    return x if x.shape is not None and len(x.shape) == 0 else g.Reshape(x, g.constant(np.zeros(0, np.int64)))


def reshaped(g: GraphBuilder, layer: Layer, x: Value, target: Sequence[Dim]) -> Value:
    """``x`` in the shape ``target``, in which at most one axis may be None where the number of elements tells it.

    One free axis is written -1, or 0 where it stands in the input at the same place; more are taken at run time.
    """
    have = layer.shape(x)
    if tuple(target) == tuple(have) and None not in target:
        return x
    free = [place for place, dim in enumerate(target) if not isinstance(dim, int)]
    shape: list[int] = [dim if isinstance(dim, int) else -1 for dim in target]
    empty = any(dim == 0 for dim in target)
    if len(free) == 1 and empty:
        return _reshape_by_value(g, layer, x, target)
    copied = [
        place for place in free if place < len(have) and target[place] is not None and have[place] == target[place]
    ]
    for place in copied[: len(free) if len(free) > 1 else 0]:
        shape[place] = 0
    if shape.count(-1) > 1 or (0 in shape and empty):
        return _reshape_by_value(g, layer, x, target)
    result = g.Reshape(x, shape, allowzero=1 if empty else None)
    result.shape = ir.Shape(list(target))
    if None in target:
        rest = _missing(have, target)
        result.shape = ir.Shape([rest if dim is None else dim for dim in target])
    return result


def _missing(have: Sequence[Dim], target: Sequence[Dim]) -> Dim:
    return over(times(have), times(dim for dim in target if dim is not None))


def _reshape_by_value(g: GraphBuilder, layer: Layer, x: Value, target: Sequence[Dim]) -> Value:
    pieces: list[Value] = []
    for dim in target:
        if dim is None:
            pieces.append(g.constant([-1]))
        else:
            pieces.append(size_value(g, layer, x, dim))
    result = g.Reshape(x, g.Concat(*pieces, axis=0), allowzero=1 if 0 in target else None)
    result.shape = ir.Shape(list(target))
    return result


def size_value(g: GraphBuilder, layer: Layer, x: Value, dim: int | str) -> Value:
    """A size as a tensor [1], taken from an axis of ``x`` or of a graph input."""
    number, names = parts(dim)
    if not names:
        return g.constant([number])
    found: Value | None = None
    for name in names:
        source, axis = _source(layer, x, name)
        size = g.Shape(source, start=axis, end=axis + 1)
        found = size if found is None else g.Mul(found, size)
    assert found is not None
    return found if number == 1 else g.Mul(found, [number])


def _source(layer: Layer, x: Value, name: str) -> tuple[Value, int]:
    for value in (x, *layer.scope.inputs):
        for axis, dim in enumerate(layer.shape(value)):
            if dim == name:
                return value, axis
    raise layer.free(f"it needs the size {name!r}, which no input has as an axis")


def sizes_of(g: GraphBuilder, layer: Layer, x: Value, axes: Sequence[int]) -> list[int] | Value:
    """The sizes of some axes: numbers, or a tensor."""
    dims = layer.shape(x)
    known = whole([dims[axis] for axis in axes])
    if known is not None:
        return known
    joined = g.Concat(*(g.Shape(x, start=axis, end=axis + 1) for axis in axes), axis=0)
    layer.scope.contents[joined] = tuple(dims[axis] for axis in axes)
    return joined
