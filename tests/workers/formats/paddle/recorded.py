"""The recorded single-operator programs of tests/models/paddle/operators.tar.xz, see record_operators.py."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.workers.formats.cases import MODELS, Sample, upload_of
from workers.formats.contract import ReadRequest
from workers.options import Options

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Recorded:
    """One case: ``kind`` is pdmodel, pir or fluid; ``files`` are those of the model."""

    kind: str
    name: str
    files: Mapping[str, bytes]
    arrays: Mapping[str, Array]

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"

    def request(self, folder: Path, **options: Any) -> ReadRequest:
        return ReadRequest(upload_of(folder, self.files), Options(**options))

    def samples(self, inputs: list[str], outputs: list[str]) -> Iterator[Sample]:
        """The runs, by the names of the model as read; inputs that it does not have are left out."""
        for run in range(2):
            if f"out{run}|0" in self.arrays:
                given = {name: self.arrays[f"in{run}|{name}"] for name in inputs}
                yield Sample(given, {name: self.arrays[f"out{run}|{place}"] for place, name in enumerate(outputs)})


@cache
def recorded() -> list[Recorded]:
    found: dict[tuple[str, str], dict[str, bytes]] = {}
    with tarfile.open(MODELS / "paddle" / "operators.tar.xz") as archive:
        for entry in archive:
            kind, name, file = entry.name.split("/", 2)
            stream = archive.extractfile(entry)
            assert stream is not None
            found.setdefault((kind, name), {})[file] = stream.read()
    cases = []
    for (kind, name), files in found.items():
        with np.load(io.BytesIO(files.pop("io.npz"))) as arrays:
            cases.append(Recorded(kind, name, files, dict(arrays)))
    return cases
