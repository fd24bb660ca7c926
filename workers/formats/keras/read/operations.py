"""Operations of functional models: the element-wise ones, comparisons, and the registry of ``keras.ops`` classes."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read import (
    operations_arrange,
    operations_einops,
    operations_image,
    operations_neural,
    operations_numeric,
    operations_reduce,
    operations_shape,
    operations_signal,
    operations_statistics,
    operations_take,
    tensorflow_operations,
)
from workers.formats.keras.read.activation import FUNCTIONS
from workers.formats.keras.read.angles import angle
from workers.formats.keras.read.arguments import OPERATIONS, Arguments, floats, operation, promoted, together
from workers.formats.keras.read.layer import BOOL, F32, Layer, Result, reads, unwrapped
from workers.formats.keras.read.tensor import Tensor
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder, Operand

FAMILIES = (
    operations_arrange, operations_einops, operations_image, operations_neural, operations_numeric, operations_reduce,
    operations_shape, operations_signal, operations_statistics, operations_take, tensorflow_operations,
)  # fmt: skip

UNARY = {
    "absolute": "Abs", "abs": "Abs", "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh",
    "arctan": "Atan", "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp",
    "floor": "Floor", "isnan": "IsNaN", "isinf": "IsInf", "log": "Log", "negative": "Neg", "reciprocal": "Reciprocal",
    "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan",
}  # fmt: skip
_INTEGERS_TOO = ("absolute", "abs", "negative", "sign")
BINARY = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min", "power": "Pow"}
COMPARISONS = {"equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less",
               "less_equal": "LessOrEqual"}  # fmt: skip
LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def _unary(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input", "input_tensor", "features", "a")
    x = x if a.name in _INTEGERS_TOO else floats(g, x)
    return x.like(g.op(UNARY[a.name], x.value))


def _binary(g: GraphBuilder, a: Arguments) -> Result:
    xs = a.pair()
    values, order = together(g, xs)
    y = Tensor(g.op(BINARY[a.name], *values), order)
    return y


def _comparison(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    return Tensor(g.op(COMPARISONS[a.name], *values), order)


def _logical(g: GraphBuilder, a: Arguments) -> Result:
    xs = [x.like(cast(g, x.value, BOOL)) for x in a.pair()]
    values, order = together(g, xs)
    return Tensor(g.op(LOGICAL[a.name], *values), order)


for _names, _rule in ((UNARY, _unary), (BINARY, _binary), (COMPARISONS, _comparison), (LOGICAL, _logical)):
    operation(*_names)(_rule)


@operation("divide", "true_divide", "divide_no_nan")
def divide(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, [floats(g, x) for x in a.pair()])
    y = g.Div(*values)
    if a.name == "divide_no_nan":
        zero = a.layer.number(values[1], 0)
        y = g.Where(g.Equal(values[1], zero), zero, y)
    return Tensor(y, order)


@operation("floor_divide")
def floor_divide(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    if values[0].dtype in FLOATS:
        return Tensor(g.Floor(g.Div(*values)), order)
    rest = g.Mod(*values)
    return Tensor(g.Div(g.Sub(values[0], rest), values[1]), order)


@operation("mod")
def mod(g: GraphBuilder, a: Arguments) -> Result:
    """The sign of the divisor, as in Python."""
    values, order = together(g, a.pair())
    if values[0].dtype in FLOATS:
        return Tensor(g.Sub(values[0], g.Mul(g.Floor(g.Div(*values)), values[1])), order)
    return Tensor(g.Mod(*values), order)


@operation("not_equal")
def not_equal(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    return Tensor(g.Not(g.Equal(*values)), order)


@operation("logical_not")
def logical_not(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    return x.like(g.Not(cast(g, x.value, BOOL)))


@operation("squared_difference")
def squared_difference(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    difference = g.Sub(*values)
    return Tensor(g.Mul(difference, difference), order)


@operation("logaddexp")
def logaddexp(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    distance = g.Neg(g.Abs(g.Sub(*values)))
    return Tensor(g.Add(g.Max(*values), g.Log(g.Add(g.Exp(distance), a.layer.number(distance, 1)))), order)


@operation("arctan2")
def arctan2(g: GraphBuilder, a: Arguments) -> Result:
    xs = promoted(g, [floats(g, x) for x in a.pair(("x1", "y"), ("x2", "x"))])
    (y, x), order = together(g, xs)
    return Tensor(angle(g, a.layer, y, x), order)


@operation("square")
def square(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    return x.like(g.Mul(x.value, x.value))


@operation("rsqrt")
def rsqrt(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    return x.like(g.Reciprocal(g.Sqrt(x.value)))


@operation("log1p", "expm1", "log2", "log10", "exp2", "deg2rad", "rad2deg", "erfc", "isfinite", "cbrt")
def derived(g: GraphBuilder, a: Arguments) -> Result:
    """Functions that ONNX says by others."""
    x = floats(g, a.tensor(0, "x"))
    v = x.value

    def number(value: float) -> Operand:
        return a.layer.number(x, value)

    made = {
        "log1p": lambda: g.Log(g.Add(v, number(1))), "expm1": lambda: g.Sub(g.Exp(v), number(1)),
        "log2": lambda: g.Mul(g.Log(v), number(1 / math.log(2))),
        "log10": lambda: g.Mul(g.Log(v), number(1 / math.log(10))),
        "exp2": lambda: g.Exp(g.Mul(v, number(math.log(2)))), "deg2rad": lambda: g.Mul(v, number(math.pi / 180)),
        "rad2deg": lambda: g.Mul(v, number(180 / math.pi)), "erfc": lambda: g.Sub(number(1), g.Erf(v)),
        "isfinite": lambda: g.Not(g.Or(g.IsNaN(v), g.IsInf(v))),
        "cbrt": lambda: g.Mul(g.Sign(v), g.Pow(g.Abs(v), number(1 / 3))),
    }  # fmt: skip
    return x.like(made[a.name]())


@operation("cast", "convert_to_tensor", "saturate_cast")
def cast_(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "value", "tensor")
    dtype = a.dtype(1, "dtype")
    return x if dtype is None else x.like(cast(g, x.value, dtype))


@operation("identity", "copy", "stop_gradient", "optional_copy")
def identity(g: GraphBuilder, a: Arguments) -> Result:
    return a.tensor(0, "x", "variable", "input")


@operation("clip")
def clip(g: GraphBuilder, a: Arguments) -> Result:
    """Bounds may be tensors."""
    x = a.tensor(0, "x", "t")
    bounds = (a.get(1, "x_min", "clip_value_min", "min_value"), a.get(2, "x_max", "clip_value_max", "max_value"))
    plain_bounds = [None if bound is None or unwrapped(bound) in (math.inf, -math.inf) else unwrapped(bound)
                    for bound in bounds]  # fmt: skip
    if all(bound is None or isinstance(bound, int | float) for bound in plain_bounds):
        return x.like(g.Clip(x.value, *(None if bound is None else a.layer.number(x, a.layer.as_real(bound, "bound"))
                                        for bound in plain_bounds)))  # fmt: skip
    for operator, bound in zip(("Max", "Min"), bounds, strict=True):
        if bound is not None:
            values, order = together(g, promoted(g, [x, a.as_tensor(bound, x.value.dtype)]))
            x = Tensor(g.op(operator, *values), order)
    return x


@operation("where")
def where(g: GraphBuilder, a: Arguments) -> Result:
    condition = a.tensor(0, "condition")
    one, two = a.get(1, "x1", "x"), a.get(2, "x2", "y")
    if one is None or two is None:
        return run(g, a.layer, "nonzero")
    like = next((item.value.dtype for item in (one, two) if isinstance(item, Tensor)), None)
    pair = promoted(g, [a.as_tensor(one, like), a.as_tensor(two, like)])
    values, order = together(g, [condition.like(cast(g, condition.value, BOOL)), *pair])
    return Tensor(g.Where(*values), order)


@operation("zeros_like", "ones_like", "full_like")
def full_like(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input")
    dtype = a.dtype(3, "dtype") or x.value.dtype or F32
    value: Any = {"zeros_like": 0, "ones_like": 1}.get(a.name)
    if value is None:
        value = a.plain(a.get(1, "fill_value"))
    filled = ir.tensor(np.asarray([a.layer.as_real(value, "fill_value")]).astype(dtype.numpy()))
    return x.like(g.ConstantOfShape(g.Shape(x.value), value=filled))


# --- activations as operations ---------------------------------------------------------------------------------------


def _activation(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x", "features", "logits", "input"))
    return x.like(FUNCTIONS[a.name](g, a.layer, x.value))


_OWN = ("hard_tanh", "leaky_relu", "elu", "celu", "gelu", "exp", "exponential", "linear", "hard_shrink",
        "soft_shrink", "hard_swish", "swish", "relu")  # fmt: skip
operation(*(name for name in FUNCTIONS if name not in _OWN), "swish", "hard_swish")(_activation)


@operation("relu")
def relu(g: GraphBuilder, a: Arguments) -> Result:
    """TensorFlow's Keras gives it the bounds of the layer."""
    x = floats(g, a.tensor(0, "x", "features"))
    slope, most = a.get(-1, "negative_slope", "alpha"), a.get(-1, "max_value")
    if a.get(-1, "threshold"):
        raise a.layer.unsupported("it has a threshold")
    y = g.LeakyRelu(x.value, alpha=a.layer.as_real(slope, "slope")) if slope else g.Relu(x.value)
    return x.like(y if most is None else g.Min(y, a.layer.number(x, a.layer.as_real(most, "max_value"))))


