"""What a reading function sees: the registry, one operator with its slots and attributes, and the reading at large."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from workers.errors import MalformedModel
from workers.formats.contract import Note
from workers.formats.layer import ValueLayer
from workers.formats.paddle.program import DTYPES, WORDS, Operator, Program
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

Value = ir.Value
Array = npt.NDArray[Any]
# A tensor, the tensors of an array known one by one, complex numbers, or what a branch not yet chosen would leave.
Held = Any
Result = Value | Sequence[Value] | Mapping[str, Held]
Rule = Callable[..., Result]
reads: Reads[Rule] = Reads("PaddlePaddle")
F32, F64, F16, BF16, I64, I32, BOOL = (
    ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.INT64,
    ir.DataType.INT32, ir.DataType.BOOL,
)  # fmt: skip
RANK, ELEMENTS = 32, 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class Complex:
    """Complex numbers as two tensors of one shape."""

    real: Value
    imaginary: Value


@dataclass(slots=True)
class Scope:
    """What all layers of one pass share.

    ``contents``: the elements of small integer tensors, flattened, as far as sizes of axes tell them. ``inputs``: the
    graph inputs, where free sizes are found. ``block`` reads a block: (builder, operators, environment).
    ``chosen`` are results of branches by what was chosen from (kept alive in ``held``).
    """

    file: str
    program: Program
    inputs: list[Value] = field(default_factory=list)
    contents: dict[Value, tuple[Dim, ...]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    block: Callable[..., Any] | None = None
    depth: int = 0
    chosen: dict[tuple[int, int], Value] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)


class Layer(ValueLayer):
    """One operator: ``layer.x("Input")`` is a value, ``layer.flag("ceil_mode")`` an attribute.

    ``env`` holds all values by name; control flow and arrays look into it, other layers read their slots only.
    """

    system = "paddle"

    def __init__(self, op: Operator, scope: Scope, env: Any) -> None:
        super().__init__(op.name, op.shown or op.type, scope.file, scope.notes)
        self.op = op
        self.scope = scope
        self.env = env

    def older(self, major: int, minor: int) -> bool:
        """Whether the program was written by an older release than this, where it says."""
        numbers = self.scope.program.version.split(" ")[0].split(".")
        if len(numbers) < 2 or not all(part.isdecimal() for part in numbers[:2]):
            return False
        return (int(numbers[0]), int(numbers[1])) < (major, minor)

    # --- slots --------------------------------------------------------------------------------------------------------

    def held(self, slot: str) -> list[Held]:
        """Whatever stands in a slot, which newer operators write in small letters; one for each name."""
        names = self.op.inputs.get(slot) or self.op.inputs.get(slot.lower()) or []
        return [self.env[name] for name in names]

    def only(self, slot: str) -> Held:
        """What stands in a slot that takes one thing, tensor or array."""
        found = self.held(slot)
        if len(found) != 1:
            raise self.malformed(f"its slot {slot} has {len(found)} values instead of one")
        return found[0]

    def all(self, slot: str) -> list[Value]:
        """The tensors of a slot, none when it is empty."""
        found = self.held(slot)
        if any(isinstance(value, Complex) for value in found):
            raise self.unsupported(f"its {slot} is complex; ONNX has no complex numbers, and this layer mixes parts")
        if any(not isinstance(value, ir.Value) for value in found):
            raise self.unsupported(f"its {slot} is an array of tensors or comes from a branch not taken")
        return found

    def several(self, slot: str) -> list[Value]:
        """The tensors of a slot, one at least."""
        found = self.all(slot)
        if not found:
            raise self.malformed(f"its slot {slot} is empty")
        return found

    def maybe(self, slot: str) -> Value | None:
        found = self.all(slot)
        if len(found) > 1:
            raise self.malformed(f"its slot {slot} has {len(found)} values instead of one")
        return found[0] if found else None

    def x(self, slot: str = "X") -> Value:
        value = self.maybe(slot)
        if value is None:
            raise self.malformed(f"its slot {slot} is empty")
        return value

    def wants(self, slot: str) -> bool:
        """Whether it has this output."""
        return bool(self.op.outputs.get(slot) or self.op.outputs.get(slot.lower()))

    # --- attributes ---------------------------------------------------------------------------------------------------

    def attr(self, key: str, default: Any = None) -> Any:
        value = self.op.attrs.get(key)
        return default if value is None else value

    def _bad(self, key: str) -> MalformedModel:
        return self.malformed(f"its attribute {key} is {str(self.op.attrs.get(key))[:80]!r}")

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.attr(key, default)
        if value is None:
            raise self.malformed(f"its attribute {key} is missing")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise self._bad(key)
        return int(value)

    def real(self, key: str, default: float | None = None) -> float:
        value = self.attr(key, default)
        if value is None:
            raise self.malformed(f"its attribute {key} is missing")
        if not isinstance(value, int | float):
            raise self._bad(key)
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.attr(key, default)
        if not isinstance(value, int):
            raise self._bad(key)
        return bool(value)

    def word(self, key: str, default: str = "") -> str:
        value = self.attr(key, default)
        if not isinstance(value, str):
            raise self._bad(key)
        return value

    def integers(self, key: str, default: Sequence[int] = ()) -> list[int]:
        """A list of integers; a single one counts as a list of one."""
        value = self.attr(key, list(default))
        value = value if isinstance(value, list) else [value]
        if any(not isinstance(item, int) for item in value):
            raise self._bad(key)
        return [int(item) for item in value] or list(default)

    def reals(self, key: str, default: Sequence[float] = ()) -> list[float]:
        value = self.attr(key, list(default))
        value = value if isinstance(value, list) else [value]
        if any(not isinstance(item, int | float) or not math.isfinite(item) for item in value):
            raise self._bad(key)
        return [float(item) for item in value] or list(default)

    def choice(self, key: str, default: str, *allowed: str) -> str:
        found = self.word(key, default)
        if found not in allowed:
            raise self._bad(key)
        return found

    def dtype(self, key: str = "dtype", default: ir.DataType | None = None) -> ir.DataType:
        """An element type, a number of the protobuf or a name of PIR; -1, "undefined" and nothing mean the default.

        What computes in bfloat16 computes in float32 here.
        """
        value = self.attr(key)
        if value is None or value in (-1, "undefined", ""):
            if default is None:
                raise self.malformed(f"its attribute {key} is missing")
            return default
        found = WORDS.get(value) if isinstance(value, str) else DTYPES.get(value) if isinstance(value, int) else None
        if found is None:
            raise self._bad(key)
        return F32 if found == BF16 else found

    # --- shapes -------------------------------------------------------------------------------------------------------

    def size(self, x: Value, axis: int) -> int:
        """The size of one axis, counted from the end when negative."""
        dims = self.shape(x)
        place = self.axis(axis, len(dims))
        return self.sizes(x, place, place + 1)[0]

    def rank(self, x: Value, *allowed: int) -> int:
        """The input's rank, which must be one of ``allowed`` if any are given."""
        rank = super().rank(x, *allowed)
        if rank > RANK:
            raise self.malformed(f"its input has {rank} axes")
        return rank

    def bounded(self, elements: int) -> None:
        """Refuse to write out a constant beyond reason."""
        if not 0 <= elements <= ELEMENTS:
            raise self.malformed(f"it asks for a constant of {elements:,} elements")

    # --- types --------------------------------------------------------------------------------------------------------

    def single(self, array: Array) -> float:
        """The number in a stored tensor of one element."""
        if array.size != 1:
            raise self.malformed(f"a number it takes is a tensor of {array.size} elements")
        return float(array.reshape(-1)[0])


def cast(g: GraphBuilder, x: Value, dtype: ir.DataType) -> Value:
    """``x`` as ``dtype``, itself where it is that already; constants are cast at once."""
    if x.dtype == dtype:
        return x
    array = g.const(x)
    if array is not None and array.size <= 64 and dtype != BOOL:
        return g.constant(array.astype(dtype.numpy()))
    return g.Cast(x, to=int(dtype))
