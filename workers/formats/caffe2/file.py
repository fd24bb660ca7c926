"""Caffe2's files and nothing else: bytes <-> records, minidb databases, tensors <-> arrays. Knows no ONNX.

``NET``, ``OPERATOR``, ``ARGUMENT`` (from ``schema``) make the records; ``operator("Conv", ["x"], ["y"], kernel=3)`` is
one with arguments of the right kinds. Arrays are views on the mapped file wherever it holds them in one piece.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel, UnsupportedVersion
from workers.formats.caffe2.schema import ARGUMENT, BLOB, META, NET, OPERATOR, TENSOR, TENSORS
from workers.inspect import protobuf_write
from workers.inspect.budget import check_declared
from workers.inspect.protobuf import decode
from workers.inspect.prototext import Parsed, TextLimits, parse
from workers.inspect.schema import Message

Array = npt.NDArray[Any]
DTYPES: dict[str, np.dtype[Any]] = {
    "FLOAT": np.dtype("<f4"), "INT32": np.dtype("<i4"), "BYTE": np.dtype("u1"), "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"), "INT8": np.dtype("i1"), "UINT16": np.dtype("<u2"), "INT16": np.dtype("<i2"),
    "INT64": np.dtype("<i8"), "FLOAT16": np.dtype("<f2"), "DOUBLE": np.dtype("<f8"),
}  # fmt: skip
META_KEY = b"!!META_NET_DEF"
RECORDS = 1_000_000
TEXT = TextLimits(size=512 << 20, fields=20_000_000)


@dataclass(frozen=True, slots=True)
class Stored:
    """A parameter as a file has it. ``view`` is its array where that lies in one piece, else ``make`` joins it."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file: str
    make: Callable[[], Array]
    view: Array | None = None


# --- nets ------------------------------------------------------------------------------------------------------------


def read_net(data: bytes | memoryview, file: str) -> Message:
    """A NetDef from its bytes; numbers of fills are views on ``data``. Raises MalformedModel."""
    return decode(data, NET, file=file)


def parse_net(data: bytes | memoryview, file: str) -> Parsed:
    """A NetDef from its text, with warnings about fields that Caffe2 does not have."""
    return parse(data, NET, file=file, limits=TEXT)


def write_net(net: Message) -> bytes:
    return protobuf_write.encode(net)


def operator(type: str, inputs: Sequence[str], outputs: Sequence[str], **arguments: Any) -> Message:
    """One OperatorDef: integers and truth values become ``i``, floats ``f``, texts ``s``, arrays and lists lists."""
    args = [ARGUMENT(name=name, **_field(value)) for name, value in arguments.items()]
    return OPERATOR(type=type, input=list(inputs), output=list(outputs), arg=args)


def _field(value: Any) -> dict[str, Any]:
    if isinstance(value, bool | int | np.integer):
        return {"i": int(value)}
    if isinstance(value, float):
        return {"f": value}
    if isinstance(value, str | bytes):
        return {"s": value.encode() if isinstance(value, str) else value}
    if isinstance(value, Message):
        return {"n": value}
    if isinstance(value, np.ndarray):
        return {"floats": value.reshape(-1)} if value.dtype.kind == "f" else {"ints": value.reshape(-1).tolist()}
    if all(isinstance(item, str | bytes) for item in value) and value:
        return {"strings": [item.encode() if isinstance(item, str) else item for item in value]}
    kind = "floats" if any(isinstance(item, float) for item in value) else "ints"
    return {kind: list(value)}


# --- tensors ---------------------------------------------------------------------------------------------------------


def tensor_shape(record: Message, file: str) -> tuple[int, ...]:
    shape = tuple(int(dim) for dim in record.dims)
    check_declared(record.name, shape, file)
    return shape


