"""Weights without a graph: what torch.save writes (zip since 1.6, consecutive pickles before), and safetensors.

All of it is read symbolically; names of classes that are found besides tensors are told, never looked up.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.errors import MalformedModel, UnsupportedVersion
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.tensors import DTYPES, STORAGES, Array, Stored, build
from workers.formats.pytorch.unpickle import Cursor, Global, Opaque, Stream
from workers.inspect.upload import UploadedFile

LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
DEPTH = 100
TENSORS = 1_000_000
HEADER_BYTES = 128 << 20
# Modules whose names stand in harmless pickles of weights.
HARMLESS = ("torch._utils", "torch.storage", "torch._tensor", "torch.jit._pickle", "collections", "torch.serialization")
_HARMLESS_NAMES = frozenset({
    "torch.Size", "torch.device", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "_codecs.encode", "builtins.set",
    "argparse.Namespace", "__builtin__.set", "builtins.slice", "torch._C._nn.gelu", "__builtin__.long",
    "builtins.bytearray",
    "torch.torch_version.TorchVersion",
})  # fmt: skip
# Modules whose functions make an unpickling Python run foreign code.
DANGEROUS = frozenset({
    "os", "posix", "nt", "subprocess", "sys", "builtins", "__builtin__", "runpy", "importlib", "pickle", "socket",
    "shutil", "ctypes", "webbrowser", "linecache", "codecs", "shelve", "pkgutil", "code", "pty", "operator", "timeit",
    "asyncio", "multiprocessing", "tempfile", "pathlib", "io", "urllib", "http", "commands", "marshal", "types",
    "functools", "bdb", "pdb", "cProfile", "profile", "trace", "imp", "zipimport", "numpy.load", "requests",
})  # fmt: skip
SAFETENSORS = {
    "F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64",
}  # fmt: skip


@dataclass(slots=True)
class Checkpoint:
    """``tensors`` by key of the state dictionary; ``classes``: names found that are no tensors; ``module``: the class
    of a pickled module; ``container``: the key under which the state dictionary stood."""

    tensors: dict[str, Array] = field(default_factory=dict)
    classes: list[Global] = field(default_factory=list)
    module: Global | None = None
    container: str = ""
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def dangerous(self) -> list[Global]:
        """Names that would run code, were the file loaded by Python's own reader."""
        return [g for g in self.classes if g.module.split(".")[0] in DANGEROUS and str(g) not in _HARMLESS_NAMES]


def is_harmless(found: Global) -> bool:
    name = str(found)
    return (
        found.module in HARMLESS or name in _HARMLESS_NAMES or (found.module == "torch" and (
            found.name in STORAGES or found.name in DTYPES))
        or found.module in ("numpy.dtypes", "numpy._core.multiarray")
    )  # fmt: skip


# --- zip -----------------------------------------------------------------------------------------------------------


def read_zip(archive: Archive) -> Checkpoint:
    stream = Stream(Cursor(memoryview(archive.content("data.pkl"))), archive.name, build)
    swapped = "byteorder" in archive and archive.content("byteorder").strip() == b"big"

    def array(stored: Stored) -> Array:
        return stored.array(lambda key, size: archive.view(f"data/{key}"), archive.name, swapped=swapped)

    return _checkpoint(stream.load(), stream, array)


def tensors_of_member(archive: Archive, name: str) -> dict[str, Array]:
    """Tensors of a torch.save zip inside an archive; a lone tensor has the key ""."""
    return tensors_of(archive.view(name), name, archive.name)


def tensors_of(data: memoryview | bytes, name: str, file: str) -> dict[str, Array]:
    """The same of bytes; ``name`` and ``file`` are for errors."""
    if bytes(data[:4]) != b"PK\x03\x04":
        raise MalformedModel(f"the member {name!r} of {file!r} is no file of torch.save", file=file)
    try:
        inner = zipfile.ZipFile(io.BytesIO(data))
        members = {info.filename.partition("/")[2]: info for info in inner.infolist()}
        if sum(info.file_size for info in members.values()) > 2 * len(data) + (1 << 20):
            raise MalformedModel(f"the member {name!r} of {file!r} lies about its size", file=file)
        held = {key: inner.read(info) for key, info in members.items() if key}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError, EOFError, OSError) as error:
        raise MalformedModel(f"the member {name!r} of {file!r} is damaged: {error}", file=file) from error
    if "data.pkl" not in held:
        raise MalformedModel(f"the member {name!r} of {file!r} holds no tensors", file=file)
    stream = Stream(Cursor(memoryview(held["data.pkl"])), file, build)

    def array(stored: Stored) -> Array:
        return stored.array(lambda key, size: memoryview(held.get(f"data/{key}", b"")), file)

    found = stream.load()
    if isinstance(found, Stored):
        return {"": array(found)}
    return _checkpoint(found, stream, array).tensors


# --- consecutive pickles -------------------------------------------------------------------------------------------


