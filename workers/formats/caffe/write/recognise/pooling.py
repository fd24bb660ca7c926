"""A mean over an explicitly padded plane, and the places of maxima."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.write.pooling import caffe_counts, caffe_windows
from workers.formats.caffe.write.recognise.pattern import caffe, ends_in, maker
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import scalar, spatial
from workers.hub.legalise.padding import pads_of
from workers.hub.legalise.pooling import Windows, windows
from workers.hub.node import Node


@ends_in("AveragePool")
def padded_mean(g: GraphBuilder, node: Node) -> Value | None:
    """Zero padding, then a mean that counts what lies on the padded plane: Caffe's AVE with that padding."""
    pad, axes = maker(node.input(0), "Pad"), windows(node)
    if pad is None or node.rank != 4 or axes is None or any(axis.begin for axis in axes):
        return None
    sizes, pads = spatial(pad), pads_of(pad)
    zero = pad.s("mode", "constant") == "constant" and (pad.input(2) is None or scalar(pad.input(2)) == 0)
    if sizes is None or pads is None or not zero or any(any(pair) for pair in pads[:2]):
        return None
    own = [
        Windows(size, axis.out, axis.kernel, axis.stride, begin, end)
        for size, axis, (begin, end) in zip(sizes, axes, pads[2:], strict=True)
    ]
    padded = any(axis.begin for axis in own)
    for mine, theirs in zip(own, axes, strict=True):
        if not 0 <= mine.begin == mine.end < mine.kernel or caffe_windows(mine, padded) != mine.out:
            return None
        if not np.array_equal(caffe_counts(mine), theirs.counts(bool(node.i("count_include_pad")))):
            return None
    return caffe(
        g, "AveragePool", pad.x(), like=node.outputs[0], kernel_shape=[axis.kernel for axis in own],
        strides=[axis.stride for axis in own], pads=[axis.begin for axis in own],
    )  # fmt: skip


@ends_in("Cast")
def places(g: GraphBuilder, node: Node) -> Value | None:
    """Indices through the whole tensor modulo the plane, as floats: the second top of Caffe's MAX."""
    remainder = maker(node.x(), "Mod")
    pool = None if remainder is None else maker(remainder.input(0), "MaxPool")
    sizes, axes = (None, None) if pool is None else (spatial(pool), windows(pool))
    if remainder is None or pool is None or sizes is None or axes is None or pool.rank != 4:
        return None
    if node.i("to") != ir.DataType.FLOAT or scalar(remainder.input(1)) != np.prod(sizes) or pool.i("storage_order"):
        return None
    padded = any(axis.begin for axis in axes)
    if any(axis.dilation != 1 or caffe_windows(axis, padded) != axis.out for axis in axes):
        return None
    top, mask = g.ops(
        "MaxPoolWithPlaces", pool.x(), outputs=2, domain="caffe", kernel_shape=[axis.kernel for axis in axes],
        strides=[axis.stride for axis in axes], pads=[axis.begin for axis in axes],
    )  # fmt: skip
    old = pool.outputs[0]
    for value in (top, mask):
        value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), old.shape
    _ahead(g, top.producer(), pool.raw)
    ir.convenience.replace_all_uses_with(old, top, replace_graph_outputs=True)
    top.name, old.name = old.name, None
    return mask


def _ahead(g: GraphBuilder, node: ir.Node | None, of: ir.Node) -> None:
    """Move ``node`` in front of ``of``: what reads the maxima may stand before what reads their places."""
    assert node is not None
    g.graph.remove(node)
    g.graph.insert_before(of, node)
