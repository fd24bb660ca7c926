"""Attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workers.formats.layer import cast
from workers.formats.pytorch.read.dense import linear
from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import BOOL, F32, Layer, reads
from workers.formats.pytorch.read.shaping import reshape
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value


def attend(
    g: GraphBuilder, layer: Layer, query: Value, key: Value, value: Value, mask: Value | None, causal: bool, scale: Any
) -> tuple[Value, Value]:
    """softmax(q k^T * scale + mask) v, and the softmax. A true element of a boolean mask is kept."""
    dtype = query.dtype or F32
    factor = layer.real(scale) if scale is not None else 1 / math.sqrt(layer.static(query, -1, "the width of a head"))
    rank = layer.rank(key)
    scores = g.MatMul(query, g.Transpose(key, perm=[*range(rank - 2), rank - 1, rank - 2]))
    scores = g.Mul(scores, operand(g, factor, dtype))
    low = operand(g, float("-inf"), dtype)
    if causal:
        scores = g.Where(_triangle(g, layer, query, key), scores, low)
    if mask is not None:
        scores = g.Where(mask, scores, low) if mask.dtype == BOOL else g.Add(scores, cast(g, mask, dtype))
    weights = g.Softmax(scores, axis=-1)
    if mask is not None and mask.dtype == BOOL:
        # A row in which nothing is kept gives 0.
        weights = g.Where(g.IsNaN(weights), operand(g, 0.0, dtype), weights)
    return g.MatMul(weights, value), weights


def _triangle(g: GraphBuilder, layer: Layer, query: Value, key: Value) -> Value:
    """True at and below the diagonal that begins in the upper left corner."""
    rows, columns = layer.dim(query, -2), layer.dim(key, -2)
    if not isinstance(rows, Sym) and not isinstance(columns, Sym):
        layer.bounded(rows * columns)
        return g.constant(np.tril(np.ones((rows, columns), np.bool_)))
    down = g.Range(0, rows if isinstance(rows, int) else rows.scalar(g), 1)
    across = g.Range(0, columns if isinstance(columns, int) else columns.scalar(g), 1)
    return g.GreaterOrEqual(g.Unsqueeze(down, [1]), g.Unsqueeze(across, [0]))


@reads("aten::scaled_dot_product_attention", "aten::_scaled_dot_product_attention_math")
def scaled_dot_product_attention(
    g: GraphBuilder, layer: Layer, query: Value, key: Value, value: Value, attn_mask: Value | None = None,
    dropout_p: Any = 0.0, is_causal: Any = False, dropout_mask: Any = None, scale: Any = None, enable_gqa: Any = False,
) -> Any:  # fmt: skip
    if enable_gqa:
        key, value = (_repeated(g, layer, x, layer.static(query, -3) // layer.static(x, -3)) for x in (key, value))
    made, weights = attend(g, layer, query, key, value, attn_mask, bool(is_causal), scale)
    return (made, weights) if layer.type.endswith("math") else made


def _repeated(g: GraphBuilder, layer: Layer, x: Value, count: int) -> Value:
    """Every head ``count`` times."""
    heads = layer.static(x, -3)
    return (
        x if count == 1 else g.Gather(x, g.constant([i // count for i in range(heads * count)]), axis=layer.rank(x) - 3)
    )


@reads("aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    g: GraphBuilder, layer: Layer, query: Value, key: Value, value: Value, dropout_p: Any = 0.0, is_causal: Any = False,
    attn_mask: Value | None = None, return_debug_mask: Any = False, scale: Any = None,
) -> Any:  # fmt: skip
    made, weights = attend(g, layer, query, key, value, attn_mask, bool(is_causal), scale)
    return made, weights


@reads("aten::_scaled_dot_product_efficient_attention")
def efficient_attention(
    g: GraphBuilder, layer: Layer, query: Value, key: Value, value: Value, attn_bias: Value | None,
    compute_log_sumexp: Any = False, dropout_p: Any = 0.0, is_causal: Any = False, scale: Any = None,
) -> Any:  # fmt: skip
    made, weights = attend(g, layer, query, key, value, attn_bias, bool(is_causal), scale)
    return made, weights, weights, weights


@reads("aten::_native_multi_head_attention")
def native_multi_head_attention(
    g: GraphBuilder, layer: Layer, query: Value, key: Value, value: Value, embed_dim: Any, num_head: Any,
    qkv_weight: Value, qkv_bias: Value, proj_weight: Value, proj_bias: Value, mask: Value | None = None,
    need_weights: Any = True, average_attn_weights: Any = True, mask_type: Any = None,
) -> Any:  # fmt: skip
    """Self-attention in one call: [batch, time, width]. A true element of its mask is left out; type 0 is [T, T],
    1 is [batch, T]."""
    heads, width = layer.integer(num_head), layer.integer(embed_dim)
    batch, time = layer.dim(query, 0), layer.dim(query, 1)
    joined = linear(g, layer, query, qkv_weight, qkv_bias)
    parts = g.ops("Split", joined, outputs=3, axis=2, num_outputs=3)
    q, k, v = (
        g.Transpose(reshape(g, layer, x, [batch, time, heads, width // heads]), perm=[0, 2, 1, 3]) for x in parts
    )
    keep = None if mask is None else g.Not(cast(g, mask, BOOL))
    if keep is not None and layer.integer(mask_type if mask_type is not None else 2) == 1:
        keep = g.Unsqueeze(keep, [1, 2])
    made, weights = attend(g, layer, q, k, v, keep, False, None)
    rows = reshape(g, layer, g.Transpose(made, perm=[0, 2, 1, 3]), [batch, time, width])
    if average_attn_weights:
        weights = g.ReduceMean(weights, [1], keepdims=0)
    return linear(g, layer, rows, proj_weight, proj_bias), weights


@reads("aten::_transformer_encoder_layer_fwd")
def transformer_encoder_layer(
    g: GraphBuilder, layer: Layer, src: Value, embed_dim: Any, num_heads: Any, qkv_weight: Value, qkv_bias: Value,
    proj_weight: Value, proj_bias: Value, use_gelu: Any, norm_first: Any, eps: Any, norm_weight_1: Value,
    norm_bias_1: Value, norm_weight_2: Value, norm_bias_2: Value, ffn_weight_1: Value, ffn_bias_1: Value,
    ffn_weight_2: Value, ffn_bias_2: Value, mask: Value | None = None, mask_type: Any = None,
) -> Value:  # fmt: skip
    """nn.TransformerEncoderLayer in evaluation: attention and a two-layer network, each with norm and residual."""

    def norm(x: Value, weight: Value, bias: Value) -> Value:
        return g.LayerNormalization(x, weight, bias, axis=-1, epsilon=layer.real(eps))

    def attention(x: Value) -> Value:
        found: Value = native_multi_head_attention(
            g, layer, x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, False,
            mask_type,
        )[0]  # fmt: skip
        return found

    def forward(x: Value) -> Value:
        hidden = linear(g, layer, x, ffn_weight_1, ffn_bias_1)
        found: Value = linear(g, layer, g.Gelu(hidden) if use_gelu else g.Relu(hidden), ffn_weight_2, ffn_bias_2)
        return found

    if norm_first:
        x = g.Add(src, attention(norm(src, norm_weight_1, norm_bias_1)))
        return g.Add(x, forward(norm(x, norm_weight_2, norm_bias_2)))
    x = norm(g.Add(src, attention(src)), norm_weight_1, norm_bias_1)
    return norm(g.Add(x, forward(x)), norm_weight_2, norm_bias_2)
