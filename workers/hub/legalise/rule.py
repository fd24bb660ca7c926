"""What a legalisation rule is, and the registry of all of them: operator -> the rules that can say it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Node

Results = ir.Value | Sequence[ir.Value | None] | None
Function = Callable[[GraphBuilder, Node], Results]


@dataclass(frozen=True, slots=True)
class Rule:
    """One ONNX -> ONNX rewriting of one operator.

    ``apply(g, node)`` adds the new nodes through ``g`` and returns the values that take the place of the node's
    outputs (None for an output that nothing reads), or None when the rule does not fit: what it added is taken back.
    """

    name: str
    op: str
    description: str
    apply: Function


RULES: dict[str, list[Rule]] = {}


def rule(op: str | Sequence[str], name: str, description: str) -> Callable[[Function], Function]:
    """Register a rule for one operator or several; rules of one operator are tried in the order of registration."""

    def add(function: Function) -> Function:
        for operator in [op] if isinstance(op, str) else op:
            rules = RULES.setdefault(operator, [])
            if any(other.name == name for other in rules):
                raise ValueError(f"{operator} has two rules called {name}")
            rules.append(Rule(name, operator, description, function))
        return function

    return add
