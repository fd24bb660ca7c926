"""Picking values by their places, which MXNet keeps in floats."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import Layer, Value, reads, whole
from workers.formats.mxnet.read.shaping import check_constant, filled, reshaped, size_of
from workers.hub.graph import GraphBuilder


def _inside(g: GraphBuilder, layer: Layer, places: Value, x: Value, axis: int, mode: str) -> Value:
    """Places brought into the range of an axis, by clipping or by wrapping around."""
    size = size_of(g, layer, x, axis)
    places = whole(g, places)
    if mode == "wrap":
        return g.Mod(places, size)
    if mode not in ("clip", "raise"):
        raise layer.malformed(f"its mode is {mode!r}")
    last = np.asarray(size[0] - 1) if isinstance(size, list) else g.Sub(g.Squeeze(size, [0]), np.asarray(1))
    return g.Clip(places, np.asarray(0), last)


@reads("take", "_npi_take")
def take(g: GraphBuilder, layer: Layer, x: Value, places: Value) -> Value:
    """Slices along an axis; places outside are clipped, or wrap around."""
    axis = layer.axis(layer.integer("axis", 0), layer.rank(x, *range(1, 33)))
    return g.Gather(x, _inside(g, layer, places, x, axis, layer.word("mode", "clip")), axis=axis)


@reads("pick", "_npx_pick", "choose_element_0index")
def pick(g: GraphBuilder, layer: Layer, x: Value, places: Value) -> Value:
    """One value along an axis for every place on the others."""
    if layer.node.attrs.get("axis", "-1").strip() == "None":
        x = reshaped(g, layer, x, [times(layer.shape(x))])
        axis = 0
    else:
        axis = layer.axis(layer.integer("axis", -1), layer.rank(x, *range(1, 33)))
    rank = len(layer.shape(x))
    places = _inside(g, layer, places, x, axis, layer.word("mode", "clip"))
    if len(layer.shape(places)) != rank:
        places = g.Unsqueeze(places, [axis])
    layer.rank(places, rank)
    found = g.GatherElements(x, places, axis=axis)
    return found if layer.flag("keepdims", False) else g.Squeeze(found, [axis])


@reads("one_hot", "_npx_one_hot")
def one_hot(g: GraphBuilder, layer: Layer, places: Value) -> Value:
    """A new last axis with one value on; places outside it leave all off."""
    depth = layer.integer("depth")
    if depth < 1:
        raise layer.malformed(f"its depth is {depth}")
    check_constant(layer, depth)
    dtype = layer.dtype().numpy()
    on, off = (np.asarray(layer.real(key, value)).astype(dtype) for key, value in (("on_value", 1), ("off_value", 0)))
    here = g.Equal(g.Unsqueeze(whole(g, places), [-1]), g.constant(np.arange(depth)))
    return g.Where(here, on, off)


def _rows(g: GraphBuilder, layer: Layer, places: Value) -> Value:
    """Index tuples from the leading axis, where MXNet has them, to the last, where ONNX wants them."""
    rank = layer.rank(places, *range(1, 33))
    places = whole(g, places)
    return places if rank == 1 else g.Transpose(places, perm=[*range(1, rank), 0])


@reads("gather_nd", "_npi_gather_nd", "_npx_gather_nd")
def gather_nd(g: GraphBuilder, layer: Layer, x: Value, places: Value) -> Value:
    """Index tuples stand in the leading axis."""
    return g.GatherND(x, _rows(g, layer, places))


@reads("scatter_nd")
def scatter_nd(g: GraphBuilder, layer: Layer, values: Value, places: Value) -> Value:
    """Values put at their places in an array of zeros."""
    shape = layer.integers("shape")
    if any(size < 0 for size in shape):
        raise layer.malformed(f"its shape is {shape}")
    empty = filled(g, layer, shape, 0, layer.element(values))
    return g.ScatterND(empty, _rows(g, layer, places), values)


@reads("_scatter_set_nd", "_npi_scatter_set_nd")
def scatter_set_nd(g: GraphBuilder, layer: Layer, x: Value, values: Value, places: Value) -> Value:
    """Values put at their places in an array that is there."""
    return g.ScatterND(x, _rows(g, layer, places), values)


@reads("_contrib_index_copy")
def index_copy(g: GraphBuilder, layer: Layer, old: Value, places: Value, new: Value) -> Value:
    """Rows replaced."""
    return g.ScatterND(old, g.Unsqueeze(whole(g, places), [1]), new)


@reads("_contrib_boolean_mask", "_npi_boolean_mask")
def boolean_mask(g: GraphBuilder, layer: Layer, x: Value, mask: Value) -> Value:
    """The slices along an axis whose mask is not 0: as many as the data says."""
    axis = layer.axis(layer.integer("axis", 0), layer.rank(x, *range(1, 33)))
    layer.rank(mask, 1)
    keep = g.Not(g.Equal(mask, layer.number(mask, 0)))
    return g.Compress(x, keep, axis=axis)


# --- places as numbers -----------------------------------------------------------------------------------------------


def _strides(layer: Layer) -> list[int]:
    shape = layer.integers("shape")
    if not shape or any(size < 1 for size in shape[1:]):
        raise layer.malformed(f"its shape is {shape}")
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


@reads("_ravel_multi_index", "ravel_multi_index")
def ravel_multi_index(g: GraphBuilder, layer: Layer, places: Value) -> Value:
    """Index tuples in the leading axis to places in the flattened array."""
    strides = _strides(layer)
    rank = layer.rank(places, *range(1, 33))
    layer.same(layer.shape(places)[0], len(strides), "the number of indices")
    factors = np.asarray(strides).reshape(-1, *[1] * (rank - 1))
    total = g.ReduceSum(g.Mul(whole(g, places), factors), [0], keepdims=0)
    return cast(g, total, layer.element(places))


@reads("_unravel_index", "unravel_index")
def unravel_index(g: GraphBuilder, layer: Layer, places: Value) -> Value:
    """The reverse: a new leading axis with the index on every axis."""
    strides, shape = _strides(layer), layer.integers("shape")
    number = g.Unsqueeze(whole(g, places), [0])
    rank = len(layer.shape(number))
    column = [-1, *[1] * (rank - 1)]
    parts = g.Div(number, np.asarray(strides).reshape(column))
    limits = np.asarray([2**62, *shape[1:]]).reshape(column)
    return cast(g, g.Mod(parts, limits), layer.element(places))


@reads("diag", "_np_diag", "_np_diagonal", "_linalg_extractdiag", "linalg_extractdiag")
def diag(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A diagonal of a matrix, as the last axis; or (diag of a vector) the matrix with that diagonal."""
    rank = layer.rank(x, *range(1, 33))
    shift = layer.integer("k", layer.integer("offset", 0))
    if rank == 1:
        if layer.type not in ("diag", "_np_diag"):
            raise layer.malformed("its input must have two axes or more")
        return made_diagonal(g, layer, x, shift)
    linalg = "linalg" in layer.type
    one = rank - 2 if linalg else layer.axis(layer.integer("axis1", 0), rank)
    two = rank - 1 if linalg else layer.axis(layer.integer("axis2", 1), rank)
    if one == two:
        raise layer.malformed("its two axes are the same")
    rest = [axis for axis in range(rank) if axis not in (one, two)]
    rows, columns = layer.sizes(x, one, one + 1)[0], layer.sizes(x, two, two + 1)[0]
    x = g.Transpose(x, perm=[*rest, one, two]) if [*rest, one, two] != list(range(rank)) else x
    picked = np.arange(max(0, -shift), min(rows, columns - shift))
    flat = reshaped(g, layer, x, [*layer.shape(x)[:-2], rows * columns])
    return g.Gather(flat, g.constant((picked * columns + picked + shift).astype(np.int64)), axis=rank - 2)


