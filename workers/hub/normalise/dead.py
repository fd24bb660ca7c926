"""What no output needs: nodes, optional outputs, initialisers, opset imports."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def remove_dead(model: ir.Model, options: Options) -> list[Change]:
    """Remove nodes without a use, initialisers without a use, and unused optional outputs."""
    dead = prune(model)
    unused = [name for graph in model.graphs() for name in _drop_initializers(graph)]
    for graph in model.graphs():
        for node in graph:
            _trim_inputs(node)
            _trim_outputs(node)
    used = {node.domain for node in model.graph.all_nodes()} | {""}
    for domain in set(model.opset_imports) - used:
        del model.opset_imports[domain]
    return [
        *changed("dead-nodes", "Nodes that no output needs were removed.", dead),
        *changed("unused-initialisers", "Initialisers that no node uses were removed.", unused),
    ]


def drop_unused(model: ir.Model, options: Options) -> list[Change]:
    """Remove the initialisers that another pass has put something in the place of; nothing to report."""
    for graph in model.graphs():
        _drop_initializers(graph)
    return []


def prune(model: ir.Model) -> list[str]:
    """Remove every node that no output of its graph needs; the source layers of those removed."""
    return [layer for graph in _inner_last(model.graph) for layer in _prune_graph(graph)]


def _inner_last(graph: ir.Graph) -> Iterator[ir.Graph]:
    """A graph before those nested in it: when a node goes, so does all inside it."""
    yield graph
    for node in graph:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield from _inner_last(attribute.as_graph())
            elif attribute.type == ir.AttributeType.GRAPHS:
                for inner in attribute.as_graphs():
                    yield from _inner_last(inner)


def _prune_graph(graph: ir.Graph) -> list[str]:
    removed = []
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            removed.append(layer_of(node))
            _release(node)
            graph.remove(node, safe=True)
    return removed


def _release(node: ir.Node) -> None:
    """Nodes inside a removed node stop using values outside."""
    for attribute in node.attributes.values():
        graphs = (
            [attribute.as_graph()]
            if attribute.type == ir.AttributeType.GRAPH
            else list(attribute.as_graphs())
            if attribute.type == ir.AttributeType.GRAPHS
            else []
        )
        for graph in graphs:
            for inner in graph.all_nodes():
                for index in range(len(inner.inputs)):
                    inner.replace_input_with(index, None)


def _drop_initializers(graph: ir.Graph) -> list[str]:
    unused = [
        name
        for name, value in graph.initializers.items()
        if not value.uses() and not value.is_graph_output() and not value.is_graph_input()
    ]
    for name in unused:
        del graph.initializers[name]
    return unused


def _trim_inputs(node: ir.Node) -> None:
    count = len(node.inputs)
    while count and node.inputs[count - 1] is None:
        count -= 1
    if count < len(node.inputs):
        node.resize_inputs(count)


def _trim_outputs(node: ir.Node) -> None:
    """Unused optional outputs lose their names, and at the end their places."""
    if node.domain or not onnx.defs.has(node.op_type, OPSET, ""):
        return
    formal = onnx.defs.get_schema(node.op_type, OPSET, "").outputs
    optional = onnx.defs.OpSchema.FormalParameterOption.Optional
    for value, parameter in zip(node.outputs, formal, strict=False):
        if parameter.option == optional and not value.uses() and not value.is_graph_output():
            value.name = ""
    count = len(node.outputs)
    while count > 1 and not node.outputs[count - 1].name:
        count -= 1
    if count < len(node.outputs):
        node.resize_outputs(count)
