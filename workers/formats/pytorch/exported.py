"""An exported program (``.pt2``): a graph of ATen calls as JSON, weights as raw bytes beside it; of all generations.

Torch 2.7 and later write ``models/model.json`` and ``data/weights/``; 2.1 to 2.6 ``serialized_exported_program.json``
and the weights as pickled dictionaries.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.errors import LimitExceeded, MalformedModel, UnsafeModel, UnsupportedVersion
from workers.formats.pytorch import exported_old
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.checkpoint import tensors_of, tensors_of_member
from workers.formats.pytorch.tensors import DTYPES, Array, Stored, contiguous

# Where torch 2.1 to 2.6 put weights and constants.
_OLD_WEIGHTS = tuple(f"serialized_{part}.{end}" for part in ("state_dict", "constants") for end in ("pt", "json"))
# The schema's numbers of element types.
TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn",
    30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz",
}  # fmt: skip
# torch's ScalarType numbers by the schema's.
SCALARS = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 11: 10, 12: 11, 13: 15, 28: 27, 29: 24, 30: 23,
           31: 26, 32: 25}  # fmt: skip


@dataclass(slots=True)
class Program:
    """``graph`` and ``signature`` as the JSON has them; ``arrays`` by the name of the parameter, buffer or
    constant. ``hints``: sizes of free axes in the example that was exported."""

    file: str
    graph: dict[str, Any]
    signature: dict[str, Any]
    ranges: dict[str, Any]
    arrays: dict[str, Array]
    version: str
    names: dict[str, str] = field(default_factory=dict)
    hints: dict[str, int] = field(default_factory=dict)


def is_program(archive: Archive) -> bool:
    return _model_member(archive) is not None


def _model_member(archive: Archive) -> str | None:
    if "serialized_exported_program.json" in archive:
        return "serialized_exported_program.json"
    found = sorted(name for name in archive.names if name.startswith("models/") and name.endswith(".json"))
    return "models/model.json" if "models/model.json" in found else found[0] if found else None


def load(archive: Archive) -> Program:
    """Raises MalformedModel, UnsafeModel (compiled code) or UnsupportedVersion."""
    if any(name.startswith("data/aotinductor/") and name.endswith((".so", ".o")) for name in archive.names):
        raise UnsafeModel(
            f"{archive.name!r} is compiled by AOTInductor: machine code instead of a graph", file=archive.name,
            hint="Upload the exported program that it was compiled from (torch.export.save).",
        )  # fmt: skip
    member = _model_member(archive)
    if member is None:
        raise MalformedModel(f"{archive.name!r} holds no exported program", file=archive.name)
    found = exported_old.modern(_json(archive, member))
    module = found.get("graph_module")
    if not isinstance(module, dict) or not isinstance(module.get("graph"), dict):
        raise MalformedModel(f"{member!r} in {archive.name!r} holds no graph", file=archive.name)
    schema = found.get("schema_version")
    major = schema.get("major") if isinstance(schema, dict) else schema
    if isinstance(major, int) and not 1 <= major <= 8:
        raise UnsupportedVersion(
            f"{archive.name!r} has version {major} of the schema of exported programs; 1 to 8 are read",
            file=archive.name, hint="Save it with torch 2.13 or older.",
        )  # fmt: skip
    version = str(found.get("torch_version") or f"schema {major}")
    graph = exported_old.graph(module["graph"])
    return Program(
        archive.name, graph, exported_old.signature(graph, _object(module.get("signature"))),
        _object(found.get("range_constraints")), {**_arrays(archive, member), **_inline(archive, graph)}, version,
    )  # fmt: skip


def _json(archive: Archive, name: str) -> dict[str, Any]:
    try:
        found = json.loads(archive.text(name))
    except (ValueError, RecursionError) as error:
        raise MalformedModel(f"{name!r} in {archive.name!r} is no JSON: {error}", file=archive.name) from error
    return _object(found)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _arrays(archive: Archive, member: str) -> dict[str, Array]:
    found: dict[str, Array] = {}
    if member == "serialized_exported_program.json":
        for name in _OLD_WEIGHTS:
            if name in archive:
                found.update(tensors_of_member(archive, name))
        return found
    for name in archive.names:
        if name.endswith(("_weights_config.json", "_constants_config.json")):
            folder = name.rpartition("/")[0]
            for key, entry in _object(_json(archive, name).get("config")).items():
                array = _array(archive, folder, key, _object(entry))
                if array is not None:
                    found[key] = array
    for name in archive.names:
        if name.startswith(("data/weights/", "data/constants/")) and name.endswith(".pt"):
            found.update(tensors_of_member(archive, name))
    return found


def _inline(archive: Archive, graph: dict[str, Any]) -> dict[str, Array]:
    """Constants of torch 2.1, base64 in the JSON."""
    found = {}
    for name, text in _object(graph.get("constants")).items():
        try:
            data = base64.b64decode(text, validate=True)
        except (ValueError, TypeError) as error:
            raise MalformedModel(f"the constant {name!r} of {archive.name!r} is damaged", file=archive.name) from error
        found[name] = tensors_of(data, name, archive.name)[""]
    return found


def _array(archive: Archive, folder: str, key: str, entry: dict[str, Any]) -> Array | None:
    """One tensor of a weights' table: raw bytes of its strided extent, or a pickled tensor."""
    path, meta = f"{folder}/{entry.get('path_name')}", _object(entry.get("tensor_meta"))
    if path not in archive:
        return None
    if entry.get("use_pickle"):
        found = tensors_of_member(archive, path)
        return next(iter(found.values()), None)
    dtype = TYPES.get(meta.get("dtype", 0), "")
    shape, stride = _numbers(meta.get("sizes")), _numbers(meta.get("strides"))
    if dtype in ("", "complex32") or len(shape) != len(stride):
        raise MalformedModel(f"the tensor {key!r} of {archive.name!r} has no type or shape", file=archive.name)
    if len(shape) > 64 or min((*shape, *stride), default=0) < 0:
        raise LimitExceeded("size", f"the tensor {key!r} of {archive.name!r} has impossible sizes", file=archive.name)
    view = archive.view(path)
    count = len(view) // np.dtype(DTYPES[dtype]).itemsize
    offset = _numbers([meta.get("storage_offset") or {"as_int": 0}])[0]
    extent = sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1
    offset = 0 if count < offset + extent else offset
    return Stored(path, dtype, count, offset, shape, stride or contiguous(shape)).array(
        lambda _, size: view, archive.name
    )


def _numbers(sizes: Any) -> tuple[int, ...]:
    """``[{"as_int": 3}, ...]`` or ``[3, ...]``."""
    found = []
    for size in sizes or ():
        number = size.get("as_int") if isinstance(size, dict) else size
        if not isinstance(number, int):
            raise MalformedModel(f"a weight has the size {size!r}")
        found.append(number)
    return tuple(found)
