"""The ``.keras`` archive, and HDF5 files that lie inside one: opened where they are, never unpacked to disk.

A stored member is a view on the mapped archive; HDF5 reads it through a file object, and contiguous weights stay views.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from workers.errors import LimitExceeded, MalformedModel
from workers.inspect import zip_archive
from workers.inspect.hdf5 import Hdf5File, open_hdf5
from workers.inspect.upload import UploadedFile

MEMBERS = 10_000
# Bounds on what one deflated member may grow to: its bytes, and its ratio once it is large.
BYTES, RATIO, RATIO_FROM = 8 << 30, 200, 64 << 20
CONFIG, METADATA, WEIGHTS, INDEX = "config.json", "metadata.json", "model.weights.h5", "model.weights.json"


@dataclass(frozen=True, slots=True)
class Piece(UploadedFile):
    """A member of an archive with the outline of an uploaded file."""

    data: memoryview = field(default_factory=lambda: memoryview(b""))

    def head(self, size: int = 65536) -> bytes:
        return bytes(self.data[:size])

    def map(self) -> memoryview:
        return self.data


class Container:
    """The members of one ``.keras`` file by name; a common top folder is left out."""

    def __init__(self, file: UploadedFile) -> None:
        self.file = file
        try:
            with zipfile.ZipFile(file.path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise MalformedModel(f"{file.name!r} is a damaged zip archive: {error}", file=file.name) from error
        names = [info.filename for info in infos if not info.is_dir()]
        self.top = _top(names)
        self.sizes = {info.filename: info.file_size for info in infos}
        self.names = [name.removeprefix(self.top) for name in names]

    def read(self, name: str) -> Piece:
        """A member's bytes: a view where it is stored, inflated within bounds where not.

        Raises MalformedModel when it is missing or damaged, LimitExceeded when it inflates too far.
        """
        wanted = self.top + name
        for found, chunks in zip_archive.members(self.file, MEMBERS):
            if found == wanted:
                stored = self._stored(wanted, chunks)
                data = self._inflated(wanted, chunks) if stored is None else stored
                return Piece(f"{self.file.name}/{name}", self.file.path, len(data), data)
        raise MalformedModel(f"{self.file.name!r} has no member {name!r}", file=self.file.name)

    def text(self, name: str) -> str:
        return bytes(self.read(name).map()).decode("utf-8", "replace")

    def _stored(self, name: str, chunks: Iterator[bytes]) -> memoryview | None:
        """The view on a member that is not compressed, after its checksum was found right."""
        with zipfile.ZipFile(self.file.path) as archive:
            info = archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        for _ in chunks:
            pass
        view = self.file.map()
        name_size, extra_size = struct.unpack_from("<HH", view, info.header_offset + 26)
        start = info.header_offset + 30 + name_size + extra_size
        return view[start : start + info.file_size]

    def _inflated(self, name: str, chunks: Iterator[bytes]) -> memoryview:
        grown = bytearray()
        for chunk in chunks:
            grown += chunk
            if len(grown) > BYTES or (len(grown) > RATIO_FROM and len(grown) > RATIO * self.file.size):
                raise LimitExceeded(
                    "inflate", f"the member {name!r} of {self.file.name!r} inflates to more than {len(grown):,} bytes",
                    limit=BYTES, file=self.file.name,
                )  # fmt: skip
        return memoryview(bytes(grown))


def _top(names: list[str]) -> str:
    """The one folder that all members lie in, with its slash."""
    tops = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    if len(tops) == 1 and "" not in tops and CONFIG not in names:
        return f"{next(iter(tops))}/"
    return ""


def open_piece(piece: Piece) -> AbstractContextManager[Hdf5File]:
    """An HDF5 file inside an archive, read-only, under the limits of any HDF5 file."""
    return open_hdf5(piece, window=_Window(piece.data))


class _Window(io.RawIOBase):
    """A memory view as a readable, seekable file."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: len(self.data)}[whence]
        self.at = max(start + offset, 0)
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        piece = self.data[self.at : self.at + len(target)]
        target[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


def is_container(file: UploadedFile) -> bool:
    """Whether a zip archive has a Keras configuration in it, at the top or in its one folder."""
    if not zip_archive.is_zip(file):
        return False
    names = [name for name in zip_archive.names(file, MEMBERS) if not name.endswith("/")]
    bare = {name.removeprefix(_top(names)) for name in names}
    return CONFIG in bare and bool(bare & {METADATA, WEIGHTS, INDEX})


__all__ = ["CONFIG", "INDEX", "METADATA", "WEIGHTS", "Container", "Piece", "is_container", "open_piece"]
