"""Joining tensors and taking them apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.pytorch.read.dtypes import result_type
from workers.formats.pytorch.read.layer import Layer, reads
from workers.formats.pytorch.read.scalars import ScanList
from workers.formats.pytorch.read.shaping import reshape as reshaped
from workers.formats.pytorch.read.shaping import size_list
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value


@reads("aten::cat", "aten::concat", "aten::concatenate")
def cat(g: GraphBuilder, layer: Layer, tensors: Any, dim: Any = 0) -> Value:
    if isinstance(tensors, ir.Value):
        return _cat_rows(g, layer, tensors, dim)
    parts = [x for x in tensors if not (layer.rank(x) == 1 and layer.dim(x, 0) == 0)] or list(tensors)
    dtype = result_type(*tensors)
    axis = layer.axis(parts[0], dim)
    made = g.Concat(*(cast(g, x, dtype) for x in parts), axis=axis)
    return made


def _cat_rows(g: GraphBuilder, layer: Layer, rows: Value, dim: Any) -> Value:
    """The rows of a scanned list joined along one of their axes."""
    rank = layer.rank(rows) - 1
    axis = layer.integer(dim) % rank
    order = [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]
    turned = g.Transpose(rows, perm=order)
    dims = layer.dims(turned)
    return reshaped(g, layer, turned, [*dims[:axis], -1, *dims[axis + 2 :]])


@reads("aten::stack")
def stack(g: GraphBuilder, layer: Layer, tensors: Any, dim: Any = 0) -> Value:
    if isinstance(tensors, ir.Value):
        axis = layer.integer(dim) % layer.rank(tensors)
        order = [*range(1, axis + 1), 0, *range(axis + 1, layer.rank(tensors))]
        return tensors if axis == 0 else g.Transpose(tensors, perm=order)
    axis = layer.integer(dim) % (layer.rank(tensors[0]) + 1)
    dtype = result_type(*tensors)
    return g.Concat(*(g.Unsqueeze(cast(g, x, dtype), [axis]) for x in tensors), axis=axis)


@reads("aten::hstack", "aten::vstack", "aten::dstack", "aten::row_stack", "aten::column_stack")
def stacked(g: GraphBuilder, layer: Layer, tensors: Any) -> Value:
    word = layer.type.rpartition("::")[2]
    rank = layer.rank(tensors[0])
    if word == "hstack":
        return g.Concat(*tensors, axis=0 if rank <= 1 else 1)
    if word in ("vstack", "row_stack"):
        return g.Concat(*(g.Unsqueeze(x, [0]) if rank == 1 else x for x in tensors), axis=0)
    if word == "column_stack":
        return g.Concat(*(g.Unsqueeze(x, [1]) if rank == 1 else x for x in tensors), axis=1)
    wide = [g.Reshape(x, [1, -1, 1]) if rank == 1 else g.Unsqueeze(x, [2]) if rank == 2 else x for x in tensors]
    return g.Concat(*wide, axis=2)


@reads("aten::split", "aten::split_with_sizes", "aten::unsafe_split", "aten::unsafe_split_with_sizes",
       "aten::split_copy", "aten::split_with_sizes_copy")  # fmt: skip
def split(
    g: GraphBuilder, layer: Layer, self: Value, split_size: Any = None, dim: Any = 0, split_sizes: Any = None
) -> Any:
    sizes = split_size if split_size is not None else split_sizes
    axis = layer.axis(self, dim)
    if isinstance(sizes, list | tuple):
        parts = size_list(layer, sizes)
        if all(isinstance(size, int) for size in parts):
            return g.ops("Split", self, [int(s) for s in parts if isinstance(s, int)], outputs=len(parts), axis=axis)
        vector = g.Concat(*(g.constant([s]) if isinstance(s, int) else s.vector(g) for s in parts), axis=0)
        return g.ops("Split", self, vector, outputs=len(parts), axis=axis)
    total, size = layer.static(self, axis, "the size of the axis that it splits"), layer.integer(sizes)
    layer.bounded(total // max(size, 1) << 12)
    return _split(g, self, axis, total, size)


def _split(g: GraphBuilder, x: Value, axis: int, total: int, size: int) -> list[Value]:
    parts = [min(size, total - at) for at in range(0, total, max(size, 1))] or [0]
    return [g.Identity(x)] if len(parts) == 1 else g.ops("Split", x, parts, outputs=len(parts), axis=axis)


@reads("aten::chunk", "aten::unsafe_chunk")
def chunk(g: GraphBuilder, layer: Layer, self: Value, chunks: Any, dim: Any = 0) -> Any:
    axis = layer.axis(self, dim)
    total, count = layer.static(self, axis, "the size of the axis that it splits"), layer.integer(chunks)
    if count < 1:
        raise layer.malformed(f"it makes {count} pieces")
    layer.bounded(min(count, total) << 12)
    return _split(g, self, axis, total, -(-total // count))


@reads("aten::tensor_split")
def tensor_split(
    g: GraphBuilder, layer: Layer, self: Value, indices_or_sections: Any = None, dim: Any = 0, sections: Any = None,
    indices: Any = None,
) -> Any:  # fmt: skip
    given = next(x for x in (indices_or_sections, sections, indices) if x is not None)
    axis = layer.axis(self, dim)
    total = layer.static(self, axis)
    if isinstance(given, list | tuple):
        ends = [0, *layer.integers(given), total]
        parts = [max(0, b - a) for a, b in pairwise(ends)]
    else:
        count = layer.bounded(layer.integer(given) << 12) >> 12
        parts = [total // count + (i < total % count) for i in range(count)]
    return g.ops("Split", self, parts, outputs=len(parts), axis=axis)


@reads("aten::unbind", "aten::unbind_copy")
def unbind(g: GraphBuilder, layer: Layer, self: Value, dim: Any = 0) -> Any:
    axis = layer.axis(self, dim)
    size = layer.dim(self, axis)
    if isinstance(size, Sym):
        found = ScanList()
        order = [axis, *(other for other in range(layer.rank(self)) if other != axis)]
        found.scan = self if axis == 0 else g.Transpose(self, perm=order)
        return found
    layer.bounded(size << 12)
    rows = [self] if size == 1 else g.ops("Split", self, outputs=size, axis=axis, num_outputs=size)
    return [g.Squeeze(row, [axis]) for row in rows]
