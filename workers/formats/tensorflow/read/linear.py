"""Products of matrices."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.tensorflow.dtypes import BOOL
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole
from workers.formats.tensorflow.read.solving import inverse
from workers.formats.tensorflow.tensors import Array
from workers.hub.elements import elements
from workers.hub.node import shape_of


def _turned(g: Builder, layer: Layer, x: Value) -> Value:
    rank = len(layer.shape(x))
    return g.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@reads("MatMul")
def mat_mul(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    layer.rank(a, 2)
    layer.rank(b, 2)
    if layer.flag("transpose_b"):
        b = _turned(g, layer, b)
    if not layer.flag("transpose_a"):
        if a in g.merged and g.is_const(b):
            return _on_channels(g, layer, g.merged[a], b)
        found = _after_flatten(g, a, b)
        return g.MatMul(*found) if found is not None else g.MatMul(a, b)
    return g.MatMul(_turned(g, layer, a), b)


def _on_channels(g: Builder, layer: Layer, picture: Value, w: Value) -> Value:
    """A dense layer on the channels of every pixel of a channels-first picture: a convolution of one cell."""
    source, perm = g.turned[picture]
    spatial = len(perm) - 2
    filters = g.Reshape(g.Transpose(w, perm=[1, 0]), [*reversed(layer.sizes(w)), *[1] * spatial])
    result = g.turn(g.Conv(source, filters, kernel_shape=[1] * spatial), perm)
    rows = g.Reshape(result, [-1, layer.size(w, 1)])
    g.merged[rows] = result
    return rows


def _after_flatten(g: Builder, a: Value, b: Value) -> tuple[Value, Value] | None:
    """A flattened channels-last picture times a weight: the weight's rows change their order, the picture does not."""
    if a not in g.flat or not g.is_const(b) or b.const_value is None or b.dtype is None:
        return None
    source, perm = g.flat[a]
    shape, rows = shape_of(source), b.const_value
    sizes = [dim for dim in shape or () if isinstance(dim, int)][-(len(perm) - 1) :]
    if shape is None or any(not isinstance(dim, int) for dim in shape[1:]) or math.prod(sizes) != rows.shape.numpy()[0]:
        return None
    last = [sizes[axis - 1] for axis in perm[1:]]
    back = [int(axis) for axis in np.argsort([axis - 1 for axis in perm[1:]])]
    width = int(rows.shape.numpy()[1])

    def make() -> Array:
        return elements(rows).reshape(*last, width).transpose(*back, len(last))

    weight = g.lazy(b.name or "weight", make, b.dtype, [math.prod(sizes), width])
    return g.Flatten(source, axis=1), weight


