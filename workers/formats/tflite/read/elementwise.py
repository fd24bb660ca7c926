"""Functions of two values and more, broadcast against each other."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import FLOATS, cast
from workers.formats.tflite.read.activation import computable
from workers.formats.tflite.read.align import aligned, single
from workers.formats.tflite.read.layer import BOOL, I64, Array, Layer, Out, Value, reads
from workers.hub.graph import GraphBuilder

ARITHMETIC = {
    "ADD": "Add", "SUB": "Sub", "MUL": "Mul", "MAXIMUM": "Max", "MINIMUM": "Min", "POW": "Pow",
    "STABLEHLO_ADD": "Add", "STABLEHLO_SUBTRACT": "Sub", "STABLEHLO_MULTIPLY": "Mul", "STABLEHLO_MAXIMUM": "Max",
    "STABLEHLO_MINIMUM": "Min", "STABLEHLO_POWER": "Pow",
}  # fmt: skip
COMPARISONS = {
    "EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
}  # fmt: skip
LOGICAL = {"LOGICAL_AND": "And", "LOGICAL_OR": "Or", "STABLEHLO_AND": "And", "STABLEHLO_OR": "Or"}


def is_float(x: Value) -> bool:
    return x.dtype in FLOATS


def pair(g: GraphBuilder, layer: Layer) -> tuple[Value, Value, bool]:
    """Both inputs in types that can be calculated with."""
    (a, b), first = aligned(g, layer, 0, 1)
    return computable(g, a), computable(g, b), first


@reads(*ARITHMETIC)
def arithmetic(g: GraphBuilder, layer: Layer) -> Out:
    """Fused activations follow; sizes of tensors, where they are known, are calculated at once."""
    a, b, first = pair(g, layer)
    known = _known(layer, ARITHMETIC[layer.type])
    return Out(layer.activated(g, g.op(ARITHMETIC[layer.type], a, b)), first=first, known=known)


def _known(layer: Layer, op: str) -> Array | None:
    """The elements of a small integer result, where both sides are numbers."""
    exact = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum, "Min": np.minimum}
    if op not in exact or layer.rank(0) > 1 or layer.rank(1) > 1 or layer.activation != "NONE":
        return None
    a, b = layer.known(0), layer.known(1)
    if a is None or b is None or any(isinstance(item, str) for item in (*a.flat, *b.flat)):
        return None
    found = exact[op](a.astype(np.int64), b.astype(np.int64))
    return np.asarray(found).astype(object)


@reads("DIV", "STABLEHLO_DIVIDE")
def div(g: GraphBuilder, layer: Layer) -> Out:
    """Integers are divided towards zero, in ONNX runtimes as in TensorFlow Lite."""
    a, b, first = pair(g, layer)
    return Out(layer.activated(g, g.Div(a, b)), first=first)


@reads("SQUARED_DIFFERENCE")
def squared_difference(g: GraphBuilder, layer: Layer) -> Out:
    a, b, first = pair(g, layer)
    d = g.Sub(a, b)
    return Out(g.Mul(d, d), first=first)


@reads("FLOOR_DIV")
def floor_div(g: GraphBuilder, layer: Layer) -> Out:
    """Integers: what is left after taking off the remainder divides without one."""
    a, b, first = pair(g, layer)
    return Out(g.Floor(g.Div(a, b)) if is_float(a) else g.Div(g.Sub(a, g.Mod(a, b)), b), first=first)


@reads("FLOOR_MOD")
def floor_mod(g: GraphBuilder, layer: Layer) -> Out:
    """The remainder has the divisor's sign."""
    a, b, first = pair(g, layer)
    if not is_float(a):
        return Out(g.Mod(a, b), first=first)
    rest = g.Mod(a, b, fmod=1)
    zero = np.zeros((), (rest.dtype or a.dtype).numpy())  # type: ignore[union-attr]
    other = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(rest, zero), g.Less(b, zero)))
    return Out(g.Where(other, g.Add(rest, b), rest), first=first)


@reads("STABLEHLO_REMAINDER")
def remainder(g: GraphBuilder, layer: Layer) -> Out:
    """The remainder has the dividend's sign."""
    a, b, first = pair(g, layer)
    return Out(g.Mod(a, b, fmod=1), first=first)


@reads("ATAN2")
def atan2(g: GraphBuilder, layer: Layer) -> Out:
    """The angle of (x, y), by the quadrant: atan(y / x), and half a turn more where x is negative."""
    y, x, first = pair(g, layer)
    zero, turn = np.float32(0), np.float32(np.pi)
    plain = g.Atan(g.Div(y, x))
    half = g.Where(g.Less(y, zero), -turn, turn)
    angle = g.Where(g.Less(x, zero), g.Add(plain, half), plain)
    return Out(g.Where(g.And(g.Equal(x, zero), g.Equal(y, zero)), zero, angle), first=first)