@operation("leaky_relu", "elu", "celu")
def sloped(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x", "features"))
    operator, default = {"leaky_relu": ("LeakyRelu", 0.2), "elu": ("Elu", 1.0), "celu": ("Celu", 1.0)}[a.name]
    return x.like(g.op(operator, x.value, alpha=a.layer.as_real(a.get(1, "negative_slope", "alpha"), "alpha", default)))


@operation("gelu")
def gelu(g: GraphBuilder, a: Arguments) -> Result:
    """Keras' operation approximates unless told otherwise, TensorFlow's does not."""
    x = floats(g, a.tensor(0, "x", "features"))
    approximate = a.get(1, "approximate", default=a.layer.kind.startswith("ops."))
    return x.like(g.Gelu(x.value, approximate="tanh" if approximate else "none"))


@operation("hard_shrink", "soft_shrink")
def shrink(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    bound = a.layer.as_real(a.get(1, "threshold"), "threshold", 0.5)
    return x.like(g.Shrink(x.value, lambd=bound, bias=0.0 if a.name == "hard_shrink" else bound))


@operation("hard_tanh")
def hard_tanh(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    return x.like(g.Clip(x.value, a.layer.number(x, -1), a.layer.number(x, 1)))


@operation("softmax", "log_softmax")
def softmax(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x", "logits"))
    axes = a.axes(x, 1, "axis", "dim") or [x.rank - 1]
    if len(axes) > 1:
        places = sorted(x.place(axis) for axis in axes)
        apart = g.Sub(x.value, g.ReduceMax(x.value, places, keepdims=1))
        total = g.ReduceSum(g.Exp(apart), places, keepdims=1)
        return x.like(g.Div(g.Exp(apart), total) if a.name == "softmax" else g.Sub(apart, g.Log(total)))
    return x.like(g.op("Softmax" if a.name == "softmax" else "LogSoftmax", x.value, axis=x.place(axes[0])))


# --- the classes of keras.ops ----------------------------------------------------------------------------------------

# Classes whose names do not fall apart at their capitals.
_NAMES = {
    "FFT": "fft", "FFT2": "fft2", "IFFT2": "ifft2", "RFFT": "rfft", "IRFFT": "irfft", "STFT": "stft",
    "ISTFT": "istft", "RGBToGrayscale": "rgb_to_grayscale", "RGBToHSV": "rgb_to_hsv", "HSVToRGB": "hsv_to_rgb",
    "RMSNorm": "rmsnorm", "CDist": "cdist", "PSNR": "psnr",
}  # fmt: skip


def name_of(kind: str) -> str:
    """``ops.ExpandDims`` -> ``expand_dims``."""
    bare = kind.removeprefix("ops.")
    return _NAMES.get(bare) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare).lower()


def run(g: GraphBuilder, layer: Layer, name: str) -> Result:
    return OPERATIONS[name](g, Arguments(g, layer, name))


def _class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _operator(g: GraphBuilder, layer: Layer) -> Result:
    return run(g, layer, name_of(layer.kind))


_CLASSES = {_class_name(name) for name in OPERATIONS if name not in _NAMES.values()} | set(_NAMES)
reads(*sorted(f"ops.{name}" for name in _CLASSES))(_operator)