@reads("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def batch_mat_mul(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    """adj_x and adj_y are transposes, for real numbers."""
    if layer.type == "BatchMatMulV3" and layer.dtype("Tout") != layer.element(a):
        a, b = cast(g, a, layer.dtype("Tout")), cast(g, b, layer.dtype("Tout"))
    left = _turned(g, layer, a) if layer.flag("adj_x") else a
    return g.MatMul(left, _turned(g, layer, b) if layer.flag("adj_y") else b)


@reads("Einsum", "XlaEinsum")
def einsum(g: Builder, layer: Layer, *xs: Value) -> Value:
    equation = layer.s("equation").replace(" ", "")
    return g.Einsum(*xs, equation=equation)


@reads("MatrixDeterminant")
def matrix_determinant(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Det(x)


@reads("MatrixBandPart", "BatchMatrixBandPart")
def matrix_band_part(g: Builder, layer: Layer, x: Value, lower: Value, upper: Value) -> Value:
    """Keeps lower diagonals below and upper ones above the main one; a negative number keeps all."""
    known = [g.numbers(value) for value in (lower, upper)]
    if known[0] is None or known[1] is None:
        return _band(g, x, lower, upper)
    low, high = known[0][0], known[1][0]
    if high >= 0:
        x = g.Trilu(x, np.array(high, np.int64), upper=0)
    return g.Trilu(x, np.array(-low, np.int64), upper=1) if low >= 0 else x


def _band(g: Builder, x: Value, lower: Value, upper: Value) -> Value:
    """A band whose edges are computed: Trilu with the edge, or, where that is negative, with one beyond the matrix."""
    far = np.array(2**31 - 1, np.int64)
    low, high = (g.Reshape(whole(g, value), g.constant(np.zeros(0, np.int64))) for value in (lower, upper))
    edges = [g.Where(g.Less(edge, np.array(0, np.int64)), far, edge) for edge in (low, high)]
    return g.Trilu(g.Trilu(x, edges[1], upper=0), g.Neg(edges[0]), upper=1)


@reads("MatrixDiag")
def matrix_diag(g: Builder, layer: Layer, x: Value) -> Value:
    """A matrix with the last axis on its diagonal."""
    dims = g.Shape(x, start=-1)
    eye = _eye(g, layer, x, dims, dims)
    return g.Mul(g.Unsqueeze(x, [-1]), eye)


def _eye(g: Builder, layer: Layer, x: Value, rows: Value, columns: Value) -> Value:
    zeros = g.Expand(layer.number(x, 0), g.Concat(rows, columns, axis=0))
    return g.EyeLike(zeros, dtype=int(layer.element(x)))


@reads("MatrixDiagV2", "MatrixDiagV3")
def matrix_diag_v3(g: Builder, layer: Layer, x: Value, k: Value, rows: Value, columns: Value, pad: Value) -> Value:
    numbers = [layer.integers(g, value, what) for value, what in ((k, "k"), (rows, "num_rows"), (columns, "num_cols"))]
    if numbers != [[0], [-1], [-1]] or layer.constant(g, pad, "padding_value").any():
        raise layer.unsupported("only the main diagonal of a square matrix on zeros is read")
    found: Value = matrix_diag(g, layer, x)
    return found


@reads("MatrixDiagPart", "DiagPart")
def matrix_diag_part(g: Builder, layer: Layer, x: Value) -> Value:
    rows, columns = g.Shape(x, start=-2, end=-1), g.Shape(x, start=-1)
    size = g.Squeeze(g.Min(rows, columns), [0])
    places = g.Range(np.array(0, np.int64), size, np.array(1, np.int64))
    rank = len(layer.shape(x))
    front = g.Transpose(x, perm=[rank - 2, rank - 1, *range(rank - 2)])
    found = g.GatherND(front, g.Concat(g.Unsqueeze(places, [1]), g.Unsqueeze(places, [1]), axis=1))
    return g.Transpose(found, perm=[*range(1, rank - 1), 0]) if rank > 2 else found


@reads("MatrixDiagPartV2", "MatrixDiagPartV3")
def matrix_diag_part_v3(g: Builder, layer: Layer, x: Value, k: Value, pad: Value) -> Value:
    if layer.integers(g, k, "k") != [0]:
        raise layer.unsupported("only the main diagonal is read")
    found: Value = matrix_diag_part(g, layer, x)
    return found


@reads("MatrixSetDiag", "MatrixSetDiagV2", "MatrixSetDiagV3")
def matrix_set_diag(g: Builder, layer: Layer, x: Value, diagonal: Value, *k: Value) -> Value:
    if k and layer.integers(g, k[0], "k") != [0]:
        raise layer.unsupported("only the main diagonal is set")
    rows, columns = g.Shape(x, start=-2, end=-1), g.Shape(x, start=-1)
    eye = g.EyeLike(g.Expand(np.float32(0), g.Concat(rows, columns, axis=0)))
    sizes = layer.shape(x)[-2:]
    spread = g.Unsqueeze(diagonal, [-1])
    if sizes[0] != sizes[1]:
        raise layer.unsupported("its matrix is not known to be square")
    return g.Where(cast(g, eye, BOOL), spread, x)


@reads("Diag")
def diag(g: Builder, layer: Layer, x: Value) -> Value:
    layer.rank(x, 1)
    found: Value = matrix_diag(g, layer, x)
    return found


@reads("MatrixInverse")
def matrix_inverse(g: Builder, layer: Layer, x: Value) -> Value:
    """Of 1 x 1 and 2 x 2 matrices by their formula, of larger ones by elimination."""
    size = layer.size(x, -1)
    if size == 1:
        return g.Reciprocal(x)
    if size != 2:
        return inverse(g, layer, x)
    rank = len(layer.shape(x))
    a, b, c, d = (
        g.Slice(x, [row, column], [row + 1, column + 1], [rank - 2, rank - 1]) for row in (0, 1) for column in (0, 1)
    )
    top, bottom = g.Concat(d, g.Neg(b), axis=-1), g.Concat(g.Neg(c), a, axis=-1)
    return g.Div(g.Concat(top, bottom, axis=-2), g.Sub(g.Mul(a, d), g.Mul(b, c)))
