"""``model.safetensors``: written from views on the source's bytes, a block at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.write.types import TYPES, D
from workers.hub.node import Array

BLOCK = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Weight:
    """A tensor of the state dict. ``array`` makes it when it is written: a view where that can be.

    ``key`` is equal for equal weights; ``source`` is the initialiser's name.
    """

    dtype: ir.DataType
    shape: tuple[int, ...]
    array: Callable[[], Array]
    key: tuple[object, ...]
    source: str = ""

    @property
    def telling(self) -> bool:
        """Whether equal weights are shared on purpose: a matrix or kernel, and not of one value all over."""
        if len(self.shape) < 2:
            return False
        array = self.array()
        return bool(array.size) and not bool(np.all(array == array.reshape(-1)[0]))

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.itemsize

    @property
    def itemsize(self) -> int:
        return 1 if self.dtype in (D.INT4, D.UINT4) else self.dtype.itemsize.__trunc__()


def weight_of(value: ir.Value, *, view: Callable[[Array], Array] | None = None, note: str = "") -> Weight:
    """The initialiser ``value``; ``view`` rearranges it (named by ``note``, so that equal weights are known as such).

    ``view`` is tried on a stand-in without memory to learn the shape; it must not look at the values.
    """
    tensor = value.const_value
    assert tensor is not None and value.dtype is not None
    shape = tuple(int(dim) for dim in tensor.shape.numpy())
    if view is not None:
        shape = view(np.broadcast_to(np.zeros((), bool), shape)).shape

    def array() -> Array:
        plain = tensor.numpy()
        return plain if view is None else view(plain)

    return Weight(value.dtype, shape, array, (id(value), note), value.name or "")


def computed(array: Array, note: str = "") -> Weight:
    """A weight that the writer itself worked out (ones, zeros)."""
    dtype = ir.DataType.from_numpy(array.dtype)
    return Weight(dtype, array.shape, lambda: array, (note, array.dtype.str, array.shape, array.tobytes()))


def save(weights: Mapping[str, Weight], path: Path) -> None:
    """Write the safetensors file: wide elements first, so that every tensor is aligned, then by name."""
    order = sorted(weights.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, weight in order:
        end = offset + weight.nbytes
        stored = TYPES[weight.dtype].stored
        header[name] = {"dtype": stored, "shape": list(weight.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, weight in order:
            for block in blocks(weight):
                file.write(block)


def blocks(weight: Weight) -> Iterator[memoryview]:
    """The weight's bytes in row-major, little-endian order; no more than about ``BLOCK`` bytes are copied at once."""
    array = weight.array()
    if weight.dtype in (D.INT4, D.UINT4):
        array = array.astype(np.int8 if weight.dtype is D.INT4 else np.uint8)
    yield from _blocks(array)


def _blocks(array: Array) -> Iterator[memoryview]:
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.size == 0:
        return
    if array.nbytes <= BLOCK or array.flags.c_contiguous:
        whole = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        for start in range(0, whole.size, BLOCK):
            yield whole[start : start + BLOCK].data
        return
    rows = max(1, BLOCK // (array.nbytes // array.shape[0]))
    for start in range(0, array.shape[0], rows):
        piece = array[start : start + rows]
        yield from _blocks(piece if piece.shape[0] > 1 else piece[0])
