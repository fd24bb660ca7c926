"""Shapes: views, transpositions, splitting and joining."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import F32, I64, Layer, Size, reads
from workers.formats.pytorch.read.shaping import expand as expanded
from workers.formats.pytorch.read.shaping import reshape as reshaped
from workers.formats.pytorch.read.shaping import size_list, size_of, slice_
from workers.formats.pytorch.read.symbols import emit
from workers.hub.graph import GraphBuilder, Value


@reads("aten::view", "aten::reshape", "aten::_unsafe_view", "aten::_reshape_alias", "aten::view_copy",
       "aten::_reshape_copy")  # fmt: skip
def view(g: GraphBuilder, layer: Layer, self: Value, size: Any = None, stride: Any = None, shape: Any = None) -> Value:
    wanted = size if size is not None else shape
    if isinstance(wanted, int) and not isinstance(wanted, bool) and layer.overload == "dtype":
        raise layer.unsupported("it looks at the bytes of a tensor as another type")
    return reshaped(g, layer, self, size_list(layer, wanted))


@reads("aten::view_as", "aten::reshape_as")
def view_as(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    return reshaped(g, layer, self, layer.dims(other))


@reads("aten::flatten", "aten::ravel")
def flatten(g: GraphBuilder, layer: Layer, self: Value, start_dim: Any = 0, end_dim: Any = -1) -> Value:
    dims = layer.dims(self)
    if not dims:
        return g.Reshape(self, [1])
    first, last = layer.axis(self, start_dim), layer.axis(self, end_dim)
    if first >= last:
        return self
    return reshaped(g, layer, self, [*dims[:first], -1, *dims[last + 1 :]])


@reads("aten::unflatten")
def unflatten(g: GraphBuilder, layer: Layer, self: Value, dim: Any, sizes: Any, names: Any = None) -> Value:
    dims, axis = layer.dims(self), layer.axis(self, dim)
    return reshaped(g, layer, self, [*dims[:axis], *size_list(layer, sizes), *dims[axis + 1 :]])


@reads("aten::squeeze", "aten::squeeze_copy")
def squeeze(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None) -> Value:
    """Only axes of size 1 go; a free axis stays, as it does in an exported program."""
    axes = range(layer.rank(self)) if dim is None else layer.axes(self, dim) if dim != [] else []
    ones = [axis for axis in axes if layer.rank(self) and layer.dim(self, axis) == 1]
    return g.Squeeze(self, ones) if ones else self


@reads("aten::unsqueeze", "aten::unsqueeze_copy")
def unsqueeze(g: GraphBuilder, layer: Layer, self: Value, dim: Any) -> Value:
    rank = layer.rank(self) + 1
    return g.Unsqueeze(self, [layer.integer(dim) % rank])


@reads("aten::transpose", "aten::swapaxes", "aten::swapdims", "aten::transpose_copy")
def transpose(
    g: GraphBuilder, layer: Layer, self: Value, dim0: Any = None, dim1: Any = None, axis0: Any = None, axis1: Any = None
) -> Value:
    first = layer.axis(self, dim0 if dim0 is not None else axis0)
    second = layer.axis(self, dim1 if dim1 is not None else axis1)
    perm = list(range(layer.rank(self)))
    if first == second:
        return self
    perm[first], perm[second] = second, first
    return g.Transpose(self, perm=perm)


@reads("aten::t", "aten::numpy_T", "aten::mT", "aten::mH", "aten::adjoint", "aten::t_copy")
def t(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    rank = layer.rank(self)
    if rank < 2:
        return self
    if layer.type in ("aten::t", "aten::numpy_T", "aten::t_copy"):
        return g.Transpose(self, perm=list(reversed(range(rank))))
    return g.Transpose(self, perm=[*range(rank - 2), rank - 1, rank - 2])


@reads("aten::permute", "aten::permute_copy")
def permute(g: GraphBuilder, layer: Layer, self: Value, dims: Any) -> Value:
    perm = [layer.axis(self, dim) for dim in dims]
    return self if perm == list(range(len(perm))) else g.Transpose(self, perm=perm)


@reads("aten::movedim", "aten::moveaxis")
def movedim(g: GraphBuilder, layer: Layer, self: Value, source: Any, destination: Any) -> Value:
    rank = layer.rank(self)
    froms, tos = ([x % rank for x in layer.integers(v)] for v in (source, destination))
    rest = iter([axis for axis in range(rank) if axis not in froms])
    perm = [froms[tos.index(axis)] if axis in tos else next(rest) for axis in range(rank)]
    return g.Transpose(self, perm=perm)


@reads("aten::expand", "aten::broadcast_to", "aten::expand_copy")
def expand(g: GraphBuilder, layer: Layer, self: Value, size: Any, implicit: Any = False) -> Value:
    return expanded(g, layer, self, size_list(layer, size))


@reads("aten::expand_as")
def expand_as(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    return expanded(g, layer, self, layer.dims(other))


@reads("aten::broadcast_tensors")
def broadcast_tensors(g: GraphBuilder, layer: Layer, tensors: list[Value]) -> list[Value]:
    whole = tensors[0]
    for other in tensors[1:]:
        whole = g.Add(g.Mul(cast(g, whole, F32), g.constant(0.0)), g.Mul(cast(g, other, F32), g.constant(0.0)))
    return [g.Expand(x, g.Shape(whole)) for x in tensors]


@reads("aten::repeat", "aten::tile")
def repeat(g: GraphBuilder, layer: Layer, self: Value, repeats: Any = None, dims: Any = None) -> Value:
    counts = size_list(layer, repeats if repeats is not None else dims)
    rank = layer.rank(self)
    counts = [*[1] * (rank - len(counts)), *counts]
    own: list[Size] = [*[1] * (len(counts) - rank), *layer.dims(self)]
    x = reshaped(g, layer, self, own) if len(own) != rank else self
    vector = g.constant([c for c in counts if isinstance(c, int)]) if all(isinstance(c, int) for c in counts) else \
        g.Concat(*(g.constant([c]) if isinstance(c, int) else c.vector(g) for c in counts), axis=0)  # fmt: skip
    made = g.Tile(x, vector)
    dims_: list[Size | None] = [
        s if c == 1 else s * c if isinstance(s, int) and isinstance(c, int) else None
        for s, c in zip(own, counts, strict=True)
    ]
    return layer.shaped(made, dims_)


@reads("aten::repeat_interleave")
def repeat_interleave(
    g: GraphBuilder, layer: Layer, self: Value, repeats: Any = None, dim: Any = None, output_size: Any = None
) -> Value:
    known = layer.known(repeats)
    if known is None or known.size != 1:
        raise layer.unsupported("different, or computed, numbers of repetitions")
    x = self if dim is not None else g.Reshape(self, [-1])
    axis, count = (layer.axis(x, dim) if dim is not None else 0), int(known.reshape(()))
    dims = layer.dims(x)
    wide = expanded(g, layer, g.Unsqueeze(x, [axis + 1]), [*dims[: axis + 1], count, *dims[axis + 1 :]])
    return reshaped(g, layer, wide, [*dims[:axis], -1, *dims[axis + 1 :]])


@reads("aten::slice", "aten::slice_copy")
def slice(
    g: GraphBuilder, layer: Layer, self: Value, dim: Any = 0, start: Any = None, end: Any = None, step: Any = 1
) -> Value:
    axis = layer.axis(self, dim)
    first = 0 if start is None else size_of(layer, start)
    last = None if end is None else size_of(layer, end)
    return slice_(g, layer, self, axis, first, last, layer.integer(step))


@reads("aten::narrow", "aten::narrow_copy")
def narrow(g: GraphBuilder, layer: Layer, self: Value, dim: Any, start: Any, length: Any) -> Value:
    first, count = size_of(layer, start), size_of(layer, length)
    axis = layer.axis(self, dim)
    if isinstance(first, int) and isinstance(count, int):
        if first < 0:
            first += layer.static(self, axis)
        return slice_(g, layer, self, axis, first, first + count)
    made = g.Slice(self, g.Reshape(emit(g, first, I64), [1]),
                   g.Reshape(g.Add(emit(g, first, I64), emit(g, count, I64)), [1]), [axis])  # fmt: skip
    dims: list[Size | None] = [*layer.dims(self)]
    dims[axis] = count
    return layer.shaped(made, dims)


@reads("aten::select", "aten::select_copy")
def select(g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Any) -> Value:
    return g.Gather(self, operand(g, index, I64), axis=layer.axis(self, dim))


@reads("aten::flip", "aten::fliplr", "aten::flipud")
def flip(g: GraphBuilder, layer: Layer, self: Value, dims: Any = None) -> Value:
    word = layer.type.rpartition("::")[2]
    axes = {"fliplr": [1], "flipud": [0]}.get(word) or [layer.axis(self, dim) for dim in dims]
    # Inference of ONNX aborts the process on an empty axis that runs backwards.
    axes = [axis for axis in axes if layer.dim(self, axis) != 0]
    count = len(axes)
    if not axes:
        return g.Identity(self)
    return g.Slice(self, [-1] * count, [-(1 << 63) + 1] * count, axes, [-1] * count)


@reads("aten::roll")
def roll(g: GraphBuilder, layer: Layer, self: Value, shifts: Any, dims: Any = ()) -> Value:
    steps = layer.integers(shifts)
    if not isinstance(dims, int) and not dims:
        return reshaped(g, layer, _rolled(g, layer, g.Reshape(self, [-1]), 0, steps[0]), layer.dims(self))
    for step, dim in zip(steps, layer.integers(dims), strict=True):
        self = _rolled(g, layer, self, layer.axis(self, dim), step)
    return self


def _rolled(g: GraphBuilder, layer: Layer, x: Value, axis: int, step: int) -> Value:
    size = layer.dim(x, axis)
    step = step % size if isinstance(size, int) and size else step
    if step == 0:
        return x
    back = g.Slice(x, [-step], [(1 << 63) - 1], [axis])
    front = g.Slice(x, [0], [-step], [axis])
    return layer.shaped(g.Concat(back, front, axis=axis), layer.dims(x))


@reads("aten::unfold")
def unfold(g: GraphBuilder, layer: Layer, self: Value, dimension: Any, size: Any, step: Any) -> Value:
    """Windows of ``size`` every ``step``, as a new last axis."""
    axis = layer.axis(self, dimension)
    total, width, stride = layer.static(self, axis), layer.integer(size), layer.integer(step)
    layer.bounded(width * (total // max(stride, 1) + 1))
    rows = [[start + i for i in range(width)] for start in range(0, total - width + 1, stride)]
    made = g.Gather(self, g.constant(ir.tensor(rows).numpy().astype("int64")), axis=axis)
    perm = [a for a in range(layer.rank(made)) if a != axis + 1]
    return g.Transpose(made, perm=[*perm, axis + 1])


@reads("aten::diagonal", "aten::linalg_diagonal")
def diagonal(g: GraphBuilder, layer: Layer, self: Value, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Value:
    first, second = layer.axis(self, dim1), layer.axis(self, dim2)
    rows, columns, shift = layer.static(self, first), layer.static(self, second), layer.integer(offset)
    low, left = max(0, -shift), max(0, shift)
    count = layer.bounded(max(0, min(rows - low, columns - left)))
    perm = [*(a for a in range(layer.rank(self)) if a not in (first, second)), first, second]
    x = g.Transpose(self, perm=perm)
    lead = layer.dims(x)[:-2]
    flat = reshaped(g, layer, x, [*lead, rows * columns])
    return g.Gather(flat, g.constant([(low + i) * columns + left + i for i in range(count)]), axis=len(lead))


@reads("aten::diag", "aten::diag_embed")
def diag(g: GraphBuilder, layer: Layer, self: Value, diagonal_: Any = 0, dim1: Any = -2, dim2: Any = -1) -> Value:
    if layer.type == "aten::diag" and layer.rank(self) == 2:
        found: Value = diagonal(g, layer, self, diagonal_)
        return found
    if diagonal_ != 0 or (dim1, dim2) != (-2, -1):
        raise layer.unsupported("only the main diagonal of the last axes is read")
    size = layer.static(self, -1)
    layer.bounded(size * size)
    eye = g.constant(_eye(size, self.dtype or F32))
    return g.Mul(g.Unsqueeze(self, [-1]), eye)


def _eye(size: int, dtype: ir.DataType) -> Any:

    return np.eye(size, dtype=dtype.numpy())


@reads("aten::tril", "aten::triu")
def triangle(g: GraphBuilder, layer: Layer, self: Value, diagonal: Any = 0) -> Value:
    k = operand(g, diagonal, I64)
    x = self if self.dtype != ir.DataType.BOOL else g.Cast(self, to=I64)
    made = g.Trilu(x, k, upper=int(layer.type.endswith("triu")))
    return cast(g, made, self.dtype or F32)


@reads("aten::rot90")
def rot90(g: GraphBuilder, layer: Layer, self: Value, k: Any = 1, dims: Any = (0, 1)) -> Value:
    a, b = (layer.axis(self, dim) for dim in dims)
    turns = layer.integer(k) % 4
    if turns == 0:
        return self
    perm = list(range(layer.rank(self)))
    perm[a], perm[b] = b, a
    turned = self if turns == 2 else g.Transpose(self, perm=perm)
    found: Value = flip(g, layer, turned, [a, b] if turns == 2 else [a if turns == 1 else b])
    return found


@reads("aten::meshgrid")
def meshgrid(g: GraphBuilder, layer: Layer, tensors: list[Value], indexing: str = "ij") -> list[Value]:
    count = len(tensors)
    sizes = [layer.dim(x, 0) if layer.rank(x) else 1 for x in tensors]
    made = []
    for index, x in enumerate(tensors):
        shape: list[Size] = [1] * count
        shape[index] = -1
        made.append(expanded(g, layer, reshaped(g, layer, x, shape), sizes))
    if indexing == "xy" and count > 1:
        made = [g.Transpose(x, perm=[1, 0, *range(2, count)]) for x in made]
    return made


@reads("aten::contiguous", "aten::detach", "aten::alias", "aten::lift_fresh", "aten::lift", "aten::requires_grad",
       "aten::cpu", "aten::cuda", "aten::resolve_conj", "aten::resolve_neg", "aten::conj", "aten::real",
       "aten::detach_copy", "aten::alias_copy", "aten::lift_fresh_copy")  # fmt: skip
def itself(g: GraphBuilder, layer: Layer, self: Value, *_: Any, **__: Any) -> Value:
    return self


@reads("aten::clone", "aten::data")
def clone(g: GraphBuilder, layer: Layer, self: Value, memory_format: Any = None) -> Value:
    return self


@reads("aten::to", "aten::_to_copy", "aten::type")
def to(g: GraphBuilder, layer: Layer, self: Value, *args: Any, dtype: Any = None, **_: Any) -> Value:
    """Devices and memory formats do not matter; a type among the arguments, or another tensor's, does."""
    for arg in args[:2]:
        if isinstance(arg, ir.Value):
            return cast(g, self, arg.dtype or F32)
        if isinstance(arg, int) and not isinstance(arg, bool):
            dtype = arg
    return cast(g, self, layer.dtype(dtype, self.dtype or F32))


@reads("aten::type_as")
def type_as(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    return cast(g, self, other.dtype or F32)


_CASTS = {
    "float": F32, "double": ir.DataType.DOUBLE, "half": ir.DataType.FLOAT16, "long": I64, "byte": ir.DataType.UINT8,
    "bfloat16": ir.DataType.BFLOAT16, "char": ir.DataType.INT8, "short": ir.DataType.INT16, "_cast_Float": F32,
    "_cast_Long": I64, "_cast_Half": ir.DataType.FLOAT16, "_cast_Double": ir.DataType.DOUBLE,
    "_cast_Int": ir.DataType.INT32, "_cast_Byte": ir.DataType.UINT8, "_cast_Char": ir.DataType.INT8,
    "_cast_Short": ir.DataType.INT16,
}  # fmt: skip


@reads(*(f"aten::{name}" for name in _CASTS))
def casts(g: GraphBuilder, layer: Layer, self: Value, non_blocking: Any = False) -> Value:
    return cast(g, self, _CASTS[layer.type.rpartition("::")[2]])
