"""Quantised data that only moves: every move stands between a DequantizeLinear and a QuantizeLinear.

onnxruntime makes it so itself, and there fails for 8-bit signed integers at opset 21 (it marks its own nodes with one
type and gives them zero points of another); other runtimes find their integer kernels by this form only.
"""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.provenance import layer_of, layer_type_of

MOVES = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Slice", "MaxPool", "Expand", "Flatten")


def wrap_moves(g: GraphBuilder) -> None:
    """Behind moves of dequantised data that goes on as real numbers, quantise and dequantise it by the same scale."""
    nodes = list(g.graph)
    for place, node in enumerate(nodes):
        source = node.inputs[0].producer() if node.op_type in MOVES and node.inputs and node.inputs[0] else None
        if source is None or source.op_type != "DequantizeLinear" or "axis" in source.attributes:
            continue
        y = node.outputs[0]
        if not y.is_graph_output() and all(use.node.op_type == "QuantizeLinear" for use in y.uses()):
            continue
        inserted = g.ahead_of(nodes[place + 1]) if place + 1 < len(nodes) else g
        _wrap(inserted, node, y, source)


def _wrap(g: GraphBuilder, node: ir.Node, y: ir.Value, source: ir.Node) -> None:
    uses = list(y.uses())
    scale, zero = source.inputs[1], source.inputs[2]
    with g.layer(layer_of(node), layer_type_of(node)):
        wrapped = g.DequantizeLinear(g.QuantizeLinear(y, scale, zero), scale, zero)
    for use in uses:
        use.node.replace_input_with(use.idx, wrapped)
    if y.is_graph_output():
        outputs = g.graph.outputs
        places = [index for index, value in enumerate(outputs) if value is y]
        y.name, wrapped.name = wrapped.name, y.name
        for index in places:
            outputs[index] = wrapped
