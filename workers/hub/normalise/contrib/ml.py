"""Operators of ``ai.onnx.ml`` that only move or scale numbers."""

from __future__ import annotations

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import number
from workers.hub.normalise.contrib.rule import ML, rank_of, says


@says("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(g: GraphBuilder, node: Node) -> Value:
    """Elements of the last axis; a single row has a second axis afterwards."""
    y = g.Gather(node.x(), g.Reshape(node.x(1), [-1]), axis=-1)
    return g.Unsqueeze(y, [0]) if rank_of(node, 0) == 1 else y


@says("Binarizer", domain=ML)
def binarizer(g: GraphBuilder, node: Node) -> Value:
    x = node.x()
    return g.CastLike(g.Greater(x, number(x, node.f("threshold"))), x)


@says("Scaler", domain=ML)
def scaler(g: GraphBuilder, node: Node) -> Value:
    """``(x - offset) * scale``, each one number or one a feature; the result is float32."""
    x = g.Cast(node.x(), to=1)
    offset, scale = (np.asarray(node.floats(name), np.float32) for name in ("offset", "scale"))
    return g.Mul(g.Sub(x, offset), scale)
