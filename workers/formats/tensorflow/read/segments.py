"""Rows added up, averaged or compared by the segment they belong to."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import FLOATS
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads, vector, whole
from workers.formats.tensorflow.tensors import Array

HOW = {"Sum": "add", "Prod": "mul", "Max": "max", "Min": "min"}


def _start(layer: Layer, x: Value, how: str) -> Array:
    """What an empty segment has."""
    kind = layer.element(x).numpy()
    if how in ("add", "mul"):
        return np.asarray(how == "mul").astype(kind)
    limits = np.finfo(kind) if layer.element(x) in FLOATS else np.iinfo(kind)
    return np.asarray(limits.min if how == "max" else limits.max, kind)


def _scattered(g: Builder, layer: Layer, x: Value, ids: Value, count: Value, how: str, start: Array) -> Value:
    """[count, ...]; rows of a negative segment are dropped."""
    rank = len(layer.shape(x))
    places = whole(g, ids)
    places = g.Where(g.Less(places, np.array(0, np.int64)), count, places)
    size = g.Add(count, [1])
    shape = g.Concat(size, g.Shape(x, start=1), axis=0) if rank > 1 else size
    base = g.Expand(start.reshape([1] * rank), shape)
    return g.Slice(g.ScatterND(base, g.Unsqueeze(places, [1]), x, reduction=how), [0], count, [0])


def _count(g: Builder, ids: Value) -> Value:
    """One more than the last segment."""
    return g.Add(g.ReduceMax(whole(g, ids), [0], keepdims=1), [1])


@reads("SegmentSum", "SegmentProd", "SegmentMax", "SegmentMin")
def segment(g: Builder, layer: Layer, x: Value, ids: Value) -> Value:
    """Segments without rows are 0 (1 for products)."""
    how = HOW[layer.type.removeprefix("Segment")]
    count = _count(g, ids)
    found = _scattered(g, layer, x, ids, count, how, _start(layer, x, how))
    if how in ("add", "mul"):
        return found
    rows = _rows(g, layer, x, ids, count)
    return g.Where(g.Equal(rows, layer.number(rows, 0)), layer.number(x, 0), found)


def _rows(g: Builder, layer: Layer, x: Value, ids: Value, count: Value) -> Value:
    """How many rows each segment has, shaped to be divided by."""
    ones = g.Expand(np.ones(1, layer.element(x).numpy()), g.Shape(ids))
    found = _scattered(g, layer, ones, ids, count, "add", np.zeros((), layer.element(x).numpy()))
    rank = len(layer.shape(x))
    return g.Unsqueeze(found, list(range(1, rank))) if rank > 1 else found


def _mean(g: Builder, layer: Layer, x: Value, ids: Value, count: Value, root: bool) -> Value:
    total = _scattered(g, layer, x, ids, count, "add", _start(layer, x, "add"))
    rows = g.Max(_rows(g, layer, x, ids, count), layer.number(x, 1))
    return g.Div(total, g.Sqrt(rows) if root else rows)


@reads("SegmentMean")
def segment_mean(g: Builder, layer: Layer, x: Value, ids: Value) -> Value:
    return _mean(g, layer, x, ids, _count(g, ids), False)


@reads("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin")
def unsorted_segment(g: Builder, layer: Layer, x: Value, ids: Value, count: Value) -> Value:
    how = HOW[layer.type.removeprefix("UnsortedSegment")]
    rank = len(layer.shape(ids))
    if rank != 1:
        x = g.Reshape(x, g.Concat([-1], g.Shape(x, start=rank), axis=0) if len(layer.shape(x)) > rank else [-1])
        ids = g.Reshape(ids, [-1])
    return _scattered(g, layer, x, ids, vector(g, count), how, _start(layer, x, how))


@reads("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN", "SparseSegmentSumWithNumSegments",
       "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtNWithNumSegments")  # fmt: skip
def sparse_segment(g: Builder, layer: Layer, x: Value, indices: Value, ids: Value, *count: Value) -> Value:
    """The rows at ``indices`` by segment: an embedding that is summed up or averaged."""
    rows = g.Gather(x, indices, axis=0)
    size = vector(g, count[0]) if count else _count(g, ids)
    if "Sum" in layer.type.removesuffix("WithNumSegments"):
        return _scattered(g, layer, rows, ids, size, "add", _start(layer, x, "add"))
    return _mean(g, layer, rows, ids, size, "SqrtN" in layer.type)
