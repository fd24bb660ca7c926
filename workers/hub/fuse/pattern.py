"""What patterns are told by: who made a value for whom alone, numbers, and the factors of a product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import constant_of

CLOSE = 1e-3
"""Relative distance of a constant from the operator's: exporters write 1.4142 as well as 1.41421354."""


@dataclass(frozen=True, slots=True)
class Match:
    """A pattern that was found: ``make`` adds what takes the place of the output of ``last``."""

    code: str
    detail: str
    last: ir.Node
    make: Callable[[GraphBuilder], Value]


def made_by(value: Value | None, *ops: str, uses: int = 1) -> ir.Node | None:
    """The node of one of ``ops`` that makes ``value``, when ``uses`` inputs and no graph output read it."""
    node = None if value is None else value.producer()
    if node is None or value is None or node.op_type not in ops or node.domain:
        return None
    return node if len(value.uses()) == uses and not value.is_graph_output() else None


def only_reader(value: Value, *ops: str) -> ir.Node | None:
    """The one node that reads ``value``, in the same graph, when it is one of ``ops``."""
    uses = list(value.uses())
    if len(uses) != 1 or value.is_graph_output():
        return None
    node, producer = uses[0].node, value.producer()
    same = producer is not None and node.graph is producer.graph
    return node if same and node.op_type in ops and not node.domain else None


def number(value: Value | None) -> float | None:
    """The one number that a constant of one element holds."""
    array = constant_of(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def near(a: float | None, b: float) -> bool:
    return a is not None and abs(a - b) <= CLOSE * abs(b)


def sides(node: ir.Node) -> Iterator[tuple[Value, Value]]:
    """Both orders of the two inputs of an operator that does not care."""
    if len(node.inputs) == 2:
        a, b = node.inputs
        if a is not None and b is not None:
            yield a, b
            yield b, a


def product(node: ir.Node) -> tuple[float, list[Value]]:
    """The number and the other factors that a product comes to, through those that nothing else reads."""
    scale: float = 1.0
    factors: list[Value] = []
    for index, value in enumerate(node.inputs):
        told, inner = number(value), made_by(value, "Mul", "Div")
        if told is not None:
            scale = scale / told if index and _divides(node) else scale * told
        elif inner is not None and (inner.op_type == "Mul" or _divides(inner)):
            more, others = product(inner)
            scale, factors = scale * more, factors + others
        elif value is not None:
            factors.append(value)
    return (0.0, []) if node.op_type == "Div" and not _divides(node) else (scale, factors)


def _divides(node: ir.Node) -> bool:
    """Whether it divides by a number."""
    return node.op_type == "Div" and bool(number(node.inputs[1]))
