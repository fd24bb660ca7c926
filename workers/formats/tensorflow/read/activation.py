"""Activations and functions of one tensor."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats.layer import FLOATS
from workers.formats.tensorflow.dtypes import BOOL, F16, F32, F64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Opaque, Value, cast, reads
from workers.formats.tensorflow.read.pairs import is_complex, to_complex

# TensorFlow's operators that are ONNX's under some name, for floating-point tensors.
SAME = {
    "Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Selu": "Selu", "Softplus": "Softplus",
    "Softsign": "Softsign", "Exp": "Exp", "Log": "Log", "Sqrt": "Sqrt", "Erf": "Erf", "Sin": "Sin", "Cos": "Cos",
    "Tan": "Tan", "Asin": "Asin", "Acos": "Acos", "Atan": "Atan", "Sinh": "Sinh", "Cosh": "Cosh", "Asinh": "Asinh",
    "Acosh": "Acosh", "Atanh": "Atanh", "Abs": "Abs", "Neg": "Neg", "Sign": "Sign", "Mish": "Mish",
}  # fmt: skip
ROUNDING = {"Ceil": "Ceil", "Round": "Round", "Rint": "Round"}
INTEGRAL = ("Abs", "Neg", "Sign", "Relu")


def through_float(g: Builder, x: Value, op: str) -> Value:
    """Types that ONNX's operator does not take go through float32 (or float64)."""
    wide = F64 if x.dtype in (ir.DataType.INT64, ir.DataType.UINT64) else F32
    return g.Cast(g.op(op, g.Cast(x, to=int(wide))), to=int(x.dtype or F32))


@reads(*SAME)
def same(g: Builder, layer: Layer, x: Value) -> Value:
    name = SAME[layer.type]
    dtype = layer.element(x)
    if dtype in (F32, F16, F64) or (dtype not in FLOATS and layer.type in INTEGRAL):
        if dtype == F64 and layer.type not in ("Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Abs", "Neg", "Sign"):
            return g.Cast(g.op(name, g.Cast(x, to=int(F32))), to=int(F64))
        return g.op(name, x)
    return through_float(g, x, name)


@reads(*ROUNDING)
def rounding(g: Builder, layer: Layer, x: Value) -> Value:
    """Round is half to even, as ONNX's; whole numbers stay."""
    return g.op(ROUNDING[layer.type], x) if layer.is_float(x) else x


@reads("Relu6")
def relu6(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Clip(x, layer.number(x, 0), layer.number(x, 6))


@reads("LeakyRelu")
def leaky_relu(g: Builder, layer: Layer, x: Value) -> Value:
    return g.LeakyRelu(x, alpha=layer.f("alpha", 0.2))


@reads("Elu")
def elu(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Elu(x, alpha=1.0)


@reads("Rsqrt")
def rsqrt(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Reciprocal(g.Sqrt(x))


@reads("Reciprocal", "Inv")
def reciprocal(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Reciprocal(x) if layer.is_float(x) else g.Div(layer.number(x, 1), x)


@reads("Square")
def square(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, x)


@reads("Erfc")
def erfc(g: Builder, layer: Layer, x: Value) -> Value:
    """1 - erf(x)."""
    return g.Sub(layer.number(x, 1), g.Erf(x))


@reads("Log1p")
def log1p(g: Builder, layer: Layer, x: Value) -> Value:
    """log(1 + x); for small x, where 1 + x rounds, log(u) * x / (u - 1)."""
    one = layer.number(x, 1)
    u = g.Add(x, one)
    rest = g.Sub(u, one)
    exact = g.Mul(g.Log(u), g.Div(x, rest))
    plain = g.Or(g.Equal(rest, layer.number(x, 0)), g.Equal(u, layer.number(x, math.inf)))
    return g.Where(plain, g.Where(g.Equal(rest, layer.number(x, 0)), x, g.Log(u)), exact)


@reads("Expm1")
def expm1(g: Builder, layer: Layer, x: Value) -> Value:
    """exp(x) - 1 = 2 sinh(x/2) exp(x/2), which loses nothing for small x."""
    half = g.Mul(x, layer.number(x, 0.5))
    exact = g.Mul(g.Mul(g.Sinh(half), layer.number(x, 2)), g.Exp(half))
    small = g.Less(g.Abs(x), layer.number(x, 0.5))
    return g.Where(small, exact, g.Sub(g.Exp(x), layer.number(x, 1)))


@reads("IsNan")
def is_nan(g: Builder, layer: Layer, x: Value) -> Value:
    return g.IsNaN(x)


@reads("IsInf")
def is_inf(g: Builder, layer: Layer, x: Value) -> Value:
    return g.IsInf(cast(g, x, F32) if layer.element(x) == F16 else x)


@reads("IsFinite")
def is_finite(g: Builder, layer: Layer, x: Value) -> Value:
    wide = cast(g, x, F32) if layer.element(x) == F16 else x
    return g.Not(g.Or(g.IsNaN(wide), g.IsInf(wide)))


@reads("LogicalNot")
def logical_not(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Not(x)


@reads("Invert")
def invert(g: Builder, layer: Layer, x: Value) -> Value:
    return g.BitwiseNot(x)


@reads("Softmax", "LogSoftmax")
def softmax(g: Builder, layer: Layer, x: Value) -> Value:
    """Over the last axis."""
    return g.op(layer.type, x, axis=-1)


@reads("Cast", "Bitcast")
def cast_op(g: Builder, layer: Layer, x: Value) -> Value | Opaque:
    """Floats are cut off towards zero; Bitcast only where nothing changes."""
    if layer.type == "Cast" and is_complex(layer):
        return to_complex(g, layer, x)
    to = layer.dtype("DstT" if layer.type == "Cast" else "type")
    if layer.type == "Bitcast" and to != layer.element(x):
        raise layer.unsupported("it reinterprets the bits of its input")
    return cast(g, x, to) if to != BOOL or layer.element(x) == BOOL else g.Not(g.Equal(x, layer.number(x, 0)))


@reads("ZerosLike", "OnesLike")
def filled_like(g: Builder, layer: Layer, x: Value) -> Value:
    fill = np.zeros(1) if layer.type == "ZerosLike" else np.ones(1)
    value = ir.Tensor(fill.astype(layer.element(x).numpy()))
    return g.ConstantOfShape(g.Shape(x), value=value)


reads.refuse(
    "this special function has no counterpart in ONNX",
    "Igamma", "Igammac", "Betainc", "Zeta", "Polygamma",
)  # fmt: skip
