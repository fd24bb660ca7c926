"""ArgMax: places (as floats) and values of the largest elements along an axis."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.caffe.write.recognise.pattern import caffe, ends_in, maker
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import integers, reshape, scalar
from workers.hub.legalise.indexing import slices
from workers.hub.node import Dim, Node, shape_of


@ends_in("Cast")
def place_of_the_largest(g: GraphBuilder, node: Node) -> Value | None:
    """ArgMax with its result as floats; of equal elements Caffe names the last."""
    chosen = maker(node.x(), "ArgMax")
    shape = None if chosen is None else chosen.shape()
    if chosen is None or shape is None or node.i("to") != ir.DataType.FLOAT:
        return None
    axis = chosen.i("axis") % len(shape)
    kept = tuple(1 if other == axis else dim for other, dim in enumerate(shape))
    first = int(not chosen.i("select_last_index"))
    y = caffe(g, "ArgMax", chosen.x(), like=node.outputs[0], shape=kept, axis=axis, top_k=1, first=first)
    out = node.out_shape()
    return y if chosen.i("keepdims", 1) or out is None else reshape(g, y, out)


def _largest(topk: Node | None) -> tuple[int, int] | None:
    """Axis and number of a TopK that takes the largest in order."""
    if topk is None or not topk.i("largest", 1) or not topk.i("sorted", 1) or topk.rank is None:
        return None
    k = integers(topk.input(1))
    return None if k is None else (topk.i("axis", -1) % topk.rank, k[0])


def _reversed(value: Value | None, axis: int) -> Value | None:
    """x when ``value`` is x backwards along ``axis``."""
    node = maker(value, "Slice")
    parts, shape = (None, None) if node is None else (slices(node), node.shape())
    if node is None or parts is None or shape is None or len(parts) != 1:
        return None
    size = shape[axis]
    return node.x() if isinstance(size, int) and parts[0] == (axis, size - 1, -1, -1) else None


def _chosen_shape(x: Value, axis: int, count: int) -> tuple[Dim, ...]:
    return tuple(count if other == axis else dim for other, dim in enumerate(shape_of(x) or ()))


@ends_in("Cast")
def places_of_the_largest(g: GraphBuilder, node: Node) -> Value | None:
    """size - 1 - (places of TopK of x backwards): of equal elements the last comes first, as in Caffe."""
    difference = maker(node.x(), "Sub")
    topk = None if difference is None else maker(difference.input(1), "TopK")
    found = _largest(topk)
    if difference is None or topk is None or found is None or node.i("to") != ir.DataType.FLOAT:
        return None
    axis, count = found
    x, last = _reversed(topk.input(0), axis), scalar(difference.input(0))
    if x is None or difference.x(1) is not topk.outputs[1] or last != (shape_of(x) or ())[axis] - 1:  # type: ignore[operator]
        return None
    return caffe(g, "ArgMax", x, like=node.outputs[0], axis=axis, top_k=count, first=0)


@ends_in("TopK")
def values_of_the_largest(g: GraphBuilder, node: Node) -> Value | None:
    """The values alone; from whichever end one looks they are the same."""
    found = _largest(node)
    places = node.outputs[1]
    if found is None or node.dtype() != ir.DataType.FLOAT or places.is_graph_output():
        return None
    axis, count = found
    x = _reversed(node.input(0), axis) or node.x()
    if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
        return None
    return caffe(
        g, "ArgMax", x, like=node.outputs[0], shape=_chosen_shape(x, axis, count), axis=axis, top_k=count, out_max_val=1
    )