def tensor_dtype(record: Message, file: str) -> np.dtype[Any]:
    kind = str(record.data_type)
    if kind == "STRING":
        raise MalformedModel(f"the tensor {record.name!r} of {file!r} holds texts, not numbers", file=file)
    if kind not in DTYPES:
        raise MalformedModel(f"the tensor {record.name!r} of {file!r} has the element type {kind}", file=file)
    return DTYPES[kind]


def tensor_data(record: Message, file: str) -> Array:
    """The numbers of one TensorProto or of one chunk, flat, a view where the file holds them as they are."""
    dtype = tensor_dtype(record, file)
    if str(record.storage_type) == "EXTERNAL" or record.has("external_data"):
        raise UnsupportedVersion(
            f"the tensor {record.name!r} of {file!r} lies in another storage", file=file,
            hint="Save the model into one file, with predictor_exporter.save_to_db and db_type 'minidb'.",
        )  # fmt: skip
    if record.has("raw_data"):
        return _raw(record.raw_data, dtype, record.name, file)
    if dtype == np.float16:
        return np.asarray(record.int32_data, np.int64).astype("<u2").view("<f2")
    if dtype.kind == "f":
        return np.asarray(record.float_data if dtype.itemsize == 4 else record.double_data, dtype)
    if dtype == np.int64:
        return np.asarray(record.int64_data, dtype)
    if dtype.itemsize == 1 and record.has("byte_data"):
        return _raw(record.byte_data, dtype, record.name, file)
    return np.asarray(record.int32_data, np.int64).astype(dtype)


def _raw(data: bytes | memoryview, dtype: np.dtype[Any], name: str, file: str) -> Array:
    if len(data) % dtype.itemsize:
        raise MalformedModel(f"the tensor {name!r} of {file!r} has {len(data)} bytes of {dtype.name}", file=file)
    return np.frombuffer(data, dtype)


def stored_tensor(name: str, records: Sequence[Message], file: str) -> Stored:
    """One parameter from its chunks, which come in any order and say by ``segment`` where they belong."""
    shape, dtype = tensor_shape(records[0], file), tensor_dtype(records[0], file)
    total = math.prod(shape)
    pieces = []
    for record in records:
        data = tensor_data(record, file)
        begin, end = (record.segment.begin, record.segment.end) if record.has("segment") else (0, total)
        if (tensor_shape(record, file), tensor_dtype(record, file)) != (shape, dtype):
            raise MalformedModel(f"the chunks of {name!r} in {file!r} disagree in shape or type", file=file)
        if not 0 <= begin <= end <= total or end - begin != data.size:
            raise MalformedModel(
                f"a chunk of {name!r} in {file!r} holds {data.size} numbers for the places {begin} to {end} of {total}",
                file=file,
            )
        pieces.append((begin, end, data))
    pieces.sort(key=lambda piece: piece[:2])
    place = 0
    for begin, end, _ in pieces:
        if begin != place:
            raise MalformedModel(f"the parameter {name!r} of {file!r} lacks its numbers from {place} on", file=file)
        place = end
    if place != total:
        raise MalformedModel(f"the parameter {name!r} of {file!r} lacks its numbers from {place} on", file=file)
    if len(pieces) == 1:
        whole = pieces[0][2].reshape(shape)
        return Stored(name, shape, dtype, file, lambda: whole, whole)
    return Stored(name, shape, dtype, file, lambda: np.concatenate([data for _, _, data in pieces]).reshape(shape))


def read_tensors(data: memoryview, file: str) -> dict[str, Stored]:
    """A TensorProtos file, as ``caffe_translator`` wrote parameters first."""
    found: dict[str, Stored] = {}
    for record in decode(data, TENSORS, file=file).protos:
        if record.name:
            found[record.name] = stored_tensor(record.name, [record], file)
    return found


def read_blob(data: memoryview, file: str) -> dict[str, Stored]:
    """A single serialised blob."""
    blob = decode(data, BLOB, file=file)
    check_is_tensor(blob, blob.name, file)
    return {blob.name: stored_tensor(blob.name, [blob.tensor], file)}


