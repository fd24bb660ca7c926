"""The protocol-buffer wire format written by the tables of ``workers.inspect.schema``, large arrays by streaming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from workers.inspect.schema import FIXED, Array, Enum, Field, Message

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
Piece = bytes | memoryview | Array


def encode(message: Message) -> bytes:
    """The message's bytes: fields in the order of their numbers, repeated numbers packed where the table says so."""
    return b"".join(_buffers(message))


def write(message: Message, stream: BinaryIO) -> int:
    """Stream ``encode(message)`` into ``stream`` with large arrays written straight from where they lie."""
    return sum(stream.write(buffer) for buffer in _buffers(message))


def _buffers(message: Message) -> Iterator[bytes | memoryview]:
    found, _ = _pieces(message)
    for piece in found:
        if isinstance(piece, np.ndarray):
            yield np.ascontiguousarray(piece).reshape(-1).view("u1").data
        else:
            yield piece


def _pieces(message: Message) -> tuple[list[Piece], int]:
    """The message as buffers, arrays still unconverted, with its size in bytes."""
    result: list[Piece] = []
    size = 0
    for entry, value in message.fields():
        for piece in _field_pieces(entry, value):
            result.append(piece)
            size += piece.nbytes if isinstance(piece, np.ndarray | memoryview) else len(piece)
    return result, size


def _field_pieces(entry: Field, value: Any) -> Iterator[Piece]:
    if entry.kind == "message":
        for item in value if entry.repeated else (value,):
            inner, size = _pieces(item)
            yield _tag(entry, LENGTH) + varint(size)
            yield from inner
    elif entry.kind in ("string", "bytes"):
        for item in value if entry.repeated else (value,):
            raw = item.encode() if isinstance(item, str) else item
            yield _tag(entry, LENGTH) + varint(len(raw))
            yield raw
    elif not entry.repeated:
        yield _tag(entry, _wire(entry)) + _number(entry, value)
    elif entry.kind in FIXED:
        yield from _fixed_pieces(entry, np.asarray(value))
    elif entry.packed:
        body = b"".join(_number(entry, item) for item in value)
        yield _tag(entry, LENGTH) + varint(len(body)) + body
    else:
        for item in value:
            yield _tag(entry, VARINT) + _number(entry, item)


def _fixed_pieces(entry: Field, array: Array) -> Iterator[Piece]:
    """Repeated fixed-size numbers; an array of another dtype is converted by numpy's rules only when small enough."""
    dtype = FIXED[entry.kind]
    array = array if array.dtype == dtype else array.astype(dtype)
    if entry.packed:
        yield _tag(entry, LENGTH) + varint(array.nbytes)
        yield array
    else:
        for item in array.reshape(-1):
            yield _tag(entry, _wire(entry)) + item.tobytes()


def _wire(entry: Field) -> int:
    dtype = FIXED.get(entry.kind)
    return VARINT if dtype is None else FIXED64 if dtype.itemsize == 8 else FIXED32


def _tag(entry: Field, wire: int) -> bytes:
    return varint(entry.number << 3 | wire)


def varint(number: int) -> bytes:
    """A number as base-128 digits, the lowest first; negative ones as their 64-bit two's complement."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(entry: Field, value: Any) -> bytes:
    if entry.kind in FIXED:
        return bytes(np.asarray(value, FIXED[entry.kind]).tobytes())
    if entry.kind == "enum":
        table: Enum = entry.type
        if isinstance(value, str) and value not in table.numbers:
            raise ValueError(f"{entry.name} has no value {value!r}")
        return varint(table.numbers[value] if isinstance(value, str) else int(value))
    if entry.kind in ("sint32", "sint64"):
        return varint(int(value) << 1 ^ int(value) >> 63)
    return varint(int(value))
