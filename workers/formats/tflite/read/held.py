"""A tensor during the reading: one thing in up to four forms, each made once, when it is first asked for.

TensorFlow Lite keeps channels last, ONNX's convolutions want them first; quantised tensors are integers that stand for
real numbers. A form is ``real`` or as stored, and ``first`` (channels moved to axis 1) or in the file's order of axes.
Layers take and leave the form that suits them, so that transposes appear at the edges of a convolution net only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.tflite.file import Quantization, Tensor
from workers.hub.elements import Reordered
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim, constant_of, shape_of

Value = ir.Value
Array = npt.NDArray[Any]
# Integers that stand for real numbers; int32 with a scale occurs as a bias only, which convolutions read themselves.
QUANTISED = ("int8", "uint8", "int16", "uint16", "int4", "uint4", "int2")
LAZY = 4096


def to_first(rank: int) -> list[int]:
    """The transposition that moves channels to axis 1."""
    return [0, rank - 1, *range(1, rank - 1)]


def to_last(rank: int) -> list[int]:
    """The transposition that moves them back."""
    return [0, *range(2, rank), 1]


@dataclass(frozen=True, slots=True)
class Flat:
    """A map flattened channels first, where the file has it flattened channels last: a dense layer can turn its weight.

    ``value`` is [batch, C * spatial], real numbers or as stored; ``sizes`` are the spatial ones and C. ``plain`` makes
    the real numbers in the file's order.
    """

    value: Value
    sizes: tuple[int, ...]
    real: bool
    plain: Callable[[GraphBuilder], Value]


@dataclass(frozen=True, slots=True)
class Rows:
    """The pixels of a map as rows of channels, [pixels, C], left as the map: a dense layer is a convolution of it.

    ``value`` has its channels in axis 1, ``sizes`` are the map's in the file's order.
    """

    value: Value
    sizes: tuple[Dim, ...]

    def plain(self, g: GraphBuilder) -> Value:
        turned = g.Transpose(self.value, perm=to_last(len(self.sizes)))
        return g.Reshape(turned, [-1, int(self.sizes[-1] or 0)])


@dataclass(slots=True, eq=False)
class Held:
    """``forms`` by (real, first); ``array`` gives the data of a constant as stored.

    ``known``: the elements of a small integer tensor, numbers and the names of free axes. ``folds``: a quantised
    constant becomes real numbers when it is written.
    """

    tensor: Tensor
    dtype: ir.DataType
    quantization: Quantization | None = None
    forms: dict[tuple[bool, bool], Value] = field(default_factory=dict)
    array: Callable[[], Array] | None = None
    shape: tuple[int, ...] = ()
    known: Array | None = None
    folds: bool = False
    flat: Flat | None = None
    rows: Rows | None = None

    @property
    def is_constant(self) -> bool:
        return self.array is not None

    @property
    def quantised(self) -> bool:
        return self.quantization is not None

    @property
    def is_complex(self) -> bool:
        """Whether there is one more axis, real and imaginary part."""
        return self.tensor.type.startswith("complex")

    @property
    def prefers_first(self) -> bool:
        """Whether the tensor is there with its channels first and in no other order."""
        return bool(self.forms) and all(first for _, first in self.forms)

    @property
    def either(self) -> bool:
        """Whether both orders are the same numbers in the same places: a single channel, or a single pixel."""
        shape = self.dims()
        if shape is None or len(shape) < 3:
            return True
        return shape[-1] == 1 or all(size == 1 for size in shape[1:-1])

    def dims(self) -> tuple[Dim, ...] | None:
        """The shape in the file's order of axes, None when not even the rank is known."""
        if self.array is not None:
            return self.shape
        if self.flat is not None:
            return shape_of(self.flat.value)
        if self.rows is not None:
            return None, self.rows.sizes[-1]
        for (_, first), value in self.forms.items():
            shape = shape_of(value)
            if shape is not None:
                return tuple(shape[axis] for axis in to_last(len(shape))) if first and len(shape) > 2 else shape
        return None

    def value(self, g: GraphBuilder, *, real: bool = True, first: bool = False) -> Value:
        """The tensor in one of its forms."""
        real = real or not self.quantised
        found = self.forms.get((real, first))
        if found is None:
            found = self.forms[real, first] = self._made(g, real, first)
        return found

    def _made(self, g: GraphBuilder, real: bool, first: bool) -> Value:
        if self.array is not None:
            return self._constant(g, real, first)
        if self.flat is not None and not self.forms:
            plain = self.flat.plain(g)
            stores = self.quantised and not self.flat.real
            self.forms[not stores, False] = quantised(g, plain, self, False) if stores else plain
            return self.value(g, real=real, first=first)
        if self.rows is not None and not self.forms:
            self.forms[True, False] = self.rows.plain(g)
            return self.value(g, real=real, first=first)
        if all(is_real for is_real, _ in self.forms):
            return self._from_real(g, real, first)
        if (False, first) not in self.forms:
            # Every node stands between a DequantizeLinear and a QuantizeLinear, as runtimes expect it.
            turned = self._turned(g, self.value(g, first=not first), first)
            self.forms[False, first] = quantised(g, turned, self, first)
        stored = self.forms[False, first]
        return dequantised(g, stored, self.quantization, first) if real else stored

    def _from_real(self, g: GraphBuilder, real: bool, first: bool) -> Value:
        """From real numbers only: the tensor is not quantised, or is to be read without."""
        if (True, first) not in self.forms:
            self.forms[True, first] = self._turned(g, self.forms[True, not first], first)
        plain = self.forms[True, first]
        return plain if real else quantised(g, plain, self, first)

    def _turned(self, g: GraphBuilder, x: Value, first: bool) -> Value:
        rank = len(x.shape or ())
        perm = to_first(rank) if first else to_last(rank)
        shape = shape_of(x)
        if self.either and shape is not None and all(isinstance(size, int) for size in shape[1:]):
            return g.Reshape(x, [0, *(int(size or 1) for size in (shape[axis] for axis in perm[1:]))])
        return g.Transpose(x, perm=perm)

    def _constant(self, g: GraphBuilder, real: bool, first: bool) -> Value:
        perm = to_first(len(self.shape)) if first else None
        if self.quantised and real and not self.folds:
            return dequantised(g, self.value(g, real=False, first=first), self.quantization, first)
        return constant(g, self, real=real, perm=perm)


