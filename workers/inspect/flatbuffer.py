"""FlatBuffers, read in place with bounds: vtables, scalars, strings and vectors as views on the mapped file.

A table begins with the distance back to its vtable, which lists where each field lies; offsets are unsigned, relative
to where they stand, and may lead to one table from many places. Nothing is trusted: every position is checked before
it is read, nesting is capped, and the tables that are opened are counted, so that a small file that refers to itself a
million times ends in an error. Layout: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel

Array = npt.NDArray[Any]

# Scalar kinds by the letters that schemas here use, as ``struct`` reads them.
SCALARS = {
    "bool": "<?", "i8": "<b", "u8": "<B", "i16": "<h", "u16": "<H", "i32": "<i", "u32": "<I", "i64": "<q", "u64": "<Q",
    "f32": "<f", "f64": "<d",
}  # fmt: skip
_CODES = {kind: struct.Struct(code) for kind, code in SCALARS.items()}
_U16, _U32, _I32 = _CODES["u16"], _CODES["u32"], _CODES["i32"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file: nesting of tables, tables opened in all, bytes of one string."""

    depth: int = 64
    tables: int = 4_000_000
    string: int = 1 << 20


LIMITS = Limits()


class FlatBuffer:
    """One file. ``data`` may be a mapping of any size; ``file`` is what the errors call it."""

    def __init__(self, data: bytes | memoryview, *, file: str | None = None, limits: Limits = LIMITS) -> None:
        self.data = memoryview(data).cast("B") if memoryview(data).format != "B" else memoryview(data)
        self.size = len(self.data)
        self.file = file
        self.limits = limits
        self.opened = 0

    @property
    def identifier(self) -> bytes:
        """The four letters at byte 4 that say which schema the file follows; empty in files too short for it."""
        return bytes(self.data[4:8]) if self.size >= 8 else b""

    def root(self) -> Table:
        """The outermost table. Raises MalformedModel when the first offset leads nowhere."""
        return self.table(self.scalar(_U32, 0), 0)

    def broken(self, what: str, at: int) -> MalformedModel:
        name = f"{self.file!r}" if self.file else "the flatbuffer"
        return MalformedModel(f"{name} is truncated or damaged: {what} at byte {at:,}", file=self.file, offset=at)

    def scalar(self, code: struct.Struct, at: int) -> Any:
        if at < 0 or at + code.size > self.size:
            raise self.broken("a number lies outside the file", at)
        return code.unpack_from(self.data, at)[0]

    def target(self, at: int) -> int:
        """Where the offset at ``at`` leads; never onto itself."""
        step: int = self.scalar(_U32, at)
        if step == 0 or at + step >= self.size:
            raise self.broken("an offset leads outside the file", at)
        return at + step

    def vector(self, at: int, itemsize: int) -> tuple[int, int]:
        """Start and length of the vector whose count stands at ``at``."""
        count: int = self.scalar(_U32, at)
        if count * itemsize > self.size - at - 4:
            raise self.broken(f"a vector of {count:,} elements does not fit into the file", at)
        return at + 4, count

    def table(self, at: int, depth: int) -> Table:
        self.opened += 1
        if self.opened > self.limits.tables:
            raise LimitExceeded(
                "members", f"more than {self.limits.tables:,} tables in one file", limit=self.limits.tables,
                file=self.file,
            )  # fmt: skip
        if depth > self.limits.depth:
            raise LimitExceeded(
                "depth", f"tables nested deeper than {self.limits.depth}", limit=self.limits.depth, file=self.file
            )
        return Table(self, at, depth)


class Table:
    """One table; fields go by their slot in the schema, a field left out has its default."""

    __slots__ = ("at", "buffer", "depth", "slots", "vtable")

    def __init__(self, buffer: FlatBuffer, at: int, depth: int) -> None:
        self.buffer = buffer
        self.at = at
        self.depth = depth
        self.vtable = at - int(buffer.scalar(_I32, at))
        size: int = buffer.scalar(_U16, self.vtable)
        if size < 4 or size % 2 or self.vtable + size > buffer.size:
            raise buffer.broken("a table's list of fields is none", at)
        self.slots = (size - 4) // 2

    def place(self, slot: int) -> int | None:
        """Where the field lies in the file, None when it was left out."""
        if slot >= self.slots:
            return None
        step: int = self.buffer.scalar(_U16, self.vtable + 4 + 2 * slot)
        return self.at + step if step else None

    def scalar(self, slot: int, kind: str, default: Any = 0) -> Any:
        """A number or truth value of the kind ``i32``, ``f32``, ``bool``, ..."""
        place = self.place(slot)
        return default if place is None else self.buffer.scalar(_CODES[kind], place)

    def table(self, slot: int) -> Table | None:
        """A table, or the member of a union, whose type stands in a slot of its own."""
        place = self.place(slot)
        return None if place is None else self.buffer.table(self.buffer.target(place), self.depth + 1)

    def bytes(self, slot: int) -> memoryview | None:
        """A vector of bytes as a view, None when it was left out."""
        place = self.place(slot)
        if place is None:
            return None
        start, count = self.buffer.vector(self.buffer.target(place), 1)
        return self.buffer.data[start : start + count]

    def string(self, slot: int, default: str = "") -> str:
        """Text; bytes that are no UTF-8 are replaced."""
        found = self.bytes(slot)
        if found is None:
            return default
        return self._text(found)

    def _text(self, found: memoryview) -> str:
        limit = self.buffer.limits.string
        if len(found) > limit:
            raise LimitExceeded("size", f"a name of {len(found):,} bytes", limit=limit, file=self.buffer.file)
        return bytes(found).decode("utf-8", "replace")

    def vector(self, slot: int, kind: str) -> Array | None:
        """A vector of numbers as a numpy view on the file, None when it was left out."""
        place = self.place(slot)
        if place is None:
            return None
        dtype = np.dtype(SCALARS[kind] if kind != "bool" else "?")
        start, count = self.buffer.vector(self.buffer.target(place), dtype.itemsize)
        return np.frombuffer(self.buffer.data, dtype, count, start)

    def tables(self, slot: int) -> Tables:
        """A vector of tables, each opened when it is asked for; empty when it was left out."""
        place = self.place(slot)
        if place is None:
            return Tables(self, 0, 0)
        return Tables(self, *self.buffer.vector(self.buffer.target(place), 4))

    def strings(self, slot: int) -> list[str]:
        place = self.place(slot)
        if place is None:
            return []
        buffer = self.buffer
        start, count = buffer.vector(buffer.target(place), 4)
        found = []
        for index in range(count):
            begin, size = buffer.vector(buffer.target(start + 4 * index), 1)
            found.append(self._text(buffer.data[begin : begin + size]))
        return found


class Tables:
    """A vector of tables: ``len``, an index, or all in turn."""

    __slots__ = ("count", "owner", "start")

    def __init__(self, owner: Table, start: int, count: int) -> None:
        self.owner = owner
        self.start = start
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Table:
        if not 0 <= index < self.count:
            raise IndexError(index)
        buffer = self.owner.buffer
        return buffer.table(buffer.target(self.start + 4 * index), self.owner.depth + 1)

    def __iter__(self) -> Iterator[Table]:
        return (self[index] for index in range(self.count))
