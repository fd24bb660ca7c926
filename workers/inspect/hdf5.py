"""HDF5 files walked with suspicion: nothing outside the file is read, bounds come before bytes.

Plain h5py follows external links, external raw storage and virtual datasets into foreign files, allocates whatever
shape a header declares, and lets HDF5 load filter plug-ins. ``open_hdf5`` switches plug-ins off; ``walk`` looks at
every link before it opens what the link names; ``read`` checks a dataset's size, its ratio to what is stored and its
filters before the first byte, and maps contiguous data instead of copying it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

os.environ["HDF5_PLUGIN_PATH"] = "::"

import h5py
import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel, UnsafeModel, Unsupported, UnsupportedOperators
from workers.inspect.upload import UploadedFile

Array = npt.NDArray[Any]
SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Soft links may lead to soft links this often.
LINKS = 16
# Filters that HDF5 itself or h5py brings: deflate, shuffle, fletcher32, szip, nbit, scale-offset, lzf.
FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})


@dataclass(frozen=True, slots=True)
class Hdf5Limits:
    """Bounds on one file: objects, nesting, bytes of one dataset and of all, and bytes inflated from one stored."""

    objects: int = 200_000
    depth: int = 64
    dataset: int = 8 << 30
    total: int = 16 << 30
    ratio: int = 200
    small: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset as its header declares it; ``read`` fetches the elements."""

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file: Hdf5File
    handle: Any

    @property
    def nbytes(self) -> int:
        count = 1
        for dim in self.shape:
            count *= dim
        return count * self.dtype.itemsize

    def read(self) -> Array:
        """The elements: a view on the mapped file where they lie in one piece, else a bounded copy."""
        return self.file.elements(self)


