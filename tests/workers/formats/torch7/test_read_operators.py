"""Every module of the checklist that Lua Torch runs, in the variants that users save, gives what Torch gave."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, run, shapes
from tests.workers.formats.torch7.record_operators import ARCHIVE
from workers.formats.contract import Reading, ReadRequest
from workers.formats.torch7.file import parse
from workers.formats.torch7.objects import Array, Table, Tensor
from workers.formats.torch7.read import read
from workers.inspect.upload import Upload
from workers.options import Options

# Torch gives these as LongTensors; the hub computes in float32.
INTEGERS: frozenset[str] = frozenset()


@cache
def recorded() -> dict[str, bytes]:
    with zipfile.ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


NAMES = sorted(name.removesuffix(".io") for name in recorded() if name.endswith(".io"))


def leaves(value: Any) -> list[Array]:
    """The tensors of a table, depth first."""
    if isinstance(value, Tensor):
        return [np.ascontiguousarray(value.array())]
    return [leaf for item in value.items() for leaf in leaves(item)]


def sample(name: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and outputs under the names that the reader gives them; floats as float32, whole numbers as int64."""
    table = parse(memoryview(recorded()[f"{name}.io"]), name).root
    assert isinstance(table, Table)
    ins, outs = (
        {f"{side}_{index}": array if array.dtype.kind == "f" else array.astype(np.int64)
         for index, array in enumerate(leaves(table.get(f"{side}s")))}
        for side in ("input", "output")
    )  # fmt: skip
    return ins, {key: array.astype(np.float32) for key, array in outs.items()}


def read_recorded(name: str, folder: Path, **options: Any) -> Reading:
    path = folder / f"{name}.t7"
    path.write_bytes(recorded()[f"{name}.t7"])
    return read(ReadRequest(Upload.of(path), Options(**options)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dynamic", [True, False], ids=["free", "fixed"])
def test_a_module_computes_what_torch_computes(name: str, dynamic: bool, tmp_path: Path) -> None:
    inputs, outputs = sample(name)
    given = {key: list(array.shape) for key, array in inputs.items()}
    reading = read_recorded(name, tmp_path, input_shapes=given, dynamic_batch=dynamic)
    assert list(shapes(reading.model)) == list(inputs)
    assert_same(outputs, run(reading.model, inputs))
