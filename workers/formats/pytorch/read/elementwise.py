"""Elementwise arithmetic, comparisons and logic, with torch's type promotion."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from workers.formats.layer import FLOATS, cast
from workers.formats.pytorch.read.dtypes import floating, operand, result_type, together
from workers.formats.pytorch.read.layer import BOOL, F32, I64, Layer, reads
from workers.hub.graph import GraphBuilder, Value

# Functions of one floating tensor that ONNX has under another name or its own.
_FLOAT = {
    "sqrt": "Sqrt", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin",
    "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "erf": "Erf", "reciprocal": "Reciprocal", "arcsin": "Asin", "arccos": "Acos",
    "arctan": "Atan", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "special_erf": "Erf",
}  # fmt: skip
# Functions that keep integers as they are.
_KEEPING = {"abs": "Abs", "neg": "Neg", "absolute": "Abs", "negative": "Neg"}
_ROUNDING = {"floor": "Floor", "ceil": "Ceil", "round": "Round"}
# The version of TorchScript files from which on integers are divided into floats.
TRUE_DIVISION = 4
_COMPARISONS = {
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "less": "Less",
    "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual",
}  # fmt: skip


def _float_function(op: str) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Value) -> Value:
        return g.op(op, floating(g, self))

    return function


def _keeping_function(op: str) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Value) -> Value:
        return g.op(op, self)

    return function


def _comparison(op: str) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
        a, b = together(g, self, other)
        if a.dtype == BOOL and op != "Equal":
            a, b = cast(g, a, I64), cast(g, b, I64)
        return g.op(op, a, b)

    return function


def _rounding(op: str) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Value, decimals: Any = 0) -> Value:
        if self.dtype not in FLOATS:
            return g.Identity(self)
        places = layer.integer(decimals)
        if places == 0:
            return g.op(op, self)
        factor = operand(g, 10.0**places, self.dtype or F32)
        return g.Div(g.op(op, g.Mul(self, factor)), factor)

    return function


for _name, _op in _FLOAT.items():
    reads(f"aten::{_name}")(_float_function(_op))
for _name, _op in _KEEPING.items():
    reads(f"aten::{_name}")(_keeping_function(_op))
for _name, _op in _ROUNDING.items():
    reads(f"aten::{_name}")(_rounding(_op))
for _name, _op in _COMPARISONS.items():
    reads(f"aten::{_name}")(_comparison(_op))


@reads("aten::ne", "aten::not_equal")
def ne(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    return g.Not(g.Equal(*together(g, self, other)))


# --- arithmetic ------------------------------------------------------------------------------------------------------


@reads("aten::add")
def add(g: GraphBuilder, layer: Layer, self: Any, other: Any, alpha: Any = 1) -> Value:
    return _sum(g, "Add", "Or", self, other, alpha)


@reads("aten::sub", "aten::subtract")
def sub(g: GraphBuilder, layer: Layer, self: Any, other: Any, alpha: Any = 1) -> Value:
    return _sum(g, "Sub", "", self, other, alpha)


@reads("aten::rsub")
def rsub(g: GraphBuilder, layer: Layer, self: Any, other: Any, alpha: Any = 1) -> Value:
    dtype = result_type(self, other)
    scaled = operand(g, self, dtype)
    if alpha != 1:
        scaled = g.Mul(scaled, operand(g, alpha, dtype))
    return g.Sub(operand(g, other, dtype), scaled)


def _sum(g: GraphBuilder, op: str, logical: str, a: Any, b: Any, alpha: Any) -> Value:
    dtype = result_type(a, b)
    if dtype == BOOL and logical:
        return g.op(logical, operand(g, a, BOOL), operand(g, b, BOOL))
    if isinstance(b, bool | int | float) and alpha != 1 and isinstance(alpha, int | float):
        b, alpha = b * alpha, 1
    second = operand(g, b, dtype)
    if not isinstance(alpha, int | float) or alpha != 1:
        second = g.Mul(second, operand(g, alpha, dtype))
    return g.op(op, operand(g, a, dtype), second)


@reads("aten::mul", "aten::multiply")
def mul(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    a, b = together(g, self, other)
    return g.And(a, b) if a.dtype == BOOL else g.Mul(a, b)


@reads("aten::div", "aten::divide", "aten::true_divide")
def div(g: GraphBuilder, layer: Layer, self: Any, other: Any, rounding_mode: Any = None) -> Value:
    """True division gives floats; ``floor`` and ``trunc`` keep integers. Files older than version 4 divide integers
    towards zero."""
    a, b = together(g, self, other)
    if rounding_mode is None and layer.scope.version < TRUE_DIVISION and a.dtype not in FLOATS:
        return g.Div(a, b)
    if rounding_mode is None:
        return g.Div(floating(g, a), floating(g, b))
    if rounding_mode == "trunc":
        return _trunc(g, g.Div(a, b)) if a.dtype in FLOATS else g.Div(a, b)
    found: Value = floor_divide(g, layer, a, b)
    return found


def _trunc(g: GraphBuilder, x: Value) -> Value:
    return g.Mul(g.Sign(x), g.Floor(g.Abs(x)))


@reads("aten::trunc", "aten::fix")
def trunc(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return _trunc(g, self) if self.dtype in FLOATS else g.Identity(self)


@reads("aten::frac")
def frac(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Sub(self, _trunc(g, self))


@reads("aten::floor_divide", "aten::floordiv")
def floor_divide(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    """Rounds down; ONNX divides integers towards zero, and its Mod has the divisor's sign."""
    a, b = together(g, self, other)
    if a.dtype in FLOATS:
        return g.Floor(g.Div(a, b))
    if a.dtype is not None and a.dtype.name.startswith("U"):
        return g.Div(a, b)
    return g.Div(g.Sub(a, g.Mod(a, b)), b)


