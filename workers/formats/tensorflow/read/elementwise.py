"""Elementwise functions of several tensors, broadcast as numpy does."""

from __future__ import annotations

import functools

import numpy as np

from workers.formats.tensorflow.dtypes import F64, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads

SAME = {
    "Add": "Add", "AddV2": "Add", "Sub": "Sub", "RealDiv": "Div", "LogicalAnd": "And",
    "LogicalOr": "Or", "LogicalXor": "Xor", "BitwiseAnd": "BitwiseAnd", "BitwiseOr": "BitwiseOr",
    "BitwiseXor": "BitwiseXor",
}  # fmt: skip
COMPARE = {
    "Greater": "Greater", "Less": "Less", "LessEqual": "LessOrEqual",
    "Equal": "Equal",
}  # fmt: skip


@reads(*SAME)
def same(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    return g.op(SAME[layer.type], x, y)


@reads(*COMPARE)
def compare(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    return g.op(COMPARE[layer.type], x, y)


@reads("NotEqual")
def not_equal(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    return g.Not(g.Equal(x, y))


@reads("Maximum", "Minimum")
def extreme(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """The one with a number around the other with a number is a Clip."""
    name, other = ("Max", "Min") if layer.type == "Maximum" else ("Min", "Max")
    outer, source = _number(g, layer, y), g.turned.get(x, (x,))[0]
    node = source.producer()
    if outer is not None and node is not None and node.op_type == other and node.inputs[0] is not None:
        inner = _number(g, layer, node.inputs[1])
        low, high = (outer, inner) if name == "Max" else (inner, outer)
        if low is not None and high is not None and low <= high:
            clipped = g.Clip(node.inputs[0], layer.number(x, low), layer.number(x, high))
            return clipped if source is x else g.turn(clipped, g.turned[x][1])
    return g.op(name, x, y)


def _number(g: Builder, layer: Layer, x: Value | None) -> float | None:
    """A floating-point constant of one element."""
    array = g.const(x) if x is not None and g.is_const(x) and layer.is_float(x) else None
    return float(array.reshape(())) if array is not None and array.size == 1 else None


@reads("AddN", "AccumulateNV2")
def add_n(g: Builder, layer: Layer, *xs: Value) -> Value:
    if not xs:
        raise layer.malformed("it has no inputs")
    return functools.reduce(lambda a, b: g.Add(a, b), xs)


@reads("Div", "TruncateDiv")
def div(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """Whole numbers are divided towards zero, as in ONNX."""
    return g.Div(x, y)


@reads("FloorDiv")
def floor_div(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """Towards minus infinity: ONNX cuts off whole numbers towards zero, so one is taken off where signs differ."""
    if layer.is_float(x):
        return g.Floor(g.Div(x, y))
    quotient = g.Div(x, y)
    if layer.element(x).name.startswith("UINT") or g.contents(quotient) is not None:
        return quotient
    zero = layer.number(x, 0)
    uneven = g.Not(g.Equal(g.Mul(quotient, y), x))
    apart = g.Xor(g.Less(x, zero), g.Less(y, zero))
    return g.Sub(quotient, cast(g, g.And(uneven, apart), layer.element(x)))


@reads("FloorMod")
def floor_mod(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """The sign of the divisor; ONNX's Mod does that for whole numbers only."""
    if not layer.is_float(x):
        return g.Mod(x, y)
    rest = g.Mod(x, y, fmod=1)
    zero = layer.number(x, 0)
    wrong = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(rest, zero), g.Less(y, zero)))
    return g.Where(wrong, g.Add(rest, y), rest)


@reads("Mod", "TruncateMod")
def mod(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """The sign of the dividend."""
    return g.Mod(x, y, fmod=1)


@reads("Pow")
def power(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    return g.Pow(x, y)


@reads("SquaredDifference")
def squared_difference(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    difference = g.Sub(x, y)
    return g.Mul(difference, difference)


@reads("DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "Xlog1py")
def guarded(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """Zero where the divisor (DivNoNan), the second (MulNoNan) or the first factor (X...) is zero."""
    guard = y if layer.type in ("DivNoNan", "MulNoNan") else x
    is_zero = g.Equal(guard, layer.number(guard, 0))
    one = layer.number(y, 1)
    if layer.type in ("DivNoNan", "Xdivy"):
        result = g.Div(x, g.Where(is_zero, one, y) if layer.type == "DivNoNan" else y)
    elif layer.type == "MulNoNan":
        result = g.Mul(x, y)
    else:
        result = g.Mul(x, g.Log(y if layer.type == "Xlogy" else g.Add(y, one)))
    return g.Where(is_zero, layer.number(x, 0), result)


@reads("Atan2")
def atan2(g: Builder, layer: Layer, y: Value, x: Value) -> Value:
    """atan(y / x), half a turn added on the left with the sign of y."""
    zero = layer.number(x, 0)
    base = g.Atan(g.Div(y, x))
    turn = g.Where(g.Less(y, zero), layer.number(x, -np.pi), layer.number(x, np.pi))
    turned = g.Where(g.Less(x, zero), g.Add(base, turn), base)
    origin = g.And(g.Equal(x, zero), g.Equal(y, zero))
    return g.Where(origin, zero, turned)


@reads("ClipByValue")
def clip_by_value(g: Builder, layer: Layer, x: Value, low: Value, high: Value) -> Value:
    if not layer.shape(low) and not layer.shape(high):
        return g.Clip(x, low, high)
    return g.Min(g.Max(x, low), high)


@reads("Select", "SelectV2")
def select(g: Builder, layer: Layer, condition: Value, x: Value, y: Value) -> Value:
    """In its first version a vector of conditions chooses whole rows."""
    rank, conditions = len(layer.shape(x)), len(layer.shape(condition))
    if layer.type == "Select" and conditions == 1 and rank > 1:
        condition = g.Unsqueeze(condition, list(range(1, rank)))
    return g.Where(condition, x, y)


@reads("LeftShift", "RightShift")
def shift(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    """ONNX shifts unsigned numbers only: signed ones are multiplied or divided by a power of two."""
    dtype = layer.element(x)
    if dtype.name.startswith("UINT"):
        return g.BitShift(x, y, direction="LEFT" if layer.type == "LeftShift" else "RIGHT")
    factor = cast(g, g.Pow(np.float64(2), cast(g, y, F64)), I64)
    wide = cast(g, x, I64)
    if layer.type == "LeftShift":
        return cast(g, g.Mul(wide, factor), dtype)
    return cast(g, g.Div(g.Sub(wide, g.Mod(wide, factor)), factor), dtype)


@reads("ApproximateEqual")
def approximate_equal(g: Builder, layer: Layer, x: Value, y: Value) -> Value:
    return g.Less(g.Abs(g.Sub(x, y)), layer.number(x, layer.f("tolerance", 1e-5)))


@reads("Cross")
def cross(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    """Of vectors of three along the last axis."""
    a1, a2 = (g.Gather(a, np.array(order), axis=-1) for order in ([1, 2, 0], [2, 0, 1]))
    b1, b2 = (g.Gather(b, np.array(order), axis=-1) for order in ([1, 2, 0], [2, 0, 1]))
    return g.Sub(g.Mul(a1, b2), g.Mul(a2, b1))


@reads("SoftmaxCrossEntropyWithLogits")
def softmax_cross_entropy(g: Builder, layer: Layer, logits: Value, labels: Value) -> list[Value]:
    """The loss per row, and its gradient."""
    logs = g.LogSoftmax(logits, axis=-1)
    loss = g.Neg(g.ReduceSum(g.Mul(labels, logs), [-1], keepdims=0))
    return [loss, g.Sub(g.Exp(logs), labels)]


@reads("SparseSoftmaxCrossEntropyWithLogits")
def sparse_softmax_cross_entropy(g: Builder, layer: Layer, logits: Value, labels: Value) -> list[Value]:
    classes = layer.size(logits, -1)
    kind = layer.element(logits)
    values = g.constant(np.array([0, 1], kind.numpy()))
    hot = g.OneHot(cast(g, labels, I64), np.array([classes], np.int64), values, axis=-1)
    found: list[Value] = softmax_cross_entropy(g, layer, logits, hot)
    return found
