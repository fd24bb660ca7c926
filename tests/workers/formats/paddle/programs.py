"""Small ProgramDescs written for a test: operators with slots and attributes, parameters in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.formats.contract import Reading, ReadRequest
from workers.formats.paddle.file import DTYPES, write_record
from workers.formats.paddle.read import read
from workers.formats.paddle.schema import PROGRAM
from workers.inspect.protobuf_write import encode
from workers.inspect.upload import Upload
from workers.options import Options

Array = npt.NDArray[Any]
Slots = Mapping[str, str | Sequence[str]]
TYPES = {"float32": 5, "int64": 3, "int32": 2, "bool": 0}


def op(type: str, inputs: Slots, outputs: Slots, **attrs: Any) -> dict[str, Any]:
    """One operator; slots by name, attributes as Python values."""
    return {"type": type, "inputs": _slots(inputs), "outputs": _slots(outputs),
            "attrs": [_attr(name, value) for name, value in attrs.items()]}  # fmt: skip


def _slots(slots: Slots) -> list[dict[str, Any]]:
    return [{"parameter": slot, "arguments": [names] if isinstance(names, str) else list(names)}
            for slot, names in slots.items()]  # fmt: skip


def _attr(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"name": name, "type": 6, "b": value}
    if isinstance(value, int):
        return {"name": name, "type": 0, "i": value}
    if isinstance(value, float):
        return {"name": name, "type": 1, "f": value}
    if isinstance(value, str):
        return {"name": name, "type": 2, "s": value}
    if all(isinstance(item, int) for item in value):
        return {"name": name, "type": 3, "ints": list(value)}
    return {"name": name, "type": 4, "floats": np.asarray(value, np.float32)}


def var(name: str, dtype: str, dims: Sequence[int], persistable: bool = False, lod: int = 0) -> dict[str, Any]:
    tensor = {"data_type": TYPES[dtype], "dims": list(dims)}
    holder = {"type": 7, "lod_tensor": {"tensor": tensor, "lod_level": lod}}
    return {"name": name, "type": holder, "persistable": persistable}


def program(
    inputs: Mapping[str, tuple[str, Sequence[int]]], ops: Sequence[dict[str, Any]], outputs: Sequence[str],
    params: Mapping[str, Array] | None = None, lod: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """A program that feeds ``inputs`` (name -> type, shape) and fetches ``outputs``."""
    vars_ = [var(name, dtype, dims, lod=int(name in lod)) for name, (dtype, dims) in inputs.items()]
    vars_ += [var(name, array.dtype.name, array.shape, True) for name, array in (params or {}).items()]
    feeds = [op("feed", {"X": "feed"}, {"Out": name}, col=place) for place, name in enumerate(inputs)]
    fetches = [op("fetch", {"X": name}, {"Out": "fetch"}, col=place) for place, name in enumerate(outputs)]
    block = {"idx": 0, "parent_idx": -1, "vars": vars_, "ops": [*feeds, *ops, *fetches]}
    return encode(PROGRAM(blocks=[block], version={"version": 2006002}))


def stored(params: Mapping[str, Array]) -> bytes:
    """The combined parameter file."""
    assert all(array.dtype in DTYPES.values() for array in params.values())
    return b"".join(write_record(params[name]) for name in sorted(params))


def save(folder: Path, raw: bytes, params: Mapping[str, Array] | None = None) -> list[Path]:
    files = [folder / "model.pdmodel"]
    files[0].write_bytes(raw)
    if params:
        files.append(folder / "model.pdiparams")
        files[1].write_bytes(stored(params))
    return files


def read_files(*files: Path, **options: Any) -> Reading:
    return read(ReadRequest(Upload.of(*files), Options(**options)))
