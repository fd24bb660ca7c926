"""Inputs and outputs whose axes lie in the order that the user wants."""

from __future__ import annotations

import onnx_ir as ir

from workers.errors import InvalidOptions
from workers.hub.graph import GraphBuilder
from workers.hub.node import shape_of
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

OWN = {3: "NCW", 4: "NCHW", 5: "NCDHW"}
"""What the model's axes are called, by their number."""


def lay_out(model: ir.Model, options: Options) -> list[Change]:
    """Transpose what ``options.io_layout`` names, at the model's border only.

    Raises InvalidOptions for names that are neither inputs nor outputs, and for orders that are none of their axes.
    """
    graph = model.graph
    inputs = {value.name: value for value in graph.inputs}
    outputs = {value.name: value for value in graph.outputs}
    laid = []
    for name, order in options.io_layout.items():
        if name not in inputs and name not in outputs:
            known = ", ".join(map(repr, (*inputs, *outputs)))
            raise InvalidOptions(f"io_layout names {name!r}, which is no input or output", hint=f"There are {known}.")
        own = _own(inputs.get(name) or outputs[name], order)
        if order == own:
            continue
        if name in inputs:
            _lay_input(graph, inputs[name], [order.index(letter) for letter in own], [own.index(x) for x in order])
        else:
            _lay_output(graph, outputs[name], [own.index(letter) for letter in order])
        laid.append(name)
    return changed("io-layout", "These inputs and outputs have their axes in the order that the options ask for.", laid)


def _own(value: ir.Value, order: str) -> str:
    own = OWN.get(len(value.shape) if value.shape is not None else 0)
    if own is None or sorted(order) != sorted(own):
        told = f"is one of the axes {own}" if own else "has no known order: it has not three, four or five axes"
        raise InvalidOptions(f"the layout {order!r} of {value.name!r} does not fit: it {told}")
    return own


def _lay_input(graph: ir.Graph, value: ir.Value, back: list[int], forth: list[int]) -> None:
    """``back`` brings the new order to the model's, ``forth`` the model's to the new."""
    uses, first = list(value.uses()), next(iter(graph), None)
    shape = shape_of(value) or ()
    value.shape = ir.Shape([shape[axis] for axis in forth])
    g = GraphBuilder(graph=graph, before=first)
    with g.layer(value.name or "input", "Input"):
        inner = g.Transpose(value, perm=back)
    for use in uses:
        use.node.replace_input_with(use.idx, inner)
    for index, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[index] = inner


def _lay_output(graph: ir.Graph, value: ir.Value, forth: list[int]) -> None:
    producer = value.producer()
    g = GraphBuilder(graph=graph)
    name = value.name or ""
    index = list(graph.outputs).index(value)
    if not value.is_graph_input():
        value.name = f"{name}.inner"
    with g.layer(layer_of(producer) if producer else name, layer_type_of(producer) if producer else "Output"):
        outer = g.Transpose(value, perm=forth)
    outer.name = name
    graph.outputs[index] = outer
