"""The arguments of an operation in a functional model, wherever its record keeps them, as values of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read.elementwise import common
from workers.formats.keras.read.known import fixed
from workers.formats.keras.read.layer import DTYPES, F32, Layer, Result
from workers.formats.keras.read.tensor import Order, Tensor, plain
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder, Value

Operation = Callable[[GraphBuilder, "Arguments"], Result]
OPERATIONS: dict[str, Operation] = {}
ITEMS = 1 << 22


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Registers a function under the names that Keras' classes (``ops.Add``) and TensorFlow's functions map to."""

    def add(function: Operation) -> Operation:
        for name in names:
            if name in OPERATIONS:
                raise ValueError(f"{name} has two rules")
            OPERATIONS[name] = function
        return function

    return add


class Arguments:
    """``a.get(1, "axis")``: by keyword, by place in the call, or from the operation's own configuration."""

    def __init__(self, g: GraphBuilder, layer: Layer, name: str) -> None:
        self.g = g
        self.layer = layer
        self.name = name

    def get(self, place: int, *names: str, default: Any = None) -> Any:
        own = self.layer.config if self.layer.kind.startswith("ops.") else {}
        for name in names:
            for holder in (self.layer.kwargs, own):
                if holder.get(name) is not None:
                    return holder[name]
        if 0 <= place < len(self.layer.args) and self.layer.args[place] is not None:
            return self.layer.args[place]
        return default

    def tensor(self, place: int, *names: str, like: ir.DataType | None = None) -> Tensor:
        """A tensor, or a constant as one."""
        found = self.get(place, *names)
        if found is None:
            raise self.layer.malformed(f"its argument {names[0] if names else place!r} is missing")
        return self.as_tensor(found, like)

    def as_tensor(self, found: Any, like: ir.DataType | None = None) -> Tensor:
        if isinstance(found, Tensor):
            return found if found.flat is None else plain(found.plain(self.g))
        return plain(self.g.constant(self.array(found, like)))

    def array(self, found: Any, like: ir.DataType | None = None) -> np.ndarray[Any, Any]:
        """A constant: Python's integers and floats take the type of what they meet."""
        if isinstance(found, dict):
            found = found.get("config", found)
            found = found.get("value", found) if isinstance(found, dict) else found
        try:
            array = np.asarray(found)
        except (TypeError, ValueError, OverflowError):
            raise self.layer.malformed(f"its argument is {str(found)[:60]!r}") from None
        if array.dtype.kind not in "fiub" or array.size > ITEMS:
            raise self.layer.malformed(f"its argument is {str(found)[:60]!r}")
        if array.dtype.kind == "b":
            return array
        if like is not None and (like in FLOATS or array.dtype.kind in "iu"):
            with np.errstate(all="ignore"):
                return array.astype(like.numpy())
        with np.errstate(all="ignore"):
            return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)

    def tensors(self, place: int, *names: str) -> list[Tensor]:
        found = self.get(place, *names)
        items = found if isinstance(found, list) else [found]
        first = next((item for item in items if isinstance(item, Tensor)), None)
        if first is None:
            raise self.layer.malformed("it has no tensors among its inputs")
        return [self.as_tensor(item, first.value.dtype) for item in items]

    def pair(
        self, first: Sequence[str] = ("x1", "x", "a"), second: Sequence[str] = ("x2", "y", "b", "other")
    ) -> list[Tensor]:
        """Two operands of one type, as Python's numbers and Keras' promotion make them."""
        a, b = self.get(0, *first), self.get(1, *second)
        if a is None or b is None:
            raise self.layer.malformed("one of its operands is missing")
        like = next((item.value.dtype for item in (a, b) if isinstance(item, Tensor)), None)
        return promoted(self.g, [self.as_tensor(a, like), self.as_tensor(b, like)])

    def integer(self, place: int, *names: str, default: int | None = None) -> int:
        found = self.get(place, *names, default=default)
        values = self.layer.as_integers(self.plain(found), names[0])
        if len(values) != 1:
            raise self.layer.malformed(f"its {names[0]} is {str(found)[:60]!r}")
        return values[0]

    def plain(self, found: Any) -> Any:
        """Shapes may be records of arrays, or computed from fixed ones; another tensor where a constant must stand is
        refused."""
        if isinstance(found, Tensor):
            found = self._fixed(found)
        if isinstance(found, list) and any(isinstance(item, Tensor) for item in found):
            found = [self._fixed(item) if isinstance(item, Tensor) else item for item in found]
        if isinstance(found, Tensor) or (isinstance(found, list) and any(isinstance(item, Tensor) for item in found)):
            raise self.layer.unsupported("one of its arguments is computed where onnxhub needs a constant")
        if isinstance(found, dict) and "config" in found:
            found = found["config"]
            found = found.get("value", found) if isinstance(found, dict) else found
        return found

    def constant(self, found: Tensor) -> Any:
        """What a tensor is, where fixed shapes tell it."""
        return fixed(found.plain(self.g))

    def _fixed(self, found: Tensor) -> Any:
        constant = self.constant(found)
        return found if constant is None else constant

    def axes(self, x: Tensor, place: int, *names: str) -> list[int] | None:
        """Non-negative axes, None where none are given."""
        found = self.plain(self.get(place, *names))
        if found is None:
            return None
        return [self.layer.axis(axis, x.rank) for axis in self.layer.as_integers(found, names[0])]

    def dtype(self, place: int, *names: str) -> ir.DataType | None:
        found = self.get(place, *names)
        if isinstance(found, dict):
            found = found.get("config", {}).get("name") if isinstance(found.get("config"), dict) else None
        if found is None:
            return None
        word = str(found).rsplit(".", 1)[-1]
        if word not in DTYPES:
            raise self.layer.malformed(f"its dtype is {str(found)[:40]!r}")
        return DTYPES[word]


def floats(g: GraphBuilder, x: Tensor) -> Tensor:
    """The tensor, integers and truths as numbers of single precision."""
    return x if x.value.dtype in FLOATS else x.like(cast(g, x.value, F32))


def promoted(g: GraphBuilder, xs: list[Tensor]) -> list[Tensor]:
    """Tensors in one element type: the floating one, else the wider integer."""
    types = [x.value.dtype for x in xs]
    if len(set(types)) == 1 or None in types:
        return xs
    floats = [dtype for dtype in types if dtype in FLOATS]
    ints = [dtype for dtype in types if dtype is not None and dtype != ir.DataType.BOOL]
    want = max(floats or ints or [F32], key=lambda dtype: dtype.itemsize if dtype is not None else 0)
    assert want is not None
    return [Tensor(cast(g, x.value, want), x.order, x.mask) for x in xs]


def together(g: GraphBuilder, xs: Sequence[Tensor]) -> tuple[list[Value], Order]:
    """Values that broadcast as numpy does, and the order they lie in; scalars fit every order."""
    rank = max(x.rank for x in xs)
    full = [x for x in xs if x.rank == rank]
    if all(x.rank in (0, rank) for x in xs):
        values, order = common(g, full)
        found = iter(values)
        return [next(found) if x.rank == rank and rank else x.value for x in xs], order
    return [x.plain(g) for x in xs], tuple(range(rank))
