"""Taking a blob apart: Slice."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe.write.net import NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.legalise.indexing import split_sizes
from workers.hub.node import Node


def _known_parts(node: Node) -> bool | str:
    sizes = split_sizes(node)
    if sizes is None or node.rank is None:
        return "Caffe's Slice cuts at constant places"
    return (min(sizes) > 0 and len(sizes) > 1) or "Caffe's Slice has no empty parts"


@writes("Split", only_if=_known_parts)
def split(net: NetWriter, node: Node) -> None:
    axis, sizes = node.i("axis") % (node.rank or 1), split_sizes(node) or []
    parameter: dict[str, object] = {} if axis == 1 else {"axis": axis}
    # Equal parts need no points, but OpenCV then counts the parts that are read.
    parameter["slice_point"] = np.cumsum(sizes)[:-1].tolist()
    net.layer("Slice", node, slice_param=parameter)


@writes("caffe::ArgMax")
def arg_max(net: NetWriter, node: Node) -> None:
    """The places of the top_k largest as floats, or with out_max_val their values."""
    parameter: dict[str, object] = {"axis": node.i("axis")}
    if node.i("top_k", 1) != 1:
        parameter["top_k"] = node.i("top_k")
    if node.i("out_max_val"):
        parameter["out_max_val"] = True
    if node.i("first"):
        net.note("last-of-equals", "Of equal maxima Caffe's ArgMax names the last, the original the first.", node.layer)
    net.layer("ArgMax", node, argmax_param=parameter)