@reads("aten::remainder")
def remainder(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    """With the divisor's sign."""
    a, b = together(g, self, other)
    return g.Sub(a, g.Mul(g.Floor(g.Div(a, b)), b)) if a.dtype in FLOATS else g.Mod(a, b)


@reads("aten::fmod")
def fmod(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    """With the dividend's sign."""
    return g.Mod(*together(g, self, other), fmod=1)


@reads("aten::pow", "aten::float_power", "aten::special_pow")
def pow(g: GraphBuilder, layer: Layer, self: Any, exponent: Any) -> Value:
    if layer.type.endswith("float_power"):
        return g.Pow(operand(g, self, ir.DataType.DOUBLE), operand(g, exponent, ir.DataType.DOUBLE))
    if isinstance(exponent, int | float) and isinstance(self, ir.Value) and not isinstance(exponent, bool):
        if exponent == 0.5:
            return g.Sqrt(floating(g, self))
        dtype = result_type(self, exponent)
        return g.Pow(cast(g, self, dtype), operand(g, exponent, dtype))
    return g.Pow(*together(g, self, exponent))


@reads("aten::square")
def square(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Mul(self, self)


@reads("aten::rsqrt")
def rsqrt(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Reciprocal(g.Sqrt(floating(g, self)))


def _scaled_log(base: float) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Value) -> Value:
        x = floating(g, self)
        return g.Div(g.Log(x), operand(g, math.log(base), x.dtype or F32))

    return function


reads("aten::log2")(_scaled_log(2))
reads("aten::log10")(_scaled_log(10))


@reads("aten::log1p", "aten::special_log1p")
def log1p(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    return g.Log(g.Add(x, operand(g, 1.0, x.dtype or F32)))


@reads("aten::expm1", "aten::special_expm1")
def expm1(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    return g.Sub(g.Exp(x), operand(g, 1.0, x.dtype or F32))


@reads("aten::exp2", "aten::special_exp2")
def exp2(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    return g.Pow(operand(g, 2.0, x.dtype or F32), x)


@reads("aten::erfc", "aten::special_erfc")
def erfc(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    return g.Sub(operand(g, 1.0, x.dtype or F32), g.Erf(x))


@reads("aten::sign", "aten::sgn")
def sign(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Sign(self) if self.dtype != BOOL else g.Identity(self)


@reads("aten::signbit")
def signbit(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Less(self, operand(g, 0, self.dtype or F32))


@reads("aten::deg2rad", "aten::rad2deg")
def degrees(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    factor = math.pi / 180 if layer.type.endswith("deg2rad") else 180 / math.pi
    return g.Mul(x, operand(g, factor, x.dtype or F32))


@reads("aten::atan2", "aten::arctan2")
def atan2(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    """atan(y / x), turned by pi in the left half plane."""
    y, x = (floating(g, v) for v in together(g, self, other))
    dtype = x.dtype or F32
    zero, pi = operand(g, 0.0, dtype), operand(g, math.pi, dtype)
    base = g.Atan(g.Div(y, x))
    turned = g.Where(g.GreaterOrEqual(y, zero), g.Add(base, pi), g.Sub(base, pi))
    found = g.Where(g.Less(x, zero), turned, base)
    both = g.And(g.Equal(x, zero), g.Equal(y, zero))
    return g.Where(both, zero, found)


@reads("aten::maximum", "aten::fmax")
def maximum(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    return _extreme(g, "Max", self, other)


@reads("aten::minimum", "aten::fmin")
def minimum(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    return _extreme(g, "Min", self, other)


def _extreme(g: GraphBuilder, op: str, a: Any, b: Any) -> Value:
    x, y = together(g, a, b)
    return g.op({"Max": "Or", "Min": "And"}[op] if x.dtype == BOOL else op, x, y)


@reads("aten::clamp", "aten::clip")
def clamp(g: GraphBuilder, layer: Layer, self: Value, min: Any = None, max: Any = None) -> Value:
    bounds = [bound for bound in (min, max) if bound is not None]
    dtype = result_type(self, *bounds)
    x = cast(g, self, dtype)
    low, high = (None if bound is None else operand(g, bound, dtype) for bound in (min, max))
    if all(v is None or (v.shape is not None and not len(v.shape)) for v in (low, high)):
        return g.Clip(x, low, high)
    x = x if low is None else g.Max(x, low)
    return x if high is None else g.Min(x, high)


@reads("aten::clamp_min")
def clamp_min(g: GraphBuilder, layer: Layer, self: Value, min: Any) -> Value:
    found: Value = clamp(g, layer, self, min, None)
    return found


@reads("aten::clamp_max")
def clamp_max(g: GraphBuilder, layer: Layer, self: Value, max: Any) -> Value:
    found: Value = clamp(g, layer, self, None, max)
    return found


@reads("aten::addcmul")
def addcmul(g: GraphBuilder, layer: Layer, self: Value, tensor1: Value, tensor2: Value, value: Any = 1) -> Value:
    return _sum(g, "Add", "", self, mul(g, layer, tensor1, tensor2), value)


@reads("aten::addcdiv")
def addcdiv(g: GraphBuilder, layer: Layer, self: Value, tensor1: Value, tensor2: Value, value: Any = 1) -> Value:
    return _sum(g, "Add", "", self, div(g, layer, tensor1, tensor2), value)


@reads("aten::lerp")
def lerp(g: GraphBuilder, layer: Layer, self: Value, end: Value, weight: Any) -> Value:
    return g.Add(self, g.Mul(operand(g, weight, self.dtype or F32), g.Sub(end, self)))


@reads("aten::logaddexp")
def logaddexp(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    high, low = g.Max(self, other), g.Min(self, other)
    return g.Add(high, g.Softplus(g.Sub(low, high)))


@reads("aten::logaddexp2")
def logaddexp2(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    two = operand(g, math.log(2), self.dtype or F32)
    return g.Div(logaddexp(g, layer, g.Mul(self, two), g.Mul(other, two)), two)


@reads("aten::xlogy", "aten::special_xlogy")
def xlogy(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    x, y = (floating(g, v) for v in together(g, self, other))
    zero = operand(g, 0.0, x.dtype or F32)
    return g.Where(g.Equal(x, zero), zero, g.Mul(x, g.Log(y)))


@reads("aten::hypot")
def hypot(g: GraphBuilder, layer: Layer, self: Value, other: Value) -> Value:
    return g.Sqrt(g.Add(g.Mul(self, self), g.Mul(other, other)))


@reads("aten::heaviside")
def heaviside(g: GraphBuilder, layer: Layer, self: Value, values: Value) -> Value:
    dtype = self.dtype or F32
    zero = operand(g, 0, dtype)
    return g.Where(g.Equal(self, zero), values, cast(g, g.Greater(self, zero), dtype))


@reads("aten::logit", "aten::special_logit")
def logit(g: GraphBuilder, layer: Layer, self: Value, eps: Any = None) -> Value:
    x = floating(g, self)
    dtype = x.dtype or F32
    if eps is not None:
        x = g.Clip(x, operand(g, layer.real(eps), dtype), operand(g, 1 - layer.real(eps), dtype))
    return g.Log(g.Div(x, g.Sub(operand(g, 1.0, dtype), x)))
