"""Every layer that record_layers.py recorded from Keras 1, 2, 3 and tf.keras gives what that Keras gave."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.cases import MODELS, assert_same, run
from workers.formats.contract import ReadRequest
from workers.formats.keras.read import read
from workers.inspect.upload import Upload

FOLDER = MODELS / "keras" / "layers"


@cache
def files(keras: str) -> dict[str, bytes]:
    """All files that one version of Keras recorded, by name."""
    with tarfile.open(FOLDER / f"{keras}.tar.xz") as archive:
        found = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: data.read() for name, data in found.items() if data is not None}


def recorded() -> list[tuple[str, str]]:
    versions = sorted(path.name.split(".")[0] for path in FOLDER.glob("*.tar.xz"))
    return [(keras, name.split("/")[0]) for keras in versions for name in files(keras) if name.endswith("/io_1.npz")]


@pytest.mark.parametrize(("keras", "name"), recorded())
def test_a_recorded_layer_agrees_with_keras(keras: str, name: str, tmp_path: Path) -> None:
    paths = []
    for entry, data in files(keras).items():
        if entry.startswith(f"{name}/model."):
            paths.append(tmp_path / Path(entry).name)
            paths[-1].write_bytes(data)
    model = read(ReadRequest(Upload.of(*paths))).model
    for index in (0, 1):
        with np.load(io.BytesIO(files(keras)[f"{name}/io_{index}.npz"])) as arrays:
            inputs = {
                str(value.name): arrays[f"input_{place}"].astype((value.dtype or ir.DataType.FLOAT).numpy())
                for place, value in enumerate(model.graph.inputs)
            }
            want = {str(value.name): arrays[f"output_{place}"] for place, value in enumerate(model.graph.outputs)}
        half = 100 if "float16" in name else 1
        assert_same(want, run(model, inputs), atol=1e-5 * half, rtol=1e-4 * half)
