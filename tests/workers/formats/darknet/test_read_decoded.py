"""Dialects and decoded boxes of the recorded Darknet models are those of the program that recorded them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import Case, cases, run
from workers.formats.darknet.read import read

CASES = cases("darknet")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_dialect_is_that_of_the_program_that_wrote_the_files(case: Case) -> None:
    fork = "AlexeyAB" if "AlexeyAB" in case.facts["producer"] else "pjreddie"
    assert read(case.request()).version.endswith(f", {fork}")


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
