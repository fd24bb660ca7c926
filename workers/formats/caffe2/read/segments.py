"""Runs of rows: lengths, ranges and segment numbers, and what is added up over them."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read.layer import BOOL, I32, I64, Layer, Value, prod, reads
from workers.formats.caffe2.read.sizes import check_constant
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder

KINDS = ("Sum", "Mean", "Max")


def ids_of(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """For every row the number of its run: int64 [sum of lengths]."""
    layer.rank(lengths, 1)
    known = g.const(lengths)
    if known is not None and known.min(initial=0) >= 0 and known.sum() <= 1 << 20:
        return g.constant(np.repeat(np.arange(known.size), known).astype(np.int64))
    ends = g.CumSum(cast(g, lengths, I64), np.asarray(0))
    total = g.ReduceSum(cast(g, lengths, I64), [0], keepdims=0)
    places = g.Range(np.asarray(0), total, np.asarray(1))
    behind = g.GreaterOrEqual(g.Unsqueeze(places, [1]), g.Unsqueeze(ends, [0]))
    return g.ReduceSum(g.Cast(behind, to=int(I64)), [1], keepdims=0)


def reduced(g: GraphBuilder, layer: Layer, rows: Value, lengths: Value, kind: str) -> Value:
    """[runs, ...]: the rows of every run added up, averaged or compared; an empty run gives zeros."""
    ids = ids_of(g, layer, lengths)
    return scattered(g, layer, rows, ids, g.Shape(lengths), kind, lengths)


def scattered(
    g: GraphBuilder, layer: Layer, rows: Value, ids: Value, count: Value, kind: str, lengths: Value | None
) -> Value:
    """Rows put together by the number of their segment, of which there are ``count`` (a vector of one)."""
    rank = layer.rank(rows, *range(1, 9))
    shape = g.Concat(count, g.Shape(rows, start=1), axis=0) if rank > 1 else count
    places = g.Unsqueeze(ids, [1])
    if kind == "Max":
        lowest = float(np.finfo(layer.element(rows).numpy()).min)
        best = g.ScatterND(g.Expand(layer.number(rows, lowest), shape), places, rows, reduction="max")
        return g.Where(g.Equal(best, layer.number(rows, lowest)), layer.number(rows, 0), best)
    total = g.ScatterND(g.Expand(layer.number(rows, 0), shape), places, rows, reduction="add")
    if kind == "Sum":
        return total
    if lengths is None:
        ones = g.Expand(np.asarray(1), g.Shape(ids))
        lengths = g.ScatterND(g.Expand(np.asarray(0), count), places, ones, reduction="add")
    number = g.Max(cast(g, lengths, layer.element(rows)), layer.number(rows, 1))
    return g.Div(total, g.Unsqueeze(number, list(range(1, rank))) if rank > 1 else number)


@reads(*(f"Lengths{kind}" for kind in KINDS))
def lengths_reduce(g: GraphBuilder, layer: Layer, x: Value, lengths: Value) -> Value:
    return reduced(g, layer, x, lengths, layer.type.removeprefix("Lengths"))


@reads("LengthsWeightedSum")
def lengths_weighted_sum(g: GraphBuilder, layer: Layer, x: Value, weights: Value, lengths: Value) -> Value:
    return reduced(g, layer, _weighted(g, layer, x, weights), lengths, "Sum")


@reads("SortedSegmentSum", "SortedSegmentMean")
def sorted_segments(g: GraphBuilder, layer: Layer, x: Value, ids: Value) -> Value:
    """As many segments as the last number says."""
    return _segments(g, layer, x, ids, None)


@reads("UnsortedSegmentSum", "UnsortedSegmentMean")
def unsorted_segments(g: GraphBuilder, layer: Layer, x: Value, ids: Value) -> Value:
    """As many segments as num_segments or the largest number says."""
    return _segments(g, layer, x, ids, layer.integer("num_segments", -1))


@reads("SparseSortedSegmentSum", "SparseSortedSegmentMean", "SparseUnsortedSegmentSum", "SparseUnsortedSegmentMean")
def sparse_segments(g: GraphBuilder, layer: Layer, table: Value, indices: Value, ids: Value) -> Value:
    return _segments(g, layer, g.Gather(table, indices, axis=0), ids, layer.integer("num_segments", -1))


@reads("SortedSegmentWeightedSum", "UnsortedSegmentWeightedSum")
def weighted_segments(g: GraphBuilder, layer: Layer, x: Value, weights: Value, ids: Value) -> Value:
    """Every row times its weight."""
    return _segments(g, layer, _weighted(g, layer, x, weights), ids, layer.integer("num_segments", -1))


@reads("SparseSortedSegmentWeightedSum", "SparseUnsortedSegmentWeightedSum")
def sparse_weighted_segments(
    g: GraphBuilder, layer: Layer, table: Value, weights: Value, indices: Value, ids: Value
) -> Value:
    rows = _weighted(g, layer, g.Gather(table, indices, axis=0), weights)
    return _segments(g, layer, rows, ids, layer.integer("num_segments", -1))


def _weighted(g: GraphBuilder, layer: Layer, x: Value, weights: Value) -> Value:
    rank = layer.rank(x, *range(1, 9))
    return g.Mul(x, g.Unsqueeze(weights, list(range(1, rank))) if rank > 1 else weights)


@reads("ReduceFrontWeightedSum")
def reduce_front_weighted_sum(g: GraphBuilder, layer: Layer, x: Value, weights: Value) -> Value:
    """All rows, each times its weight, added up."""
    return g.ReduceSum(_weighted(g, layer, x, weights), [0], keepdims=0)


@reads("SegmentIdsToRanges")
def segment_ids_to_ranges(g: GraphBuilder, layer: Layer, ids: Value, like: Value | None = None) -> Value:
    """[segments, 2]: where each begins and how long it is."""
    return _ranges(g, _id_lengths(g, ids, like))


def _segments(g: GraphBuilder, layer: Layer, x: Value, ids: Value, count: int | None) -> Value:
    layer.rank(ids, 1)
    ids = cast(g, ids, I64)
    if count is not None and count > 0:
        number = g.constant([count])
    else:
        number = g.Add(g.ReduceMax(ids, [0], keepdims=1), g.constant([1]))
    return scattered(g, layer, x, ids, number, "Mean" if "Mean" in layer.type else "Sum", None)


# --- lengths, ranges, ids --------------------------------------------------------------------------------------------


@reads("LengthsToRanges")
def lengths_to_ranges(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """[runs, 2]: where each begins and how long it is."""
    return _ranges(g, lengths)


def _ranges(g: GraphBuilder, lengths: Value) -> Value:
    starts = g.CumSum(lengths, np.asarray(0), exclusive=1)
    return g.Concat(g.Unsqueeze(starts, [1]), g.Unsqueeze(lengths, [1]), axis=1)


@reads("LengthsToOffsets")
def lengths_to_offsets(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """Where each begins; with include_last_offset also the end of the last."""
    starts = g.CumSum(lengths, np.asarray(0), exclusive=1)
    if not layer.flag("include_last_offset"):
        return starts
    return g.Concat(starts, g.ReduceSum(lengths, [0], keepdims=1), axis=0)


@reads("LengthsToSegmentIds")
def lengths_to_segment_ids(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    return cast(g, ids_of(g, layer, lengths), I32)


@reads("LengthsRangeFill")
def lengths_range_fill(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """0, 1, ... anew in every run: int32."""
    ids = ids_of(g, layer, lengths)
    starts = g.CumSum(cast(g, lengths, I64), np.asarray(0), exclusive=1)
    places = g.Range(np.asarray(0), g.Squeeze(g.Shape(ids), [0]), np.asarray(1))
    return g.Cast(g.Sub(places, g.Gather(starts, ids, axis=0)), to=int(I32))


@reads("LengthsToWeights")
def lengths_to_weights(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """1 / length^power for every row of a run."""
    power = layer.real("power", 0.5)
    weights = g.Pow(g.Cast(lengths, to=1), np.asarray(-power, np.float32))
    return g.Gather(weights, ids_of(g, layer, lengths), axis=0)


@reads("LengthsToShape")
def lengths_to_shape(g: GraphBuilder, layer: Layer, lengths: Value) -> Value:
    """(runs, length), for runs of one length."""
    layer.rank(lengths, 1)
    first = g.Slice(lengths, [0], [1], [0])
    return g.Concat(g.Cast(g.Shape(lengths), to=int(I32)), cast(g, first, I32), axis=0)


@reads("LengthsTile")
def lengths_tile(g: GraphBuilder, layer: Layer, x: Value, lengths: Value) -> Value:
    """Every row as often as its length says."""
    return g.Gather(x, ids_of(g, layer, lengths), axis=0)


@reads("SegmentIdsToLengths")
def segment_ids_to_lengths(g: GraphBuilder, layer: Layer, ids: Value, like: Value | None = None) -> Value:
    """How long every segment is: int32."""
    return _id_lengths(g, ids, like)


def _id_lengths(g: GraphBuilder, ids: Value, like: Value | None) -> Value:
    places = cast(g, ids, I64)
    number = g.Shape(like, end=1) if like is not None else g.Add(g.ReduceMax(places, [0], keepdims=1), g.constant([1]))
    ones = g.Expand(np.asarray(1, np.int32), g.Shape(ids))
    return g.ScatterND(g.Expand(np.asarray(0, np.int32), number), g.Unsqueeze(places, [1]), ones, reduction="add")


@reads("GatherRanges")
def gather_ranges(g: GraphBuilder, layer: Layer, x: Value, ranges: Value) -> list[Value]:
    """The numbers of all ranges [runs, ranges, (start, length)] behind one another; then how many each run gave."""
    layer.rank(x, 1)
    layer.rank(ranges, 3)
    flat = g.Reshape(ranges, [-1, 2])
    starts, lengths = (g.Squeeze(part, [1]) for part in g.ops("Split", flat, [1, 1], outputs=2, axis=1))
    ids = ids_of(g, layer, lengths)
    begins = g.CumSum(cast(g, lengths, I64), np.asarray(0), exclusive=1)
    places = g.Range(np.asarray(0), g.Squeeze(g.Shape(ids), [0]), np.asarray(1))
    offsets = g.Gather(g.Sub(cast(g, starts, I64), begins), ids, axis=0)
    picked = g.Gather(x, g.Add(places, offsets), axis=0)
    per_run = g.ReduceSum(g.Reshape(lengths, g.Shape(ranges, end=2)), [1], keepdims=0)
    return [picked, cast(g, per_run, I32)][: layer.outputs]


# --- segments as rows of a batch -------------------------------------------------------------------------------------


@reads("PackSegments")
def pack_segments(g: GraphBuilder, layer: Layer, lengths: Value, x: Value) -> list[Value]:
    """[runs, longest, ...] with zeros behind the short ones; then where something stands."""
    if layer.flag("pad_minf"):
        fill = float("-inf") if layer.element(x).is_floating_point() else float(np.iinfo(np.int64).min)
    else:
        fill = 0.0
    longest, wide = layer.integer("max_length", -1), cast(g, lengths, I64)
    width = g.constant([longest]) if longest > 0 else g.ReduceMax(wide, [0], keepdims=1)
    columns = g.Range(np.asarray(0), g.Squeeze(width, [0]), np.asarray(1))
    inside = g.Less(g.Unsqueeze(columns, [0]), g.Unsqueeze(wide, [1]))
    places = g.Add(g.Unsqueeze(g.CumSum(wide, np.asarray(0), exclusive=1), [1]), g.Unsqueeze(columns, [0]))
    rows = g.Gather(x, g.Where(inside, places, np.asarray(0)), axis=0)
    rank = layer.rank(x, *range(1, 9))
    mask = g.Unsqueeze(inside, list(range(2, rank + 1))) if rank > 1 else inside
    return [g.Where(mask, rows, layer.number(x, fill)), inside][: layer.outputs]


@reads("UnpackSegments")
def unpack_segments(g: GraphBuilder, layer: Layer, lengths: Value, x: Value) -> Value:
    """The rows behind one another again, without what stood behind the short ones."""
    layer.rank(x, *range(2, 9))
    ids = ids_of(g, layer, lengths)
    begins = g.CumSum(cast(g, lengths, I64), np.asarray(0), exclusive=1)
    places = g.Range(np.asarray(0), g.Squeeze(g.Shape(ids), [0]), np.asarray(1))
    inner = g.Sub(places, g.Gather(begins, ids, axis=0))
    return g.GatherND(x, g.Concat(g.Unsqueeze(ids, [1]), g.Unsqueeze(inner, [1]), axis=1))


@reads("BooleanMask")
def boolean_mask(g: GraphBuilder, layer: Layer, x: Value, mask: Value) -> list[Value]:
    """The rows whose mask is set; then their indices."""
    if layer.element(mask) != BOOL:
        raise layer.malformed("its mask holds no truth values")
    rows = g.Compress(x, mask, axis=0)
    return [rows, g.Reshape(g.NonZero(mask), [-1])][: layer.outputs]


@reads("ReversePackedSegs")
def reverse_packed_segs(g: GraphBuilder, layer: Layer, x: Value, lengths: Value) -> Value:
    """Sequences [T, N, ...] turned round; what stands behind their ends stays there."""
    layer.rank(x, *range(2, 9))
    return g.ReverseSequence(x, cast(g, lengths, I64), time_axis=0, batch_axis=1)


@reads("SequenceMask")
def sequence_mask(g: GraphBuilder, layer: Layer, x: Value, *rest: Value) -> Value:
    """fill_val behind the length of each row (sequence), or on one side of the diagonal of the last two axes."""
    mode, fill = layer.word("mode", ""), layer.number(x, layer.real("fill_val", float("-inf")))
    rank = layer.rank(x, *range(2, 9))
    check_constant(layer, prod([dim for dim in layer.shape(x) if isinstance(dim, int)]))
    if layer.has("batch") or layer.has("repeat_from_axis") or layer.flag("grad"):
        raise layer.unsupported("it repeats its mask over batches in a way that onnxhub does not read")
    if mode == "sequence":
        if len(rest) != 1 or layer.axis(layer.integer("axis", 1), rank) != 1:
            raise layer.unsupported("its lengths are not those of the first axis")
        inner = prod(layer.sizes(x, 1))
        places = g.constant(np.arange(inner).reshape(layer.sizes(x, 1)))
        return g.Where(g.Less(places, g.Unsqueeze(cast(g, rest[0], I64), list(range(1, rank)))), x, fill)
    if mode not in ("upper", "lower", "upperdiag", "lowerdiag") or rank != 2:
        raise layer.unsupported(f"onnxhub does not read its mode {mode!r}")
    rows, columns = (np.arange(size) for size in layer.sizes(x))
    apart = columns[None] - rows[:, None]
    hidden = {"upper": apart > 0, "lower": apart < 0, "upperdiag": apart >= 0, "lowerdiag": apart <= 0}[mode]
    return g.Where(g.constant(hidden), fill, x)
