"""Models of opsets 1 to 6: onnx's own recorded ones, and the old words that those do not use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from benchmarks.judge import difference
from benchmarks.suite import Case, by_onnxruntime, filed_cases
from workers.errors import UnsupportedVersion
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

RECORDED = [case for kind in ("pytorch-converted", "pytorch-operator") for case in filed_cases(kind)]
X = np.linspace(-2, 2, 24, dtype=np.float32).reshape(1, 2, 3, 4)
COLUMN = np.array([1.0, 3.0, 5.0], np.float32)
POWERS = np.array([2, 3], np.float32)
SLOPES = np.array([0.5, 2], np.float32)
BIAS = np.array([1, -1], np.float32).reshape(2, 1, 1)


def normal(model: onnx.ModelProto, inputs: Sequence[Any]) -> list[Any]:
    """What the model in normal form computes."""
    hub, _ = normalise(ir.from_proto(model))
    check(hub)
    return by_onnxruntime(serialized(hub), inputs)


def old(op: str, inputs: Sequence[Any], opset: int, **attributes: Any) -> onnx.ModelProto:
    names = [f"x{index}" for index in range(len(inputs))]
    types = [TensorProto.FLOAT if array.dtype == np.float32 else TensorProto.INT64 for array in inputs]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attributes)],
        "old",
        [helper.make_tensor_value_info(name, type_, array.shape)
         for name, type_, array in zip(names, types, inputs, strict=True)][:1],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in zip(names[1:], inputs[1:], strict=True)],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_models_of_opset_6_compute_what_was_recorded(case: Case) -> None:
    for inputs, outputs in case.samples:
        got = normal(onnx.ModelProto.FromString(case.model), inputs)
        assert difference(outputs, got, case.rtol, case.atol) is None


@pytest.mark.parametrize(
    ("op", "inputs", "opset", "attributes", "want"),
    [
        ("Add", [X, COLUMN], 6, {"broadcast": 1, "axis": 2}, X + COLUMN[:, None]),
        ("Mul", [X, COLUMN], 1, {"broadcast": 1, "axis": -2, "consumed_inputs": [0, 0]}, X * COLUMN[:, None]),
        ("Sub", [X, X[0, 0, 0]], 6, {"broadcast": 1}, X - X[0, 0, 0]),
        ("Pow", [X, POWERS], 1, {"broadcast": 1, "axis": 1}, X ** POWERS.reshape(2, 1, 1)),
        ("PRelu", [X, SLOPES], 6, {}, np.where(X < 0, X * SLOPES.reshape(2, 1, 1), X)),
        ("Cast", [X], 1, {"to": "FLOAT"}, X),
        ("Reshape", [X], 1, {"shape": [4, -1]}, X.reshape(4, 6)),
        ("Pad", [X], 1, {"paddings": [0, 0, 1, 0, 0, 0, 0, 2]}, np.pad(X, [(0, 0), (0, 0), (1, 0), (0, 2)])),
        ("Selu", [X], 1, {}, np.where(X > 0, 1.0507 * X, 1.0507 * (1.6732 * np.exp(X) - 1.6732)).astype(np.float32)),
        ("Tile", [X, np.array([3]), np.array([1])], 1, {}, np.tile(X, (1, 3, 1, 1))),
        ("GlobalLpPool", [X], 1, {"p": 2.0}, np.sqrt((X**2).sum((2, 3), keepdims=True))),
        ("Affine", [X], 1, {"alpha": 2.0, "beta": 0.5}, 2 * X + 0.5),
        ("ImageScaler", [X], 1, {"scale": 2.0, "bias": [1.0, -1.0]}, 2 * X + BIAS),
        ("ParametricSoftplus", [X], 1, {"alpha": 2.0, "beta": 0.5}, (2 * np.log1p(np.exp(0.5 * X))).astype(np.float32)),
        ("ScaledTanh", [X], 1, {"alpha": 2.0, "beta": 0.5}, 2 * np.tanh(0.5 * X)),
        ("Scale", [X], 1, {"scale": 3.0}, 3 * X),
        ("Crop", [X], 1, {"border": [1, 0, 1, 1]}, X[:, :, 0:2, 1:3]),
        ("Crop", [X], 1, {"border": [1, 1, 0, 0], "scale": [2, 2]}, X[:, :, 1:3, 1:3]),
        ("Upsample", [X], 1, {"height_scale": 2.0, "width_scale": 1.0, "mode": "nearest"}, X.repeat(2, axis=2)),
    ],
)  # fmt: skip
def test_old_words_keep_their_meaning(
    op: str, inputs: list[Any], opset: int, attributes: dict[str, Any], want: Any
) -> None:
    (got,) = normal(old(op, inputs, opset, **attributes), inputs[:1])
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "attributes", "word"),
    [("GlobalLpPool", {"p": 1.5}, "no integer"), ("Cast", {"to": "WORD"}, "no element type"), ("ATen", {}, "ATen")],
)
def test_old_words_that_nothing_says_now_are_refused(op: str, attributes: dict[str, Any], word: str) -> None:
    with pytest.raises(UnsupportedVersion, match=word):
        normal(old(op, [X], 1, **attributes), [X])


def test_a_file_from_before_opsets_is_of_opset_1() -> None:
    model = old("Add", [X, COLUMN], 1, broadcast=1, axis=2)
    del model.opset_import[:]
    model.ir_version = 2
    (got,) = normal(model, [X])
    np.testing.assert_array_equal(got, X + COLUMN[:, None])
