"""Cutting a model: the tensors that cross a place in it, and the part between given tensors as a model of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from workers.hub.provenance import layer_of

Arrays = Mapping[str, npt.NDArray[Any]]


def part(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str], known: Arrays | None = None) -> ir.Model:
    """The nodes that compute ``outputs`` from ``inputs`` (and from weights, which are shared, not copied).

    ``known`` are arrays by tensor name: an input whose shape or type the model does not state takes its array's.
    Raises ValueError when ``outputs`` need more than ``inputs``.
    """
    graph = ir.convenience.extract(model.graph, list(inputs), list(outputs))
    for value in graph.inputs:
        array = (known or {}).get(value.name or "")
        if array is not None and value.shape is None:
            value.shape = ir.Shape(array.shape)
        if array is not None and value.type is None:
            value.type = ir.TensorType(ir.DataType.from_numpy(array.dtype))
    return ir.Model(
        graph, ir_version=model.ir_version, producer_name=model.producer_name, metadata_props=dict(model.metadata_props)
    )


def needed_inputs(model: ir.Model, nodes: Sequence[ir.Node]) -> list[str]:
    """The graph inputs that ``nodes`` read, in the graph's order."""
    read = {id(value) for node in nodes for value in outer_inputs(node)}
    return [value.name or "" for value in model.graph.inputs if id(value) in read]


def crossing(nodes: Sequence[ir.Node], outputs: Sequence[ir.Value], start: int, end: int) -> list[ir.Value]:
    """Tensors made by ``nodes[start:end]`` that ``nodes[end:]`` or the graph's ``outputs`` still need, in order."""
    later = {id(value) for node in nodes[end:] for value in outer_inputs(node)} | {id(value) for value in outputs}
    return [value for node in nodes[start:end] for value in node.outputs if id(value) in later and value.name]


def entering(nodes: Sequence[ir.Node]) -> list[ir.Value]:
    """Tensors that ``nodes`` read and do not make: computed ones and graph inputs, not weights."""
    made = {id(value) for node in nodes for value in node.outputs}
    found: dict[int, ir.Value] = {}
    for node in nodes:
        for value in outer_inputs(node):
            if id(value) not in made and not value.is_initializer():
                found.setdefault(id(value), value)
    return list(found.values())


def outer_inputs(node: ir.Node) -> list[ir.Value]:
    """What a node reads, by its inputs or from inside its sub-graphs."""
    values = [value for value in node.inputs if value is not None]
    for attribute in node.attributes.values():
        if attribute.is_ref():
            continue
        if attribute.type == ir.AttributeType.GRAPH:
            values += _from_outside(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            for graph in attribute.as_graphs():
                values += _from_outside(graph)
    return values


def _from_outside(graph: ir.Graph) -> list[ir.Value]:
    inside = {id(value) for value in graph.inputs} | {id(value) for value in graph.initializers.values()}
    inside |= {id(value) for node in graph for value in node.outputs}
    used = [value for node in graph for value in outer_inputs(node)] + list(graph.outputs)
    return [value for value in used if id(value) not in inside]


def layer_ends(nodes: Sequence[ir.Node]) -> list[int]:
    """How many nodes lie before each place where one source layer ends and another begins; the last is all of them."""
    return [
        index + 1
        for index, node in enumerate(nodes)
        if index + 1 == len(nodes) or layer_of(node) != layer_of(nodes[index + 1])
    ]


def segment(value: ir.Value, known: set[str]) -> tuple[list[str], list[ir.Node]]:
    """The nearest tensors upstream of ``value`` that are in ``known`` (or graph inputs), and the nodes in between."""
    inputs: dict[str, None] = {}
    nodes: dict[int, ir.Node] = {}
    waiting = [value]
    while waiting:
        producer = waiting.pop().producer()
        if producer is None or id(producer) in nodes:
            continue
        nodes[id(producer)] = producer
        for below in outer_inputs(producer):
            if below.is_initializer():
                continue
            if below.name in known or below.is_graph_input():
                inputs[below.name or ""] = None
            else:
                waiting.append(below)
    return list(inputs), list(nodes.values())
