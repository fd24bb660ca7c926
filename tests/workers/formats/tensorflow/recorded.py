"""The recorded operators: graphs of one or a few nodes with what TensorFlow computed."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.workers.formats.cases import MODELS, Array
from workers.formats.contract import Reading, ReadRequest
from workers.formats.tensorflow.read import read
from workers.inspect.upload import Upload
from workers.options import Options

ARCHIVES = tuple(MODELS / "tensorflow" / "operators" / f"{title}.zip" for title in ("operators", "more"))


@dataclass(frozen=True)
class Recorded:
    name: str
    graph: bytes
    inputs: dict[str, Array]
    outputs: dict[str, Array]

    def __str__(self) -> str:
        return self.name

    def read(self, folder: Path, **options: object) -> Reading:
        """The graph as a user would upload it, its outputs named."""
        path = folder / "graph.pb"
        path.write_bytes(self.graph)
        wanted = {"inputs": list(self.inputs), "outputs": list(self.outputs), **options}
        return read(ReadRequest(Upload.of(path), Options.model_validate(wanted)))


@cache
def recorded() -> list[Recorded]:
    found: list[Recorded] = []
    for path in ARCHIVES:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix("/graph.pb") for name in archive.namelist() if name.endswith("/graph.pb")]
            found += [_one(archive, name) for name in names]
    return found


def _one(archive: zipfile.ZipFile, name: str) -> Recorded:
    with np.load(io.BytesIO(archive.read(f"{name}/io.npz"))) as arrays:
        inputs = {f"{key}:0": arrays[key] for key in arrays if key.startswith("in_")}
        outputs = {f"{key}:0": arrays[key] for key in arrays if key.startswith("out_")}
    return Recorded(name, archive.read(f"{name}/graph.pb"), inputs, outputs)
