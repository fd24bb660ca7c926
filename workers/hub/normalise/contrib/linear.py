"""Products of matrices with what onnxruntime fused into them."""

from __future__ import annotations

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import activated, number
from workers.hub.normalise.contrib.rule import rank_of, refuse, says


@says("FusedMatMul", "TransposeMatMul")
def fused_mat_mul(g: GraphBuilder, node: Node) -> Value:
    """``alpha * A' B'``; ``trans``: the last two axes swapped; ``transBatch``: the first moved before the last."""
    sides = []
    for index, side in enumerate("AB"):
        x, rank = node.x(index), rank_of(node, index)
        order = list(range(rank))
        if rank > 2 and node.i(f"transBatch{side}"):
            order = [*order[1:-1], 0, order[-1]]
        if rank > 1 and node.i(f"trans{side}"):
            order = [*order[:-2], order[-1], order[-2]]
        sides.append(x if order == sorted(order) else g.Transpose(x, perm=order))
    y, alpha = g.MatMul(*sides), node.f("alpha", 1.0)
    return y if alpha == 1.0 else g.Mul(y, number(y, alpha))


@says("FusedGemm")
def fused_gemm(g: GraphBuilder, node: Node) -> Value:
    attributes = {name: each.value for name, each in node.raw.attributes.items() if not name.startswith("activation")}
    parameters = [node.f(f"activation_{name}") for name in ("alpha", "beta", "gamma") if node.has(f"activation_{name}")]
    return activated(g, node, g.Gemm(node.x(), node.x(1), node.input(2), **attributes), parameters)


@says("DynamicQuantizeMatMul")
def dynamic_quantize_mat_mul(g: GraphBuilder, node: Node) -> Value:
    """The first input is quantised as it comes; the product of integers is scaled back."""
    a, scale, zero = g.ops("DynamicQuantizeLinear", node.x(), outputs=3)
    product = g.Cast(g.MatMulInteger(a, node.x(1), zero, node.input(3)), to=1)
    y = g.Mul(product, g.Mul(scale, node.x(2)))
    bias = node.input(4)
    return y if bias is None else g.Add(y, bias)


@says("MatMulIntegerToFloat")
def mat_mul_integer_to_float(g: GraphBuilder, node: Node) -> Value:
    scale = g.Mul(node.x(2), node.x(3))
    product = g.MatMulInteger(node.x(), node.x(1), node.input(4), node.input(5))
    y = g.Mul(g.Cast(product, to=(scale.dtype.value if scale.dtype else 1)), scale)
    bias = node.input(6)
    return y if bias is None else g.Add(y, bias)


@says("MatMulNBits")
def mat_mul_n_bits(g: GraphBuilder, node: Node) -> Value:
    """Weights of four bits, blocks of them with a scale and a zero point (8 where none is told): DequantizeLinear."""
    bits, size, rows, columns = (node.i(name) for name in ("bits", "block_size", "N", "K"))
    packed, scales, zeros = node.const(1), node.input(2), node.const(3)
    if bits != 4 or packed is None or node.input(4) is not None or columns % size:
        raise refuse(node, "its weights are computed, reordered, of partial blocks, or not of four bits")
    if node.input(3) is not None and (zeros is None or zeros.dtype != np.uint8):
        raise refuse(node, "its zero points are not of four bits")
    blocks = columns // size
    points = np.full((rows, blocks), 8, np.uint8) if zeros is None else _nibbles(zeros.reshape(rows, -1))[:, :blocks]
    weights = g.weight(f"{node.name}.weight", _uint4(_nibbles(packed.reshape(rows, -1))[:, :columns]))
    zero = g.weight(f"{node.name}.zero", _uint4(points))
    scale = g.Reshape(scales, [rows, blocks])
    dense = g.DequantizeLinear(weights, scale, zero, axis=1, block_size=size)
    y = g.MatMul(node.x(), g.Transpose(dense, perm=[1, 0]))
    bias = node.input(5)
    return y if bias is None else g.Add(y, bias)


def _nibbles(
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Two numbers a byte, the lower half first."""
    data = array.astype(np.uint8)
    return np.stack([data & 15, data >> 4], axis=-1).reshape(data.shape[0], -1)


def _uint4(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    import ml_dtypes

    return array.astype(ml_dtypes.uint4)
