"""Rows taken by index, written by index, chosen by masks."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.paddle.read.layer import BOOL, F32, I32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.reduction import declared
from workers.formats.paddle.read.vectors import integer, reshaped
from workers.hub.graph import GraphBuilder


def _index(g: GraphBuilder, layer: Layer, slot: str) -> Value:
    """An index of 32 or 64 bits."""
    x = layer.x(slot)
    return x if layer.element(x) in (I32, I64) else cast(g, x, I64)


def _flat_index(g: GraphBuilder, layer: Layer, slot: str) -> Value:
    """[n, 1] counts as [n]."""
    x = _index(g, layer, slot)
    return g.Squeeze(x, [1]) if layer.rank(x) == 2 and layer.shape(x)[1] == 1 else x


@reads("gather", "index_select")
def gather(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    if layer.op.type == "gather":
        axis, index = integer(g, layer, "axis", "Axis", 0), _flat_index(g, layer, "Index")
    else:
        axis, index = layer.integer("dim", 0), _index(g, layer, "Index")
    return g.Gather(x, index, axis=layer.axis(axis, layer.rank(x)))


@reads("gather_nd")
def gather_nd(g: GraphBuilder, layer: Layer) -> Value:
    return g.GatherND(layer.x(), cast(g, layer.x("Index"), I64))


@reads("index_sample")
def index_sample(g: GraphBuilder, layer: Layer) -> Value:
    return g.GatherElements(layer.x(), _index(g, layer, "Index"), axis=1)


@reads("take_along_axis")
def take_along_axis(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("Input")
    return g.GatherElements(x, _index(g, layer, "Index"), axis=layer.axis(layer.integer("Axis", 0), layer.rank(x)))


@reads("put_along_axis")
def put_along_axis(g: GraphBuilder, layer: Layer) -> Value:
    x, index, value = layer.x("Input"), _index(g, layer, "Index"), layer.x("Value")
    words = {"assign": "none", "add": "add", "mul": "mul", "multiply": "mul", "amin": "min", "amax": "max"}
    word = layer.word("Reduce", "assign")
    if word not in words or not layer.flag("include_self", True):
        raise layer.unsupported(f"it combines what it writes by {word!r}, which ONNX's ScatterElements cannot say")
    if layer.shape(value) != layer.shape(index):
        value = g.Expand(value, g.Shape(index))
        value.shape = ir.Shape(list(layer.shape(index)))
    axis = layer.axis(layer.integer("Axis", 0), layer.rank(x))
    return g.ScatterElements(x, index, cast(g, value, layer.element(x)), axis=axis, reduction=words[word])


@reads("scatter")
def scatter(g: GraphBuilder, layer: Layer) -> Value:
    """Rows overwritten; or, without ``overwrite``, set to zero first and summed up then."""
    x, updates = layer.x(), layer.x("Updates")
    ids = cast(g, _flat_index(g, layer, "Ids"), I64)
    if layer.rank(ids) == 0:
        ids, updates = g.Unsqueeze(ids, [0]), g.Unsqueeze(updates, [0])
    places = g.Unsqueeze(ids, [1])
    if layer.flag("overwrite", True):
        return g.ScatterND(x, places, updates)
    cleared = g.ScatterND(x, places, g.Mul(updates, layer.number(x, 0)))
    return g.ScatterND(cleared, places, updates, reduction="add")


@reads("scatter_nd_add")
def scatter_nd_add(g: GraphBuilder, layer: Layer) -> Value:
    return g.ScatterND(layer.x(), cast(g, layer.x("Index"), I64), layer.x("Updates"), reduction="add")


@reads("index_add")
def index_add(g: GraphBuilder, layer: Layer) -> Value:
    x, values = layer.x(), layer.x("AddValue")
    axis = layer.axis(layer.integer("axis", 0), layer.rank(x))
    shape = [1] * layer.rank(x)
    shape[axis] = -1
    index = g.Expand(g.Reshape(cast(g, layer.x("Index"), I64), shape), g.Shape(values))
    return g.ScatterElements(x, index, values, axis=axis, reduction="add")


@reads("index_put")
def index_put(g: GraphBuilder, layer: Layer) -> Value:
    """Values at the places that several indices name together, or where a mask says."""
    x, indices, value = layer.x(), layer.all("Indices"), layer.x("Value")
    add = layer.flag("accumulate")
    if len(indices) == 1 and layer.element(indices[0]) == BOOL:
        if layer.rank(indices[0]) != layer.rank(x) or times(layer.shape(value)) != 1 or add:
            raise layer.unsupported("it writes several values where a mask says")
        return g.Where(indices[0], g.Reshape(value, [1] * max(layer.rank(x), 1)), x)
    if any(layer.element(index) == BOOL for index in indices):
        raise layer.unsupported("its indices mix numbers with masks")
    if not indices:
        raise layer.malformed("it has no indices")
    wide = [cast(g, index, I64) for index in indices]
    total = wide[0]
    for other in wide[1:]:
        total = g.Add(total, g.Mul(other, np.asarray(0)))
    places = g.Concat(*(g.Unsqueeze(g.Expand(one, g.Shape(total)), [-1]) for one in wide), axis=-1)
    tail = g.Shape(x, start=len(wide))
    updates = g.Expand(value, g.Concat(g.Shape(total), tail, axis=0))
    return g.ScatterND(x, places, updates, reduction="add" if add else "none")


# --- tables -----------------------------------------------------------------------------------------------------------


@reads("lookup_table", "lookup_table_v2", "c_embedding")
def lookup_table(g: GraphBuilder, layer: Layer) -> Value:
    """Rows of a table; the row of ``padding_idx`` counts as zeros, at inference as well."""
    table, ids = layer.x("W"), _index(g, layer, "Ids")
    if layer.op.type == "lookup_table":
        rank = layer.rank(ids)
        if not rank or layer.shape(ids)[-1] != 1:
            raise layer.malformed("its Ids do not end in an axis of size 1")
        ids = g.Squeeze(ids, [rank - 1])
    padding = layer.integer("padding_idx", -1)
    rows = g.Gather(table, ids, axis=0)
    if padding == -1:
        return rows
    padding = padding + layer.size(table, 0) if padding < 0 else padding
    blank = g.Unsqueeze(g.Equal(ids, layer.number(ids, padding)), [-1])
    return g.Where(blank, layer.number(rows, 0), rows)


@reads("one_hot", "one_hot_v2")
def one_hot(g: GraphBuilder, layer: Layer) -> Value:
    x = cast(g, layer.x(), I64)
    if layer.op.type == "one_hot" and layer.rank(x) > 1 and layer.shape(x)[-1] == 1:
        x = g.Squeeze(x, [layer.rank(x) - 1])
    depth = integer(g, layer, "depth", "depth_tensor", -1)
    if not 1 <= depth <= 2**30:
        raise layer.malformed(f"its depth is {depth}")
    dtype = layer.dtype("dtype", declared(layer, "Out", F32))
    return g.OneHot(x, np.asarray([depth]), np.asarray([0, 1]).astype(dtype.numpy()), axis=-1)


@reads("shard_index")
def shard_index(g: GraphBuilder, layer: Layer) -> Value:
    """An index within one shard of a table, or ``ignore_value`` for those of other shards."""
    x, shards = layer.x(), layer.integer("nshards")
    size = -(-layer.integer("index_num") // shards) if shards > 0 else 0
    if size < 1:
        raise layer.malformed("it has no shards")
    mine = g.Equal(g.Div(x, layer.number(x, size)), layer.number(x, layer.integer("shard_id")))
    return g.Where(mine, g.Mod(x, layer.number(x, size)), layer.number(x, layer.integer("ignore_value", -1)))


# --- masks ------------------------------------------------------------------------------------------------------------


@reads("where")
def where(g: GraphBuilder, layer: Layer) -> Value:
    return g.Where(cast(g, layer.x("Condition"), BOOL), layer.x("X"), layer.x("Y"))


@reads("where_index")
def where_index(g: GraphBuilder, layer: Layer) -> Value:
    return g.Transpose(g.NonZero(cast(g, layer.x("Condition"), BOOL)), perm=[1, 0])


@reads("masked_select")
def masked_select(g: GraphBuilder, layer: Layer) -> Value:
    x, mask = layer.x(), layer.x("Mask")
    if layer.shape(x) != layer.shape(mask):
        x, mask = g.Expand(x, g.Shape(mask)), g.And(mask, g.Expand(np.asarray(True), g.Shape(x)))
    return g.Compress(g.Reshape(x, [-1]), g.Reshape(mask, [-1]), axis=0)


@reads("masked_fill")
def masked_fill(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    return g.Where(layer.x("Mask"), cast(g, layer.x("Value"), layer.element(x)), x)


@reads("multiplex")
def multiplex(g: GraphBuilder, layer: Layer) -> Value:
    """Row i of the input that ids[i] names."""
    xs, ids = layer.several("X"), cast(g, layer.x("Ids"), I64)
    stacked = g.Concat(*(g.Unsqueeze(x, [1]) for x in xs), axis=1)
    return g.GatherND(stacked, reshaped(g, layer, ids, [layer.shape(ids)[0], 1]), batch_dims=1)


@reads("unique")
def unique(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Sorted, or (fluid's) in order of appearance, with the first places, the way back and the counts."""
    x, axes = layer.x(), layer.integers("axis")
    kind = layer.dtype("dtype", I64)
    axis = layer.axis(axes[0], layer.rank(x)) if axes else None
    ordered = layer.flag("is_sorted") or layer.type.startswith("pd_op.")
    values, places, inverse, counts = g.ops("Unique", x, outputs=4, axis=axis, sorted=int(ordered))
    found = {"Indices": places, "Index": inverse, "Counts": counts}
    return {"Out": values, **{slot: cast(g, value, kind) for slot, value in found.items() if layer.wants(slot)}}


