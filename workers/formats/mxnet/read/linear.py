"""Dense layers, embeddings and products of matrices."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import I64, Layer, Value, reads, whole
from workers.formats.mxnet.read.shaping import reshaped
from workers.hub.graph import GraphBuilder


@reads("FullyConnected", "_npx_fully_connected")
def fully_connected(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """y = x W^T + b over the flattened input, or over its last axis; weight [units, features]."""
    units = layer.integer("num_hidden")
    if layer.flag("no_bias", False):
        bias = None
    layer.rank(weight, 2)
    have = layer.shape(x)
    if layer.flag("flatten", True) and len(have) != 2:
        x = reshaped(g, layer, x, [have[0], times(have[1:])] if have else [])
        have = layer.shape(x)
    layer.rank(x, *range(1, 33))
    rows, features = layer.shape(weight)
    layer.same(rows, units, "the number of units")
    layer.same(have[-1], features, "the number of features")
    weight, bias = cast(g, weight, layer.element(x)), cast(g, bias, layer.element(x)) if bias is not None else None
    if bias is not None:
        layer.same(times(layer.shape(bias)), units, "the number of units")
        bias = reshaped(g, layer, bias, [units])
    if len(have) == 2:
        return g.Gemm(x, weight, bias, transB=1)
    product = g.MatMul(x, _turned(g, layer, weight))
    return product if bias is None else g.Add(product, bias)


def _turned(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The transposed matrix: a view of a parameter, else a node."""
    array = g.const(x)
    return g.Transpose(x, perm=[1, 0]) if array is None else g.weight(f"{layer.name}.turned", array.T)


@reads("Embedding", "_npx_embedding", "_contrib_SparseEmbedding")
def embedding(g: GraphBuilder, layer: Layer, ids: Value, weight: Value) -> Value:
    """Rows of the table; ids are cut to whole numbers and then to the table's range."""
    layer.rank(weight, 2)
    rows = layer.size(weight, 0)
    layer.same(rows, layer.integer("input_dim"), "the number of rows")
    if rows < 1:
        raise layer.malformed("its table has no rows")
    return g.Gather(weight, g.Clip(whole(g, ids), np.asarray(0), np.asarray(rows - 1)), axis=0)


