"""Rows picked by index, and embedding bags: runs of rows added up."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.caffe2.read.layer import I32, I64, U8, Layer, Value, prod, reads
from workers.formats.caffe2.read.segments import ids_of, reduced
from workers.formats.caffe2.read.sizes import size_of
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder


def _indices(layer: Layer, indices: Value) -> Value:
    if layer.element(indices) not in (I32, I64):
        raise layer.malformed(f"its indices are of the type {layer.element(indices).name}")
    return indices


@reads("Gather")
def gather(g: GraphBuilder, layer: Layer, x: Value, indices: Value) -> Value:
    """Along the axis (0); with match_outer the axes in front of it belong to both."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis", 0), rank)
    indices = _indices(layer, indices)
    if layer.flag("wrap_indices"):
        indices = cast(g, indices, I64)
        size = size_of(g, layer, x, axis)
        indices = g.Mod(indices, np.asarray(size) if isinstance(size, list) else size)
    if layer.flag("match_outer") and axis:
        return _matched(g, layer, x, indices, axis)
    return g.Gather(x, indices, axis=axis)


@reads("BatchGather")
def batch_gather(g: GraphBuilder, layer: Layer, x: Value, indices: Value) -> Value:
    """From axis 1; with match_outer every row has its own indices."""
    layer.rank(x, *range(2, 33))
    indices = _indices(layer, indices)
    if layer.flag("match_outer"):
        return _matched(g, layer, x, indices, 1)
    return g.Gather(x, indices, axis=1)


def _matched(g: GraphBuilder, layer: Layer, x: Value, indices: Value, axis: int) -> Value:
    if layer.rank(indices) < axis:
        raise layer.malformed(f"its indices have fewer than {axis} axes")
    places = g.Unsqueeze(cast(g, indices, I64), [layer.rank(indices)])
    return g.GatherND(x, places, batch_dims=axis)


@reads("GatherND")
def gather_nd(g: GraphBuilder, layer: Layer, x: Value, indices: Value) -> Value:
    return g.GatherND(x, cast(g, _indices(layer, indices), I64))


@reads("OneHot")
def one_hot(g: GraphBuilder, layer: Layer, indices: Value, size: Value) -> Value:
    """[N, size] of floats."""
    layer.rank(indices, 1)
    depth = g.Reshape(size, g.constant(np.empty(0, np.int64)))
    found = g.const(size)
    if found is not None and not 0 < int(found.ravel()[0]) <= 1 << 24:
        raise layer.malformed(f"its size is {found.tolist()}")
    return g.OneHot(cast(g, indices, I64), cast(g, depth, I64), np.asarray([0, 1], np.float32), axis=-1)


@reads("BatchOneHot")
def batch_one_hot(g: GraphBuilder, layer: Layer, x: Value, lengths: Value, values: Value) -> Value:
    """Every column against each of its own values: 1 where it is that, in the type of the data."""
    layer.rank(x, 2)
    columns = ids_of(g, layer, lengths)
    spread = g.Gather(x, columns, axis=1)
    return g.Cast(g.Equal(spread, g.Unsqueeze(values, [0])), to=int(layer.element(x)))


@reads("Find")
def find(g: GraphBuilder, layer: Layer, index: Value, query: Value) -> Value:
    """Where each number stands in the index (the last place), else missing_value: int32."""
    rank = layer.rank(query)
    hits = g.Equal(g.Unsqueeze(query, [rank]), g.Reshape(index, [-1]))
    marks = g.Cast(hits, to=int(I32))
    place = g.Cast(g.ArgMax(marks, axis=-1, keepdims=0, select_last_index=1), to=int(layer.element(query)))
    present = g.Cast(g.ReduceMax(marks, [-1], keepdims=0), to=9)
    return g.Where(present, place, layer.number(query, layer.integer("missing_value", -1)))


@reads("Unique")
def unique(g: GraphBuilder, layer: Layer, indices: Value) -> list[Value]:
    """Sorted, each once; then for every index where its value stands: int32."""
    layer.rank(indices, 1)
    values, _, inverse, _ = g.ops("Unique", cast(g, indices, I64), outputs=4, sorted=1)
    return [cast(g, values, layer.element(indices)), g.Cast(inverse, to=int(I32))][: layer.outputs]


@reads("ScatterAssign")
def scatter_assign(g: GraphBuilder, layer: Layer, x: Value, indices: Value, rows: Value) -> Value:
    """Rows written over those at the indices."""
    return g.ScatterND(x, g.Unsqueeze(cast(g, _indices(layer, indices), I64), [1]), rows)


# --- embedding bags --------------------------------------------------------------------------------------------------


def _bag(
    g: GraphBuilder, layer: Layer, table: Value, indices: Value, lengths: Value, kind: str, weights: Value | None = None
) -> Value:
    """Runs of rows, as long as ``lengths`` says, added up, averaged or compared."""
    rows = g.Gather(table, _indices(layer, indices), axis=0)
    if weights is not None:
        rank = layer.rank(rows)
        rows = g.Mul(rows, g.Unsqueeze(weights, list(range(1, rank))) if rank > 1 else weights)
    return reduced(g, layer, rows, lengths, kind)


