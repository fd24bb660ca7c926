"""What a reading function sees: the registries, one node with its attributes, and what a tensor may be besides a value.

``reads`` holds functions of tensors, ``(g, layer, *values)``; ``handles`` those of nodes that work with variables,
lists, functions and branches, ``(scope, layer, *entities)``. Together they are what the reader knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.layer import ValueLayer
from workers.formats.rules import Reads
from workers.formats.tensorflow.bundle import Stored
from workers.formats.tensorflow.dtypes import I64, ONNX, plain
from workers.formats.tensorflow.graph import Node
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.tensors import Array
from workers.hub.node import Dim, shape_of

Value = ir.Value
Rule = Callable[..., Any]
reads: Reads[Rule] = Reads("TensorFlow")
handles: Reads[Rule] = Reads("TensorFlow")


# --- what may stand for a tensor besides a value ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """The handle of a variable. ``stored`` is None when no file has its value."""

    name: str
    stored: Stored | None


@dataclass(frozen=True, slots=True, eq=False)
class TensorList:
    """TensorList or TensorArray: equally shaped tensors in order.

    ``dense`` holds them along axis 0; ``writes`` are (index, item) set since, an index of None pushes. ``size`` is
    their number, None for a list that grows by pushing. ``mark`` is the loop variable that the list stands for.
    """

    dtype: ir.DataType
    dense: Value | None = None
    writes: tuple[tuple[Value | None, Value], ...] = ()
    size: Value | None = None
    element: tuple[Dim, ...] | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """Something without a counterpart in ONNX: ``what`` it is, and the node that made it."""

    what: str
    layer: str
    data: Any = None


DEAD = Opaque("dead", "")
"""The side of a branch that is never taken."""
BROKEN = Opaque("broken", "")
"""Below a node that could not be read."""

Entity = Value | Variable | TensorList | Opaque


@dataclass(slots=True)
class Shared:
    """What all layers of one reading share."""

    file: str
    notes: list[Note] = field(default_factory=list)


class Layer(ValueLayer):
    """One node: ``layer.i("axis", -1)`` reads an attribute, ``layer.shape(x)`` a size.

    ``outputs`` tells how many of its outputs someone reads.
    """

    system = "tensorflow"
    noun = "node"

    def __init__(self, node: Node, name: str, shared: Shared, outputs: int = 1) -> None:
        super().__init__(name, node.op, shared.file, shared.notes)
        self.node = node
        self.shared = shared
        self.outputs = outputs

    # --- attributes ---------------------------------------------------------------------------------------------------

    def _get(self, key: str, field_name: str) -> Any:
        message = self.node.attrs.get(key)
        return message[field_name] if message is not None and message.has(field_name) else None

    def i(self, key: str, default: int = 0) -> int:
        found = self._get(key, "i")
        return default if found is None else int(found)

    def f(self, key: str, default: float = 0.0) -> float:
        found = self._get(key, "f")
        return default if found is None else float(found)

    def flag(self, key: str, default: bool = False) -> bool:
        message = self.node.attrs.get(key)
        return default if message is None else bool(message.b)

    def s(self, key: str, default: str = "") -> str:
        found = self._get(key, "s")
        return default if found is None else bytes(found).decode("utf-8", "replace")

    def ints(self, key: str, default: Sequence[int] = ()) -> list[int]:
        found = self._get(key, "list")
        return list(default) if found is None else [int(item) for item in found.i] or list(default)

    def floats(self, key: str) -> list[float]:
        found = self._get(key, "list")
        return [] if found is None else [float(item) for item in found.f]

    def texts(self, key: str) -> list[bytes]:
        found = self._get(key, "list")
        return [] if found is None else [bytes(item) for item in found.s]

    def type_name(self, key: str, default: str = "DT_FLOAT") -> str:
        found = self._get(key, "type")
        return default if found is None else plain(found)

    def dtype(self, key: str, default: str = "DT_FLOAT") -> ir.DataType:
        name = self.type_name(key, default)
        if name not in ONNX:
            raise self.unsupported(f"its element type {name} has no counterpart in ONNX")
        return ONNX[name]

    def dims(self, key: str) -> tuple[Dim, ...] | None:
        """A shape attribute, unknown sizes as None; None when the rank is unknown or nothing is said."""
        found = self._get(key, "shape")
        if found is None or found.unknown_rank:
            return None
        return tuple(int(dim.size or 0) if (dim.size or 0) >= 0 else None for dim in found.dim)

    def function(self, key: str) -> str:
        found = self._get(key, "func")
        if found is None or not found.name:
            raise self.malformed(f"its attribute {key} names no function")
        return str(found.name)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, x: Value) -> tuple[Dim, ...]:
        """The shape of an input; its rank must be known."""
        shape = shape_of(x)
        if shape is None:
            raise self.free("it needs the rank of its input, which is unknown")
        return shape

    def size(self, x: Value, axis: int) -> int:
        axis = self.axis(axis, len(self.shape(x)))
        return self.sizes(x, axis, axis + 1)[0]

    # --- types and constants ------------------------------------------------------------------------------------------

    def constant(self, g: Builder, x: Value, what: str) -> Array:
        """An input that must be a constant."""
        numbers = g.numbers(x)
        if numbers is not None:
            known = g.contents(x)
            array = np.array(numbers, self.element(x).numpy())
            return array.reshape(()) if known is not None and known.scalar else array
        found = g.const(x) if g.is_const(x) else None
        if found is None:
            raise self.unsupported(f"{what} is computed while the model runs; ONNX needs it to be a constant")
        return found

    def integers(self, g: Builder, x: Value, what: str) -> list[int]:
        """A constant input as a list of integers."""
        return [int(item) for item in self.constant(g, x, what).reshape(-1)]


def cast(g: Builder, x: Value, dtype: ir.DataType) -> Value:
    """``x`` as ``dtype``, itself where it is that already; a size cast to int32 and back is the size."""
    if x.dtype == dtype:
        return x
    producer = x.producer()
    if dtype == I64 and producer is not None and producer.op_type == "Cast" and g.contents(x) is not None:
        before = producer.inputs[0]
        if before is not None and before.dtype == I64:
            return before
    return g.Cast(x, to=int(dtype))


def whole(g: Builder, x: Value) -> Value:
    """Sizes and indices as int64."""
    return cast(g, x, I64)


def vector(g: Builder, x: Value) -> Value:
    """A scalar or one-element tensor as int64 of shape [1]."""
    return g.Reshape(whole(g, x), [1])
