"""Pools that round their output size up: a last window that would begin behind the data is not there."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.normalise.infer import forget_shapes, infer_shapes
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change

POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def drop_windows(model: ir.Model, options: Options) -> list[Change]:
    """Say by pads what ``ceil_mode`` comes to where it counts a window too many.

    Every runtime leaves out a window that begins in the padding behind the data, and ONNX says so since opset 22; the
    shapes that ONNX infers for older definitions count it. Nothing is done where the sizes are unknown.
    """
    dropped = []
    for raw in list(model.graph.all_nodes()):
        if raw.op_type in POOLS and raw.domain == "" and _settled(Node(raw)):
            dropped.append(layer_of(raw))
            forget_shapes(model)
            infer_shapes(model, options)
    return changed(
        "pool-windows", "Pools that round up lost a last window without data, as every runtime has it.", dropped
    )


def _settled(node: Node) -> bool:
    """Whether the pool was rewritten to round down."""
    kernel, sizes = node.ints("kernel_shape"), (node.shape() or ())[2:]
    if not node.i("ceil_mode") or node.s("auto_pad", "NOTSET") != "NOTSET" or len(sizes) != len(kernel):
        return False
    count = len(kernel)
    strides, pads = node.ints("strides", [1] * count), list(node.ints("pads", [0] * 2 * count))
    dilations = node.ints("dilations", [1] * count)
    if (len(strides), len(pads), len(dilations)) != (count, 2 * count, count) or min(strides, default=1) < 1:
        return False  # which ONNX's checker will name
    fewer, overhang = False, False
    for axis, size in enumerate(sizes):
        if not isinstance(size, int):
            return False
        reach, stride = (kernel[axis] - 1) * dilations[axis] + 1, strides[axis]
        room = size + pads[axis] + pads[count + axis] - reach
        windows = -(-room // stride) + 1
        if (windows - 1) * stride >= size + pads[axis]:
            windows, fewer = windows - 1, True
        beyond = (windows - 1) * stride - room
        overhang = overhang or beyond > 0
        pads[count + axis] += max(beyond, 0)
    if not fewer or (overhang and node.i("count_include_pad")):
        return False
    node.raw.attributes.pop("ceil_mode")
    node.raw.attributes["pads"] = ir.AttrInt64s("pads", pads)
    return True
