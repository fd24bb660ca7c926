"""Linear algebra that ONNX has no operator for, column by column: triangular systems, Cholesky, Gauss-Jordan."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads

LARGEST = 32
"""Rows of a matrix that is taken apart at most: every column is a handful of nodes."""


def _order(layer: Layer, x: Value) -> int:
    """The number of rows of square matrices [..., n, n]."""
    n = layer.size(x, -1)
    if layer.size(x, -2) != n:
        raise layer.malformed("its matrices are not square")
    if n > LARGEST:
        raise layer.unsupported(f"ONNX has no operator for it; matrices of up to {LARGEST} rows are unrolled, not {n}")
    return n


def _row(g: Builder, x: Value, i: int) -> Value:
    return g.Slice(x, [i], [i + 1], [-2])


def _column(g: Builder, x: Value, j: int) -> Value:
    return g.Slice(x, [j], [j + 1], [-1])


def _swapped(g: Builder, layer: Layer, x: Value) -> Value:
    rank = len(layer.shape(x))
    return g.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@reads("Cholesky", "BatchCholesky")
def cholesky(g: Builder, layer: Layer, x: Value) -> Value:
    """Column j is that of the rest, over the root of its first element; its outer product leaves the next rest."""
    n = _order(layer, x)
    columns = []
    for j in range(n):
        column = _column(g, x, j)
        below = (np.arange(n) >= j).astype(layer.element(x).numpy()).reshape(n, 1)
        root = g.Sqrt(_row(g, column, j))
        found = g.Mul(g.Div(column, root), below)
        columns.append(found)
        if j + 1 < n:
            x = g.Sub(x, g.MatMul(found, _swapped(g, layer, found)))
    return g.Concat(*columns, axis=-1) if n > 1 else columns[0]


@reads("MatrixTriangularSolve", "BatchMatrixTriangularSolve")
def matrix_triangular_solve(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    """Row by row, from the first of a lower matrix, from the last of an upper one."""
    n, lower = _order(layer, a), layer.flag("lower", True)
    if layer.flag("adjoint"):
        a, lower = _swapped(g, layer, a), not lower
    rows: dict[int, Value] = {}
    for i in range(n) if lower else reversed(range(n)):
        column = _column(g, a, i)
        rows[i] = g.Div(_row(g, b, i), _row(g, column, i))
        if len(rows) < n:
            b = g.Sub(b, g.MatMul(column, rows[i]))
    return g.Concat(*(rows[i] for i in range(n)), axis=-2) if n > 1 else rows[0]


@reads("MatrixSolve", "BatchMatrixSolve")
def matrix_solve(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    return _solved(g, layer, _swapped(g, layer, a) if layer.flag("adjoint") else a, b)


def inverse(g: Builder, layer: Layer, a: Value) -> Value:
    """The matrix that solves for all unit vectors."""
    n = _order(layer, a)
    unit = g.constant(np.eye(n, dtype=layer.element(a).numpy()))
    return _solved(g, layer, a, g.Expand(unit, g.Shape(a)))


def _solved(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    """Gauss-Jordan with the largest element of a column as its pivot."""
    n, kind = _order(layer, a), layer.element(a).numpy()
    m = g.Concat(a, b, axis=-1)
    for j in range(n):
        here = (np.arange(n) == j).reshape(n, 1)
        column = _column(g, m, j)
        open_ = np.where(np.arange(n) >= j, 1, 0).astype(kind).reshape(n, 1)
        size = g.Sub(g.Mul(g.Abs(column), open_), (1 - open_).astype(kind))
        place = g.ArgMax(size, axis=-2, keepdims=1)
        there = g.Equal(place, np.arange(n, dtype=np.int64).reshape(n, 1))
        pivot = g.ReduceSum(g.Where(there, m, np.array(0, kind)), [-2], keepdims=1)
        m = g.Where(there, _row(g, m, j), m)
        row = g.Div(pivot, _column(g, pivot, j))
        m = g.Where(here, row, g.Sub(m, g.Mul(_column(g, m, j), row)))
    return g.Slice(m, [n], [2**31 - 1], [-1])


@reads("LogMatrixDeterminant")
def log_matrix_determinant(g: Builder, layer: Layer, x: Value) -> list[Value]:
    """The sign and the logarithm of the size."""
    found = g.Det(x)
    return [g.Sign(found), g.Log(g.Abs(found))]
