"""Gathering and scattering, embeddings included."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import BOOL, F32, I64, Layer, reads
from workers.formats.pytorch.read.logic import truth
from workers.formats.pytorch.read.shaping import expand, reshape
from workers.formats.pytorch.read.symbols import Sym
from workers.formats.pytorch.read.writing import UNDO
from workers.hub.graph import GraphBuilder, Value

_INDICES = (I64, ir.DataType.INT32)


def indices_of(layer: Layer, x: Value) -> Value:
    return layer.expects(x, *_INDICES)


@reads("aten::embedding")
def embedding(
    g: GraphBuilder, layer: Layer, weight: Value, indices: Value, padding_idx: Any = -1,
    scale_grad_by_freq: Any = False, sparse: Any = False,
) -> Value:  # fmt: skip
    return g.Gather(weight, indices_of(layer, indices), axis=0)


@reads("aten::embedding_bag", "aten::_embedding_bag", "aten::_embedding_bag_forward_only")
def embedding_bag(
    g: GraphBuilder, layer: Layer, weight: Value, indices: Value, offsets: Value, scale_grad_by_freq: Any = False,
    mode: Any = 0, sparse: Any = False, per_sample_weights: Value | None = None, include_last_offset: Any = False,
    padding_idx: Any = None,
) -> Any:  # fmt: skip
    """Bags of equal, known sizes only: sum (0), mean (1) or max (2) of their rows."""
    known = layer.known(offsets)
    total = layer.dim(indices_of(layer, indices), 0)
    if known is None or isinstance(total, Sym) or (padding_idx is not None and layer.integer(padding_idx) >= 0):
        raise layer.unsupported("its bags are known only when the model runs")
    ends = [*known.tolist(), *([] if include_last_offset else [total])]
    rows = g.Gather(weight, indices, axis=0)
    if per_sample_weights is not None:
        rows = g.Mul(rows, g.Unsqueeze(per_sample_weights, [1]))
    op = {0: "ReduceSum", 1: "ReduceMean", 2: "ReduceMax"}[layer.integer(mode)]
    bags = [g.op(op, g.Slice(rows, [a], [b], [0]), [0], keepdims=1) for a, b in pairwise(ends)]
    made = g.Concat(*bags, axis=0)
    return made, made, made, made


@reads("aten::gather")
def gather(g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Value, sparse_grad: Any = False) -> Value:
    axis = layer.axis(self, dim)
    index = indices_of(layer, index)
    # ONNX wants all other sizes equal; torch lets the index be smaller.
    for other in range(layer.rank(self)):
        if other != axis and layer.dim(self, other) != layer.dim(index, other):
            size = layer.dim(index, other)
            if isinstance(size, int):
                self = g.Slice(self, [0], [size], [other]) if layer.dim(self, other) != size else self
    return g.GatherElements(self, index, axis=axis)


@reads("aten::index_select", "aten::index_select_copy")
def index_select(g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Value) -> Value:
    index = indices_of(layer, index)
    return g.Gather(self, index if layer.rank(index) else g.Reshape(index, [1]), axis=layer.axis(self, dim))


@reads("aten::take")
def take(g: GraphBuilder, layer: Layer, self: Value, index: Value) -> Value:
    return g.Gather(g.Reshape(self, [-1]), indices_of(layer, index), axis=0)


@reads("aten::take_along_dim")
def take_along_dim(g: GraphBuilder, layer: Layer, self: Value, indices: Value, dim: Any = None) -> Value:
    if dim is None:
        return g.GatherElements(g.Reshape(self, [-1]), g.Reshape(indices, [-1]), axis=0)
    axis = layer.axis(self, dim)
    sizes = [layer.dim(indices if a == axis else self, a) for a in range(layer.rank(self))]
    return g.GatherElements(self, expand(g, layer, indices, sizes), axis=axis)


@reads("aten::index", "aten::_unsafe_index", "aten::_index")
def index(g: GraphBuilder, layer: Layer, self: Value, indices: Any) -> Value:
    """``x[i, :, j]``: integer tensors are broadcast together; a mask chooses rows."""
    given = [None if item is None else item for item in indices]
    if any(item is not None and item.dtype == BOOL for item in given):
        return _masked(g, layer, self, given)
    places = [axis for axis, item in enumerate(given) if item is not None]
    tensors = [indices_of(layer, item) for item in given if item is not None]
    if len(places) == 1:
        return g.Gather(self, tensors[0], axis=places[0])
    x, together = _front(g, layer, self, places)
    joined = _joined(g, layer, tensors)
    made = g.GatherND(x, joined)
    if together and places[0] > 0:
        rank, lead = layer.rank(joined) - 1, places[0]
        order = [*range(rank, rank + lead), *range(rank), *range(rank + lead, layer.rank(made))]
        made = g.Transpose(made, perm=order)
    return made


def _front(g: GraphBuilder, layer: Layer, x: Value, places: list[int]) -> tuple[Value, bool]:
    """``x`` with the indexed axes in front, and whether they lay side by side: their result then stays in place."""
    rank = layer.rank(x)
    order = [*places, *(axis for axis in range(rank) if axis not in places)]
    together = places == list(range(places[0], places[0] + len(places)))
    return (x if order == list(range(rank)) else g.Transpose(x, perm=order)), together


def _joined(g: GraphBuilder, layer: Layer, tensors: list[Value]) -> Value:
    """Index tensors broadcast together and stacked along a last axis."""
    whole = tensors[0]
    for other in tensors[1:]:
        whole = g.Add(whole, g.Sub(other, other))
    shape = g.Shape(whole)
    dims = layer.dims(whole)
    wide = []
    for item in tensors:
        same = item.shape == whole.shape
        made = item if same else g.Expand(item, shape)
        wide.append(g.Unsqueeze(layer.shaped(made, dims) if not same else made, [-1]))
    return g.Concat(*(cast(g, item, I64) for item in wide), axis=-1)


def _masked(g: GraphBuilder, layer: Layer, x: Value, given: list[Any]) -> Value:
    places = [axis for axis, item in enumerate(given) if item is not None]
    if len(places) != 1 or places[0] != 0:
        raise layer.unsupported("a mask together with other indices")
    mask = given[0]
    if layer.rank(mask) == 1:
        return g.Compress(x, mask, axis=0)
    return g.GatherND(x, g.Transpose(g.NonZero(mask), perm=[1, 0]))


@reads("aten::masked_select")
def masked_select(g: GraphBuilder, layer: Layer, self: Value, mask: Value) -> Value:
    whole = g.And(g.Equal(self, self), truth(g, mask))
    wide = g.Expand(self, g.Shape(whole))
    return g.Compress(g.Reshape(wide, [-1]), g.Reshape(g.Expand(truth(g, mask), g.Shape(whole)), [-1]), axis=0)


@reads("aten::nonzero", "aten::argwhere")
def nonzero(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Transpose(g.NonZero(self), perm=[1, 0])


@reads("aten::nonzero_numpy")
def nonzero_numpy(g: GraphBuilder, layer: Layer, self: Value) -> list[Value]:
    rank = layer.rank(self)
    rows = g.ops("Split", g.NonZero(self), outputs=rank, axis=0, num_outputs=rank)
    return [g.Squeeze(row, [0]) for row in rows]


@reads("aten::index_put", "aten::_index_put_impl", "aten::_unsafe_index_put")
def index_put(
    g: GraphBuilder,
    layer: Layer,
    self: Value,
    indices: Any,
    values: Value,
    accumulate: Any = False,
    unsafe: Any = False,
) -> Value:
    given = list(indices)
    places = [axis for axis, item in enumerate(given) if item is not None]
    mask = given[places[0]]
    if mask.dtype == BOOL:
        if len(places) != 1 or places[0] != 0:
            raise layer.unsupported("a mask together with other indices")
        return _mask_put(g, layer, self, mask, values)
    x, beside = _front(g, layer, self, places)
    order = [*places, *(axis for axis in range(layer.rank(self)) if axis not in places)]
    joined = _joined(g, layer, [indices_of(layer, given[axis]) for axis in places])
    chosen, others = layer.dims(joined)[:-1], layer.dims(x)[len(places) :]
    # Neighbouring indices stay where they were in the values' shape, others come first; ScatterND wants them first.
    lead = places[0] if beside else 0
    updates = expand(g, layer, cast(g, values, self.dtype or F32), [*others[:lead], *chosen, *others[lead:]])
    if lead:
        rank = len(chosen)
        perm = [*range(lead, lead + rank), *range(lead), *range(lead + rank, rank + len(others))]
        updates = g.Transpose(updates, perm=perm)
    made = g.ScatterND(x, joined, updates, reduction="add" if accumulate else "none")
    if order == list(range(len(order))):
        return made
    return g.Transpose(made, perm=[order.index(axis) for axis in range(len(order))])


def _mask_put(g: GraphBuilder, layer: Layer, x: Value, mask: Value, values: Value) -> Value:
    value = cast(g, values, x.dtype or F32)
    rank, own = layer.rank(x), layer.rank(mask)
    one = layer.rank(value) == 0 or all(size == 1 for size in layer.dims(value))
    if one:
        wide = g.Unsqueeze(mask, list(range(own, rank))) if rank > own else mask
        return g.Where(wide, g.Reshape(value, g.constant(np.zeros(0, np.int64))) if layer.rank(value) else value, x)
    return g.ScatterND(x, g.Transpose(g.NonZero(mask), perm=[1, 0]), value)


@reads("aten::masked_scatter")
def masked_scatter(g: GraphBuilder, layer: Layer, self: Value, mask: Value, source: Value) -> Value:
    wide = g.Expand(truth(g, mask), g.Shape(self))
    places = g.Transpose(g.NonZero(wide), perm=[1, 0])
    count = g.Shape(places, start=0, end=1)
    return g.ScatterND(self, places, g.Slice(g.Reshape(source, [-1]), [0], count, [0]))


@reads("aten::scatter", "aten::scatter_add", "aten::scatter_reduce")
def scatter(
    g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Value, src: Any = None, reduce: Any = None,
    include_self: Any = True, value: Any = None,
) -> Value:  # fmt: skip
    axis = layer.axis(self, dim)
    given = src if src is not None else value
    index = indices_of(layer, index)
    dims = layer.dims(index)
    dtype = self.dtype or F32
    if isinstance(given, ir.Value) and layer.rank(given) == layer.rank(index):
        updates = cast(g, given, dtype)
        for a, size in enumerate(dims):
            if isinstance(size, int) and layer.dim(updates, a) != size:
                updates = g.Slice(updates, [0], [size], [a])
    else:
        updates = expand(g, layer, operand(g, given, dtype), dims)
    how = "add" if layer.type.endswith("scatter_add") else reduce
    names = {"sum": "add", "add": "add", "prod": "mul", "multiply": "mul", "amax": "max", "amin": "min", None: "none"}
    if how not in names or include_self is False:
        raise layer.unsupported(f"the reduction {how!r} of what is scattered, or without the target's own values")
    return g.ScatterElements(self, index, updates, axis=axis, reduction=names[how])


@reads("aten::index_add", "aten::index_copy")
def index_add(
    g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Value, source: Value, alpha: Any = 1
) -> Value:
    axis = layer.axis(self, dim)
    updates = source if alpha == 1 else g.Mul(source, operand(g, alpha, self.dtype or F32))
    order = [axis, *(a for a in range(layer.rank(self)) if a != axis)]
    x, rows = (v if axis == 0 else g.Transpose(v, perm=order) for v in (self, updates))
    made = g.ScatterND(x, g.Unsqueeze(indices_of(layer, index), [1]), rows,
                       reduction="add" if layer.type.endswith("add") else "none")  # fmt: skip
    return made if axis == 0 else g.Transpose(made, perm=[order.index(a) for a in range(len(order))])


@reads("aten::index_fill")
def index_fill(g: GraphBuilder, layer: Layer, self: Value, dim: Any, index: Value, value: Any) -> Value:
    axis = layer.axis(self, dim)
    dims = layer.dims(self)
    dims[axis] = layer.dim(index, 0) if layer.rank(index) else 1
    return index_add_copy(g, layer, self, axis, index, expand(g, layer, operand(g, value, self.dtype or F32), dims))


def index_add_copy(g: GraphBuilder, layer: Layer, x: Value, axis: int, index: Value, rows: Value) -> Value:
    shape: list[Any] = [1] * layer.rank(x)
    shape[axis] = -1
    places = expand(g, layer, reshape(g, layer, index, shape), layer.dims(rows))
    return g.ScatterElements(x, places, rows, axis=axis)


@reads("aten::select_scatter", "aten::slice_scatter", "aten::diagonal_scatter")
def view_scatter(g: GraphBuilder, layer: Layer, self: Value, src: Value, *args: Any, **named: Any) -> Value:
    undo = UNDO.get(layer.type.rpartition("::")[2].removesuffix("_scatter"))
    if undo is None:
        raise layer.unsupported("a diagonal cannot be replaced")
    if "index" in named:
        named["position"] = named.pop("index")
    return undo(g, layer, self, src, None, *args, **named)


@reads("aten::bucketize", "aten::searchsorted")
def bucketize(
    g: GraphBuilder, layer: Layer, self: Value, boundaries: Value, out_int32: Any = False, right: Any = False,
    side: Any = None, sorter: Any = None,
) -> Value:  # fmt: skip
    """How many boundaries lie below (or, ``right``, not above) each value."""
    if sorter is not None:
        raise layer.unsupported("its boundaries are sorted by another tensor")
    x, edges = (boundaries, self) if layer.type.endswith("searchsorted") else (self, boundaries)
    if layer.rank(edges) != 1:
        raise layer.unsupported("boundaries of more than one axis")
    wide = g.Unsqueeze(x, [-1])
    below = g.LessOrEqual(edges, wide) if right or side == "right" else g.Less(edges, wide)
    count = g.ReduceSum(g.Cast(below, to=I64), [-1], keepdims=0)
    return g.Cast(count, to=ir.DataType.INT32) if out_int32 else count


@reads("aten::isin")
def isin(
    g: GraphBuilder,
    layer: Layer,
    elements: Value,
    test_elements: Value,
    assume_unique: Any = False,
    invert: Any = False,
) -> Value:
    equal = g.Equal(g.Unsqueeze(elements, [-1]), g.Reshape(test_elements, [-1]))
    found = g.Cast(g.ReduceMax(g.Cast(equal, to=ir.DataType.INT32), [-1], keepdims=0), to=BOOL)
    return g.Not(found) if invert else found
