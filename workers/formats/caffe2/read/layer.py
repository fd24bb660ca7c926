"""What a reading function sees: the registry, one operator with its arguments, and the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.formats.caffe2.operators import ELEMENTS, Net, Operator
from workers.formats.contract import Note
from workers.formats.layer import ValueLayer
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder
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


class Layer(ValueLayer):
    """One operator: ``layer.integer("axis", 1)`` reads an argument, ``layer.shape(x)`` a size.

    ``outputs`` tells how many of its outputs the file names, ``used`` which of them anybody reads; ``outer`` are the
    blobs around nested nets.
    """

    system = "caffe2"

    def __init__(
        self, op: Operator, scope: Scope, outer: Mapping[str, Value] | None = None, used: Iterable[str] | None = None
    ) -> None:
        super().__init__(op.name, op.type, scope.file, scope.notes)
        self.op = op
        self.scope = scope
        self.outputs = len(op.outputs)
        self.used = frozenset(op.outputs if used is None else used)
        self.outer: Mapping[str, Value] = outer or {}

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

    def size(self, x: Value, axis: int) -> int:
        self.rank(x, *range(axis + 1, 33))
        return self.sizes(x, axis, axis + 1)[0]

    def channel(self, x: Value) -> int:
        """The axis of the channels."""
        return self.rank(x, *range(2, 33)) - 1 if self.last else 1

    # --- types --------------------------------------------------------------------------------------------------------

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


def prod(sizes: Sequence[int]) -> int:
    return math.prod(sizes)
