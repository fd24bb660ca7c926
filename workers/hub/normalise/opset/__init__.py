"""The model comes to speak opset 21, node by node, each from the opset that it was written in.

Older nodes are re-spelt by adapters, one for every definition that changed between 1 and 21 (``oldest``: what opset 7
brought to an end; ``spelling``: parameters that became inputs; ``meaning``: the same words for something else). Newer
nodes are taken as they are where opset 21 says the same, and are spelt out by ONNX's own function bodies where it has
no such word (``newer``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import onnx
import onnx_ir as ir

from workers.errors import Unsupported, UnsupportedLayer, UnsupportedVersion
from workers.hub import OPSET
from workers.hub.graph import GraphBuilder
from workers.hub.infer import infer
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.normalise.opset import meaning, oldest, spelling
from workers.hub.normalise.opset.edit import told_of
from workers.hub.normalise.opset.newer import PREVIEW, bring_down
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change

Adapter = Callable[[GraphBuilder, Node], None]

KINDS = (oldest.ADAPTERS, spelling.ADAPTERS, meaning.ADAPTERS)
# Operator -> (opset of the new definition, what brings a node there), in the order of opsets.
ADAPTERS: Mapping[str, tuple[tuple[int, Adapter], ...]] = {
    op: tuple(sorted((step for kind in KINDS for step in kind.get(op, ())), key=lambda step: step[0]))
    for op in sorted({op for kind in KINDS for op in kind})
}


def convert_opset(model: ir.Model, options: Options) -> list[Change]:
    """Convert to opset 21. Raises UnsupportedVersion naming the nodes that stand in the way."""
    version = model.opset_imports.get("", OPSET)
    versions = {node.version or version for node in model.graph.all_nodes() if node.domain == ""} or {version}
    newer = max(versions) > OPSET or any(node.domain == PREVIEW for node in model.graph.all_nodes())
    expanded = bring_down(model) if newer else []
    respelt = _bring_up(model)
    for node in model.graph.all_nodes():
        node.version = None
    model.opset_imports[""] = OPSET
    if versions == {OPSET}:
        return []
    told = ", ".join(map(str, sorted(versions)))
    return [
        *changed("opset", f"The model was brought from opset {told} to {OPSET}.", [f"opset {told}"]),
        *changed("opset-adapters", "Nodes were re-spelt, since their operator's definition changed.", respelt),
        *changed("opset-functions", "Newer operators were spelt out as ONNX itself defines them.", expanded),
    ]


def _bring_up(model: ir.Model) -> list[str]:
    """Apply the adapters that lie between each node's opset and 21; the source layers that needed one."""
    respelt: list[str] = []
    refused: list[Unsupported] = []
    for graph in list(model.graphs()):
        builder = GraphBuilder(graph=graph)
        for node in list(graph):
            version = node.version or OPSET
            if node.domain or version >= OPSET:
                continue
            try:
                if _adapt(builder, node, version):
                    respelt.append(layer_of(node))
                _learn(node)
            except UnsupportedLayer as error:
                refused.append(error.item)
    if refused:
        raise UnsupportedVersion(
            f"opset {OPSET} cannot say {'; '.join(map(str, refused))}",
            hint="Export the model at a newer opset.",
            unsupported=[{"layer": item.layer, "op": item.type, "reason": item.reason} for item in refused],
        )
    return respelt


def _learn(node: ir.Node) -> None:
    """What an inlined function computed has no type yet, and the adapters behind it ask for ranks."""
    if node.graph is not None and any(value.type is None or value.shape is None for value in node.outputs):
        with suppress(onnx.shape_inference.InferenceError):
            infer(node)


def _adapt(builder: GraphBuilder, node: ir.Node, version: int) -> bool:
    steps = [adapt for since, adapt in ADAPTERS.get(node.op_type, ()) if version < since]
    if not steps and not onnx.defs.has(node.op_type, OPSET, ""):
        raise UnsupportedLayer("onnx", layer_of(node), node.op_type, f"opset {OPSET} has no such operator")
    g = builder.ahead_of(node)
    with g.layer(layer_of(node), node.metadata_props.get("onnxhub.layer_type", node.op_type)):
        for adapt in steps:
            with told_of(Node(node)):
                adapt(g, Node(node))
    return bool(steps)
