"""Every operator, over the settings that change what is written: torch computes what onnxruntime does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.pytorch import table_fused, table_layers, table_programs, table_tensors
from tests.workers.formats.pytorch.runs import (
    Array,
    Case,
    assert_close,
    built,
    by_onnxruntime,
    by_reference,
    by_torch,
    written,
)

CASES = [*table_fused.CASES, *table_layers.CASES, *table_tensors.CASES, *table_programs.CASES]
pytestmark = pytest.mark.xdist_group("torch-operators")

# One run of a case: what onnxruntime computed, and what torch did (or the message of its failure).
Runs = Mapping[str, list[tuple[list[Array], list[Array] | str]]]


def samples(case: Case) -> list[list[Array]]:
    """The inputs of a case, and a second set with every free axis one longer."""
    first = [np.asarray(array) for array in case.inputs]
    if not case.free:
        return [first]
    longer = []
    for array in first:
        for axis in case.free:
            array = np.concatenate([array, array.take([0], axis)], axis) if axis < array.ndim else array
        longer.append(array)
    return [first, longer]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All cases, run in one torch process."""
    root = tmp_path_factory.mktemp("operators")
    wanted: list[tuple[str, list[Array]]] = []
    folders: list[Path] = []
    inputs: list[list[Array]] = []
    for case in CASES:
        model = built([np.asarray(array) for array in case.inputs], case.build, case.free)
        for sample in samples(case):
            oracle = by_onnxruntime if case.oracle == "onnxruntime" else by_reference
            wanted.append((case.name, oracle(model, sample)))
            folders.append(root / case.name)
            inputs.append(sample)
        written(model, root / case.name)
    found: dict[str, list[tuple[list[Array], list[Array] | str]]] = {}
    for (name, want), got in zip(wanted, by_torch(folders, inputs, root), strict=True):
        found.setdefault(name, []).append((want, got))
    return found


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_torch_computes_what_onnxruntime_does(case: Case, runs: Runs) -> None:
    for want, got in runs[case.name]:
        assert_close(want, got, case.tolerance)


@pytest.mark.parametrize("case", [case for case in CASES if case.says], ids=str)
def test_the_operator_is_said_as_a_torch_user_would(case: Case, tmp_path: Path) -> None:
    model = built([np.asarray(array) for array in case.inputs], case.build, case.free)
    written(model, tmp_path)
    assert case.says in (tmp_path / "model.py").read_text()
