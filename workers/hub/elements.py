"""The elements of a tensor in ONNX's order, from wherever and however they lie: views, put in order block by block.

A weight that its format stores channels last is a view of the mapped file with its axes exchanged. It is never made as
a whole: whoever writes it gets blocks of a few hundred kilobytes, and the pages behind them are let go on the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.inspect.pages import let_go

Array = npt.NDArray[Any]
BLOCK = 1 << 19
"""Bytes of a block, so that it stays in a core's cache while it is put together from several places."""
LINE = 64
"""Bytes that a core fetches at once: so much is taken of an axis whose neighbours lie side by side in the source."""
STEP = 256
"""Elements below which a copy of its own costs more than numpy's short inner loops."""
RUN = 1 << 13
"""Bytes that the kernel copies faster from one file to the other than they are mapped and put in a row."""
HELD = 16 << 20
"""Bytes after which the source's pages are let go."""


class Reordered(ir.LazyTensor):
    """A tensor of ``shape`` whose elements are, row by row, those of an array of any shape and strides.

    ``view`` is called whenever they are needed; where it only looks at a mapped file, nothing is held.
    """

    __slots__ = ("view",)

    def __init__(
        self, view: Callable[[], Array], dtype: ir.DataType, shape: Sequence[int], name: str | None = None
    ) -> None:
        def whole() -> ir.TensorProtocol:
            return ir.Tensor(np.ascontiguousarray(view()).reshape(shape), name=name)

        super().__init__(whole, dtype=dtype, shape=ir.Shape(shape), name=name)
        self.view = view


def elements(tensor: ir.TensorProtocol) -> Array:
    """An array of any shape and strides that has the tensor's elements row by row; packed bytes of sub-byte ones.

    Raises ValueError when there are more or fewer than the tensor's shape says.
    """
    if tensor.dtype.bitwidth < 8:
        return np.frombuffer(tensor.tobytes(), np.uint8)
    array = tensor.view() if isinstance(tensor, Reordered) else tensor.numpy()
    if array.size != tensor.size:
        raise ValueError(f"the tensor {tensor.name!r} of shape {tensor.shape} is made of {array.size:,} elements")
    return array


def in_order(array: Array) -> bool:
    """Whether the array lies as ONNX stores it: row by row, little-endian."""
    return array.flags.c_contiguous and array.dtype.byteorder != ">"


def runs(array: Array) -> tuple[list[int], int] | None:
    """Where the stretches begin that together are the array in order, in bytes from its first, and their size.

    None for one that does not consist of long ones, or whose elements are stored the other way round.
    """
    view = _coalesced(array)
    *outer, size = view.shape
    *strides, stride = view.strides
    size *= view.itemsize
    if stride != view.itemsize or min(strides, default=0) < 0 or view.dtype.byteorder == ">" or (outer and size < RUN):
        return None
    offsets = np.zeros(1, np.int64)
    for count, step in zip(outer, strides, strict=True):
        offsets = np.add.outer(offsets, np.arange(count) * step).reshape(-1)
    return offsets.tolist(), size


def blocks(array: Array) -> Iterator[memoryview]:
    """The array's bytes as ONNX stores them; each block is to be used before the next is asked for."""
    if in_order(array):
        yield array.reshape(-1).view(np.uint8).data
        return
    done = 0
    for block in _slabs(_coalesced(array)):
        yield block.reshape(-1).view(np.uint8).data
        done += block.nbytes
        if done >= HELD:
            let_go(array)
            done = 0


def _coalesced(array: Array) -> Array:
    """The same elements with as few axes as tell how they lie."""
    shape: list[int] = []
    strides: list[int] = []
    for size, stride in zip(array.shape, array.strides, strict=True):
        if size == 1:
            continue
        if shape and strides[-1] == stride * size:
            shape[-1], strides[-1] = shape[-1] * size, stride
        else:
            shape.append(size)
            strides.append(stride)
    return np.lib.stride_tricks.as_strided(array, shape or [array.size], strides or [array.itemsize], writeable=False)


def _slabs(view: Array) -> Iterator[Array]:
    """Contiguous little-endian pieces of ``view``, one after the other in the same memory."""
    row = math.prod(view.shape[1:]) * view.itemsize
    nearest = int(np.argmin(np.abs(view.strides)))
    if row > BLOCK and nearest > 0:
        for inner in view:
            yield from _slabs(inner)
        return
    rows = max(BLOCK // row, LINE // view.itemsize if nearest == 0 else 1)
    buffer = np.empty((min(rows, len(view)), *view.shape[1:]), view.dtype.newbyteorder("<"))
    longest = max((axis for axis in range(view.ndim) if axis != nearest), key=lambda axis: view.shape[axis], default=0)
    for start in range(0, len(view), rows):
        part = view[start : start + rows]
        slab = buffer[: len(part)]
        _copy(slab, part, {nearest, longest})
        yield slab


def _copy(target: Array, source: Array, inner: set[int]) -> None:
    """Copy plane by plane along the axes ``inner``: numpy's own loop runs along the target's last, however short."""
    if math.prod(source.shape[axis] for axis in inner) < STEP:
        np.copyto(target, source)
        return
    outer = [axis for axis in range(source.ndim) if axis not in inner]
    place: list[int | slice] = [slice(None)] * source.ndim
    for indices in product(*(range(source.shape[axis]) for axis in outer)):
        for axis, index in zip(outer, indices, strict=True):
            place[axis] = index
        target[tuple(place)] = source[tuple(place)]
