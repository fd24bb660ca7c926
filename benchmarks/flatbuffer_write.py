"""FlatBuffers streamed into a file: tables by the slots of their schema, vectors straight from where they lie.

What a table refers to follows it in the file, so that every offset points ahead, as the format wants, and is filled in
once its target has its place. Layout: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from workers.inspect.flatbuffer import SCALARS

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of a kind that ``workers.inspect.flatbuffer`` reads: ``i8``, ``u32``, ``f32``, ``bool``, ..."""

    kind: str
    value: float


Value: TypeAlias = "Scalar | str | Array | Mapping[int, Value] | Sequence[Mapping[int, Value]]"
Record: TypeAlias = Mapping[int, Value]
OFFSET = struct.Struct("<I")
WIDEST, ALIGNED = 8, 16
"""Bytes to which tables and the data of vectors are aligned; TensorFlow Lite wants the latter for weights."""


def write(root: Record, identifier: bytes, stream: BinaryIO) -> None:
    """The file whose outermost table is ``root``, told by the four letters of ``identifier``."""
    stream.write(bytes(4) + identifier)
    writer = _Writer(stream)
    writer.fill(0, writer.table(root))


class _Writer:
    """Appends to ``stream``; every method that places something returns where."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def align(self, size: int, ahead: int = 0) -> int:
        """Pad so that what comes ``ahead`` bytes from here lies at a multiple of ``size``."""
        at = self.stream.tell()
        self.stream.write(bytes(-(at + ahead) % size))
        return at + -(at + ahead) % size

    def fill(self, at: int, target: int) -> None:
        """Let the offset at ``at`` lead to ``target``."""
        self.stream.seek(at)
        self.stream.write(OFFSET.pack(target - at))
        self.stream.seek(0, 2)

    def table(self, record: Record) -> int:
        places, size = _places(record)
        slots = max(record, default=-1) + 1
        listed = [4 + 2 * slots, size, *(places.get(slot, 0) for slot in range(slots))]
        start = self.align(WIDEST)
        at = start + -(-2 * len(listed) // WIDEST) * WIDEST
        body = bytearray(at - start + size)
        struct.pack_into(f"<{len(listed)}H", body, 0, *listed)
        struct.pack_into("<i", body, at - start, at - start)
        for slot, value in record.items():
            if isinstance(value, Scalar):
                struct.pack_into(SCALARS[value.kind], body, at - start + places[slot], value.value)
        self.stream.write(body)
        for slot, value in record.items():
            if not isinstance(value, Scalar):
                self.fill(at + places[slot], self.value(value))
        return at

    def value(self, value: str | Array | Record | Sequence[Record]) -> int:
        if isinstance(value, Mapping):
            return self.table(value)
        if isinstance(value, str):
            return self.vector(np.frombuffer(value.encode() + b"\0", np.uint8), len(value.encode()))
        if isinstance(value, np.ndarray):
            return self.vector(np.ascontiguousarray(value).reshape(-1), value.size)
        at = self.vector(np.zeros(len(value), np.uint32), len(value))
        for index, record in enumerate(value):
            self.fill(at + OFFSET.size * (1 + index), self.table(record))
        return at

    def vector(self, elements: Array, count: int) -> int:
        at = self.align(ALIGNED, ahead=OFFSET.size)
        self.stream.write(OFFSET.pack(count))
        self.stream.write(elements.view(np.uint8).data)
        return at


def _places(record: Record) -> tuple[dict[int, int], int]:
    """Where the fields lie in the table, behind the distance to its list of fields, and the bytes it takes."""
    places: dict[int, int] = {}
    end = 4
    for slot, value in record.items():
        size = struct.calcsize(SCALARS[value.kind]) if isinstance(value, Scalar) else OFFSET.size
        places[slot] = -(-end // size) * size
        end = places[slot] + size
    return places, end