class Hdf5File:
    """An open file whose ``walk`` yields its groups and datasets."""

    def __init__(self, source: UploadedFile, handle: Any, limits: Hdf5Limits) -> None:
        self.source = source
        self.handle = handle
        self.limits = limits
        self.taken = 0
        self.view: memoryview | None = None

    def names(self) -> set[str]:
        """The names in the root group, whatever they lead to."""
        with self.guarded("/"):
            return set(self.handle)

    def walk(self) -> Iterator[tuple[str, Dataset | None]]:
        """Every object once, parents first, by its absolute path: None for a group, else the dataset.

        Raises UnsafeModel for links and storage that lead outside the file, MalformedModel for links that lead
        nowhere or in circles, LimitExceeded for too many objects or too deep a tree.
        """
        seen: set[Any] = set()
        stack: list[tuple[str, Any, int]] = [("", self.handle, 0)]
        while stack:
            path, group, depth = stack.pop()
            with self.guarded(path or "/"):
                names = list(group)
            if len(seen) + len(names) > self.limits.objects or depth > self.limits.depth:
                raise LimitExceeded(
                    "members" if depth <= self.limits.depth else "depth",
                    f"{self.source.name!r} has more than {self.limits.objects:,} HDF5 objects or nests deeper than "
                    f"{self.limits.depth}", file=self.source.name,
                )  # fmt: skip
            below = []
            for name in names:
                child, key = self.child(group, name, f"{path}/{name}")
                if key in seen:
                    continue
                seen.add(key)
                if isinstance(child, h5py.Group):
                    below.append((f"{path}/{name}", child, depth + 1))
                    yield f"{path}/{name}", None
                elif isinstance(child, h5py.Dataset):
                    yield f"{path}/{name}", self.dataset(child, f"{path}/{name}")
            stack.extend(reversed(below))

    def child(self, group: Any, name: str, path: str, hops: int = 0) -> tuple[Any, Any]:
        """The object behind one link, which must lead inside this file, and its identity.

        Soft links are walked part by part here, so that HDF5 never follows one into an external link.
        """
        with self.guarded(path):
            link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None or hops > LINKS:
                raise KeyError("a soft link that leads nowhere" if hops <= LINKS else "soft links in a circle")
            if isinstance(link, h5py.ExternalLink):
                raise UnsafeModel(
                    f"{self.source.name!r}: {path} is a link into another file ({link.filename!r})",
                    file=self.source.name, hint="Save the weights into one file, without external links.",
                )  # fmt: skip
            if isinstance(link, h5py.SoftLink):
                return self.resolve(group, link.path, path, hops + 1)
            child = group[name]
            info = h5py.h5o.get_info(child.id)
            return child, (info.fileno, info.addr)

    def resolve(self, group: Any, target: str, path: str, hops: int) -> tuple[Any, Any]:
        """What a soft link in ``group`` means."""
        parts = [part for part in target.split("/") if part not in ("", ".")]
        node, key = (self.handle if target.startswith("/") else group), None
        for part in parts:
            node, key = self.child(node, part, path, hops)
        if key is None:
            raise MalformedModel(f"{self.source.name!r}: {path} is a link to its own group", file=self.source.name)
        return node, key

    def dataset(self, handle: Any, path: str) -> Dataset:
        """Refuses data that lies in other files. Reads the header only."""
        with self.guarded(path):
            plist = handle.id.get_create_plist()
            if plist.get_external_count() > 0:
                raise UnsafeModel(f"{self.source.name!r}: {path} keeps its data in another file", file=self.source.name)
            if plist.get_layout() == h5py.h5d.VIRTUAL:
                raise UnsafeModel(
                    f"{self.source.name!r}: {path} is a virtual dataset over other files", file=self.source.name
                )
            shape = handle.shape
            if shape is None:
                raise MalformedModel(f"{self.source.name!r}: {path} is an empty dataset", file=self.source.name)
            return Dataset(path, tuple(int(dim) for dim in shape), handle.dtype, self, handle)

    def elements(self, dataset: Dataset) -> Array:
        """What ``Dataset.read`` returns, after all checks."""
        self.check(dataset)
        with self.guarded(dataset.path):
            offset = dataset.handle.id.get_offset()
            if offset is not None and dataset.dtype.isnative and dataset.nbytes:
                if offset + dataset.nbytes > self.source.size:
                    raise MalformedModel(
                        f"{self.source.name!r} is truncated: {dataset.path} ends at byte "
                        f"{offset + dataset.nbytes:,} of {self.source.size:,}", file=self.source.name,
                    )  # fmt: skip
                data = self.mapped()[offset : offset + dataset.nbytes]
                return np.frombuffer(data, dataset.dtype).reshape(dataset.shape)
            self.taken += dataset.nbytes
            array = np.empty(dataset.shape, dataset.dtype)
            if dataset.nbytes:
                dataset.handle.read_direct(array)
            return array

    def mapped(self) -> memoryview:
        """The file, mapped once; views on it stay valid after closing."""
        if self.view is None:
            self.view = self.source.map()
        return self.view

    def check(self, dataset: Dataset) -> None:
        """Bounds before bytes: element type, size, inflation, filters."""
        name, path = self.source.name, dataset.path
        if dataset.dtype.kind not in "fiub":
            raise MalformedModel(f"{name!r}: {path} holds {dataset.dtype}, not numbers", file=name)
        if dataset.nbytes > self.limits.dataset or self.taken + dataset.nbytes > self.limits.total:
            raise LimitExceeded(
                "memory", f"{name!r}: {path} declares {dataset.nbytes:,} bytes",
                limit=min(self.limits.dataset, self.limits.total), file=name,
            )  # fmt: skip
        with self.guarded(path):
            plist = dataset.handle.id.get_create_plist()
            filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
            stored = dataset.handle.id.get_storage_size()
        alien = [number for number in filters if number not in FILTERS]
        if alien:
            reason = "compressed by a plug-in that is not loaded for uploads"
            raise UnsupportedOperators("HDF5", [Unsupported(path, f"filter {alien[0]}", reason)])
        if dataset.nbytes > self.limits.small and dataset.nbytes > self.limits.ratio * max(stored, 1):
            raise LimitExceeded(
                "inflate", f"{name!r}: {path} would grow from {stored:,} stored bytes to {dataset.nbytes:,}",
                limit=self.limits.ratio, file=name,
            )  # fmt: skip

    @contextmanager
    def guarded(self, path: str) -> Iterator[None]:
        """HDF5's own complaints about damaged bytes, as ours."""
        try:
            yield
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise MalformedModel(
                f"{self.source.name!r} is a damaged HDF5 file at {path}: {_first_line(error)}", file=self.source.name
            ) from error


@contextmanager
def open_hdf5(
    source: UploadedFile, limits: Hdf5Limits = Hdf5Limits(), window: io.RawIOBase | None = None
) -> Iterator[Hdf5File]:
    """Open read-only, with filter plug-ins off. Raises MalformedModel when HDF5 cannot make sense of the file.

    ``window`` stands for a file that lies inside another one.
    """
    for index in reversed(range(h5py.h5pl.size())):
        h5py.h5pl.remove(index)
    try:
        handle = h5py.File(window, "r") if window is not None else h5py.File(source.path, "r", locking=False)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise MalformedModel(
            f"{source.name!r} is a damaged or truncated HDF5 file: {_first_line(error)}", file=source.name
        ) from error
    with handle:
        yield Hdf5File(source, handle, limits)


def is_group(item: object) -> bool:
    return isinstance(item, h5py.Group)


def is_own(link: object) -> bool:
    """Whether a link leads to an object of the file itself, and by no path."""
    return isinstance(link, h5py.HardLink)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
