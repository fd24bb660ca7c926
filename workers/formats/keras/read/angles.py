"""The angle of a point in the plane, which ONNX has no operator for."""

from __future__ import annotations

import math

from workers.formats.keras.read.layer import Layer
from workers.hub.graph import GraphBuilder, Value


def angle(g: GraphBuilder, layer: Layer, y: Value, x: Value) -> Value:
    """By quadrants: atan(y / x), half a turn added where x is negative."""
    zero, half = layer.number(x, 0), layer.number(x, math.pi)
    turned = g.Where(g.Less(y, zero), g.Neg(half), half)
    base = g.Atan(g.Div(y, g.Where(g.Equal(x, zero), layer.number(x, 1), x)))
    found = g.Where(g.Less(x, zero), g.Add(base, turned), base)
    upright = g.Mul(g.Sign(y), layer.number(x, math.pi / 2))
    return g.Where(g.Equal(x, zero), upright, found)
