"""Whole networks of several versions of PyTorch, whose control flow, states and in-place changes must survive.

tests/models/pytorch/networks: LSTM cells in a loop over time, loops and branches on data, multi-head attention, shifted
windows, a detector that writes into slices, dilated convolutions with weight norm, recurrent layers with time first.
"""

from __future__ import annotations

import io
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, assert_same, run
from workers.formats.contract import Reading, ReadRequest
from workers.formats.pytorch.read import read
from workers.hub.provenance import LAYER
from workers.inspect.upload import Upload
from workers.options import Options


@cache
def members() -> dict[str, bytes]:
    found = {}
    with tarfile.open(MODELS / "pytorch" / "networks" / "networks.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


NETWORKS = [name for name in members() if not name.endswith(".npz")]


def sample(name: str, index: int) -> tuple[dict[str, Any], list[Any]] | None:
    data = members().get(f"{name.rpartition('.')[0]}.{index}.npz")
    if data is None:
        return None
    arrays = np.load(io.BytesIO(data))
    inputs = {key[2:]: arrays[key] for key in arrays.files if key.startswith("i_")}
    return inputs, [arrays[f"o_{index}"] for index in range(len(arrays.files) - len(inputs))]


def reading(name: str, folder: Path) -> Reading:
    path = folder / name.rpartition("/")[2]
    path.write_bytes(members()[name])
    first = sample(name, 0)
    assert first is not None
    shapes: dict[str, Any] = {key: list(value.shape) for key, value in first[0].items()}
    return read(ReadRequest(Upload.of(path), Options(input_shapes=shapes)))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_what_pytorch_gave_on_both_batches(name: str, tmp_path: Path) -> None:
    model = reading(name, tmp_path).model
    for index in (0, 1):
        recorded = sample(name, index)
        if recorded is None:
            continue
        inputs, outputs = recorded
        names = [str(value.name) for value in model.graph.inputs]
        got = run(model, dict(zip(names, inputs.values(), strict=True)))
        assert_same(dict(zip(got, outputs, strict=True)), got)


def test_a_loop_on_data_becomes_a_loop_and_a_branch_an_if(tmp_path: Path) -> None:
    nodes = [node.op_type for node in reading("2.13/flow.script.pt", tmp_path).model.graph]
    assert nodes.count("Loop") == 1 and nodes.count("If") == 1


def test_layers_keep_the_paths_of_the_source(tmp_path: Path) -> None:
    layers = {node.metadata_props[LAYER] for node in reading("2.13/wavenet.export.pt2", tmp_path).model.graph}
    assert {"c.0", "p.2"} <= layers


def test_the_batch_of_a_time_major_network_is_its_second_axis(tmp_path: Path) -> None:
    (x,) = reading("2.13/gru.script.pt", tmp_path).model.graph.inputs
    assert x.shape is not None and [str(dim) for dim in x.shape] == ["x_time", "batch", "5"]
