"""The fused attention products of GluonNLP: queries, keys and values interleaved head by head."""

from __future__ import annotations

import math

from workers.formats.dims import times
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.linear import swapped
from workers.formats.mxnet.read.shaping import reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


def _heads(g: GraphBuilder, layer: Layer, x: Value, parts: int) -> list[Value]:
    """[T, N, H * parts * d] as ``parts`` arrays [N * H, T, d]."""
    layer.rank(x, 3)
    time, batch, width = layer.shape(x)
    heads = layer.integer("heads")
    if heads < 1 or not isinstance(width, int) or width % (heads * parts):
        raise layer.malformed(f"a width of {width} does not hold {parts} parts of {heads} heads")
    depth = width // (heads * parts)
    split = reshaped(g, layer, x, [time, times([batch, heads]), parts, depth])
    turned = g.Transpose(split, perm=[2, 1, 0, 3])
    pieces = g.ops("Split", turned, outputs=parts, axis=0, num_outputs=parts) if parts > 1 else [turned]
    return [g.Squeeze(piece, [0]) for piece in pieces]


def _scores(g: GraphBuilder, layer: Layer, queries: Value, keys: Value) -> Value:
    """Products of queries and keys over the root of their length, [N * H, T, S]."""
    depth = layer.sizes(queries, 2)[0]
    small = g.Mul(queries, layer.number(queries, 1 / math.sqrt(depth)))
    return g.MatMul(small, swapped(g, layer, keys))


def _joined(g: GraphBuilder, layer: Layer, attention: Value, values: Value, batch: Dim) -> Value:
    """The weighted values, heads side by side again: [T, N, H * d]."""
    layer.rank(attention, 3)
    layer.same(layer.shape(attention)[0], layer.shape(values)[0], "the number of heads in the batch")
    mixed = g.Transpose(g.MatMul(attention, values), perm=[1, 0, 2])
    time, _, depth = layer.shape(mixed)
    return reshaped(g, layer, mixed, [time, batch, times([layer.integer("heads"), depth])])


@reads("_contrib_interleaved_matmul_selfatt_qk")
def selfatt_qk(g: GraphBuilder, layer: Layer, qkv: Value) -> Value:
    """Input [T, N, H * 3 * d]; scores [N * H, T, T]."""
    queries, keys, _ = _heads(g, layer, qkv, 3)
    return _scores(g, layer, queries, keys)


@reads("_contrib_interleaved_matmul_selfatt_valatt")
def selfatt_valatt(g: GraphBuilder, layer: Layer, qkv: Value, attention: Value) -> Value:
    values = _heads(g, layer, qkv, 3)[2]
    return _joined(g, layer, attention, values, layer.shape(qkv)[1])


@reads("_contrib_interleaved_matmul_encdec_qk")
def encdec_qk(g: GraphBuilder, layer: Layer, queries: Value, keys_values: Value) -> Value:
    """Queries [T, N, H * d], keys and values [S, N, H * 2 * d]; scores [N * H, T, S]."""
    return _scores(g, layer, _heads(g, layer, queries, 1)[0], _heads(g, layer, keys_values, 2)[0])


@reads("_contrib_interleaved_matmul_encdec_valatt")
def encdec_valatt(g: GraphBuilder, layer: Layer, keys_values: Value, attention: Value) -> Value:
    values = _heads(g, layer, keys_values, 2)[1]
    return _joined(g, layer, attention, values, layer.shape(keys_values)[1])
