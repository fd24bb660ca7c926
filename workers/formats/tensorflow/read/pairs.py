"""Complex tensors: pairs of real ones, their parts along a last axis of size 2 as ONNX's DFT has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import F32, F64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, Opaque, Rule, Value, cast
from workers.formats.tensorflow.tensors import Array

Parts = tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Pair:
    """``value`` [..., 2] holds a complex tensor."""

    value: Value


def is_pair(entity: Entity) -> bool:
    return isinstance(entity, Opaque) and isinstance(entity.data, Pair)


def pair(layer: Layer, value: Value) -> Opaque:
    return Opaque("a complex tensor", layer.name, Pair(value))


def part(g: Builder, value: Value, index: int) -> Value:
    return g.Gather(value, np.array(index, np.int64), axis=-1)


def parts(g: Builder, entity: Entity) -> Parts:
    """Real and imaginary part."""
    assert isinstance(entity, Opaque) and isinstance(entity.data, Pair)
    return part(g, entity.data.value, 0), part(g, entity.data.value, 1)


def joined(g: Builder, layer: Layer, real: Value, imaginary: Value) -> Opaque:
    return pair(layer, g.Concat(g.Unsqueeze(real, [-1]), g.Unsqueeze(imaginary, [-1]), axis=-1))


def complex_constant(g: Builder, layer: Layer, array: Array) -> Opaque:
    real = np.float64 if array.dtype == np.complex128 else np.float32
    return pair(layer, g.constant(np.stack([array.real, array.imag], axis=-1).astype(real)))


SEPARABLE = frozenset({
    "AccumulateNV2", "Add", "AddN", "AddV2", "BroadcastTo", "Concat", "ConcatV2", "Cumsum", "DepthToSpace",
    "DynamicStitch", "EnsureShape", "ExpandDims", "Gather", "GatherNd", "GatherV2", "MatrixDiag", "MatrixDiagPart",
    "Mean", "Neg", "Pack", "Pad", "Reshape", "Reverse", "ReverseV2", "Roll", "Select", "SelectV2", "Slice", "Split",
    "SplitV", "Squeeze", "StridedSlice", "Sub", "Sum", "Tile", "Transpose", "Unpack", "ZerosLike",
})  # fmt: skip
"""Operators that do to real and imaginary parts what they do to a real tensor."""


def is_complex(layer: Layer) -> bool:
    """Whether a Cast makes complex numbers."""
    return layer.type_name("DstT") in ("DT_COMPLEX64", "DT_COMPLEX128")


def to_complex(g: Builder, layer: Layer, x: Value) -> Opaque:
    """A real tensor as a complex one."""
    real = cast(g, x, F32 if layer.type_name("DstT") == "DT_COMPLEX64" else F64)
    return joined(g, layer, real, g.Mul(real, layer.number(real, 0)))


def _mul(g: Builder, a: Parts, b: Parts, times: Callable[[Value, Value], Value]) -> Parts:
    real = g.Sub(times(a[0], b[0]), times(a[1], b[1]))
    return real, g.Add(times(a[0], b[1]), times(a[1], b[0]))


def _div(g: Builder, a: Parts, b: Parts) -> Parts:
    """a / b = a * conj(b) / |b|^2."""
    size = g.Add(g.Mul(b[0], b[0]), g.Mul(b[1], b[1]))
    real, imaginary = _mul(g, a, (b[0], g.Neg(b[1])), g.Mul)
    return g.Div(real, size), g.Div(imaginary, size)


def _exp(g: Builder, a: Parts) -> Parts:
    size = g.Exp(a[0])
    return g.Mul(size, g.Cos(a[1])), g.Mul(size, g.Sin(a[1]))


def _of(g: Builder, layer: Layer, x: Entity) -> Parts:
    if is_pair(x):
        return parts(g, x)
    if not isinstance(x, ir.Value):
        raise layer.unsupported("it mixes a complex tensor with something that is no tensor")
    return x, g.Mul(x, layer.number(x, 0))


def on_pairs(g: Builder, layer: Layer, rule: Rule, inputs: Sequence[Entity]) -> object:
    """What an operator makes of complex inputs."""
    op = layer.type
    if op in SEPARABLE:
        sides = [rule(g, layer, *(parts(g, x)[side] if is_pair(x) else x for x in inputs)) for side in (0, 1)]
        if isinstance(sides[0], list | tuple):
            return [joined(g, layer, *both) for both in zip(*sides, strict=True)]
        return joined(g, layer, *sides)
    if op == "Cast":
        return rule(g, layer, parts(g, inputs[0])[0]) if not is_complex(layer) else inputs[0]
    if op in ("Shape", "ShapeN", "Size", "Rank"):
        return rule(g, layer, *(parts(g, x)[0] if is_pair(x) else x for x in inputs))
    return joined(g, layer, *_computed(g, layer, rule, [_of(g, layer, x) for x in inputs]))


def _computed(g: Builder, layer: Layer, rule: Rule, found: list[Parts]) -> Parts:
    """What of complex numbers is more than the same for both parts."""
    op = layer.type
    if op in ("Mul", "Square"):
        return _mul(g, found[0], found[-1], g.Mul)
    if op in ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        sides = zip(("adj_x", "adj_y"), found, strict=True)
        one, two = ((x[0], g.Neg(x[1])) if layer.flag(key) else x for key, x in sides)
        return _mul(g, one, two, lambda a, b: rule(g, layer, a, b))
    if op in ("RealDiv", "Div"):
        return _div(g, *found)
    if op == "Exp":
        return _exp(g, *found)
    raise layer.unsupported("it works with a complex tensor, which ONNX has not for this operator")