def constant(
    g: GraphBuilder, held: Held, *, real: bool, perm: Sequence[int] | None = None, shape: Sequence[int] | None = None,
    view: Sequence[int] | None = None,
) -> Value:  # fmt: skip
    """A constant as an initialiser, seen as ``view``, transposed by ``perm`` and reshaped to ``shape``.

    It is a view on the file, or made when it is written.
    """
    assert held.array is not None
    make, quantization = held.array, held.quantization if real else None
    whole = list(view) if view is not None else list(held.shape)
    sizes = [whole[axis] for axis in perm] if perm is not None else whole
    sizes = list(shape) if shape is not None else sizes

    def array() -> Array:
        data = make() if quantization is None else real_numbers(make(), quantization)
        data = data.reshape(whole)
        return data if perm is None else data.transpose(perm)

    dtype = ir.DataType.FLOAT if quantization is not None else held.dtype
    if dtype == ir.DataType.STRING:
        words = [word if isinstance(word, bytes) else str(word).encode() for word in array().reshape(-1)]
        return g.weight(held.tensor.name, ir.StringTensor(words, shape=ir.Shape(sizes)))
    if np.prod(sizes) <= LAZY:
        return g.weight(held.tensor.name, np.ascontiguousarray(array()).reshape(sizes))
    return g.weight(held.tensor.name, Reordered(array, dtype, sizes))


def real_numbers(data: Array, quantization: Quantization) -> Array:
    """``scale * (stored - zero_point)`` in float32."""
    scale, zero = quantization.scale, quantization.zero_point
    if quantization.per_channel:
        along = [1] * data.ndim
        along[quantization.axis] = -1
        scale, zero = scale.reshape(along), zero.reshape(along)
    return ((data.astype(np.int32) - zero.astype(np.int32)) * scale.astype(np.float32)).astype(np.float32)


def parameters(
    g: GraphBuilder, quantization: Quantization, dtype: ir.DataType, axis: int | None = None
) -> tuple[Value, Value, int | None]:
    """Scale, zero point and axis as QuantizeLinear takes them."""
    scale, zero = quantization.scale.astype(np.float32), quantization.zero_point.astype(dtype.numpy())
    if not quantization.per_channel:
        return g.constant(scale.reshape(())), g.constant(zero.reshape(())), None
    return g.constant(scale), g.constant(zero), quantization.axis if axis is None else axis


def dequantised(g: GraphBuilder, x: Value, quantization: Quantization | None, first: bool) -> Value:
    assert quantization is not None and x.dtype is not None
    scale, zero, axis = parameters(g, quantization, x.dtype, _moved(x, quantization, first))
    return g.DequantizeLinear(x, scale, zero, axis=axis)


def quantised(g: GraphBuilder, x: Value, held: Held, first: bool) -> Value:
    assert held.quantization is not None
    scale, zero, axis = parameters(g, held.quantization, held.dtype, _moved(x, held.quantization, first))
    if x.dtype != ir.DataType.FLOAT:
        x = g.Cast(x, to=int(ir.DataType.FLOAT))
    return g.QuantizeLinear(x, scale, zero, axis=axis)


def saturated(g: GraphBuilder, x: Value, held: Held) -> Value:
    """Real numbers held to those that the tensor's integers stand for: old converters leave activations to that."""
    assert held.quantization is not None
    scale, zero = held.quantization.scale.astype(np.float64), held.quantization.zero_point
    limits = np.iinfo(held.dtype.numpy())
    low, high = (float(((end - zero) * scale).reshape(-1)[0]) for end in (limits.min, limits.max))
    node = x.producer()
    bounds = [constant_of(bound) for bound in node.inputs[1:]] if node is not None and node.op_type == "Clip" else []
    if len(bounds) == 2 and all(bound is not None for bound in bounds):
        ends = [float(bound) for bound in bounds if bound is not None]
        if ends[0] >= low - scale.max() and ends[1] <= high + scale.max():
            return x
    return g.Clip(x, np.float32(low), np.float32(high))


def _moved(x: Value, quantization: Quantization, first: bool) -> int:
    rank = len(x.shape or ())
    return to_first(rank).index(quantization.axis) if first and quantization.axis < rank else quantization.axis


def widened(data: Array) -> Array:
    """Half-precision numbers as float32."""
    return data.astype(np.float32) if data.dtype in (np.float16, ml_dtypes.bfloat16) else data
