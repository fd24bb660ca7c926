"""Every recorded Darknet model, read and run in onnxruntime, gives what Darknet itself gave: both samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run, shapes
from workers.formats import darknet
from workers.formats.darknet.read import read
from workers.hub.provenance import LAYER, LAYER_TYPE

CASES = cases("darknet")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_samples_run_on_one_model_and_agree_with_darknet(case: Case) -> None:
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
    evidence = darknet.FORMAT.sniff(case.request().upload)
    assert evidence is not None and evidence.score >= 0.9 and case.facts["model"][0] in evidence.reason


@pytest.mark.parametrize("case", CASES, ids=str)
def test_progress_names_every_layer_in_order(case: Case) -> None:
    seen: list[tuple[int, int, str]] = []
    request = case.request()
    read(type(request)(request.upload, request.options, lambda *event: seen.append(event)))
    assert [done for done, _, _ in seen] == list(range(len(seen))) and {total for _, total, _ in seen} == {len(seen)}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_dialect_is_that_of_the_program_that_wrote_the_files(case: Case) -> None:
    fork = "AlexeyAB" if "AlexeyAB" in case.facts["producer"] else "pjreddie"
    assert read(case.request()).version.endswith(f", {fork}")


def test_the_batch_of_all_but_recurrent_nets_is_free() -> None:
    for case in CASES:
        (shape,) = shapes(read(case.request()).model).values()
        recurrent = {"rnn", "gru", "lstm", "crnn", "conv_lstm"} & set(case.facts["ops"])
        assert (shape[0] == "batch") == (not recurrent), case.name


@pytest.mark.parametrize("case", [case for case in CASES if (case.folder / "decoded_0.npz").exists()], ids=str)
def test_decoded_boxes_are_those_that_darknet_decodes(case: Case) -> None:
    with np.load(case.folder / "decoded_0.npz") as recorded:
        rows, threshold = recorded["boxes"], float(recorded["thresh"])
    outputs = run(read(case.request(decode=True)).model, case.sample(0).inputs)
    assert list(outputs) == ["boxes", "scores", "selected"] and len(rows) > 10
    boxes, scores = outputs["boxes"][0], outputs["scores"][0].T
    for row in rows:
        index = int(np.abs(boxes - row[:4]).sum(1).argmin())
        np.testing.assert_allclose(boxes[index], row[:4], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.where(scores[index] > threshold, scores[index], 0), row[5:], rtol=1e-4, atol=1e-5)


def overlap(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """Intersection over union of two boxes by centre and size."""
    sides = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2) - np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    common = float(np.prod(np.maximum(sides, 0)))
    return common / float(a[2] * a[3] + b[2] * b[3] - common)


def kept(boxes: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], threshold: float) -> set[int]:
    """Greedy suppression of one class, as Darknet sorts and drops."""
    chosen: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] > threshold and all(overlap(boxes[index], boxes[other]) <= 0.45 for other in chosen):
            chosen.append(int(index))
    return set(chosen)


@pytest.mark.parametrize(
    "case", cases("darknet", "ab_scaled_yolo", "ab_region", "yolov2_region", "yolov3_tiny", "yolov4_tiny"), ids=str
)
def test_the_selected_boxes_are_what_suppression_leaves_for_every_image_and_class(case: Case) -> None:
    outputs = run(read(case.request(decode=True)).model, case.sample(1).inputs)
    boxes, scores, selected = outputs["boxes"], outputs["scores"], outputs["selected"]
    threshold = 0.25 if "AlexeyAB" in case.facts["producer"] else 0.5
    assert len(selected)
    for image in range(3):
        for label in range(scores.shape[1]):
            rows = selected[(selected[:, 0] == image) & (selected[:, 1] == label), 2]
            assert set(rows.tolist()) == kept(boxes[image], scores[image, label], threshold), (image, label)
