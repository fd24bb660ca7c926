"""Every recorded model of every system, read and run in onnxruntime, gives what its own framework gave."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import onnx_ir as ir
import pytest

from tests.workers.formats.cases import Case, Expected, assert_same, cases, expected, run, shapes, systems
from workers.formats.contract import Format, Reading, ReadRequest
from workers.hub.provenance import LAYER, LAYER_TYPE

EXPECTED: dict[str, Expected] = {system: expected(system) for system in systems()}
ALL = [(system, case) for system in EXPECTED for case in cases(system)]
every_case = pytest.mark.parametrize(("system", "case"), ALL, ids=str)


def format_of(system: str) -> Format:
    found: Format = import_module(f"workers.formats.{system}").FORMAT
    return found


def read(system: str, request: ReadRequest) -> Reading:
    reader = format_of(system).read
    assert reader is not None
    return reader(request)


@cache
def reading_of(system: str, case: Case) -> Reading:
    """Read as a user uploads it; kept, for reading may start the framework itself."""
    return read(system, case.request())


@every_case
def test_both_samples_run_on_one_model_and_agree_with_the_framework(system: str, case: Case) -> None:
    reading = reading_of(system, case)
    assert [value.name for value in reading.model.graph.inputs] == case.input_names
    for index in (0, 1):
        sample = case.sample(index)
        step = EXPECTED[system].steps.get(case.name, 0.0)
        assert_same(sample.outputs, run(reading.model, sample.inputs), step=step)


@every_case
def test_a_fixed_batch_agrees_as_well(system: str, case: Case) -> None:
    sample = case.sample(0)
    fixed: dict[str, Any] = {name: list(array.shape) for name, array in sample.inputs.items()}
    reading = read(system, case.request(input_shapes=fixed, dynamic_batch=False))
    assert shapes(reading.model) == fixed
    step = EXPECTED[system].steps.get(case.name, 0.0)
    assert_same(sample.outputs, run(reading.model, sample.inputs), step=step)


@every_case
def test_the_batch_is_free_wherever_the_model_allows(system: str, case: Case) -> None:
    free = any(isinstance(dim, str) for shape in shapes(reading_of(system, case).model).values() for dim in shape)
    assert free == (case.name not in EXPECTED[system].fixed)


@every_case
def test_every_node_carries_a_layer_of_the_source(system: str, case: Case) -> None:
    for node in reading_of(system, case).model.graph:
        assert node.metadata_props[LAYER] and node.metadata_props[LAYER_TYPE]


@every_case
def test_reading_twice_gives_the_same_model(system: str, case: Case) -> None:
    first, second = (
        ir.to_proto(reading.model).SerializeToString()
        for reading in (reading_of(system, case), read(system, case.request()))
    )
    assert first == second


@every_case
def test_the_upload_is_recognised(system: str, case: Case) -> None:
    evidence = format_of(system).sniff(case.request().upload)
    assert evidence is not None and evidence.score >= 0.9
    assert any(file.name in evidence.reason for file in case.uploaded)


@every_case
def test_progress_names_every_layer_in_order(system: str, case: Case) -> None:
    seen: list[tuple[int, int, str]] = []
    request = case.request(dynamic_batch=False)
    read(system, ReadRequest(request.upload, request.options, lambda *event: seen.append(event)))
    assert seen and all(what for _, _, what in seen)
    assert [done for done, _, _ in seen] == list(range(len(seen))) and {total for _, total, _ in seen} == {len(seen)}
