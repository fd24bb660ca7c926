"""From the hub to what a target can say: small, named ONNX -> ONNX rules, tried until the writer accepts every node.

A rule is tried only where the writer refuses. The rules of a family lie in one file; each is exact unless its
description says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from workers.errors import Unsupported, UnsupportedOperators
from workers.formats.contract import Note
from workers.formats.rules import Writes
from workers.hub.legalise.rule import RULES, Rule, rule
from workers.hub.legalise.search import Search
from workers.hub.legalise.tidy import merge_reshapes
from workers.hub.node import Node

FAMILIES = (
    "linear", "elementwise", "broadcast", "activation", "convolution", "padding", "pooling", "normalization",
    "reduction", "shape", "indexing", "resize", "recurrent",
)  # fmt: skip

for _family in FAMILIES:
    import_module(f"workers.hub.legalise.{_family}")


def legalise(model: ir.Model, writes: Writes, *, system: str) -> list[Note]:  # type: ignore[type-arg]
    """Rewrite ``model`` in place until ``writes`` accepts every node; the rules applied come back as notes.

    Raises UnsupportedOperators naming every node that is left: its source layer, type and the writer's own reason.
    """
    notes: list[Note] = []
    for graph in _graphs(model.graph):
        search = Search(graph, writes)
        for node in list(graph):
            if writes.why_not(Node(node)) is not None:
                search.replace(node)
        notes += search.notes
        if search.notes:
            merge_reshapes(graph, writes)
    # Nodes that fed only what was replaced (the shape of a Reshape, say) need not be expressed.
    RemoveUnusedNodesPass()(model)
    left = [_refusal(node, writes) for graph in _graphs(model.graph) for node in graph]
    refused = [item for item in left if item is not None]
    if refused:
        raise UnsupportedOperators(system, refused)
    return notes


def _graphs(graph: ir.Graph) -> Iterator[ir.Graph]:
    """``graph`` and all sub-graphs of its nodes, the outer ones first."""
    yield graph
    for node in list(graph):
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield from _graphs(attribute.as_graph())
            elif attribute.type == ir.AttributeType.GRAPHS:
                for inner in attribute.as_graphs():
                    yield from _graphs(inner)


def _refusal(node: ir.Node, writes: Writes) -> Unsupported | None:  # type: ignore[type-arg]
    view = Node(node)
    reason = writes.why_not(view)
    if reason is None:
        return None
    if view.layer_type != view.key:
        reason = f"{view.key}: {reason}"
    return Unsupported(view.layer, view.layer_type, reason)


__all__ = ["RULES", "Rule", "legalise", "rule"]
