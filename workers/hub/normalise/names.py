"""Every value and node has a valid, unique name that is the same each time; inputs and outputs keep the source's."""

from __future__ import annotations

import re

import onnx_ir as ir

from workers.hub.naming import unique
from workers.hub.normalise.change import changed
from workers.options import Options
from workers.report.schema import Change

INVALID = re.compile(r"[^A-Za-z0-9_.]")


def name_all(model: ir.Model, options: Options) -> list[Change]:
    """Rename inner values and nodes to ``[A-Za-z_][A-Za-z0-9_.]*``, unique over the model; a clash gets a number."""
    fixed = {value.name or "" for value in (*model.graph.inputs, *model.graph.outputs)}
    values, nodes = set(fixed), set[str]()
    renamed = []
    for graph in model.graphs():
        own = {id(value) for value in (*model.graph.inputs, *model.graph.outputs)}
        for value in _values(graph):
            if id(value) not in own and value.name != "":
                name = unique(valid(value.name or "value"), values)
                if name != value.name:
                    renamed.append(value.name or "")
                    _rename(graph, value, name)
        for node in graph:
            node.name = unique(valid(node.name or node.op_type), nodes)
    return changed("names", "Names were made valid and unique.", renamed)


def valid(name: str) -> str:
    """The name as an identifier: other characters become underscores, a leading digit gets one."""
    cleaned = INVALID.sub("_", name)
    return cleaned if re.match(r"[A-Za-z_]", cleaned) else f"_{cleaned}"


def _values(graph: ir.Graph) -> list[ir.Value]:
    return [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]


def _rename(graph: ir.Graph, value: ir.Value, name: str) -> None:
    if value.is_initializer():
        del graph.initializers[value.name or ""]
        value.name = name
        graph.initializers[name] = value
    else:
        value.name = name
