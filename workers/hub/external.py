"""Data that an ONNX file keeps in other files: found only among the model's own files, and only where it says.

A location is data of a stranger: it may point at ``/etc/passwd``, climb out with ``..`` or go through a link. So no
location is ever opened as a path; it is looked up among the files that belong to the model.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

import onnx

from workers.errors import MalformedModel, MissingFile, UnsafeModel
from workers.inspect.upload import UploadedFile


class Store(Protocol):
    """Finds the file behind a location; a location has passed ``safe_location`` before."""

    def find(self, location: PurePosixPath) -> UploadedFile | None: ...


class Beside:
    """The files in the folder of a model on this machine; links of both kinds are refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, location: PurePosixPath) -> UploadedFile | None:
        path = self.folder
        for part in location.parts:
            path = path / part
            if path.is_symlink():
                raise UnsafeModel(f"external data {str(location)!r} goes through a symbolic link", file=str(location))
        if not path.exists():
            return None
        info = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(info.st_mode):
            raise UnsafeModel(f"external data {str(location)!r} is not a regular file", file=str(location))
        if info.st_nlink > 1:
            raise UnsafeModel(f"external data {str(location)!r} is a hard link", file=str(location))
        return UploadedFile(str(location), path, info.st_size)


class Among:
    """The uploaded files: relative to the model's own name, or by base name where only one file has it."""

    def __init__(self, model: UploadedFile, files: Sequence[UploadedFile]) -> None:
        self.folder = PurePosixPath(model.name).parent
        self.files = {PurePosixPath(file.name): file for file in files}
        self.used: list[str] = []

    def find(self, location: PurePosixPath) -> UploadedFile | None:
        found = self.files.get(self.folder / location)
        if found is None:
            named = [file for name, file in self.files.items() if name.name == location.name]
            found = named[0] if len(named) == 1 else None
        if found is not None:
            info = os.stat(found.path, follow_symlinks=False)
            if not stat.S_ISREG(info.st_mode):
                raise UnsafeModel(f"external data {str(location)!r} is a link or no regular file", file=str(location))
            if found.name not in self.used:
                self.used.append(found.name)
        return found


def safe_location(location: str, tensor: str) -> PurePosixPath:
    """The location as a relative path below the model's folder.

    Raises UnsafeModel for anything else: absolute paths, drives, URLs, ``..``, back slashes, NUL.
    """
    path = PurePosixPath(location)
    parts = location.split("/")
    bad = (
        not location
        or "\0" in location
        or "\\" in location
        or ":" in location
        or path.is_absolute()
        or ".." in parts
        or not path.parts
    )
    if bad:
        raise UnsafeModel(
            f"tensor {tensor!r} keeps its data in {location!r}, outside the model's own files",
            layer=tensor,
            hint="External data must lie in a file beside the model, named by a relative path.",
        )
    return path


class ExternalData:
    """Maps external files once each and cuts the tensors' bytes out of them."""

    def __init__(self, store: Store, file: str) -> None:
        self.store = store
        self.file = file
        self.maps: dict[str, memoryview] = {}

    def bytes_of(self, tensor: onnx.TensorProto, size: int) -> memoryview:
        """The ``size`` bytes of a tensor's data; MalformedModel when they do not lie inside the file."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = safe_location(entries.get("location", ""), tensor.name)
        view = self._map(location, tensor.name)
        offset = self._number(entries, "offset", 0, tensor.name)
        length = self._number(entries, "length", size, tensor.name)
        if length != size:
            raise MalformedModel(
                f"tensor {tensor.name!r} needs {size:,} bytes and its external data has {length:,}",
                file=self.file,
                layer=tensor.name,
            )
        if offset + length > len(view):
            raise MalformedModel(
                f"tensor {tensor.name!r} needs bytes {offset:,} to {offset + length:,} of {str(location)!r}, which has "
                f"{len(view):,}",
                file=str(location),
                layer=tensor.name,
            )
        return view[offset : offset + length]

    def _number(self, entries: Mapping[str, str], key: str, default: int, tensor: str) -> int:
        text = entries.get(key)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 19:
            raise MalformedModel(f"tensor {tensor!r} has the {key} {text!r}", file=self.file, layer=tensor)
        return int(text)

    def _map(self, location: PurePosixPath, tensor: str) -> memoryview:
        key = str(location)
        if key not in self.maps:
            found = self.store.find(location)
            if found is None:
                raise MissingFile(
                    f"{self.file!r} keeps weights (of {tensor!r}) in {key!r}, which is not among the files",
                    file=key,
                    hint=f"Upload {location.name!r} together with the model.",
                )
            self.maps[key] = found.map()
        return self.maps[key]
