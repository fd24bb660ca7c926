"""Recorded Caffe models, read into the hub and written: torch reproduces what Caffe itself computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import Array, Case, cases
from tests.workers.formats.pytorch.runs import assert_close, by_torch, written
from workers.formats.caffe.read import read
from workers.hub.normalise import normalise

CASES = cases("caffe")
SAMPLES = (0, 1)
pytestmark = pytest.mark.xdist_group("torch-recorded")

Runs = dict[tuple[str, int], tuple[list[Array], list[Array] | str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All cases with both samples, run in one torch process; Caffe's outputs first, torch's second."""
    root = tmp_path_factory.mktemp("recorded")
    keys, wanted, folders, inputs = [], [], [], []
    for case in CASES:
        hub, _ = normalise(read(case.request()).model, case.options)
        written(hub, root / case.name)
        order = [str(value.name) for value in hub.graph.inputs]
        for index in SAMPLES:
            sample = case.sample(index)
            keys.append((case.name, index))
            wanted.append([sample.outputs[str(value.name)] for value in hub.graph.outputs])
            folders.append(root / case.name)
            inputs.append([sample.inputs[name] for name in order])
    return dict(zip(keys, zip(wanted, by_torch(folders, inputs, root), strict=True), strict=True))


@pytest.mark.parametrize("index", SAMPLES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_torch_computes_what_caffe_recorded(case: Case, index: int, runs: Runs, tmp_path: Path) -> None:
    assert_close(*runs[case.name, index])
