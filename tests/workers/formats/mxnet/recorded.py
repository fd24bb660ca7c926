"""The recorded single-operator graphs of tests/models/mxnet/operators, see record_operators.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.workers.formats.arrays import ArrayStore
from tests.workers.formats.cases import MODELS, Array, Sample
from workers.formats.contract import ReadRequest
from workers.formats.mxnet.file import write_params
from workers.inspect.upload import Upload
from workers.options import Options

STORE = ArrayStore(MODELS / "mxnet" / "operators" / "graphs.json.xz")


@dataclass(frozen=True)
class Graph:
    name: str
    symbol: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    runs: int

    def __str__(self) -> str:
        return self.name

    def samples(self) -> Iterator[Sample]:
        for run in range(self.runs):
            inputs = {key: STORE.array(f"{self.name}|in{run}|{key}") for key in self.inputs}
            outputs = {key: STORE.array(f"{self.name}|out{run}|{place}") for place, key in enumerate(self.outputs)}
            yield Sample(inputs, outputs)

    def params(self) -> dict[str, Array]:
        prefix = f"{self.name}|param|"
        return {key.removeprefix(prefix): STORE.array(key) for key in STORE.index["arrays"] if key.startswith(prefix)}

    def request(self, folder: Path, **options: Any) -> ReadRequest:
        """The graph and its parameters as files, with the shapes and types of the first run."""
        files = [folder / "op-symbol.json"]
        files[0].write_text(self.symbol)
        params = self.params()
        if params:
            files.append(folder / "op-0000.params")
            pieces = write_params([(f"arg:{key}", array) for key, array in params.items()])
            files[1].write_bytes(b"".join(pieces))
        first = next(self.samples()).inputs
        shapes = {key: list(array.shape) for key, array in first.items()}
        types = {key: array.dtype.name for key, array in first.items() if array.dtype != np.float32}
        return ReadRequest(Upload.of(*files), Options(**{"input_shapes": shapes, "input_dtypes": types, **options}))


def graphs() -> list[Graph]:
    found = STORE.index["graphs"]
    return [
        Graph(name, entry["symbol"], tuple(entry["inputs"]), tuple(entry["outputs"]), entry["runs"])
        for name, entry in found.items()
    ]
