"""Paddle's parameter files: records of one tensor each, one after the other. Knows nothing of programs or ONNX.

A record: u32 0, u64 count of LoD levels with (u64 bytes, data) each, u32 0, i32 size of a TensorDesc, the TensorDesc,
the raw data; all little endian, nothing aligned. Names are not in the file. Arrays are views on the mapped file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from workers.errors import ConversionError, LimitExceeded, MalformedModel
from workers.formats.paddle.schema import TENSOR
from workers.inspect.pages import let_go
from workers.inspect.protobuf import decode
from workers.inspect.protobuf_write import encode

Array = npt.NDArray[Any]
DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("?"), 1: np.dtype("<i2"), 2: np.dtype("<i4"), 3: np.dtype("<i8"), 4: np.dtype("<f2"),
    5: np.dtype("<f4"), 6: np.dtype("<f8"), 20: np.dtype("u1"), 21: np.dtype("i1"), 22: np.dtype(ml_dtypes.bfloat16),
}  # fmt: skip
LEVELS, AXES, DESCRIPTION, RECORDS = 16, 32, 1024, 1_000_000
HEADS = 8
"""Records after which the pages looked at are let go: with each head the kernel may map two megabytes round it."""


def is_params(head: bytes) -> bool:
    """Whether a file that begins like this holds tensors as Paddle saves them."""
    if len(head) < 22:
        return False
    version, levels = struct.unpack_from("<IQ", head)
    if version != 0 or levels > LEVELS:
        return False
    at: int = 12
    for _ in range(levels):
        if at + 8 > len(head):
            return False
        at += 8 + struct.unpack_from("<Q", head, at)[0]
    if at + 10 > len(head):
        return bool(levels > 0)
    version, size, tag, kind = struct.unpack_from("<IiBB", head, at)
    return version == 0 and 2 <= size <= DESCRIPTION and tag == 0x08 and kind in DTYPES


def read_records(data: memoryview, file: str) -> Iterator[Array]:
    """All tensors of a file, in its order. Raises MalformedModel for bytes that are no such file or end too early."""
    at = count = 0
    while at < len(data):
        count += 1
        if count > RECORDS:
            raise LimitExceeded("members", f"{file!r} has over {RECORDS:,} tensors", limit=RECORDS, file=file)
        array, at = _record(data, at, file)
        if count % HEADS == 0:
            let_go(np.frombuffer(data, np.uint8, at))
        yield array


def _broken(file: str, reason: str, at: int) -> MalformedModel:
    return MalformedModel(
        f"{file!r} is a damaged Paddle parameter file: {reason} at byte {at:,}", file=file,
        hint="Upload the file again as Paddle saved it; a truncated download is the usual cause.",
    )  # fmt: skip


def _record(data: memoryview, at: int, file: str) -> tuple[Array, int]:
    """The tensor that begins at ``at``, and where the next one does."""

    def take(size: int, what: str) -> memoryview:
        nonlocal at
        if not 0 <= size <= len(data) - at:
            raise _broken(file, f"{what} needs {size:,} bytes, {len(data) - at:,} are left", at)
        piece = data[at : at + size]
        at += size
        return piece

    version, levels = struct.unpack("<IQ", take(12, "a tensor's head"))
    if version != 0 or levels > LEVELS:
        raise _broken(file, f"a tensor of version {version} with {levels} LoD levels begins", at - 12)
    for _ in range(levels):
        take(struct.unpack("<Q", take(8, "a LoD level"))[0], "a LoD level")
    version, size = struct.unpack("<Ii", take(8, "a tensor's version"))
    if version != 0 or not 0 <= size <= DESCRIPTION:
        raise _broken(file, f"a tensor of version {version} with a description of {size} bytes stands", at - 8)
    start = at
    try:
        description = decode(take(size, "a tensor's description"), TENSOR, file=file)
    except ConversionError as error:
        raise _broken(file, f"a description that is none ({error.detail})", start) from None
    dims, kind = list(description.dims), description.data_type
    dtype = DTYPES.get(kind if kind is not None else -1)
    if dtype is None or len(dims) > AXES or any(dim < 0 for dim in dims):
        raise _broken(file, f"a tensor of type {kind} and shape {dims[:AXES]} stands", start)
    raw = take(math.prod(dims) * dtype.itemsize, f"a tensor of shape {dims}")
    return np.frombuffer(raw, dtype).reshape(dims), at


def write_record(array: Array) -> bytes:
    """One tensor as Paddle stores it."""
    kind = next(number for number, dtype in DTYPES.items() if dtype == array.dtype)
    description = encode(TENSOR(data_type=kind, dims=list(array.shape)))
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + array.tobytes()
