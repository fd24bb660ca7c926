"""QLinearConv and QLinearMatMul as float operators between conversions; onnxruntime runs both."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from workers.hub.node import Node
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

RNG = np.random.default_rng(3)
PER_ROW = np.full(4, 0.01, np.float32)


def model(op: str, arrays: dict[str, Any], shape: list[int], **attributes: Any) -> onnx.ModelProto:
    """One operator; input ``x`` is of uint8, everything else a constant."""
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", *(["b"] if "b" in arrays else [])]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], name="layer", **attributes)],
        "quantised",
        [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def constants(weights: Any, scale: Any, zero: Any, out: float, **more: Any) -> dict[str, Any]:
    """One scale for the input and the output; ``scale`` and ``zero`` are the weights'."""
    return {
        "xs": np.float32(0.03), "xz": np.uint8(120), "w": weights, "ws": scale, "wz": zero,
        "ys": np.float32(out), "yz": np.uint8(100), **more,
    }  # fmt: skip


def run(proto: onnx.ModelProto, x: Any) -> Any:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


KERNEL = RNG.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8)
DEPTHWISE = RNG.integers(-127, 127, (6, 1, 3, 3)).astype(np.int8)
BIAS = RNG.integers(-9000, 9000, 4).astype(np.int32)
MATRIX = RNG.integers(0, 255, (6, 5)).astype(np.uint8)
CASES = {
    "conv": model("QLinearConv", constants(KERNEL, np.float32(0.01), np.int8(0), 0.05), [2, 3, 8, 8]),
    "conv-per-channel-bias": model(
        "QLinearConv", constants(KERNEL, PER_ROW * np.array([1, 2, 3, 4], "f"), np.zeros(4, np.int8), 0.1, b=BIAS),
        [2, 3, 8, 8], pads=[1, 1, 1, 1], strides=[2, 2],
    ),
    "conv-grouped": model(
        "QLinearConv", constants(DEPTHWISE, np.float32(0.02), np.int8(0), 0.1),
        [1, 3, 7, 7], group=3,
    ),
    "matmul": model("QLinearMatMul", constants(MATRIX, np.float32(0.02), np.uint8(130), 0.1), [4, 6]),
    "matmul-stacked": model("QLinearMatMul", constants(MATRIX, np.float32(0.02), np.uint8(130), 0.1), [2, 3, 4, 6]),
    "matmul-per-column": model(
        "QLinearMatMul",
        constants(MATRIX.astype(np.int8), np.linspace(0.01, 0.03, 5, dtype=np.float32), np.zeros(5, np.int8), 0.1),
        [4, 6],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_result_is_within_one_step_and_weights_stay_integers(case: str) -> None:
    source = CASES[case]
    shape = [dim.dim_value for dim in source.graph.input[0].type.tensor_type.shape.dim]
    x = RNG.integers(0, 255, shape).astype(np.uint8)
    want = run(source, x)
    hub, changes = normalise(ir.from_proto(source))
    got = run(serialized(hub), x)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 1 < np.ptp(want)
    kinds = [node.op_type for node in hub.graph]
    assert kinds.count("QuantizeLinear") == 1 and "QLinearConv" not in kinds and "QLinearMatMul" not in kinds
    given = [Node(node).const(0) for node in hub.graph if node.op_type == "DequantizeLinear"]
    assert [array.dtype.itemsize for array in given if array is not None] == [1]
    assert "qdq" in {change.name for change in changes}


def test_scales_of_rows_stay_in_the_operator() -> None:
    """The left factor's scale a row is no axis that the float product could take from DequantizeLinear's default."""
    arrays = constants(MATRIX, np.float32(0.02), np.uint8(130), 0.1)
    source = model("QLinearMatMul", {**arrays, "xs": PER_ROW, "xz": np.zeros(4, np.uint8)}, [4, 6])
    hub, _ = normalise(ir.from_proto(source))
    assert [node.op_type for node in hub.graph] == ["QLinearMatMul"]
