"""How patterns are written: a function a final operator, which looks upstream and adds one node that says it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.write.registry import DOMAIN
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import scalar
from workers.hub.node import Dim, Node

Pattern = Callable[[GraphBuilder, Node], "Value | None"]
PATTERNS: dict[str, list[Pattern]] = {}


def ends_in(*operators: str) -> Callable[[Pattern], Pattern]:
    """Register a pattern by the operator of its last node; patterns of one operator are tried in order."""

    def add(pattern: Pattern) -> Pattern:
        for operator in operators:
            PATTERNS.setdefault(operator, []).append(pattern)
        return pattern

    return add


def caffe(
    g: GraphBuilder, op: str, *inputs: Any, like: Value, shape: tuple[Dim, ...] | None = None, **rest: Any
) -> Value:
    """A node of Caffe's own domain whose result has the type (and, unless given, the shape) of ``like``."""
    value = g.op(op, *inputs, domain=DOMAIN, **rest)
    value.type = ir.TensorType(ir.DataType.FLOAT)
    value.shape = like.shape if shape is None else ir.Shape(shape)
    return value


def maker(value: Value | None, *operators: str) -> Node | None:
    """The node behind ``value`` if it is of one of these operators (``caffe::Power`` for Caffe's own)."""
    producer = None if value is None else value.producer()
    if producer is None:
        return None
    node = Node(producer)
    return node if node.key in operators else None


def alone(value: Value) -> bool:
    """Whether only one node reads ``value``, once or as both operands, so that merging its maker loses nothing."""
    return not value.is_graph_output() and len({use.node for use in value.uses()}) == 1


def number_and_other(node: Node) -> tuple[float, Value] | None:
    """The lone constant among two operands and the other one, which has the shape of the result."""
    for index in (1, 0):
        value, other = scalar(node.input(index)), node.x(1 - index)
        if (
            value is not None
            and node.const(1 - index) is None
            and len(node.shape(index) or ()) <= len(node.shape(1 - index) or ())
        ):
            return (value, other) if np.isfinite(value) else None
    return None


def square_of(value: Value | None) -> Value | None:
    """x when ``value`` is x * x or x to the power of 2."""
    node = maker(value, "Mul", "Pow", "caffe::Power")
    if node is None:
        return None
    if node.op == "Mul":
        return node.x(0) if node.x(0) is node.x(1) else None
    if node.key == "Pow":
        return node.x(0) if scalar(node.input(1)) == 2.0 else None
    plain = (node.f("power", 1.0), node.f("scale", 1.0), node.f("shift", 0.0))
    return node.x(0) if plain == (2.0, 1.0, 0.0) else None
