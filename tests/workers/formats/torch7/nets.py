"""A writer of `.t7` files, and small networks made with it: what Torch itself can no longer be asked to save."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from workers.formats.contract import Reading, ReadRequest
from workers.formats.torch7.objects import Array, Function, Object, Storage, Table, Tensor
from workers.formats.torch7.read import read
from workers.inspect.upload import Upload
from workers.options import Options

NAMES = {
    "f4": "Float",
    "f8": "Double",
    "f2": "Half",
    "i8": "Long",
    "i4": "Int",
    "i2": "Short",
    "i1": "Char",
    "u1": "Byte",
}


class Binary:
    """Little endian; ``long`` is 8, or 4 as on 32-bit machines."""

    def __init__(self, out: BinaryIO, long: int = 8) -> None:
        self.out, self.long = out, long

    def integer(self, value: int) -> None:
        self.out.write(struct.pack("<i", value))

    def longs(self, values: Sequence[int]) -> None:
        self.out.write(struct.pack(f"<{len(values)}{'q' if self.long == 8 else 'i'}", *values))

    def double(self, value: float) -> None:
        self.out.write(struct.pack("<d", value))

    def chars(self, value: bytes) -> None:
        self.out.write(value)

    def array(self, array: Array) -> None:
        if array.dtype == np.int64 and self.long == 4:
            array = array.astype(np.int32)
        self.out.write(np.ascontiguousarray(array).data.cast("B"))


class Ascii:
    """Every value on a line of its own."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out

    def integer(self, value: int) -> None:
        self.out.write(b"%d\n" % value)

    def longs(self, values: Sequence[int]) -> None:
        if values:
            self.out.write(" ".join(map(str, values)).encode() + b"\n")

    def double(self, value: float) -> None:
        self.out.write(f"{value:.17g}\n".encode())

    def chars(self, value: bytes) -> None:
        self.out.write(value + b"\n" if value else b"")

    def array(self, array: Array) -> None:
        if array.dtype.itemsize == 1:
            self.chars(array.tobytes())
        elif array.size:
            self.out.write(" ".join(f"{value:.9g}" for value in array.ravel().tolist()).encode() + b"\n")


