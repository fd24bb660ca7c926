"""What a reading function sees: the registry, one call of an operator with its place in the model, and the reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import LimitExceeded, Unsupported
from workers.formats.contract import Note
from workers.formats.layer import SourceLayer
from workers.formats.pytorch.read.symbols import Expr, Sym, axis_size, expr_of
from workers.formats.rules import Reads
from workers.hub.graph import GraphBuilder, Value

Array = npt.NDArray[Any]
Rule = Callable[..., Any]
Size = int | Sym
reads: Reads[Rule] = Reads("PyTorch")
# Operators whose functions get tensors as PyTorch sees them (quantised, mutable) instead of their ONNX values.
RAW: set[str] = set()

F32, F64, F16, I64, I32, BOOL, BF16, U8, I8 = (
    ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT64, ir.DataType.INT32,
    ir.DataType.BOOL, ir.DataType.BFLOAT16, ir.DataType.UINT8, ir.DataType.INT8,
)  # fmt: skip
# Elements that a reading function makes at once, instead of an operator of the graph.
MADE = 1 << 24
# torch's ScalarType numbers, as TorchScript writes them.
SCALAR_TYPES: dict[int, ir.DataType] = {
    0: U8, 1: I8, 2: ir.DataType.INT16, 3: I32, 4: I64, 5: F16, 6: F32, 7: F64, 11: BOOL, 12: I8, 13: U8, 14: I32,
    15: BF16, 23: ir.DataType.FLOAT8E5M2, 24: ir.DataType.FLOAT8E4M3FN, 25: ir.DataType.FLOAT8E5M2FNUZ,
    26: ir.DataType.FLOAT8E4M3FNUZ, 27: ir.DataType.UINT16, 28: ir.DataType.UINT32, 29: ir.DataType.UINT64,
}  # fmt: skip
NUMBERS = {dtype: number for number, dtype in reversed(SCALAR_TYPES.items()) if number not in (12, 13, 14)}


class Retype(Exception):
    """An input whose element type nobody told is used as something else than float32: read again with ``dtype``."""

    def __init__(self, name: str, dtype: ir.DataType) -> None:
        super().__init__(name)
        self.name = name
        self.dtype = dtype


class TimeMajor(Exception):
    """An input runs into a recurrent layer that wants [time, batch, ...]: its batch is axis 1."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Poison:
    """The result of an operator that cannot be read: what depends on it is skipped, so that all are reported."""

    def __repr__(self) -> str:
        return "<unreadable>"


POISON = _Poison()


@dataclass(slots=True)
class Scope:
    """What all calls of one reading share.

    ``root``: the builder of the whole graph, where weights lie. ``exprs``: the polynomial behind a free axis' name.
    ``wrapped``: tensors without axes that stand for numbers of the traced source. ``version``: of a TorchScript file.
    ``open``: inputs whose element type is a guess. ``batch_first``: inputs whose first axis was taken for the batch.
    ``wider``: by identity, values carried through loops with sizes left open, and those that they stand for.
    ``inner``: paths of modules that have modules in them.
    """

    file: str
    root: GraphBuilder
    exprs: dict[str, Expr] = field(default_factory=dict)
    scalars: dict[Value, Sym] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    wrapped: dict[Any, int | float | bool] = field(default_factory=dict)
    version: int = 1 << 30
    batch_first: set[str] = field(default_factory=set)
    refused: list[Unsupported] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    wider: dict[int, tuple[Value, Value]] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)
    done: int = 0

    def release(self, name: str) -> None:
        """Give back the name of a call that left no node, if it was the last one given."""
        base = self.bases.get(name, name)
        count = self.counts.get(base, 0)
        if name == (f"{base}_{count - 1}" if count > 1 else base):
            self.counts[base] = count - 1

    def numbered(self, name: str) -> str:
        """``name``, or ``name_1``, ``name_2``... when it was given before."""
        count = self.counts.get(name, 0)
        self.counts[name] = count + 1
        found = f"{name}_{count}" if count else name
        self.bases[found] = name
        return found


