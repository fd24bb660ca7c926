"""Operators on quantised tensors, turned into DequantizeLinear -> operator -> QuantizeLinear."""

from __future__ import annotations

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.rule import refuse, says


@says("QuantizeLinear", "DequantizeLinear")
def linear(g: GraphBuilder, node: Node) -> Value:
    """onnxruntime's copies of the standard operators."""
    attributes = {name: each.value for name, each in node.raw.attributes.items()}
    return g.op(node.op, *node.inputs, **attributes)


def real(g: GraphBuilder, node: Node, first: int) -> Value:
    """Inputs ``first`` to ``first + 2``, a tensor with its scale and zero point, as floats."""
    return g.DequantizeLinear(node.x(first), node.x(first + 1), node.input(first + 2))


def quantised(g: GraphBuilder, node: Node, x: Value, first: int) -> Value:
    """``x`` by the scale and the zero point at ``first``; without a zero point the type is that of the input."""
    zero = node.input(first + 1)
    if zero is None and node.dtype() is not None and str(node.dtype()) != "UINT8":
        raise refuse(node, "its output has no zero point, which would tell its type")
    return g.QuantizeLinear(x, node.x(first), zero)


@says("QLinearAdd", "QLinearMul")
def binary(g: GraphBuilder, node: Node) -> Value:
    y = g.op(node.op.removeprefix("QLinear"), real(g, node, 0), real(g, node, 3))
    return quantised(g, node, y, 6)


@says("QLinearSigmoid", "QLinearLeakyRelu")
def unary(g: GraphBuilder, node: Node) -> Value:
    attributes = {name: each.value for name, each in node.raw.attributes.items()}
    return quantised(g, node, g.op(node.op.removeprefix("QLinear"), real(g, node, 0), **attributes), 3)


@says("QLinearSoftmax")
def softmax(g: GraphBuilder, node: Node) -> Value:
    axis, rank = node.i("axis", -1), node.rank
    if node.i("opset", 13) < 13 and (rank is None or axis % rank != rank - 1):
        raise refuse(node, "it joins several axes")
    return quantised(g, node, g.Softmax(real(g, node, 0), axis=axis), 3)


@says("QLinearGlobalAveragePool", "QLinearAveragePool")
def average_pool(g: GraphBuilder, node: Node) -> Value:
    if node.i("channels_last"):
        raise refuse(node, "its channels lie last")
    attributes = {name: each.value for name, each in node.raw.attributes.items() if name != "channels_last"}
    return quantised(g, node, g.op(node.op.removeprefix("QLinear"), real(g, node, 0), **attributes), 3)


@says("QLinearConcat")
def concat(g: GraphBuilder, node: Node) -> Value:
    parts = [real(g, node, first) for first in range(2, len(node.inputs), 3)]
    return quantised(g, node, g.Concat(*parts, axis=node.i("axis")), 0)


@says("QGemm")
def gemm(g: GraphBuilder, node: Node) -> Value:
    """The addend is of integers whose scale is the product of the other two."""
    if node.f("alpha", 1.0) != 1.0:
        raise refuse(node, "alpha is not 1")
    axis = 0 if node.i("transB") else 1
    a, b = real(g, node, 0), g.DequantizeLinear(node.x(3), node.x(4), node.input(5), axis=axis)
    product = g.Gemm(a, b, transA=node.i("transA"), transB=node.i("transB"))
    if node.input(6) is not None:
        product = g.Add(product, g.Mul(g.Cast(node.x(6), to=1), g.Mul(node.x(1), node.x(4))))
    return product if node.input(7) is None else quantised(g, node, product, 7)
