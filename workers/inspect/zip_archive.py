"""Zip archives: the central directory by the standard library, the members' bytes by ourselves, bounded.

What the central directory says of a member is held against its local header and against the bytes that come out.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from workers.errors import MalformedModel, UnsafeArchive
from workers.inspect.names import shown
from workers.inspect.upload import UploadedFile

SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
LOCAL = struct.Struct("<4s5H3I2H")
END = struct.Struct("<4s4H2IH")
CHUNK = 1 << 20
ENCRYPTED = 0x1
UNIX = 3


def is_zip(file: UploadedFile) -> bool:
    return file.head(4) in SIGNATURES


def names(file: UploadedFile, limit: int) -> list[str]:
    """All members' names, folders included; none when the directory is damaged or has more than ``limit`` members."""
    try:
        return [info.filename for info in _directory(file, limit)]
    except (MalformedModel, UnsafeArchive):
        return []


def members(file: UploadedFile, limit: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and contents of every regular member, in the directory's order.

    Raises UnsafeArchive for links, devices, encryption, overlaps and sizes that lie; MalformedModel for damage.
    """
    view = file.map()
    infos = _directory(file, limit)
    extents = {info.filename: _extent(view, info, file.name) for info in infos}
    _refuse_overlaps(infos, extents, file.name)
    for info in infos:
        if info.is_dir():
            continue
        _refuse_special(info, file.name)
        start, stop = extents[info.filename]
        yield info.filename, _contents(view[start:stop], info, file.name)


def _directory(file: UploadedFile, limit: int) -> list[zipfile.ZipInfo]:
    tail = _tail(file)
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) - at >= END.size and limit < END.unpack_from(tail, at)[4] < 0xFFFF:
        raise UnsafeArchive(f"the archive {file.name!r} has more than {limit:,} members", file=file.name)
    try:
        with zipfile.ZipFile(file.path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError) as error:
        raise MalformedModel(f"{file.name!r} is a damaged zip archive: {error}", file=file.name) from error
    if len(infos) > limit:
        raise UnsafeArchive(f"the archive {file.name!r} has more than {limit:,} members", file=file.name)
    seen: set[str] = set()
    for info in infos:
        if info.filename in seen:
            raise UnsafeArchive(f"the archive {file.name!r} has two members '{shown(info.filename)}'", file=file.name)
        seen.add(info.filename)
    return infos


def _tail(file: UploadedFile) -> bytes:
    """The end of the file, where the end record lies behind at most 64 KiB of comment."""
    with file.path.open("rb") as handle:
        handle.seek(max(0, file.size - 65536 - END.size))
        return handle.read()


def _extent(view: memoryview, info: zipfile.ZipInfo, archive: str) -> tuple[int, int]:
    """Where a member's compressed bytes lie; its local header must be there and carry the same name."""
    at = info.header_offset
    broken = MalformedModel(f"the member '{shown(info.filename)}' of {archive!r} has a damaged header", file=archive)
    if at < 0 or at + LOCAL.size > len(view):
        raise broken
    signature, *_, name_size, extra_size = LOCAL.unpack_from(view, at)
    start = at + LOCAL.size + name_size + extra_size
    if signature != SIGNATURES[0] or start + info.compress_size > len(view):
        raise broken
    raw = bytes(view[at + LOCAL.size : at + LOCAL.size + name_size])
    if _decoded(raw, info) != info.orig_filename:
        raise MalformedModel(
            f"the member '{shown(info.filename)}' of {archive!r} has another name in its own header", file=archive
        )
    return start, start + info.compress_size


def _decoded(raw: bytes, info: zipfile.ZipInfo) -> str:
    return raw.decode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")


def _refuse_overlaps(infos: list[zipfile.ZipInfo], extents: dict[str, tuple[int, int]], archive: str) -> None:
    """Members that share bytes make a small archive inflate without end."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UnsafeArchive(f"the member '{shown(info.filename)}' of {archive!r} overlaps another", file=archive)
        end = extents[info.filename][1]


def _refuse_special(info: zipfile.ZipInfo, archive: str) -> None:
    mode = info.external_attr >> 16 if info.create_system == UNIX else 0
    kind = stat.S_IFMT(mode)
    reason = None
    if kind not in (0, stat.S_IFREG):
        reason = "is a symbolic link" if kind == stat.S_IFLNK else "is not a regular file"
    elif mode & (stat.S_ISUID | stat.S_ISGID):
        reason = "would run with another user's rights"
    elif info.flag_bits & ENCRYPTED:
        reason = "is encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        reason = "is neither stored nor deflated"
    if reason:
        raise UnsafeArchive(f"the member '{shown(info.filename)}' of {archive!r} {reason}", file=archive)


def _contents(data: memoryview, info: zipfile.ZipInfo, archive: str) -> Iterator[bytes]:
    """The member's bytes, never more than it declares, and its checksum at the end."""
    left, checksum = info.file_size, 0
    try:
        for chunk in _stored(data) if info.compress_type == zipfile.ZIP_STORED else _inflated(data):
            left -= len(chunk)
            if left < 0:
                break
            checksum = zlib.crc32(chunk, checksum)
            yield chunk
    except zlib.error as error:
        raise MalformedModel(
            f"the member '{shown(info.filename)}' of {archive!r} is damaged: {error}", file=archive
        ) from error
    if left:
        raise UnsafeArchive(
            f"the member '{shown(info.filename)}' of {archive!r} does not have the size that it declares", file=archive
        )
    if checksum != info.CRC:
        raise MalformedModel(f"the member '{shown(info.filename)}' of {archive!r} fails its checksum", file=archive)


def _stored(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield bytes(data[start : start + CHUNK])


def _inflated(data: memoryview) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for start in range(0, len(data), CHUNK):
        pending: bytes = bytes(data[start : start + CHUNK])
        while pending and not inflate.eof:
            yield inflate.decompress(pending, CHUNK)
            pending = inflate.unconsumed_tail
    yield inflate.flush()
