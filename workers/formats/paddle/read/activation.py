"""Functions of one value: activations, rounding, roots, logarithms, trigonometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.layer import BOOL, F32, F64, I64, Complex, Layer, Result, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped, scalar
from workers.hub.graph import GraphBuilder

# Operators that ONNX has under another name, without attributes.
SAME = {
    "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh",
    "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf", "reciprocal": "Reciprocal", "softsign": "Softsign",
}  # fmt: skip
EXACT = {"relu": "Relu", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil"}


def floating(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Whole numbers become float32 where the function needs fractions."""
    return x if layer.is_float(x) else cast(g, x, F32)


@reads(*SAME)
def function(g: GraphBuilder, layer: Layer) -> Value:
    return g.op(SAME[layer.op.type], floating(g, layer, layer.x()))


@reads(*EXACT)
def exact_function(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    if layer.op.type in ("floor", "ceil") and not layer.is_float(x):
        return g.Identity(x)
    return g.op(EXACT[layer.op.type], x)


@reads("round")
def round_(g: GraphBuilder, layer: Layer) -> Value:
    """Halves go to the even number in fluid and Paddle 3, in between away from zero; ``decimals`` shift the point."""
    x = layer.x()
    if not layer.is_float(x):
        return g.Identity(x)
    decimals = layer.integer("decimals", 0)
    if not decimals and (layer.scope.program.pir or layer.older(2, 0)):
        return g.Round(x)
    if abs(decimals) > 30:
        raise layer.malformed(f"it rounds to {decimals} decimals")
    shift = layer.number(x, 10.0**decimals)
    moved = g.Mul(x, shift) if decimals else x
    rounded = g.Mul(g.Sign(moved), g.Floor(g.Add(g.Abs(moved), layer.number(x, 0.5))))
    return g.Div(rounded, shift) if decimals else rounded


@reads("trunc")
def trunc(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("X") if layer.op.inputs.get("X") else layer.x("Input")
    return g.Mul(g.Sign(x), g.Floor(g.Abs(x))) if layer.is_float(x) else g.Identity(x)


@reads("square")
def square(g: GraphBuilder, layer: Layer) -> Value:
    return g.Mul(layer.x(), layer.x())


@reads("rsqrt")
def rsqrt(g: GraphBuilder, layer: Layer) -> Value:
    return g.Reciprocal(g.Sqrt(floating(g, layer, layer.x())))


@reads("log2", "log10")
def log_base(g: GraphBuilder, layer: Layer) -> Value:
    x = floating(g, layer, layer.x())
    return g.Mul(g.Log(x), layer.number(x, 1 / math.log(int(layer.op.type[3:]))))


@reads("log1p")
def log1p(g: GraphBuilder, layer: Layer) -> Value:
    x = floating(g, layer, layer.x())
    return g.Log(g.Add(x, layer.number(x, 1)))


@reads("expm1")
def expm1(g: GraphBuilder, layer: Layer) -> Value:
    x = floating(g, layer, layer.x())
    return g.Sub(g.Exp(x), layer.number(x, 1))


@reads("logit")
def logit(g: GraphBuilder, layer: Layer) -> Value:
    """log(x / (1 - x)) of x kept ``eps`` away from 0 and 1; without eps outside of them it is NaN."""
    x = layer.x()
    eps = layer.real("eps", 1e-6)
    if eps:
        x = g.Clip(x, layer.number(x, eps), layer.number(x, 1 - eps))
    return g.Log(g.Div(x, g.Sub(layer.number(x, 1), x)))


# --- activations ----------------------------------------------------------------------------------------------------


@reads("relu6")
def relu6(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    return g.Clip(x, layer.number(x, 0), layer.number(x, layer.real("threshold", 6.0)))


@reads("brelu", "hard_tanh")
def brelu(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    return g.Clip(x, layer.number(x, layer.real("t_min", 0.0)), layer.number(x, layer.real("t_max", 24.0)))


@reads("leaky_relu")
def leaky_relu(g: GraphBuilder, layer: Layer) -> Value:
    return g.LeakyRelu(layer.x(), alpha=layer.real("alpha", 0.02))


@reads("elu")
def elu(g: GraphBuilder, layer: Layer) -> Value:
    return g.Elu(layer.x(), alpha=layer.real("alpha", 1.0))


@reads("celu")
def celu(g: GraphBuilder, layer: Layer) -> Value:
    return g.Celu(layer.x(), alpha=layer.real("alpha", 1.0))


@reads("selu")
def selu(g: GraphBuilder, layer: Layer) -> Value:
    return g.Selu(
        layer.x(), alpha=layer.real("alpha", 1.6732632423543772), gamma=layer.real("scale", 1.0507009873554805)
    )


@reads("gelu")
def gelu(g: GraphBuilder, layer: Layer) -> Value:
    return g.Gelu(layer.x(), approximate="tanh" if layer.flag("approximate") else "none")


@reads("silu")
def silu(g: GraphBuilder, layer: Layer) -> Value:
    return g.Mul(layer.x(), g.Sigmoid(layer.x()))


@reads("swish")
def swish(g: GraphBuilder, layer: Layer) -> Value:
    x, beta = layer.x(), layer.real("beta", 1.0)
    return g.Mul(x, g.Sigmoid(x if beta == 1 else g.Mul(x, layer.number(x, beta))))


@reads("hard_sigmoid")
def hard_sigmoid(g: GraphBuilder, layer: Layer) -> Value:
    return g.HardSigmoid(layer.x(), alpha=layer.real("slope", 0.2), beta=layer.real("offset", 0.5))


@reads("hard_swish")
def hard_swish(g: GraphBuilder, layer: Layer) -> Value:
    """x * min(max(x + offset, 0), threshold) / scale."""
    x = layer.x()
    threshold, scale, offset = layer.real("threshold", 6.0), layer.real("scale", 6.0), layer.real("offset", 3.0)
    if (threshold, scale, offset) == (6, 6, 3):
        return g.HardSwish(x)
    gate = g.Clip(g.Add(x, layer.number(x, offset)), layer.number(x, 0), layer.number(x, threshold))
    return g.Div(g.Mul(x, gate), layer.number(x, scale))


@reads("mish")
def mish(g: GraphBuilder, layer: Layer) -> Value:
    return g.Mish(layer.x())


@reads("softplus")
def softplus(g: GraphBuilder, layer: Layer) -> Value:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    x = layer.x()
    beta, threshold = layer.real("beta", 1.0), layer.real("threshold", 20.0)
    inner = x if beta == 1 else g.Mul(x, layer.number(x, beta))
    soft = g.Softplus(inner) if beta == 1 else g.Div(g.Softplus(inner), layer.number(x, beta))
    return soft if threshold >= 15 else g.Where(g.Greater(inner, layer.number(x, threshold)), x, soft)


@reads("logsigmoid")
def logsigmoid(g: GraphBuilder, layer: Layer) -> Value:
    return g.Neg(g.Softplus(g.Neg(layer.x())))


@reads("soft_relu")
def soft_relu(g: GraphBuilder, layer: Layer) -> Value:
    x, limit = layer.x(), layer.real("threshold", 40.0)
    return g.Softplus(g.Clip(x, layer.number(x, -limit), layer.number(x, limit)))


@reads("softshrink")
def softshrink(g: GraphBuilder, layer: Layer) -> Value:
    width = layer.real("lambda", 0.5)
    return g.Shrink(layer.x(), lambd=width, bias=width)


@reads("hard_shrink")
def hard_shrink(g: GraphBuilder, layer: Layer) -> Value:
    return g.Shrink(layer.x(), lambd=layer.real("threshold", 0.5), bias=0.0)


@reads("tanh_shrink")
def tanh_shrink(g: GraphBuilder, layer: Layer) -> Value:
    return g.Sub(layer.x(), g.Tanh(layer.x()))


@reads("thresholded_relu")
def thresholded_relu(g: GraphBuilder, layer: Layer) -> Value:
    x, limit, value = layer.x(), layer.real("threshold", 1.0), layer.real("value", 0.0)
    if value == 0:
        return g.ThresholdedRelu(x, alpha=limit)
    return g.Where(g.Greater(x, layer.number(x, limit)), x, layer.number(x, value))


@reads("stanh")
def stanh(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    inner = g.Tanh(g.Mul(x, layer.number(x, layer.real("scale_a", 0.67))))
    return g.Mul(inner, layer.number(x, layer.real("scale_b", 1.7159)))


@reads("rrelu")
def rrelu(g: GraphBuilder, layer: Layer) -> Value:
    """At inference the slope is the middle of its range."""
    return g.LeakyRelu(layer.x(), alpha=(layer.real("lower", 1 / 8) + layer.real("upper", 1 / 3)) / 2)


@reads("prelu")
def prelu(g: GraphBuilder, layer: Layer) -> Value:
    """Slopes for all, for each channel, or for each element of a sample."""
    x, alpha = layer.x(), layer.x("Alpha")
    mode = layer.choice("mode", "all", "all", "channel", "element")
    rank = layer.rank(x)
    last = layer.word("data_format", "NCHW") == "NHWC"
    if mode == "all" or rank < 2:
        shape: Sequence[int] = [1]
    elif mode == "channel":
        shape = [math.prod(layer.sizes(alpha)), *([1] * (0 if last else rank - 2))]
    else:
        shape = layer.sizes(x, 1)
    return g.PRelu(x, reshaped(g, layer, alpha, shape))


@reads("maxout")
def maxout(g: GraphBuilder, layer: Layer) -> Value:
    """The largest of ``groups`` neighbouring channels."""
    x, groups = layer.x(), layer.integer("groups")
    axis = layer.axis(layer.integer("axis", 1), layer.rank(x))
    channels = layer.size(x, axis)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels are no {groups} groups")
    dims = list(layer.shape(x))
    split = reshaped(g, layer, x, [*dims[:axis], channels // groups, groups, *dims[axis + 1 :]])
    return g.ReduceMax(split, [axis + 1], keepdims=0)


@reads("softmax", "log_softmax")
def softmax(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    rank = layer.rank(x)
    operator = "Softmax" if layer.op.type == "softmax" else "LogSoftmax"
    if rank == 0:
        return g.Squeeze(g.op(operator, g.Unsqueeze(x, [0]), axis=0), [0])
    return g.op(operator, x, axis=layer.axis(layer.integer("axis", -1), rank))


@reads("label_smooth")
def label_smooth(g: GraphBuilder, layer: Layer) -> Value:
    """(1 - epsilon) x + epsilon / classes, or epsilon times a given distribution."""
    x, prior, epsilon = layer.x(), layer.maybe("PriorDist"), layer.real("epsilon", 0.0)
    kept = g.Mul(x, layer.number(x, 1 - epsilon))
    if prior is not None:
        return g.Add(kept, g.Mul(prior, layer.number(x, epsilon)))
    return g.Add(kept, layer.number(x, epsilon / layer.size(x, -1)))


@reads("softmax_with_cross_entropy")
def softmax_with_cross_entropy(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """At inference its probabilities are of use; the loss needs labels."""
    logits = layer.x("Logits")
    axis = layer.axis(layer.integer("axis", -1), layer.rank(logits))
    return {"Softmax": g.Softmax(logits, axis=axis)}


@reads("swiglu")
def swiglu(g: GraphBuilder, layer: Layer) -> Value:
    """silu(x) * y; without y the halves of x."""
    x, y = layer.x(), layer.maybe("Y")
    if y is None:
        x, y = g.ops("Split", x, outputs=2, axis=-1, num_outputs=2)
    return g.Mul(g.Mul(x, g.Sigmoid(x)), y)


# --- tests, types and limits -----------------------------------------------------------------------------------------


@reads("isnan_v2", "isinf_v2", "isfinite_v2")
def is_special(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    if not layer.is_float(x):
        return g.Expand(np.asarray(layer.op.type == "isfinite_v2"), g.Shape(x))
    if layer.op.type == "isnan_v2":
        return g.IsNaN(x)
    infinite = g.IsInf(x)
    return infinite if layer.op.type == "isinf_v2" else g.Not(g.Or(infinite, g.IsNaN(x)))


@reads("isfinite", "isinf", "isnan")
def all_special(g: GraphBuilder, layer: Layer) -> Value:
    """Fluid's: one answer for the whole tensor, [1]."""
    x = layer.x()
    bad = g.IsNaN(x) if layer.op.type == "isnan" else g.IsInf(x)
    if layer.op.type == "isfinite":
        bad = g.Or(bad, g.IsNaN(x))
    some = g.Cast(g.ReduceMax(g.Cast(bad, to=int(I64)), keepdims=0), to=int(BOOL))
    return g.Reshape(g.Not(some) if layer.op.type == "isfinite" else some, [1])


@reads("cast")
def cast_(g: GraphBuilder, layer: Layer) -> Result:
    target = layer.dtype("out_dtype")
    if target in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
        real = cast(g, layer.x(), F64 if target == ir.DataType.COMPLEX128 else F32)
        return {"Out": [Complex(real, g.Sub(real, real))]}
    return g.Identity(layer.x()) if layer.x().dtype == target else g.Cast(layer.x(), to=int(target))


@reads("clip")
def clip(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    bounds: list[Value | None] = []
    for slot, key, default in (("Min", "min", -math.inf), ("Max", "max", math.inf)):
        tensor = layer.maybe(slot)
        bound = layer.real(key, default) if tensor is None else None
        array = g.const(tensor) if tensor is not None else None
        if array is not None and array.size == 1:
            bound = layer.single(array)
        if bound is None and tensor is not None:
            bounds.append(cast(g, scalar(g, tensor), layer.element(x)))
        elif bound is not None and (math.isinf(bound) or not layer.is_float(x)):
            bounds.append(_whole_bound(g, layer, x, bound))
        else:
            bounds.append(g.constant(layer.number(x, bound or 0.0)))
    return g.Clip(x, *bounds)


def _whole_bound(g: GraphBuilder, layer: Layer, x: Value, bound: float) -> Value | None:
    """A bound for whole numbers, cut to what their type holds; none where there is none."""
    if math.isinf(bound):
        return None
    limits = np.iinfo(layer.element(x).numpy())
    return g.constant(layer.number(x, max(min(int(bound), limits.max), limits.min)))


def activated(g: GraphBuilder, layer: Layer, x: Value, word: str, alpha: float = 0.0, beta: float = 0.0) -> Value:
    """The activation that a fused layer names."""
    simple: dict[str, Callable[[], Value]] = {
        "": lambda: x, "identity": lambda: x, "linear": lambda: x, "none": lambda: x,
        "relu": lambda: g.Relu(x), "sigmoid": lambda: g.Sigmoid(x), "tanh": lambda: g.Tanh(x),
        "relu6": lambda: g.Clip(x, layer.number(x, 0), layer.number(x, 6)), "gelu": lambda: g.Gelu(x),
        "swish": lambda: g.Mul(x, g.Sigmoid(x)), "silu": lambda: g.Mul(x, g.Sigmoid(x)),
        "hard_swish": lambda: g.HardSwish(x), "leaky_relu": lambda: g.LeakyRelu(x, alpha=alpha),
        "hard_sigmoid": lambda: g.HardSigmoid(x, alpha=alpha, beta=beta), "mish": lambda: g.Mish(x),
    }  # fmt: skip
    if word not in simple:
        raise layer.unsupported(f"its fused activation {word!r} is not known")
    return simple[word]()
