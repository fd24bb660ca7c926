"""Pad: moved into the layer that follows, done by a convolution with ones, or by a matrix."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.legalise.dims import integers, scalar
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node


def pads_of(node: Node) -> list[tuple[int, int]] | None:
    """Begin and end of every axis, when they are constant."""
    pads, rank = integers(node.input(1)), node.rank
    if pads is None or rank is None:
        return None
    axes = integers(node.input(3)) if node.input(3) is not None else tuple(range(rank))
    if axes is None:
        return None
    every = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        every[axis % rank] = (pads[index], pads[len(axes) + index])
    return every


def _zeros(node: Node) -> list[tuple[int, int]] | None:
    """Begin and end of every axis, when the padding is with zeros and never negative."""
    pads = pads_of(node)
    if node.s("mode", "constant") != "constant" or (node.input(2) is not None and scalar(node.input(2)) != 0):
        return None
    return None if pads is None or min(min(pair) for pair in pads) < 0 else pads


def _takes(consumer: ir.Node, value: ir.Value) -> bool:
    """Whether ``consumer`` pads with zeros itself: a Conv, or an AveragePool that counts its padding."""
    if consumer.inputs[0] is not value or any(other is value for other in consumer.inputs[1:]):
        return False
    view = Node(consumer)
    if view.op == "AveragePool":
        # Once it pads, a pooling that rounds up or excludes padding divides by other counts.
        return not view.i("ceil_mode") and (view.i("count_include_pad") == 1 or not any(view.ints("pads")))
    return view.op == "Conv"


@rule("Pad", "pad-into-consumers", "Zero padding moves into the convolutions and average poolings that follow.")
def pad_into_consumers(g: GraphBuilder, node: Node) -> Results:
    pads, y = _zeros(node), node.outputs[0]
    consumers = list(dict.fromkeys(use.node for use in y.uses()))
    if pads is None or any(any(pair) for pair in pads[:2]) or y.is_graph_output() or not consumers:
        return None
    if not all(_takes(consumer, y) for consumer in consumers):
        return None
    begin, end = [pair[0] for pair in pads[2:]], [pair[1] for pair in pads[2:]]
    for consumer in consumers:
        own = Node(consumer).ints("pads", [0] * 2 * len(begin))
        summed = [a + b for a, b in zip((*begin, *end), own, strict=True)]
        consumer.attributes["pads"] = ir.AttrInt64s("pads", summed)
        if consumer.op_type == "AveragePool":
            consumer.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
    return node.x()


@rule("Pad", "pad-nothing", "A Pad that adds nothing is left out.")
def pad_nothing(g: GraphBuilder, node: Node) -> Results:
    pads = pads_of(node)
    return node.x() if pads is not None and not any(any(pair) for pair in pads) else None


@rule("Pad", "pad-negative-to-slice", "Negative padding is a Slice.")
def pad_negative(g: GraphBuilder, node: Node) -> Results:
    pads, shape = pads_of(node), node.shape()
    if pads is None or shape is None or min(min(pair) for pair in pads) >= 0:
        return None
    cut = [axis for axis, pair in enumerate(pads) if min(pair) < 0]
    starts = [max(-pads[axis][0], 0) for axis in cut]
    ends = [min(pads[axis][1], 0) or np.iinfo(np.int64).max for axis in cut]
    x = g.Slice(node.x(), starts, ends, cut)
    rest = [max(0, pair[0]) for pair in pads] + [max(0, pair[1]) for pair in pads]
    return g.Pad(x, rest, node.input(2), mode=node.s("mode", "constant")) if any(rest) else x


@rule("Pad", "pad-by-convolution", "Zero padding of a picture is a depthwise convolution with a single one.")
def pad_by_convolution(g: GraphBuilder, node: Node) -> Results:
    pads, shape = _zeros(node), node.shape()
    if pads is None or shape is None or len(shape) < 3 or any(any(pair) for pair in pads[:2]):
        return None
    channels = shape[1]
    if not isinstance(channels, int) or node.x().dtype != ir.DataType.FLOAT:
        return None
    ones = np.ones((channels, 1, *[1] * (len(shape) - 2)), np.float32)
    sides = [pair[0] for pair in pads[2:]] + [pair[1] for pair in pads[2:]]
    return g.Conv(
        node.x(), g.constant(ones), kernel_shape=list(ones.shape[2:]), strides=[1] * (len(shape) - 2),
        dilations=[1] * (len(shape) - 2), pads=sides, group=channels,
    )  # fmt: skip


@rule("Pad", "pad-by-concat", "Constant padding is concatenating with a constant block.")
def pad_by_concat(g: GraphBuilder, node: Node) -> Results:
    pads, shape = pads_of(node), node.shape()
    if node.s("mode", "constant") != "constant" or pads is None or shape is None or node.x().dtype is None:
        return None
    filler = 0.0 if node.input(2) is None else scalar(node.input(2))
    if filler is None or min(min(pair) for pair in pads) < 0:
        return None
    x = node.x()
    for axis, pair in enumerate(pads):
        sizes = g.shape(x)
        if any(pair) and not all(isinstance(size, int) for other, size in enumerate(sizes) if other != axis):
            return None
        blocks: list[ir.Value | None] = [None, None]
        for side, width in enumerate(pair):
            if width:
                block = [width if other == axis else size for other, size in enumerate(sizes)]
                blocks[side] = g.constant(np.full(block, filler, x.dtype.numpy()))  # type: ignore[union-attr,arg-type]
        if any(pair):
            x = g.Concat(*(part for part in (blocks[0], x, blocks[1]) if part is not None), axis=axis)
    return x


@rule("Pad", "pad-all-axes", "Padding of some axes is padding of all, the others by nothing.")
def pad_all_axes(g: GraphBuilder, node: Node) -> Results:
    pads = pads_of(node)
    if node.input(3) is None or pads is None:
        return None
    sizes = [pair[side] for side in (0, 1) for pair in pads]
    return g.Pad(node.x(), sizes, node.input(2), mode=node.s("mode", "constant"))
