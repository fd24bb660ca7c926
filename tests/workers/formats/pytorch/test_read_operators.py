"""Single operators, captured by PyTorch in every way, give what PyTorch gave: tests/models/pytorch/operators/*.zip."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, assert_same, run
from workers.errors import ConversionError
from workers.formats.contract import ReadRequest
from workers.formats.pytorch.read import read
from workers.inspect.upload import Upload
from workers.options import Options

FOLDER = MODELS / "pytorch" / "operators"
# Operators that end in a refusal, and a word of it.
REFUSED: dict[tuple[str, str], str] = {}
# Element types or numerics in which ONNX differs within reason.
LOOSER: dict[str, float] = {}


def recorded(path: Path) -> list[tuple[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return [(path.stem, name) for name in archive.namelist() if not name.endswith(".npz")]


ALL = [item for path in sorted(FOLDER.glob("*.zip")) for item in recorded(path)]


def load(way: str, name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    with zipfile.ZipFile(FOLDER / f"{way}.zip") as archive:
        path = folder / name
        path.write_bytes(archive.read(name))
        arrays = np.load(io.BytesIO(archive.read(f"{name.rpartition('.')[0]}.npz")))
        return path, {key: arrays[key] for key in arrays.files}


def sample(arrays: dict[str, Any], index: int) -> tuple[dict[str, Any], list[Any]]:
    inputs = {key[4:]: value for key, value in arrays.items() if key.startswith(f"{index}_i_")}
    return inputs, [arrays[f"{index}_o_{k}"] for k in range(len(arrays)) if f"{index}_o_{k}" in arrays]


def check(way: str, name: str, folder: Path) -> bool:
    """Compare on the recorded batch, and on the second one where the batch was left free; whether it was."""
    path, arrays = load(way, name, folder)
    inputs, wanted = sample(arrays, 0)
    shapes: dict[str, Any] = {key: list(value.shape) for key, value in inputs.items()}
    types = {key: str(value.dtype) for key, value in inputs.items()}
    options = Options(input_shapes=shapes, input_dtypes={} if way == "export" else types)
    model = read(ReadRequest(Upload.of(path), options)).model
    free = all(v.shape is not None and isinstance(v.shape[0], int) is False for v in model.graph.inputs if len(v.shape or ()))
    more, again = sample(arrays, 1)
    for given, outputs in [(inputs, wanted), *([(more, again)] if free and again else [])]:
        names = [str(value.name) for value in model.graph.inputs]
        got = run(model, {key: given[key] for key in names})
        assert len(got) == len(outputs)
        want = dict(zip(got, outputs, strict=True))
        assert_same(want, got, atol=LOOSER.get(name.rpartition(".")[0], 1e-5))
    return free


@pytest.mark.parametrize(("way", "name"), ALL)
def test_an_operator_gives_what_pytorch_gave(way: str, name: str, tmp_path: Path) -> None:
    reason = REFUSED.get((way, name)) or REFUSED.get(("", name.rpartition(".")[0]))
    if reason is None:
        check(way, name, tmp_path)
        return
    with pytest.raises(ConversionError, match=reason):
        check(way, name, tmp_path)
