"""Elements found, counted, sorted into parts and put together again."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import FLOATS
from workers.formats.tensorflow.dtypes import BOOL, F32, F64, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, vector, whole


@reads("Where")
def where(g: Builder, layer: Layer, x: Value) -> Value:
    """The places [n, axes] of what is true or not zero, in row-major order."""
    flags = x if layer.element(x) == BOOL else g.Not(g.Equal(x, layer.number(x, 0)))
    return g.Transpose(g.NonZero(flags), perm=[1, 0])


@reads("Unique", "UniqueWithCounts", "UniqueV2", "UniqueWithCountsV2")
def unique(g: Builder, layer: Layer, x: Value, *axis: Value) -> list[Value]:
    """In the order of first appearance; the second output is where each element went."""
    layer.rank(x, 1)
    kind = layer.element(x)
    plain = x if kind in (F32, F64, I64) else cast(g, x, F32 if kind in FLOATS else I64)
    found, _, places, counts = g.ops("Unique", plain, outputs=4, sorted=0)
    index = layer.dtype("out_idx", "DT_INT32")
    return [cast(g, found, kind), cast(g, places, index), cast(g, counts, index)]


@reads("ListDiff", "SetDiff1d")
def list_diff(g: Builder, layer: Layer, x: Value, y: Value) -> list[Value]:
    """What of x is not in y, and its places."""
    same = cast(g, g.Equal(g.Unsqueeze(x, [1]), g.Unsqueeze(y, [0])), I64)
    # An empty y has no maximum: a column of zeros stands for it.
    hits = g.ReduceMax(g.Pad(same, [0, 0, 0, 1]), [1], keepdims=0)
    left = g.Equal(hits, np.array(0, np.int64))
    places = g.Squeeze(g.NonZero(left), [0])
    return [g.Compress(x, left, axis=0), cast(g, places, layer.dtype("out_idx", "DT_INT32"))]


@reads("DynamicPartition")
def dynamic_partition(g: Builder, layer: Layer, x: Value, parts: Value) -> list[Value]:
    rank = len(layer.shape(parts))
    if rank != 1:
        x = g.Reshape(x, g.Concat([-1], g.Shape(x, start=rank), axis=0) if len(layer.shape(x)) > rank else [-1])
        parts = g.Reshape(parts, [-1])
    count = layer.i("num_partitions", 1)
    if not 0 < count <= 4096:
        raise layer.malformed(f"it has {count} partitions")
    return [g.Compress(x, g.Equal(parts, layer.number(parts, part)), axis=0) for part in range(count)]


@reads("DynamicStitch", "ParallelDynamicStitch")
def dynamic_stitch(g: Builder, layer: Layer, *xs: Value) -> Value:
    """Rows put where the indices say; the last of several at one place wins."""
    half = len(xs) // 2
    if not half or len(xs) % 2:
        raise layer.malformed(f"it has {len(xs)} inputs; half of them are indices")
    indices, rows = [], []
    for places, data in zip(xs[:half], xs[half:], strict=True):
        rank = len(layer.shape(places))
        indices.append(g.Reshape(whole(g, places), [-1]))
        tail = g.Shape(data, start=rank) if len(layer.shape(data)) > rank else None
        rows.append(g.Reshape(data, g.Concat([-1], tail, axis=0) if tail is not None else [-1]))
    index = g.Concat(*indices, axis=0) if half > 1 else indices[0]
    data = g.Concat(*rows, axis=0) if half > 1 else rows[0]
    size = g.Add(g.ReduceMax(index, [0], keepdims=1), [1])
    zeros = _zeros(g, layer, data, size)
    return g.ScatterND(zeros, g.Unsqueeze(index, [1]), data)


def _zeros(g: Builder, layer: Layer, rows: Value, size: Value) -> Value:
    """[size, ...] of the rows' own shape."""
    rank = len(layer.shape(rows))
    shape = g.Concat(size, g.Shape(rows, start=1), axis=0) if rank > 1 else size
    return g.Expand(np.zeros([1] * rank, layer.element(rows).numpy()), shape)


@reads("Bincount", "DenseBincount")
def bincount(g: Builder, layer: Layer, x: Value, size: Value, weights: Value) -> Value:
    """How often each number below ``size`` occurs, or the sum of its weights; larger ones do not count."""
    rank = len(layer.shape(x))
    if rank == 2:
        return _bincount_rows(g, layer, x, size, weights)
    if rank > 2:
        x = g.Reshape(x, [-1])
    places = g.Reshape(whole(g, x), [-1])
    count = vector(g, size)
    ones = _weights(g, layer, places, weights)
    inside = g.Less(places, count)
    places = g.Where(inside, places, count)
    total = g.ScatterElements(_row(g, layer, weights, g.Add(count, [1])), places, ones, axis=0, reduction="add")
    return _binary(g, layer, g.Slice(total, [0], count, [0]))


def _row(g: Builder, layer: Layer, weights: Value, size: Value) -> Value:
    return g.Expand(np.zeros(1, layer.element(weights).numpy()), size)


def _weights(g: Builder, layer: Layer, places: Value, weights: Value) -> Value:
    if layer.shape(weights) and layer.shape(weights)[0] != 0:
        return g.Reshape(weights, [-1])
    return g.Expand(np.ones(1, layer.element(weights).numpy()), g.Shape(places))


def _binary(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Min(x, layer.number(x, 1)) if layer.flag("binary_output") else x


def _bincount_rows(g: Builder, layer: Layer, x: Value, size: Value, weights: Value) -> Value:
    places, count = whole(g, x), vector(g, size)
    hot = g.OneHot(g.Min(places, count), g.Add(count, [1]), np.array([0, 1], np.int64), axis=-1)
    hot = cast(g, hot, layer.element(weights))
    if layer.shape(weights) and layer.shape(weights)[-1] != 0:
        hot = g.Mul(hot, g.Unsqueeze(weights, [-1]))
    return _binary(g, layer, g.Slice(g.ReduceSum(hot, [1], keepdims=0), [0], count, [1]))


@reads("SparseToDense")
def sparse_to_dense(g: Builder, layer: Layer, indices: Value, shape: Value, values: Value, default: Value) -> Value:
    rank = layer.size(shape, 0)
    places = whole(g, indices)
    if len(layer.shape(indices)) < 2:
        places = g.Reshape(places, [-1, 1] if rank == 1 else [1, -1])
    base = g.Expand(g.Reshape(default, [1] * rank), whole(g, shape))
    rows = g.Expand(values, g.Shape(places, end=1)) if not layer.shape(values) else values
    return g.ScatterND(base, places, rows)


def _dense(g: Builder, layer: Layer, indices: Value, values: Value, shape: Value) -> Value:
    zeros = g.Expand(layer.number(values, 0), whole(g, shape))
    return g.ScatterND(zeros, whole(g, indices), values, reduction="add")


@reads("SparseTensorDenseAdd")
def sparse_tensor_dense_add(g: Builder, layer: Layer, indices: Value, values: Value, shape: Value, b: Value) -> Value:
    return g.Add(_dense(g, layer, indices, values, shape), b)


@reads("SparseTensorDenseMatMul")
def sparse_tensor_dense_mat_mul(
    g: Builder, layer: Layer, indices: Value, values: Value, shape: Value, b: Value
) -> Value:
    a = _dense(g, layer, indices, values, shape)
    left = g.Transpose(a, perm=[1, 0]) if layer.flag("adjoint_a") else a
    return g.MatMul(left, g.Transpose(b, perm=[1, 0]) if layer.flag("adjoint_b") else b)
