"""GELU as exporters spell it: by the error function, or by a hyperbolic tangent near it."""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx_ir as ir

from workers.hub.fuse.pattern import Match, made_by, near, number, product, sides
from workers.hub.graph import Value

CUBE = 0.044715
"""The factor of the cubic term in the tanh form."""


def gelu(node: ir.Node) -> Match | None:
    """``x * (1 + erf(x / sqrt(2))) / 2``, its factors in any order"""
    x = _gated(node, "Erf", _is_over_root_two)
    if x is None:
        return None
    return Match("gelu", "A GELU was spelt out by the error function.", node, lambda g: g.Gelu(x))


def tanh_gelu(node: ir.Node) -> Match | None:
    """``x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2``"""
    x = _gated(node, "Tanh", _is_cubic)
    if x is None:
        return None
    detail = "A GELU was spelt out by its approximation with a hyperbolic tangent."
    return Match("gelu", detail, node, lambda g: g.Gelu(x, approximate="tanh"))


def _gated(node: ir.Node, op: str, fits: Callable[[Value, Value], bool]) -> Value | None:
    """The ``x`` of ``x * (1 + f(..x..)) / 2``, where ``f`` is the operator and ``fits`` its input."""
    scale, factors = product(node)
    if len(factors) != 2:
        return None
    for x, gate in (factors, factors[::-1]):
        add = made_by(gate, "Add")
        for term, one in sides(add) if add is not None else ():
            constant, inner = number(one), made_by(term, "Mul", op)
            part, curve = 1.0, inner
            if inner is not None and inner.op_type == "Mul":
                part, inside = product(inner)
                curve = made_by(inside[0], op) if len(inside) == 1 else None
            halves = constant is not None and near(constant * scale, 0.5) and near(part * scale, 0.5)
            if halves and curve is not None and curve.inputs[0] is not None and fits(curve.inputs[0], x):
                return x
    return None


def _is_over_root_two(value: Value, x: Value) -> bool:
    node = made_by(value, "Mul", "Div")
    scale, factors = product(node) if node is not None else (0.0, [])
    return factors == [x] and near(scale, math.sqrt(0.5))


def _is_cubic(value: Value, x: Value) -> bool:
    node = made_by(value, "Mul")
    scale, factors = product(node) if node is not None else (0.0, [])
    add = made_by(factors[0], "Add") if len(factors) == 1 else None
    if add is None or not near(scale, math.sqrt(2 / math.pi)):
        return False
    return any(first is x and _is_cube(second, x) for first, second in sides(add))


def _is_cube(value: Value, x: Value) -> bool:
    node = made_by(value, "Mul")
    scale, factors = product(node) if node is not None else (0.0, [])
    if not near(scale, CUBE):
        return False
    if len(factors) == 1:
        power = made_by(factors[0], "Pow")
        return power is not None and power.inputs[0] is x and near(number(power.inputs[1]), 3.0)
    return factors == [x, x, x]
