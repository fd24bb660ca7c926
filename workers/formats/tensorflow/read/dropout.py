"""What is left of dropout where nothing is dropped: a placeholder's default keeps all, though the graph still draws."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.hub.node import shape_of


def _number(g: Builder, x: Value | None) -> float:
    """A constant of one element; not a number for anything else."""
    array = g.const(x) if x is not None and g.is_const(x) else None
    return float(array.reshape(())) if array is not None and array.size == 1 else float("nan")


def _drawn(g: Builder, x: Value | None) -> bool:
    """Whether a value is drawn evenly from [0, 1)."""
    node = x.producer() if x is not None else None
    while node is not None and node.inputs and node.inputs[0] is not None:
        if node.op_type == "RandomUniformLike":
            return (node.attributes["low"].as_float(), node.attributes["high"].as_float()) == (0.0, 1.0)
        neutral = {"Mul": 1.0, "Add": 0.0}.get(node.op_type)
        if node.op_type != "Cast" and (neutral is None or _number(g, node.inputs[1]) != neutral):
            return False
        node = node.inputs[0].producer()
    return False


@reads("GreaterEqual")
def greater_equal(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """What is drawn from [0, 1) is never below a rate of 0."""
    if _number(g, y) <= 0 and _drawn(g, x):
        return g.reshaped(g.Expand(np.array(True), g.Shape(x)), layer.shape(x))
    return g.GreaterOrEqual(x, y)


@reads("Floor")
def floor(g: Builder, layer: Layer, x: Value) -> Value:
    """Of a whole number and something drawn from [0, 1) it is the number: the first releases' mask."""
    node = x.producer()
    if node is not None and node.op_type == "Add":
        for keep, noise in (node.inputs, node.inputs[::-1]):
            number = _number(g, keep)
            if number.is_integer() and _drawn(g, noise):
                return g.reshaped(g.Expand(layer.number(x, number), g.Shape(x)), layer.shape(x))
    return g.Floor(x) if layer.is_float(x) else x


def _one(g: Builder, x: Value) -> bool:
    """Whether all elements are 1."""
    node = x.producer()
    while node is not None and node.op_type in ("Cast", "Expand") and node.inputs[0] is not None:
        x, node = node.inputs[0], node.inputs[0].producer()
    return _number(g, x) == 1.0


@reads("Mul")
def mul(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """A product with ones of the same shape is the other factor."""
    for factor, ones in ((x, y), (y, x)):
        shape, other = shape_of(factor), shape_of(ones)
        fits = other == () or (shape is not None and None not in shape and other == shape)
        if fits and layer.is_float(factor) and not g.is_const(factor) and _one(g, ones):
            return factor
    return g.Mul(x, y)
