"""What a reading function sees: the registry, one operator with its arguments, and the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import MalformedModel, UnsupportedLayer
from workers.formats.caffe2.operators import ELEMENTS, Net, Operator
from workers.formats.contract import Note
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim
from workers.inspect.schema import Message

Value = ir.Value
Array = npt.NDArray[Any]
Rule = Callable[..., "Value | Sequence[Value | None]"]
reads: Reads[Rule] = Reads("Caffe2")
F32, F64, F16, I64, I32, BOOL, U8, I8, I16 = (
    ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT32,
    ir.DataType.BOOL, ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT16,
)  # fmt: skip
DTYPES = {
    "FLOAT": F32, "DOUBLE": F64, "FLOAT16": F16, "INT64": I64, "INT32": I32, "BOOL": BOOL, "UINT8": U8, "BYTE": U8,
    "INT8": I8, "INT16": I16, "UINT16": ir.DataType.UINT16,
}  # fmt: skip
FLOATS = (F32, F64, F16)
INTEGERS = (I64, I32, U8, I8, I16)


class FreeAxis(Exception):
    """A layer needs the size of an axis that was left free; the reader falls back to fixed sizes, or says so."""

    def __init__(self, layer: str, type: str, reason: str) -> None:
        super().__init__(reason)
        self.layer = layer
        self.type = type
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scale:
    """What the numbers of a quantised tensor mean: ``scale * (q - zero)``."""

    scale: float
    zero: int


@dataclass(slots=True)
class Scope:
    """What all layers of one pass share.

    ``quantised``: the scale of every quantised tensor. ``training``: whether operators of training were cut off, so
    that batch normalisation means its running statistics. ``inner`` reads the operators of a nested net: (builder, net,
    values by name) -> values by name after it.
    """

    file: str
    training: bool = False
    quantised: dict[Value, Scale] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    inner: Callable[[GraphBuilder, Net, Mapping[str, Value]], dict[str, Value]] | None = None


class Layer:
    """One operator: ``layer.integer("axis", 1)`` reads an argument, ``layer.shape(x)`` a size.

    ``outputs`` tells how many of its outputs the file names, ``used`` which of them anybody reads; ``outer`` are the
    blobs around nested nets.
    """

    def __init__(
        self, op: Operator, scope: Scope, outer: Mapping[str, Value] | None = None, used: Iterable[str] | None = None
    ) -> None:
        self.op = op
        self.scope = scope
        self.name = op.name
        self.type = op.type
        self.outputs = len(op.outputs)
        self.used = frozenset(op.outputs if used is None else used)
        self.outer: Mapping[str, Value] = outer or {}

    # --- endings ------------------------------------------------------------------------------------------------------

    def unsupported(self, reason: str) -> UnsupportedLayer:
        """To be raised: the layer is well-formed and cannot be said in ONNX."""
        return UnsupportedLayer("caffe2", self.name, self.type, reason)

    def malformed(self, reason: str) -> MalformedModel:
        """To be raised: Caffe2 would refuse this layer, too."""
        return MalformedModel(
            f"layer {self.name!r} ({self.type}): {reason}", file=self.scope.file, layer=self.name, op=self.type
        )

    def free(self, reason: str) -> FreeAxis:
        """To be raised: the layer needs a size that was left free."""
        return FreeAxis(self.name, self.type, reason)

    def note(self, code: str, detail: str) -> None:
        self.scope.notes.append(Note(code, detail, self.name))

    # --- arguments ----------------------------------------------------------------------------------------------------

    def has(self, key: str) -> bool:
        return key in self.op.args

    def _one(self, key: str, field: str, words: str) -> Any:
        """The value of a single argument, None where there is none; Caffe2 takes no other kind of value."""
        arg: Message | None = self.op.args.get(key)
        if arg is None:
            return None
        if not arg.has(field):
            raise self.malformed(f"its argument {key} is no {words}")
        return arg[field]

    def integer(self, key: str, default: int | None = None) -> int:
        found = self._one(key, "i", "integer")
        if found is None and default is None:
            raise self.malformed(f"its argument {key} is missing")
        return int(default or 0) if found is None else int(found)

    def real(self, key: str, default: float | None = None) -> float:
        found = self._one(key, "f", "float")
        if found is None and default is None:
            raise self.malformed(f"its argument {key} is missing")
        return float(default or 0.0) if found is None else float(found)

    def flag(self, key: str, default: bool = False) -> bool:
        found = self._one(key, "i", "integer")
        return default if found is None else bool(found)

    def word(self, key: str, default: str) -> str:
        found = self._one(key, "s", "text")
        return default if found is None else str(bytes(found), "utf-8", "replace")

    def integers(self, key: str) -> list[int]:
        arg = self.op.args.get(key)
        return [int(item) for item in arg.ints] if arg is not None else []

    def reals(self, key: str) -> list[float]:
        arg = self.op.args.get(key)
        return [float(item) for item in arg.floats] if arg is not None else []

    def words(self, key: str) -> list[str]:
        arg = self.op.args.get(key)
        return [str(bytes(item), "utf-8", "replace") for item in arg.strings] if arg is not None else []

    @property
    def last(self) -> bool:
        """Whether channels come last (NHWC)."""
        order = self.word("order", "NCHW")
        if order not in ("NCHW", "NHWC"):
            raise self.malformed(f"its order is {order!r}")
        return order == "NHWC"

    # --- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, x: Value) -> tuple[Dim, ...]:
        """The shape of an input; its rank must be known."""
        try:
            return GraphBuilder.shape(x)
        except ValueError:
            raise self.free("it needs the rank of its input, which depends on the data") from None

    def sizes(self, x: Value, first: int = 0, stop: int | None = None) -> tuple[int, ...]:
        """The sizes of the axes [first, stop), which must be fixed."""
        sizes = self.shape(x)[first:stop]
        fixed = tuple(dim for dim in sizes if isinstance(dim, int))
        if len(fixed) != len(sizes):
            axes = [axis for axis, dim in enumerate(sizes, first) if not isinstance(dim, int)]
            raise self.free(f"it needs the size of axis {', '.join(map(str, axes))} of its input")
        return fixed

    def size(self, x: Value, axis: int) -> int:
        self.rank(x, *range(axis + 1, 33))
        return self.sizes(x, axis, axis + 1)[0]

    def rank(self, x: Value, *allowed: int) -> int:
        """The input's rank, which must be one of ``allowed`` if any are given."""
        rank = len(self.shape(x))
        if allowed and rank not in allowed:
            words = " or ".join(map(str, allowed)) if len(allowed) < 6 else f"{allowed[0]} or more"
            raise self.malformed(f"its input has {rank} axes; it takes {words}")
        return rank

    def axis(self, axis: int, rank: int, *, extra: int = 0) -> int:
        """An axis as a non-negative one; negative ones count from the end."""
        if not -(rank + extra) <= axis < rank + extra:
            raise self.malformed(f"its axis {axis} does not exist in an input of {rank} axes")
        return axis + rank + extra if axis < 0 else axis

    def channel(self, x: Value) -> int:
        """The axis of the channels."""
        return self.rank(x, *range(2, 33)) - 1 if self.last else 1

    def same(self, a: Dim, b: Dim, what: str) -> None:
        """Two sizes must be one: numbers that differ are an error, a number and a free axis a reason to fall back."""
        if isinstance(a, int) and isinstance(b, int):
            if a != b:
                raise self.malformed(f"{what} is {a} here and {b} there")
        elif a != b:
            raise self.free(f"{what} must be {a if isinstance(a, int) else b}")

    # --- types --------------------------------------------------------------------------------------------------------

    def element(self, x: Value) -> ir.DataType:
        if x.dtype is None:
            raise self.free("it needs the element type of its input")
        return x.dtype

    def number(self, x: Value, value: float) -> Array:
        """``value`` as a constant of the element type of ``x``."""
        dtype = self.element(x).numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(value).astype(dtype)

    def array(self, x: Value, values: Any) -> Array:
        return np.asarray(values).astype(self.element(x).numpy())

    def dtype(self, key: str, default: str) -> ir.DataType:
        """An element type said by Caffe2's number or, in any case of letters, by its name."""
        arg = self.op.args.get(key)
        if arg is None:
            word = default
        elif arg.has("s"):
            word = str(bytes(arg.s), "utf-8", "replace").upper()
        else:
            word = ELEMENTS.get(int(arg.i), str(int(arg.i)))
        if word not in DTYPES:
            raise self.malformed(f"its argument {key} is {word!r}, which is no element type of numbers")
        return DTYPES[word]


def cast(g: GraphBuilder, x: Value, dtype: ir.DataType) -> Value:
    """``x`` as ``dtype``, itself where it is that already."""
    return x if x.dtype == dtype else g.Cast(x, to=int(dtype))


def prod(sizes: Sequence[int]) -> int:
    return math.prod(sizes)
