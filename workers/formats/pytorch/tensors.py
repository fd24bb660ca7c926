"""Stored tensors: which bytes of which storage, in which order of axes; arrays are views on the mapped file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from workers.errors import MalformedModel
from workers.formats.pytorch.unpickle import Global, Opaque, Persistent

Array = npt.NDArray[Any]

# torch's type names -> numpy's. Quantised types have their integers.
DTYPES: dict[str, npt.DTypeLike] = {
    "float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "int64": np.int64, "int32": np.int32, "int16": np.int16, "int8": np.int8, "uint8": np.uint8, "bool": np.bool_,
    "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "complex64": np.complex64,
    "complex128": np.complex128, "qint8": np.int8, "quint8": np.uint8, "qint32": np.int32,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
}  # fmt: skip
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32", "UntypedStorage": "uint8",
}  # fmt: skip
REBUILDS = frozenset({
    "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
    "_rebuild_parameter_with_state", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage",
})  # fmt: skip
_LISTS = frozenset({"build_intlist", "build_tensorlist", "build_doublelist", "build_boollist"})
# Where a storage's bytes are: called with its key and its size in bytes.
Storages = Callable[[str, int], memoryview]


@dataclass(frozen=True, slots=True)
class Quantised:
    """Real value = (integer - zero_point) * scale; along ``axis``, or the same for the whole tensor."""

    scale: Any
    zero_point: Any
    axis: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor: offset and strides count elements of ``dtype``; ``key`` is its storage."""

    key: str
    dtype: str
    count: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    quantised: Quantised | None = None
    parameter: bool = False

    def array(self, storages: Storages, file: str, *, swapped: bool = False) -> Array:
        """A view on the file where the axes lie in order, else a gathered copy. Raises MalformedModel."""
        dtype = np.dtype(DTYPES[self.dtype])
        elements, last = math.prod(self.shape), 0
        if elements:
            last = self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)) + 1
        if (elements > self.count and self.count == 0) or last > self.count or elements > 1 << 40:
            raise MalformedModel(f"a tensor of {file!r} lies outside its storage {self.key!r}", file=file)
        data = storages(self.key, self.count * dtype.itemsize)
        if len(data) < last * dtype.itemsize:
            raise MalformedModel(f"the storage {self.key!r} of {file!r} is shorter than it should be", file=file)
        flat = np.frombuffer(data, dtype, count=last - self.offset, offset=self.offset * dtype.itemsize) if elements \
            else np.zeros(0, dtype)  # fmt: skip
        flat = flat.byteswap() if swapped else flat
        if not elements or self.stride == contiguous(self.shape):
            return flat.reshape(self.shape)
        steps = [step * dtype.itemsize for step in self.stride]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, self.shape, steps, writeable=False))


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a tensor whose last axis runs fastest."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))


def build(cls: Any, args: tuple[Any, ...]) -> Any:
    """What REDUCE makes in PyTorch's pickles: tensors, plain dictionaries and lists; else an inert record."""
    if not isinstance(cls, Global):
        return Opaque(cls, args)
    if cls.module == "collections" and cls.name in ("OrderedDict", "defaultdict"):
        return {}
    if cls.module == "torch" and cls.name == "Size" and len(args) == 1:
        return tuple(args[0])
    if cls.module in ("torch._utils", "torch._tensor") and cls.name in REBUILDS:
        return _tensor(cls.name, args)
    if cls.module == "torch.jit._pickle" and args:
        return list(args[0]) if cls.name in _LISTS else args[0] if cls.name == "restore_type_tag" else Opaque(cls, args)
    return Opaque(cls, args)


def _tensor(name: str, args: tuple[Any, ...]) -> Stored:
    if name.startswith("_rebuild_parameter"):
        if not isinstance(args[0], Stored):
            raise ValueError("a parameter is no tensor")
        return replace(args[0], parameter=True)
    storage = args[0]
    if not isinstance(storage, Persistent) or not isinstance(storage.id, tuple) or len(storage.id) < 5:
        raise ValueError("a tensor has no storage")
    _, cls, key, _, count, *view = storage.id
    shape, stride = _sizes(args[2]), _sizes(args[3])
    dtype = STORAGES.get(cls.name if isinstance(cls, Global) else "", "")
    quantised = None
    if name == "_rebuild_tensor_v3":
        dtype = args[6].name if isinstance(args[6], Global) else ""
        count //= np.dtype(DTYPES[dtype]).itemsize
    elif name == "_rebuild_qtensor":
        quantised = _quantised(args[4])
    if dtype not in DTYPES or len(shape) != len(stride):
        raise ValueError(f"a tensor has the unknown type {cls}")
    offset, count = _integer(args[1]), _integer(count)
    if view and isinstance(view[0], tuple):
        offset += _integer(view[0][1])
    return Stored(str(key), dtype, count, offset, shape, stride, quantised)


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(_integer(item) for item in value)


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 60:
        raise ValueError(f"{value!r} is no size")
    return value


def _quantised(spec: Any) -> Quantised:
    """(scheme, scale, zero point) of a tensor, (scheme, scales, zero points, axis) along one axis."""
    if len(spec) == 3:
        return Quantised(float(spec[1]), int(spec[2]))
    return Quantised(spec[1], spec[2], int(spec[3]))
