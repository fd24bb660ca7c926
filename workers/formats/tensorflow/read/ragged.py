"""Ragged tensors: the rows of one axis, given by where they begin or by the row of every value."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole


@reads("RaggedTensorToTensor")
def ragged_tensor_to_tensor(g: Builder, layer: Layer, shape: Value, values: Value, fill: Value, *rows: Value) -> Value:
    """One ragged axis as a padded one; a given width cuts longer rows."""
    kinds = [item.decode("utf-8", "replace") for item in layer.texts("row_partition_types")]
    if kinds == ["ROW_SPLITS"]:
        splits = whole(g, rows[0])
        starts, ends = g.Slice(splits, [0], [-1]), g.Slice(splits, [1], [2**31 - 1])
        count = g.Shape(starts)
        lengths = g.Sub(ends, starts)
        places = _arange(g, g.Shape(values, start=0, end=1))
        row = g.ReduceSum(cast(g, g.GreaterOrEqual(g.Unsqueeze(places, [1]), ends), I64), [1], keepdims=0)
    elif kinds == ["FIRST_DIM_SIZE", "VALUE_ROWIDS"]:
        count, row = g.Reshape(whole(g, rows[0]), [1]), whole(g, rows[1])
        same = g.Equal(g.Unsqueeze(row, [1]), _arange(g, count))
        lengths = g.ReduceSum(cast(g, same, I64), [0], keepdims=0)
        starts = g.CumSum(lengths, np.array(0, np.int64), exclusive=1)
        places = _arange(g, g.Shape(values, start=0, end=1))
    else:
        raise layer.unsupported("only tensors with one ragged axis are read")
    longest = g.ReduceMax(g.Pad(lengths, [1, 0]), [0], keepdims=1)
    width = longest
    known = g.contents(shape)
    if known is not None and not known.scalar and len(known.items) > 1 and known.items[1] != -1:
        width = g.Slice(whole(g, shape), [1], [2])
    if known is not None and not known.scalar and known.items and known.items[0] not in (-1, None):
        count = g.Slice(whole(g, shape), [0], [1])
    column = g.Sub(places, g.Gather(starts, row, axis=0))
    wide = g.Concat(count, g.Max(width, longest), g.Shape(values, start=1), axis=0)
    base = g.Expand(fill, wide)
    at = g.Concat(g.Unsqueeze(row, [1]), g.Unsqueeze(column, [1]), axis=1)
    return g.Slice(g.ScatterND(base, at, values), [0], width, [1])


def _arange(g: Builder, count: Value) -> Value:
    return g.Range(np.array(0, np.int64), g.Squeeze(count, [0]), np.array(1, np.int64))
