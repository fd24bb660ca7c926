"""Gathering, scattering, one-hot, the largest."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import BOOL, F32, I32, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, vector, whole


@reads("Gather", "GatherV2")
def gather(g: Builder, layer: Layer, x: Value, indices: Value, *axis: Value) -> Value:
    place = layer.integers(g, axis[0], "the axis")[0] if axis else 0
    place = layer.axis(place, len(layer.shape(x)))
    batch = layer.i("batch_dims", 0)
    batch = layer.axis(batch, len(layer.shape(indices)), extra=1) if batch else 0
    if not batch:
        return g.Gather(x, indices, axis=place)
    return _gather_batched(g, layer, x, whole(g, indices), place, batch)


def _gather_batched(g: Builder, layer: Layer, x: Value, indices: Value, axis: int, batch: int) -> Value:
    """The axis first behind the batch ones, then GatherND along it, then back."""
    rank, places = len(layer.shape(x)), len(layer.shape(indices))
    if axis < batch:
        raise layer.malformed(f"its axis {axis} lies among its {batch} batch axes")
    order = [*range(batch), axis, *(a for a in range(batch, rank) if a != axis)]
    found = g.GatherND(g.Transpose(x, perm=order), g.Unsqueeze(indices, [-1]), batch_dims=batch)
    inner, between = places - batch, axis - batch
    total = batch + inner + rank - batch - 1
    back = [*range(batch), *range(batch + inner, batch + inner + between), *range(batch, batch + inner),
            *range(batch + inner + between, total)]  # fmt: skip
    return g.Transpose(found, perm=back)


@reads("GatherNd")
def gather_nd(g: Builder, layer: Layer, x: Value, indices: Value) -> Value:
    return g.GatherND(x, whole(g, indices), batch_dims=layer.i("batch_dims", 0))


@reads("ScatterNd")
def scatter_nd(g: Builder, layer: Layer, indices: Value, updates: Value, shape: Value) -> Value:
    """On zeros; what meets in one place is added."""
    zeros = g.Expand(layer.number(updates, 0), whole(g, shape))
    return g.ScatterND(zeros, whole(g, indices), updates, reduction="add")


TENSOR_SCATTER = {"TensorScatterUpdate": None, "TensorScatterAdd": "add", "TensorScatterMax": "max",
                  "TensorScatterMin": "min", "TensorScatterSub": "sub"}  # fmt: skip


@reads(*TENSOR_SCATTER)
def tensor_scatter(g: Builder, layer: Layer, x: Value, indices: Value, updates: Value) -> Value:
    how = TENSOR_SCATTER[layer.type]
    if how == "sub":
        updates, how = g.Neg(updates), "add"
    return g.ScatterND(x, whole(g, indices), updates, reduction=how)


@reads("OneHot")
def one_hot(g: Builder, layer: Layer, indices: Value, depth: Value, on: Value, off: Value) -> Value:
    """An index out of range is off everywhere; ONNX counts negative ones from the end, so they are sent out."""
    size = vector(g, depth)
    if not layer.shape(indices):
        return g.Squeeze(one_hot(g, layer, g.Unsqueeze(indices, [0]), depth, on, off), [0])
    places = whole(g, indices)
    places = g.Where(g.Less(places, np.array(0, np.int64)), np.array(2**31, np.int64), places)
    inside = g.Less(places, size)
    places = g.Where(inside, places, g.Mul(size, np.array([1], np.int64)))
    if layer.element(on) not in (F32, I64):
        hot = g.OneHot(places, size, np.array([0, 1], np.int64), axis=layer.i("axis", -1))
        if layer.element(on) == BOOL:
            flag = g.Equal(hot, np.array(1, np.int64))
            return g.Or(g.And(flag, on), g.And(g.Not(flag), off))
        return g.Where(g.Equal(hot, np.array(1, np.int64)), on, off)
    values = g.Concat(g.Reshape(off, [1]), g.Reshape(on, [1]), axis=0)
    return g.OneHot(places, size, values, axis=layer.i("axis", -1))


@reads("TopK", "TopKV2")
def top_k(g: Builder, layer: Layer, x: Value, *k: Value) -> list[Value]:
    count = vector(g, k[0]) if k else g.constant([layer.i("k")])
    values, places = g.ops("TopK", x, count, outputs=2, axis=-1, largest=1, sorted=1)
    return [values, cast(g, places, layer.dtype("index_type", "DT_INT32"))]


@reads("NthElement")
def nth_element(g: Builder, layer: Layer, x: Value, n: Value) -> Value:
    place = g.Add(vector(g, n), [1])
    largest = 1 if layer.flag("reverse") else 0
    values, _ = g.ops("TopK", x, place, outputs=2, axis=-1, largest=largest, sorted=1)
    return g.Squeeze(g.Slice(values, [-1], [2**31 - 1], [-1]), [-1])


@reads("InTopK", "InTopKV2")
def in_top_k(g: Builder, layer: Layer, predictions: Value, targets: Value, *k: Value) -> Value:
    """Fewer than k predictions are larger than the target's."""
    own = g.GatherND(predictions, g.Unsqueeze(whole(g, targets), [1]), batch_dims=1)
    larger = cast(g, g.Greater(predictions, g.Unsqueeze(own, [1])), I64)
    count = g.Squeeze(vector(g, k[0]), [0]) if k else g.constant(np.array(layer.i("k"), np.int64))
    return g.Less(g.ReduceSum(larger, [1], keepdims=0), count)


@reads("UnravelIndex")
def unravel_index(g: Builder, layer: Layer, indices: Value, dims: Value) -> Value:
    sizes = layer.integers(g, dims, "its dimensions")
    strides = [int(np.prod(sizes[place + 1 :])) for place in range(len(sizes))]
    flat = whole(g, indices)
    rows = [
        g.Mod(g.Div(flat, np.array(stride, np.int64)), np.array(size, np.int64))
        for size, stride in zip(sizes, strides, strict=True)
    ]
    return cast(g, g.Concat(*(g.Unsqueeze(row, [0]) for row in rows), axis=0), layer.element(indices))


@reads("Bucketize")
def bucketize(g: Builder, layer: Layer, x: Value) -> Value:
    """How many boundaries are not larger."""
    limits = np.array(layer.floats("boundaries"), np.float32)
    wide = cast(g, x, F32)
    hits = g.GreaterOrEqual(g.Unsqueeze(wide, [-1]), limits)
    return g.ReduceSum(cast(g, hits, I32), [-1], keepdims=0)
