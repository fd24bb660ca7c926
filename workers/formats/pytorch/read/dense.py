"""Matrix products."""

from __future__ import annotations

from typing import Any

from workers.formats.pytorch.read.dtypes import operand, result_type
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.hub.graph import GraphBuilder, Value


@reads("aten::linear")
def linear(g: GraphBuilder, layer: Layer, input: Value, weight: Value, bias: Value | None = None) -> Value:
    """x W^T + b; the weight is [out, in]."""
    if layer.rank(weight) == 1:
        made = g.MatMul(input, weight)
        return made if bias is None else g.Add(made, bias)
    have, want = layer.dim(input, -1), layer.dim(weight, 1)
    if isinstance(have, int) and isinstance(want, int) and have != want:
        raise layer.malformed(f"it takes {want} features and gets {have}")
    if not isinstance(have, int) and isinstance(want, int) and have.expr is not None:
        raise layer.free(f"it takes {want} features, and its input has {have.expr}")
    if layer.rank(input) == 2:
        return g.Gemm(input, weight, bias, transB=1)
    made = g.MatMul(input, g.Transpose(weight, perm=[1, 0]))
    return made if bias is None else g.Add(made, bias)


@reads("aten::matmul", "aten::mm", "aten::bmm", "aten::mv", "aten::linalg_matmul")
def matmul(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    return g.MatMul(self, other)


@reads("aten::dot", "aten::inner", "aten::vdot")
def dot(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    if layer.rank(other) < 2:
        return g.MatMul(self, other)
    perm = [*range(layer.rank(other) - 2), layer.rank(other) - 1, layer.rank(other) - 2]
    return g.MatMul(self, g.Transpose(other, perm=perm))


@reads("aten::addmm", "aten::addmv", "aten::addbmm", "aten::baddbmm")
def addmm(
    g: GraphBuilder, layer: Layer, self: Value, mat1: Value | None = None, mat2: Value | None = None, beta: Any = 1,
    alpha: Any = 1, batch1: Value | None = None, batch2: Value | None = None, mat: Value | None = None,
    vec: Value | None = None,
) -> Value:  # fmt: skip
    a = next(x for x in (mat1, batch1, mat) if x is not None)
    b = next(x for x in (mat2, batch2, vec) if x is not None)
    made = g.MatMul(a, b)
    if layer.type == "aten::addbmm":
        made = g.ReduceSum(made, [0], keepdims=0)
    dtype = made.dtype or F32
    if alpha != 1:
        made = g.Mul(made, operand(g, alpha, dtype))
    if beta == 0:
        return made
    return g.Add(self if beta == 1 else g.Mul(self, operand(g, beta, dtype)), made)


@reads("aten::addr")
def addr(g: GraphBuilder, layer: Layer, self: Value, vec1: Value, vec2: Value, beta: Any = 1, alpha: Any = 1) -> Value:
    made = g.Mul(g.Unsqueeze(vec1, [1]), g.Unsqueeze(vec2, [0]))
    dtype = made.dtype or F32
    return g.Add(g.Mul(self, operand(g, beta, dtype)), g.Mul(made, operand(g, alpha, dtype)))


@reads("aten::outer", "aten::ger")
def outer(g: GraphBuilder, layer: Layer, self: Value, vec2: Value) -> Value:
    return g.Mul(g.Unsqueeze(self, [1]), g.Unsqueeze(vec2, [0]))


@reads("aten::einsum")
def einsum(g: GraphBuilder, layer: Layer, equation: str, tensors: list[Value], path: Any = None) -> Value:
    dtype = result_type(*tensors)
    return g.Einsum(*(operand(g, x, dtype) for x in tensors), equation=equation.replace(" ", ""))


@reads("aten::bilinear")
def bilinear(
    g: GraphBuilder, layer: Layer, input1: Value, input2: Value, weight: Value, bias: Value | None = None
) -> Value:
    """y_k = x1^T W_k x2 + b_k."""
    made = g.Einsum(input1, weight, input2, equation="...i,kij,...j->...k")
    return made if bias is None else g.Add(made, bias)


@reads("aten::linalg_det", "aten::det")
def det(g: GraphBuilder, layer: Layer, A: Value) -> Value:
    return g.Det(A)


@reads("aten::logdet")
def logdet(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Log(g.Det(self))


@reads("aten::linalg_vecdot")
def vecdot(g: GraphBuilder, layer: Layer, x: Value, y: Value, dim: Any = -1) -> Value:
    return g.ReduceSum(g.Mul(x, y), [layer.axis(x, dim)], keepdims=0)


@reads("aten::cosine_similarity")
def cosine_similarity(g: GraphBuilder, layer: Layer, x1: Value, x2: Value, dim: Any = 1, eps: Any = 1e-8) -> Value:
    """Each norm is at least eps."""
    axis, limit = [layer.axis(x1, dim)], operand(g, eps, x1.dtype or F32)
    a, b = (g.Max(g.ReduceL2(x, axis, keepdims=0), limit) for x in (x1, x2))
    return g.Div(g.ReduceSum(g.Mul(x1, x2), axis, keepdims=0), g.Mul(a, b))


@reads("aten::pairwise_distance")
def pairwise_distance(
    g: GraphBuilder, layer: Layer, x1: Value, x2: Value, p: Any = 2, eps: Any = 1e-6, keepdim: Any = False
) -> Value:
    d = g.Abs(g.Add(g.Sub(x1, x2), operand(g, eps, x1.dtype or F32)))
    power = layer.real(p)
    if power == 2:
        return g.ReduceL2(d, [-1], keepdims=int(keepdim))
    total = g.ReduceSum(g.Pow(d, operand(g, power, d.dtype or F32)), [-1], keepdims=int(keepdim))
    return g.Pow(total, operand(g, 1 / power, d.dtype or F32))


@reads("aten::cdist", "aten::_cdist_forward")
def cdist(
    g: GraphBuilder, layer: Layer, x1: Value, x2: Value, p: Any = 2, compute_mode: Any = None
) -> Value:  # fmt: skip
    d = g.Abs(g.Sub(g.Unsqueeze(x1, [-2]), g.Unsqueeze(x2, [-3])))
    power = layer.real(p)
    if power == 2:
        return g.ReduceL2(d, [-1], keepdims=0)
    total = g.ReduceSum(g.Pow(d, operand(g, power, d.dtype or F32)), [-1], keepdims=0)
    return g.Pow(total, operand(g, 1 / power, d.dtype or F32))
