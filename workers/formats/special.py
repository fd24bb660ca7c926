"""Special functions that ONNX has no operator for, the same in every framework."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import Array, GraphBuilder, Value

# Giles' single-precision inverse of the error function (2010), in w - 2.5 and in sqrt(w) - 3, highest power first.
_MIDDLE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAILS = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def polynomial(g: GraphBuilder, x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's way, the highest power first, in the type of ``x``."""
    total: Value = g.constant(_number(x, coefficients[0]))
    for coefficient in coefficients[1:]:
        total = g.Add(g.Mul(total, x), _number(x, coefficient))
    return total


def erfinv(g: GraphBuilder, x: Value) -> Value:
    """The inverse of the error function for floats in (-1, 1): a polynomial in w = -ln((1 - x)(1 + x)) times x."""
    one = _number(x, 1)
    w = g.Neg(g.Log(g.Mul(g.Sub(one, x), g.Add(one, x))))
    middle = polynomial(g, g.Sub(w, _number(x, 2.5)), _MIDDLE)
    tails = polynomial(g, g.Sub(g.Sqrt(g.Abs(w)), _number(x, 3)), _TAILS)
    return g.Mul(g.Where(g.Less(w, _number(x, 5)), middle, tails), x)


def _number(x: Value, value: float) -> Array:
    assert x.dtype is not None
    return np.asarray(value).astype(x.dtype.numpy())
