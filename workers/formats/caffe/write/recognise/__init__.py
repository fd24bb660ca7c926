"""Layers that Caffe has and ONNX spells with several operators, found in the graph and put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from workers.formats.caffe.write.recognise.detection import detection_output
from workers.formats.caffe.write.recognise.pattern import PATTERNS, Pattern
from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.provenance import layer_of, layer_type_of

FAMILIES = ("elementwise", "linear", "normalization", "pooling", "selection")

for _family in FAMILIES:
    import_module(f"workers.formats.caffe.write.recognise.{_family}")


def recognise(model: ir.Model) -> None:
    """Replace what is recognised by nodes of the domain ``caffe``; the numbers stay the same."""
    # Whole detectors first: their parts look like other layers.
    for patterns in ({"Unsqueeze": [detection_output]}, PATTERNS):
        RemoveUnusedNodesPass()(model)
        builder = GraphBuilder(graph=model.graph)
        for node in list(model.graph):
            if node.graph is model.graph:
                _match(builder, node, patterns.get(Node(node).key, ()))
    RemoveUnusedNodesPass()(model)


def _match(builder: GraphBuilder, node: ir.Node, patterns: Sequence[Pattern]) -> None:
    """Try the patterns that end in ``node``; the first that fits takes its first output's place."""
    for pattern in patterns:
        g = builder.ahead_of(node)
        with g.layer(layer_of(node), layer_type_of(node)):
            value = pattern(g, Node(node))
        if value is None:
            continue
        old = node.outputs[0]
        ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
        value.name, old.name = old.name, None
        if not any(output.uses() or output.is_graph_output() for output in node.outputs):
            model_graph = node.graph
            assert model_graph is not None
            model_graph.remove(node, safe=True)
        return
