"""Checkpoints: names -> arrays that stay in their mapped files.

Version 2 ("tensor bundle"): ``X.index`` is a table of BundleEntryProto, the values lie in ``X.data-SSSSS-of-NNNNN``.
Version 1 (before 2017): one or several tables that hold the values themselves, as SavedTensorSlices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.errors import MalformedModel, MissingFile, UnsupportedVersion
from workers.formats.tensorflow.dtypes import NUMPY, ONNX, plain
from workers.formats.tensorflow.schema import SCHEMA
from workers.formats.tensorflow.table import entries
from workers.formats.tensorflow.tensors import Array, array_of, shape_of
from workers.inspect.protobuf import decode
from workers.inspect.schema import Message
from workers.inspect.upload import UploadedFile

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SHARD = re.compile(r"\.data-(\d{5})-of-(\d{5})$")
HEADER, ENTRY = SCHEMA["BundleHeaderProto"], SCHEMA["BundleEntryProto"]


@dataclass(frozen=True, slots=True)
class Stored:
    """One variable: ``load()`` yields its values, a view on the mapped file where they lie in one piece."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    load: Callable[[], Array] = field(compare=False)

    def tensor(self) -> ir.LazyTensor:
        """The variable as an initialiser that is made only when it is written."""

        def make() -> ir.TensorProtocol:
            return ir.Tensor(self.load())

        return ir.LazyTensor(make, dtype=ONNX[self.dtype], shape=ir.Shape(self.shape), name=self.name)


@dataclass(slots=True)
class Checkpoint:
    """``objects`` is the serialised object graph of TF2's checkpoints, None in older ones."""

    variables: dict[str, Stored]
    files: tuple[str, ...]
    objects: memoryview | None = None


def read_bundle(index: UploadedFile, shards: Iterable[UploadedFile]) -> Checkpoint:
    """A checkpoint of version 2. Raises MissingFile naming the shard that is not there."""
    found = {int(match[1]): file for file in shards if (match := SHARD.search(file.name))}
    bundle = _Bundle(index.name, found)
    for key, value in entries(index.map(), index.name):
        bundle.add(key, value)
    if bundle.header is None:
        raise MalformedModel(f"{index.name!r} has no header: it is no index of a checkpoint", file=index.name)
    bundle.join_slices()
    files = (index.name, *(found[number].name for number in sorted(found)))
    return Checkpoint(bundle.variables, files, bundle.objects)


