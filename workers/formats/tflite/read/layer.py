"""What a reading function sees: the registry, one operator with its tensors and options, and the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.layer import TensorLayer, cast
from workers.formats.rules import Reads
from workers.formats.tflite.file import Operator, Quantization, SubGraph, Tensor
from workers.formats.tflite.read.held import QUANTISED, Flat, Held, Rows, constant
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

Value = ir.Value
Array = npt.NDArray[Any]
F32, F16, F64, I8, U8, I16, I32, I64, BOOL, TEXT = (
    ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.INT8, ir.DataType.UINT8,
    ir.DataType.INT16, ir.DataType.INT32, ir.DataType.INT64, ir.DataType.BOOL, ir.DataType.STRING,
)  # fmt: skip
# complex64 is held as float32 with one more axis, real and imaginary part.
DTYPES = {
    "float32": F32, "float16": F16, "float64": F64, "int8": I8, "uint8": U8, "int16": I16, "int32": I32, "int64": I64,
    "bool": BOOL, "string": TEXT, "uint16": ir.DataType.UINT16, "uint32": ir.DataType.UINT32,
    "uint64": ir.DataType.UINT64, "bfloat16": ir.DataType.BFLOAT16, "int4": I8, "uint4": U8, "int2": I8,
    "complex64": F32,
}  # fmt: skip
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")


# What these give lies between the numbers that they are given.
WITHIN = frozenset({
    "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "GATHER_ND",
    "MAX_POOL_2D", "MIRROR_PAD", "PACK", "PAD", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V",
    "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
})  # fmt: skip
# TensorFlow Lite lays down one range for the results of each of these: that of the function.
BOUNDED = frozenset({"L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH"})


@dataclass(frozen=True, slots=True)
class Out:
    """A result with more to be said: ``first``, its channels are in axis 1; ``real`` is false for data as stored.

    ``known``: elements of a small integer result. ``array``: the result is a constant, with ``shape`` and ``dtype``.
    """

    value: Value | None = None
    first: bool = False
    real: bool = True
    known: Array | None = None
    array: Callable[[], Array] | None = None
    shape: tuple[int, ...] = ()
    dtype: ir.DataType = F32
    flat: Flat | None = None
    rows: Rows | None = None


Result = Value | Out | Sequence["Value | Out"]
Rule = Callable[..., Result]
reads: Reads[Rule] = Reads("TensorFlow Lite")


@dataclass(slots=True)
class Scope:
    """What all layers of one pass share.

    ``batch``: the size that the free batch axis had in the file, None where it was free there, too, or is fixed.
    ``graphs`` are all of the file, ``inner`` reads one: (builder, index, tensors for its inputs) -> its outputs.
    ``recorded``: sizes that cannot be told otherwise are those that the file records, which hold for these inputs.
    ``hybrid``: TFLite rounds what flows into some layer to eight bits, and this model does not.
    ``variables`` and ``tables`` (keys, values) are resources by name, given their values while ``initialising``;
    ``depth`` counts nested graphs.
    """

    file: str
    dequantize: bool = False
    batch: int | None = None
    recorded: bool = False
    notes: list[Note] = field(default_factory=list)
    inner: Callable[[GraphBuilder, int, Sequence[Held]], list[Held]] | None = None
    variables: dict[str, Held] = field(default_factory=dict)
    tables: dict[str, tuple[Held, Held]] = field(default_factory=dict)
    graphs: Sequence[SubGraph] = ()
    depth: int = 0
    initialising: bool = False
    hybrid: bool = False


class Layer(TensorLayer):
    """One operator: ``layer.x(g, 0)`` is its first input, ``layer.i("axis")`` an option, ``layer.dims(0)`` a shape."""

    system = "tflite"

    def __init__(self, op: Operator, graph: SubGraph, inputs: Sequence[Held | None], scope: Scope) -> None:
        super().__init__(layer_name(op, graph), op.type, scope.file, scope.notes)
        self.op = op
        self.scope = scope
        self.inputs = inputs
        self.outs: list[Tensor] = [graph.tensors[index] for index in op.outputs]

    # --- options ------------------------------------------------------------------------------------------------------

    def i(self, name: str, default: int = 0) -> int:
        return int(self.op.options.get(name, default))

    def f(self, name: str, default: float = 0.0) -> float:
        value = float(self.op.options.get(name, default))
        if not math.isfinite(value):
            raise self.malformed(f"its option {name} is {value}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.op.options.get(name, default))

    def ints(self, name: str) -> list[int]:
        return [int(item) for item in self.op.options.get(name, ())]

    # --- tensors ------------------------------------------------------------------------------------------------------

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    def held(self, index: int) -> Held:
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise self.malformed(f"its input {index} is missing")
        return found

    def x(self, g: GraphBuilder, index: int = 0, *, first: bool = False, real: bool = True) -> Value:
        """An input as a value: real numbers unless ``real`` is false, channels in axis 1 where ``first``."""
        return self.held(index).value(g, real=real, first=first and self.rank(index) > 2)

    def maybe(self, g: GraphBuilder, index: int) -> Value | None:
        """An input that may be left out."""
        return self.x(g, index) if self.has(index) else None

    def wants_first(self, *indices: int) -> bool:
        """Whether the layer had better work with channels in axis 1: an input is there in no other form.

        One whose order makes no difference goes with the others.
        """
        held = [self.held(index) for index in indices]
        if any(item.prefers_first and not item.either for item in held):
            return True
        return any(item.prefers_first for item in held) and all(item.prefers_first or item.is_constant for item in held)

    def moves(self, *indices: int) -> bool:
        """Whether data is moved as it is stored. What is quantised moves as real numbers, as runtimes expect it."""
        return not any(self.held(index).quantised for index in indices)

    def keeps_range(self, quantization: Quantization | None) -> bool:
        """Whether results in this quantisation need not be held to its range: they lie within already."""
        if quantization is None or quantization.per_channel or self.type in BOUNDED:
            return True
        ranges = [held.quantization for held in self.inputs if held is not None and held.quantization is not None]
        return self.type in WITHIN and all(
            own.scale.size == 1 and own.scale == quantization.scale and own.zero_point == quantization.zero_point
            for own in ranges
        )

    def quantization_of_result(self) -> Quantization | None:
        """That of the first result, None where it is real numbers, or where there are scales a channel."""
        found = self.outs[0].quantization if self.outs[0].type in QUANTISED else None
        return None if found is None or found.per_channel else found

    def const(self, index: int) -> Array | None:
        """The data of a constant input as stored."""
        held = self.inputs[index] if index < len(self.inputs) else None
        return held.array() if held is not None and held.array is not None else None

    def known(self, index: int) -> Array | None:
        """The elements of a small integer input, as far as known; free axes stand as names."""
        held = self.held(index)
        if held.known is None and held.array is not None and not held.dtype.is_floating_point():
            data = held.array()
            if data.size <= 4096 and data.dtype.kind in "iub":
                held.known = data.astype(object)
        return held.known

    def integers(self, index: int, what: str) -> list[int]:
        """A vector of integers that must not depend on the data."""
        known = self.known(index)
        if known is None:
            raise self.unsupported(f"its {what} (input {index}) are computed; ONNX needs them as constants")
        if any(isinstance(item, str) for item in known.flat):
            raise self.free(f"its {what} depend on a free axis")
        return [int(item) for item in known.flat]

    def integer(self, index: int, what: str) -> int:
        found = self.integers(index, what)
        if len(found) != 1:
            raise self.malformed(f"its {what} should be one number and has {len(found)}")
        return found[0]

    def number(self, index: int, what: str) -> float:
        """A constant scalar of any type."""
        data = self.const(index)
        if data is None:
            raise self.unsupported(f"its {what} (input {index}) is computed; ONNX needs it as a constant")
        if data.size != 1:
            raise self.malformed(f"its {what} should be one number and has {data.size}")
        return float(data.reshape(()))

    def kernel(
        self, g: GraphBuilder, index: int, perm: Sequence[int], *, shape: Sequence[int] | None = None,
        view: Sequence[int] | None = None, data: int = 0,
    ) -> Value:  # fmt: skip
        """A weight with its axes in the order ``perm``: a constant is only viewed so.

        Integer weights stay integers behind a DequantizeLinear where the layer's data is quantised, and become floats
        where the layer computes in floats (dynamic-range quantisation). ``shape`` leaves the channels' axis in place.
        """
        held = self.held(index)
        rank = self.rank(index) if view is None else len(view)
        if rank != len(perm):
            raise self.malformed(f"its weight has {rank} axes where it takes {len(perm)}")
        if held.array is None:
            x = self.x(g, index)
            x = x if list(perm) == list(range(rank)) else g.Transpose(x, perm=list(perm))
            return x if shape is None else g.Reshape(x, list(shape))
        if not held.quantised or held.folds or not self.held(data).quantised:
            self.scope.hybrid |= held.quantised or held.folds
            return constant(g, held, real=True, perm=perm, shape=shape, view=view)
        quantization = held.quantization
        assert quantization is not None
        raw = constant(g, held, real=False, perm=perm, shape=shape, view=view)
        zeros = quantization.zero_point.astype(held.dtype.numpy())
        if not quantization.per_channel:
            return g.DequantizeLinear(raw, g.constant(quantization.scale.reshape(())), g.constant(zeros.reshape(())))
        axis = list(perm).index(quantization.axis)
        return g.DequantizeLinear(raw, g.constant(quantization.scale), g.constant(zeros), axis=axis)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def dims(self, index: int = 0) -> tuple[Dim, ...]:
        """The shape of an input in the file's order of axes; its rank must be known."""
        shape = self.held(index).dims()
        if shape is None:
            raise self.free("it needs the rank of its input, which depends on the data")
        return shape

    def rank(self, index: int = 0, *allowed: int) -> int:
        rank = len(self.dims(index))
        if allowed and rank not in allowed:
            raise self.malformed(f"its input {index} has {rank} axes; it takes {' or '.join(map(str, allowed))}")
        return rank

    def size(self, index: int, axis: int) -> int:
        """The size of one axis, which must be fixed."""
        size = self.dims(index)[axis]
        if not isinstance(size, int):
            raise self.free(f"it needs the size of axis {axis} of its input")
        return size

    def sizes(self, index: int, first: int = 0, stop: int | None = None) -> list[int]:
        rank = self.rank(index)
        return [self.size(index, axis) for axis in range(rank)[first:stop]]

    def axes(self, index: int, rank: int) -> list[int]:
        """Axes from a constant input, each once, in order."""
        return sorted({self.axis(axis, rank) for axis in self.integers(index, "axes")})

    # --- types --------------------------------------------------------------------------------------------------------

    def dtype(self, index: int) -> ir.DataType:
        """The element type of an input's real numbers."""
        held = self.held(index)
        return F32 if held.quantised else held.dtype

    def as_type(self, index: int, number: float) -> Array:
        """``number`` as a scalar of the type of an input's real numbers."""
        with np.errstate(all="ignore"):
            return np.asarray(number).astype(self.dtype(index).numpy())

    @property
    def activation(self) -> str:
        number = self.i("fused_activation_function")
        if not 0 <= number < len(ACTIVATIONS):
            raise self.malformed(f"its fused activation {number} does not exist")
        return ACTIVATIONS[number]

    def activated(self, g: GraphBuilder, y: Value) -> Value:
        """``y`` after the activation that is fused into the layer."""
        return activated(g, y, self.activation)


def activated(g: GraphBuilder, y: Value, kind: str) -> Value:
    """One of the activations that layers carry with them."""
    if kind == "NONE":
        return y
    if kind in ("RELU", "TANH"):
        return g.Relu(y) if kind == "RELU" else g.Tanh(y)
    dtype = (y.dtype or F32).numpy()
    if kind == "SIGN_BIT":
        return cast(g, g.Less(y, np.zeros((), dtype)), y.dtype or F32)
    low, high = (0, 6) if kind == "RELU6" else (-1, 1)
    return g.Clip(y, np.asarray(low, dtype), np.asarray(high, dtype))


def layer_name(op: Operator, graph: SubGraph) -> str:
    """Operators have no names of their own: they go by their first result."""
    return graph.tensors[op.outputs[0]].name if op.outputs else op.type


def whole(g: GraphBuilder, x: Value) -> Value:
    """Indices and sizes as int64."""
    return cast(g, x, I64)
