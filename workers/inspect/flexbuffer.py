"""FlexBuffers, the schemaless cousin of flatbuffers: a map of numbers, truth values and words, read with bounds.

The last byte is the width of the root, the one before it its type (six bits) and width (two bits); offsets count
backwards. Only what options of operators hold is read: scalars and strings by key. Layout: flatbuffers.dev/flexbuffers.
"""

from __future__ import annotations

import struct

from workers.errors import MalformedModel

MAP, KEY, STRING, BOOL = 9, 4, 5, 26
_SIGNED = {1: "<b", 2: "<h", 4: "<i", 8: "<q"}
_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_FLOATS = {2: "<e", 4: "<f", 8: "<d"}
ENTRIES = 4096
Scalar = int | float | bool | str


def flex_map(data: bytes | memoryview, where: str) -> dict[str, Scalar]:
    """The entries of a map by key; vectors and maps within it are left out. Raises MalformedModel naming ``where``."""
    try:
        return _map(bytes(data))
    except (struct.error, ValueError, UnicodeDecodeError, KeyError) as error:
        raise MalformedModel(f"the options of {where} are damaged: they are no map of values", layer=where) from error


def _map(data: bytes) -> dict[str, Scalar]:
    if len(data) < 3:
        raise ValueError
    width, kind = data[-1], data[-2]
    if kind >> 2 != MAP:
        raise ValueError
    at = _back(data, len(data) - 2 - width, width)
    size = 1 << (kind & 3)
    count = _number(data, at - size, _UNSIGNED[size])
    keys = _back(data, at - 3 * size, size)
    key_size = _number(data, at - 2 * size, _UNSIGNED[size])
    if not 0 <= count <= ENTRIES:
        raise ValueError
    found: dict[str, Scalar] = {}
    for index in range(count):
        key = _text(data, _back(data, keys + index * key_size, key_size))
        value = _value(data, at + index * size, data[_inside(data, at + count * size + index)], size)
        if value is not None:
            found[key] = value
    return found


def _value(data: bytes, at: int, packed: int, size: int) -> Scalar | None:
    kind, width = packed >> 2, 1 << (packed & 3)
    if kind in (1, 2, 3, BOOL):
        codes = {1: _SIGNED, 2: _UNSIGNED, 3: _FLOATS, BOOL: _UNSIGNED}[kind]
        number = struct.unpack_from(codes[size], data, _inside(data, at))[0]
        return bool(number) if kind == BOOL else float(number) if kind == 3 else int(number)
    if kind in (6, 7, 8):
        codes = {6: _SIGNED, 7: _UNSIGNED, 8: _FLOATS}[kind]
        number = struct.unpack_from(codes[width], data, _back(data, at, size))[0]
        return float(number) if kind == 8 else int(number)
    if kind in (KEY, STRING):
        return _text(data, _back(data, at, size))
    return None


def _inside(data: bytes, at: int) -> int:
    if not 0 <= at < len(data):
        raise ValueError
    return at


def _number(data: bytes, at: int, code: str) -> int:
    return int(struct.unpack_from(code, data, _inside(data, at))[0])


def _back(data: bytes, at: int, size: int) -> int:
    return _inside(data, at - _number(data, at, _UNSIGNED[size]))


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
