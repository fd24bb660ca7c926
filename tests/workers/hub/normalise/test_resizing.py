"""A Resize that names some axes computes the same when it names all, also between transposes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from workers.errors import CheckerFailed
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

X = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)


def between_transposes(given: str, target: str, attributes: str = "") -> onnx.ModelProto:
    """Channels last outside, channels first at the Resize, as exporters of TensorFlow's models leave it."""
    return onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 21]>
        net (float[n, 5, 7, 3] x) => (float[n, h, w, 3] y) <{given}> {{
            first = Transpose<perm = [0, 3, 1, 2]>(x)
            wide = Resize<mode = "linear", axes = [3, -2]{attributes}>(first, , {target})
            y = Transpose<perm = [0, 2, 3, 1]>(wide)
        }}""")


def computed(model: onnx.ModelProto, level: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


@pytest.mark.parametrize(
    ("given", "target"), [("float[2] s = {2, 3}", "s"), ("int64[2] s = {9, 11}", ", s")], ids=["scales", "sizes"]
)
def test_all_axes_are_named_and_optimising_no_longer_fails(given: str, target: str) -> None:
    before = between_transposes(given, target)
    want = computed(before, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    hub, changes = normalise(ir.from_proto(before))
    check(hub)
    assert "resize-axes" in [change.name for change in changes]
    assert all("axes" not in node.attributes for node in hub.graph if node.op_type == "Resize")
    got = computed(serialized(hub), onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    np.testing.assert_array_equal(got, want)


def test_proportions_that_are_kept_among_the_named_axes_stay() -> None:
    policy = ', keep_aspect_ratio_policy = "not_larger"'
    _, changes = normalise(ir.from_proto(between_transposes("int64[2] s = {9, 11}", ", s", policy)))
    assert "resize-axes" not in [change.name for change in changes]


@pytest.mark.parametrize(("given", "target"), [("float[3] s = {2, 3, 4}", "s"), ("int64[1] s = {9}", ", s")])
def test_other_numbers_than_axes_are_refused(given: str, target: str) -> None:
    with pytest.raises(CheckerFailed, match="Resize"):
        normalise(ir.from_proto(between_transposes(given, target)))