class _Bundle:
    def __init__(self, file: str, shards: Mapping[int, UploadedFile]) -> None:
        self.file = file
        self.shards = shards
        self.maps: dict[int, memoryview] = {}
        self.header: Message | None = None
        self.variables: dict[str, Stored] = {}
        self.partitioned: dict[str, Message] = {}
        self.slices: dict[bytes, Message] = {}
        self.objects: memoryview | None = None

    def add(self, key: bytes, value: memoryview) -> None:
        if not key:
            self.header = decode(value, HEADER, file=self.file)
            if self.header.endianness:
                raise UnsupportedVersion(f"{self.file!r} was written on a big-endian machine", file=self.file)
            return
        entry = decode(value, ENTRY, file=self.file)
        if key[:1] == b"\0":
            self.slices[key] = entry
            return
        name = key.decode("utf-8", "backslashreplace")
        if name == OBJECT_GRAPH:
            self.objects = self.strings(name, entry)
        elif entry.slices:
            self.partitioned[name] = entry
        elif plain(entry.dtype) in NUMPY:
            self.variables[name] = self.stored(name, entry)

    def stored(self, name: str, entry: Message) -> Stored:
        dtype, dims = plain(entry.dtype), shape_of(entry.shape, name, self.file)
        kind = NUMPY[dtype]
        self.bytes(name, entry)
        if (entry.size or 0) != math.prod(dims) * kind.itemsize:
            raise MalformedModel(
                f"{self.file!r}: {name!r} of shape {list(dims)} has {entry.size or 0:,} bytes",
                file=self.file,
                layer=name,
            )
        return Stored(name, dtype, dims, lambda: self.values(name, entry, dims, kind))

    def values(self, name: str, entry: Message, dims: tuple[int, ...], kind: np.dtype[Any]) -> Array:
        return np.frombuffer(self.bytes(name, entry), kind).reshape(dims)

    def bytes(self, name: str, entry: Message) -> memoryview:
        shard, offset, size = entry.shard_id or 0, entry.offset or 0, entry.size or 0
        if shard not in self.maps:
            if shard not in self.shards:
                count = (self.header.num_shards if self.header is not None else 0) or 1
                stem = self.file.removesuffix(".index")
                raise MissingFile(
                    f"the values of {name!r} lie in a file that is missing: {stem}.data-{shard:05d}-of-{count:05d}",
                    file=self.file, hint="Add all files *.data-* of the checkpoint.",
                )  # fmt: skip
            self.maps[shard] = self.shards[shard].map()
        view = self.maps[shard]
        if offset < 0 or size < 0 or offset + size > len(view):
            raise MalformedModel(
                f"{self.shards[shard].name!r} is truncated: {name!r} needs the bytes {offset:,} to {offset + size:,}",
                file=self.shards[shard].name, layer=name,
            )  # fmt: skip
        return view[offset : offset + size]

    def strings(self, name: str, entry: Message) -> memoryview:
        """The single string of an entry: its length as a varint, four bytes of checksum, the bytes."""
        raw = self.bytes(name, entry)
        length = at = 0
        while at < min(10, len(raw)):
            length |= (raw[at] & 0x7F) << (7 * at)
            at += 1
            if raw[at - 1] < 0x80:
                break
        if at + 4 + length > len(raw):
            raise MalformedModel(f"{self.file!r}: {name!r} is truncated", file=self.file)
        return raw[at + 4 : at + 4 + length]

    def join_slices(self) -> None:
        """Partitioned variables: their parts are filed under a key made of name and place, in the order of slices."""
        for name, entry in self.partitioned.items():
            dims = shape_of(entry.shape, name, self.file)
            parts = []
            for piece in entry.slices:
                key = slice_key(name, piece, len(dims))
                if key not in self.slices:
                    raise MalformedModel(f"{self.file!r} lacks a part of {name!r}", file=self.file, layer=name)
                extent = extent_of(piece, dims, name, self.file)
                part = self.slices[key]
                sizes = tuple(stop - start for start, stop in extent)
                parts.append((extent, self.part(name, part, sizes)))
            dtype = plain(entry.dtype)
            self.variables[name] = Stored(name, dtype, dims, _joiner(parts, dims, NUMPY[dtype]))

    def part(self, name: str, entry: Message, sizes: tuple[int, ...]) -> Callable[[], Array]:
        kind = NUMPY[plain(entry.dtype)]
        if (entry.size or 0) != math.prod(sizes) * kind.itemsize:
            raise MalformedModel(f"{self.file!r}: a part of {name!r} has a wrong size", file=self.file, layer=name)
        self.bytes(name, entry)
        return lambda: self.values(name, entry, sizes, kind)


Extent = tuple[tuple[int, int], ...]


def extent_of(piece: Message, dims: tuple[int, ...], name: str, file: str) -> Extent:
    """(start, stop) of a slice along every axis; an extent without a length is the whole axis."""
    found = []
    for axis, size in enumerate(dims):
        extent = piece.extent[axis] if axis < len(piece.extent) else None
        whole = extent is None or not extent.has("length")
        start = 0 if whole or extent is None else extent.start or 0
        stop = size if whole or extent is None else start + extent.length
        if not 0 <= start <= stop <= size:
            raise MalformedModel(f"{file!r}: a part of {name!r} lies outside of it", file=file, layer=name)
        found.append((start, stop))
    return tuple(found)


def _joiner(parts: list[tuple[Extent, Callable[[], Array]]], dims: tuple[int, ...], kind: np.dtype[Any]) -> Any:
    def make() -> Array:
        whole = np.zeros(dims, kind)
        for extent, load in parts:
            whole[tuple(slice(start, stop) for start, stop in extent)] = load()
        return whole

    return make


# --- ordered keys -----------------------------------------------------------------------------------------------------


