"""Constant nodes become initialisers, and those of nested graphs move to the model's own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx_ir as ir

from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def lift_constants(model: ir.Model, options: Options) -> list[Change]:
    """Turn every Constant into an initialiser of the main graph; a constant that is an output keeps an Identity."""
    taken = Counter(value.name for graph in model.graphs() for value in _values(graph))
    lifted = []
    for graph in list(model.graphs()):
        if graph is not model.graph:
            _lift_initializers(graph, model.graph, taken)
        for node in list(graph):
            if node.op_type == "Constant" and node.domain == "":
                lifted.append(layer_of(node))
                _lift(node, graph, model.graph, taken)
    return changed("constants", "Constant nodes became initialisers.", lifted)


def _values(graph: ir.Graph) -> list[ir.Value]:
    return [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]


def _lift(node: ir.Node, graph: ir.Graph, main: ir.Graph, taken: Counter[str | None]) -> None:
    output = node.outputs[0]
    tensor = tensor_of(node)
    if output.is_graph_output():
        replace_by_identity(node, graph, main, tensor, _unique(f"{output.name}_value", 0, taken))
        return
    value = register(main, _unique(output.name or node.name or "constant", 1, taken), tensor)
    output.replace_all_uses_with(value)
    graph.remove(node, safe=True)


def replace_by_identity(node: ir.Node, graph: ir.Graph, main: ir.Graph, tensor: ir.TensorProtocol, name: str) -> None:
    """An output of a graph must come from a node: a constant one comes from the Identity of an initialiser."""
    output = node.outputs[0]
    copy = ir.Node("", "Identity", [register(main, name, tensor)], num_outputs=1, name=node.name)
    copy.metadata_props.update(node.metadata_props)
    copy.outputs[0].type, copy.outputs[0].shape = ir.TensorType(tensor.dtype), ir.Shape(tensor.shape.numpy())
    graph.insert_before(node, copy)
    output_name, output.name = output.name, f"{output.name}_constant"
    copy.outputs[0].name = output_name
    output.replace_all_uses_with(copy.outputs[0], replace_graph_outputs=True)
    graph.remove(node, safe=True)


def register(graph: ir.Graph, name: str, tensor: ir.TensorProtocol) -> ir.Value:
    """Add an initialiser."""
    tensor.name = name
    value = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape.numpy()), const_value=tensor
    )
    graph.register_initializer(value)
    return value


def _lift_initializers(graph: ir.Graph, main: ir.Graph, taken: Counter[str | None]) -> None:
    """Initialisers of a nested graph are constants like any other; one that is an output stays where it is."""
    for name, value in list(graph.initializers.items()):
        if value.is_graph_input() or value.is_graph_output() or value.const_value is None:
            continue
        fresh = register(main, _unique(name, 1, taken), value.const_value)
        value.replace_all_uses_with(fresh)
        del graph.initializers[name]


def _unique(name: str, own: int, taken: Counter[str | None]) -> str:
    """``name`` when nothing but ``own`` values have it (the one that is about to go), else a numbered one."""
    if taken[name] <= own:
        taken[name] += 1 - own
        return name
    taken[name] -= own
    count = 1
    while taken[f"{name}_{count}"]:
        count += 1
    taken[f"{name}_{count}"] = 1
    return f"{name}_{count}"


def tensor_of(node: ir.Node) -> ir.TensorProtocol:
    """The value of a Constant node, whichever of its attributes holds it."""
    attribute = next(iter(node.attributes.values()))
    if attribute.name == "value":
        return attribute.as_tensor()
    if attribute.name.startswith("value_string"):
        strings = attribute.value if attribute.name == "value_strings" else [attribute.value]
        shape = [len(strings)] if attribute.name == "value_strings" else []
        return ir.StringTensor([text.encode() if isinstance(text, str) else text for text in strings],
                               shape=ir.Shape(shape))  # fmt: skip
    integral = attribute.name.startswith("value_int")
    return ir.Tensor(np.asarray(attribute.value, np.int64 if integral else np.float32))
