"""Normalisations with the sums that onnxruntime fused in front of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import number
from workers.hub.normalise.contrib.rule import plus, says


@says("SkipLayerNormalization")
def skip_layer_normalization(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """``LayerNorm(input + skip + bias)``, and the sum itself as the fourth output."""
    total = plus(g, node.x(), node.x(1), node.input(4))
    y = g.LayerNormalization(total, node.x(2), node.input(3), axis=-1, epsilon=node.f("epsilon", 1e-12))
    return [y, None, None, total]


@says("SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    total = plus(g, node.x(), node.x(1), node.input(3))
    return [root_mean_square(g, total, node.x(2), node.f("epsilon", 1e-12), -1), None, None, total]


@says("SimplifiedLayerNormalization", domain="")
def simplified_layer_normalization(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """onnxruntime's own, although it calls the domain ONNX's."""
    return [root_mean_square(g, node.x(), node.x(1), node.f("epsilon", 1e-5), node.i("axis", -1))]


def root_mean_square(g: GraphBuilder, x: Value, scale: Value, epsilon: float, axis: int) -> Value:
    """``x / sqrt(mean(x^2) + epsilon) * scale`` over the axes from ``axis`` on, counted from the end."""
    axes = list(range(axis, 0)) if axis < 0 else list(range(axis, g.rank(x)))
    square = g.ReduceMean(g.Mul(x, x), axes, keepdims=1)
    return g.Mul(g.Div(x, g.Sqrt(g.Add(square, number(x, epsilon)))), scale)


@says("EmbedLayerNormalization")
def embed_layer_normalization(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Word, position and segment embeddings, their sum normalised; the second output counts each sample's tokens."""
    ids, mask = node.x(), node.input(7)
    total = g.Gather(node.x(2), ids, axis=0)
    places = node.input(8)
    if places is None:
        length = g.Squeeze(g.Shape(ids, start=1, end=2), [0])
        places = g.Unsqueeze(g.Range(np.asarray(0), length, np.asarray(1)), [0])
    total = g.Add(total, g.Gather(node.x(3), places, axis=0))
    if node.input(1) is not None and node.input(4) is not None:
        total = g.Add(total, g.Gather(node.x(4), node.x(1), axis=0))
    y = g.LayerNormalization(total, node.x(5), node.x(6), axis=-1, epsilon=node.f("epsilon", 1e-12))
    if mask is None:
        count = g.ConstantOfShape(g.Shape(ids, start=0, end=1), value=_zero())
    else:
        count = g.ReduceSum(g.Cast(mask, to=6), [1], keepdims=0)
    return [y, count, total]


def _zero() -> object:
    import onnx_ir as ir

    return ir.tensor(np.zeros(1, np.int32))
