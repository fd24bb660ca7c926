"""Functions of one value, of two, and of one and a number. Comparisons give numbers, except in numpy's rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import BOOL, Layer, Value, reads
from workers.hub.graph import GraphBuilder

Binary = Callable[[GraphBuilder, Layer, Value, Value], Value]
_WIDTH = {dtype: rank for rank, dtype in enumerate(
    (BOOL, ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.FLOAT16,
     ir.DataType.BFLOAT16, ir.DataType.FLOAT, ir.DataType.DOUBLE)
)}  # fmt: skip


# --- of one ----------------------------------------------------------------------------------------------------------

UNARY = {
    "abs": "Abs", "_npi_absolute": "Abs", "_npi_abs": "Abs", "ceil": "Ceil", "_npi_ceil": "Ceil", "floor": "Floor",
    "_npi_floor": "Floor", "cos": "Cos", "_npi_cos": "Cos", "sin": "Sin", "_npi_sin": "Sin", "tan": "Tan",
    "_npi_tan": "Tan", "arccos": "Acos", "_npi_arccos": "Acos", "arcsin": "Asin", "_npi_arcsin": "Asin",
    "arctan": "Atan", "_npi_arctan": "Atan", "cosh": "Cosh", "_npi_cosh": "Cosh", "sinh": "Sinh", "_npi_sinh": "Sinh",
    "tanh": "Tanh", "_npi_tanh": "Tanh", "arccosh": "Acosh", "_npi_arccosh": "Acosh", "arcsinh": "Asinh",
    "_npi_arcsinh": "Asinh", "arctanh": "Atanh", "_npi_arctanh": "Atanh", "exp": "Exp", "_npi_exp": "Exp",
    "log": "Log", "_npi_log": "Log", "negative": "Neg", "_npi_negative": "Neg", "reciprocal": "Reciprocal",
    "_npi_reciprocal": "Reciprocal", "sqrt": "Sqrt", "_npi_sqrt": "Sqrt", "sign": "Sign", "_npi_sign": "Sign",
    "relu": "Relu", "_npx_relu": "Relu", "sigmoid": "Sigmoid", "_npx_sigmoid": "Sigmoid", "erf": "Erf",
    "_npx_erf": "Erf", "softsign": "Softsign", "_contrib_sign_ste": "Sign",
}  # fmt: skip


@reads(*UNARY)
def unary(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """What ONNX has under one name; numpy's rules make floats of integers first."""
    exact = UNARY[layer.type] in ("Abs", "Neg", "Sign", "Relu")
    return g.op(UNARY[layer.type], x if exact else floating(g, layer, x))


