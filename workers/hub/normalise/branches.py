"""An If whose condition is known is the branch that it takes."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.naming import unique
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.normalise.fold import fold_constants
from workers.hub.normalise.infer import infer_shapes
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def inline_branches(model: ir.Model, options: Options) -> list[Change]:
    """Put the nodes of the branch in the If's place, and fold what has become constant by that, until nothing is."""
    inlined: list[str] = []
    folded: list[Change] = []
    while True:
        chosen = [node for node in model.graph if node.op_type == "If" and node.domain == "" and _is_known(node)]
        if not chosen:
            break
        taken = _names(model.graph)
        for node in chosen:
            inlined.append(layer_of(node))
            _inline(model.graph, node, taken)
        infer_shapes(model, options)
        folded += fold_constants(model, options)
    return [*changed("known-branches", "Branches whose condition is known were taken.", inlined), *folded]


def _is_known(node: ir.Node) -> bool:
    return Node(node).const(0) is not None


def _inline(graph: ir.Graph, node: ir.Node, taken: set[str]) -> None:
    condition = Node(node).const(0)
    assert condition is not None  # asked before
    branch = node.attributes["then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"].as_graph()
    results = list(branch.outputs)
    branch.outputs.clear()
    for name, value in list(branch.initializers.items()):
        del branch.initializers[name]
        value.name = unique(name, taken)
        graph.register_initializer(value)
    steps = list(branch)
    branch.remove(steps)
    for step in steps:
        for value in step.outputs:
            value.name = unique(value.name or "branch", taken)
    graph.insert_before(node, steps)
    for output, result in zip(node.outputs, results, strict=True):
        _pass_on(graph, node, output, result)
    graph.remove(node, safe=True)


def _pass_on(graph: ir.Graph, node: ir.Node, output: ir.Value, result: ir.Value) -> None:
    """Readers of the If's output read the branch's; an output of the graph keeps its name by an Identity."""
    if not output.is_graph_output():
        output.replace_all_uses_with(result)
        return
    copy = ir.Node("", "Identity", [result], num_outputs=1, name=node.name)
    copy.metadata_props.update(node.metadata_props)
    copy.outputs[0].type, copy.outputs[0].shape = output.type, output.shape
    name, output.name = output.name, f"{output.name}_if"
    copy.outputs[0].name = name
    graph.insert_before(node, copy)
    output.replace_all_uses_with(copy.outputs[0], replace_graph_outputs=True)


def _names(graph: ir.Graph) -> set[str]:
    """The names of all values outside the branches."""
    return {value.name or "" for value in (*graph.inputs, *graph.initializers.values())} | {
        value.name or "" for node in graph for value in node.outputs
    }
