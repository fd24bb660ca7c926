"""The registry of operators outside ONNX's own domain that are said in its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from workers.errors import UnsupportedLayer
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node

Rule = Callable[[GraphBuilder, Node], Sequence[Value | None] | Value]
MICROSOFT, ML = "com.microsoft", "ai.onnx.ml"
RULES: dict[tuple[str, str], Rule] = {}


def says(*names: str, domain: str = MICROSOFT) -> Callable[[Rule], Rule]:
    """Register the rule for these operators of ``domain``; it gives one value an output, None for one it leaves out."""

    def add(rule: Rule) -> Rule:
        for name in names:
            if (domain, name) in RULES:
                raise ValueError(f"{domain}::{name} has two rules")
            RULES[domain, name] = rule
        return rule

    return add


def refuse(node: Node, reason: str) -> UnsupportedLayer:
    return UnsupportedLayer("onnx", node.layer, node.key, reason)


def without(node: Node, **inputs: int) -> None:
    """Refuse a node that has one of these inputs: name and number."""
    for name, index in inputs.items():
        if node.input(index) is not None:
            raise refuse(node, f"its {name.replace('_', ' ')} has no counterpart in ONNX that is written")


def plus(g: GraphBuilder, x: Value, *others: Value | None) -> Value:
    """The sum of those that are there."""
    for other in others:
        x = x if other is None else g.Add(x, other)
    return x


def rank_of(node: Node, index: int) -> int:
    shape = node.shape(index)
    if shape is None:
        raise refuse(node, f"the rank of its input {index} is unknown")
    return len(shape)


def is_read(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()
