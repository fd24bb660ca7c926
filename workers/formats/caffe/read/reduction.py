"""Reduction and ArgMax."""

from __future__ import annotations

from workers.formats.caffe.read.layer import Layer, Value, prod, reads
from workers.hub.graph import GraphBuilder

_OPERATORS = {"SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}


@reads("Reduction")
def reduction(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over all axes from ``axis`` on, which vanish, times ``coeff``; axis 0 leaves a scalar."""
    p = layer.reduction_param
    rank = layer.rank(x)
    if p.operation not in _OPERATORS:
        raise layer.unsupported(f"operation {p.operation!r} is not known")
    axes = list(range(layer.axis(p.axis, rank), rank))
    y = g.op(_OPERATORS[p.operation], x, axes, keepdims=0)
    return y if p.coeff == 1 else g.Mul(y, float(p.coeff))


@reads("ArgMax")
def arg_max(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Places of the top_k largest values, as floats; of equal values the later one comes first.

    With ``axis`` that axis holds them (or, with out_max_val, the values); without, everything behind the batch is one
    row, and the top is [N, 1, top_k], with out_max_val [N, 2, top_k] of places and values, padded to the bottom's rank.
    """
    p = layer.argmax_param
    rank = layer.rank(x)
    if p.has("axis"):
        axis = layer.axis(p.axis, rank)
        places, values = _largest(g, layer, x, axis, layer.sizes(x, axis, axis + 1)[0])
        return values if p.out_max_val else places
    size = prod(layer.sizes(x, 1))
    flat = x if rank == 2 else g.Reshape(x, [0, size])
    places, values = _largest(g, layer, flat, 1, size)
    ones = [1] * (max(rank, 3) - 3)
    places = g.Reshape(places, [0, 1, p.top_k, *ones])
    if not p.out_max_val:
        return places
    return g.Concat(places, g.Reshape(values, [0, 1, p.top_k, *ones]), axis=1)


def _largest(g: GraphBuilder, layer: Layer, x: Value, axis: int, size: int) -> tuple[Value, Value]:
    """(places as floats, values). TopK prefers the earlier of equal values: the axis is searched backwards."""
    k = layer.argmax_param.top_k
    if not 1 <= k <= size:
        raise layer.malformed(f"the {k} largest of {size} values do not exist")
    if k == 1:
        place = g.ArgMax(x, axis=axis, keepdims=1, select_last_index=1)
        return g.Cast(place, to=1), g.ReduceMax(x, [axis], keepdims=1)
    backwards = g.Slice(x, [-1], [-(2**31)], [axis], [-1])
    values, places = g.ops("TopK", backwards, [k], outputs=2, axis=axis)
    return g.Cast(g.Sub(size - 1, places), to=1), values
