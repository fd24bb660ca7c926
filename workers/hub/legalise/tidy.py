"""What chained rules leave behind: Reshapes in a row become one, or none."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.rules import Writes
from workers.hub.graph import GraphBuilder
from workers.hub.legalise.dims import integers, reshape
from workers.hub.node import Node, shape_of
from workers.hub.provenance import layer_of, layer_type_of


def merge_reshapes(graph: ir.Graph, writes: Writes) -> None:  # type: ignore[type-arg]
    """Let a Reshape read what the Reshape before it reads, where the writer accepts that."""
    builder = GraphBuilder(graph=graph)
    for node in list(graph):
        first = node.inputs[0].producer() if node.op_type == "Reshape" and node.inputs[0] is not None else None
        if first is None or first.op_type != "Reshape" or integers(first.inputs[1]) is None:
            continue
        source, old = first.inputs[0], node.outputs[0]
        shape, target = shape_of(source) if source is not None else None, shape_of(old)
        if source is None or shape is None or target is None:
            continue
        if shape == target and None not in shape and not old.is_graph_output():
            _replace(graph, node, source)
            continue
        g = builder.ahead_of(node)
        with g.layer(layer_of(node), layer_type_of(node)):
            y = reshape(g, source, target)
        if y is None:
            continue
        if writes.why_not(Node(g.made[-1])) is not None:
            graph.remove(g.made, safe=True)
            continue
        name, value = node.name, old.name
        _replace(graph, node, y)
        g.made[-1].name, y.name = name, value


def _replace(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    ir.convenience.replace_all_uses_with(node.outputs[0], value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
