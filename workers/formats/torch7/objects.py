"""What a `.t7` file holds, as inert records: tables, tensors and objects of some class. Knows neither bytes nor ONNX.

Functions are opaque: their byte code is skipped, never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(eq=False, slots=True, repr=False)
class Table:
    """A Lua table. Whole numbers are int keys; a key may be a table or an object as well, compared by identity."""

    entries: dict[Any, Any] = field(default_factory=dict)

    def get(self, key: Any, default: Any = None) -> Any:
        return self.entries.get(key, default)

    def items(self) -> list[Any]:
        """The values of the keys 1..n."""
        found: list[Any] = []
        while len(found) + 1 in self.entries:
            found.append(self.entries[len(found) + 1])
        return found


@dataclass(eq=False, slots=True, repr=False)
class Storage:
    """``size`` elements; ``load`` gives them as a flat array, a view on the mapped file where the file is binary."""

    class_name: str
    size: int
    dtype: np.dtype[Any]
    load: Callable[[], Array]

    def integers(self) -> list[int]:
        """The elements of a LongStorage, as sizes are stored."""
        return [int(value) for value in self.load()]


@dataclass(eq=False, slots=True, repr=False)
class Tensor:
    """A strided view on a storage. Axes and ``offset`` are zero-based; without a storage the tensor is empty."""

    class_name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage: Storage | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape) if self.shape and self.storage is not None else 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for tensors that are the same view on the same storage."""
        return (id(self.storage), self.offset, self.shape, self.strides)

    def check(self) -> None:
        """Raises ValueError when the view leaves its storage."""
        if self.storage is None or 0 in self.shape or not self.shape:
            return
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if self.offset < 0 or min(self.strides) < 0 or last >= self.storage.size:
            raise ValueError(f"a tensor of shape {list(self.shape)} leaves its storage of {self.storage.size} elements")

    def array(self) -> Array:
        """The elements as they are stored, without a copy. Raises ValueError when the view leaves its storage."""
        self.check()
        if self.storage is None or 0 in self.shape or not self.shape:
            return np.zeros(self.shape or 0, np.float32)
        flat = self.storage.load()
        steps = [stride * flat.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps, writeable=False)


@dataclass(eq=False, slots=True, repr=False)
class Function:
    """A Lua function: never evaluated."""

    size: int


@dataclass(eq=False, slots=True, repr=False)
class Object:
    """An object of a Torch class. ``parts`` are what the class wrote, nearly always one table of fields."""

    class_name: str
    version: int
    parts: list[Any] = field(default_factory=list)

    @property
    def fields(self) -> Table:
        """The last table the class wrote; an empty one when it wrote none."""
        last = self.parts[-1] if self.parts else None
        return last if isinstance(last, Table) else Table()

    def get(self, key: Any, default: Any = None) -> Any:
        return self.fields.entries.get(key, default)

    def text(self, key: str) -> str:
        """A field that is a string, else ''."""
        value = self.get(key)
        return value if isinstance(value, str) else ""


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values directly inside a table or an object."""
    if isinstance(value, Table):
        yield from value.entries.items()
    elif isinstance(value, Object):
        for part in value.parts:
            if isinstance(part, Table):
                yield from part.entries.items()