@reads("searchsorted")
def searchsorted(g: GraphBuilder, layer: Layer) -> Value:
    """How many elements stand before the place where a value belongs."""
    line, values = layer.x("SortedSequence"), layer.x("Values")
    wide = g.Unsqueeze(values, [layer.rank(values)])
    row = line if layer.rank(line) == 1 else g.Unsqueeze(line, [layer.rank(line) - 1])
    before = g.op("LessOrEqual" if layer.flag("right") else "Less", row, wide)
    count = g.ReduceSum(g.Cast(before, to=int(I64)), [-1], keepdims=0)
    return cast(g, count, I32 if layer.flag("out_int32") else I64)


# --- diagonals --------------------------------------------------------------------------------------------------------


@reads("tril_triu", "tril", "triu")
def tril_triu(g: GraphBuilder, layer: Layer) -> Value:
    upper = not layer.flag("lower", False) if layer.op.type == "tril_triu" else layer.op.type == "triu"
    return g.Trilu(layer.x(), np.asarray(layer.integer("diagonal", 0)), upper=int(upper))


@reads("diagonal", "trace")
def diagonal(g: GraphBuilder, layer: Layer) -> Value:
    """The diagonal of two axes, put last; or its sum."""
    x, offset = layer.x("Input"), layer.integer("offset", 0)
    rank = layer.rank(x)
    one, two = (layer.axis(layer.integer(key, place), rank) for place, key in enumerate(("axis1", "axis2")))
    if one == two:
        raise layer.malformed("it has one axis twice")
    line = _diagonal(g, layer, x, one, two, offset)
    return line if layer.op.type == "diagonal" else g.ReduceSum(line, [-1], keepdims=0)


