"""Logic, bits, questions about single numbers, and choosing by masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir

from workers.formats.layer import FLOATS, cast
from workers.formats.pytorch.read.dtypes import category, floating, operand, together
from workers.formats.pytorch.read.elementwise import floor_divide
from workers.formats.pytorch.read.layer import BOOL, F32, I64, Layer, reads
from workers.formats.pytorch.read.shaping import expand
from workers.hub.graph import GraphBuilder, Value


def truth(g: GraphBuilder, x: Value) -> Value:
    return x if x.dtype == BOOL else g.Cast(x, to=BOOL)


def _logical(op: str, bits: str | None) -> Callable[..., Value]:
    def function(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
        a, b = together(g, self, other)
        if bits is not None and category(a.dtype) == 1:
            return g.op(bits, a, b)
        return g.op(op, truth(g, a), truth(g, b))

    return function


for _name, _op in {"and": "And", "or": "Or", "xor": "Xor"}.items():
    reads(f"aten::logical_{_name}")(_logical(_op, None))
    reads(f"aten::bitwise_{_name}", f"aten::__{_name}__")(_logical(_op, f"Bitwise{_op}"))


@reads("aten::logical_not")
def logical_not(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Not(truth(g, self))


@reads("aten::bitwise_not")
def bitwise_not(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    layer.expects(self, BOOL, I64, ir.DataType.INT32, ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT16)
    return g.Not(self) if self.dtype == BOOL else g.BitwiseNot(self)


@reads("aten::__lshift__", "aten::bitwise_left_shift")
def left_shift(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    a, b = together(g, self, other)
    return g.Mul(a, cast(g, g.Pow(operand(g, 2.0, ir.DataType.DOUBLE), cast(g, b, ir.DataType.DOUBLE)), a.dtype or I64))


@reads("aten::__rshift__", "aten::bitwise_right_shift")
def right_shift(g: GraphBuilder, layer: Layer, self: Any, other: Any) -> Value:
    a, b = together(g, self, other)
    power = cast(g, g.Pow(operand(g, 2.0, ir.DataType.DOUBLE), cast(g, b, ir.DataType.DOUBLE)), a.dtype or I64)
    found: Value = floor_divide(g, layer, a, power)
    return found


@reads("aten::isnan")
def isnan(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.IsNaN(floating(g, self))


@reads("aten::isinf", "aten::isposinf", "aten::isneginf")
def isinf(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    signs = {"aten::isposinf": (0, 1), "aten::isneginf": (1, 0)}.get(layer.type, (1, 1))
    return g.IsInf(floating(g, self), detect_negative=signs[0], detect_positive=signs[1])


@reads("aten::isfinite")
def isfinite(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    x = floating(g, self)
    return g.Not(g.Or(g.IsNaN(x), g.IsInf(x)))


@reads("aten::isclose")
def isclose(
    g: GraphBuilder, layer: Layer, self: Value, other: Value, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False
) -> Value:
    """Equal, or apart by atol + rtol * |other| at most: equal infinities are close, NaN where that is asked for."""
    if self.dtype not in FLOATS:
        self, other = (cast(g, x, ir.DataType.DOUBLE) for x in (self, other))
    bound = g.Add(operand(g, atol, self.dtype or F32), g.Mul(g.Abs(other), operand(g, rtol, self.dtype or F32)))
    apart = g.Abs(g.Sub(self, other))
    close = g.Or(g.Equal(self, other), g.And(g.LessOrEqual(apart, bound), g.Not(g.IsInf(apart))))
    return g.Or(close, g.And(g.IsNaN(self), g.IsNaN(other))) if equal_nan else close


@reads("aten::nan_to_num")
def nan_to_num(
    g: GraphBuilder, layer: Layer, self: Value, nan: Any = None, posinf: Any = None, neginf: Any = None
) -> Value:
    dtype = self.dtype or F32
    limit = 3.4028234663852886e38 if dtype == F32 else 65504.0
    x = g.Where(g.IsNaN(self), operand(g, 0.0 if nan is None else nan, dtype), self)
    high, low = (limit if posinf is None else posinf), (-limit if neginf is None else neginf)
    x = g.Where(g.IsInf(x, detect_negative=0), operand(g, high, dtype), x)
    return g.Where(g.IsInf(x, detect_positive=0), operand(g, low, dtype), x)


@reads("aten::where")
def where(g: GraphBuilder, layer: Layer, condition: Value, self: Any = None, other: Any = None) -> Any:
    if self is None:
        return [g.Squeeze(row, [0]) for row in _nonzero_rows(g, layer, condition)]
    layer.expects(condition, BOOL)
    a, b = together(g, self, other)
    return g.Where(truth(g, condition), a, b)


def _nonzero_rows(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    rank = layer.rank(x)
    return g.ops("Split", g.NonZero(x), outputs=rank, axis=0, num_outputs=rank)


@reads("aten::masked_fill")
def masked_fill(g: GraphBuilder, layer: Layer, self: Value, mask: Value, value: Any) -> Value:
    layer.expects(mask, BOOL)
    return g.Where(truth(g, mask), operand(g, value, self.dtype or F32), self)


@reads("aten::copy")
def copy(g: GraphBuilder, layer: Layer, self: Value, src: Any, non_blocking: Any = False) -> Value:
    return expand(g, layer, operand(g, src, self.dtype or F32), layer.dims(self))


@reads("aten::positive")
def positive(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return self
