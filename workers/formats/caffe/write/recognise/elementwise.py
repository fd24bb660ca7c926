"""Power, Scale, Eltwise, Swish and Threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.write.elementwise import constant_block
from workers.formats.caffe.write.recognise.pattern import alone, caffe, ends_in, maker, number_and_other
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import scalar
from workers.hub.node import Node, shape_of

Power = tuple[float, float, float]
POWERS = ("Mul", "Add", "Pow", "Sqrt", "Reciprocal", "Neg", "caffe::Power")


def as_power(node: Node) -> tuple[Power, Value] | None:
    """(power, scale, shift) of a node that computes (shift + scale * x) ^ power, and x."""
    if node.key == "caffe::Power":
        return (node.f("power", 1.0), node.f("scale", 1.0), node.f("shift", 0.0)), node.x()
    fixed = {"Sqrt": (0.5, 1.0, 0.0), "Reciprocal": (-1.0, 1.0, 0.0), "Neg": (1.0, -1.0, 0.0)}.get(node.op)
    if fixed is not None:
        return fixed, node.x()
    if node.op == "Mul" and node.x(0) is node.x(1):
        return (2.0, 1.0, 0.0), node.x()
    if node.op == "Pow":
        exponent = scalar(node.input(1))
        return None if exponent is None or node.const(0) is not None else ((exponent, 1.0, 0.0), node.x())
    found = number_and_other(node)
    if found is None:
        return None
    constant, x = found
    return ((1.0, constant, 0.0), x) if node.op == "Mul" else ((1.0, 1.0, constant), x)


def _merged(inner: Power, outer: Power) -> Power | None:
    """outer(inner(x)) as one Power; None when it is none, or would round otherwise (a shift scaled afterwards)."""
    (p1, s1, h1), (p2, s2, h2) = inner, outer
    if p1 == 1.0 and (s2 == 1.0 or h1 == 0.0):
        return p2, s1 * s2, h1 * s2 + h2
    if p1 == 0.5 and (s2, h2) == (1.0, 0.0) and p2 == -1.0:
        return -0.5, s1, h1
    return None


@ends_in("Mul", "Add", "Pow", "Sqrt", "Reciprocal", "Neg")
def power(g: GraphBuilder, node: Node) -> Value | None:
    """(shift + scale * x) ^ power, from Mul, Add and Pow with lone constants; a square of anything is one as well."""
    outer = as_power(node)
    if outer is None or node.outputs[0].dtype != ir.DataType.FLOAT:
        return None
    parameters, x = outer
    producer = maker(x, *POWERS)
    inner = None if producer is None or not alone(x) else as_power(producer)
    merged = None if inner is None else _merged(inner[0], parameters)
    if inner is not None and merged is not None:
        parameters, x = merged, inner[1]
    elif node.op != "Mul" or node.x(0) is not node.x(1):
        return None
    named: dict[str, Any] = dict(
        zip(("power", "scale", "shift"), (float(number) for number in parameters), strict=True)
    )
    return caffe(g, "Power", x, like=node.outputs[0], **named)


@ends_in("Expand")
def constant(g: GraphBuilder, node: Node) -> Value | None:
    """A number expanded to the shape of x: Caffe's Power with scale 0."""
    filler, shape = scalar(node.input(0)), maker(node.input(1), "Shape")
    if filler is None or shape is None or shape.i("start") or shape.has("end"):
        return None
    return caffe(g, "Power", shape.x(), like=node.outputs[0], power=1.0, scale=0.0, shift=filler)


@ends_in("Add")
def scale_and_shift(g: GraphBuilder, node: Node) -> Value | None:
    """x * weight + bias with constants over the same axes: one Scale layer."""
    for index in (1, 0):
        bias = constant_block(node, index)
        product = maker(node.input(1 - index), "Mul")
        if bias is None or product is None or not alone(product.outputs[0]):
            continue
        for place in (1, 0):
            weight = constant_block(product, place)
            if weight is None or (weight[1].ndim == 0 and bias[1].ndim == 0):
                continue
            if weight[0] == bias[0] or 0 in (weight[1].ndim, bias[1].ndim):
                axes, like = (weight[0], weight[1]) if weight[1].ndim else (bias[0], bias[1])
                arrays = [np.broadcast_to(block, like.shape) for block in (weight[1], bias[1])]
                names = [f"{node.layer}.scale", f"{node.layer}.shift"]
                values = [g.weight(name, array) for name, array in zip(names, arrays, strict=True)]
                return caffe(g, "Scale", product.x(1 - place), *values, like=node.outputs[0], axis=axes[0])
    return None


