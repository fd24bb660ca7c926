"""Attention as onnxruntime fuses it, spelt out: projections, scores, mask, softmax, context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import number
from workers.hub.normalise.contrib.rule import is_read, rank_of, refuse, says, without


@says("Attention")
def attention(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Queries, keys and values come from one projection of the input."""
    without(node, past_sequence_length=6)
    if node.i("do_rotary"):
        raise refuse(node, "it rotates positions")
    joined = g.MatMul(node.x(), node.x(1))
    if node.input(2) is not None:
        joined = g.Add(joined, node.x(2))
    sizes = node.ints("qkv_hidden_sizes")
    if sizes:
        parts = g.ops("Split", joined, list(sizes), outputs=3, axis=-1)
    else:
        parts = g.ops("Split", joined, outputs=3, axis=-1, num_outputs=3)
    query, key, value = (_heads(g, part, node.i("num_heads")) for part in parts)
    if node.input(4) is not None:
        before = g.ops("Split", node.x(4), outputs=2, axis=0, num_outputs=2)
        key, value = (
            g.Concat(g.Squeeze(past, [0]), new, axis=2) for past, new in zip(before, (key, value), strict=True)
        )
    kept = None
    if len(node.outputs) > 1 and is_read(node.outputs[1]):
        kept = g.Concat(g.Unsqueeze(key, [0]), g.Unsqueeze(value, [0]), axis=0)
    return [_attend(g, node, [query, key, value], mask=3, bias=5), kept]


@says("MultiHeadAttention")
def multi_head_attention(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Queries, keys and values are given; keys and values may have their heads apart already."""
    without(node, past_sequence_length=8, cache_indirection=9)
    if node.input(1) is None or node.input(2) is None:
        raise refuse(node, "its queries, keys and values are packed into one tensor")
    count = node.i("num_heads")
    given = [node.x(0), node.x(1), node.x(2)]
    if node.input(3) is not None:
        given = _biased(g, node, given)
    heads = [value if rank_of(node, index) == 4 else _heads(g, value, count) for index, value in enumerate(given)]
    query, *kept = heads
    kept = [
        new if node.input(past) is None else g.Concat(node.x(past), new, axis=2)
        for past, new in zip((6, 7), kept, strict=True)
    ]
    return [_attend(g, node, [query, *kept], mask=4, bias=5), *kept]


@says("RotaryEmbedding")
def rotary_embedding(g: GraphBuilder, node: Node) -> Value:
    """Pairs of each head's leading elements turned by the angle of their position: halves, or neighbours."""
    if node.f("scale", 1.0) != 1.0 or node.i("is_packed_batching"):
        raise refuse(node, "it scales positions, or its batch is packed")
    x, width, flat = node.x(), node.shape(2), rank_of(node, 0) == 3
    if width is None or not isinstance(width[-1], int):
        raise refuse(node, "the width of its cache is unknown")
    turned = node.i("rotary_embedding_dim") or 2 * width[-1]
    if flat:
        count = node.i("num_heads")
        if node.i("rotary_embedding_dim") and not count:
            raise refuse(node, "the number of its heads is not told")
        x = _heads(g, x, count) if count else g.Transpose(g.Reshape(x, [0, 0, -1, turned]), perm=[0, 2, 1, 3])
    y = rotate(g, x, [_angles(g, node, index) for index in (2, 3)], turned, neighbours=bool(node.i("interleaved")))
    return g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), [0, 0, -1]) if flat else y


def _angles(g: GraphBuilder, node: Node, cache: int) -> Value:
    """[batch or 1, 1, length, pairs]: of every position, or of those from one on."""
    places = node.x(1)
    if rank_of(node, 1) == 1:
        axis = 1 if rank_of(node, 0) == 3 else 2
        length = g.Squeeze(g.Shape(node.x(), start=axis, end=axis + 1), [0])
        places = g.Unsqueeze(g.Add(g.Range(np.asarray(0), length, np.asarray(1)), places), [0])
    return g.Unsqueeze(g.Gather(node.x(cache), places, axis=0), [1])


