"""Complex numbers, which ONNX does not have: two tensors side by side, read part by part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.elementwise import angle_of
from workers.formats.paddle.read.layer import F32, F64, Complex, Held, Layer, Rule, Value, cast, reads
from workers.hub.graph import GraphBuilder

# Layers that move elements or sum them: the same on both parts.
PART_BY_PART = frozenset({
    "assign", "share_data", "reshape", "reshape2", "transpose", "transpose2", "squeeze", "squeeze2", "unsqueeze",
    "unsqueeze2", "flatten", "flatten2", "flatten_contiguous_range", "slice", "strided_slice", "split", "concat",
    "stack", "unstack", "unbind", "flip", "roll", "gather", "gather_nd", "index_select", "expand_v2", "expand_as_v2",
    "tile", "pad", "pad3d", "reduce_sum", "reduce_mean", "mean", "sum", "cumsum", "frame", "overlap_add", "tril_triu",
    "elementwise_add", "elementwise_sub", "where", "set_value", "diag_v2", "diagonal", "take_along_axis", "dropout",
})  # fmt: skip
# Layers that are linear in each of two operands.
PRODUCTS = frozenset({"elementwise_mul", "matmul", "matmul_v2", "bmm", "mul", "dot", "einsum"})
SIZES = frozenset({"shape", "shape64", "size"})


def complex_rule(layer: Layer, rule: Rule) -> Rule:
    """``rule``, unless the layer takes complex numbers: then what reads it part by part."""
    names = [name for slot in layer.op.inputs.values() for name in slot]
    if not any(isinstance(layer.env.find(name), Complex) for name in names):
        return rule
    type_ = layer.op.type
    if type_ in RULES:
        return RULES[type_]
    if type_ in PART_BY_PART:
        return partial(_part_by_part, rule)
    if type_ in PRODUCTS:
        return partial(_product, rule)
    if type_ in SIZES:
        return lambda g, layer: rule(g, _with(layer, lambda value: value.real))
    return rule


def _with(layer: Layer, pick: Callable[[Complex], Value], place: int | None = None) -> Layer:
    """The layer with a part of every complex input in its place; ``place`` counts inputs to change only one."""
    env, count = layer.env.inner(), 0
    inputs: dict[str, list[str]] = {}
    for slot, names in layer.op.inputs.items():
        inputs[slot] = []
        for name in names:
            value = layer.env.find(name)
            if isinstance(value, Complex) and place in (None, count):
                name = f"{name}#{count}"
                env.values[name] = pick(value)
            inputs[slot].append(name)
            count += 1
    return Layer(replace(layer.op, inputs=inputs), layer.scope, env)


def _together(layer: Layer, combine: Callable[[Value, Value], Held], a: Any, b: Any) -> Any:
    """The results of two readings, one by one."""
    if isinstance(a, Mapping):
        return {slot: _together(layer, combine, a[slot], b[slot]) for slot in a}
    if isinstance(a, Sequence):
        return [_together(layer, combine, x, y) for x, y in zip(a, b, strict=True)]
    if not isinstance(a, ir.Value) or not isinstance(b, ir.Value):
        raise layer.unsupported("it has results of complex numbers that are no tensors")
    return combine(a, b)


def _zeros(g: GraphBuilder, value: Value) -> Value:
    array = g.const(value)
    return g.constant(np.zeros_like(array)) if array is not None else g.Sub(value, value)


def _part_by_part(rule: Rule, g: GraphBuilder, layer: Layer) -> Any:
    """Where one of two summands is real, its imaginary part is zero."""
    if layer.op.type.startswith("elementwise") or layer.op.type in ("sum", "concat", "stack", "where"):
        layer = _all_complex(g, layer)
    real, imaginary = (rule(g, _with(layer, pick)) for pick in (lambda z: z.real, lambda z: z.imaginary))
    return _together(layer, Complex, real, imaginary)


def _all_complex(g: GraphBuilder, layer: Layer) -> Layer:
    env = layer.env.inner()
    for slot, names in layer.op.inputs.items():
        for name in names if slot in ("X", "Y") else ():
            value = layer.env.find(name)
            if isinstance(value, ir.Value):
                env.values[name] = Complex(value, _zeros(g, value))
    return Layer(layer.op, layer.scope, env)


def _product(rule: Rule, g: GraphBuilder, layer: Layer) -> Any:
    """(a + ib)(c + id) = ac - bd + i(ad + bc)."""
    values = [value for slot in layer.op.inputs for value in layer.held(slot)]
    if len(values) != 2:
        raise layer.unsupported(f"it multiplies {len(values)} tensors with complex numbers among them")
    parts = (lambda z: z.real), (lambda z: z.imaginary)
    if not all(isinstance(value, Complex) for value in values):
        return _together(layer, Complex, *(rule(g, _with(layer, pick)) for pick in parts))
    ac, ad, bc, bd = (rule(g, _with(_with(layer, first, 0), second)) for first in parts for second in parts)
    real = _together(layer, lambda x, y: g.Sub(x, y), ac, bd)
    return _together(layer, Complex, real, _together(layer, lambda x, y: g.Add(x, y), ad, bc))


# --- making and taking apart ------------------------------------------------------------------------------------------


def number_of(layer: Layer, slot: str = "X") -> Complex:
    """The complex numbers in a slot."""
    value = layer.only(slot)
    if not isinstance(value, Complex):
        raise layer.malformed(f"its {slot} is not complex")
    return value


@reads("complex")
def complex_(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    x, y = layer.x("X"), layer.x("Y")
    if layer.shape(x) != layer.shape(y):
        x, y = g.Expand(x, g.Shape(y)), g.Expand(y, g.Shape(x))
    return {"Out": [Complex(x, y)]}


@reads("as_complex")
def as_complex(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    """The last axis, of two, becomes the two parts."""
    x = layer.x()
    axis = layer.rank(x) - 1
    if axis < 0 or layer.size(x, axis) != 2:
        raise layer.malformed("its last axis has not the size 2")
    parts = g.ops("Split", x, [1, 1], outputs=2, axis=axis)
    return {"Out": [Complex(*(g.Squeeze(part, [axis]) for part in parts))]}


def _as_real(g: GraphBuilder, layer: Layer) -> Value:
    x = number_of(layer)
    axis = layer.rank(x.real)
    return g.Concat(g.Unsqueeze(x.real, [axis]), g.Unsqueeze(x.imaginary, [axis]), axis=axis)


def _abs(g: GraphBuilder, layer: Layer) -> Value:
    x = number_of(layer)
    return g.Sqrt(g.Add(g.Mul(x.real, x.real), g.Mul(x.imaginary, x.imaginary)))


@reads("angle")
def angle(g: GraphBuilder, layer: Layer) -> Value:
    """Of real numbers 0 or pi."""
    x = layer.x()
    return g.Where(g.Less(x, layer.number(x, 0)), layer.number(x, math.pi), layer.number(x, 0))


def _angle(g: GraphBuilder, layer: Layer) -> Value:
    x = number_of(layer)
    return angle_of(g, layer, x.imaginary, x.real)


@reads("real")
def real(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.only("X")
    return g.Identity(x.real if isinstance(x, Complex) else layer.x())


@reads("imag")
def imag(g: GraphBuilder, layer: Layer) -> Value:
    return g.Identity(number_of(layer).imaginary)


@reads("conj")
def conj(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    x = layer.only("X")
    return {"Out": [Complex(x.real, g.Neg(x.imaginary)) if isinstance(x, Complex) else g.Identity(layer.x())]}


def _cast(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    x, target = number_of(layer), layer.dtype("out_dtype")
    if target not in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
        return {"Out": [cast(g, x.real, target)]}
    dtype = F64 if target == ir.DataType.COMPLEX128 else F32
    return {"Out": [Complex(cast(g, x.real, dtype), cast(g, x.imaginary, dtype))]}


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _scale(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    """The bias goes to the real part alone."""
    x, factor, bias = number_of(layer), layer.real("scale", 1.0), layer.real("bias", 0.0)
    tensor = layer.maybe("ScaleTensor")
    by = cast(g, tensor, layer.element(x.real)) if tensor is not None else layer.number(x.real, factor)
    real, imaginary = x.real, x.imaginary
    if not layer.flag("bias_after_scale", True) and bias:
        real = g.Add(real, layer.number(real, bias))
    real, imaginary = g.Mul(real, by), g.Mul(imaginary, by)
    if layer.flag("bias_after_scale", True) and bias:
        real = g.Add(real, layer.number(real, bias))
    return {"Out": [Complex(real, imaginary)]}


def _divide(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    """(a + ib) / (c + id) = ((ac + bd) + i(bc - ad)) / (c2 + d2)."""
    both = _all_complex(g, layer)
    x, y = number_of(both, "X"), number_of(both, "Y")
    if layer.integer("axis", -1) != -1:
        raise layer.unsupported("it aligns complex numbers at an axis")
    size = g.Add(g.Mul(y.real, y.real), g.Mul(y.imaginary, y.imaginary))
    real = g.Add(g.Mul(x.real, y.real), g.Mul(x.imaginary, y.imaginary))
    imaginary = g.Sub(g.Mul(x.imaginary, y.real), g.Mul(x.real, y.imaginary))
    return {"Out": [Complex(g.Div(real, size), g.Div(imaginary, size))]}


def _exp(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    x = number_of(layer)
    size = g.Exp(x.real)
    return {"Out": [Complex(g.Mul(size, g.Cos(x.imaginary)), g.Mul(size, g.Sin(x.imaginary)))]}


RULES: dict[str, Rule] = {
    "abs": _abs, "as_real": _as_real, "angle": _angle, "cast": _cast, "scale": _scale, "elementwise_div": _divide,
    "exp": _exp,
}  # fmt: skip


@reads("as_real")
def as_real(g: GraphBuilder, layer: Layer) -> Value:
    raise layer.malformed("its X is not complex")
