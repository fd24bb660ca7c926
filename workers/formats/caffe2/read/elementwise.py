"""Arithmetic, comparisons and logic between tensors, with Caffe2's two rules of broadcasting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workers.formats.caffe2.read.layer import BOOL, FLOATS, I32, U8, Layer, Value, reads
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder

BINARY = {
    "Add": "Add", "Sub": "Sub", "Mul": "Mul", "Div": "Div", "EQ": "Equal", "LT": "Less", "LE": "LessOrEqual",
    "GT": "Greater", "GE": "GreaterOrEqual", "And": "And", "Or": "Or", "Xor": "Xor", "BitwiseAnd": "BitwiseAnd",
    "BitwiseOr": "BitwiseOr", "BitwiseXor": "BitwiseXor", "SumRelu": "Add", "Less": "Less",
}  # fmt: skip


def aligned(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """The second operand so that numpy's rules do what Caffe2 does.

    With ``broadcast`` its axes stand for those of the first from ``axis`` on (or from the letter ``axis_str`` on);
    without an axis they stand at the end, as without ``broadcast``, where numpy's rules hold at once.
    """
    if not layer.flag("broadcast"):
        return b
    have, mine = layer.rank(a), layer.rank(b)
    axis = layer.integer("axis", -1)
    if layer.has("axis_str"):
        letter, order = layer.word("axis_str", ""), layer.word("order", "NCHW")
        if axis != -1 or len(letter) != 1 or letter not in order:
            raise layer.malformed(f"its axis_str {letter!r} is no axis of {order}")
        axis = order.index(letter)
    if mine > have:
        raise layer.malformed(f"its second input has {mine} axes, its first {have}")
    if axis == -1:
        return b
    if not 0 <= axis <= have - mine:
        raise layer.malformed(f"its axis {axis} does not fit inputs of {have} and {mine} axes")
    behind = have - mine - axis
    return g.Unsqueeze(b, list(range(mine, mine + behind))) if behind and mine else b


@reads(*(name for name in BINARY if name != "SumRelu"))
def binary(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    b = aligned(g, layer, a, b)
    if layer.element(a) == BOOL and layer.type in ("LT", "LE", "GT", "GE"):
        raise layer.malformed("truth values have no order")
    return g.op(BINARY[layer.type], a, b)


@reads("NE")
def ne(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    return g.Not(g.Equal(a, aligned(g, layer, a, b)))


@reads("Pow")
def pow_(g: GraphBuilder, layer: Layer, x: Value, exponent: Value | None = None) -> Value:
    """x to the power of an argument or of a second tensor."""
    if exponent is not None:
        return g.Pow(x, aligned(g, layer, x, exponent))
    power = layer.real("exponent")
    if power == 2:
        return g.Mul(x, x)
    return g.Pow(x, layer.number(x, power))


@reads("Not")
def not_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Not(x)


@reads("Mod")
def mod(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The remainder by ``divisor``, of the sign of the dividend or (sign_follow_divisor) of the divisor."""
    divisor = layer.integer("divisor")
    if divisor == 0:
        raise layer.malformed("its divisor is 0")
    return g.Mod(x, layer.number(x, divisor), fmod=0 if layer.flag("sign_follow_divisor") else 1)


# --- many inputs -----------------------------------------------------------------------------------------------------


def _chain(g: GraphBuilder, layer: Layer, xs: tuple[Value, ...], combine: Callable[..., Value]) -> Value:
    """Integers cannot be handed to ONNX's operators of many inputs everywhere: they are taken two at a time."""
    if not xs:
        raise layer.malformed("it has no inputs")
    if len(xs) == 1:
        return g.Identity(xs[0])
    total = xs[0]
    for x in xs[1:]:
        total = combine(total, x)
    return total


