"""Snappy's block format, decompressed: old checkpoints compress the blocks of their tables with it."""

from __future__ import annotations

from workers.errors import LimitExceeded, MalformedModel


def decompress(data: memoryview, file: str, limit: int) -> bytes:
    """The bytes behind ``data``; MalformedModel where it lies, LimitExceeded beyond ``limit`` bytes."""
    size, at = _size(data, file)
    if size > limit:
        raise LimitExceeded("inflate", f"a block of {file!r} inflates to {size:,} bytes", limit=limit, file=file)
    out = bytearray()
    while at < len(data):
        at = _element(data, at, out, file)
        if len(out) > size:
            raise _broken(file, "it inflates to more than it announces")
    if len(out) != size:
        raise _broken(file, f"it inflates to {len(out):,} bytes instead of {size:,}")
    return bytes(out)


def _broken(file: str, what: str) -> MalformedModel:
    return MalformedModel(f"a compressed block of {file!r} is damaged: {what}", file=file)


def _size(data: memoryview, file: str) -> tuple[int, int]:
    result = 0
    for at in range(min(5, len(data))):
        result |= (data[at] & 0x7F) << (7 * at)
        if data[at] < 0x80:
            return result, at + 1
    raise _broken(file, "its length does not end")


def _element(data: memoryview, at: int, out: bytearray, file: str) -> int:
    """One literal or copy appended to ``out``; the position behind it."""
    tag = data[at]
    at += 1
    if tag & 3 == 0:
        length, extra = (tag >> 2) + 1, 0
        if length > 60:
            extra = length - 60
            length = int.from_bytes(data[at : at + extra], "little") + 1
        at += extra
        if length > len(data) - at:
            raise _broken(file, "a literal runs over its end")
        out += data[at : at + length]
        return at + length
    width = {1: 1, 2: 2, 3: 4}[tag & 3]
    if width > len(data) - at:
        raise _broken(file, "a copy runs over its end")
    offset = int.from_bytes(data[at : at + width], "little")
    length = (tag >> 2) + 1
    if width == 1:
        offset |= (tag >> 5) << 8
        length = ((tag >> 2) & 7) + 4
    if not 0 < offset <= len(out):
        raise _broken(file, "a copy starts before its beginning")
    start = len(out) - offset
    chunk = out[start : start + length]
    while len(chunk) < length:
        chunk += chunk[: length - len(chunk)]
    out += chunk
    return at + width
