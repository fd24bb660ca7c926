"""Tar archives, plain or compressed, read as a stream of 512-byte blocks: no member is ever followed as a link."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from workers.errors import MalformedModel, UnsafeArchive
from workers.inspect.names import shown
from workers.inspect.upload import UploadedFile

BLOCK = 512
CHUNK = 1 << 20
NAME_LIMIT = 65536
LZMA_MEMORY = 256 << 20
SPECIAL_BITS = 0o6000

# Magic bytes -> what opens such a stream.
COMPRESSIONS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY)),
)

REGULAR, FOLDER, LONG_NAME, LONG_LINK, EXTENDED, GLOBAL = b"0\x007", b"5", b"L", b"K", b"x", b"g"
KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}


def is_tar(file: UploadedFile) -> bool:
    """Whether a header with a right checksum opens the file, or the stream compressed in it."""
    try:
        return _is_header(_Stream(file).read(BLOCK))
    except MalformedModel:
        return False


def first_names(file: UploadedFile, limit: int) -> list[str]:
    """Names of up to ``limit`` members, for a look; nothing when they cannot be read."""
    found: list[str] = []
    try:
        for name, _ in members(file, limit):
            found.append(name)
            if len(found) == limit:
                break
    except (MalformedModel, UnsafeArchive):
        return []
    return found


def members(file: UploadedFile, limit: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and contents of every regular member; contents not taken are skipped.

    Raises UnsafeArchive for links, devices, sparse files and set-user bits, MalformedModel for damage.
    """
    stream = _Stream(file)
    name, size_override = "", None
    headers = 0
    while True:
        header = stream.read(BLOCK)
        if not header.strip(b"\0"):
            return
        headers += 1
        if headers > 4 * limit:
            raise UnsafeArchive(f"the archive {file.name!r} has more than {limit:,} members", file=file.name)
        if not _is_header(header):
            raise MalformedModel(f"{file.name!r} is a damaged tar archive", file=file.name)
        kind, size = header[156:157], _number(header[124:136], file.name)
        if kind in (LONG_NAME, EXTENDED, GLOBAL):
            text = stream.block(size, NAME_LIMIT)
            if kind == LONG_NAME:
                name = text.rstrip(b"\0").decode("utf-8", "replace")
            elif kind == EXTENDED:
                name, size_override = _extended(text, name, file.name)
            continue
        member = name or _name(header)
        size = size if size_override is None else size_override
        name, size_override = "", None
        if kind == FOLDER:
            continue
        _refuse_special(kind, header, member, file.name)
        contents = stream.contents(size)
        yield member, contents
        for _ in contents:
            pass


def _refuse_special(kind: bytes, header: bytes, member: str, archive: str) -> None:
    reason = None
    if kind not in REGULAR:
        reason = f"is {KINDS.get(kind, 'of an unknown kind')}"
    elif _number(header[100:108], archive) & SPECIAL_BITS:
        reason = "would run with another user's rights"
    if reason:
        raise UnsafeArchive(f"the member '{shown(member)}' of {archive!r} {reason}", file=archive)


def _extended(text: bytes, name: str, archive: str) -> tuple[str, int | None]:
    """Name and size of the next member from a pax header: ``27 path=...\\n`` records."""
    size = None
    position = 0
    while position < len(text):
        digits, space, _ = text[position : position + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = text[position + len(digits) + 1 : position + length - 1]
        if not space or length <= len(digits) + 1 or position + length > len(text):
            raise MalformedModel(f"{archive!r} is a tar archive with a damaged extended header", file=archive)
        key, _, value = record.partition(b"=")
        if key == b"path":
            name = value.decode("utf-8", "replace")
        elif key == b"size":
            size = _number(value, archive, base=10)
        elif key.startswith(b"GNU.sparse"):
            raise UnsafeArchive(f"the archive {archive!r} has a sparse file in it", file=archive)
        position += length
    return name, size


def _is_header(block: bytes) -> bool:
    """The checksum is the sum of the header's bytes with its own field read as blanks."""
    if len(block) < BLOCK or not block.strip(b"\0"):
        return False
    field = block[148:156].strip(b"\0 ")
    if not field or any(byte not in b"01234567" for byte in field):
        return False
    return int(field, 8) == sum(block) - sum(block[148:156]) + 8 * 32


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0] if header[257:262] == b"ustar" and header[262:263] == b"\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "replace")


def _number(field: bytes, archive: str, base: int = 8) -> int:
    """An octal field, or GNU's big-endian one for large files."""
    if base == 8 and field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    text = field.strip(b"\0 ")
    try:
        number = int(text or b"0", base)
    except ValueError:
        number = -1
    if number < 0:
        raise MalformedModel(f"{archive!r} is a tar archive with a damaged number in a header", file=archive)
    return number


class _Stream:
    """The archive's bytes, inflated as they are asked for and never more than a chunk ahead."""

    def __init__(self, file: UploadedFile) -> None:
        self.file = file
        self.view = file.map()
        self.position = 0
        magic = bytes(self.view[:8])
        self.open = next((make for start, make in COMPRESSIONS if magic.startswith(start)), None)
        self.inflate = self.open() if self.open else None
        self.ready = b""

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer at the end."""
        parts = []
        while size and (self.ready or self._more()):
            part = self.ready[:size]
            self.ready = self.ready[len(part) :]
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def block(self, size: int, limit: int) -> bytes:
        """A small member's whole contents with its padding taken off."""
        if size > limit:
            raise UnsafeArchive(f"the archive {self.file.name!r} has a name of {size:,} bytes", file=self.file.name)
        return b"".join(self.contents(size))

    def contents(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self.read(min(left, CHUNK))
            if not chunk:
                raise MalformedModel(f"{self.file.name!r} is a truncated tar archive", file=self.file.name)
            left -= len(chunk)
            yield chunk
        self.read(-size % BLOCK)

    def _more(self) -> bool:
        """Put the next bytes into ``ready``; false at the end."""
        if self.inflate is None:
            self.ready = bytes(self.view[self.position : self.position + CHUNK])
            self.position += len(self.ready)
            return bool(self.ready)
        try:
            while not self.ready:
                if not self._inflate_some():
                    return False
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            raise MalformedModel(f"{self.file.name!r} is a damaged archive: {error}", file=self.file.name) from error
        return True

    def _inflate_some(self) -> bool:
        """Inflate at most a chunk; false at the end of the last stream."""
        inflate: Any = self.inflate
        if inflate.eof:
            rest = inflate.unused_data or self._compressed()
            if self.open is None or not rest.startswith(bytes(self.view[:2])):
                return False
            self.inflate = inflate = self.open()
            self.ready = inflate.decompress(rest, CHUNK)
            return True
        pending = getattr(inflate, "unconsumed_tail", b"")
        if not pending and getattr(inflate, "needs_input", True):
            pending = self._compressed()
        self.ready = inflate.decompress(pending, CHUNK)
        if not pending and not self.ready and not inflate.eof:
            raise EOFError("the compressed stream ends early")
        return True

    def _compressed(self) -> bytes:
        chunk = bytes(self.view[self.position : self.position + CHUNK])
        self.position += len(chunk)
        return chunk