@reads("Sum", "SumInt", "SumRelu")
def sum_(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    pairwise = len(xs) < 3 or layer.element(xs[0]) not in FLOATS
    y = _chain(g, layer, xs, g.Add) if pairwise else g.Sum(*xs)
    return g.Relu(y) if layer.type == "SumRelu" else y


@reads("Mean")
def mean(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    return _chain(g, layer, xs, g.Add) if len(xs) < 2 else g.Mean(*xs)


@reads("Max")
def max_(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    return _chain(g, layer, xs, g.Max)


@reads("Min")
def min_(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    return _chain(g, layer, xs, g.Min)


@reads("WeightedSum")
def weighted_sum(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """x0 w0 + x1 w1 + ...: every weight is one number."""
    if not xs or len(xs) % 2:
        raise layer.malformed(f"it has {len(xs)} inputs; it takes pairs of a tensor and a weight")
    terms = []
    for x, w in zip(xs[::2], xs[1::2], strict=True):
        terms.append(g.Mul(x, cast(g, _scalar(g, layer, w), layer.element(x))))
    return _chain(g, layer, tuple(terms), g.Add)


def _scalar(g: GraphBuilder, layer: Layer, w: Value) -> Value:
    return g.Reshape(w, g.constant(np.empty(0, np.int64))) if layer.rank(w) else w


@reads("Where")
def where(g: GraphBuilder, layer: Layer, condition: Value, x: Value, y: Value) -> Value:
    """With broadcast_on_rows a vector of conditions chooses rows."""
    rank = layer.rank(x)
    if layer.flag("broadcast_on_rows") and layer.rank(condition) == 1 and rank > 1:
        condition = g.Unsqueeze(condition, list(range(1, rank)))
    return g.Where(condition, x, y)


@reads("ReplaceNaN")
def replace_nan(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Where(g.IsNaN(x), layer.number(x, layer.real("value", 0.0)), x)


@reads("IsNaN")
def is_nan(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """1 where it is one: uint8."""
    return g.Cast(g.IsNaN(x), to=int(U8))


@reads("SigmoidCrossEntropyWithLogits")
def sigmoid_cross_entropy(g: GraphBuilder, layer: Layer, x: Value, targets: Value) -> Value:
    """The mean over the last axis of ln(1 + exp(x)) - x t."""
    if layer.flag("log_D_trick") or layer.flag("unjoined_lr_loss"):
        raise layer.unsupported("its variants of the loss serve training only")
    rank = layer.rank(x, *range(1, 9))
    loss = g.Sub(g.Softplus(x), g.Mul(x, targets))
    return g.ReduceMean(loss, [rank - 1], keepdims=0)


@reads("Bucketize")
def bucketize(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """How many of the sorted boundaries are smaller: int32."""
    boundaries = layer.reals("boundaries")
    if not boundaries or len(boundaries) > 1 << 16:
        raise layer.malformed(f"it has {len(boundaries)} boundaries")
    rank = layer.rank(x)
    above = g.Greater(g.Unsqueeze(x, [rank]), g.constant(layer.array(x, boundaries)))

    return g.ReduceSum(g.Cast(above, to=int(I32)), [rank], keepdims=0)


@reads("BatchBoxCox")
def batch_box_cox(g: GraphBuilder, layer: Layer, x: Value, lambda1: Value, lambda2: Value) -> Value:
    """((x + l2)^l1 - 1) / l1 per column, ln(x + l2) where l1 is 0; x + l2 is at least 1e-6."""
    layer.rank(x, 2)
    shifted = g.Max(g.Add(x, lambda2), layer.number(x, 1e-6))
    zero, one = g.Equal(lambda1, layer.number(x, 0)), layer.number(x, 1)
    power = g.Where(zero, one, lambda1)
    return g.Where(zero, g.Log(shifted), g.Div(g.Sub(g.Pow(shifted, power), one), power))


@reads("StumpFunc")
def stump_func(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """low_value up to the threshold, high_value above."""
    low, high = layer.real("low_value", 0.0), layer.real("high_value", 0.0)
    below = g.LessOrEqual(x, layer.number(x, layer.real("threshold", 0.0)))
    return g.Where(below, layer.number(x, low), layer.number(x, high))