def check_is_tensor(blob: Message, name: str, file: str) -> None:
    if blob.has("qtensor"):
        raise UnsupportedVersion(
            f"the parameter {name!r} of {file!r} is a QTensor, bits of a fixed-point experiment", file=file,
            hint="Save the parameters as plain tensors.",
        )  # fmt: skip
    if not blob.has("tensor"):
        kind = blob.type or "an object"
        raise UnsupportedVersion(
            f"the blob {name!r} of {file!r} is no tensor but {kind}, whose bytes only Caffe2 can read", file=file
        )


# --- minidb ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Database:
    """``meta`` is the MetaNetDef, None in a database of parameters only. ``blobs`` hold the chunks by name."""

    meta: Message | None
    blobs: Mapping[str, Sequence[Message]]
    file: str

    def params(self) -> dict[str, Stored]:
        for name, records in self.blobs.items():
            for record in records:
                check_is_tensor(record, name, self.file)
        return {
            name: stored_tensor(name, [record.tensor for record in records], self.file)
            for name, records in self.blobs.items()
        }


def is_minidb(head: bytes, size: int) -> bool:
    """Whether a file of ``size`` bytes that begins like this is a minidb: two lengths, then a printable key."""
    if len(head) < 9:
        return False
    key, value = struct.unpack_from("<ii", head)
    if not (0 < key <= 4096 and value > 0 and 8 + key + value <= size):
        return False
    text = head[8 : 8 + key]
    return text == META_KEY or (text.isascii() and text.decode("ascii", "replace").isprintable() and b"%" in text)


def read_minidb(data: memoryview, file: str) -> Database:
    """All records of a predictor database. Raises MalformedModel where a record runs over the end."""
    meta: Message | None = None
    blobs: dict[str, list[Message]] = {}
    for key, value in _records(data, file):
        blob = decode(value, BLOB, file=file)
        if key == META_KEY.decode():
            meta = decode(blob.content, META, file=file)
            continue
        blobs.setdefault(key.split("#%")[0], []).append(blob)
    return Database(meta, blobs, file)


def _records(data: memoryview, file: str) -> Iterator[tuple[str, memoryview]]:
    at = count = 0
    while at < len(data):
        if len(data) - at < 8:
            raise MalformedModel(f"{file!r} is truncated: {len(data) - at} bytes are left at byte {at:,}", file=file)
        key, value = struct.unpack("<ii", data[at : at + 8])
        if key < 0 or value < 0 or key + value > len(data) - at - 8:
            raise MalformedModel(
                f"{file!r} is truncated or damaged: the record at byte {at:,} announces {key} and {value} bytes",
                file=file, hint="Upload the file again as Caffe2 saved it.",
            )  # fmt: skip
        count += 1
        if count > RECORDS:
            raise LimitExceeded("members", f"{file!r} has more than {RECORDS:,} records", limit=RECORDS, file=file)
        yield str(data[at + 8 : at + 8 + key], "utf-8", "backslashreplace"), data[at + 8 + key : at + 8 + key + value]
        at += 8 + key + value


def minidb(records: Mapping[str, Message]) -> bytes:
    """A database with these blobs, in their order."""
    pieces = []
    for key, blob in records.items():
        value = protobuf_write.encode(blob)
        pieces += [struct.pack("<ii", len(key.encode()), len(value)), key.encode(), value]
    return b"".join(pieces)


def tensor(name: str, array: Array) -> Message:
    """A float or integer tensor as Caffe2 serialises it."""
    kind = {"f4": "FLOAT", "i4": "INT32", "i8": "INT64", "f8": "DOUBLE"}[array.dtype.str[1:]]
    field = {"FLOAT": "float_data", "INT32": "int32_data", "INT64": "int64_data", "DOUBLE": "double_data"}[kind]
    data = array.reshape(-1) if array.dtype.kind == "f" else array.reshape(-1).tolist()
    return TENSOR(name=name, dims=list(array.shape), data_type=kind, **{field: data})
