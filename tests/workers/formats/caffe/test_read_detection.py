"""SSD's layers against the algorithm written out in numpy: decoding, suppression, what is kept and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import Array, compute, layer, net, normal, positive, read_net
from tests.workers.formats.cases import assert_same
from workers.errors import MalformedModel, UnsupportedOperators

COUNT, CLASSES, BATCH = 40, 4, 3


def priors() -> Array:
    rng = np.random.default_rng(0)
    centre, size = rng.random((COUNT, 2)), rng.random((COUNT, 2)) * 0.3 + 0.05
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    variances = np.tile([0.1, 0.1, 0.2, 0.2], (COUNT, 1))
    return np.stack([boxes.reshape(-1), variances.reshape(-1)])[None].astype(np.float32)


def scores() -> Array:
    raw = np.exp(normal(BATCH, COUNT, CLASSES) * 2)
    return (raw / raw.sum(-1, keepdims=True)).astype(np.float32)


def decode(loc: Array, prior: Array, variance: Array, code: str, encoded: bool) -> Array:
    loc = loc if encoded else loc * variance
    low, high = prior[:, :2], prior[:, 2:]
    if code == "CORNER":
        return prior + loc
    if code == "CORNER_SIZE":
        return prior + loc * np.tile(high - low, 2)
    centre = loc[:, :2] * (high - low) + (low + high) / 2
    half = np.exp(loc[:, 2:]) * (high - low) / 2
    return np.concatenate([centre - half, centre + half], 1)


def overlap(a: Array, b: Array) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    if (high < low).any():
        return 0.0
    shared = float(np.prod(high - low))
    return shared / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)


def reference(loc: Array, conf: Array, prior: Array, p: dict[str, Any]) -> Array:
    """Caffe's rows, box by box."""
    boxes, variance = prior[0].reshape(2, COUNT, 4)
    share = p.get("share_location", True)
    rows = []
    for image in range(BATCH):
        found = []
        for label in range(CLASSES):
            if label == p.get("background_label_id", 0):
                continue
            own = loc[image].reshape(COUNT, -1, 4)[:, 0 if share else label]
            corners = decode(own, boxes, variance, p["code_type"], p.get("variance_encoded_in_target", False))
            score = conf[image, :, label]
            order = [i for i in np.argsort(-score, kind="stable") if score[i] > p.get("confidence_threshold", -1)]
            top_k = p["nms_param"].get("top_k", -1)
            order = order[:top_k] if top_k > 0 else order
            kept: list[int] = []
            for i in order:
                if all(overlap(corners[i], corners[j]) <= p["nms_param"]["nms_threshold"] for j in kept):
                    kept.append(i)
            found += [(score[i], label, i, corners[i]) for i in kept]
        keep = p.get("keep_top_k", -1)
        if 0 <= keep < len(found):
            best = sorted(range(len(found)), key=lambda n: -found[n][0])[:keep]
            found = [found[n] for n in sorted(best)]
        rows += [[image, label, score, *box] for score, label, _, box in found]
    if not rows:
        rows = [[image, *[-1] * 6] for image in range(BATCH)]
    return np.asarray(rows, np.float32)[None, None]


FORMS: list[dict[str, Any]] = [
    {"code_type": "CENTER_SIZE", "confidence_threshold": 0.1, "keep_top_k": 20},
    {"code_type": "CORNER", "confidence_threshold": 0.1, "keep_top_k": 20},
    {"code_type": "CORNER_SIZE", "confidence_threshold": 0.05},
    {"code_type": "CENTER_SIZE", "share_location": False, "confidence_threshold": 0.1, "keep_top_k": 10},
    {"code_type": "CENTER_SIZE", "background_label_id": 2, "variance_encoded_in_target": True, "keep_top_k": 12},
    {"code_type": "CENTER_SIZE", "share_location": False, "background_label_id": -1, "confidence_threshold": 0.2},
    {"code_type": "CENTER_SIZE", "confidence_threshold": 0.99999},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("top_k", [15, None])
def test_detections(tmp_path: Path, form: dict[str, Any], top_k: int | None) -> None:
    nms = {"nms_threshold": 0.45} | ({} if top_k is None else {"top_k": top_k})
    p = {"num_classes": CLASSES, "nms_param": nms, **form}
    sets = 1 if form.get("share_location", True) else CLASSES
    loc, conf, prior = normal(BATCH, COUNT * 4 * sets) * np.float32(0.5), scores(), priors()
    inputs = {"loc": loc, "conf": conf.reshape(BATCH, -1), "prior": prior}
    got = compute(tmp_path, inputs, layer("DetectionOutput", list(inputs), detection_output_param=p))
    assert_same({"y": reference(loc, conf, prior, p)}, got)


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"nms_param": {"eta": 0.5}}, UnsupportedOperators, "adaptive"),
        ({"num_classes": 3}, MalformedModel, "confidences"),
        ({"num_classes": 1}, MalformedModel, "nothing to detect"),
        ({"keep_top_k": 0}, MalformedModel, "never detect"),
        ({"share_location": False}, MalformedModel, "locations"),
    ],
)
def test_impossible_parameters(tmp_path: Path, change: dict[str, Any], error: type[Exception], reason: str) -> None:
    shapes = {"loc": (2, COUNT * 4), "conf": (2, COUNT * CLASSES), "prior": (1, 2, COUNT * 4)}
    entry = layer("DetectionOutput", list(shapes), detection_output_param={"num_classes": CLASSES, **change})
    with pytest.raises(error, match=reason):
        read_net(tmp_path, net(shapes, entry))


