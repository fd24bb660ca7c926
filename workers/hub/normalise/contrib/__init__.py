"""Operators of ``com.microsoft``, which onnxruntime's optimisers leave behind, and of ``ai.onnx.ml``, as standard ones.

One function an operator, in the family's file. What has no rule stays, and is refused by its reader or writer.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

import onnx
import onnx_ir as ir

from workers.errors import UnsupportedLayer, UnsupportedOperators
from workers.hub.graph import GraphBuilder
from workers.hub.infer import infer
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.normalise.contrib.rule import RULES, is_read, refuse
from workers.hub.normalise.opset.edit import take_over, told_of
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change

FAMILIES = ("activation", "attention", "convolution", "linear", "normalization", "quantization", "ml")
for _family in FAMILIES:
    import_module(f"workers.hub.normalise.contrib.{_family}")


def is_known(domain: str, op_type: str) -> bool:
    """Whether the normal form has standard operators for it."""
    return (domain, op_type) in RULES


def spell_out(model: ir.Model, options: Options) -> list[Change]:
    """Put standard operators in the place of known foreign ones; their names and source layers stay.

    Raises UnsupportedOperators naming those whose form has none.
    """
    spelt, refused = [], []
    if not any((node.domain, node.op_type) in RULES for node in model.graph.all_nodes()):
        return []
    for graph in list(model.graphs()):
        builder = GraphBuilder(graph=graph)
        for node in list(graph):
            if (node.domain, node.op_type) not in RULES:
                _learn(node)
                continue
            try:
                _replace(builder, node)
            except UnsupportedLayer as error:
                refused.append(error.item)
            spelt.append(layer_of(node))
    if refused:
        raise UnsupportedOperators("onnx", refused)
    return changed("contrib", "Operators that are not ONNX's own were spelt out in its words.", spelt)


def _replace(builder: GraphBuilder, raw: ir.Node) -> None:
    node, g = Node(raw), builder.ahead_of(raw)
    with g.layer(node.layer, node.layer_type), told_of(node):
        results = RULES[raw.domain, raw.op_type](g, node)
        values = [results] if isinstance(results, ir.Value) else list(results)
        values += [None] * (len(raw.outputs) - len(values))
        taken: set[ir.Value] = set()
        for index, output in enumerate(raw.outputs):
            value = values[index]
            if not is_read(output):
                continue
            if value is None:
                raise refuse(node, f"its output {index} ({output.name}) is read, and ONNX has no words for it")
            if value in taken or value.producer() is None:
                value = g.Identity(value)
            taken.add(value)
            take_over(output, value)
    builder.graph.remove(raw, safe=True)


def _learn(node: ir.Node) -> None:
    """What a foreign operator computed had no type yet; those behind it need one."""
    if any(value.type is None or value.shape is None for value in node.outputs):
        with suppress(onnx.shape_inference.InferenceError, TypeError):
            infer(node, node.version)


__all__ = ["RULES", "is_known", "spell_out"]
