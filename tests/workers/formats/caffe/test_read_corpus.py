"""Every recorded Caffe model, read and run in onnxruntime, gives what Caffe itself gave: batch 1 and batch 3."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run, shapes
from workers.formats import caffe
from workers.formats.caffe.read import read
from workers.hub.provenance import LAYER, LAYER_TYPE

CASES = cases("caffe")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_samples_run_on_one_model_and_agree_with_caffe(case: Case) -> None:
    reading = read(case.request())
    assert [value.name for value in reading.model.graph.inputs] == case.input_names
    for index in (0, 1):
        sample = case.sample(index)
        assert_same(sample.outputs, run(reading.model, sample.inputs))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fixed_batch_agrees_as_well(case: Case) -> None:
    sample = case.sample(0)
    fixed = {name: list(array.shape) for name, array in sample.inputs.items()}
    reading = read(case.request(input_shapes=fixed, dynamic_batch=False))
    assert shapes(reading.model) == fixed
    assert_same(sample.outputs, run(reading.model, sample.inputs))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_node_carries_a_layer_of_the_net(case: Case) -> None:
    for node in read(case.request()).model.graph:
        assert node.metadata_props[LAYER] and node.metadata_props[LAYER_TYPE]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reading_twice_gives_the_same_model(case: Case) -> None:
    first, second = (ir.to_proto(read(case.request()).model).SerializeToString() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_upload_is_recognised(case: Case) -> None:
    evidence = caffe.FORMAT.sniff(case.request().upload)
    assert evidence is not None and evidence.score >= 0.9 and case.facts["model"][0] in evidence.reason


@pytest.mark.parametrize("case", CASES, ids=str)
def test_progress_names_every_layer_in_order(case: Case) -> None:
    seen: list[tuple[int, int, str]] = []
    request = case.request()
    read(type(request)(request.upload, request.options, lambda *event: seen.append(event)))
    assert [done for done, _, _ in seen] == list(range(len(seen))) and {total for _, total, _ in seen} == {len(seen)}


def test_the_batch_of_every_case_is_free() -> None:
    for case in CASES:
        for shape in shapes(read(case.request()).model).values():
            assert "batch" in shape, case.name
