"""What OpenCV is known to compute otherwise is said of the very layers that have it, and of no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workers.formats.caffe.nets import layer, net, normal, save
from tests.workers.formats.cases import Case, cases
from workers.formats.caffe.doubts import DOUBTS, doubts
from workers.formats.caffe.read import read
from workers.hub.graph import GraphBuilder

HUB = GraphBuilder().model()

DOUBTED = [
    layer("Log", log_param={"base": 10}),
    layer("MVN", mvn_param={"eps": 0.1}),
    layer("Deconvolution", convolution_param={"num_output": 4, "kernel_size": [3], "dilation": [2]}),
    layer("Interp", interp_param={"height": 9, "width": 9, "pad_beg": -1}),
    layer("PriorBox", ["x", "x"], prior_box_param={"min_size": [4], "step_h": 3}),
    layer("Reorg", reorg_param={"stride": 2, "reverse": True}),
    layer("ReLU6", relu6_param={"n": 3}),
    layer("Slice", top=["y", "z"]),
    layer("Scale", ["x", "x"], blobs=(normal(1, 4),), scale_param={"bias_term": True}),
    layer("DetectionOutput", ["x", "x", "x"], detection_output_param={"num_classes": 2}),
]
UNDOUBTED = [
    layer("Log"),
    layer("MVN"),
    layer("Deconvolution", convolution_param={"num_output": 4, "kernel_size": [3]}),
    layer("Interp", interp_param={"height": 9, "width": 9}),
    layer("PriorBox", ["x", "x"], prior_box_param={"min_size": [4], "step": 3}),
    layer("Reorg", reorg_param={"stride": 2}),
    layer("ReLU6"),
    layer("Slice", top=["y", "z"], slice_param={"slice_point": [1]}),
    layer("Scale", ["x", "x"]),
]


@pytest.mark.parametrize("entry", DOUBTED, ids=lambda entry: entry["type"])
def test_a_doubted_layer_is_named(tmp_path: Path, entry: dict[str, Any]) -> None:
    (said,) = doubts(save(tmp_path, net({"x": (1, 4, 5, 6)}, entry)), HUB)
    assert said.startswith(f"layer '{entry['name']}' ({entry['type']}): ")


@pytest.mark.parametrize("entry", UNDOUBTED, ids=lambda entry: entry["type"])
def test_the_usual_form_is_not_doubted(tmp_path: Path, entry: dict[str, Any]) -> None:
    assert doubts(save(tmp_path, net({"x": (1, 4, 5, 6)}, entry)), HUB) == []


def test_every_doubt_is_provoked() -> None:
    assert {type_ for type_, _, _ in DOUBTS} == {entry["type"] for entry in DOUBTED}


@pytest.mark.parametrize(
    "case",
    cases("caffe", "lenet_v1", "resnet_bn_scale", "googlenet_lrn", "mlp_784_64_10", "mobilenet_v2_clip"),
    ids=str,
)
def test_classic_nets_are_beyond_doubt(case: Case) -> None:
    assert doubts(case.files, read(case.request()).model) == []


def test_files_that_are_no_caffe_raise_no_doubt(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello")
    assert doubts([tmp_path / "a"], HUB) == []
