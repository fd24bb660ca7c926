"""Matrix products: ``nn.Linear`` where the right factor is a weight."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import FLOATS, torch_name
from workers.formats.pytorch.write.weights import Weight, weight_of
from workers.hub.node import Array, Node, constant_of


def transposed(array: Array) -> Array:
    return array.T


def linear(net: NetWriter, node: Node, weight: Weight, bias: Weight | None) -> None:
    state = {"weight": weight} | ({} if bias is None else {"bias": bias})
    features = (weight.shape[1], weight.shape[0])
    net.layer(node, "nn.Linear", *features, bias=False if bias is None else None, word="fc", state=state)


@writes("MatMul")
def matmul(net: NetWriter, node: Node) -> None:
    """With a constant matrix on the right it is nn.Linear, which keeps its weight transposed."""
    matrix = node.const(1)
    if matrix is not None and matrix.ndim == 2 and node.dtype(1) in FLOATS and node.const(0) is None:
        weight = weight_of(node.x(1), view=transposed, note="transposed")
        linear(net, node, weight, _following_bias(net, node, matrix.shape[1]))
        return
    net.set(node, f"torch.matmul({net.x(node, 0)}, {net.parameter(node, 1)})")


def _following_bias(net: NetWriter, node: Node, features: int) -> Weight | None:
    """The bias, where the product is read by one Add of a constant vector only; that Add is then already written."""
    product = node.outputs[0]
    uses = tuple(product.uses())
    if len(uses) != 1 or product.is_graph_output():
        return None
    use = uses[0]
    adder = use.node
    if adder.op_type != "Add" or adder.domain or adder.graph is not node.raw.graph:
        return None
    other = adder.inputs[1 - use.idx]
    array = constant_of(other)
    if other is None or array is None or array.shape != (features,) or node.rank is None:
        return None
    net.merge(node.raw, adder)
    return weight_of(other)


@writes("Gemm", only_if=rank_known)
def gemm(net: NetWriter, node: Node) -> None:
    """alpha * A' @ B' + beta * C."""
    alpha, beta = node.f("alpha", 1.0), node.f("beta", 1.0)
    matrix, addend = node.const(1), node.const(2)
    plain = alpha == 1 and not node.i("transA") and node.dtype() in FLOATS and node.const(0) is None
    if plain and matrix is not None and (node.input(2) is None or (beta == 1 and addend is not None)):
        features = matrix.shape[0] if node.i("transB") else matrix.shape[1]
        if addend is None or (addend.size in (1, features) and addend.shape[-1:] in ((), (1,), (features,))):
            weight = weight_of(node.x(1)) if node.i("transB") else weight_of(node.x(1), view=transposed, note="T")
            bias = node.input(2)
            linear(net, node, weight, None if bias is None else _vector(bias, features))
            return
    a = f"{net.x(node, 0)}.t()" if node.i("transA") else net.x(node, 0)
    b = f"{net.parameter(node, 1)}.t()" if node.i("transB") else net.parameter(node, 1)
    result = _scaled(f"{a} @ {b}", alpha)
    if node.input(2) is not None and beta != 0:
        result = f"{result} + {_scaled(net.parameter(node, 2), beta)}"
    if alpha != int(alpha) or beta != int(beta):
        result = result if node.dtype() in FLOATS else f"({result}).to({torch_name(node.dtype())})"
    net.set(node, result)


def _scaled(expression: str, factor: float) -> str:
    if factor == 1:
        return expression
    factor_text = str(int(factor)) if factor == int(factor) else text.floating(factor)
    return f"{factor_text} * ({expression})" if " " in expression else f"{factor_text} * {expression}"


def _vector(bias: ir.Value, features: int) -> Weight:
    return weight_of(bias, view=lambda array: np.broadcast_to(array.reshape(-1), (features,)), note=f"vector{features}")


@writes("Einsum")
def einsum(net: NetWriter, node: Node) -> None:
    equation = node.s("equation").replace(" ", "")
    given = [net.parameter(node, index) for index in range(len(node.inputs))]
    net.set(node, text.call("torch.einsum", f'"{equation}"', *given))


@writes("Det")
def det(net: NetWriter, node: Node) -> None:
    net.set(node, f"torch.linalg.det({net.x(node)})")