@reads("SparseLengthsSum", "SparseLengthsMean", "SparseLengthsMax")
def sparse_lengths(g: GraphBuilder, layer: Layer, table: Value, indices: Value, lengths: Value) -> Value:
    return _bag(g, layer, table, indices, lengths, layer.type.removeprefix("SparseLengths"))


@reads("SparseLengthsWeightedSum")
def sparse_lengths_weighted_sum(
    g: GraphBuilder, layer: Layer, table: Value, weights: Value, indices: Value, lengths: Value
) -> Value:
    return _bag(g, layer, table, indices, lengths, "Sum", weights)


@reads("SparseLengthsPositionalWeightedSum")
def sparse_lengths_positional_weighted_sum(
    g: GraphBuilder, layer: Layer, table: Value, weights: Value, indices: Value, lengths: Value
) -> Value:
    """The weight is that of the place in the run."""
    ids = ids_of(g, layer, lengths)
    starts = g.Sub(g.CumSum(cast(g, lengths, I64), np.asarray(0)), cast(g, lengths, I64))
    count = g.Squeeze(g.Shape(ids), [0])
    places = g.Sub(g.Range(np.asarray(0), count, np.asarray(1)), g.Gather(starts, ids, axis=0))
    return _bag(g, layer, table, indices, lengths, "Sum", g.Gather(weights, places, axis=0))


# --- tables stored in few bits ---------------------------------------------------------------------------------------

FUSED = {8: 8, 4: 4, 2: 4}  # bits of a number -> bytes of scale and bias at the end of a row


def _decoded(g: GraphBuilder, layer: Layer, table: Value, bits: int) -> Value:
    """A table whose rows end with their scale and bias, as floats; only one from a file can be taken apart."""
    array = g.const(table)
    tail = FUSED[bits]
    if array is None:
        raise layer.unsupported("its table is computed while the net runs; ONNX cannot take bytes for floats")
    if array.ndim != 2 or array.dtype != np.uint8 or array.shape[1] <= tail:
        raise layer.malformed(f"its table is {array.dtype.name} of the shape {list(array.shape)}")
    body, ends = array[:, :-tail], np.ascontiguousarray(array[:, -tail:])
    if bits == 8:
        numbers, pair = body.astype(np.float32), ends.view("<f4")
    else:
        parts = [(body >> shift) & ((1 << bits) - 1) for shift in range(0, 8, bits)]
        numbers = np.stack(parts, axis=2).reshape(len(body), -1).astype(np.float32)
        pair = ends.view("<f2").astype(np.float32)
    with np.errstate(all="ignore"):
        return g.weight(f"{layer.name}.table", numbers * pair[:, :1] + pair[:, 1:])


def _bits(layer: Layer) -> int:
    return next(bits for bits in FUSED if f"Fused{bits}Bit" in layer.type)


@reads(*(f"SparseLengths{kind}Fused{bits}BitRowwise" for kind in ("Sum", "Mean") for bits in FUSED))
def fused_bag(g: GraphBuilder, layer: Layer, table: Value, indices: Value, lengths: Value) -> Value:
    kind = "Mean" if "Mean" in layer.type else "Sum"
    return _bag(g, layer, _decoded(g, layer, table, _bits(layer)), indices, lengths, kind)


@reads(*(f"SparseLengthsWeightedSumFused{bits}BitRowwise" for bits in FUSED))
def fused_weighted_bag(
    g: GraphBuilder, layer: Layer, table: Value, weights: Value, indices: Value, lengths: Value
) -> Value:
    return _bag(g, layer, _decoded(g, layer, table, _bits(layer)), indices, lengths, "Sum", weights)


@reads("GatherFused8BitRowwise")
def gather_fused(g: GraphBuilder, layer: Layer, table: Value, indices: Value) -> Value:
    return g.Gather(_decoded(g, layer, table, 8), _indices(layer, indices), axis=0)


@reads(*(f"Fused{bits}BitRowwiseQuantizedToFloat" for bits in FUSED))
def fused_to_float(g: GraphBuilder, layer: Layer, table: Value) -> Value:
    return _decoded(g, layer, table, _bits(layer))


def _by_rows(g: GraphBuilder, layer: Layer, table: Value, scale_bias: Value) -> Value:
    """A table of uint8 with the scale and bias of every row beside it."""
    if layer.element(table) != U8 or layer.rank(table, 2) != 2 or layer.sizes(scale_bias, 1) != (2,):
        raise layer.malformed("it takes a table of uint8 and pairs of scale and bias")
    scale, bias = g.ops("Split", scale_bias, [1, 1], outputs=2, axis=1)
    return g.Add(g.Mul(g.Cast(table, to=1), scale), bias)


@reads("Rowwise8BitQuantizedToFloat")
def rowwise_to_float(g: GraphBuilder, layer: Layer, table: Value, scale_bias: Value) -> Value:
    return _by_rows(g, layer, table, scale_bias)


