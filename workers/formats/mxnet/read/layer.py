"""What a reading function sees: the registry, one node with its attributes, and the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy.typing as npt
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.layer import ValueLayer, cast
from workers.formats.mxnet import attributes
from workers.formats.mxnet.symbol import Node
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder

Value = ir.Value
Array = npt.NDArray[Any]
Rule = Callable[..., Value | Sequence[Value]]
T = TypeVar("T")
reads: Reads[Rule] = Reads("MXNet")
F32, F64, F16, I64, I32, BOOL, BF16 = (
    ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT32,
    ir.DataType.BOOL, ir.DataType.BFLOAT16,
)  # fmt: skip
DTYPES = {
    "float32": F32, "float64": F64, "float16": F16, "int64": I64, "int32": I32, "bool": BOOL, "bfloat16": BF16,
    "uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8,
}  # fmt: skip


@dataclass(slots=True)
class Scope:
    """What all layers of one pass share.

    ``symbols``: where the size of a free axis can be found at run time, by its name. ``zeros``: states that MXNet makes
    as zeros of a batch size found later; they have 1 there. ``packed``: the pieces of vectors put together from
    parameters. ``inner`` reads a sub-graph: (builder, symbol, values of its variables) -> its outputs.
    """

    file: str
    np_shape: bool = False
    symbols: dict[str, tuple[Value, int]] = field(default_factory=dict)
    zeros: set[Value] = field(default_factory=set)
    packed: dict[Value, list[Array]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    inner: Callable[..., list[Value]] | None = None


class Layer(ValueLayer):
    """One node: ``layer.flag("no_bias", False)`` reads an attribute, ``layer.shape(x)`` a size.

    ``outputs`` tells how many of its outputs someone reads.
    """

    system = "mxnet"

    def __init__(self, node: Node, scope: Scope, outputs: int = 1) -> None:
        super().__init__(node.name, node.op, scope.file, scope.notes)
        self.node = node
        self.scope = scope
        self.outputs = outputs

    # --- attributes ---------------------------------------------------------------------------------------------------

    def _given(self, key: str, read: Callable[[str], T], default: T) -> T:
        text = self.node.attrs.get(key)
        if text is None or text.strip() == "None":
            return default
        try:
            return read(text)
        except ValueError as error:
            raise self.malformed(f"its attribute {key}: {error}") from None

    def has(self, key: str) -> bool:
        return self.node.attrs.get(key, "None").strip() != "None"

    def integer(self, key: str, default: int | None = None) -> int:
        if default is None:
            self.need(key)
        return self._given(key, attributes.integer, default or 0)

    def real(self, key: str, default: float | None = None) -> float:
        if default is None:
            self.need(key)
        return float(self._given(key, attributes.real, default or 0.0))

    def flag(self, key: str, default: bool) -> bool:
        return self._given(key, attributes.flag, default)

    def word(self, key: str, default: str) -> str:
        return self._given(key, str.strip, default)

    def slots(self, key: str) -> tuple[int | None, ...]:
        """A tuple in which None may stand, as in the ends of a slice."""
        nothing: tuple[int | None, ...] = ()
        return self._given(key, _integers, nothing)

    def integers(self, key: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A tuple of integers; an empty one counts as absent."""
        found = self.slots(key)
        if any(item is None for item in found):
            raise self.malformed(f"its attribute {key} holds None")
        return tuple(item for item in found if item is not None) or default

    def reals(self, key: str, default: tuple[float, ...] = ()) -> tuple[float, ...]:
        nothing: tuple[float | None, ...] = ()
        found = self._given(key, _reals, nothing)
        if any(item is None or not math.isfinite(item) for item in found):
            raise self.malformed(f"its attribute {key} holds values that are no numbers")
        return tuple(item for item in found if item is not None) or default

    def need(self, key: str) -> None:
        if not self.has(key):
            raise self.malformed(f"its attribute {key} is missing")

    def dtype(self, default: ir.DataType = F32, key: str = "dtype") -> ir.DataType:
        word = self.word(key, "None")
        if word == "None":
            return default
        if word not in DTYPES:
            raise self.malformed(f"its attribute {key} is {word!r}, which is no element type")
        return DTYPES[word]

    # --- shapes -------------------------------------------------------------------------------------------------------

    def size(self, x: Value, axis: int) -> int:
        self.rank(x, *range(axis + 1, 33))
        return self.sizes(x, axis, axis + 1)[0]

    # --- types --------------------------------------------------------------------------------------------------------


def _integers(text: str) -> tuple[int | None, ...]:
    return attributes.items(text, attributes.integer)


def _reals(text: str) -> tuple[float | None, ...]:
    return attributes.items(text, attributes.real)


def whole(g: GraphBuilder, x: Value) -> Value:
    """Indices, which MXNet keeps in floats, as int64; fractions are cut off."""
    return cast(g, x, I64)
