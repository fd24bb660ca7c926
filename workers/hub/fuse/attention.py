"""Attention as exporters spell it: scores, scale, mask, softmax, context."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from workers.hub.fuse.pattern import Match, made_by, number, sides
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node, shape_of

DOMAIN, OPERATOR = "onnxhub", "ScaledDotProductAttention"
"""Of no opset before 23: only a writer that asks for fused operators sees it. Inputs: query, key, value, mask?"""


@dataclass(frozen=True, slots=True)
class Scores:
    """``scale * query key'``: ``keys`` are as they go into the product, their last axes exchanged."""

    query: Value
    keys: Value
    scale: float


def attention(node: ir.Node) -> Match | None:
    """``softmax(scale * query key' + mask) value``, four axes each and the leading two of one size"""
    if node.inputs[1] is None:
        return None
    value, softmax = node.inputs[1], made_by(node.inputs[0], "Softmax")
    rank = None if softmax is None else Node(softmax).rank
    if softmax is None or rank != 4 or Node(softmax).i("axis", -1) not in (-1, 3):
        return None
    scores, mask = _scores(softmax.inputs[0]), None
    adding = made_by(softmax.inputs[0], "Add")
    for product, other in sides(adding) if scores is None and adding is not None else ():
        scores, mask = _scores(product), other
        if scores is not None:
            break
    if scores is None or not _fit(scores.query, scores.keys, value, mask):
        return None
    found = scores
    return Match("attention", "Attention was spelt out.", node, lambda g: _make(g, found, value, mask))


def _make(g: GraphBuilder, scores: Scores, value: Value, mask: Value | None) -> Value:
    key = _key(g, scores.keys)
    return g.op(OPERATOR, scores.query, key, value, mask, domain=DOMAIN, scale=scores.scale)


def _key(g: GraphBuilder, keys: Value) -> Value:
    """The keys as they were before their last axes were exchanged."""
    swap = keys.producer()
    if swap is not None and swap.op_type == "Transpose" and not swap.domain and swap.inputs[0] is not None:
        *outer, a, b = Node(swap).ints("perm")
        order = [*outer, b, a]
        return swap.inputs[0] if order == sorted(order) else g.Transpose(swap.inputs[0], perm=order)
    return g.Transpose(keys, perm=[0, 1, 3, 2])


def _scores(value: Value | None) -> Scores | None:
    """A product of two matrices, scaled before or behind it."""
    scale, product = 1.0, made_by(value, "Mul", "Div", "MatMul")
    if product is not None and product.op_type != "MatMul":
        inner, factor = _scaled(product)
        product, scale = made_by(inner, "MatMul"), factor
    if product is None or product.inputs[0] is None or product.inputs[1] is None:
        return None
    query, keys = product.inputs
    for place, side in enumerate((query, keys)):
        scaling = made_by(side, "Mul", "Div")
        inner, factor = _scaled(scaling) if scaling is not None else (None, 1.0)
        if inner is not None:
            scale *= factor
            query, keys = (inner, keys) if place == 0 else (query, inner)
    return Scores(query, keys, scale) if query is not None and keys is not None else None


def _scaled(node: ir.Node) -> tuple[Value | None, float]:
    """The value and the number that it is multiplied with, None where there is no such number."""
    for value, other in sides(node) if node.op_type == "Mul" else list(sides(node))[:1]:
        factor = number(other)
        if factor is not None and (factor or node.op_type == "Mul"):
            return value, factor if node.op_type == "Mul" else 1 / factor
    return None, 1.0


def _fit(query: Value, keys: Value, value: Value, mask: Value | None) -> bool:
    """PyTorch spreads no batch of queries over one of keys; the mask has to be of numbers."""
    shapes = [shape_of(each) for each in (query, keys, value)]
    if any(shape is None or len(shape) != 4 or None in shape[:2] for shape in shapes):
        return False
    batches = {shape[:2] for shape in shapes if shape is not None}
    rank = 4 if mask is None else len(shape_of(mask) or ())
    alike = mask is None or mask.dtype == query.dtype
    return len(batches) == 1 and 2 <= rank <= 4 and alike