class Writer:
    """Objects as ``torch.save`` writes them: an index a record, a record once."""

    def __init__(self, form: Binary | Ascii, *, versions: bool = True) -> None:
        self.form, self.versions = form, versions
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []

    def write(self, value: Any) -> None:
        if value is None:
            self.form.integer(0)
        elif isinstance(value, bool | np.bool_):
            self.form.integer(5)
            self.form.integer(int(value))
        elif isinstance(value, int | float):
            self.form.integer(1)
            self.form.double(float(value))
        elif isinstance(value, str):
            self.form.integer(2)
            self._string(value)
        else:
            self._record(value)

    def _string(self, text: str) -> None:
        raw = text.encode("utf-8", "surrogateescape")
        self.form.integer(len(raw))
        self.form.chars(raw)

    def _record(self, value: Any) -> None:
        tag = 3 if isinstance(value, Mapping | list | tuple | Table) else 8 if isinstance(value, Function) else 4
        self.form.integer(tag)
        seen = id(value) in self.known
        index = self.known.setdefault(id(value), len(self.known) + 1)
        self.form.integer(index)
        if seen:
            return
        self.kept.append(value)
        if tag == 3:
            self._table(value)
        elif isinstance(value, Function):
            self._string("\x1bLJ code")
            self.write([])
        else:
            self._object(value)

    def _table(self, value: Any) -> None:
        if isinstance(value, Table):
            pairs = list(value.entries.items())
        elif isinstance(value, Mapping):
            pairs = list(value.items())
        else:
            pairs = list(enumerate(value, 1))
        self.form.integer(len(pairs))
        for key, item in pairs:
            self.write(key)
            self.write(item)

    def _class(self, name: str, version: int = 1) -> None:
        if self.versions:
            self._string(f"V {version}")
        self._string(name)

    def _object(self, value: Any) -> None:
        if isinstance(value, Storage):
            self._storage(value.class_name, value.load())
        elif isinstance(value, Tensor):
            self._tensor(value.class_name, value.shape, value.strides, value.offset, value.storage)
        elif isinstance(value, np.ndarray):
            name = NAMES[value.dtype.str[1:]]
            array = np.ascontiguousarray(value)
            strides = [stride // array.itemsize for stride in array.strides]
            flat = array.reshape(-1)
            storage = Storage(f"torch.{name}Storage", array.size, array.dtype, lambda: flat)
            self._tensor(f"torch.{name}Tensor", array.shape, strides, 0, storage)
        else:
            self._class(value.class_name, value.version)
            for part in value.parts:
                self.write(part)

    def _storage(self, name: str, array: Array) -> None:
        self._class(name)
        self.form.longs([array.size])
        self.form.array(array)

    def _tensor(self, name: str, shape: Sequence[int], strides: Sequence[int], offset: int, storage: Any) -> None:
        self._class(name)
        self.form.integer(len(shape))
        self.form.longs(list(shape))
        self.form.longs(list(strides))
        self.form.longs([offset + 1])
        self.write(storage)


def save(root: Any, path: Path, *, long: int = 8, ascii: bool = False, versions: bool = True) -> Path:
    """``root`` as a file; arrays are written as they lie in memory, however large. Returns the path."""
    with path.open("wb") as out:
        Writer(Ascii(out) if ascii else Binary(out, long), versions=versions).write(root)
    return path


def dump(root: Any, **options: Any) -> bytes:
    """``root`` as the bytes of a file."""
    out = io.BytesIO()
    form = Ascii(out) if options.pop("ascii", False) else Binary(out, options.pop("long", 8))
    Writer(form, **options).write(root)
    return out.getvalue()


# --- networks -------------------------------------------------------------------------------------------------------


def module(name: str, version: int = 1, **fields: Any) -> Object:
    """An object of a class; its fields may be arrays, numbers, words, lists and other modules."""
    return Object(name, version, [Table(dict(fields))])


def sequential(*modules: Object, name: str = "nn.Sequential", **fields: Any) -> Object:
    return module(name, modules=list(modules), **fields)


def longs(*sizes: int) -> Storage:
    """A LongStorage, as View and Reshape keep their sizes."""
    array = np.asarray(sizes, np.int64)
    return Storage("torch.LongStorage", array.size, array.dtype, lambda: array)


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def convolution(ins: int, outs: int, kernel: int, pad: int = 0, stride: int = 1, seed: int = 0) -> Object:
    scale = np.float32((ins * kernel * kernel) ** -0.5)
    return module(
        "nn.SpatialConvolution", nInputPlane=ins, nOutputPlane=outs, kW=kernel, kH=kernel, dW=stride, dH=stride,
        padW=pad, padH=pad, weight=normal(outs, ins, kernel, kernel, seed=seed) * scale, bias=normal(outs, seed=seed),
    )  # fmt: skip


def linear(ins: int, outs: int, seed: int = 0) -> Object:
    return module(
        "nn.Linear", weight=normal(outs, ins, seed=seed) * np.float32(ins**-0.5), bias=normal(outs, seed=seed)
    )


def relu(*, inplace: bool = True) -> Object:
    return module("nn.ReLU", threshold=0, val=0, inplace=inplace)


def max_pool(kernel: int, stride: int) -> Object:
    return module("nn.SpatialMaxPooling", kW=kernel, kH=kernel, dW=stride, dH=stride, padW=0, padH=0, ceil_mode=False)


def vgg19(side: int = 224, width: int = 64) -> Object:
    """VGG-19 with random weights; at 224 and 64 its file has 575 MB."""
    layers, ins = [], 3
    for count, factor in ((2, 1), (2, 2), (4, 4), (4, 8), (4, 8)):
        for _ in range(count):
            layers += [convolution(ins, width * factor, 3, 1), relu()]
            ins = width * factor
        layers.append(max_pool(2, 2))
    flat, hidden = ins * (side // 32) ** 2, width * 64
    layers.append(module("nn.View", size=longs(flat), numElements=flat))
    for wide in (flat, hidden):
        layers += [linear(wide, hidden), relu(), module("nn.Dropout", p=0.5, v2=True)]
    return sequential(*layers, linear(hidden, 1000), module("nn.SoftMax"))


def read_net(root: Any, folder: Path, **options: Any) -> Reading:
    """What the reader makes of a network; ``long``, ``ascii`` and ``versions`` say how it is saved."""
    how = {key: options.pop(key) for key in ("long", "ascii", "versions") if key in options}
    return read(ReadRequest(Upload.of(save(root, folder / "net.t7", **how)), Options(**options)))
