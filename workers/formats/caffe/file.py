"""Caffe's files and nothing else: bytes <-> records, blobs <-> arrays. Knows no ONNX.

``NET``, ``LAYER``, ``BLOB`` (from ``schema``) make and name the records: ``LAYER(name="conv1", type="Convolution",
bottom=["data"], top=["conv1"], convolution_param={"num_output": 8, "kernel_size": [3]}, blobs=[blob(w), blob(b)])``.
``read_caffemodel``/``write_caffemodel`` and ``parse_prototxt``/``print_prototxt`` go to and from files;
``blob_array``/``blob`` between BlobProto and numpy, without copying where the file packs its floats.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from workers.errors import MalformedModel
from workers.formats.caffe.schema import BLOB, LAYER, NET, SCHEMA
from workers.inspect import protobuf_write
from workers.inspect.protobuf import decode
from workers.inspect.prototext import Parsed, parse, print_text
from workers.inspect.schema import Message

Array = npt.NDArray[Any]
__all__ = [
    "BLOB", "LAYER", "NET", "SCHEMA", "Message", "blob", "blob_array", "blob_shape", "parse_prototxt",
    "print_prototxt", "read_caffemodel", "same_shape", "write_caffemodel",
]  # fmt: skip

_LEGACY = ("num", "channels", "height", "width")
_RAW = {"DOUBLE": "<f8", "FLOAT": "<f4", "FLOAT16": "<f2"}


def read_caffemodel(data: bytes | memoryview, file: str | None = None) -> Message:
    """A NetParameter from its bytes, of any generation; arrays are views on ``data``. Raises MalformedModel."""
    return decode(data, NET, file=file)


def write_caffemodel(net: Message, target: Path | BinaryIO) -> int:
    """Write a NetParameter as Caffe's own Net::ToProto would be saved; blobs are streamed. Returns the bytes."""
    if isinstance(target, Path):
        with target.open("wb") as stream:
            return protobuf_write.write(net, stream)
    return protobuf_write.write(net, target)


def parse_prototxt(text: str | bytes | memoryview, file: str | None = None) -> Parsed:
    """A NetParameter from its text, with warnings about fields that no known Caffe has."""
    return parse(text, NET, file=file)


def print_prototxt(net: Message) -> str:
    """A NetParameter as text, as ``caffe`` prints it. Fields that the reading Caffe lacks must not be set."""
    return print_text(net)


# --- blobs ----------------------------------------------------------------------------------------------------------


def blob(array: Array) -> Message:
    """A BlobProto as Caffe saves it: ``shape`` and packed float32 ``data``; the array is kept, not copied."""
    return BLOB(shape={"dim": [int(dim) for dim in array.shape]}, data=array)


def blob_shape(record: Message) -> tuple[int, ...]:
    """The blob's shape; the four legacy dimensions are used only when any of them is given."""
    if any(record.has(name) for name in _LEGACY):
        return tuple(int(record[name]) for name in _LEGACY)
    return tuple(int(dim) for dim in record.shape.dim)


def blob_array(record: Message, file: str | None = None, where: str | None = None) -> Array:
    """The blob as float32 of its own shape, a view on the file where that holds float32.

    ``where`` names the layer and blob in errors. Raises MalformedModel when the shape and the data disagree.
    """
    shape = blob_shape(record)
    data = _data(record, file, where)
    if min(shape, default=0) < 0 or math.prod(shape) != data.size:
        raise MalformedModel(
            f"{where or 'a blob'} has {data.size:,} values but the shape {shown(shape)}", file=file, layer=where
        )
    return data.reshape(shape)


def _data(record: Message, file: str | None, where: str | None) -> Array:
    if record.has("data"):
        return np.asarray(record.data, np.float32)
    if record.has("double_data"):
        return record.double_data.astype(np.float32)  # type: ignore[no-any-return]
    if record.has("raw_data"):
        dtype = _RAW.get(str(record.raw_data_type))
        if dtype is None or len(record.raw_data) % np.dtype(dtype).itemsize:
            raise MalformedModel(
                f"{where or 'a blob'} holds raw data of type {record.raw_data_type} that is not read", file=file
            )
        return np.frombuffer(record.raw_data, dtype).astype(np.float32, copy=False)
    return np.empty(0, np.float32)


def same_shape(have: tuple[int, ...], want: tuple[int, ...], legacy: bool) -> bool:
    """Whether a blob of shape ``have`` may fill one of shape ``want``: a legacy 4-D one also left-padded with ones."""
    return have == want or (legacy and len(want) <= 4 and (1,) * (4 - len(want)) + want == have)


def is_legacy(record: Message) -> bool:
    return any(record.has(name) for name in _LEGACY)


def shown(shape: tuple[int, ...]) -> str:
    """A shape as Caffe's users write it: 64x3x7x7."""
    return "x".join(str(dim) for dim in shape) or "()"
