"""Arithmetic, comparisons and logic of two values, with Paddle's ``axis``."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats.layer import FLOATS
from workers.formats.paddle.read.activation import activated, floating
from workers.formats.paddle.read.layer import BOOL, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder

ARITHMETIC = {
    "elementwise_add": "Add", "elementwise_sub": "Sub", "elementwise_mul": "Mul", "elementwise_div": "Div",
    "elementwise_max": "Max", "elementwise_min": "Min", "elementwise_pow": "Pow", "minus": "Sub", "grad_add": "Add",
}  # fmt: skip
COMPARISONS = {
    "equal": "Equal", "greater_than": "Greater", "greater_equal": "GreaterOrEqual", "less_than": "Less",
    "less_equal": "LessOrEqual",
}  # fmt: skip
LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
BITS = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}


def aligned(g: GraphBuilder, layer: Layer, x: Value, y: Value) -> tuple[Value, Value]:
    """The operands ready for ONNX's broadcasting: the smaller one begins at ``axis`` of the larger one.

    Fluid lets trailing ones of the smaller operand stand over the end.
    """
    axis = layer.integer("axis", -1)
    rx, ry = layer.rank(x), layer.rank(y)
    if axis == -1 or rx == ry:
        return x, y
    large = max(rx, ry)
    if axis < 0:
        axis += large
    if rx > ry:
        return x, _placed(g, layer, y, axis, large)
    return _placed(g, layer, x, axis, large), y


def _placed(g: GraphBuilder, layer: Layer, y: Value, axis: int, rank: int) -> Value:
    dims = list(layer.shape(y))
    while len(dims) > rank - axis and dims and dims[-1] == 1:
        dims.pop()
    if not 0 <= axis <= rank - len(dims):
        raise layer.malformed(f"an operand of {len(dims)} axes does not fit at axis {axis} of {rank}")
    return reshaped(g, layer, y, [*dims, *([1] * (rank - axis - len(dims)))])


def alike(g: GraphBuilder, layer: Layer, x: Value, y: Value) -> tuple[Value, Value]:
    """Both operands in one element type: floats win over integers, wide ones over narrow ones."""
    a, b = layer.element(x), layer.element(y)
    if a == b:
        return x, y
    if (a in FLOATS) != (b in FLOATS):
        target = a if a in FLOATS else b
    else:
        target = max((a, b), key=lambda dtype: (dtype != BOOL, dtype.itemsize, dtype == ir.DataType.FLOAT))
    return cast(g, x, target), cast(g, y, target)


def operands(g: GraphBuilder, layer: Layer) -> tuple[Value, Value]:
    x, y = alike(g, layer, layer.x("X"), layer.x("Y"))
    return aligned(g, layer, x, y)


@reads(*ARITHMETIC)
def arithmetic(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    result = _arithmetic(g, layer, ARITHMETIC[layer.op.type], x, y)
    return _fused_ends(g, layer, result)


def _arithmetic(g: GraphBuilder, layer: Layer, operator: str, x: Value, y: Value) -> Value:
    if layer.element(x) == BOOL:
        logic = {"Add": "Or", "Mul": "And", "Max": "Or", "Min": "And", "Sub": "Xor"}
        if operator not in logic:
            raise layer.unsupported("its operands are booleans")
        return g.op(logic[operator], x, y)
    return g.op(operator, x, y)


def _fused_ends(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """What optimised programs fuse into an elementwise operator: scales and an activation."""
    scale = layer.real("Scale_out", 1.0) if "Scale_out" in layer.op.attrs else 1.0
    if scale != 1.0 or any(layer.op.attrs.get(key, 1.0) != 1.0 for key in ("Scale_x", "Scale_y")):
        raise layer.unsupported("it computes on numbers scaled for one processor (Scale_x, Scale_y, Scale_out)")
    word = layer.word("fuse_activation", "") if "fuse_activation" in layer.op.attrs else ""
    return activated(g, layer, x, word, layer.real("fuse_alpha", 0.0), layer.real("fuse_beta", 0.0)) if word else x


@reads("fused_elementwise_add", "fused_elementwise_sub", "fused_elementwise_mul", "fused_elementwise_div")
def fused_elementwise(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    if any(layer.real(key, 1.0) != 1.0 for key in ("scale_x", "scale_y", "scale_out", "fused_output_scale")):
        raise layer.unsupported("it computes on numbers scaled for one processor")
    return _fused_ends(g, layer, g.op(ARITHMETIC[layer.op.type.removeprefix("fused_")], x, y))


@reads("fused_elemwise_activation", "fused_elemwise_add_activation")
def fused_elemwise_activation(g: GraphBuilder, layer: Layer) -> Value:
    """Two functions one after the other: [binary, unary] is binary(x, unary(y)), [unary, binary] the reverse."""
    x, y = operands(g, layer)
    words = layer.attr("functor_list", [])
    if not isinstance(words, list) or len(words) != 2:
        raise layer.malformed(f"its functor_list is {words!r}")
    outer, inner = (str(word).split(",")[0] for word in words)

    def unary(word: str, value: Value) -> Value:
        if word == "scale":
            return g.Mul(value, layer.number(value, layer.real("scale", 0.0)))
        return activated(g, layer, value, word)

    if outer in ARITHMETIC:
        return g.op(ARITHMETIC[outer], x, unary(inner, y))
    if inner not in ARITHMETIC:
        raise layer.malformed(f"its functor_list is {words!r}")
    return unary(outer, g.op(ARITHMETIC[inner], x, y))


@reads("elementwise_mod", "elementwise_floormod", "floor_mod")
def elementwise_mod(g: GraphBuilder, layer: Layer) -> Value:
    """The rest has the sign of the divisor."""
    x, y = operands(g, layer)
    if not layer.is_float(x):
        return g.Mod(x, y)
    rest = g.Mod(x, y, fmod=1)
    zero = layer.number(x, 0)
    wrong = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(rest, zero), g.Less(y, zero)))
    return g.Where(wrong, g.Add(rest, y), rest)


@reads("elementwise_floordiv")
def elementwise_floordiv(g: GraphBuilder, layer: Layer) -> Value:
    """Rounded down since 2.5; before that towards zero."""
    x, y = operands(g, layer)
    if layer.is_float(x):
        return g.Floor(g.Div(x, y))
    whole = g.Div(x, y)
    if layer.older(2, 5):
        return whole
    rest = g.Sub(x, g.Mul(whole, y))
    zero, one = layer.number(x, 0), layer.number(x, 1)
    below = g.And(g.Not(g.Equal(rest, zero)), g.Xor(g.Less(x, zero), g.Less(y, zero)))
    return g.Sub(whole, g.Where(below, one, zero))


@reads("trunc_divide")
def trunc_divide(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    whole = g.Div(x, y)
    return g.Mul(g.Sign(whole), g.Floor(g.Abs(whole))) if layer.is_float(x) else whole


@reads("elementwise_fmax", "elementwise_fmin")
def elementwise_fmax(g: GraphBuilder, layer: Layer) -> Value:
    """A number wins over NaN."""
    x, y = operands(g, layer)
    best = g.op("Max" if layer.op.type.endswith("max") else "Min", x, y)
    if not layer.is_float(x):
        return best
    return g.Where(g.IsNaN(x), y, g.Where(g.IsNaN(y), x, best))


@reads("elementwise_heaviside")
def elementwise_heaviside(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    zero = layer.number(x, 0)
    return g.Where(g.Equal(x, zero), y, g.Cast(g.Greater(x, zero), to=int(layer.element(x))))


@reads("copysign")
def copysign(g: GraphBuilder, layer: Layer) -> Value:
    """The size of x with the sign of y, which may be a negative zero."""
    x, y = operands(g, layer)
    one = layer.number(x, 1)
    below = g.Or(g.Less(y, layer.number(x, 0)), g.Less(g.Div(one, y), layer.number(x, 0)))
    return g.Where(below, g.Neg(g.Abs(x)), g.Abs(x))


@reads("atan2")
def atan2(g: GraphBuilder, layer: Layer) -> Value:
    """The angle of the point (X2, X1)."""
    y, x = alike(g, layer, layer.x("X1"), layer.x("X2"))
    return angle_of(g, layer, floating(g, layer, y), floating(g, layer, x))


def angle_of(g: GraphBuilder, layer: Layer, y: Value, x: Value) -> Value:
    """The angle of the point (x, y)."""
    zero, half, full = (layer.number(x, value) for value in (0, math.pi / 2, math.pi))
    base = g.Atan(g.Div(y, x))
    turn = g.Where(g.Less(y, zero), g.Sub(base, full), g.Add(base, full))
    upright = g.Where(g.Less(y, zero), g.Neg(g.constant(half)), g.Where(g.Greater(y, zero), half, zero))
    return g.Where(g.Equal(x, zero), upright, g.Where(g.Less(x, zero), turn, base))


@reads(*COMPARISONS)
def comparison(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    if layer.element(x) == BOOL and layer.op.type != "equal":
        x, y = cast(g, x, ir.DataType.INT32), cast(g, y, ir.DataType.INT32)
    return g.op(COMPARISONS[layer.op.type], x, y)


@reads("not_equal")
def not_equal(g: GraphBuilder, layer: Layer) -> Value:
    return g.Not(g.Equal(*operands(g, layer)))


@reads("equal_all")
def equal_all(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    if layer.rank(x) != layer.rank(y):
        return g.constant(np.asarray(False))
    different = g.Cast(g.Not(g.Equal(x, y)), to=int(ir.DataType.INT32))
    return g.Not(g.Cast(g.ReduceMax(different, keepdims=0), to=int(BOOL)))


@reads("isclose")
def isclose(g: GraphBuilder, layer: Layer) -> Value:
    """|x - y| <= atol + rtol |y|; the tolerances come as attributes, as words or as tensors."""
    x, y = layer.x("Input"), layer.x("Other")
    limits = []
    for key, default in (("atol", 1e-8), ("rtol", 1e-5)):
        tensor = layer.maybe(key.capitalize())
        word = layer.attr(key, default)
        try:
            limits.append(cast(g, tensor, layer.element(x)) if tensor is not None else layer.number(x, float(word)))
        except (TypeError, ValueError):
            raise layer.malformed(f"its {key} is {word!r}") from None
    close = g.LessOrEqual(g.Abs(g.Sub(x, y)), g.Add(g.Mul(g.Abs(y), limits[1]), limits[0]))
    close = g.Or(close, g.Equal(x, y))
    return g.Or(close, g.And(g.IsNaN(x), g.IsNaN(y))) if layer.flag("equal_nan") else close


@reads(*LOGIC)
def logic(g: GraphBuilder, layer: Layer) -> Value:
    x, y = cast(g, layer.x("X"), BOOL), cast(g, layer.x("Y"), BOOL)
    return g.op(LOGIC[layer.op.type], *aligned(g, layer, x, y))


@reads("logical_not")
def logical_not(g: GraphBuilder, layer: Layer) -> Value:
    return g.Not(cast(g, layer.x(), BOOL))


@reads(*BITS)
def bits(g: GraphBuilder, layer: Layer) -> Value:
    x, y = operands(g, layer)
    return g.op(BITS[layer.op.type] if layer.element(x) == BOOL else f"Bitwise{BITS[layer.op.type]}", x, y)


@reads("bitwise_not")
def bitwise_not(g: GraphBuilder, layer: Layer) -> Value:
    return g.Not(layer.x()) if layer.element(layer.x()) == BOOL else g.BitwiseNot(layer.x())


@reads("sum")
def sum_(g: GraphBuilder, layer: Layer) -> Value:
    xs = layer.several("X")
    if len(xs) == 1:
        return g.Identity(xs[0])
    if layer.is_float(xs[0]):
        return g.Sum(*xs)
    total = xs[0]
    for x in xs[1:]:
        total = g.Add(total, x)
    return total


@reads("scale")
def scale(g: GraphBuilder, layer: Layer) -> Value:
    """scale x + bias, or scale (x + bias); whole numbers are multiplied by the factor as one of them."""
    x, tensor = layer.x(), layer.maybe("ScaleTensor")
    bias = layer.real("bias", 0.0)
    factor: Value | float = layer.real("scale", 1.0)
    if tensor is not None:
        array = g.const(tensor)
        known = array is not None and array.size == 1
        factor = layer.single(array) if known and array is not None else cast(g, tensor, layer.element(x))
    after = layer.flag("bias_after_scale", True)
    if bias and not after:
        x = g.Add(x, layer.number(x, bias))
    if not isinstance(factor, float) or factor != 1.0:
        x = g.Mul(x, layer.number(x, factor) if isinstance(factor, float) else factor)
    if bias and after:
        x = g.Add(x, layer.number(x, bias))
    return x if x is not layer.x() else g.Identity(x)


@reads("pow")
def pow_(g: GraphBuilder, layer: Layer) -> Value:
    x, tensor = layer.x(), layer.maybe("FactorTensor")
    return g.Pow(x, cast(g, tensor, layer.element(x)) if tensor is not None else
                 layer.number(x, layer.real("factor", 1.0)))  # fmt: skip


@reads("lerp")
def lerp(g: GraphBuilder, layer: Layer) -> Value:
    x, y = layer.x("X"), layer.x("Y")
    return g.Add(x, g.Mul(layer.x("Weight"), g.Sub(y, x)))


@reads("increment")
def increment(g: GraphBuilder, layer: Layer) -> Value:
    return g.Add(layer.x(), layer.number(layer.x(), layer.real("step", 1.0)))
