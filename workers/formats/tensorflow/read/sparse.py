"""Sparse tensors: places [n, axes] in row-major order, values [n], and the shape of the whole."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import BOOL, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole

ZERO, ONE = np.array(0, np.int64), np.array(1, np.int64)


def _strides(g: Builder, shape: Value) -> Value:
    """How far the next place along every axis lies in the flattened tensor."""
    behind = g.Concat(g.Slice(shape, [1], [2**31 - 1]), [1], axis=0)
    count = g.Shape(shape)
    parts = [g.ReduceProd(g.Slice(behind, [axis], count), [0], keepdims=1) for axis in range(_length(g, shape))]
    return g.Concat(*parts, axis=0) if len(parts) > 1 else parts[0]


def _length(g: Builder, shape: Value) -> int:
    dims = shape.shape
    return int(dims[0]) if dims is not None and len(dims) == 1 and isinstance(dims[0], int) else 0


@reads("SparseReshape")
def sparse_reshape(g: Builder, layer: Layer, indices: Value, shape: Value, target: Value) -> list[Value]:
    """The flattened place of every element, taken apart again; one size of -1 is what is left."""
    layer.sizes(shape)
    layer.sizes(target)
    old, new = whole(g, shape), whole(g, target)
    total = g.ReduceProd(old, [0], keepdims=1)
    open_ = g.Equal(new, np.array(-1, np.int64))
    rest = g.Div(total, g.ReduceProd(g.Where(open_, ONE, new), [0], keepdims=1))
    sizes = g.Where(open_, rest, new)
    flat = g.ReduceSum(g.Mul(whole(g, indices), _strides(g, old)), [1], keepdims=1)
    return [g.Mod(g.Div(flat, _strides(g, sizes)), sizes), sizes]


@reads("SparseFillEmptyRows")
def sparse_fill_empty_rows(
    g: Builder, layer: Layer, indices: Value, values: Value, shape: Value, fill: Value
) -> list[Value]:  # fmt: skip
    """Empty rows get the value at their first place; which rows they were, and where every element went to."""
    axes = layer.size(shape, 0)
    places = whole(g, indices)
    row = g.Squeeze(g.Slice(places, [0], [1], [1]), [1])
    rows = g.Slice(whole(g, shape), [0], [1])
    counts = g.ScatterND(g.Expand(ZERO, rows), g.Unsqueeze(row, [1]), g.Expand(ONE, g.Shape(row)), reduction="add")
    empty = g.Equal(counts, ZERO)
    gaps = g.CumSum(cast(g, empty, I64), ZERO, exclusive=1)
    before = g.CumSum(counts, ZERO, exclusive=1)
    steps = g.Range(g.constant(ZERO), g.Squeeze(g.Shape(row), [0]), g.constant(ONE))
    moved = g.Add(steps, g.Gather(gaps, row, axis=0))
    missing = g.Squeeze(g.NonZero(empty), [0])
    put = g.Gather(g.Add(before, gaps), missing, axis=0)
    fresh = g.Unsqueeze(missing, [1])
    if axes > 1:
        fresh = g.Pad(fresh, [0, 0, 0, axes - 1])
    at = g.Unsqueeze(g.Concat(moved, put, axis=0), [1])
    total = g.Shape(at, start=0, end=1)
    new_places = g.Concat(places, fresh, axis=0)
    found = g.ScatterND(g.Expand(ZERO, g.Shape(new_places)), at, new_places)
    new_values = g.Concat(values, g.Expand(fill, g.Shape(missing)), axis=0)
    filled = g.ScatterND(g.Expand(layer.number(values, 0), total), at, new_values)
    return [found, filled, cast(g, empty, BOOL), moved]