def slice_key(name: str, piece: Message, rank: int) -> bytes:
    """The key of a partition's part: 0, the name, the rank, then start and length of every axis, all ordered codes."""
    out = ordered_number(0) + ordered_string(name.encode()) + ordered_number(rank)
    for axis in range(rank):
        extent = piece.extent[axis] if axis < len(piece.extent) else None
        whole = extent is None or not extent.has("length")
        start = 0 if whole or extent is None else extent.start or 0
        length = -1 if whole or extent is None else extent.length
        out += ordered_signed(start) + ordered_signed(length)
    return out


def ordered_number(value: int) -> bytes:
    """Length, then the big-endian bytes: shorter numbers sort first."""
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(raw)]) + raw


def ordered_string(raw: bytes) -> bytes:
    """0 and 255 are escaped, the end is marked by 0, 1."""
    escapes = {0x00: b"\0\xff", 0xFF: b"\xff\0"}
    return b"".join(escapes.get(byte, bytes([byte])) for byte in raw) + b"\0\1"


def ordered_signed(value: int) -> bytes:
    """A signed number whose first bits, flipped, tell its length."""
    length = (~value if value < 0 else value).bit_length() // 7 + 1
    raw = bytearray(value.to_bytes(10, "big", signed=True)[10 - length :])
    for place, byte in enumerate(((0xFFFF << (16 - length)) & 0xFFFF).to_bytes(2, "big")[:length]):
        raw[place] ^= byte
    return bytes(raw)


# --- version 1 --------------------------------------------------------------------------------------------------------


def read_table(files: Iterable[UploadedFile]) -> Checkpoint:
    """A checkpoint of version 1: every table holds its tensors' values itself."""
    variables: dict[str, Stored] = {}
    names = []
    parts: dict[str, list[tuple[Message, Message]]] = {}
    metas: dict[str, Message] = {}
    for file in files:
        names.append(file.name)
        for key, value in entries(file.map(), file.name):
            message = decode(value, SCHEMA["SavedTensorSlices"], file=file.name)
            if not key:
                metas.update((meta.name, meta) for meta in message.meta.tensor)
                continue
            data = message.data
            parts.setdefault(data.name, []).append((data.slice, data))
    for name, meta in metas.items():
        dtype = plain(meta.type)
        if dtype not in NUMPY or name not in parts:
            continue
        dims = shape_of(meta.shape, name, names[0])
        placed = []
        for piece, data in parts[name]:
            extent = extent_of(piece, dims, name, names[0])
            wanted = math.prod(stop - start for start, stop in extent)
            if not data.data.has("tensor_content") and _count(data.data) != wanted:
                raise MalformedModel(
                    f"{names[0]!r}: a part of {name!r} has {_count(data.data):,} values instead of {wanted:,}",
                    file=names[0], layer=name,
                )  # fmt: skip
            placed.append((extent, _values_of(data, meta.type, names[0])))
        sized = [(extent, _shaped(load, extent)) for extent, load in placed]
        load = sized[0][1] if len(sized) == 1 else _joiner(sized, dims, NUMPY[dtype])
        variables[name] = Stored(name, dtype, dims, load)
    return Checkpoint(variables, tuple(names))


LISTS = ("float_val", "double_val", "int_val", "int64_val", "bool_val", "half_val")


def _values_of(data: Message, dtype: str, file: str) -> Callable[[], Array]:
    """The values stand in the lists of a TensorProto without a shape."""

    def make() -> Array:
        tensor = data.data
        tensor.dtype = dtype
        if not tensor.has("tensor_content"):
            tensor.tensor_shape = {"dim": [{"size": _count(tensor)}]}
        return array_of(tensor, data.name, file).reshape(-1)

    return make


def _count(tensor: Message) -> int:
    return max(len(tensor[name]) for name in LISTS)


def _shaped(load: Callable[[], Array], extent: Extent) -> Callable[[], Array]:
    sizes = tuple(stop - start for start, stop in extent)

    def make() -> Array:
        values = load()
        if values.size != math.prod(sizes):
            raise MalformedModel(f"a part of a checkpoint has {values.size:,} values for the shape {list(sizes)}")
        return values.reshape(sizes)

    return make
