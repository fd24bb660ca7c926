"""Products of matrices, and what compares rows with rows."""

from __future__ import annotations

import math

from workers.formats.caffe2.read.layer import Layer, Value, prod, reads
from workers.formats.caffe2.read.sizes import reshape, times
from workers.hub.graph import GraphBuilder


@reads("FC", "FbFCPacked")
def fc(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value) -> Value:
    """x W^T + b; ``axis`` divides x into rows and columns, ``axis_w`` the weight."""
    return _dense(g, layer, x, weight, bias, turned=True)


@reads("FCTransposed")
def fc_transposed(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value) -> Value:
    """x W + b."""
    return _dense(g, layer, x, weight, bias, turned=False)


def _dense(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value, *, turned: bool) -> Value:
    rank = layer.rank(x, *range(1, 9))
    axis = layer.axis(layer.integer("axis", 1), rank, extra=1) if rank == 1 else layer.axis(
        layer.integer("axis", 1), rank
    )  # fmt: skip
    sizes = layer.sizes(weight)
    axis_w = layer.axis(layer.integer("axis_w", 1), len(sizes))
    rows, columns = prod(sizes[:axis_w]), prod(sizes[axis_w:])
    depth, width = (columns, rows) if turned else (rows, columns)
    inner = layer.sizes(x, axis)
    if prod(inner) != depth:
        raise layer.malformed(f"its input has rows of {prod(inner)} numbers, its weight takes {depth}")
    if prod(layer.sizes(bias)) != width:
        raise layer.malformed(f"its bias has the shape {list(layer.shape(bias))} for {width} outputs")
    if len(sizes) != 2:
        weight = _reshaped(g, layer, weight, [rows, columns])
    bias = bias if len(layer.shape(bias)) == 1 else g.Reshape(bias, [width])
    outer = layer.shape(x)[:axis]
    flat = x if rank == 2 and axis == 1 else reshape(g, layer, x, [times(outer), depth])
    y = g.Gemm(flat, weight, bias, transB=int(turned))
    return y if axis == 1 else reshape(g, layer, y, [*outer, width])


def _reshaped(g: GraphBuilder, layer: Layer, weight: Value, shape: list[int]) -> Value:
    array = g.const(weight)
    return g.Reshape(weight, shape) if array is None else g.weight(f"{layer.name}.weight", array.reshape(shape))


@reads("MatMul")
def mat_mul(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Both are flattened to matrices at axis_a and axis_b, and turned by trans_a and trans_b."""
    matrices = []
    for x, letter in ((a, "a"), (b, "b")):
        rank = layer.rank(x, *range(1, 9))
        axis = layer.axis(layer.integer(f"axis_{letter}", 1), rank, extra=int(rank == 1))
        shape = layer.shape(x)
        flat = x if rank == 2 and axis == 1 else reshape(g, layer, x, [times(shape[:axis]), times(shape[axis:])])
        matrices.append(g.Transpose(flat, perm=[1, 0]) if layer.flag(f"trans_{letter}") else flat)
    return g.MatMul(*matrices)


@reads("BatchMatMul")
def batch_mat_mul(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """numpy's rules with ``broadcast``; vectors count as matrices of one row or column."""
    if not layer.flag("broadcast") and len(layer.shape(a)) != len(layer.shape(b)):
        raise layer.malformed(f"its inputs have {len(layer.shape(a))} and {len(layer.shape(b))} axes")
    turned = []
    for x, letter in ((a, "a"), (b, "b")):
        rank = layer.rank(x, *range(1, 9))
        if layer.flag(f"trans_{letter}") and rank > 1:
            x = g.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])
        turned.append(x)
    return g.MatMul(*turned)


@reads("DotProduct")
def dot_product(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Row by row, over all axes but the first."""
    return _rows(g, layer, g.Mul(a, b))


@reads("L1Distance")
def l1_distance(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return _rows(g, layer, g.Abs(g.Sub(a, b)))


@reads("SquaredL2Distance")
def squared_l2_distance(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Half of the sum of squares."""
    apart = g.Sub(a, b)
    return g.Mul(_rows(g, layer, g.Mul(apart, apart)), layer.number(a, 0.5))


@reads("CosineSimilarity")
def cosine_similarity(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """x.y / (max(|x|, e) max(|y|, e)) with e = 1e-12 under the roots."""
    lengths = [
        g.Sqrt(g.Max(_rows(g, layer, g.Mul(x, x)), layer.number(x, 1e-12))) for x in (a, b)
    ]  # fmt: skip
    return g.Div(_rows(g, layer, g.Mul(a, b)), g.Mul(*lengths))


def _rows(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    rank = layer.rank(x, *range(1, 9))
    return g.ReduceSum(x, list(range(1, rank)), keepdims=0) if rank > 1 else x


@reads("RowMul")
def row_mul(g: GraphBuilder, layer: Layer, x: Value, w: Value) -> Value:
    """Every row times its number."""
    return g.Mul(x, _column(g, layer, x, w))


@reads("SquareRootDivide")
def square_root_divide(g: GraphBuilder, layer: Layer, x: Value, scale: Value) -> Value:
    """Every row by the root of its number; a row whose number is 0 stays."""
    root = g.Sqrt(g.Cast(_column(g, layer, x, scale), to=int(layer.element(x))))
    zero = g.Equal(root, layer.number(x, 0))
    return g.Div(x, g.Where(zero, layer.number(x, 1), root))


def _column(g: GraphBuilder, layer: Layer, x: Value, w: Value) -> Value:
    rank = layer.rank(x, *range(1, 9))
    return g.Reshape(w, [-1] + [1] * (rank - 1))


@reads("ElementwiseLinear")
def elementwise_linear(g: GraphBuilder, layer: Layer, x: Value, w: Value, b: Value) -> Value:
    """x * w + b, w and b of the shape of the axes from ``axis`` on, flat."""
    rank = layer.rank(x, *range(1, 9))
    axis = layer.axis(layer.integer("axis", 1), rank)
    inner = layer.sizes(x, axis)
    if math.prod(inner) != prod(layer.sizes(w)) or math.prod(inner) != prod(layer.sizes(b)):
        raise layer.malformed(f"its w and b must have {math.prod(inner)} numbers")
    return g.Add(g.Mul(x, g.Reshape(w, list(inner))), g.Reshape(b, list(inner)))
