"""Definitions whose words came to mean something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.normalise.opset.edit import refuse, replace

Adapter = Callable[[GraphBuilder, Node], None]


def softmax(g: GraphBuilder, node: Node) -> None:
    """Before opset 13 the axes from ``axis`` (1) on were joined to one; since then ``axis`` (-1) stands alone.

    For the last axis that is the same. Else: Flatten, the operator on the last axis, Reshape.
    """
    axis, rank = node.i("axis", 1), node.rank
    node.raw.attributes.add(ir.AttrInt64("axis", -1))
    if axis == -1 or (rank is not None and axis % rank == rank - 1):
        return
    flat = g.op(node.op, g.Flatten(node.x(), axis=axis), axis=-1)
    replace(node, g.Reshape(flat, g.Shape(node.x())))


def batch_normalization(g: GraphBuilder, node: Node) -> None:
    """Up to opset 8 ``spatial`` 0 normalised every element by its own statistics."""
    spatial = node.raw.attributes.pop("spatial", None)
    if spatial is not None and spatial.as_int() == 0:
        raise refuse(node, "spatial=0 normalises every position by its own statistics, which opset 9 took away")


def batch_outputs(g: GraphBuilder, node: Node) -> None:
    """Up to opset 13 more than one output meant training."""
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        raise refuse(node, "it gives the statistics of training")
    node.raw.resize_outputs(1)


def upsample(g: GraphBuilder, node: Node) -> None:
    """Upsample became Resize, with an empty region in front of the scales."""
    mode = node.s("mode", "nearest")
    replace(node, _resize(g, node, node.x(1), "linear" if mode == "bilinear" else mode))


def resize_10(g: GraphBuilder, node: Node) -> None:
    """Opset 10 laid corners on corners from the left, and rounded down (up where it made the image smaller)."""
    replace(node, _resize(g, node, node.x(1), node.s("mode", "nearest")))


def _resize(g: GraphBuilder, node: Node, scales: ir.Value, mode: str) -> ir.Value:
    known = g.const(scales)
    smaller = known is not None and bool((np.asarray(known) < 1).any())
    larger = known is None or bool((np.asarray(known) > 1).any())
    if smaller and larger and mode == "nearest":
        raise refuse(
            node, "it enlarges one axis and reduces another by the nearest element, which was rounded two ways"
        )
    return g.Resize(
        node.x(),
        None,
        scales,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="ceil" if smaller else "floor",
    )


def resize_11(g: GraphBuilder, node: Node) -> None:
    """Region and scales were no optional inputs: an empty tensor said that there are none.

    ``tf_half_pixel_for_nn`` went; rounded down it is ``half_pixel`` rounded to the nearest, halves up.
    """
    for index in (1, 2):
        array = node.const(index)
        if array is not None and array.size == 0:
            node.raw.replace_input_with(index, None)
    if node.s("coordinate_transformation_mode") != "tf_half_pixel_for_nn":
        return
    if node.s("mode", "nearest") != "nearest" or node.s("nearest_mode", "round_prefer_floor") != "floor":
        raise refuse(node, "tf_half_pixel_for_nn went with opset 13")
    node.raw.attributes.add(ir.AttrString("coordinate_transformation_mode", "half_pixel"))
    node.raw.attributes.add(ir.AttrString("nearest_mode", "round_prefer_ceil"))


def group_normalization(g: GraphBuilder, node: Node) -> None:
    """Scale and bias, one a group before opset 21, are one a channel: each is repeated for its group's channels."""
    groups = node.i("num_groups")
    shape = node.shape()
    channels = shape[1] if shape is not None and len(shape) > 1 else None
    if isinstance(channels, int):
        times: ir.Value | np.ndarray[tuple[int, ...], np.dtype[np.int64]] = np.array([1, channels // groups])
    else:
        each = g.Div(g.Shape(node.x(), start=1, end=2), np.array([groups]))
        times = g.Concat(np.array([1]), each, axis=0)
    for index in (1, 2):
        column = g.Reshape(node.x(index), np.array([groups, 1]))
        node.raw.replace_input_with(index, g.Reshape(g.Expand(column, times), np.array([-1])))


def scan(g: GraphBuilder, node: Node) -> None:
    """Opset 8 ran a batch of scans, one for each first index of everything: a scan over that axis of today's scan."""
    if node.input(0) is not None:
        raise refuse(node, "sequence lengths went with opset 9")
    scanned, body = node.i("num_scan_inputs"), node.graph("body")
    states = len(node.inputs) - 1 - scanned
    outer_inputs = [value for value in node.inputs[1:] if value is not None]
    slices = [ir.Value(name=f"{node.name}_slice{index}", type=value.type) for index, value in enumerate(outer_inputs)]
    attributes = [ir.AttrGraph("body", body), ir.AttrInt64("num_scan_inputs", scanned)]
    directions = node.ints("directions")
    if directions:
        attributes.append(ir.AttrInt64s("scan_input_directions", directions))
    count = len(node.outputs)
    del node.raw.attributes["body"]
    inner = ir.Node("", "Scan", slices, attributes, num_outputs=count, name=f"{node.name}_one")
    inner.metadata_props.update(node.raw.metadata_props)
    for index, output in enumerate(inner.outputs):
        output.name = f"{node.name}_one{index}"
        output.type = node.outputs[index].type
    around = ir.Graph(slices, inner.outputs, nodes=[inner], name=f"{node.name}_batch")
    outputs = g.ops("Scan", *outer_inputs, outputs=count, body=around, num_scan_inputs=states + scanned)
    replace(node, *outputs)


ADAPTERS: dict[str, tuple[tuple[int, Adapter], ...]] = {
    "Softmax": ((13, softmax),),
    "LogSoftmax": ((13, softmax),),
    "Hardmax": ((13, softmax),),
    "BatchNormalization": ((9, batch_normalization), (14, batch_outputs)),
    "Upsample": ((10, upsample),),
    "Resize": ((11, resize_10), (13, resize_11)),
    "GroupNormalization": ((21, group_normalization),),
    "Scan": ((9, scan),),
}