def rotate(g: GraphBuilder, x: Value, angles: Sequence[Value], width: int, *, neighbours: bool) -> Value:
    """The first ``width`` elements of the last axis of [batch, head, length, width of a head], by cosine and sine."""
    cosine, sine = angles
    most, rest = g.Slice(x, [0], [width], [3]), g.Slice(x, [width], [2**62], [3])
    if neighbours:
        pairs = g.Reshape(most, [0, 0, 0, width // 2, 2])
        a, b = (g.Squeeze(half, [4]) for half in g.ops("Split", pairs, outputs=2, axis=4, num_outputs=2))
    else:
        a, b = g.ops("Split", most, outputs=2, axis=3, num_outputs=2)
    real = g.Sub(g.Mul(a, cosine), g.Mul(b, sine))
    imaginary = g.Add(g.Mul(a, sine), g.Mul(b, cosine))
    if neighbours:
        joined = g.Concat(g.Unsqueeze(real, [4]), g.Unsqueeze(imaginary, [4]), axis=4)
        turned = g.Reshape(joined, [0, 0, 0, width])
    else:
        turned = g.Concat(real, imaginary, axis=3)
    return g.Concat(turned, rest, axis=3)


@says("QAttention")
def q_attention(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Attention whose input and weights are eight-bit integers: they are scaled to floats first."""
    without(node, past=8)
    if node.i("do_rotary") or node.has("past_present_share_buffer"):
        raise refuse(node, "it rotates positions, or shares a buffer")
    product = g.Cast(g.MatMulInteger(node.x(), node.x(1), node.input(6), node.input(7)), to=1)
    joined = g.Add(g.Mul(product, g.Mul(node.x(3), node.x(4))), node.x(2))
    parts = g.ops("Split", joined, outputs=3, axis=-1, num_outputs=3)
    heads = [_heads(g, part, node.i("num_heads")) for part in parts]
    return [_attend(g, node, heads, mask=5)]


def _biased(g: GraphBuilder, node: Node, given: Sequence[Value]) -> list[Value]:
    """The one bias of all three projections is split where they end."""
    widths = [g.shape(value)[-1] for value in given]
    if any(len(g.shape(value)) != 3 for value in given) or not all(isinstance(width, int) for width in widths):
        raise refuse(node, "its bias cannot be split, for the widths are unknown")
    biases = g.ops("Split", node.x(3), [width for width in widths if isinstance(width, int)], outputs=3, axis=0)
    return [g.Add(value, bias) for value, bias in zip(given, biases, strict=True)]


def _heads(g: GraphBuilder, x: Value, count: int) -> Value:
    """[batch, length, width] to [batch, head, length, width of a head]"""
    return g.Transpose(g.Reshape(x, [0, 0, count, -1]), perm=[0, 2, 1, 3])


def _attend(g: GraphBuilder, node: Node, heads: Sequence[Value], *, mask: int, bias: int | None = None) -> Value:
    query, key, value = heads
    scores = g.Mul(g.MatMul(query, g.Transpose(key, perm=[0, 1, 3, 2])), _scale(g, node, query))
    filter_value = number(query, node.f("mask_filter_value", -10000.0))
    length = g.Shape(key, start=2, end=3)
    if node.input(mask) is not None:
        allowed = _allowed(g, node, mask, length)
        scores = g.Add(scores, g.Where(allowed, number(query, 0.0), filter_value))
    if bias is not None and node.input(bias) is not None:
        scores = g.Add(scores, node.x(bias))
    if node.i("unidirectional"):
        scores = g.Where(_causal(g, g.Shape(query, start=2, end=3), length), scores, _lowest(query))
    context = g.MatMul(g.Softmax(scores, axis=-1), value)
    return g.Reshape(g.Transpose(context, perm=[0, 2, 1, 3]), [0, 0, -1])


def _scale(g: GraphBuilder, node: Node, query: Value) -> Value:
    """As told, else one over the root of a head's width."""
    told = node.f("scale")
    if told:
        return g.constant(number(query, told))
    width = g.Cast(g.Shape(query, start=3, end=4), to=query.dtype.value if query.dtype else 1)
    return g.Reciprocal(g.Sqrt(width))


def _allowed(g: GraphBuilder, node: Node, index: int, length: Value) -> Value:
    """Which keys each query may see: told one by one, or by every sample's number of them."""
    mask, rank = node.x(index), rank_of(node, index)
    if rank == 1:
        sizes = node.shape(index)
        batch = (node.shape() or (None,))[0]
        if sizes is None or sizes[0] != batch:
            raise refuse(node, "its mask gives ends and beginnings")
        places = g.Range(np.asarray(0), g.Squeeze(length, [0]), np.asarray(1))
        return g.Less(g.Reshape(places, [1, 1, 1, -1]), g.Reshape(g.Cast(mask, to=7), [-1, 1, 1, 1]))
    if rank not in (2, 3):
        raise refuse(node, f"its mask has {rank} axes")
    spread = g.Unsqueeze(mask, [1, 2] if rank == 2 else [1])
    return g.Greater(g.Cast(spread, to=6), np.asarray(0, np.int32))


def _causal(g: GraphBuilder, rows: Value, columns: Value) -> Value:
    """Query ``i`` sees the keys up to ``i``, counted from the last ones where there are more keys."""
    zero, one = np.asarray(0), np.asarray(1)
    places = g.Range(zero, g.Squeeze(columns, [0]), one)
    ends = g.Add(g.Range(zero, g.Squeeze(rows, [0]), one), g.Sub(columns, rows))
    return g.LessOrEqual(g.Unsqueeze(places, [0]), g.Unsqueeze(ends, [1]))


def _lowest(like: Value) -> np.ndarray[tuple[()], np.dtype[np.generic]]:
    dtype = np.float32 if like.dtype is None else like.dtype.numpy()
    return np.asarray(np.finfo(dtype).min, dtype)
