"""Archives opened with bounds: our own loop over the members of zip and tar, regular files only, nothing outside.

Some model files are themselves archives (``.keras``, ``.pt``, ``.npz``): they are told by their members and stay whole.
Members are never unpacked a second time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.errors import LimitExceeded, MalformedModel, UnsafeArchive
from workers.inspect import tar_archive as tar
from workers.inspect import zip_archive
from workers.inspect.names import Names
from workers.inspect.upload import UploadedFile


@dataclass(frozen=True, slots=True)
class Limits:
    """``ratio`` of bytes inflated to bytes of the archive counts once more than ``ratio_from`` bytes are out."""

    members: int = 10_000
    bytes: int = 64 << 30
    ratio: int = 200
    ratio_from: int = 64 << 20


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of an archive; ``chunks`` yields its contents, checked as they come."""

    name: str
    chunks: Callable[[], Iterator[bytes]]


def _torch(names: frozenset[str]) -> bool:
    return bool(names & {"data.pkl", "constants.pkl", "archive_format"})


def _keras(names: frozenset[str]) -> bool:
    return "config.json" in names and any(name.endswith("weights.h5") for name in names)


def _numpy(names: frozenset[str]) -> bool:
    return all(name.endswith(".npy") for name in names)


def _old_torch(names: frozenset[str]) -> bool:
    return {"sys_info", "pickle", "storages", "tensors"} <= names


def _nemo(names: frozenset[str]) -> bool:
    return "model_config.yaml" in names and any(name.endswith(".ckpt") for name in names)


# What a model's own container looks like, by its members' names below a single top folder, if there is one.
MODEL_ARCHIVES = (_torch, _keras, _numpy, _old_torch, _nemo)


def is_model_archive(names: Iterable[str]) -> bool:
    """Whether an archive with these members is one model file that its reader wants whole."""
    paths = [name for name in names if not name.endswith("/")]
    if not paths:
        return False
    tops = {name.split("/", 1)[0] if "/" in name else "" for name in paths}
    if len(tops) == 1 and "" not in tops:
        paths = [name.split("/", 1)[1] for name in paths]
    members = frozenset(paths)
    return any(predicate(members) for predicate in MODEL_ARCHIVES)


def is_archive(file: UploadedFile) -> bool:
    """Whether the file is a zip or tar of other files, by its bytes; a model's own container is not."""
    if zip_archive.is_zip(file):
        return not is_model_archive(zip_archive.names(file, LIMITS.members))
    if tar.is_tar(file):
        return not is_model_archive(tar.first_names(file, 64))
    return False


def unpack(file: UploadedFile, into: Path, limits: Limits = LIMITS) -> list[UploadedFile]:
    """Write the regular members into the new folder ``into``, in the archive's order, under their own names.

    Raises UnsafeArchive (a name that leads out or clashes, a link, a device, an overlap, a bomb), LimitExceeded (bytes)
    or MalformedModel (damage); what was written until then is left to whoever owns ``into``.
    """
    into.mkdir(parents=True, exist_ok=True)
    members = (
        zip_archive.members(file, limits.members) if zip_archive.is_zip(file) else tar.members(file, limits.members)
    )
    names = Names(file.name)
    budget = _Budget(file, limits)
    unpacked: list[UploadedFile] = []
    for name, chunks in members:
        budget.member()
        relative = names.claim(name)
        if relative is not None:
            unpacked.append(_write(relative, chunks, into, budget))
    if not unpacked:
        raise MalformedModel(f"the archive {file.name!r} holds no files", file=file.name)
    return unpacked


def _write(name: str, chunks: Iterator[bytes], into: Path, budget: _Budget) -> UploadedFile:
    path = into / name
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for chunk in chunks:
            budget.spend(len(chunk))
            size += len(chunk)
            out.write(chunk)
    return UploadedFile(name, path, size)


class _Budget:
    """Counts members and inflated bytes as they come, whatever the archive's headers say."""

    def __init__(self, file: UploadedFile, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.count = 0
        self.spent = 0

    def member(self) -> None:
        self.count += 1
        if self.count > self.limits.members:
            raise UnsafeArchive(
                f"the archive {self.file.name!r} has more than {self.limits.members:,} members", file=self.file.name
            )

    def spend(self, size: int) -> None:
        self.spent += size
        if self.spent > self.limits.bytes:
            raise LimitExceeded(
                "inflate",
                f"the archive {self.file.name!r} inflates to more than {self.limits.bytes:,} bytes",
                limit=self.limits.bytes,
                file=self.file.name,
            )
        if self.spent > self.limits.ratio_from and self.spent > self.file.size * self.limits.ratio:
            raise UnsafeArchive(
                f"the archive {self.file.name!r} inflates to more than {self.limits.ratio} times its size",
                file=self.file.name,
            )


__all__ = ["LIMITS", "Limits", "is_archive", "is_model_archive", "unpack"]
