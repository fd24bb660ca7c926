"""Gemm and MatMul, each by the other and without the attributes that few targets have."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import Array, GraphBuilder
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node, constant_of


def _scaled(g: GraphBuilder, value: ir.Value, factor: float) -> ir.Value:
    """``factor * value``, computed here when the value is a weight."""
    if factor == 1.0:
        return value
    array = constant_of(value)
    if array is not None:
        return g.weight(f"{value.name}.scaled", array * np.asarray(factor, array.dtype))
    return g.Mul(value, _like(value, factor))


def _like(value: ir.Value, number: float) -> Array:
    dtype = value.dtype or ir.DataType.FLOAT
    return np.asarray(number, dtype.numpy())


def _transposed(g: GraphBuilder, value: ir.Value, needed: bool) -> ir.Value:
    """The matrix transposed; a weight gets a transposed view, not a copy."""
    if not needed:
        return value
    array = constant_of(value)
    return g.Transpose(value, perm=[1, 0]) if array is None else g.weight(f"{value.name}.transposed", array.T)


@rule("Gemm", "gemm-plain", "alpha and beta move into the constants, a transposed first operand gets a Transpose.")
def gemm_plain(g: GraphBuilder, node: Node) -> Results:
    alpha, beta, c = node.f("alpha", 1.0), node.f("beta", 1.0), node.input(2)
    transposes = (node.i("transA"), node.i("transB"))
    weight_as_is = constant_of(node.x(1)) is None or transposes[1] == 1
    if alpha == 1.0 and (c is None or beta == 1.0) and not transposes[0] and weight_as_is:
        return None
    a = _transposed(g, node.x(0), transposes[0] == 1)
    b, trans_b = node.x(1), transposes[1]
    if constant_of(b) is not None and not trans_b:
        b, trans_b = _transposed(g, b, True), 1
    c = None if c is None or beta == 0.0 else _scaled(g, c, beta)
    return g.Gemm(a, _scaled(g, b, alpha), c, alpha=1.0, beta=1.0, transA=0, transB=trans_b)


@rule("Gemm", "gemm-bias-apart", "Gemm without its third operand, which an Add brings in.")
def gemm_bias_apart(g: GraphBuilder, node: Node) -> Results:
    c, beta = node.input(2), node.f("beta", 1.0)
    if c is None:
        return None
    y = g.Gemm(
        node.x(0), node.x(1), alpha=node.f("alpha", 1.0), beta=1.0, transA=node.i("transA"), transB=node.i("transB")
    )
    return y if beta == 0.0 else g.Add(y, _scaled(g, c, beta))


@rule("Gemm", "gemm-to-matmul", "Gemm is spelt as MatMul and Add.")
def gemm_to_matmul(g: GraphBuilder, node: Node) -> Results:
    c, beta = node.input(2), node.f("beta", 1.0)
    a = _transposed(g, node.x(0), node.i("transA") == 1)
    b = _scaled(g, _transposed(g, node.x(1), node.i("transB") == 1), node.f("alpha", 1.0))
    y = g.MatMul(a, b)
    return y if c is None or beta == 0.0 else g.Add(y, _scaled(g, c, beta))


@rule("MatMul", "matmul-to-gemm", "The product of two matrices is a Gemm without bias.")
def matmul_to_gemm(g: GraphBuilder, node: Node) -> Results:
    if node.rank != 2 or len(node.shape(1) or ()) != 2:
        return None
    b = node.x(1)
    constant = constant_of(b) is not None
    return g.Gemm(node.x(0), _transposed(g, b, constant), alpha=1.0, beta=1.0, transA=0, transB=1 if constant else 0)


@rule("MatMul", "matmul-constant-first", "A constant matrix on the left becomes one on the right, between Transposes.")
def matmul_constant_first(g: GraphBuilder, node: Node) -> Results:
    a, b = node.const(0), node.shape(1)
    if a is None or a.ndim != 2 or b is None or len(b) < 2 or node.const(1) is not None:
        return None
    swap = [*range(len(b) - 2), len(b) - 1, len(b) - 2]
    y = g.MatMul(g.Transpose(node.x(1), perm=swap), g.weight(f"{node.x(0).name}.transposed", a.T))
    return g.Transpose(y, perm=swap)


@rule("MatMul", "matmul-vector-operand", "A vector operand becomes a matrix of one row or column.")
def matmul_vector_operand(g: GraphBuilder, node: Node) -> Results:
    a, b = node.shape(0), node.shape(1)
    if a is None or b is None or (len(a) > 1 and len(b) > 1):
        return None
    left = g.Unsqueeze(node.x(0), [0]) if len(a) == 1 else node.x(0)
    right = node.x(1)
    if len(b) == 1:
        array = node.const(1)
        right = g.Unsqueeze(right, [1]) if array is None else g.weight(f"{right.name}.column", array.reshape(-1, 1))
    squeezed = [axis for axis, vector in ((-2, len(a) == 1), (-1, len(b) == 1)) if vector]
    return g.Squeeze(g.MatMul(left, right), squeezed)
