"""Sample files: ``.npz`` archives of arrays, written with equal bytes for equal arrays and read with bounds.

``numpy.load`` is not used on an upload: it believes an array's header before it has seen the array.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from workers.errors import InvalidOptions, LimitExceeded

Array = npt.NDArray[Any]

LIMIT = 2 << 30
"""Bytes that all arrays of one file may have together."""

MEMBERS = 4096
KINDS = "biufcUSV"
EPOCH = (1980, 1, 1, 0, 0, 0)
# What follows the magic, by version: the width of the header's length. Version 3 is for records only.
LENGTH_BYTES = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}
HEADER_BYTES = 10_000
HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'(?P<descr>[^']{1,32})',\s*'fortran_order':\s*(?P<fortran>True|False),"
    rb"\s*'shape':\s*\((?P<shape>[\d,\sL]*)\),?\s*\}\s*"
)


def save(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write ``arrays`` under their names, uncompressed, in their order, without a time stamp."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, _storable(array), allow_pickle=False)


def _storable(array: Array) -> Array:
    """Strings of any length become fixed-width ones; all else keeps its bytes."""
    return array.astype(str) if array.dtype.kind in "OT" else np.asarray(array, order="C")


def load(path: Path, *, name: str | None = None, limit: int = LIMIT) -> dict[str, Array]:
    """All arrays of the file by name. ``name`` is what the user calls the file.

    Raises InvalidOptions for anything that is not a plain archive of plain arrays, LimitExceeded beyond ``limit``
    bytes; nothing is allocated before the sizes that the archive and the headers state agree and fit.
    """
    shown = name or path.name
    try:
        with zipfile.ZipFile(path) as archive:
            return _arrays(archive, shown, limit)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _invalid(shown, f"it is not a readable .npz archive ({error})") from error


def _arrays(archive: zipfile.ZipFile, shown: str, limit: int) -> dict[str, Array]:
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise LimitExceeded("members", f"{shown} holds {len(members)} arrays", limit=MEMBERS, file=shown)
    total = sum(member.file_size for member in members)
    if total > limit:
        raise LimitExceeded("size", f"the arrays of {shown} have {total:,} bytes", limit=limit, file=shown)
    arrays: dict[str, Array] = {}
    for member in members:
        if not member.filename.endswith(".npy"):
            raise _invalid(shown, f"its member {member.filename[:200]!r} is not a .npy array")
        key = member.filename.removesuffix(".npy")
        if key in arrays:
            raise _invalid(shown, f"it holds the array {key[:200]!r} twice")
        with archive.open(member) as file:
            arrays[key] = _array(file, member.file_size, shown, key[:200])
    return arrays


def _array(file: IO[bytes], size: int, shown: str, key: str) -> Array:
    """One array; its header must account for every byte of the member."""
    shape, fortran, dtype = _header(file, shown, key)
    if dtype.kind not in KINDS or dtype.hasobject or dtype.names or dtype.subdtype or not dtype.itemsize:
        raise _invalid(shown, f"the array {key!r} has the element type {dtype}, which is not one of numbers or text")
    count = math.prod(shape)
    if count * dtype.itemsize != size - file.tell():
        raise _invalid(shown, f"the array {key!r} of shape {list(shape)} does not fit its {size - file.tell()} bytes")
    data = bytearray(count * dtype.itemsize)
    view = memoryview(data)
    while view:
        got = file.read(min(len(view), 1 << 20))
        if not got:
            raise _invalid(shown, f"the array {key!r} ends early")
        view[: len(got)] = got
        view = view[len(got) :]
    try:
        array: Array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise _invalid(shown, f"the array {key!r} cannot have the shape {list(shape)}") from error
    return array.astype(dtype.newbyteorder("="), order="C", copy=False)


def _header(file: IO[bytes], shown: str, key: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, column order and element type; the header is matched as numpy writes it, never evaluated."""
    width = LENGTH_BYTES.get(file.read(8), 0)
    length = int.from_bytes(file.read(width), "little")
    found = HEADER.fullmatch(file.read(length)) if width and length <= HEADER_BYTES else None
    if found is None:
        raise _invalid(shown, f"the array {key!r} has no header that numpy writes for plain arrays")
    sizes = [size.strip(b" L") for size in found["shape"].split(b",")]
    try:
        dtype = np.dtype(found["descr"].decode("ascii"))
        return tuple(int(size) for size in sizes if size), found["fortran"] == b"True", dtype
    except (TypeError, ValueError, SyntaxError) as error:
        raise _invalid(shown, f"the array {key!r} has a header that cannot be understood") from error


def _invalid(shown: str, detail: str) -> InvalidOptions:
    return InvalidOptions(
        f"The sample file {shown} cannot be used: {detail}",
        file=shown,
        hint="Write it with numpy.savez(path, **arrays), from plain arrays of numbers.",
    )
