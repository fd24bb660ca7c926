"""What depends on constants only is computed once, within bounds."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.legalise.fold import fold
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def fold_constants(model: ir.Model, options: Options) -> list[Change]:
    """Replace nodes of the main graph whose inputs are all small constants by their results.

    A node that gives a graph output stays, for an output must come from a node; so do weights that are quantised, for
    they are meant to be.
    """
    folded = []
    builder = GraphBuilder(graph=model.graph)
    for node in list(model.graph):
        if node.op_type == "DequantizeLinear" or any(value.is_graph_output() for value in node.outputs):
            continue
        arrays = fold(node)
        if arrays is None:
            continue
        g = builder.ahead_of(node)
        for output, array in zip(node.outputs, arrays, strict=False):
            output.replace_all_uses_with(g.constant(array))
        model.graph.remove(node, safe=True)
        folded.append(layer_of(node))
    return changed("fold-constants", "Nodes that depend on constants only were computed.", folded)
