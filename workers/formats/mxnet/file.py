"""MXNet's parameter files: bytes <-> plain records. Knows nothing of symbols or ONNX.

A file is a list: u64 0x112, u64 reserved, u64 n and n array blocks, u64 m and m names (m is 0 or n). All little endian,
nothing aligned. The first u32 of an array block tells its generation: legacy (it is the number of axes itself), V1, V2
and V3. Arrays are views on the mapped file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel, UnsupportedVersion

Array = npt.NDArray[Any]
LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
GENERATIONS = {V1: "V1", V2: "V2", V3: "V3"}
DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"), 1: np.dtype("<f8"), 2: np.dtype("<f2"), 3: np.dtype("u1"), 4: np.dtype("<i4"),
    5: np.dtype("i1"), 6: np.dtype("<i8"), 7: np.dtype("?"), 8: np.dtype("<i2"), 9: np.dtype("<u2"),
    10: np.dtype("<u4"), 11: np.dtype("<u8"), 12: np.dtype(ml_dtypes.bfloat16),
}  # fmt: skip
DENSE, ROW_SPARSE, CSR = 0, 1, 2
SPARSE = {ROW_SPARSE: "row_sparse", CSR: "csr"}
ARRAYS, AXES, NAME = 1_000_000, 32, 65536


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array. ``name`` is '' in an unnamed list; ``sparse`` names a sparse storage, whose values are not read.

    ``data`` is None for an array that was saved without ever having had a shape.
    """

    name: str
    shape: tuple[int, ...]
    data: Array | None
    generation: str
    sparse: str = ""


class _Cursor:
    """Reads forward with every length checked against the file."""

    def __init__(self, data: memoryview, file: str) -> None:
        self.data = data
        self.at = 0
        self.file = file

    def malformed(self, reason: str) -> MalformedModel:
        return MalformedModel(
            f"{self.file!r} is a damaged MXNet parameter file: {reason}", file=self.file,
            hint="Upload the file again as MXNet saved it; a truncated download is the usual cause.",
        )  # fmt: skip

    def take(self, size: int, what: str) -> memoryview:
        if size > len(self.data) - self.at:
            raise self.malformed(f"{what} at byte {self.at} needs {size} bytes, {len(self.data) - self.at} are left")
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def u32(self, what: str) -> int:
        return int(struct.unpack("<I", self.take(4, what))[0])

    def i32(self, what: str) -> int:
        return int(struct.unpack("<i", self.take(4, what))[0])

    def u64(self, what: str) -> int:
        return int(struct.unpack("<Q", self.take(8, what))[0])

    def sizes(self, count: int, form: str, what: str) -> tuple[int, ...]:
        """``count`` axis sizes, of which none may be negative."""
        if not 0 <= count <= AXES:
            raise self.malformed(f"{what} has {count} axes")
        shape = struct.unpack(f"<{count}{form}", self.take(count * struct.calcsize(form), what))
        if any(size < 0 for size in shape):
            raise self.malformed(f"{what} has the shape {shape}")
        return shape


def is_params(head: bytes) -> bool:
    """Whether a file that begins like this is an MXNet parameter file."""
    return len(head) >= 16 and struct.unpack_from("<QQ", head) == (LIST_MAGIC, 0)


def read_params(data: memoryview, file: str) -> list[StoredArray]:
    """All arrays of a file, in its order.

    Raises MalformedModel for bytes that are no such file or end too early, LimitExceeded for absurdly many arrays.
    """
    if bytes(data[:4]) == b"PK\x03\x04":
        raise UnsupportedVersion(
            f"{file!r} is a zip archive of arrays, as MXNet 2 saves its parameters", file=file,
            hint="Save the model with MXNet 1.x.",
        )  # fmt: skip
    cursor = _Cursor(data, file)
    if cursor.u64("its magic number") != LIST_MAGIC:
        raise cursor.malformed("it does not begin with the number 0x112")
    cursor.u64("a reserved number")
    count = _count(cursor, "arrays")
    arrays = [_array(cursor, f"array {index} of {count}") for index in range(count)]
    names = [_name(cursor, index) for index in range(_count(cursor, "names"))]
    if names and len(names) != count:
        raise cursor.malformed(f"it has {count} arrays and {len(names)} names")
    return [
        StoredArray(name, array.shape, array.data, array.generation, array.sparse)
        for name, array in zip(names or [""] * count, arrays, strict=True)
    ]


