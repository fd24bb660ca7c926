"""The data of a constant tensor as an array: views where the file allows, unpacked or made dense where it does not."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from workers.errors import MalformedModel
from workers.formats.tflite.file import Sparsity, Tensor
from workers.inspect.budget import BUDGET, check_declared

Array = npt.NDArray[Any]
# Element types that numpy has under the same name, little-endian as in the file.
PLAIN: dict[str, np.dtype[Any]] = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
                 "uint64", "complex64", "complex128")
}  # fmt: skip
# Types narrower than a byte: bits, and whether the top one is a sign. The first element lies in the lowest bits.
PACKED = {"int4": (4, True), "uint4": (4, False), "int2": (2, True)}


def numpy_type(kind: str) -> np.dtype[Any]:
    """What an array of this element type has as its dtype; those narrower than a byte are widened to one."""
    if kind in PACKED:
        return np.dtype(np.int8 if PACKED[kind][1] else np.uint8)
    others: dict[str, Any] = {"bool": bool, "bfloat16": ml_dtypes.bfloat16}
    return PLAIN[kind] if kind in PLAIN else np.dtype(others.get(kind, object))


def stored(tensor: Tensor, file: str) -> Array:
    """The constant tensor as an array of its shape. Raises MalformedModel when its data is of another size."""
    count = check_declared(tensor.name, tensor.shape, file)
    if tensor.type == "string":
        return strings(tensor, file)
    if tensor.sparsity is not None:
        return dense(tensor, tensor.sparsity, file, count)
    return flat(tensor, count, file).reshape(tensor.shape)


def flat(tensor: Tensor, count: int, file: str) -> Array:
    """``count`` elements in the order of the file."""
    data = tensor.data
    if tensor.type in PACKED:
        bits, signed = PACKED[tensor.type]
        expect = -(-count * bits // 8)
    else:
        dtype = numpy_type(tensor.type)
        if dtype.kind == "O":
            raise MalformedModel(f"{file!r}: tensor {tensor.name!r} is of type {tensor.type} and has data", file=file)
        expect = count * dtype.itemsize
    if len(data) < expect or (len(data) > expect and tensor.type not in PACKED):
        raise MalformedModel(
            f"{file!r}: tensor {tensor.name!r} of {count:,} elements of type {tensor.type} needs {expect:,} bytes and "
            f"has {len(data):,}", file=file, layer=tensor.name,
        )  # fmt: skip
    if tensor.type in PACKED:
        return unpacked(np.frombuffer(data, np.uint8, expect), count, bits, signed)
    return np.frombuffer(data, dtype, count)


def unpacked(raw: Array, count: int, bits: int, signed: bool) -> Array:
    """Numbers of 2 or 4 bits, one a byte."""
    parts = [raw >> shift & (1 << bits) - 1 for shift in range(0, 8, bits)]
    whole = np.stack(parts, -1).reshape(-1)[:count]
    if not signed:
        return whole
    return (whole << 8 - bits).astype(np.int8) >> 8 - bits


def strings(tensor: Tensor, file: str) -> Array:
    """A count, offsets of every string and of the end, then the bytes; all offsets from the beginning."""
    words = np.frombuffer(tensor.data, "<i4", len(tensor.data) // 4)
    count = int(words[0]) if words.size else 0
    if not 0 <= count < words.size - 1 or count != math.prod(tensor.shape):
        raise MalformedModel(f"{file!r}: tensor {tensor.name!r} does not hold {tensor.shape} strings", file=file)
    ends = words[1 : count + 2]
    if (np.diff(ends) < 0).any() or ends[0] < 0 or ends[-1] > len(tensor.data):
        raise MalformedModel(f"{file!r}: the strings of tensor {tensor.name!r} lie outside of it", file=file)
    found = [bytes(tensor.data[a:b]) for a, b in pairwise(ends)]
    array = np.empty(count, object)
    array[:] = found
    return array.reshape(tensor.shape)


# --- sparse ----------------------------------------------------------------------------------------------------------


def dense(tensor: Tensor, sparsity: Sparsity, file: str, count: int) -> Array:
    """A sparse tensor with its zeros. Its levels walk the axes in ``order``; those past the rank are blocks'.

    A dense level has ``size`` entries below every one above; a compressed level has, below entry p, the entries
    ``indices[segments[p]:segments[p + 1]]``. Values lie in the order of this walk.
    """
    rank = len(tensor.shape)
    if (
        count > BUDGET.dense_from_sparse
        or len(sparsity.order) != rank + len(sparsity.block_map)
        or any(not 0 <= axis < rank for axis in sparsity.block_map)
    ):
        raise _broken(tensor, file)
    coordinates: dict[int, Array] = {}
    place = np.zeros(1, np.int64)
    for axis, level in zip(sparsity.order, sparsity.dims, strict=True):
        if level.segments is None or level.indices is None:
            if not 0 < level.size <= max(count, 1) or place.size * level.size > max(count, 1):
                raise _broken(tensor, file)
            owner = np.repeat(np.arange(place.size), level.size)
            inner = np.tile(np.arange(level.size), place.size)
            place = place[owner] * level.size + inner
        else:
            owner, place = _compressed(tensor, file, level.segments, level.indices, place, count)
            inner = level.indices[place]
        coordinates = {key: found[owner] for key, found in coordinates.items()}
        coordinates[axis] = inner
    values = flat(tensor, place.size, file)
    result = np.zeros(tensor.shape, values.dtype)
    result[_indices(tensor, sparsity, coordinates, file)] = values
    return result


def _compressed(
    tensor: Tensor, file: str, segments: Array, indices: Array, place: Array, count: int
) -> tuple[Array, Array]:
    """Which entry above, and which place among the indices, every entry of a compressed level has."""
    if segments.size < int(place.max(initial=-1)) + 2 or (np.diff(segments) < 0).any():
        raise _broken(tensor, file)
    begin, size = segments[place], segments[place + 1] - segments[place]
    total = int(size.sum())
    if total > count or begin.min(initial=0) < 0 or int((begin + size).max(initial=0)) > indices.size:
        raise _broken(tensor, file)
    owner = np.repeat(np.arange(place.size), size)
    within = np.arange(total) - np.repeat(np.cumsum(size) - size, size)
    return owner, begin[owner] + within


def _indices(tensor: Tensor, sparsity: Sparsity, coordinates: dict[int, Array], file: str) -> tuple[Array, ...]:
    """The indices of all values, blocks put together."""
    rank = len(tensor.shape)
    blocks = {axis: (rank + i, place) for i, axis in enumerate(sparsity.block_map)
              for place in [sparsity.order.index(rank + i)]}  # fmt: skip
    found = []
    for axis, size in enumerate(tensor.shape):
        index = coordinates[axis]
        if axis in blocks:
            inner, place = blocks[axis]
            index = index * sparsity.dims[place].size + coordinates[inner]
        if index.size and (index.min() < 0 or index.max() >= size):
            raise _broken(tensor, file)
        found.append(index)
    return tuple(found)


def _broken(tensor: Tensor, file: str) -> MalformedModel:
    return MalformedModel(
        f"{file!r}: the sparse tensor {tensor.name!r} of shape {list(tensor.shape)} contradicts itself", file=file,
        layer=tensor.name,
    )  # fmt: skip
