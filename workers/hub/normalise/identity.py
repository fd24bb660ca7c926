"""Identity nodes go; graph outputs keep their names."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def remove_identities(model: ir.Model, options: Options) -> list[Change]:
    """Let readers of an Identity read its input.

    An Identity that gives a graph output goes only when its input is computed in the same graph and is no output
    itself: that value then takes the output's name.
    """
    removed = []
    for graph in model.graphs():
        for node in list(graph):
            if node.op_type == "Identity" and node.domain == "" and _bypass(node, graph):
                removed.append(layer_of(node))
    return changed("identity", "Identity nodes were removed.", removed)


def _bypass(node: ir.Node, graph: ir.Graph) -> bool:
    source, output = node.inputs[0], node.outputs[0]
    if source is None:
        return False
    if output.is_graph_output():
        producer = source.producer()
        if producer is None or producer.graph is not graph or source.is_graph_output():
            return False
        name, output.name = output.name, f"{output.name}_identity"
        output.replace_all_uses_with(source, replace_graph_outputs=True)
        source.name = name
    else:
        output.replace_all_uses_with(source)
    if source.shape is None:
        source.shape = output.shape
    graph.remove(node, safe=True)
    return True