@reads(*COMPARISONS, "NOT_EQUAL")
def comparison(g: GraphBuilder, layer: Layer) -> Out:
    """Quantised numbers are compared as what they stand for."""
    (a, b), first = aligned(g, layer, 0, 1)
    if a.dtype == BOOL or (a.dtype is not None and a.dtype.name == "STRING"):
        y = g.Equal(a, b)
    else:
        y = g.op(COMPARISONS.get(layer.type, "Equal"), computable(g, a), computable(g, b))
    return Out(g.Not(y) if layer.type == "NOT_EQUAL" else y, first=first)


DIRECTIONS = ("Equal", "Equal", "GreaterOrEqual", "Greater", "LessOrEqual", "Less")


@reads("STABLEHLO_COMPARE")
def stablehlo_compare(g: GraphBuilder, layer: Layer) -> Out:
    """Directions EQ, NE, GE, GT, LE, LT."""
    direction = layer.i("comparison_direction")
    if not 0 <= direction < len(DIRECTIONS):
        raise layer.malformed(f"its direction {direction} does not exist")
    (a, b), first = aligned(g, layer, 0, 1)
    y = g.op(DIRECTIONS[direction], computable(g, a), computable(g, b))
    return Out(g.Not(y) if direction == 1 else y, first=first)


@reads(*LOGICAL)
def logical(g: GraphBuilder, layer: Layer) -> Out:
    (a, b), first = aligned(g, layer, 0, 1)
    if a.dtype != BOOL:
        return Out(g.op("BitwiseAnd" if LOGICAL[layer.type] == "And" else "BitwiseOr", a, b), first=first)
    return Out(g.op(LOGICAL[layer.type], a, b), first=first)


@reads("BITWISE_XOR")
def bitwise_xor(g: GraphBuilder, layer: Layer) -> Out:
    (a, b), first = aligned(g, layer, 0, 1, real=False)
    return Out(g.Xor(a, b) if a.dtype == BOOL else g.BitwiseXor(a, b), first=first, real=False)


@reads("RIGHT_SHIFT", "STABLEHLO_SHIFT_LEFT")
def shift(g: GraphBuilder, layer: Layer) -> Out:
    """By powers of two, for ONNX shifts unsigned numbers only; to the right a division that rounds down."""
    a, b, first = pair(g, layer)
    limit = np.asarray(31 if layer.held(0).dtype.itemsize <= 4 else 62)
    wide = cast(g, a, I64)
    power = g.Pow(np.asarray(2, np.int64), g.Clip(cast(g, b, I64), np.asarray(0, np.int64), limit.astype(np.int64)))
    if layer.type == "STABLEHLO_SHIFT_LEFT":
        return Out(g.Mul(wide, power), first=first)
    return Out(g.Div(g.Sub(wide, g.Mod(wide, power)), power), first=first)


@reads("ADD_N")
def add_n(g: GraphBuilder, layer: Layer) -> Out:
    if not layer.inputs:
        raise layer.malformed("it has no inputs")
    values, first = aligned(g, layer, *range(len(layer.inputs)))
    if is_float(values[0]):
        return Out(g.Sum(*values) if len(values) > 1 else g.Identity(values[0]), first=first)
    total = values[0]
    for value in values[1:]:
        total = g.Add(total, value)
    return Out(total, first=first)


@reads("SELECT", "SELECT_V2", "STABLEHLO_SELECT")
def select(g: GraphBuilder, layer: Layer) -> Out:
    """SELECT also takes a condition of one axis, which then chooses whole rows."""
    rank = layer.rank(1)
    if layer.type == "SELECT" and layer.rank(0) == 1 and rank > 1:
        condition = g.Reshape(layer.x(g, 0), [-1, *[1] * (rank - 1)])
        return Out(g.Where(condition, layer.x(g, 1), layer.x(g, 2)))
    (condition, a, b), first = aligned(g, layer, 0, 1, 2)
    return Out(g.Where(condition, a, b), first=first)


@reads("STABLEHLO_CLAMP")
def stablehlo_clamp(g: GraphBuilder, layer: Layer) -> Out:
    """Inputs: least, data, most."""
    (low, x, high), first = aligned(g, layer, 0, 1, 2)
    return Out(g.Min(g.Max(x, low), high), first=first)


@reads("ZEROS_LIKE")
def zeros_like(g: GraphBuilder, layer: Layer) -> Out:
    x, first = single(g, layer)
    zero = np.zeros((), (x.dtype or layer.dtype(0)).numpy())
    return Out(g.Expand(zero, g.Shape(x)), first=first)
