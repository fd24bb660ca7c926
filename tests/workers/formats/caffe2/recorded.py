"""The recorded small nets of tests/models/caffe2/operators, see record_operators.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workers.formats.arrays import ArrayStore
from tests.workers.formats.cases import MODELS, Sample, upload_of
from workers.formats.contract import ReadRequest
from workers.options import Options

STORE = ArrayStore(MODELS / "caffe2" / "operators" / "nets.json.xz")


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
            inputs = {key: STORE.array(f"{self.name}|in{run}|{key}") for key in self.inputs}
            outputs = {key: STORE.array(f"{self.name}|out{run}|{place}") for place, key in enumerate(self.outputs)}
            yield Sample(inputs, outputs)

    def files(self) -> dict[str, bytes]:
        """The two nets as files."""
        found = {part: STORE.array(f"{self.name}|{part}").tobytes() for part in ("init", "predict")}
        return {f"{part}_net.pb": data for part, data in found.items()}

    def options(self) -> dict[str, Any]:
        """The shapes and types of the first run."""
        first = next(self.samples()).inputs
        return {
            "input_shapes": {key: list(array.shape) for key, array in first.items()},
            "input_dtypes": {key: array.dtype.name for key, array in first.items()},
        }

    def request(self, folder: Path, **options: Any) -> ReadRequest:
        return ReadRequest(upload_of(folder, self.files()), Options(**{**self.options(), **options}))


def small_nets() -> list[SmallNet]:
    found = STORE.index["nets"]
    return [
        SmallNet(name, tuple(entry["inputs"]), tuple(entry["outputs"]), entry["runs"]) for name, entry in found.items()
    ]
