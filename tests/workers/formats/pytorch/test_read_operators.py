"""Single operators, captured in every way by several versions of PyTorch: tests/models/pytorch/operators."""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, assert_same, run
from workers.formats.contract import ReadRequest
from workers.formats.pytorch.read import read
from workers.inspect.upload import Upload
from workers.options import Options

FOLDER = MODELS / "pytorch" / "operators"
# Files whose meaning changed with the version of PyTorch that runs them: ours is today's.
CHANGED = {
    name: "before torch 1.13 floor_divide rounded towards zero; the same file run today rounds down"
    for name in ("script-1.8:floor_divide.pt", "script-1.8:int_floor_negative.pt", "trace-1.8:int_floor_negative.pt")
}


@cache
def members(way: str) -> dict[str, bytes]:
    """The files of one archive by name."""
    found = {}
    with tarfile.open(FOLDER / f"{way}.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


WAYS = sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz"))
ALL = [(way, name) for way in WAYS for name in members(way) if not name.endswith(".npz")]


def load(way: str, name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / name
    path.write_bytes(members(way)[name])
    arrays = np.load(io.BytesIO(members(way)[f"{name.rpartition('.')[0]}.npz"]))
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
    options = Options(input_shapes=shapes, input_dtypes={} if name.endswith("pt2") else types)
    model = read(ReadRequest(Upload.of(path), options)).model
    batches = [value.shape[0] for value in model.graph.inputs if value.shape]
    free = not any(isinstance(size, int) for size in batches)
    more, again = sample(arrays, 1)
    for given, outputs in [(inputs, wanted), *([(more, again)] if free and again else [])]:
        names = [str(value.name) for value in model.graph.inputs]
        got = run(model, {key: given[key] for key in names})
        assert len(got) == len(outputs)
        want = dict(zip(got, outputs, strict=True))
        assert_same(want, got)
    return free


@pytest.mark.parametrize(("way", "name"), [each for each in ALL if ":".join(each) not in CHANGED])
def test_an_operator_gives_what_pytorch_gave(way: str, name: str, tmp_path: Path) -> None:
    check(way, name, tmp_path)


@pytest.mark.parametrize("each", CHANGED)
def test_a_file_is_read_as_todays_pytorch_runs_it(each: str, tmp_path: Path) -> None:
    way, _, name = each.partition(":")
    with pytest.raises(AssertionError, match="differs by 1,"):
        check(way, name, tmp_path)