def made_diagonal(g: GraphBuilder, layer: Layer, x: Value, shift: int) -> Value:
    """[..., n] to [..., n + |shift|, n + |shift|]."""
    size = layer.sizes(x, -1)[0]
    side = size + abs(shift)
    check_constant(layer, side * size)
    pattern = np.eye(side, side, shift)[max(0, -shift) :][:size]
    spread = g.Mul(g.Unsqueeze(x, [-1]), g.constant(pattern.astype(layer.element(x).numpy())))
    if not shift:
        return spread
    rank = len(layer.shape(spread))
    front, back = max(0, -shift), max(0, shift)
    return g.Pad(spread, [*[0] * (rank - 2), front, 0, *[0] * (rank - 2), back, 0], layer.number(x, 0))


@reads("_linalg_makediag", "linalg_makediag")
def linalg_makediag(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Vectors in the last axis as the diagonals of matrices."""
    layer.rank(x, *range(1, 33))
    return made_diagonal(g, layer, x, layer.integer("offset", 0))


@reads("_np_diagflat")
def diagflat(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The flattened values as a diagonal."""
    flat = reshaped(g, layer, x, [times(layer.shape(x))])
    return made_diagonal(g, layer, flat, layer.integer("k", 0))


@reads("_np_trace")
def trace(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The sum of a diagonal."""
    layer.rank(x, *range(2, 33))
    return g.ReduceSum(diag(g, layer, x), [-1], keepdims=0)


@reads("_linalg_sumlogdiag", "linalg_sumlogdiag")
def sumlogdiag(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The sum of the logarithms of a matrix' diagonal."""
    layer.rank(x, *range(2, 33))
    found = g.ReduceSum(g.Log(diag(g, layer, x)), [-1], keepdims=0)
    return g.Reshape(found, [1]) if len(layer.shape(x)) == 2 else found


@reads("_linalg_extracttrian", "linalg_extracttrian")
def extracttrian(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The values of a triangle in one vector."""
    rows, columns = layer.sizes(x, layer.rank(x, *range(2, 33)) - 2)
    flat = reshaped(g, layer, x, [*layer.shape(x)[:-2], rows * columns])
    return g.Gather(flat, g.constant(_triangle(layer, rows)), axis=-1)


@reads("_linalg_maketrian", "linalg_maketrian")
def maketrian(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The reverse: a vector fills a triangle, the rest is 0."""
    count = layer.sizes(x, -1)[0]
    offset = abs(layer.integer("offset", 0))
    side = int((math.isqrt(8 * count + 1) - 1) // 2) + offset
    places = _triangle(layer, side)
    if len(places) != count:
        raise layer.malformed(f"{count} values fill no triangle")
    check_constant(layer, side * side)
    order = np.full(side * side, count)
    order[places] = np.arange(count)
    rank = len(layer.shape(x))
    padded = g.Pad(x, [*[0] * (2 * rank - 1), 1], layer.number(x, 0))
    return reshaped(g, layer, g.Gather(padded, g.constant(order), axis=-1), [*layer.shape(x)[:-1], side, side])


def _triangle(layer: Layer, side: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Places of a triangle in the flattened matrix; an offset says itself whether it lies above or below.

    The lower triangle runs row by row, the upper column by column.
    """
    check_constant(layer, side * side)
    offset = layer.integer("offset", 0)
    if abs(offset) > side:
        raise layer.malformed(f"its offset {offset} leaves nothing of a matrix of {side} rows")
    lower = offset < 0 or (offset == 0 and layer.flag("lower", True))
    if lower:
        return np.flatnonzero(np.tri(side, side, offset, bool)).astype(np.int64)
    columns, rows = np.nonzero(np.tri(side, side, -offset, bool))
    return (rows * side + columns).astype(np.int64)
