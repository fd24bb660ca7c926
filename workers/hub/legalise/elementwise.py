"""Arithmetic of two and more operands, and powers."""

from __future__ import annotations

from functools import reduce

import numpy as np

from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.legalise.dims import float_constant, scalar
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node


def number(like: Value, value: float) -> Array:
    """``value`` as a scalar of the element type of ``like``."""
    if like.dtype is None:
        raise ValueError(f"the element type of {like.name!r} is unknown")
    return np.asarray(value, like.dtype.numpy())


def is_float(value: Value) -> bool:
    return value.dtype is not None and value.dtype.is_floating_point()


@rule("Sub", "sub-constant-to-add", "Subtracting a constant is adding its negative.")
def sub_constant_to_add(g: GraphBuilder, node: Node) -> Results:
    c = float_constant(node, 1)
    return None if c is None else g.Add(node.x(0), g.constant(-c))


@rule("Sub", "sub-to-add", "a - b is a + (-b).")
def sub_to_add(g: GraphBuilder, node: Node) -> Results:
    if not is_float(node.x()):
        return None
    return g.Add(node.x(0), g.Neg(node.x(1)))


@rule("Neg", "neg-to-mul", "-x is x * -1.")
def neg_to_mul(g: GraphBuilder, node: Node) -> Results:
    return g.Mul(node.x(), number(node.x(), -1))


@rule("Div", "div-constant-to-mul", "Dividing by a constant is multiplying by its reciprocal (one rounding apart).")
def div_constant_to_mul(g: GraphBuilder, node: Node) -> Results:
    c = float_constant(node, 1)
    if c is None or not np.all(c):
        return None
    return g.Mul(node.x(0), g.constant((1 / c.astype(np.float64)).astype(c.dtype)))


@rule("Div", "div-to-mul", "a / b is a * (1 / b) (one rounding apart).")
def div_to_mul(g: GraphBuilder, node: Node) -> Results:
    if not is_float(node.x(1)):
        return None
    reciprocal = g.Reciprocal(node.x(1))
    return reciprocal if scalar(node.x(0)) == 1.0 and node.rank == 0 else g.Mul(node.x(0), reciprocal)


@rule("Reciprocal", "reciprocal-to-pow", "1 / x is x to the power of -1.")
def reciprocal_to_pow(g: GraphBuilder, node: Node) -> Results:
    return g.Pow(node.x(), number(node.x(), -1))


@rule("Reciprocal", "reciprocal-to-div", "1 / x is a division.")
def reciprocal_to_div(g: GraphBuilder, node: Node) -> Results:
    return g.Div(number(node.x(), 1), node.x())


@rule("Sqrt", "sqrt-to-pow", "The square root is the power of one half.")
def sqrt_to_pow(g: GraphBuilder, node: Node) -> Results:
    return g.Pow(node.x(), number(node.x(), 0.5))


@rule("Pow", "pow-by-arithmetic", "Powers of -1, 1/2, 1, 2, 3 and 4 are reciprocal, root and products.")
def pow_by_arithmetic(g: GraphBuilder, node: Node) -> Results:
    x, exponent = node.x(0), scalar(node.input(1))
    if exponent == -1.0 and is_float(x):
        return g.Reciprocal(x)
    if exponent == 0.5:
        return g.Sqrt(x)
    if exponent == -0.5:
        return g.Reciprocal(g.Sqrt(x))
    if exponent not in (1.0, 2.0, 3.0, 4.0):
        return None
    if exponent == 4.0:
        square = g.Mul(x, x)
        return g.Mul(square, square)
    return reduce(lambda power, _: g.Mul(power, x), range(int(exponent) - 1), x)


@rule("Pow", "pow-to-exp-log", "A positive constant to the power of x is Exp(x * ln c).")
def pow_to_exp(g: GraphBuilder, node: Node) -> Results:
    base = scalar(node.input(0))
    if base is None or base <= 0 or node.const(1) is not None or node.rank != 0:
        return None
    return g.Exp(g.Mul(node.x(1), number(node.x(1), float(np.log(base)))))


def _pairwise(g: GraphBuilder, node: Node, op: str) -> Value:
    return reduce(lambda a, b: g.op(op, a, b), [node.x(index) for index in range(len(node.inputs))])


@rule("Sum", "sum-to-add", "A sum of several is a chain of Adds.")
def sum_to_add(g: GraphBuilder, node: Node) -> Results:
    return _pairwise(g, node, "Add")


@rule("Mean", "mean-to-sum", "The mean of several tensors is their sum times 1/n.")
def mean_to_sum(g: GraphBuilder, node: Node) -> Results:
    total = g.Sum(*node.inputs) if len(node.inputs) > 1 else node.x()
    return g.Mul(total, number(node.x(), 1 / len(node.inputs)))


@rule(("Max", "Min"), "extremum-of-one", "The maximum or minimum of a single tensor is that tensor.")
def extremum_of_one(g: GraphBuilder, node: Node) -> Results:
    return node.x() if len(node.inputs) == 1 else None


@rule(("Max", "Min"), "extremum-of-two", "The maximum or minimum of several is taken of two at a time.")
def extremum_of_two(g: GraphBuilder, node: Node) -> Results:
    return _pairwise(g, node, node.op) if len(node.inputs) > 2 else None


@rule(("Max", "Min"), "extremum-to-clip", "The maximum or minimum with a scalar constant is a Clip.")
def extremum_to_clip(g: GraphBuilder, node: Node) -> Results:
    if len(node.inputs) != 2:
        return None
    for index in (0, 1):
        bound, rank = scalar(node.input(index)), len(node.shape(1 - index) or ())
        if bound is not None and len(node.shape(index) or ()) <= rank and node.const(1 - index) is None:
            x = node.x(1 - index)
            limits = (number(x, bound), None) if node.op == "Max" else (None, number(x, bound))
            return g.Clip(x, *limits)
    return None


@rule("Min", "min-to-max", "The minimum is the negative of the maximum of the negatives.")
def min_to_max(g: GraphBuilder, node: Node) -> Results:
    if not is_float(node.x()):
        return None
    return g.Neg(g.Max(*(g.Neg(node.x(index)) for index in range(len(node.inputs)))))


@rule("Abs", "abs-to-max", "|x| is the larger of x and -x.")
def abs_to_max(g: GraphBuilder, node: Node) -> Results:
    return g.Max(node.x(), g.Neg(node.x())) if is_float(node.x()) else None


@rule("Identity", "identity", "An Identity is left out.")
def identity(g: GraphBuilder, node: Node) -> Results:
    return None if node.outputs[0].is_graph_output() else node.x()


@rule("Dropout", "dropout-at-inference", "Dropout does nothing at inference.")
def dropout(g: GraphBuilder, node: Node) -> Results:
    mode = scalar(node.input(2))
    unused = len(node.outputs) < 2 or not (node.outputs[1].uses() or node.outputs[1].is_graph_output())
    return node.x() if unused and (node.input(2) is None or mode == 0) else None
