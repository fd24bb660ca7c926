"""PyTorch's zip container: members stored uncompressed, seen in place; one top folder, whose name says nothing."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass

from workers.errors import LimitExceeded, MalformedModel, UnsafeModel
from workers.inspect.upload import UploadedFile

MEMBERS = 1_000_000
# Members that are read whole: source text, pickles, JSON.
TEXT_BYTES = 256 << 20
LOCAL = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a member's bytes lie in the file, how many come out and what their checksum is."""

    start: int
    stop: int
    size: int
    stored: bool
    crc: int


class Archive:
    """``names`` below the top folder, ``view(name)`` a member's bytes in the mapped file."""

    def __init__(self, file: UploadedFile) -> None:
        self.file = file
        self.root = file.map()
        self._members = _members(file, self.root)

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        return self._members[name].size

    def view(self, name: str) -> memoryview:
        """A member's bytes; a stored one is not copied."""
        extent = self._find(name)
        data = self.root[extent.start : extent.stop]
        return data if extent.stored else memoryview(self._inflated(name, extent, data))

    def content(self, name: str) -> bytes:
        """A small member, its checksum compared. Raises LimitExceeded over 256 MiB."""
        extent = self._find(name)
        if extent.size > TEXT_BYTES:
            raise LimitExceeded(
                "size", f"{name!r} in {self.name!r} has {extent.size:,} bytes", limit=TEXT_BYTES, file=self.name
            )
        found = bytes(self.view(name))
        if zlib.crc32(found) != extent.crc:
            raise MalformedModel(f"the member {name!r} of {self.name!r} fails its checksum", file=self.name)
        return found

    def text(self, name: str) -> str:
        try:
            return self.content(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedModel(f"the member {name!r} of {self.name!r} is no UTF-8 text", file=self.name) from error

    def _find(self, name: str) -> Extent:
        found = self._members.get(name)
        if found is None:
            raise MalformedModel(f"{self.name!r} has no member {name!r}", file=self.name)
        return found

    def _inflated(self, name: str, extent: Extent, data: memoryview) -> bytes:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            found = inflate.decompress(data, extent.size + 1)
        except zlib.error as error:
            raise MalformedModel(f"the member {name!r} of {self.name!r} is damaged: {error}", file=self.name) from error
        if len(found) != extent.size:
            raise MalformedModel(f"the member {name!r} of {self.name!r} lies about its size", file=self.name)
        return found


def _members(file: UploadedFile, root: memoryview) -> dict[str, Extent]:
    """All members by their names below the top folder. Raises for damage, doubles and foreign compression."""
    found: dict[str, Extent] = {}
    for info in _directory(file):
        if not info.filename or info.is_dir():
            continue
        start = _start(file, root, info)
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.flag_bits & 1 or not (stored or info.compress_type == zipfile.ZIP_DEFLATED):
            raise UnsafeModel(f"the member {info.filename!r} of {file.name!r} is encrypted or packed", file=file.name)
        if info.file_size > TEXT_BYTES and not stored:
            raise UnsafeModel(f"the member {info.filename!r} of {file.name!r} is large and packed", file=file.name)
        if stored and info.file_size != info.compress_size:
            raise MalformedModel(f"the member {info.filename!r} of {file.name!r} lies about its size", file=file.name)
        short = info.filename.partition("/")[2] or info.filename
        if short in found:
            raise MalformedModel(f"{file.name!r} has two members {short!r}", file=file.name)
        found[short] = Extent(start, start + info.compress_size, info.file_size, stored, info.CRC)
    return found


def _directory(file: UploadedFile) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file.path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError) as error:
        raise MalformedModel(f"{file.name!r} is a damaged zip archive: {error}", file=file.name) from error
    if len(infos) > MEMBERS:
        raise LimitExceeded("members", f"{file.name!r} has {len(infos):,} members", limit=MEMBERS, file=file.name)
    return infos


def _start(file: UploadedFile, root: memoryview, info: zipfile.ZipInfo) -> int:
    """Behind the member's own header, which must be there and carry the name that the directory gives."""
    at = info.header_offset
    broken = MalformedModel(f"the member {info.filename!r} of {file.name!r} has a damaged header", file=file.name)
    if at < 0 or at + LOCAL.size > len(root):
        raise broken
    signature, *_, name_size, extra_size = LOCAL.unpack_from(root, at)
    start: int = at + LOCAL.size + name_size + extra_size
    name = bytes(root[at + LOCAL.size : at + LOCAL.size + name_size])
    decoded = name.decode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")
    if signature != b"PK\x03\x04" or start + info.compress_size > len(root) or decoded != info.orig_filename:
        raise broken
    return start