def prior_boxes(
    height: int,
    width: int,
    image: tuple[int, int],
    sizes: list[tuple[float, float]],
    step: tuple[float, float],
    offset: float,
) -> Array:
    rows = []
    for y in range(height):
        for x in range(width):
            cx, cy = (x + offset) * step[1], (y + offset) * step[0]
            for w, h in sizes:
                rows += [
                    (cx - w / 2) / image[1],
                    (cy - h / 2) / image[0],
                    (cx + w / 2) / image[1],
                    (cy + h / 2) / image[0],
                ]
    return np.asarray(rows, np.float32)


def test_prior_boxes_truncate_sizes_and_skip_ratios_that_were_there(tmp_path: Path) -> None:
    p = {"min_size": [4.9], "max_size": [9.7], "aspect_ratio": [2, 0.5, 1, 2], "variance": [0.1, 0.1, 0.2, 0.2]}
    got = compute(
        tmp_path,
        {"x": normal(2, 3, 3, 2), "im": normal(2, 3, 30, 40)},
        layer("PriorBox", ["x", "im"], prior_box_param=p),
    )["y"]
    root = np.sqrt(2)
    sizes = [(4, 4), (6, 6), (4 * root, 4 / root), (4 / root, 4 * root)]
    np.testing.assert_allclose(got[0, 0], prior_boxes(3, 2, (30, 40), sizes, (10, 20), 0.5), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[0, 1].reshape(-1, 4), np.tile(np.float32([0.1, 0.1, 0.2, 0.2]), (24, 1)))


def test_prior_boxes_with_steps_offset_image_size_and_clipping(tmp_path: Path) -> None:
    p = {"min_size": [4, 12], "aspect_ratio": [3], "flip": False, "clip": True, "img_h": 20, "img_w": 30,
         "step_h": 7, "step_w": 9, "offset": 0.25}  # fmt: skip
    got = compute(
        tmp_path,
        {"x": normal(1, 3, 3, 2), "im": normal(1, 3, 30, 40)},
        layer("PriorBox", ["x", "im"], prior_box_param=p),
    )["y"]
    root = np.sqrt(3)
    sizes = [(4, 4), (4 * root, 4 / root), (12, 12), (12 * root, 12 / root)]
    want = prior_boxes(3, 2, (20, 30), sizes, (7, 9), 0.25).clip(0, 1)
    np.testing.assert_allclose(got[0, 0], want, rtol=1e-5, atol=1e-6)
    assert (got[0, 1] == np.float32(0.1)).all()


@pytest.mark.parametrize(
    ("p", "reason"),
    [
        ({}, "needs a min_size"),
        ({"min_size": [4], "max_size": [4]}, "not larger"),
        ({"min_size": [0.5]}, "makes no sense"),
        ({"min_size": [4], "aspect_ratio": [0]}, "makes no sense"),
        ({"min_size": [4], "variance": [1, 2]}, "2 variances"),
    ],
)
def test_impossible_prior_boxes(tmp_path: Path, p: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason):
        read_net(
            tmp_path, net({"x": (1, 3, 3, 2), "im": (1, 3, 30, 40)}, layer("PriorBox", ["x", "im"], prior_box_param=p))
        )


def test_roi_pooling_rounds_ends_and_includes_them(tmp_path: Path) -> None:
    x = positive(2, 3, 9, 11)
    rois = np.float32([[0, 1, 1, 6, 5], [1, 0, 2, 10, 8], [1, 3, 3, 3, 3], [0, 2, 1, 9, 7]])
    got = compute(
        tmp_path, {"x": x, "r": rois},
        layer("ROIPooling", ["x", "r"], roi_pooling_param={"pooled_h": 3, "pooled_w": 2, "spatial_scale": 0.7}),
    )["y"]  # fmt: skip
    want = np.zeros((4, 3, 3, 2), np.float32)
    for n, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (int(np.floor(c * np.float32(0.7) + 0.5)) for c in corners)
        h, w = max(y2 - y1 + 1, 1) / 3, max(x2 - x1 + 1, 1) / 2
        for i in range(3):
            for j in range(2):
                ys = slice(y1 + int(np.floor(i * h)), min(y1 + int(np.ceil((i + 1) * h)), 9))
                xs = slice(x1 + int(np.floor(j * w)), min(x1 + int(np.ceil((j + 1) * w)), 11))
                want[n, :, i, j] = x[int(image), :, ys, xs].max((1, 2), initial=0)
    np.testing.assert_allclose(got, want)


def test_the_number_of_regions_stays_free_beside_the_batch(tmp_path: Path) -> None:
    entry = layer("ROIPooling", ["x", "r"], roi_pooling_param={"pooled_h": 2, "pooled_w": 2})
    reading = read_net(tmp_path, net({"x": (1, 3, 9, 11), "r": (1, 5)}, entry))
    assert [str(value.shape[0]) for value in reading.model.graph.inputs] == ["batch", "r_count"]