def _diagonal(g: GraphBuilder, layer: Layer, x: Value, one: int, two: int, offset: int) -> Value:
    rows, columns = layer.size(x, one), layer.size(x, two)
    low, count = max(-offset, 0), max(min(rows - max(-offset, 0), columns - max(offset, 0)), 0)
    rest = [axis for axis in range(layer.rank(x)) if axis not in (one, two)]
    turned = g.Transpose(x, perm=[*rest, one, two])
    flat = reshaped(g, layer, turned, [*(layer.shape(x)[axis] for axis in rest), rows * columns])
    return g.Gather(flat, [(low + i) * columns + max(offset, 0) + i for i in range(count)], axis=-1)


@reads("diag_v2", "diag")
def diag(g: GraphBuilder, layer: Layer) -> Value:
    """A vector becomes the diagonal of a matrix, of a matrix the diagonal is taken."""
    x = layer.x() if layer.op.inputs.get("X") else layer.x("Diagonal")
    offset = layer.integer("offset", 0)
    if layer.rank(x, 1, 2) == 2:
        return _diagonal(g, layer, x, 0, 1, offset)
    return _embedded(g, layer, x, offset, layer.real("padding_value", 0.0))


def _embedded(g: GraphBuilder, layer: Layer, x: Value, offset: int, fill: float) -> Value:
    """[..., n] -> [..., m, m] with it on a diagonal."""
    size = layer.size(x, -1)
    side = size + abs(offset)
    layer.bounded(side * side)
    mask = np.eye(side, k=offset, dtype=bool)
    source = np.zeros(side, np.int64)
    source[max(offset, 0) : max(offset, 0) + size] = np.arange(size)
    rows = g.Unsqueeze(g.Gather(x, source, axis=-1), [layer.rank(x) - 1])
    return g.Where(mask, rows, layer.number(x, fill))


@reads("diag_embed")
def diag_embed(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("Input")
    rank = layer.rank(x) + 1
    y = _embedded(g, layer, x, layer.integer("offset", 0), 0.0)
    one, two = (layer.axis(layer.integer(key, place), rank) for key, place in (("dim1", -2), ("dim2", -1)))
    order: list[int | None] = [None] * rank
    order[one], order[two] = rank - 2, rank - 1
    rest = iter(range(rank - 2))
    return g.Transpose(y, perm=[next(rest) if place is None else place for place in order])
