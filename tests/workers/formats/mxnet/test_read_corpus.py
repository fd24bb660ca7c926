"""Every recorded MXNet model, read and run in onnxruntime, gives what MXNet itself gave: both samples."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run, shapes
from workers.formats import mxnet
from workers.formats.mxnet.read import read
from workers.hub.provenance import LAYER, LAYER_TYPE

CASES = cases("mxnet")
# Graphs that spell out a batch of two, so that it cannot be left free.
FIXED = {"opzoo_reduce": "slice_axis0", "opzoo_shape": "reshape5"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_samples_run_on_one_model_and_agree_with_mxnet(case: Case) -> None:
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
def test_every_node_carries_a_layer_of_the_symbol(case: Case) -> None:
    for node in read(case.request()).model.graph:
        assert node.metadata_props[LAYER] and node.metadata_props[LAYER_TYPE]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reading_twice_gives_the_same_model(case: Case) -> None:
    first, second = (ir.to_proto(read(case.request()).model).SerializeToString() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_upload_is_recognised(case: Case) -> None:
    evidence = mxnet.FORMAT.sniff(case.request().upload)
    assert evidence is not None and evidence.score >= 0.9 and case.facts["model"][0] in evidence.reason


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_batch_is_free_wherever_the_graph_allows(case: Case) -> None:
    reading = read(case.request())
    blocked = [note.where for note in reading.notes if note.code == "fixed-batch"]
    assert blocked == [FIXED[case.name]] if case.name in FIXED else not blocked
    assert ("batch" in next(iter(shapes(reading.model).values()))) == (case.name not in FIXED)


def test_time_major_nets_have_their_batch_in_axis_1() -> None:
    (case,) = cases("mxnet", "lstm_lm_gluon")
    assert shapes(read(case.request()).model) == {
        "data0": [7, "batch"], "data1": [2, "batch", 20], "data2": [2, "batch", 20]
    }  # fmt: skip


def test_progress_names_every_operator_in_order() -> None:
    (case,) = cases("mxnet", "mlp_module")
    seen: list[tuple[int, int, str]] = []
    request = case.request(dynamic_batch=False)
    read(type(request)(request.upload, request.options, lambda *event: seen.append(event)))
    assert [what for _, _, what in seen][:2] == ["fc1 (FullyConnected)", "relu1 (Activation)"]
    assert [done for done, _, _ in seen] == list(range(len(seen))) and {total for _, total, _ in seen} == {len(seen)}