def _terms(value: Value, coefficient: float, shape: object) -> list[tuple[float, Value]]:
    """``coefficient * value`` as a weighted sum of tensors of ``shape``, through sums that nothing else reads."""
    node = maker(value, "Add", "Sub", "Mul", "Neg", "Sum", "caffe::Eltwise", "caffe::Power") if alone(value) else None
    if node is None:
        return [(coefficient, value)]
    if node.op in ("Mul", "Neg", "Power"):
        found = as_power(node)
        if found is None or found[0][0] != 1.0 or found[0][2] != 0.0:
            return [(coefficient, value)]
        return _terms(found[1], coefficient * found[0][1], shape)
    parts = [part for part in node.inputs if part is not None]
    if any(shape_of(part) != shape or part.const_value is not None for part in parts):
        return [(coefficient, value)]
    signs = list(node.floats("coeff")) or ([1.0, -1.0] if node.op == "Sub" else [1.0] * len(parts))
    if node.s("operation", "SUM") != "SUM":
        return [(coefficient, value)]
    return [term for part, sign in zip(parts, signs, strict=True) for term in _terms(part, coefficient * sign, shape)]


@ends_in("Add", "Sub", "Sum")
def weighted_sum(g: GraphBuilder, node: Node) -> Value | None:
    """A sum of equally shaped tensors, each times a number."""
    shape = node.out_shape()
    inputs = [value for value in node.inputs if value is not None]
    if shape is None or any(shape_of(value) != shape or value.const_value is not None for value in inputs):
        return None
    signs = [1.0, -1.0] if node.op == "Sub" else [1.0] * len(inputs)
    terms = [term for value, sign in zip(inputs, signs, strict=True) for term in _terms(value, sign, shape)]
    if len(terms) == len(inputs) and all(value is other for (_, value), other in zip(terms, inputs, strict=True)):
        return None
    coefficients = [coefficient for coefficient, _ in terms]
    given = coefficients if any(coefficient != 1.0 for coefficient in coefficients) else None
    return caffe(g, "Eltwise", *(value for _, value in terms), like=node.outputs[0], operation="SUM", coeff=given)


@ends_in("Mul")
def product(g: GraphBuilder, node: Node) -> Value | None:
    """A product of three or more equally shaped tensors."""
    shape = node.out_shape()
    factors: list[Value] = []
    for value in (node.x(0), node.x(1)):
        inner = maker(value, "Mul", "caffe::Eltwise") if alone(value) and node.x(0) is not node.x(1) else None
        parts = [value] if inner is None else [part for part in inner.inputs if part is not None]
        if inner is not None and inner.key == "caffe::Eltwise" and inner.s("operation") != "PROD":
            parts = [value]
        factors += parts
    if len(factors) < 3 or any(shape_of(value) != shape or value.const_value is not None for value in factors):
        return None
    return caffe(g, "Eltwise", *factors, like=node.outputs[0], operation="PROD")


@ends_in("Mul")
def swish(g: GraphBuilder, node: Node) -> Value | None:
    """x * Sigmoid(x)."""
    for index in (0, 1):
        gate = maker(node.input(index), "Sigmoid")
        if gate is not None and gate.x() is node.x(1 - index):
            return caffe(g, "Swish", gate.x(), like=node.outputs[0])
    return None


@ends_in("Cast")
def input_of_integers(g: GraphBuilder, node: Node) -> Value | None:
    """An input of whole numbers turned to floats: in Caffe it is one of floats from the start."""
    whole = node.dtype() is not None and node.dtype().is_integer()  # type: ignore[union-attr]
    if not node.x().is_graph_input() or not whole or node.i("to") != ir.DataType.FLOAT:
        return None
    return caffe(g, "Power", node.x(), like=node.outputs[0], power=1.0, scale=1.0, shift=0.0)


@ends_in("Max", "Min")
def clamp(g: GraphBuilder, node: Node) -> Value | None:
    """Max and Min with a number each, in either order: Clip."""
    other = "Min" if node.op == "Max" else "Max"
    if len(node.inputs) != 2:
        return None
    outer = number_and_other(node)
    inner = None if outer is None else maker(outer[1], other)
    first = None if inner is None or len(inner.inputs) != 2 else number_and_other(inner)
    if outer is None or first is None or not alone(outer[1]):
        return None
    low, high = (first[0], outer[0]) if node.op == "Min" else (outer[0], first[0])
    return g.Clip(first[1], np.float32(low), np.float32(high)) if low <= high else None


@ends_in("ThresholdedRelu")
def thresholded(g: GraphBuilder, node: Node) -> Value | None:
    """x where x > alpha, else 0."""
    step = caffe(g, "Threshold", node.x(), like=node.outputs[0], threshold=node.f("alpha", 1.0))
    return g.Mul(node.x(), step)


@ends_in("Cast")
def threshold(g: GraphBuilder, node: Node) -> Value | None:
    """1 where x > threshold, else 0."""
    greater = maker(node.x(), "Greater")
    if greater is None or node.i("to") != ir.DataType.FLOAT:
        return None
    limit = scalar(greater.input(1))
    if limit is None or len(greater.shape(1) or ()) > (greater.rank or 0):
        return None
    return caffe(g, "Threshold", greater.x(0), like=node.outputs[0], threshold=limit)
