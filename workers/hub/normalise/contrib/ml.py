"""Operators of ``ai.onnx.ml`` that only move or scale numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import number
from workers.hub.normalise.contrib.rule import ML, rank_of, refuse, says


def real(g: GraphBuilder, x: Value) -> Value:
    """``x`` as float32."""
    return x if x.dtype == ir.DataType.FLOAT else g.Cast(x, to=ir.DataType.FLOAT.value)


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
    x = real(g, node.x())
    offset, scale = (np.asarray(node.floats(name), np.float32) for name in ("offset", "scale"))
    return g.Mul(g.Sub(x, offset), scale)


@says("LinearRegressor", domain=ML)
def linear_regressor(g: GraphBuilder, node: Node) -> Value:
    """``x W' + b``, a row of coefficients a target"""
    if node.s("post_transform", "NONE") != "NONE":
        raise refuse(node, f"its post_transform {node.s('post_transform')} is not known")
    return _scores(g, node, node.i("targets", 1))


def _scores(g: GraphBuilder, node: Node, rows: int) -> Value:
    coefficients = np.asarray(node.floats("coefficients"), np.float32)
    if not rows or coefficients.size % rows or rank_of(node, 0) != 2:
        raise refuse(node, f"its {coefficients.size} coefficients are not {rows} rows, or its input is no matrix")
    y = g.MatMul(real(g, node.x()), g.weight(f"{node.name}.weight", coefficients.reshape(rows, -1).T.copy()))
    intercepts = np.asarray(node.floats("intercepts"), np.float32)
    return g.Add(y, intercepts) if intercepts.size else y


@says("Normalizer", domain=ML)
def normalizer(g: GraphBuilder, node: Node) -> Value:
    """Each row through its largest element, the sum of magnitudes or the Euclidean length; rows of zeros stay."""
    x, norm = real(g, node.x()), node.s("norm", "MAX")
    if rank_of(node, 0) != 2 or norm not in ("MAX", "L1", "L2"):
        raise refuse(node, f"its norm is {norm!r}, or its input is no matrix")
    length = g.op({"MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"}[norm], x, [1], keepdims=1)
    zero, one = np.float32(0), np.float32(1)
    return g.Div(x, g.Where(g.Equal(length, zero), one, length))


@says("Imputer", domain=ML)
def imputer(g: GraphBuilder, node: Node) -> Value:
    """What stands for "missing" becomes the column's value, or the one value of all."""
    x, real = node.x(), node.has("imputed_value_floats")
    dtype: type[np.generic] = np.float32 if real else np.int64
    values = np.asarray(node.floats("imputed_value_floats") if real else node.ints("imputed_value_int64s"), dtype)
    missing = dtype(node.f("replaced_value_float") if real else node.i("replaced_value_int64"))
    found = g.IsNaN(x) if real and np.isnan(missing) else g.Equal(x, np.asarray(missing))
    return g.Where(found, values, x)


@says("OneHotEncoder", domain=ML)
def one_hot_encoder(g: GraphBuilder, node: Node) -> Value:
    """A new last axis with a one where the category is; categories that are none of them give zeros."""
    categories = np.asarray(node.ints("cats_int64s"), np.int64)
    if not categories.size or not node.i("zeros", 1):
        raise refuse(node, "its categories are texts, or it ends the run at unknown ones")
    x = g.Cast(g.Unsqueeze(node.x(), [-1]), to=7)
    return g.Cast(g.Equal(x, categories), to=1)


@says("FeatureVectorizer", domain=ML)
def feature_vectorizer(g: GraphBuilder, node: Node) -> Value:
    """The features of all inputs side by side, as float32."""
    if any(rank_of(node, index) != 2 for index in range(len(node.inputs))):
        raise refuse(node, "its inputs are no matrices")
    parts = [real(g, node.x(index)) for index in range(len(node.inputs))]
    return g.Concat(*parts, axis=1)
