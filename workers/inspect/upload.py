"""The files of one upload as the readers see them."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


class Mapping(mmap.mmap):
    """A file mapped read-only that keeps its descriptor open, so that the kernel can copy spans of it."""

    source: int

    @classmethod
    def of(cls, path: Path) -> Mapping:
        with path.open("rb") as file:
            mapping = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
            mapping.source = os.dup(file.fileno())
        return mapping

    def __del__(self) -> None:
        if hasattr(self, "source"):
            os.close(self.source)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One regular file. ``name`` is what the user called it (relative, POSIX), ``path`` where it lies."""

    name: str
    path: Path
    size: int

    @property
    def suffix(self) -> str:
        """The name's last ending in lower case, with its dot: ``.caffemodel``."""
        return PurePosixPath(self.name).suffix.lower()

    def head(self, size: int = 65536) -> bytes:
        """The first ``size`` bytes."""
        with self.path.open("rb") as file:
            return file.read(size)

    def map(self) -> memoryview:
        """The whole file, memory-mapped read-only; views on it stay valid as long as they are referenced."""
        if self.size == 0:
            return memoryview(b"")
        return memoryview(Mapping.of(self.path))


@dataclass(frozen=True, slots=True)
class Upload:
    """All files of one model, archives already unpacked, in the user's order."""

    files: tuple[UploadedFile, ...]
    root: Path = field(default_factory=Path)

    @classmethod
    def of(cls, *paths: Path) -> Upload:
        """An upload of files as they lie on disk, each under its own base name."""
        return cls(tuple(UploadedFile(path.name, path, path.stat().st_size) for path in paths))
