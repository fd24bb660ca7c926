"""Embeddings, and the layers that make masks."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.layer import BOOL, F32, I32, I64, Array, Layer, Result, reads
from workers.formats.keras.read.quantized import mode, rounded
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value


@reads("Embedding")
def embedding(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Rows of a table; ``mask_zero`` masks the steps whose index is 0."""
    table = _table(layer)
    indices = x.plain(g)
    if layer.element(indices) not in (I32, I64):
        indices = cast(g, indices, I32)
    rows = g.Gather(layer.weight(g, "embeddings", table, layer.compute), indices, axis=0)
    masked = layer.flag("mask_zero", False)
    mask = g.Not(g.Equal(indices, np.asarray(0, layer.element(indices).numpy()))) if masked else None
    return plain(rows, mask)


def _table(layer: Layer) -> Array:
    """The table in floating point, with its low-rank update."""
    kind = mode(layer)
    if kind == "int8":
        arrays = [dataset.read() for dataset in layer.stock.raw]
        if len(arrays) < 2 or arrays[0].dtype != np.int8 or arrays[0].ndim != 2 or arrays[-1].size != len(arrays[0]):
            raise layer.malformed("its policy says int8, its weights are not")
        return np.asarray(arrays[0].astype(np.float32) / arrays[-1].reshape(-1, 1))
    if kind not in ("", "float8"):
        raise layer.unsupported(f"its weights are quantised as {kind}; onnxhub reads int8 and unquantised layers")
    table = layer.array("embeddings", None, None)
    if layer.owns("lora_embeddings_a") and layer.owns("lora_embeddings_b"):
        rank = layer.integer("lora_rank")
        share = layer.real("lora_alpha", float(rank)) / rank
        update = layer.array("lora_embeddings_a") @ layer.array("lora_embeddings_b")
        return np.asarray(table + share * update, np.float32)
    return table


@reads("ReversibleEmbedding")
def reversible_embedding(g: GraphBuilder, layer: Layer, x: Tensor) -> Result:
    """``reverse=True`` turns features into scores of all rows; a soft cap bounds these by a tanh."""
    backwards = layer.kwargs.get("reverse", layer.args[1] if len(layer.args) > 1 else False)
    if not backwards:
        return embedding(g, layer, x)
    if mode(layer) == "int8":
        return _capped(g, layer, _scores(g, layer, x))
    if mode(layer) not in ("", "float8"):
        raise layer.unsupported(
            f"its weights are quantised as {mode(layer)}; onnxhub reads int8 and unquantised layers"
        )
    table = layer.array("embeddings", None, None).T
    if not layer.flag("tie_weights", True):
        table = layer.array("reverse_embeddings", None, None)
    y = g.MatMul(x.plain(g), layer.weight(g, "reverse_embeddings", table, layer.element(x)))
    return _capped(g, layer, y)


def _scores(g: GraphBuilder, layer: Layer, x: Tensor) -> Value:
    """Every input row has its scale; the rows of the table, or the columns of its own kernel, have theirs."""
    arrays = [dataset.read() for dataset in layer.stock.raw]
    if len(arrays) < 2:
        raise layer.malformed("its policy says int8, its weights are not")
    kernel, scale = arrays[0].T, arrays[1]
    if not layer.flag("tie_weights", True) and len(arrays) >= 4:
        kernel, scale = arrays[2], arrays[3]
    if (
        kernel.dtype != np.int8
        or kernel.ndim != 2
        or kernel.shape[1] != scale.size
        or kernel.shape[0] != layer.size(x, -1)
    ):
        raise layer.malformed("its policy says int8, its weights are not")
    value = x.plain(g)
    whole, inputs = rounded(g, layer, value, [x.rank - 1])
    products = g.MatMul(whole, layer.weight(g, "reverse_embeddings", kernel, layer.element(x)))
    return g.Div(products, g.Mul(inputs, layer.weight(g, "scale", scale.reshape(-1), layer.element(x))))


def _capped(g: GraphBuilder, layer: Layer, y: Value) -> Tensor:
    if layer.has("logit_soft_cap"):
        cap = layer.real("logit_soft_cap", 1.0)
        y = g.Mul(g.Tanh(g.Div(y, layer.number(y, cap))), layer.number(y, cap))
    return plain(y)


@reads("Masking")
def masking(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Steps whose features all have the value are masked, and become zero."""
    layer.rank(x, *range(2, 9))
    value = x.plain(g)
    differs = g.Not(g.Equal(value, layer.number(x, layer.real("mask_value", 0.0))))
    counts = g.ReduceMax(cast(g, differs, F32), [-1], keepdims=1)
    y = g.Mul(value, cast(g, counts, layer.element(x)))
    return plain(y, g.Squeeze(cast(g, counts, BOOL), [-1]))
