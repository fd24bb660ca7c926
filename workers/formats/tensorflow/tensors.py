"""TensorProto -> numpy, as a view on the file where it holds raw bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel
from workers.formats.tensorflow.dtypes import NUMPY, plain
from workers.inspect.budget import BUDGET, check_declared
from workers.inspect.schema import Message

Array = npt.NDArray[Any]
# The field that holds the values of each type when they are not one block of bytes.
FIELDS = {
    "DT_FLOAT": "float_val", "DT_DOUBLE": "double_val", "DT_INT32": "int_val", "DT_UINT8": "int_val",
    "DT_INT16": "int_val", "DT_INT8": "int_val", "DT_UINT16": "int_val", "DT_INT64": "int64_val",
    "DT_BOOL": "bool_val", "DT_HALF": "half_val", "DT_BFLOAT16": "half_val", "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val", "DT_QINT8": "int_val", "DT_QUINT8": "int_val", "DT_QINT32": "int_val",
    "DT_QINT16": "int_val", "DT_QUINT16": "int_val", "DT_COMPLEX64": "scomplex_val", "DT_COMPLEX128": "dcomplex_val",
}  # fmt: skip
FILLED = 1 << 28
"""Elements that a single repeated value may stand for."""


def shape_of(shape: Message, name: str, file: str) -> tuple[int, ...]:
    """The dimensions of a stored tensor, all of which must be known."""
    if shape.unknown_rank:
        raise MalformedModel(f"tensor {name!r} is stored without a shape", file=file, layer=name)
    dims = tuple(int(dim.size or 0) for dim in shape.dim)
    check_declared(name, dims, file, BUDGET)
    return dims


def array_of(tensor: Message, name: str, file: str) -> Array:
    """The values of a TensorProto; strings as an array of bytes objects.

    A list of values shorter than the tensor repeats its last one; no values at all are zeros.
    """
    dtype = plain(tensor.dtype)
    dims = shape_of(tensor.tensor_shape, name, file)
    size = math.prod(dims)
    if dtype == "DT_STRING":
        return _strings(tensor, dims, size, name, file)
    if dtype not in NUMPY:
        raise MalformedModel(f"tensor {name!r} is of the type {dtype}, which has no values", file=file, layer=name)
    kind = NUMPY[dtype]
    content = tensor.tensor_content
    if content is not None and len(content):
        if len(content) != size * kind.itemsize:
            raise MalformedModel(
                f"tensor {name!r} of shape {list(dims)} has {len(content):,} bytes instead of {size * kind.itemsize:,}",
                file=file, layer=name,
            )  # fmt: skip
        return np.frombuffer(content, kind).reshape(dims)
    return _filled(_listed(tensor, dtype, kind), dims, size, name, file)


def _listed(tensor: Message, dtype: str, kind: np.dtype[Any]) -> Array:
    values = tensor[FIELDS[dtype]]
    if dtype in ("DT_HALF", "DT_BFLOAT16"):
        return (np.asarray(values, np.int64) & 0xFFFF).astype(np.uint16).view(kind)
    if kind.kind == "c":
        part = np.dtype("<f4") if kind.itemsize == 8 else np.dtype("<f8")
        flat = np.asarray(values, part)
        return flat[: len(flat) // 2 * 2].view(kind)
    return np.asarray(values).astype(kind) if len(values) else np.empty(0, kind)


def _filled(values: Array, dims: tuple[int, ...], size: int, name: str, file: str) -> Array:
    if len(values) == size:
        return values.reshape(dims)
    if len(values) > size:
        raise MalformedModel(
            f"tensor {name!r} of shape {list(dims)} has {len(values):,} values", file=file, layer=name
        )  # fmt: skip
    if size > FILLED:
        raise LimitExceeded("memory", f"tensor {name!r} repeats one value {size:,} times", limit=FILLED, file=file)
    last = values[-1] if len(values) else np.zeros((), values.dtype)
    full = np.full(size, last, values.dtype)
    full[: len(values)] = values
    return full.reshape(dims)


def _strings(tensor: Message, dims: tuple[int, ...], size: int, name: str, file: str) -> Array:
    values = [bytes(item) for item in tensor.string_val]
    if len(values) > size or size > 1 << 24:
        raise MalformedModel(f"tensor {name!r} of shape {list(dims)} has {len(values):,} strings", file=file)
    values += [values[-1] if values else b""] * (size - len(values))
    found = np.empty(size, object)
    found[:] = values
    return found.reshape(dims)
