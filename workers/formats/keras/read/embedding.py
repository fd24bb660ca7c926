"""Embeddings, and the layers that make masks."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.layer import BOOL, F32, I32, I64, Array, Layer, Result, reads
from workers.formats.keras.read.quantized import mode
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder


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
        if len(arrays) < 2 or arrays[0].dtype != np.int8 or arrays[0].ndim != 2:
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
    table = layer.array("embeddings", None, None).T
    if not layer.flag("tie_weights", True):
        table = layer.array("reverse_embeddings", None, None)
    y = g.MatMul(x.plain(g), layer.weight(g, "reverse_embeddings", table, layer.element(x)))
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
