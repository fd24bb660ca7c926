"""Operations on elements that ONNX says by several others: rounding, bits, comparisons with a tolerance, NaN."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats import special
from workers.formats.keras.read.arguments import Arguments, floats, operation, promoted, together
from workers.formats.keras.read.layer import BOOL, I32, Array, Result
from workers.formats.keras.read.tensor import Tensor
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder, Value

SIGNED = {ir.DataType.INT8: ir.DataType.UINT8, ir.DataType.INT16: ir.DataType.UINT16, I32: ir.DataType.UINT32,
          ir.DataType.INT64: ir.DataType.UINT64}  # fmt: skip


def truncated(g: GraphBuilder, x: Value) -> Value:
    """Towards zero."""
    return g.Mul(g.Sign(x), g.Floor(g.Abs(x)))


@operation("fabs", "trunc", "sinc", "conj", "conjugate", "real", "signbit", "isneginf", "isposinf", "isreal", "i0",
           "angle")  # fmt: skip
def function(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    v = x.value
    if a.name == "fabs":
        return x.like(g.Abs(v))
    if a.name == "trunc":
        return x.like(truncated(g, v))
    if a.name in ("conj", "conjugate", "real"):
        return x
    if a.name in ("isneginf", "isposinf"):
        plus = int(a.name == "isposinf")
        return x.like(g.IsInf(v, detect_negative=1 - plus, detect_positive=plus))
    if a.name == "isreal":
        return x.like(g.Equal(g.Mul(g.Sign(v), a.layer.number(x, 0)), a.layer.number(x, 0)))
    if a.name == "signbit":
        return x.like(g.Less(g.Where(g.Equal(v, a.layer.number(x, 0)), g.Reciprocal(v), v), a.layer.number(x, 0)))
    if a.name == "angle":
        half = a.layer.number(x, math.pi)
        return x.like(g.Where(g.Less(v, a.layer.number(x, 0)), half, a.layer.number(x, 0)))
    if a.name == "i0":
        return x.like(_bessel(g, a, x))
    turned = g.Mul(v, a.layer.number(x, math.pi))
    nothing = g.Equal(v, a.layer.number(x, 0))
    one = a.layer.number(x, 1)
    return x.like(g.Where(nothing, one, g.Div(g.Sin(turned), g.Where(nothing, one, turned))))


# Abramowitz and Stegun 9.8.1 and 9.8.2: the modified Bessel function of order 0, below and above 3.75, highest power
# first.
_NEAR = (0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0)
_FAR = (0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228)


def _bessel(g: GraphBuilder, a: Arguments, x: Tensor) -> Value:
    size = g.Abs(x.value)
    edge = a.layer.number(x, 3.75)
    part = g.Div(g.Min(size, edge), edge)
    low = special.polynomial(g, g.Mul(part, part), _NEAR)
    large = g.Max(size, edge)
    high = g.Mul(g.Div(g.Exp(large), g.Sqrt(large)), special.polynomial(g, g.Div(edge, large), _FAR))
    return g.Where(g.Less(size, edge), low, high)


@operation("round")
def round_(g: GraphBuilder, a: Arguments) -> Result:
    """Halves to even, after so many decimals."""
    x = a.tensor(0, "x", "input")
    decimals = a.integer(1, "decimals", default=0)
    if x.value.dtype not in FLOATS and decimals >= 0:
        return x
    x = floats(g, x)
    if not decimals:
        return x.like(g.Round(x.value))
    scale = a.layer.number(x, 10.0**decimals)
    return x.like(g.Div(g.Round(g.Mul(x.value, scale)), scale))


@operation("hypot", "fmax", "fmin", "fmod", "logaddexp2", "ldexp", "heaviside", "nextafter")
def pairwise(g: GraphBuilder, a: Arguments) -> Result:
    xs = a.pair()
    if a.name == "nextafter":
        raise a.layer.unsupported("ONNX cannot look at the bits of a number")
    if a.name in ("hypot", "logaddexp2", "ldexp", "heaviside"):
        xs = promoted(g, [floats(g, x) for x in xs])
    (x, y), order = together(g, xs)

    def number(value: float) -> Array:
        return a.layer.number(x, value)

    if a.name == "hypot":
        return Tensor(g.Sqrt(g.Add(g.Mul(x, x), g.Mul(y, y))), order)
    if a.name == "logaddexp2":
        distance = g.Neg(g.Abs(g.Sub(x, y)))
        rest = g.Log(g.Add(g.Exp(g.Mul(distance, number(math.log(2)))), number(1)))
        return Tensor(g.Add(g.Max(x, y), g.Mul(rest, number(1 / math.log(2)))), order)
    if a.name == "ldexp":
        return Tensor(g.Mul(x, g.Pow(number(2), y)), order)
    if a.name == "heaviside":
        level = g.Where(g.Less(x, number(0)), number(0), number(1))
        return Tensor(g.Where(g.Equal(x, number(0)), y, level), order)
    if a.name == "fmod":
        return Tensor(g.Mod(x, y, fmod=1), order)
    found = g.Max(x, y) if a.name == "fmax" else g.Min(x, y)
    if x.dtype in FLOATS:
        found = g.Where(g.IsNaN(x), y, g.Where(g.IsNaN(y), x, found))
    return Tensor(found, order)


@operation("isclose", "allclose", "all_close")
def isclose(g: GraphBuilder, a: Arguments) -> Result:
    """|a - b| <= atol + rtol * |b|."""
    xs = promoted(g, [floats(g, x) for x in a.pair()])
    (x, y), order = together(g, xs)
    bounds = [a.layer.number(x, a.layer.as_real(a.get(place, key), key, default))
              for place, key, default in ((2, "rtol", 1e-5), (3, "atol", 1e-8))]  # fmt: skip
    near = g.LessOrEqual(g.Abs(g.Sub(x, y)), g.Add(bounds[1], g.Mul(bounds[0], g.Abs(y))))
    near = g.Or(near, g.Equal(x, y))
    if a.get(4, "equal_nan"):
        near = g.Or(near, g.And(g.IsNaN(x), g.IsNaN(y)))
    if a.name == "isclose":
        return Tensor(near, order)
    return Tensor(cast(g, g.ReduceMin(cast(g, near, I32), keepdims=0), BOOL), ())


@operation("nan_to_num")
def nan_to_num(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    if x.value.dtype not in FLOATS:
        return x
    largest = float(np.finfo(a.layer.element(x).numpy()).max)
    names = (("nan", 0.0), ("posinf", largest), ("neginf", -largest))
    nan, high, low = (a.layer.number(x, a.layer.as_real(a.get(place, key), key, default))
                      for place, (key, default) in enumerate(names, 1))  # fmt: skip
    y = g.Where(g.IsNaN(x.value), nan, x.value)
    y = g.Where(g.IsInf(y, detect_negative=0, detect_positive=1), high, y)
    return x.like(g.Where(g.IsInf(y, detect_negative=1, detect_positive=0), low, y))


@operation("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(g: GraphBuilder, a: Arguments) -> Result:
    values, order = together(g, a.pair())
    logical = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor"}[a.name]
    operator = logical if values[0].dtype == BOOL else f"Bitwise{logical}"
    return Tensor(g.op(operator, *values), order)


@operation("bitwise_not", "bitwise_invert", "invert")
def bitwise_not(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    return x.like(g.Not(x.value) if x.value.dtype == BOOL else g.BitwiseNot(x.value))


@operation("left_shift", "right_shift", "bitwise_left_shift", "bitwise_right_shift")
def shift(g: GraphBuilder, a: Arguments) -> Result:
    """ONNX shifts unsigned integers only; signed ones are shifted right by an exact division that rounds down."""
    (x, y), order = together(g, a.pair())
    dtype = a.layer.element(x)
    if dtype not in SIGNED:
        return Tensor(g.BitShift(x, y, direction="LEFT" if "left" in a.name else "RIGHT"), order)
    unsigned = SIGNED[dtype]
    if "left" in a.name:
        return Tensor(cast(g, g.BitShift(cast(g, x, unsigned), cast(g, y, unsigned), direction="LEFT"), dtype), order)
    power = cast(g, g.BitShift(np.asarray(1, unsigned.numpy()), cast(g, y, unsigned), direction="LEFT"), dtype)
    return Tensor(g.Div(g.Sub(x, g.Mod(x, power)), power), order)


@operation("select")
def select(g: GraphBuilder, a: Arguments) -> Result:
    """The first choice whose condition holds."""
    conditions, choices = a.get(0, "condlist"), a.get(1, "choicelist")
    if not isinstance(conditions, list) or not isinstance(choices, list) or len(conditions) != len(choices):
        raise a.layer.malformed("its conditions and choices are no lists of one length")
    default = a.get(2, "default", default=0)
    like = next((item.value.dtype for item in [*choices, default] if isinstance(item, Tensor)), None)
    *options, result = promoted(g, [a.as_tensor(item, like) for item in [*choices, default]])
    for condition, option in reversed(list(zip(conditions, options, strict=True))):
        chosen = a.as_tensor(condition)
        values, order = together(g, [chosen.like(cast(g, chosen.value, BOOL)), option, result])
        result = Tensor(g.Where(*values), order)
    return result


@operation("threshold")
def threshold(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    bound, other = (a.layer.number(x, a.layer.as_real(a.get(place, key), key))
                    for place, key in ((1, "threshold"), (2, "default_value")))  # fmt: skip
    return x.like(g.Where(g.Greater(x.value, bound), x.value, other))


@operation("erfinv")
def erfinv(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    return x.like(special.erfinv(g, x.value))


@operation("glu")
def glu(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    axis = x.place(a.layer.axis(a.integer(1, "axis", default=-1), x.rank))
    if a.layer.fixed(g.shape(x.value)[axis : axis + 1])[0] % 2:
        raise a.layer.malformed("it halves an axis of odd size")
    first, second = g.ops("Split", x.value, outputs=2, axis=axis, num_outputs=2)
    return x.like(g.Mul(first, g.Sigmoid(second)))
