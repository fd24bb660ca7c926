"""Attention as one operator: what inference passes and incubating layers fuse."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.paddle.read.activation import activated
from workers.formats.paddle.read.layer import Layer, Value, cast, reads
from workers.formats.paddle.read.normalization import normalised
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder


def attended(
    g: GraphBuilder, layer: Layer, q: Value, k: Value, v: Value, scale: float, mask: Value | None, causal: bool = False
) -> Value:
    """softmax(q k' scale + mask) v of [N, heads, S, D] operands."""
    scores = g.MatMul(g.Mul(q, layer.number(q, scale)), g.Transpose(k, perm=[0, 1, 3, 2]))
    if mask is not None:
        scores = g.Add(scores, cast(g, mask, layer.element(scores)))
    if causal:
        scores = g.Add(scores, _causal(g, layer, scores))
    return g.MatMul(g.Softmax(scores, axis=-1), v)


def _causal(g: GraphBuilder, layer: Layer, scores: Value) -> Value:
    """Nothing on and below the diagonal, minus infinity above it."""
    lowest = g.Expand(layer.number(scores, -math.inf), g.Shape(scores, start=2))
    return g.Where(g.Cast(g.Trilu(g.Expand(np.asarray(1, np.int64), g.Shape(scores, start=2)), np.asarray(1), upper=1),
                          to=9), lowest, layer.number(scores, 0))  # fmt: skip


@reads("multihead_matmul")
def multihead_matmul(g: GraphBuilder, layer: Layer) -> Value:
    """Input [N, S, H], one weight [H, 3 H] for queries, keys and values of all heads, its bias, and a mask."""
    x, w, bias, mask = layer.x("Input"), layer.x("W"), layer.x("Bias"), layer.maybe("BiasQK")
    heads = layer.integer("head_number", 1)
    batch, steps = layer.shape(x)[:2]
    width = layer.size(x, 2)
    total = times(layer.shape(bias))
    if not isinstance(total, int) or heads < 1 or total % (3 * heads):
        raise layer.malformed(f"its bias of {total} does not divide into {heads} heads")
    size = total // (3 * heads)
    both = g.Add(g.MatMul(x, reshaped(g, layer, w, [width, total])), reshaped(g, layer, bias, [total]))
    split = reshaped(g, layer, both, [batch, steps, 3, heads, size])
    parts = g.ops("Split", g.Transpose(split, perm=[2, 0, 3, 1, 4]), [1, 1, 1], outputs=3, axis=0)
    q, k, v = (g.Squeeze(part, [0]) for part in parts)
    y = g.Transpose(attended(g, layer, q, k, v, layer.real("alpha", 1.0), mask), perm=[0, 2, 1, 3])
    return reshaped(g, layer, y, [batch, steps, heads * size])


@reads("flash_attn", "memory_efficient_attention")
def flash_attn(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Operands [N, S, heads, D]; fewer heads of keys and values are shared by groups."""
    flash = layer.op.type == "flash_attn"
    q, k, v = (layer.x(slot) for slot in (("Q", "K", "V") if flash else ("Query", "Key", "Value")))
    mask = layer.maybe("AttnMask") if flash else layer.maybe("Bias")
    size, heads, shared = layer.size(q, 3), layer.size(q, 2), layer.size(k, 2)
    scale = layer.real("scale", -1.0) if not flash else -1.0
    q, k, v = (g.Transpose(x, perm=[0, 2, 1, 3]) for x in (q, k, v))
    if heads != shared:
        if not shared or heads % shared:
            raise layer.malformed(f"{heads} heads do not share {shared}")
        index = np.repeat(np.arange(shared), heads // shared)
        k, v = (g.Gather(x, index, axis=1) for x in (k, v))
    y = attended(g, layer, q, k, v, scale if scale > 0 else 1 / math.sqrt(size), mask, layer.flag("causal"))
    return {"Out" if flash else "Output": g.Transpose(y, perm=[0, 2, 1, 3])}


@reads("fused_softmax_mask", "fused_softmax_mask_upper_triangle")
def fused_softmax_mask(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    if layer.op.type == "fused_softmax_mask":
        return g.Softmax(g.Add(x, layer.x("Mask")), axis=-1)
    return g.Softmax(g.Add(x, _causal(g, layer, x)), axis=-1)


@reads("fused_attention")
def fused_attention(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """A whole attention block: layer norm before or behind, heads, projection, residual."""
    x = layer.x()
    if layer.maybe("CacheKV") is not None:
        raise layer.unsupported("it keeps keys and values from one run to the next")
    before = layer.flag("pre_layer_norm")
    begin = layer.rank(x, 3) - 1
    y = x
    if before:
        epsilon = layer.real("epsilon", 1e-5)
        y = normalised(g, layer, x, layer.maybe("LnScale"), layer.maybe("LnBias"), epsilon, begin)
    mixed = _projected(g, layer, y)
    out = g.MatMul(mixed, layer.x("OutLinearW"))
    bias = layer.maybe("OutLinearBias")
    out = out if bias is None else g.Add(out, bias)
    if layer.flag("add_residual", True):
        out = g.Add(out, x)
    if not before:
        out = normalised(g, layer, out, layer.maybe("Ln2Scale"), layer.maybe("Ln2Bias"),
                         layer.real("ln_epsilon", 1e-5), begin)  # fmt: skip
    return {"Y": out}


def _projected(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Queries, keys and values [3, heads, D, H] of x, attended: [N, S, heads * D]."""
    w, bias = layer.x("QKVW"), layer.maybe("QKVBias")
    batch, steps = layer.shape(x)[:2]
    if layer.rank(w) != 4:
        raise layer.unsupported("its weight is stored turned (transpose_qkv_wb)")
    _, heads, size, width = layer.sizes(w)
    flat = g.Transpose(reshaped(g, layer, w, [3 * heads * size, width]), perm=[1, 0])
    both = g.MatMul(x, flat)
    both = both if bias is None else g.Add(both, reshaped(g, layer, bias, [3 * heads * size]))
    split = reshaped(g, layer, both, [batch, steps, 3, heads, size])
    parts = g.ops("Split", g.Transpose(split, perm=[2, 0, 3, 1, 4]), [1, 1, 1], outputs=3, axis=0)
    q, k, v = (g.Squeeze(part, [0]) for part in parts)
    y = attended(g, layer, q, k, v, 1 / math.sqrt(size), layer.maybe("SrcMask"))
    return reshaped(g, layer, g.Transpose(y, perm=[0, 2, 1, 3]), [batch, steps, heads * size])


@reads("fused_feedforward")
def fused_feedforward(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Two dense layers with a residual, layer norm before or behind."""
    x = layer.x()
    begin, before = layer.rank(x) - 1, layer.flag("pre_layer_norm")
    y = x
    if before:
        y = normalised(
            g, layer, x, layer.maybe("Ln1Scale"), layer.maybe("Ln1Bias"), layer.real("ln1_epsilon", 1e-5), begin
        )
    for place in ("1", "2"):
        y = g.MatMul(y, layer.x(f"Linear{place}Weight"))
        bias = layer.maybe(f"Linear{place}Bias")
        y = y if bias is None else g.Add(y, bias)
        y = activated(g, layer, y, layer.word("act_method", "gelu")) if place == "1" else y
    if layer.flag("add_residual", True):
        y = g.Add(y, x)
    if not before:
        y = normalised(
            g, layer, y, layer.maybe("Ln2Scale"), layer.maybe("Ln2Bias"), layer.real("ln2_epsilon", 1e-5), begin
        )
    return {"Out": y}


@reads("fusion_transpose_flatten_concat")
def fusion_transpose_flatten_concat(g: GraphBuilder, layer: Layer) -> Value:
    parts = []
    for x in layer.several("X"):
        turned = g.Transpose(x, perm=layer.integers("trans_axis"))
        axis, dims = layer.integer("flatten_axis"), layer.shape(turned)
        parts.append(reshaped(g, layer, turned, [times(dims[:axis]), times(dims[axis:])]))
    return g.Concat(*parts, axis=layer.integer("concat_axis"))


@reads("add_position_encoding")
def add_position_encoding(g: GraphBuilder, layer: Layer) -> Value:
    """alpha x + beta p for x [N, T, C]: sines in the first half of the channels, cosines in the second."""
    x = layer.x()
    layer.rank(x, 3)
    half = layer.size(x, 2) // 2
    powers = np.arange(half) / max(half - 1, 1)
    speeds = layer.number(x, 1 / 10000.0**powers if half > 1 else [1e-4])
    size = g.Squeeze(g.Shape(x, start=1, end=2), [0])
    steps = cast(g, g.Range(np.asarray(0), size, np.asarray(1)), layer.element(x))
    angles = g.Mul(g.Unsqueeze(steps, [1]), speeds[None])
    code = g.Concat(g.Sin(angles), g.Cos(angles), axis=1)
    scaled = (g.Mul(value, layer.number(x, layer.real(key, 1.0))) for value, key in ((x, "alpha"), (code, "beta")))
    return g.Add(*scaled)
