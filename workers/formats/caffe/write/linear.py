"""Products with a learned matrix: InnerProduct, whose weights are [outputs, inputs]."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.caffe.write.net import Array, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.node import Node

COMPUTED = "Caffe multiplies by learned weights, not by a computed matrix"


def _can_gemm(node: Node) -> bool | str:
    bias = node.const(2)
    if node.const(1) is None or node.const(0) is not None or (node.input(2) is not None and bias is None):
        return COMPUTED
    if node.f("alpha", 1.0) != 1.0 or node.i("transA") or (bias is not None and node.f("beta", 1.0) != 1.0):
        return "Caffe's InnerProduct neither scales nor transposes its input"
    if bias is not None and (bias.size not in (1, _weight(node).shape[0]) or (bias.ndim > 1 and bias.shape[0] != 1)):
        return "Caffe's InnerProduct has one bias an output"
    return True


def _weight(node: Node) -> Array:
    """[outputs, inputs]."""
    weight = node.const(1)
    assert weight is not None
    return weight if node.op == "caffe::InnerProduct" or node.i("transB") else weight.T


def inner_product(net: NetWriter, node: Node, weight: Array, bias: Array | None, axis: int) -> None:
    parameter: dict[str, Any] = {"num_output": weight.shape[0]}
    if bias is None:
        parameter["bias_term"] = False
    if axis != 1:
        parameter["axis"] = axis
    net.layer("InnerProduct", node, blobs=[weight] if bias is None else [weight, bias], inner_product_param=parameter)


@writes("Gemm", only_if=_can_gemm)
def gemm(net: NetWriter, node: Node) -> None:
    weight, bias = _weight(node), node.const(2)
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), (weight.shape[0],))
    inner_product(net, node, weight, bias, 1)


def _can_matmul(node: Node) -> bool | str:
    weight = node.const(1)
    if weight is None or node.const(0) is not None:
        return COMPUTED
    return (weight.ndim == 2 and (node.rank or 0) >= 2) or "Caffe multiplies by one matrix"


@writes("MatMul", only_if=_can_matmul)
def matmul(net: NetWriter, node: Node) -> None:
    weight = node.const(1)
    assert weight is not None
    inner_product(net, node, weight.T, None, (node.rank or 2) - 1)


@writes("caffe::InnerProduct")
def flattening_inner_product(net: NetWriter, node: Node) -> None:
    """Weights [outputs, inputs] over all axes from ``axis`` on, which the layer flattens itself."""
    weight = node.const(1)
    assert weight is not None
    inner_product(net, node, weight, node.const(2), node.i("axis", 1))


@writes("caffe::Embed")
def embed(net: NetWriter, node: Node) -> None:
    """Rows of a table [input_dim, outputs] by indices that are floats in Caffe."""
    table, bias = node.const(1), node.const(2)
    assert table is not None
    net.layer(
        "Embed", node, blobs=[table] if bias is None else [table, bias],
        embed_param={"input_dim": table.shape[0], "num_output": table.shape[1], "bias_term": bias is not None},
    )  # fmt: skip
