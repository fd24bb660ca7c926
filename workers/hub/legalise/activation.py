"""Activations by simpler ones."""

from __future__ import annotations

import math

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import float_constant, scalar
from workers.hub.legalise.elementwise import is_float, number
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node


def _affine(g: GraphBuilder, x: Value, scale: float, shift: float) -> Value:
    """``scale * x + shift``, without the parts that change nothing."""
    if scale != 1.0:
        x = g.Mul(x, number(x, scale))
    return x if shift == 0.0 else g.Add(x, number(x, shift))


# --- clipped lines ----------------------------------------------------------------------------------------------------


@rule("HardSigmoid", "hard-sigmoid-to-clip", "HardSigmoid is Clip(alpha * x + beta, 0, 1).")
def hard_sigmoid(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    return g.Clip(_affine(g, x, node.f("alpha", 0.2), node.f("beta", 0.5)), number(x, 0), number(x, 1))


@rule("HardSwish", "hard-swish-to-hard-sigmoid", "HardSwish is x * HardSigmoid(x / 6 + 1/2).")
def hard_swish(g: GraphBuilder, node: Node) -> Results:
    return g.Mul(node.x(), g.HardSigmoid(node.x(), alpha=1 / 6, beta=0.5))


@rule("Clip", "clip-from-zero-to-relu", "Clipping at zero from below only is Relu.")
def clip_to_relu(g: GraphBuilder, node: Node) -> Results:
    return g.Relu(node.x()) if scalar(node.input(1)) == 0.0 and node.input(2) is None else None


@rule(
    "Clip", "clip-one-bound-to-relu", "max(x, a) is Relu(x - a) + a, min(x, b) is b - Relu(b - x) (one rounding apart)."
)
def clip_one_bound(g: GraphBuilder, node: Node) -> Results:
    low, high, x = scalar(node.input(1)), scalar(node.input(2)), node.x()
    if (node.input(1) is None) == (node.input(2) is None) or not is_float(x):
        return None
    bound = high if low is None else low
    # A large bound would take the small digits of x with it.
    if bound is None or abs(bound) > 16:
        return None
    if low is not None:
        return _affine(g, g.Relu(_affine(g, x, 1.0, -low)), 1.0, low)
    return _affine(g, g.Relu(_affine(g, x, -1.0, bound)), -1.0, bound)


@rule("Clip", "clip-both-bounds", "A missing bound of Clip is written out as the largest finite number.")
def clip_both_bounds(g: GraphBuilder, node: Node) -> Results:
    low, high = node.input(1), node.input(2)
    if (low is not None and high is not None) or not is_float(node.x()) or node.x().dtype is None:
        return None
    largest = float(np.finfo(node.x().dtype.numpy()).max)  # type: ignore[union-attr]
    return g.Clip(
        node.x(),
        low if low is not None else number(node.x(), -largest),
        high if high is not None else number(node.x(), largest),
    )


@rule("Clip", "clip-to-max-min", "Clip is Min(Max(x, low), high).")
def clip_to_max_min(g: GraphBuilder, node: Node) -> Results:
    x, low, high = node.x(), node.input(1), node.input(2)
    if low is not None:
        x = g.Max(x, low)
    return x if high is None else g.Min(x, high)


@rule("Clip", "clip-to-relu-pair", "Clip(x, a, b) is b - Relu((b - a) - Relu(x - a)) (one rounding of b apart).")
def clip_to_relus(g: GraphBuilder, node: Node) -> Results:
    low, high, x = scalar(node.input(1)), scalar(node.input(2)), node.x()
    if low is None or high is None or not is_float(x) or max(abs(low), abs(high)) > 1e4:
        return None
    above = g.Relu(_affine(g, x, 1.0, -low))
    return _affine(g, g.Relu(_affine(g, above, -1.0, high - low)), -1.0, high)


# --- bent lines -------------------------------------------------------------------------------------------------------


@rule("Relu", "relu-to-max", "Relu is the maximum with zero.")
def relu_to_max(g: GraphBuilder, node: Node) -> Results:
    return g.Max(node.x(), number(node.x(), 0))


@rule("LeakyRelu", "leaky-relu-to-prelu", "LeakyRelu is PRelu with one constant slope.")
def leaky_relu_to_prelu(g: GraphBuilder, node: Node) -> Results:
    return g.PRelu(node.x(), np.asarray([node.f("alpha", 0.01)], np.float32)) if is_float(node.x()) else None


@rule("LeakyRelu", "leaky-relu-to-relu-pair", "LeakyRelu is Relu(x) - alpha * Relu(-x).")
def leaky_relu_to_relus(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    return g.Add(g.Relu(x), g.Mul(g.Relu(g.Neg(x)), number(x, -node.f("alpha", 0.01))))


@rule("PRelu", "prelu-to-leaky-relu", "PRelu with a single constant slope is LeakyRelu.")
def prelu_to_leaky_relu(g: GraphBuilder, node: Node) -> Results:
    slope = float_constant(node, 1)
    if slope is None or not slope.size or not np.all(slope == slope.flat[0]):
        return None
    return g.LeakyRelu(node.x(), alpha=float(slope.flat[0]))


@rule("PRelu", "prelu-to-relu-pair", "PRelu is Relu(x) - slope * Relu(-x).")
def prelu_to_relus(g: GraphBuilder, node: Node) -> Results:
    x, slope = node.x(), float_constant(node, 1)
    negative = g.Neg(node.x(1)) if slope is None else g.constant(-slope)
    return g.Add(g.Relu(x), g.Mul(g.Relu(g.Neg(x)), negative))


# --- exponentials -----------------------------------------------------------------------------------------------------


@rule("Elu", "elu-to-exp", "Elu is Relu(x) + alpha * (Exp(Min(x, 0)) - 1).")
def elu_to_exp(g: GraphBuilder, node: Node) -> Results:
    x, alpha = node.x(), node.f("alpha", 1.0)
    below = g.Exp(g.Neg(g.Relu(g.Neg(x))))
    return g.Add(g.Relu(x), _affine(g, below, alpha, -alpha))


@rule("Selu", "selu-to-elu", "Selu is a scaled Elu.")
def selu_to_elu(g: GraphBuilder, node: Node) -> Results:
    alpha, gamma = node.f("alpha", 1.67326319217681884765625), node.f("gamma", 1.05070102214813232421875)
    return g.Mul(g.Elu(node.x(), alpha=alpha), number(node.x(), gamma))


@rule("Celu", "celu-to-elu", "Celu(x) is alpha * Elu(x / alpha).")
def celu_to_elu(g: GraphBuilder, node: Node) -> Results:
    alpha = node.f("alpha", 1.0)
    return _affine(g, g.Elu(_affine(g, node.x(), 1 / alpha, 0.0), alpha=1.0), alpha, 0.0)


@rule("Mish", "mish-to-tanh", "Mish is x * Tanh(Softplus(x)).")
def mish(g: GraphBuilder, node: Node) -> Results:
    return g.Mul(node.x(), g.Tanh(g.Softplus(node.x())))


@rule("Softsign", "softsign-to-div", "Softsign is x / (1 + |x|).")
def softsign(g: GraphBuilder, node: Node) -> Results:
    return g.Div(node.x(), g.Add(g.Abs(node.x()), number(node.x(), 1)))


@rule("Softplus", "softplus-to-log", "Softplus is Relu(x) + Log(1 + Exp(-|x|)), which never overflows.")
def softplus(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    tail = g.Log(g.Add(g.Exp(g.Neg(g.Abs(x))), number(x, 1)))
    return g.Add(g.Relu(x), tail)


@rule("Tanh", "tanh-to-sigmoid", "Tanh(x) is 2 * Sigmoid(2x) - 1.")
def tanh(g: GraphBuilder, node: Node) -> Results:
    return _affine(g, g.Sigmoid(_affine(g, node.x(), 2.0, 0.0)), 2.0, -1.0)


@rule("Sigmoid", "sigmoid-to-tanh", "Sigmoid(x) is (Tanh(x / 2) + 1) / 2.")
def sigmoid(g: GraphBuilder, node: Node) -> Results:
    return _affine(g, g.Tanh(_affine(g, node.x(), 0.5, 0.0)), 0.5, 0.5)


@rule("ThresholdedRelu", "thresholded-relu-to-where", "x where x > alpha, else 0.")
def thresholded_relu(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    return g.Where(g.Greater(x, number(x, node.f("alpha", 1.0))), x, number(x, 0))


@rule("ThresholdedRelu", "thresholded-relu-to-mul", "x times 1 where x > alpha, else times 0.")
def thresholded_relu_to_mul(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    if x.dtype is None:
        return None
    return g.Mul(x, g.Cast(g.Greater(x, number(x, node.f("alpha", 1.0))), to=int(x.dtype)))


@rule("Gelu", "gelu-to-erf", "Gelu is x/2 * (1 + Erf(x / sqrt 2)), or its tanh form where the model asks for that.")
def gelu(g: GraphBuilder, node: Node) -> Results:
    x = node.x()
    if node.s("approximate", "none") == "tanh":
        cube = g.Mul(g.Mul(g.Mul(x, x), x), number(x, 0.044715))
        bent = g.Tanh(g.Mul(g.Add(x, cube), number(x, math.sqrt(2 / math.pi))))
    else:
        bent = g.Erf(g.Mul(x, number(x, math.sqrt(0.5))))
    return g.Mul(g.Mul(x, number(x, 0.5)), g.Add(bent, number(x, 1)))


# Abramowitz and Stegun, Handbook of Mathematical Functions, formula 7.1.26.
ERF_P = 0.3275911
ERF_A = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@rule("Erf", "erf-by-polynomial", "Erf by a rational approximation (Abramowitz-Stegun 7.1.26): at most 5e-7 off.")
def erf(g: GraphBuilder, node: Node) -> Results:
    """erf(|x|) = 1 - (a1 t + ... + a5 t^5) exp(-x^2), t = 1 / (1 + p |x|); the sign is x / |x|, kept finite at 0."""
    x = node.x()
    if not is_float(x):
        return None
    size = g.Abs(x)
    t = g.Reciprocal(_affine(g, size, ERF_P, 1.0))
    polynomial = _affine(g, t, ERF_A[0], ERF_A[1])
    for coefficient in ERF_A[2:]:
        polynomial = _affine(g, g.Mul(polynomial, t), 1.0, coefficient)
    tail = g.Mul(g.Mul(polynomial, t), g.Exp(g.Neg(g.Mul(x, x))))
    sign = g.Mul(x, g.Reciprocal(_affine(g, size, 1.0, 1e-30)))
    return g.Mul(sign, _affine(g, tail, -1.0, 1.0))


# --- softmax ----------------------------------------------------------------------------------------------------------


@rule(("Softmax", "LogSoftmax"), "softmax-last-axis", "Softmax over an inner axis, between Transposes.")
def softmax_last_axis(g: GraphBuilder, node: Node) -> Results:
    if node.rank is None or node.i("axis", -1) % node.rank == node.rank - 1:
        return None
    axis, last = node.i("axis", -1) % node.rank, node.rank - 1
    swap = list(range(node.rank))
    swap[axis], swap[last] = last, axis
    return g.Transpose(g.op(node.op, g.Transpose(node.x(), perm=swap), axis=last), perm=swap)


@rule("LogSoftmax", "log-softmax-by-log-sum", "LogSoftmax is x - max - Log(Sum(Exp(x - max))).")
def log_softmax_exact(g: GraphBuilder, node: Node) -> Results:
    if node.rank is None:
        return None
    axis = [node.i("axis", -1) % node.rank]
    x = g.Sub(node.x(), g.ReduceMax(node.x(), axis, keepdims=1))
    return g.Sub(x, g.Log(g.ReduceSum(g.Exp(x), axis, keepdims=1)))


@rule("LogSoftmax", "log-softmax-to-log", "LogSoftmax is Log(Softmax); results below about -87 become -inf.")
def log_softmax(g: GraphBuilder, node: Node) -> Results:
    return g.Log(g.Softmax(node.x(), axis=node.i("axis", -1)))


@rule("Softmax", "softmax-to-exp", "Softmax is Exp(x - max) divided by its sum.")
def softmax_to_exp(g: GraphBuilder, node: Node) -> Results:
    if node.rank is None:
        return None
    axis = [node.i("axis", -1) % node.rank]
    power = g.Exp(g.Sub(node.x(), g.ReduceMax(node.x(), axis, keepdims=1)))
    return g.Div(power, g.ReduceSum(power, axis, keepdims=1))
