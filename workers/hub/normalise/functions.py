"""Model-local functions are inlined: readers and writers see ONNX's operators only."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from workers.errors import CheckerFailed
from workers.hub.load import innermost
from workers.hub.normalise.change import changed, layers
from workers.options import Options
from workers.report.schema import Change


def inline_functions(model: ir.Model, options: Options) -> list[Change]:
    """Put every function's body where it is called; its nodes belong to the calling node's source layer.

    Each node remembers the opset that it was written in, since a function brings its own. Raises CheckerFailed for
    functions that call themselves.
    """
    stamp_versions(model.graph, model.opset_imports)
    if not model.functions:
        return []
    for function in model.functions.values():
        stamp_versions(function.graph, function.opset_imports)
        for domain in function.opset_imports:
            model.opset_imports.setdefault(domain, function.opset_imports[domain])
        function.opset_imports.clear()
    calls = [node for node in model.graph.all_nodes() if node.op_identifier() in model.functions]
    where = layers(calls)
    try:
        InlinePass()(model)
    except (ir.passes.PreconditionError, ir.passes.PassError, ValueError, RuntimeError) as error:
        raise CheckerFailed(f"the model's functions cannot be inlined: {innermost(error)}") from error
    model.functions.clear()
    return changed("inline-functions", "Functions of the model were replaced by their bodies.", where)


def stamp_versions(graph: ir.Graph, imports: dict[str, int]) -> None:
    """Note on every node the opset in whose words it is written."""
    for node in graph.all_nodes():
        if node.version is None:
            node.version = imports.get(node.domain)
