"""InnerProduct with what Caffe does on the way (flattening, adding the bias), and Embed."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.caffe.write.recognise.pattern import alone, caffe, ends_in, maker
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import integers
from workers.hub.node import Node


def _unflattened(value: Value) -> Value | None:
    """x when ``value`` is x with all axes but the first joined, and only read once."""
    node = maker(value, "Flatten", "Reshape")
    if node is None or not alone(value):
        return None
    shape, out = node.shape(), node.out_shape()
    if shape is None or out is None or len(out) != 2 or len(shape) < 3:
        return None
    if node.op == "Flatten":
        return node.x() if node.i("axis", 1) == 1 else None
    kept = shape[0] is not None and shape[0] == out[0]
    return node.x() if kept and integers(node.input(1)) is not None else None


@ends_in("Gemm")
def inner_product_of_a_picture(g: GraphBuilder, node: Node) -> Value | None:
    """Flatten and Gemm: the layer flattens by itself."""
    weight, x = node.const(1), _unflattened(node.x(0))
    plain = node.f("alpha", 1.0) == 1.0 and node.f("beta", 1.0) == 1.0 and not node.i("transA")
    if weight is None or x is None or not plain:
        return None
    weight = weight if node.i("transB") else weight.T
    bias = node.const(2)
    if node.input(2) is not None and (bias is None or bias.size != weight.shape[0] or bias.ndim > 2):
        return None
    vector = None if bias is None else g.weight(f"{node.layer}.bias", bias.reshape(-1))
    matrix = node.x(1) if node.i("transB") else g.weight(f"{node.layer}.weight", weight)
    return caffe(g, "InnerProduct", x, matrix, vector, like=node.outputs[0], axis=1)


@ends_in("Add")
def inner_product_with_bias(g: GraphBuilder, node: Node) -> Value | None:
    """MatMul and Add: the layer adds the bias by itself."""
    for index in (1, 0):
        bias, product = node.const(index), maker(node.input(1 - index), "MatMul")
        weight = None if product is None else product.const(1)
        if bias is None or product is None or weight is None or not alone(product.outputs[0]):
            continue
        if weight.ndim != 2 or bias.size != weight.shape[1] or bias.shape[-1:] != weight.shape[1:]:
            continue
        if bias.ndim > (product.rank or 0):
            continue
        values = [g.weight(f"{node.layer}.weight", weight.T), g.weight(f"{node.layer}.bias", bias.reshape(-1))]
        return caffe(g, "InnerProduct", product.x(0), *values, like=node.outputs[0], axis=(product.rank or 2) - 1)
    return None


def indices_of(value: Value | None) -> Value | None:
    """The floats behind indices: Caffe's blobs hold nothing else, so an input of integers is one of floats there."""
    if value is not None and value.is_graph_input():
        return value
    cast = maker(value, "Cast")
    return cast.x() if cast is not None and cast.dtype() == ir.DataType.FLOAT else None


@ends_in("Gather")
def embed(g: GraphBuilder, node: Node) -> Value | None:
    """Rows of a learned table."""
    table, indices = node.const(0), indices_of(node.input(1))
    if table is None or table.ndim != 2 or node.i("axis") != 0 or indices is None:
        return None
    return caffe(g, "Embed", indices, node.x(0), like=node.outputs[0])


@ends_in("Add")
def embed_with_bias(g: GraphBuilder, node: Node) -> Value | None:
    for index in (1, 0):
        bias, rows = node.const(index), maker(node.input(1 - index), "caffe::Embed")
        table = None if rows is None else rows.const(1)
        if bias is None or rows is None or table is None or rows.input(2) is not None or not alone(rows.outputs[0]):
            continue
        if bias.size == table.shape[1] and bias.shape[-1:] == table.shape[1:]:
            vector = g.weight(f"{node.layer}.bias", bias.reshape(-1))
            return caffe(g, "Embed", rows.x(0), rows.x(1), vector, like=node.outputs[0])
    return None