def floating(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Integers as float32 for functions that have none of them; rounding leaves them alone in ONNX's eyes, too."""
    return x if layer.is_float(x) else cast(g, x, ir.DataType.FLOAT)


@reads("square", "_npi_square")
def square(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, x)


@reads("rsqrt")
def rsqrt(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Reciprocal(g.Sqrt(x))


@reads("cbrt", "_npi_cbrt")
def cbrt(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The real root of negative numbers, too."""
    x = floating(g, layer, x)
    return g.Mul(g.Sign(x), g.Pow(g.Abs(x), layer.number(x, 1 / 3)))


@reads("rcbrt")
def rcbrt(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Reciprocal(cbrt(g, layer, x))


@reads("expm1", "_npi_expm1")
def expm1(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """exp(x) - 1 as 2 exp(x/2) sinh(x/2), which keeps its digits near 0."""
    half = g.Mul(floating(g, layer, x), layer.number(floating(g, layer, x), 0.5))
    return g.Mul(g.Mul(g.Exp(half), g.Sinh(half)), layer.number(half, 2))


@reads("log1p", "_npi_log1p")
def log1p(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    x = floating(g, layer, x)
    return g.Log(g.Add(x, layer.number(x, 1)))


_FACTORS = {
    "log2": 1 / math.log(2), "_npi_log2": 1 / math.log(2), "log10": 1 / math.log(10), "_npi_log10": 1 / math.log(10),
    "degrees": 180 / math.pi, "_npi_degrees": 180 / math.pi, "radians": math.pi / 180, "_npi_radians": math.pi / 180,
}  # fmt: skip


@reads(*_FACTORS)
def scaled(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A logarithm or an angle in other units."""
    x = floating(g, layer, x)
    y = g.Log(x) if "log" in layer.type else x
    return g.Mul(y, layer.number(y, _FACTORS[layer.type]))


@reads("logical_not", "_npi_logical_not")
def logical_not(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """1 where the value is 0."""
    return _answer(g, layer, g.Not(truth(g, layer, x)), x)


def truth(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Whether a number is other than 0."""
    return x if x.dtype == BOOL else g.Not(g.Equal(x, layer.number(x, 0)))


@reads("_contrib_quadratic")
def quadratic(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """a x^2 + b x + c."""
    inner = g.Add(g.Mul(x, layer.number(x, layer.real("a", 0))), layer.number(x, layer.real("b", 0)))
    return g.Add(g.Mul(inner, x), layer.number(x, layer.real("c", 0)))


@reads("clip", "_npi_clip")
def clip(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    low, high = (layer.number(x, layer.real(key)) if layer.has(key) else None for key in ("a_min", "a_max"))
    return g.Clip(x, low, high)


# --- of two ----------------------------------------------------------------------------------------------------------


def _named(operator: str) -> Binary:
    return lambda g, layer, a, b: g.op(operator, a, b)


def _modulo(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """The remainder with the sign of the divisor, 0 for a divisor of 0; exact, as C's fmod is."""
    if not layer.is_float(a):
        return g.Mod(a, b)
    zero = layer.number(a, 0)
    rest = g.Mod(a, b, fmod=1)
    other = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(rest, zero), g.Less(b, zero)))
    return g.Where(g.Equal(b, zero), zero, g.Where(other, g.Add(rest, b), rest))


def _hypot(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return g.Sqrt(g.Add(g.Mul(a, a), g.Mul(b, b)))


def _logical(operator: str) -> Binary:
    return lambda g, layer, a, b: g.op(operator, truth(g, layer, a), truth(g, layer, b))


def _not_equal(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return g.Not(g.Equal(a, b))


def _power(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return g.Pow(a, b)


def _true_divide(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return g.Div(floating(g, layer, a), floating(g, layer, b))


def _arctan2(g: GraphBuilder, layer: Layer, y: Value, x: Value) -> Value:
    """The angle of (x, y) in all four quadrants."""
    y, x = floating(g, layer, y), floating(g, layer, x)
    zero = layer.number(x, 0)
    left, low = g.Less(x, zero), g.Less(y, zero)
    turn = g.Where(low, layer.number(x, -math.pi), layer.number(x, math.pi))
    plain = g.Atan(g.Div(y, g.Where(g.Equal(x, zero), layer.number(x, 1), x)))
    upright = g.Mul(g.Sign(y), layer.number(x, math.pi / 2))
    return g.Where(g.Equal(x, zero), upright, g.Where(left, g.Add(plain, turn), plain))


def _copysign(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    a, b = floating(g, layer, a), floating(g, layer, b)
    size = g.Abs(a)
    return g.Where(g.Less(b, layer.number(b, 0)), g.Neg(size), size)


def _ldexp(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    a, b = floating(g, layer, a), floating(g, layer, b)
    return g.Mul(a, g.Pow(layer.number(b, 2), b))


# Function -> how it is said; with ``True`` it answers yes or no.
FUNCTIONS: dict[str, tuple[Binary, bool]] = {
    "add": (_named("Add"), False), "sub": (_named("Sub"), False), "mul": (_named("Mul"), False),
    "div": (_named("Div"), False), "true_divide": (_true_divide, False), "maximum": (_named("Max"), False),
    "minimum": (_named("Min"), False), "power": (_power, False), "mod": (_modulo, False), "hypot": (_hypot, False),
    "arctan2": (_arctan2, False), "copysign": (_copysign, False), "ldexp": (_ldexp, False),
    "bitwise_and": (_named("BitwiseAnd"), False), "bitwise_or": (_named("BitwiseOr"), False),
    "bitwise_xor": (_named("BitwiseXor"), False),
    "equal": (_named("Equal"), True), "not_equal": (_not_equal, True), "greater": (_named("Greater"), True),
    "greater_equal": (_named("GreaterOrEqual"), True), "lesser": (_named("Less"), True),
    "lesser_equal": (_named("LessOrEqual"), True), "logical_and": (_logical("And"), True),
    "logical_or": (_logical("Or"), True), "logical_xor": (_logical("Xor"), True),
}  # fmt: skip
_OLD = {
    "add": ("elemwise_add", "_plus", "_Plus", "_add", "_grad_add", "broadcast_plus", "_npi_add"),
    "sub": ("elemwise_sub", "_minus", "_Minus", "_sub", "broadcast_minus", "_npi_subtract"),
    "mul": ("elemwise_mul", "_mul", "_Mul", "_npi_multiply"),
    "div": ("elemwise_div", "_div", "_Div", "_scatter_elemwise_div"),
    "maximum": ("_maximum", "_Maximum", "_npi_maximum"), "minimum": ("_minimum", "_Minimum", "_npi_minimum"),
    "power": ("_power", "_Power", "_npi_power"), "mod": ("_mod", "_Mod", "_npi_mod"),
    "hypot": ("_hypot", "_Hypot", "_npi_hypot"),
    "equal": ("_equal", "_Equal", "_npi_equal"), "not_equal": ("_not_equal", "_Not_Equal", "_npi_not_equal"),
    "greater": ("_greater", "_Greater", "_npi_greater"),
    "greater_equal": ("_greater_equal", "_Greater_Equal", "_npi_greater_equal"),
    "lesser": ("_lesser", "_Lesser", "_npi_less"),
    "lesser_equal": ("_lesser_equal", "_Lesser_Equal", "_npi_less_equal"),
    "logical_and": ("_logical_and", "_Logical_And", "_npi_logical_and"),
    "logical_or": ("_logical_or", "_Logical_Or", "_npi_logical_or"),
    "logical_xor": ("_logical_xor", "_Logical_Xor", "_npi_logical_xor"),
}  # fmt: skip
_NUMPY_ONLY = ("true_divide", "arctan2", "copysign", "ldexp", "bitwise_and", "bitwise_or", "bitwise_xor")
BINARY = {
    **{name: function for function, names in _OLD.items() for name in names},
    **{f"broadcast_{function}": function for function in _OLD},
    **{f"_npi_{function}": function for function in _NUMPY_ONLY},
}


@reads(*BINARY)
def binary(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Two arrays, whether of equal shape or not: an equal shape is the special case."""
    a, b = alike(g, layer, a, b)
    function, asks = FUNCTIONS[BINARY[layer.type]]
    y = function(g, layer, a, b)
    return _answer(g, layer, y, a) if asks else y


def alike(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> tuple[Value, Value]:
    """Both in the wider of their element types; sizes that are no number must agree or be 1."""
    fit(layer, a, b)
    wide = max(layer.element(a), layer.element(b), key=lambda dtype: _WIDTH.get(dtype, 99))
    return cast(g, a, wide), cast(g, b, wide)


def fit(layer: Layer, a: Value, b: Value) -> None:
    for one, two in zip(layer.shape(a)[::-1], layer.shape(b)[::-1], strict=False):
        if one != 1 and two != 1:
            layer.same(one, two, "a size of its two inputs")


def _answer(g: GraphBuilder, layer: Layer, y: Value, like: Value) -> Value:
    """Yes and no as 1 and 0 of the input's type, in numpy's rules as they are."""
    return y if layer.type.startswith("_npi_") else cast(g, y, layer.element(like))


@reads("add_n", "ElementWiseSum")
def add_n(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    if not xs:
        raise layer.malformed("it has no inputs")
    for x in xs[1:]:
        fit(layer, xs[0], x)
    return g.Sum(*xs) if len(xs) > 1 else xs[0]


# --- of one and a number ---------------------------------------------------------------------------------------------

# Function, and whether the number stands in front.
_SCALARS = {
    "plus": ("add", False), "minus": ("sub", False), "rminus": ("sub", True), "mul": ("mul", False),
    "div": ("div", False), "rdiv": ("div", True), "maximum": ("maximum", False), "minimum": ("minimum", False),
    "power": ("power", False), "rpower": ("power", True), "mod": ("mod", False), "rmod": ("mod", True),
    "hypot": ("hypot", False), "equal": ("equal", False), "not_equal": ("not_equal", False),
    "greater": ("greater", False), "greater_equal": ("greater_equal", False), "lesser": ("lesser", False),
    "lesser_equal": ("lesser_equal", False), "logical_and": ("logical_and", False),
    "logical_or": ("logical_or", False), "logical_xor": ("logical_xor", False),
}  # fmt: skip
_NUMPY_SCALARS = {
    "add": ("add", False), "subtract": ("sub", False), "rsubtract": ("sub", True), "multiply": ("mul", False),
    "true_divide": ("true_divide", False), "rtrue_divide": ("true_divide", True), "maximum": ("maximum", False),
    "minimum": ("minimum", False), "power": ("power", False), "rpower": ("power", True), "mod": ("mod", False),
    "rmod": ("mod", True), "hypot": ("hypot", False), "equal": ("equal", False), "not_equal": ("not_equal", False),
    "greater": ("greater", False), "greater_equal": ("greater_equal", False), "less": ("lesser", False),
    "less_equal": ("lesser_equal", False), "arctan2": ("arctan2", False), "rarctan2": ("arctan2", True),
    "copysign": ("copysign", False), "rcopysign": ("copysign", True), "ldexp": ("ldexp", False),
    "rldexp": ("ldexp", True), "bitwise_and": ("bitwise_and", False), "bitwise_or": ("bitwise_or", False),
    "bitwise_xor": ("bitwise_xor", False),
}  # fmt: skip
_CAMEL = {
    "plus": "Plus", "minus": "Minus", "rminus": "RMinus", "mul": "Mul", "div": "Div", "rdiv": "RDiv",
    "maximum": "Maximum", "minimum": "Minimum", "power": "Power", "rpower": "RPower", "mod": "Mod", "rmod": "RMod",
    "hypot": "Hypot", "equal": "Equal", "not_equal": "NotEqual", "greater": "Greater", "greater_equal": "GreaterEqual",
    "lesser": "Lesser", "lesser_equal": "LesserEqual", "logical_and": "LogicalAnd", "logical_or": "LogicalOr",
    "logical_xor": "LogicalXor",
}  # fmt: skip
SCALAR = {
    **{f"_{name}_scalar": rule for name, rule in _SCALARS.items()},
    **{f"_{camel}Scalar": _SCALARS[name] for name, camel in _CAMEL.items()},
    **{f"_npi_{name}_scalar": rule for name, rule in _NUMPY_SCALARS.items()},
    "_scatter_plus_scalar": ("add", False), "_scatter_minus_scalar": ("sub", False),
}  # fmt: skip


@reads(*SCALAR)
def scalar(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The number takes the array's type; numpy's rules make floats of integers when it is none."""
    name, swapped = SCALAR[layer.type]
    number = layer.real("scalar", 1)
    numpy = layer.type.startswith("_npi_")
    if not layer.is_float(x) and numpy and not layer.flag("is_int", True):
        x = cast(g, x, ir.DataType.FLOAT if "true_divide" in layer.type else ir.DataType.DOUBLE)
    function, asks = FUNCTIONS[name]
    other = g.constant(layer.number(x, number))
    if name == "power" and not swapped and number == 2:
        return g.Mul(x, x)
    y = function(g, layer, other, x) if swapped else function(g, layer, x, other)
    return _answer(g, layer, y, x) if asks else y


# --- choosing --------------------------------------------------------------------------------------------------------


@reads("where")
def where(g: GraphBuilder, layer: Layer, condition: Value, a: Value, b: Value) -> Value:
    """Where the condition is not 0 the first, else the second; a condition of one axis chooses whole rows."""
    a, b = alike(g, layer, a, b)
    rank = len(layer.shape(a))
    chosen = truth(g, layer, condition)
    if len(layer.shape(condition)) == 1 and rank > 1:
        chosen = g.Unsqueeze(chosen, list(range(1, rank)))
    fit(layer, chosen, a)
    return g.Where(chosen, a, b)


@reads("_npi_where")
def np_where(g: GraphBuilder, layer: Layer, condition: Value, a: Value, b: Value) -> Value:
    a, b = alike(g, layer, a, b)
    return g.Where(truth(g, layer, condition), a, b)


@reads("_npi_where_lscalar", "_npi_where_rscalar")
def np_where_scalar(g: GraphBuilder, layer: Layer, condition: Value, x: Value) -> Value:
    """A number on one side, left (where the condition holds) or right."""
    chosen, number = truth(g, layer, condition), layer.number(x, layer.real("scalar", 0))
    sides: Sequence[object] = (number, x) if layer.type.endswith("lscalar") else (x, number)
    return g.op("Where", chosen, *sides)  # type: ignore[arg-type]


@reads("_npi_where_scalar2")
def np_where_numbers(g: GraphBuilder, layer: Layer, condition: Value) -> Value:
    numbers = (np.asarray(layer.real(key, 0), np.float32) for key in ("x", "y"))
    return g.Where(truth(g, layer, condition), *numbers)