@reads("dot", "_np_dot")
def dot(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """The last axis of the first times the first of the second (numpy: its last but one), for any rank."""
    left, right = layer.flag("transpose_a", False), layer.flag("transpose_b", False)
    if layer.type == "_np_dot" and (not layer.shape(a) or not layer.shape(b)):
        return g.Mul(a, b)
    ra, rb = layer.rank(a, *range(1, 9)), layer.rank(b, *range(1, 9))
    if left and ra > 1:
        a = g.Transpose(a, perm=[*range(1, ra), 0])
    if right and rb > 1:
        b = g.Transpose(b, perm=[rb - 1, *range(rb - 1)])
    if layer.type == "_np_dot" and rb > 2:
        b = g.Transpose(b, perm=[rb - 2, *range(rb - 2), rb - 1])
    have, other = layer.shape(a), layer.shape(b)
    layer.same(have[-1], other[0], "the length of the axis that is summed")
    if len(other) > 2:
        b = reshaped(g, layer, b, [other[0], times(other[1:])])
    product = g.MatMul(a, b)
    if len(have) == len(other) == 1 and layer.type == "dot":
        return g.Reshape(product, [1])
    return product if len(other) <= 2 else reshaped(g, layer, product, [*have[:-1], *other[1:]])


@reads("batch_dot", "_npx_batch_dot")
def batch_dot(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Products of the matrices in the last two axes, each with its partner."""
    return g.MatMul(*_factors(g, layer, a, b))


def _factors(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> tuple[Value, Value]:
    layer.rank(a, *range(2, 33))
    layer.rank(b, *range(2, 33))
    if layer.flag("transpose_a", False):
        a = swapped(g, layer, a)
    if layer.flag("transpose_b", False):
        b = swapped(g, layer, b)
    layer.same(layer.shape(a)[-1], layer.shape(b)[-2], "the length of the axis that is summed")
    return a, b


def swapped(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The last two axes exchanged."""
    rank = len(layer.shape(x))
    return g.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@reads("_linalg_gemm2", "linalg_gemm2")
def gemm2(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """alpha A B."""
    _last_two(layer)
    return _scaled(g, layer, g.MatMul(*_factors(g, layer, a, b)), layer.real("alpha", 1))


@reads("_linalg_gemm", "linalg_gemm")
def gemm(g: GraphBuilder, layer: Layer, a: Value, b: Value, c: Value) -> Value:
    """alpha A B + beta C."""
    _last_two(layer)
    product = _scaled(g, layer, g.MatMul(*_factors(g, layer, a, b)), layer.real("alpha", 1))
    return g.Add(product, _scaled(g, layer, c, layer.real("beta", 1)))


def _last_two(layer: Layer) -> None:
    if layer.integer("axis", -2) != -2:
        raise layer.unsupported("its matrices do not lie in the last two axes")


def _scaled(g: GraphBuilder, layer: Layer, x: Value, factor: float) -> Value:
    return x if factor == 1 else g.Mul(x, layer.number(x, factor))


@reads("_linalg_syrk", "linalg_syrk")
def syrk(g: GraphBuilder, layer: Layer, a: Value) -> Value:
    """alpha A A^T, or alpha A^T A."""
    layer.rank(a, *range(2, 33))
    turned = swapped(g, layer, a)
    product = g.MatMul(turned, a) if layer.flag("transpose", False) else g.MatMul(a, turned)
    return _scaled(g, layer, product, layer.real("alpha", 1))


@reads("_linalg_trmm", "linalg_trmm")
def trmm(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """alpha L B, of L only the triangle counts; or alpha B L."""
    layer.rank(a, *range(2, 33))
    triangle = g.Trilu(a, upper=int(not layer.flag("lower", True)))
    if layer.flag("transpose", False):
        triangle = swapped(g, layer, triangle)
    product = g.MatMul(b, triangle) if layer.flag("rightside", False) else g.MatMul(triangle, b)
    return _scaled(g, layer, product, layer.real("alpha", 1))


@reads("_linalg_det", "linalg_det", "_npi_det")
def det(g: GraphBuilder, layer: Layer, a: Value) -> Value:
    """The determinant of every matrix; of a single one a vector of length 1, except in numpy's rules."""
    found = g.Det(a)
    return g.Reshape(found, [1]) if len(layer.shape(a)) == 2 and not layer.scope.np_shape else found


@reads("_linalg_slogdet", "linalg_slogdet", "_npi_slogdet")
def slogdet(g: GraphBuilder, layer: Layer, a: Value) -> list[Value]:
    """Sign and logarithm of the determinant's magnitude."""
    found = det(g, layer, a)
    return [g.Sign(found), g.Log(g.Abs(found))]


@reads("_npi_matmul")
def matmul(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """numpy's matmul, which is ONNX's."""
    return g.MatMul(a, b)


@reads("_npi_tensordot_int_axes")
def tensordot_int(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """The last ``axes`` axes of the first with the first of the second."""
    count, rank = layer.integer("axes"), len(layer.shape(a))
    if not 0 <= count <= min(rank, len(layer.shape(b))):
        raise layer.malformed(f"{count} axes cannot be summed")
    return _tensordot(g, layer, a, b, list(range(rank - count, rank)), list(range(count)))


@reads("_npi_tensordot")
def tensordot(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Sums over pairs of axes."""
    left = [layer.axis(axis, len(layer.shape(a))) for axis in layer.integers("a_axes_summed")]
    right = [layer.axis(axis, len(layer.shape(b))) for axis in layer.integers("b_axes_summed")]
    if len(left) != len(right) or len(set(left)) != len(left) or len(set(right)) != len(right):
        raise layer.malformed(f"axes {left} and {right} are no pairs")
    return _tensordot(g, layer, a, b, left, right)


def _tensordot(g: GraphBuilder, layer: Layer, a: Value, b: Value, left: list[int], right: list[int]) -> Value:
    have, other = layer.shape(a), layer.shape(b)
    kept = [axis for axis in range(len(have)) if axis not in left]
    rest = [axis for axis in range(len(other)) if axis not in right]
    for one, two in zip(left, right, strict=True):
        layer.same(have[one], other[two], "the length of an axis that is summed")
    inner = times(have[axis] for axis in left)
    rows, columns = times(have[axis] for axis in kept), times(other[axis] for axis in rest)
    a = reshaped(g, layer, g.Transpose(a, perm=[*kept, *left]), [rows, inner])
    b = reshaped(g, layer, g.Transpose(b, perm=[*right, *rest]), [inner, columns])
    return reshaped(g, layer, g.MatMul(a, b), [*(have[axis] for axis in kept), *(other[axis] for axis in rest)])


@reads("_npi_einsum")
def einsum(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    return g.Einsum(*xs, equation=layer.word("subscripts", "").replace(" ", ""))


@reads("khatri_rao")
def khatri_rao(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Column by column the Kronecker product of matrices."""
    if not xs:
        raise layer.malformed("it has no inputs")
    result = xs[0]
    for x in xs[1:]:
        layer.rank(x, 2)
        rows, columns = layer.shape(result)
        count = times([rows, layer.shape(x)[0]])
        result = reshaped(g, layer, g.Mul(g.Unsqueeze(result, [1]), g.Unsqueeze(x, [0])), [count, columns])
    return result


@reads("_contrib_div_sqrt_dim")
def div_sqrt_dim(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x over the root of its last axis' length."""
    layer.rank(x, *range(1, 33))
    return g.Div(x, layer.number(x, math.sqrt(layer.sizes(x, -1)[0])))


@reads("batch_take")
def batch_take(g: GraphBuilder, layer: Layer, x: Value, places: Value) -> Value:
    """a[i, indices[i]], indices cut to the range."""
    layer.rank(x, 2)
    found = g.Clip(whole(g, places), np.asarray(0), np.asarray(layer.size(x, 1) - 1))
    return g.Squeeze(g.GatherElements(x, g.Unsqueeze(cast(g, found, I64), [1]), axis=1), [1])
