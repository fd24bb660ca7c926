"""The two encodings of `.t7`, binary and ASCII, behind one set of reading functions, all bounded by the file's end."""

from __future__ import annotations

import struct
from typing import Any, Protocol

import numpy as np

from workers.errors import MalformedModel
from workers.formats.torch7.objects import Array

# Element of a storage class -> how it lies in a file; longs take the file's own width.
ELEMENTS: dict[str, np.dtype[Any]] = {
    "Byte": np.dtype("u1"), "Char": np.dtype("i1"), "Short": np.dtype("<i2"), "Int": np.dtype("<i4"),
    "Long": np.dtype("<i8"), "Float": np.dtype("<f4"), "Double": np.dtype("<f8"), "Half": np.dtype("<f2"),
}  # fmt: skip
CHARS = ("Byte", "Char")


class Stream(Protocol):
    """Reads forward; ``left`` bounds what can still come, in bytes."""

    file: str
    long: int
    at: int

    @property
    def left(self) -> int: ...

    def integer(self, what: str) -> int: ...

    def longs(self, count: int, what: str) -> tuple[int, ...]: ...

    def double(self, what: str) -> float: ...

    def text(self, count: int, what: str) -> str: ...

    def skip(self, count: int, what: str) -> None: ...

    def elements(self, element: str, count: int, what: str) -> tuple[np.dtype[Any], Any]: ...


def malformed(file: str, at: int, reason: str) -> MalformedModel:
    return MalformedModel(
        f"{file!r} is a damaged Torch7 file: {reason} at byte {at}", file=file,
        hint="Upload the file again as torch.save wrote it; a truncated download is the usual cause.",
    )  # fmt: skip


class Binary:
    """Little endian; ``long`` is 8, or 4 in files of 32-bit machines."""

    def __init__(self, data: memoryview, file: str, long: int = 8) -> None:
        self.data, self.file, self.long, self.at = data, file, long, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def _take(self, size: int, what: str) -> memoryview:
        if size < 0 or size > self.left:
            raise malformed(self.file, self.at, f"{what} needs {size} bytes where {self.left} are left")
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece

    def integer(self, what: str) -> int:
        return int.from_bytes(self._take(4, what), "little", signed=True)

    def longs(self, count: int, what: str) -> tuple[int, ...]:
        piece = self._take(self.long * count, what)
        return struct.unpack(f"<{count}{'q' if self.long == 8 else 'i'}", piece)

    def double(self, what: str) -> float:
        return float(struct.unpack("<d", self._take(8, what))[0])

    def text(self, count: int, what: str) -> str:
        return bytes(self._take(count, what)).decode("utf-8", "surrogateescape")

    def skip(self, count: int, what: str) -> None:
        self._take(count, what)

    def elements(self, element: str, count: int, what: str) -> tuple[np.dtype[Any], Any]:
        dtype = np.dtype("<i4") if element == "Long" and self.long == 4 else ELEMENTS[element]
        piece = self._take(dtype.itemsize * count, what)
        return dtype, lambda: np.frombuffer(piece, dtype)


class Ascii:
    """Numbers in decimal, a newline behind every value; arrays with a space between elements, nothing when empty."""

    def __init__(self, data: memoryview, file: str) -> None:
        self.data, self.file, self.long, self.at = data, file, 8, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def _line(self, what: str, limit: int = 1 << 12) -> bytes:
        """Up to the next newline, which must come within ``limit`` bytes."""
        start, step = self.at, 256
        while True:
            head = bytes(self.data[start : start + min(step, limit)])
            end = head.find(b"\n")
            if end >= 0:
                self.at = start + end + 1
                return head[:end]
            if len(head) < min(step, limit) or step >= limit:
                raise malformed(self.file, start, f"{what} does not end")
            step *= 8

    def integer(self, what: str) -> int:
        at, line = self.at, self._line(what)
        try:
            number = int(line)
        except ValueError:
            raise malformed(self.file, at, f"{what} is {line[:40]!r}, which is no integer") from None
        if not -(2**63) <= number < 2**63:
            raise malformed(self.file, at, f"{what} is {number}, which no file holds")
        return number

    def longs(self, count: int, what: str) -> tuple[int, ...]:
        if count == 0:
            return ()
        at, words = self.at, self._line(what).split()
        try:
            numbers = tuple(int(word) for word in words)
        except ValueError:
            numbers = ()
        if len(numbers) != count or any(abs(number) >= 2**63 for number in numbers):
            raise malformed(self.file, at, f"{what} are not {count} integers")
        return numbers

    def double(self, what: str) -> float:
        at, line = self.at, self._line(what)
        try:
            return float(line.replace(b"-nan", b"nan"))
        except ValueError:
            raise malformed(self.file, at, f"{what} is {line[:40]!r}, which is no number") from None

    def _chars(self, count: int, what: str) -> memoryview:
        """``count`` raw bytes, then a newline unless there are none."""
        if count < 0 or count + bool(count) > self.left:
            raise malformed(self.file, self.at, f"{what} needs {count} bytes where {self.left} are left")
        piece = self.data[self.at : self.at + count]
        if count and self.data[self.at + count] != 10:
            raise malformed(self.file, self.at, f"no newline follows {what}")
        self.at += count + bool(count)
        return piece

    def text(self, count: int, what: str) -> str:
        return bytes(self._chars(count, what)).decode("utf-8", "surrogateescape")

    def skip(self, count: int, what: str) -> None:
        self._chars(count, what)

    def elements(self, element: str, count: int, what: str) -> tuple[np.dtype[Any], Any]:
        dtype = ELEMENTS[element]
        if element in CHARS:
            piece = self._chars(count, what)
            return dtype, lambda: np.frombuffer(piece, dtype)
        if count == 0:
            return dtype, lambda: np.zeros(0, dtype)
        if 2 * count > self.left:
            raise malformed(self.file, self.at, f"{what} promises {count} numbers in {self.left} bytes")
        at, line = self.at, self._line(what, limit=min(self.left, 32 * count) + 1)
        if line.count(b" ") + (not line.endswith(b" ")) != count:
            raise malformed(self.file, at, f"{what} has not {count} numbers")
        numbers = self._numbers(line, dtype, count, at, what)
        return dtype, lambda: numbers

    def _numbers(self, line: bytes, dtype: np.dtype[Any], count: int, at: int, what: str) -> Array:
        try:
            numbers = np.array(line.split(), dtype)
        except (ValueError, OverflowError):
            raise malformed(self.file, at, f"{what} holds something that is no number") from None
        if numbers.size != count:
            raise malformed(self.file, at, f"{what} has {numbers.size} numbers instead of {count}")
        return numbers