def read_legacy(file: UploadedFile) -> Checkpoint:
    """Magic number, protocol 1001, system, object, storage keys; then each storage: int64 count and its data."""
    data = file.map()
    cursor = Cursor(data)
    heads = [Stream(cursor, file.name).load() for _ in range(3)]
    if heads[1] != 1001 or not isinstance(heads[2], dict) or heads[2].get("little_endian") is False:
        raise UnsupportedVersion(f"{file.name!r} is of another byte order or protocol", file=file.name)
    stream = Stream(cursor, file.name, build)
    root = stream.load()
    keys = Stream(cursor, file.name).load()
    if not isinstance(keys, list) or len(keys) > TENSORS:
        raise MalformedModel(f"{file.name!r} has no list of storages", file=file.name)
    sizes = _storage_types(stream)
    places: dict[str, tuple[int, int]] = {}
    at = cursor.tell()
    for key in keys:
        if at + 8 > len(data):
            raise MalformedModel(f"{file.name!r} ends before its storage {key!r}", file=file.name)
        (count,) = struct.unpack_from("<q", data, at)
        size = count * sizes.get(str(key), 1)
        if count < 0 or at + 8 + size > len(data):
            raise MalformedModel(f"{file.name!r} ends within its storage {key!r}", file=file.name)
        places[str(key)] = (at + 8, at + 8 + size)
        at += 8 + size

    def array(stored: Stored) -> Array:
        start, stop = places.get(stored.key, (0, 0))
        return stored.array(lambda key, size: data[start:stop], file.name)

    return _checkpoint(root, stream, array)


def _storage_types(stream: Stream) -> dict[str, int]:
    """Bytes of an element of each storage, by its key."""
    found: dict[str, int] = {}
    for item in stream.persistent_ids:
        if isinstance(item.id, tuple) and len(item.id) >= 5 and isinstance(item.id[1], Global):
            dtype = STORAGES.get(item.id[1].name)
            if dtype is not None:
                found[str(item.id[2])] = np.dtype(DTYPES[dtype]).itemsize
    return found


# --- safetensors ---------------------------------------------------------------------------------------------------


def is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and 2 <= int.from_bytes(head[:8], "little") <= HEADER_BYTES and head[8:9] == b"{"


def read_safetensors(file: UploadedFile) -> Checkpoint:
    data = file.map()
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8 or size > HEADER_BYTES:
        raise MalformedModel(f"{file.name!r} ends within its header", file=file.name)
    try:
        header = json.loads(bytes(data[8 : 8 + size]))
        found = Checkpoint()
        for key, entry in header.items():
            if key == "__metadata__":
                found.aliases = {str(a): str(b) for a, b in entry.items() if b in header}
                continue
            found.tensors[key] = _safe_array(data[8 + size :], entry, key, file.name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedModel(f"the header of {file.name!r} is damaged: {error}", file=file.name) from error
    return found


def _safe_array(data: memoryview, entry: dict[str, Any], key: str, file: str) -> Array:
    start, stop = entry["data_offsets"]
    dtype = np.dtype(DTYPES[SAFETENSORS[entry["dtype"]]])
    shape = tuple(entry["shape"])
    count = 1
    for size in shape:
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{key!r} has the size {size!r}")
        count *= size
    if not 0 <= start <= stop <= len(data) or stop - start != count * dtype.itemsize:
        raise MalformedModel(f"the tensor {key!r} of {file!r} lies outside the file", file=file)
    return np.frombuffer(data[start:stop], dtype).reshape(shape)


# --- what a pickle holds -------------------------------------------------------------------------------------------

_CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "ema", "params",
               "state", "weights", "ema_state_dict", "generator", "params_ema")  # fmt: skip
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


def _checkpoint(root: Any, stream: Stream, array: Any) -> Checkpoint:
    found = Checkpoint(classes=[name for name in stream.globals if not is_harmless(name)])
    stored: dict[str, Stored] = {}
    if isinstance(root, Opaque):
        found.module = root.cls if isinstance(root.cls, Global) else None
        _from_module(root, "", stored, 0)
    else:
        _from_dictionary(root, found, stored)
    made: dict[int, Array] = {}
    for key, item in stored.items():
        if id(item) not in made:
            made[id(item)] = array(item)
        found.tensors[key] = made[id(item)]
    return found


def _from_dictionary(root: Any, found: Checkpoint, stored: dict[str, Stored]) -> None:
    """The state dictionary: the root itself, or the first likely entry of a training checkpoint."""
    if not isinstance(root, dict):
        return
    if not any(isinstance(value, Stored) for value in root.values()):
        for key in _CONTAINERS:
            inner = root.get(key)
            if isinstance(inner, Opaque):
                found.container, found.module = key, inner.cls if isinstance(inner.cls, Global) else None
                _from_module(inner, "", stored, 0)
            elif isinstance(inner, dict):
                found.container = key
                _from_dictionary(inner, Checkpoint(), stored)
            if stored:
                return
    for key, value in root.items():
        if isinstance(value, Stored):
            stored[str(key)] = value


def _from_module(module: Opaque, prefix: str, stored: dict[str, Stored], depth: int) -> None:
    """Parameters and buffers of a pickled nn.Module: they stand in its ``__dict__``."""
    state = module.state[0] if isinstance(module.state, tuple) and module.state else module.state
    if not isinstance(state, dict) or depth > DEPTH:
        return
    transient = state.get("_non_persistent_buffers_set") or []
    names = transient.items if isinstance(transient, Opaque) else transient
    for group in ("_parameters", "_buffers"):
        for key, value in (state.get(group) or {}).items():
            if isinstance(value, Stored) and key not in names:
                stored[prefix + str(key)] = value
    for key, value in (state.get("_modules") or {}).items():
        if isinstance(value, Opaque):
            _from_module(value, f"{prefix}{key}.", stored, depth + 1)


def stripped(tensors: dict[str, Array]) -> list[dict[str, Array]]:
    """The tensors under their own keys, and without the prefixes that wrappers add."""
    found = [tensors]
    for prefix in _PREFIXES:
        if tensors and all(key.startswith(prefix) for key in tensors):
            found += stripped({key[len(prefix) :]: value for key, value in tensors.items()})
    return found