@reads("SparseLengthsSum8BitsRowwise", "SparseLengthsMean8BitsRowwise")
def bag_8_bits(g: GraphBuilder, layer: Layer, table: Value, indices: Value, lengths: Value, scale_bias: Value) -> Value:
    kind = "Mean" if "Mean" in layer.type else "Sum"
    return _bag(g, layer, _by_rows(g, layer, table, scale_bias), indices, lengths, kind)


@reads("SparseLengthsWeightedSum8BitsRowwise", "SparseLengthsWeightedMean8BitsRowwise")
def weighted_bag_8_bits(
    g: GraphBuilder, layer: Layer, table: Value, weights: Value, indices: Value, lengths: Value, scale_bias: Value
) -> Value:
    kind = "Mean" if "Mean" in layer.type else "Sum"
    return _bag(g, layer, _by_rows(g, layer, table, scale_bias), indices, lengths, kind, weights)


# --- sparse to dense -------------------------------------------------------------------------------------------------


@reads("SparseToDense")
def sparse_to_dense(g: GraphBuilder, layer: Layer, indices: Value, values: Value, like: Value | None = None) -> Value:
    """Rows added up at their indices; as many rows as ``like`` has, or as the largest index needs."""
    layer.rank(indices, 1)
    places = cast(g, _indices(layer, indices), I64)
    if like is not None:
        rows = size_of(g, layer, like, 0)
        count = g.constant(rows) if isinstance(rows, list) else rows
    else:
        count = g.Unsqueeze(g.Add(g.ReduceMax(places, [0], keepdims=0), np.asarray(1)), [0])
    shape = g.Concat(count, g.Shape(values, start=1), axis=0) if layer.rank(values) > 1 else count
    empty = g.Expand(layer.number(values, 0), shape)
    return g.ScatterND(empty, g.Unsqueeze(places, [1]), values, reduction="add")


@reads("BatchSparseToDense")
def batch_sparse_to_dense(
    g: GraphBuilder, layer: Layer, lengths: Value, indices: Value, values: Value, like: Value | None = None
) -> Value:
    """[rows, dense_last_dim] with a value at every index of a row, default_value elsewhere."""
    width = layer.integer("dense_last_dim", -1)
    if width < 1:
        if like is None:
            raise layer.malformed("neither dense_last_dim nor a fourth input say how wide it is")
        width = layer.size(like, 1)
    rows = g.Unsqueeze(ids_of(g, layer, lengths), [1])
    places = g.Concat(rows, g.Unsqueeze(cast(g, indices, I64), [1]), axis=1)
    shape = g.Concat(g.Shape(lengths), g.constant([width]), axis=0)
    filled = g.Expand(layer.number(values, layer.real("default_value", 0.0)), shape)
    return g.ScatterND(filled, places, values)


@reads("SparseToDenseMask")
def sparse_to_dense_mask(
    g: GraphBuilder, layer: Layer, indices: Value, values: Value, default: Value, lengths: Value | None = None
) -> list[Value]:
    """[rows, mask, ...]: for every number of the mask the value of that index, else the default; then whether any."""
    mask = layer.integers("mask")
    if not mask or len(mask) > 1 << 20:
        raise layer.malformed(f"its mask has {len(mask)} numbers")
    keys = g.constant(np.asarray(mask, np.int64))
    ids = cast(g, _indices(layer, indices), I64)
    hits = g.Equal(g.Unsqueeze(ids, [1]), g.Unsqueeze(keys, [0]))
    column = g.ArgMax(g.Cast(hits, to=int(I32)), axis=1, keepdims=0)
    present = g.Cast(g.ReduceMax(g.Cast(hits, to=int(I32)), [1], keepdims=0), to=9)
    # What is not in the mask goes to a column of its own, which is cut off.
    column = g.Where(present, column, np.asarray(len(mask)))
    rows = ids_of(g, layer, lengths) if lengths is not None else g.Expand(np.asarray(0), g.Shape(ids))
    places = g.Concat(g.Unsqueeze(rows, [1]), g.Unsqueeze(column, [1]), axis=1)
    batch = g.Shape(lengths) if lengths is not None else g.constant([1])
    inner = list(layer.sizes(values, 1))
    if prod(inner) != math.prod(layer.sizes(default)):
        raise layer.malformed(f"its default has the shape {list(layer.shape(default))}, its values {inner}")
    shape = g.Concat(batch, g.constant([len(mask) + 1, *inner]), axis=0)
    filled = g.Expand(g.Reshape(default, g.constant(np.asarray(inner, np.int64))), shape)
    dense = g.Slice(g.ScatterND(filled, places, values), [0], [len(mask)], [1])
    if lengths is None:
        dense = g.Squeeze(dense, [0])
    if layer.outputs < 2 or not layer.flag("return_presence_mask"):
        return [dense]
    nothing = g.Expand(np.asarray(False), g.Concat(batch, g.constant([len(mask) + 1]), axis=0))
    marks = g.ScatterND(nothing, places, g.Expand(np.asarray(True), g.Shape(ids)))
    found = g.Slice(marks, [0], [len(mask)], [1])
    return [dense, found if lengths is not None else g.Squeeze(found, [0])]
