"""Budgets: what a small file may make of itself, asked before it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import LimitExceeded
from workers.hub.check import check
from workers.hub.load import load
from workers.hub.normalise import normalise
from workers.inspect.budget import Budget, check_model_proto


def save(path: Path, nodes: list[onnx.NodeProto], output: onnx.ValueInfoProto, **weights: np.ndarray) -> Path:  # type: ignore[type-arg]
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "g", [x], [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (path / "m.onnx").write_bytes(model.SerializeToString())
    return path / "m.onnx"


HUGE = np.array([100_000, 1_000_000], np.int64)


@pytest.mark.parametrize(
    ("op", "inputs", "weights"),
    [
        ("ConstantOfShape", ["s"], {"s": HUGE}),
        ("Expand", ["x", "s"], {"s": HUGE}),
        ("Tile", ["x", "s"], {"s": np.array([10**11])}),
    ],
)
def test_values_of_a_hundred_billion_elements_are_refused_before_running(
    tmp_path: Path, op: str, inputs: list[str], weights: dict[str, np.ndarray]  # type: ignore[type-arg]
) -> None:  # fmt: skip
    node = helper.make_node(op, inputs, ["big"], name="bomb")
    total = helper.make_node("ReduceSum", ["big"], ["y"], keepdims=0)
    path = save(tmp_path, [node, total], helper.make_tensor_value_info("y", TensorProto.FLOAT, []), **weights)
    model, _ = normalise(load(path))
    with pytest.raises(LimitExceeded) as caught:
        check(model)
    assert caught.value.problem()["which"] == "memory" and caught.value.layer == "bomb"


def loop(trips: np.ndarray, condition: list[onnx.NodeProto]) -> tuple[onnx.NodeProto, dict[str, np.ndarray]]:  # type: ignore[type-arg]
    body = helper.make_graph(
        [*condition, helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1]),
        ],
    )
    return helper.make_node("Loop", ["n", "", "x"], ["y"], name="spin", body=body), {"n": trips}


def test_a_loop_without_an_end_is_refused_and_one_with_a_condition_is_not(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    for_ever = [helper.make_node("Identity", ["c"], ["go"])]
    node, weights = loop(np.array(2**63 - 1), for_ever)
    with pytest.raises(LimitExceeded, match="spin") as caught:
        check(normalise(load(save(tmp_path, [node], output, **weights)))[0])
    assert caught.value.problem()["which"] == "time"
    node, weights = loop(np.array(10), for_ever)
    check(normalise(load(save(tmp_path, [node], output, **weights)))[0])
    ends = [
        helper.make_node("ReduceSum", ["v"], ["sum"], keepdims=0),
        helper.make_node("Less", ["sum", "limit"], ["go"]),
        helper.make_node("Constant", [], ["limit"], value_float=9.0),
    ]
    node, weights = loop(np.array(2**63 - 1), [ends[2], *ends[:2]])
    check(normalise(load(save(tmp_path, [node], output, **weights)))[0])


def test_nodes_and_initialisers_are_counted_in_nested_graphs_too() -> None:
    inner = helper.make_graph([helper.make_node("Relu", ["x"], [f"r{i}"]) for i in range(5)], "inner", [], [])
    node = helper.make_node("If", ["c"], [], then_branch=inner, else_branch=inner)
    model = helper.make_model(helper.make_graph([node], "g", [], []))
    check_model_proto(model, "m.onnx", Budget(nodes=11))
    with pytest.raises(LimitExceeded, match="11 nodes"):
        check_model_proto(model, "m.onnx", Budget(nodes=10))
    inner.initializer.extend(numpy_helper.from_array(np.zeros(1), f"w{i}") for i in range(3))
    weighty = helper.make_model(helper.make_graph([helper.make_node("If", ["c"], [], then_branch=inner)], "g", [], []))
    with pytest.raises(LimitExceeded, match="3 initialisers"):
        check_model_proto(weighty, "m.onnx", Budget(initializers=2))