def _count(cursor: _Cursor, what: str) -> int:
    """A number of things that take eight bytes each or more."""
    count = cursor.u64(f"the number of {what}")
    if count * 8 > len(cursor.data) - cursor.at:
        raise cursor.malformed(f"it promises {count} {what} in {len(cursor.data) - cursor.at} bytes")
    if count > ARRAYS:
        raise LimitExceeded(
            "members", f"{cursor.file!r} holds {count} arrays", limit=ARRAYS, file=cursor.file,
            hint="Models have some thousands at most.",
        )  # fmt: skip
    return count


def _name(cursor: _Cursor, index: int) -> str:
    length = cursor.u64(f"the length of name {index}")
    if length > NAME:
        raise cursor.malformed(f"name {index} has {length} bytes")
    try:
        return bytes(cursor.take(length, f"name {index}")).decode("utf-8")
    except UnicodeDecodeError:
        raise cursor.malformed(f"name {index} is not UTF-8") from None


def _array(cursor: _Cursor, what: str) -> StoredArray:
    magic = cursor.u32(what)
    if magic in (V2, V3):
        return _block(cursor, what, GENERATIONS[magic], cursor.i32(f"the storage type of {what}"))
    if magic == V1:
        shape = cursor.sizes(cursor.u32(what), "q", what)
        generation = "V1"
    else:
        shape = cursor.sizes(magic, "I", what)
        generation = "legacy"
    if not shape:
        return StoredArray("", (), None, generation)
    return _values(cursor, what, shape, generation)


def _block(cursor: _Cursor, what: str, generation: str, storage: int) -> StoredArray:
    """V2 and V3; in V3 an unknown shape has -1 axes and one without axes is a number, in V2 it is no array at all."""
    if storage not in (DENSE, *SPARSE):
        raise cursor.malformed(f"{what} has the unknown storage type {storage}")
    stored = cursor.sizes(cursor.i32(what), "q", what) if storage != DENSE else ()
    axes = cursor.i32(what)
    if generation == "V3" and axes == -1:
        return StoredArray("", (), None, generation)
    shape = cursor.sizes(axes, "q", what)
    if generation == "V2" and not shape:
        return StoredArray("", (), None, generation)
    if storage == DENSE:
        return _values(cursor, what, shape, generation)
    _skip_sparse(cursor, what, stored, 1 if storage == ROW_SPARSE else 2)
    return StoredArray("", shape, None, generation, SPARSE[storage])


def _dtype(cursor: _Cursor, what: str) -> np.dtype[Any]:
    flag = cursor.i32(f"the element type of {what}")
    if flag not in DTYPES:
        raise cursor.malformed(f"{what} has the unknown element type {flag}")
    return DTYPES[flag]


def _values(cursor: _Cursor, what: str, shape: tuple[int, ...], generation: str) -> StoredArray:
    cursor.take(8, f"the device of {what}")
    dtype = _dtype(cursor, what)
    # An empty array may claim any sizes on its other axes, larger than numpy can name.
    if not math.prod(shape) and math.prod(max(size, 1) for size in shape) >= 2**40:
        raise cursor.malformed(f"{what} has the shape {shape}")
    piece = cursor.take(math.prod(shape) * dtype.itemsize, f"{what}, {dtype.name} {list(shape)},")
    return StoredArray("", shape, np.frombuffer(piece, dtype).reshape(shape), generation)


def _skip_sparse(cursor: _Cursor, what: str, stored: tuple[int, ...], indices: int) -> None:
    cursor.take(8, f"the device of {what}")
    dtype = _dtype(cursor, what)
    sizes = [math.prod(stored) * dtype.itemsize]
    for _ in range(indices):
        itemsize = _dtype(cursor, what).itemsize
        sizes.append(math.prod(cursor.sizes(cursor.i32(what), "q", what)) * itemsize)
    for size in sizes:
        cursor.take(size, what)


def write_params(arrays: Sequence[tuple[str, Array]]) -> list[bytes | memoryview]:
    """The pieces of a file with these named dense arrays, in V2 blocks as MXNet 1.x writes them; nothing is copied."""
    flags = {dtype: flag for flag, dtype in DTYPES.items()}
    pieces: list[bytes | memoryview] = [struct.pack("<QQQ", LIST_MAGIC, 0, len(arrays))]
    for _, array in arrays:
        shape = struct.pack(f"<i{array.ndim}q", array.ndim, *array.shape)
        pieces.append(struct.pack("<Ii", V2, DENSE) + shape + struct.pack("<iii", 1, 0, flags[array.dtype]))
        pieces.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    pieces.append(struct.pack("<Q", len(arrays)))
    for name, _ in arrays:
        encoded = name.encode("utf-8")
        pieces.append(struct.pack("<Q", len(encoded)) + encoded)
    return pieces
