"""The recorded small nets of tests/models/caffe2/operators, see record_operators.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.workers.formats.cases import MODELS, Sample
from workers.formats.contract import ReadRequest
from workers.inspect.upload import Upload
from workers.options import Options

FOLDER = MODELS / "caffe2" / "operators"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SmallNet:
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    runs: int

    def __str__(self) -> str:
        return self.name

    def samples(self) -> Iterator[Sample]:
        for run in range(self.runs):
            inputs = {key: _array(f"{self.name}|in{run}|{key}") for key in self.inputs}
            outputs = {key: _array(f"{self.name}|out{run}|{place}") for place, key in enumerate(self.outputs)}
            yield Sample(inputs, outputs)

    def files(self) -> dict[str, bytes]:
        """The two nets as files."""
        found = {part: _array(f"{self.name}|{part}").tobytes() for part in ("init", "predict")}
        return {f"{part}_net.pb": data for part, data in found.items()}

    def options(self) -> dict[str, Any]:
        """The shapes and types of the first run."""
        first = next(self.samples()).inputs
        return {
            "input_shapes": {key: list(array.shape) for key, array in first.items()},
            "input_dtypes": {key: array.dtype.name for key, array in first.items()},
        }

    def request(self, folder: Path, **options: Any) -> ReadRequest:
        for name, data in self.files().items():
            (folder / name).write_bytes(data)
        paths = [folder / name for name in self.files()]
        return ReadRequest(Upload.of(*paths), Options(**{**self.options(), **options}))


def small_nets() -> list[SmallNet]:
    found = _store()[0]["nets"]
    return [
        SmallNet(name, tuple(entry["inputs"]), tuple(entry["outputs"]), entry["runs"]) for name, entry in found.items()
    ]


@cache
def _store() -> tuple[dict[str, Any], dict[str, Any], Array]:
    index = json.loads((FOLDER / "nets.json").read_text())
    with np.load(FOLDER / "arrays.npz") as file:
        data = file["data"]
    return index, index["arrays"], data


def _array(key: str) -> Array:
    dtype, shape, at = _store()[1][key]
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    array: Array = _store()[2][at : at + size].view(kind).reshape(shape)
    return array
