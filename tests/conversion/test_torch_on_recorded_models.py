"""Recorded models of every system, read into the hub and written: torch computes what their own framework recorded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import onnx_ir as ir
import pytest

from tests.workers.formats.cases import Array, Case, Sample, assert_same, cases, expected, systems
from tests.workers.formats.pytorch.runs import by_torch
from workers import formats
from workers.formats.contract import Reading, WriteRequest
from workers.hub.normalise import normalise
from workers.options import DEFAULTS

SAMPLES = (0, 1)


@dataclass(frozen=True, slots=True)
class Ran:
    """``want``: a sample's recorded outputs; ``got``: torch's in the hub's order, or what kept it from running."""

    names: tuple[str, ...]
    want: Sample
    got: list[Array] | str


def hub_of(system: str, case: Case) -> ir.Model:
    """The case in normal form, with the options that its reader leaves to be applied."""
    reading: Reading = import_module(f"workers.formats.{system}.read").read(case.request())
    left = case.options.model_copy(update={name: getattr(DEFAULTS, name) for name in reading.applied})
    hub, _ = normalise(reading.model, left)
    return hub


@cache
def torch_runs(system: str, root: Path) -> dict[tuple[str, int], Ran]:
    """All cases of a system with both samples, run in one torch process."""
    keys, names, wanted, folders, inputs = [], [], [], [], []
    for case in cases(system):
        hub = hub_of(system, case)
        folder = root / system / case.name
        folder.mkdir(parents=True)
        target = formats.pytorch.FORMAT
        assert target.write is not None and target.legalise is not None
        target.legalise(hub)
        target.write(WriteRequest(hub, folder))
        for index in SAMPLES:
            sample = case.sample(index)
            keys.append((case.name, index))
            names.append(tuple(str(value.name) for value in hub.graph.outputs))
            wanted.append(sample)
            folders.append(folder)
            inputs.append([sample.inputs[str(value.name)] for value in hub.graph.inputs])
    results = by_torch(folders, inputs, root / system)
    return {key: Ran(*ran) for key, ran in zip(keys, zip(names, wanted, results, strict=True), strict=True)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.mark.parametrize("index", SAMPLES)
@pytest.mark.parametrize(("system", "case"), [(s, case) for s in systems() for case in cases(s)], ids=str)
def test_torch_computes_what_the_framework_recorded(system: str, case: Case, index: int, root: Path) -> None:
    ran = torch_runs(system, root)[case.name, index]
    assert not isinstance(ran.got, str), ran.got
    step = expected(system).steps.get(case.name, 0.0)
    assert_same(ran.want.outputs, dict(zip(ran.names, ran.got, strict=True)), step=step)
