"""Every node gets a name and remembers which source layer it is, before anything is moved."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub import provenance
from workers.options import Options
from workers.report.schema import Change

FIRST_WITH_OPSETS = 3
"""IR version before which files named no opset, and were of the first."""


def name_sources(model: ir.Model, options: Options) -> list[Change]:
    """Nodes without a source are their own: their name (or a numbered operator) and operator become it.

    Functions are left out: their nodes, once inlined, belong to the layer that called them.
    """
    for graph in model.graphs():
        for index, node in enumerate(graph):
            node.domain = "" if node.domain == "ai.onnx" else node.domain
            if not node.name:
                first = next((value.name for value in node.outputs if value.name), None)
                node.name = first or f"{node.op_type}_{index}"
            provenance.mark(node, node.name, node.op_type)
    for function in model.functions.values():
        for node in function.all_nodes():
            node.domain = "" if node.domain == "ai.onnx" else node.domain
    imports = model.opset_imports
    if "ai.onnx" in imports:
        imports[""] = imports.pop("ai.onnx")
    if model.ir_version < FIRST_WITH_OPSETS:
        imports.setdefault("", 1)
    return []