class Layer(SourceLayer):
    """One call of an operator. ``overload`` is empty where the source does not say it (TorchScript)."""

    system = "pytorch"

    def __init__(self, name: str, type: str, scope: Scope, overload: str = "") -> None:
        super().__init__(name, type, scope.file, scope.notes)
        self.scope = scope
        self.overload = overload

    def note(self, code: str, detail: str) -> None:
        note = Note(code, detail, self.name)
        if note not in self.scope.notes:
            self.scope.notes.append(note)

    # --- shapes -------------------------------------------------------------------------------------------------------

    def rank(self, x: Value) -> int:
        if x.shape is None:
            raise self.unsupported("the number of axes of its input is known only when the model runs")
        return len(x.shape)

    def dims(self, x: Value) -> list[Size]:
        """All sizes of ``x``: numbers, or symbols for the free axes."""
        return [self.dim(x, axis) for axis in range(self.rank(x))]

    def dim(self, x: Value, axis: int) -> Size:
        rank = self.rank(x)
        if not -rank <= axis < rank:
            raise self.malformed(f"it asks for axis {axis} of a tensor of {rank} axes")
        axis %= rank
        assert x.shape is not None
        size = x.shape[axis]
        if isinstance(size, int):
            return size
        name = size.value
        expr = None if name is None else self.scope.exprs.get(name, Expr.of(name))
        return axis_size(x, axis, expr)

    def static(self, x: Value, axis: int, what: str = "the size of an axis") -> int:
        """A size that must be a number."""
        size = self.dim(x, axis)
        if not isinstance(size, int):
            raise self.free(f"{what} must be known")
        return size

    def sizes(self, x: Value) -> list[int]:
        return [self.static(x, axis) for axis in range(self.rank(x))]

    def shaped(self, x: Value, dims: Sequence[Size | None]) -> Value:
        """``x`` with this shape written on it, as far as it is known."""
        named: list[int | str | None] = []
        for size in dims:
            expr = expr_of(size)
            constant = None if expr is None else expr.constant
            if expr is not None and constant is None:
                named.append(str(expr))
                self.scope.exprs[str(expr)] = expr
            else:
                named.append(constant)
        if x.shape is not None and len(x.shape) == len(named):
            named = [old if isinstance(old, int) else new for old, new in zip(x.shape, named, strict=True)]
        x.shape = ir.Shape(named)
        return x

    def axis(self, x: Value, dim: Any) -> int:
        """An axis counted from the front; tensors without axes have one for this purpose."""
        rank = max(self.rank(x), 1)
        number = self.integer(dim)
        if not -rank <= number < rank:
            raise self.malformed(f"its axis {number} does not exist in a tensor of {rank} axes")
        return number % rank

    def axes(self, x: Value, dims: Any) -> list[int]:
        """Axes as a list; none, or an empty list, mean all."""
        if isinstance(dims, int):
            dims = [dims]
        if not dims:
            return list(range(self.rank(x)))
        return sorted({self.axis(x, dim) for dim in dims})

    # --- arguments ----------------------------------------------------------------------------------------------------

    def integer(self, value: Any) -> int:
        """An integer argument that must be known before running."""
        known = self.known(value)
        if known is not None and known.size == 1:
            return int(known.reshape(()))
        raise self.free("a size or position among its arguments must be known")

    def integers(self, value: Any, count: int | None = None) -> list[int]:
        """A list of integers; one number stands for ``count`` of them."""
        if not isinstance(value, list | tuple):
            return [self.integer(value)] * (count or 1)
        found = [self.integer(item) for item in value]
        return found * count if count and len(found) == 1 else found

    def bounded(self, count: int) -> int:
        """A number of elements, rounds or pieces to be made at once. Raises LimitExceeded over 2^24."""
        if count > MADE:
            raise LimitExceeded("memory", f"layer {self.name!r} ({self.type}) makes {count:,} elements", limit=MADE)
        return count

    def real(self, value: Any) -> float:
        known = self.known(value)
        if known is None or known.size != 1:
            raise self.unsupported("a number among its arguments is known only when the model runs")
        return float(known.reshape(()))

    def known(self, value: Any) -> Array | None:
        """A number or small constant tensor as an array, None for what only running tells."""
        if isinstance(value, Sym):
            constant = value.expr.constant if value.expr is not None else None
            return None if constant is None else np.asarray(constant)
        if isinstance(value, ir.Value):
            return GraphBuilder.const(value)
        if isinstance(value, bool | int | float):
            return np.asarray(value)
        return None

    def dtype(self, code: Any, default: ir.DataType) -> ir.DataType:
        """An element type argument, torch's number for it; None gives the default."""
        if code is None:
            return default
        found = SCALAR_TYPES.get(code) if isinstance(code, int) else None
        if found is None:
            raise self.unsupported(f"its element type (number {code}) has no counterpart in ONNX")
        return found

    def expects(self, x: Value, *dtypes: ir.DataType) -> Value:
        """``x``, which must be of one of these types; an input of unknown type becomes the first."""
        if x.dtype not in dtypes:
            source = origin(x)
            if source.name in self.scope.open:
                raise Retype(str(source.name), dtypes[0])
        return x


_MOVES = frozenset({
    "Reshape", "Transpose", "Unsqueeze", "Squeeze", "Slice", "Gather", "Expand", "Identity", "Flatten", "Concat",
})  # fmt: skip


def origin(x: Value) -> Value:
    """The value that ``x`` only re-arranges."""
    while (node := x.producer()) is not None and node.op_type in _MOVES and node.inputs[0] is not None:
        x = node.inputs[0]
    return x


def product(dims: Sequence[Size]) -> Expr | None:
    """The number of elements, None when a size has no polynomial."""
    total = Expr.of(1)
    for size in dims:
        expr = expr_of(size)
        if expr is None:
            return None
        total = total * expr
    return total
