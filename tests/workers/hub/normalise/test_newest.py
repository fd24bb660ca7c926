"""Operators newer than opset 21 against numpy, where onnx's own cases have no constant axis; and what stays refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from benchmarks.suite import by_onnxruntime
from workers.errors import UnsupportedVersion
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

X = np.array([[1.0, 2.0, -3.0], [0.5, np.inf, 4.0]], np.float32)


def model(op: str, opset: int, x: Any, *weights: Any, out: int = TensorProto.FLOAT, **attributes: Any) -> ir.Model:
    names = [f"w{index}" for index in range(len(weights))]
    given = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], **attributes)],
        "newer",
        [given],
        [helper.make_tensor_value_info("y", out, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in zip(names, weights, strict=True)],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10))


def computed(hub: ir.Model, x: Any) -> Any:
    normalise(hub)
    check(hub)
    return by_onnxruntime(serialized(hub), [x])[0]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumulative_products(axis: int, exclusive: int, reverse: int) -> None:
    got = computed(model("CumProd", 26, X, np.asarray(axis), exclusive=exclusive, reverse=reverse), X)
    ordered = np.flip(X, axis) if reverse else X
    want = np.cumprod(ordered, axis=axis)
    if exclusive:
        want = np.roll(want, 1, axis)
        want[(slice(None),) * (axis % 2) + (0,)] = 1
    np.testing.assert_array_equal(got, np.flip(want, axis) if reverse else want)


def test_remainders_have_the_sign_of_the_divisor() -> None:
    x = np.array([5.5, -5.5, 5.5, -5.5, 6.0, -6.0, 0.0, 1.0, -1.0], np.float32)
    y = np.array([2.0, 2.0, -2.0, -2.0, -2.0, 2.0, -3.0, np.inf, np.inf], np.float32)
    got = computed(model("Mod", 28, x, y), x)
    np.testing.assert_array_equal(got, np.mod(x, y))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_signed_shifts_fill_in_the_sign(dtype: Any) -> None:
    x = np.array([1, -1, -128, 127, 64, -3], dtype)
    y = np.array([1, 3, 2, 1, 7, 0], dtype)
    out = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    right = computed(model("BitShift", 28, x, y, out=out, direction="RIGHT"), x)
    np.testing.assert_array_equal(right, np.right_shift(x, y))
    left = computed(model("BitShift", 28, x, y, out=out, direction="LEFT"), x)
    np.testing.assert_array_equal(left, np.left_shift(x, y))


def test_bits_of_floating_point_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVersion, match="bits of a FLOAT as a INT32"):
        computed(model("BitCast", 26, X, out=TensorProto.INT32, to=TensorProto.INT32), X)


def test_a_product_along_an_unknown_axis_is_refused() -> None:
    hub = model("CumProd", 26, X, np.asarray(0))
    (axis,) = hub.graph.initializers.values()
    axis.const_value = None
    del hub.graph.initializers["w0"]
    hub.graph.inputs.append(axis)
    with pytest.raises(UnsupportedVersion, match="axis"):
        normalise(hub)


def pool(op: str, size: int, opset: int, **attributes: Any) -> ir.Model:
    node = helper.make_node(op, ["x"], ["y"], ceil_mode=1, **attributes)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, size, 6])
    graph = helper.make_graph([node], "pool", [given], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10))


@pytest.mark.parametrize(
    ("op", "opset"),
    [(op, opset) for op in ("MaxPool", "AveragePool") for opset in (12, 19, 22)] + [("LpPool", 18), ("LpPool", 22)],
)
def test_a_window_that_begins_behind_the_data_is_not_there(op: str, opset: int) -> None:
    attributes = {"kernel_shape": [3, 2], "strides": [3, 4], "pads": [1, 0, 1, 1]}
    x = np.random.default_rng(0).standard_normal((1, 1, 5, 6)).astype(np.float32)
    before = pool(op, 5, opset, **attributes)
    want = by_onnxruntime(serialized(before), [x])[0]
    hub, changes = normalise(before)
    check(hub)
    np.testing.assert_array_equal(by_onnxruntime(serialized(hub), [x])[0], want)
    assert [dim for dim in hub.graph.outputs[0].shape or ()] == list(want.shape)
    assert "pool-windows" in {change.name for change in changes}
