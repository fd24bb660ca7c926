"""Nodes stand in topological order, as near to the order they came in as that allows."""

from __future__ import annotations

import onnx_ir as ir

from workers.errors import CheckerFailed
from workers.hub.normalise.change import changed
from workers.options import Options
from workers.report.schema import Change


def sort_graph(model: ir.Model, options: Options) -> list[Change]:
    """Sort every graph. Raises CheckerFailed when nodes need each other."""
    before = list(model.graph)
    try:
        model.graph.sort()
    except ValueError as error:
        raise CheckerFailed(f"the graph has a cycle: {error}") from error
    moved = [node.name or "" for old, node in zip(before, model.graph, strict=True) if old is not node]
    return changed("sort", "Nodes were put in topological order.", moved)
