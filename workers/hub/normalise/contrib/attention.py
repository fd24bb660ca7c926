"""Attention as onnxruntime fuses it, spelt out: projections, scores, mask, softmax, context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import number
from workers.hub.normalise.contrib.rule import rank_of, refuse, says, without


@says("Attention")
def attention(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Queries, keys and values come from one projection of the input."""
    without(node, past=4)
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
    heads = [_heads(g, part, node.i("num_heads")) for part in parts]
    return [_attend(g, node, heads, mask=3, bias=5)]


@says("MultiHeadAttention")
def multi_head_attention(g: GraphBuilder, node: Node) -> Sequence[Value | None]:
    """Queries, keys and values are given; keys and values may have their heads apart already."""
    without(node, past_key=6, past_value=7)
    if node.input(1) is None or node.input(2) is None:
        raise refuse(node, "its queries, keys and values are packed into one tensor")
    count = node.i("num_heads")
    given = [node.x(0), node.x(1), node.x(2)]
    if node.input(3) is not None:
        given = _biased(g, node, given)
    heads = [value if rank_of(node, index) == 4 else _heads(g, value, count) for index, value in enumerate(given)]
    return [_attend(g, node, heads, mask=4, bias=5)]


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


def _attend(g: GraphBuilder, node: Node, heads: Sequence[Value], *, mask: int, bias: int) -> Value:
    query, key, value = heads
    scores = g.Mul(g.MatMul(query, g.Transpose(key, perm=[0, 1, 3, 2])), _scale(g, node, query))
    filter_value = number(query, node.f("mask_filter_value", -10000.0))
    length = g.Shape(key, start=2, end=3)
    if node.input(mask) is not None:
        allowed = _allowed(g, node, mask, length)
        scores = g.Add(scores, g.Where(allowed, number(query, 0.0), filter_value))
    if node.input(bias) is not None:
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
