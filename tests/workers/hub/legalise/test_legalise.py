"""The search as a whole: chains, rolled back attempts, sub-graphs, and the one complete refusal."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.hub.legalise.cases import built, drawn, run, weight
from workers.errors import UnsupportedOperators
from workers.formats.rules import Writes
from workers.hub.graph import GraphBuilder
from workers.hub.legalise import legalise


def only(*operators: str, **conditions: str) -> Writes:
    """A writer of these operators; ``Conv="even pads"`` adds a condition by name."""
    writes: Writes = Writes("target")
    even = lambda n: n.ints("pads")[:2] == n.ints("pads")[2:] or "padding must be even"  # noqa: E731
    for operator in operators:
        writes(operator, only_if=even if conditions.get(operator) == "even pads" else None)(lambda net, node: None)
    return writes


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def test_rules_are_chained_until_every_node_is_accepted() -> None:
    """HardSwish -> x * HardSigmoid -> Clip -> Min(Max) -> Neg(Max(Neg)) -> Mul(-1)."""
    model = built([["batch", 4]], lambda g, x: g.HardSwish(x))
    feeds = drawn(model, low=-5, high=5)
    before = run(model, feeds)
    notes = legalise(model, only("Mul", "Add", "Max"), system="target")
    assert set(operators(model)) == {"Mul", "Add", "Max"}
    np.testing.assert_allclose(run(model, feeds)[0], before[0], atol=1e-6)
    assert [note.code for note in notes][:2] == ["hard-swish-to-hard-sigmoid", "hard-sigmoid-to-clip"]


def test_a_rule_may_use_what_another_rule_can_say() -> None:
    """Neg is no operator of the target either: it becomes a product, as a part of the sum."""
    model = built([["batch", 4], ["batch", 4]], lambda g, x, y: g.Sub(x, y))
    notes = legalise(model, only("Add", "Mul"), system="target")
    assert operators(model) == ["Mul", "Add"]
    assert [note.code for note in notes] == ["sub-to-add", "neg-to-mul"]


def test_nodes_that_are_accepted_are_left_alone() -> None:
    model = built([["batch", 4]], lambda g, x: g.HardSwish(g.Relu(x)))
    assert legalise(model, only("HardSwish", "Relu"), system="target") == []
    assert operators(model) == ["Relu", "HardSwish"]


def test_a_condition_of_the_writer_counts() -> None:
    model = built(
        [["batch", 3, 8, 8]],
        lambda g, x: g.Conv(x, g.weight("w", weight(2, 3, 3, 3)), pads=[0, 0, 1, 1], strides=[2, 2], dilations=[1, 1]),
    )
    feeds = drawn(model)
    before = run(model, feeds)
    notes = legalise(model, only("Conv", Conv="even pads"), system="target")
    assert [note.code for note in notes] == ["conv-even-padding"]
    np.testing.assert_allclose(run(model, feeds)[0], before[0], atol=1e-5)


def test_what_fed_only_replaced_nodes_is_dropped() -> None:
    """A target without Shape takes a Reshape whose computed shape inference knows."""

    def build(g: GraphBuilder, x: ir.Value) -> ir.Value:
        batch = g.Slice(g.Shape(x), [0], [1])
        y = g.Reshape(x, g.Concat(batch, [-1], axis=0))
        y.shape = ir.Shape(["batch", 12])
        return y

    model = built([["batch", 3, 4]], build)
    writes: Writes = Writes("target")
    writes("Reshape", only_if=lambda n: n.const(1) is not None or "computed")(lambda net, node: None)
    notes = legalise(model, writes, system="target")
    assert operators(model) == ["Reshape"]
    assert [note.code for note in notes] == ["reshape-to-known-shape"]
    assert run(model, drawn(model))[0].shape == (2, 12)


def test_everything_left_over_is_one_refusal() -> None:
    g = GraphBuilder()
    x = g.input("x", ["batch", 3, 4, 4])
    with g.layer("det", "Detector"):
        y = g.NonMaxSuppression(g.Reshape(x, [1, -1, 4]), g.Reshape(x, [1, 1, -1]))
    with g.layer("pick", "ArgMax"):
        z = g.ArgMax(g.HardSwish(x), axis=1)
    g.output(y, "y")
    g.output(z, "z")
    model = g.model()
    writes = only("Reshape", "Mul", "Clip", "Add")
    writes.refuse("blobs hold float32 only", "ArgMax")
    with pytest.raises(UnsupportedOperators) as refusal:
        legalise(model, writes, system="target")
    assert [(item.layer, item.type) for item in refusal.value.items] == [("det", "Detector"), ("pick", "ArgMax")]
    assert refusal.value.items[0].reason == "NonMaxSuppression: target has no counterpart that onnxhub writes"
    assert refusal.value.items[1].reason == "blobs hold float32 only"


def test_a_failed_attempt_leaves_nothing_behind() -> None:
    """Gemm could be MatMul and Add; without Add the attempt is undone, transposed weights included."""
    model = built(
        [["batch", 4]],
        lambda g, x: g.Gemm(x, g.weight("b", weight(5, 4)), g.weight("c", weight(5)), transB=1, alpha=1.0, beta=1.0),
    )
    names = set(model.graph.initializers)
    with pytest.raises(UnsupportedOperators):
        legalise(model, only("MatMul"), system="target")
    assert operators(model) == ["Gemm"]
    assert set(model.graph.initializers) == names


def test_sub_graphs_are_legalised_too() -> None:
    inner = GraphBuilder("body")
    x = ir.Value(name="x", shape=ir.Shape([2, 3]), type=ir.TensorType(ir.DataType.FLOAT))
    branches = []
    for name in ("then", "else"):
        inner = GraphBuilder(name)
        inner.output(inner.Neg(x) if name == "then" else inner.Relu(x), f"{name}_y")
        branches.append(inner.graph)
    g = GraphBuilder()
    condition = g.input("c", [], ir.DataType.BOOL)
    g.graph.inputs.append(x)
    g.output(g.If(condition, then_branch=branches[0], else_branch=branches[1]), "y")
    model = g.model()
    notes = legalise(model, only("If", "Mul", "Relu"), system="target")
    assert [note.code for note in notes] == ["neg-to-mul"]
    assert [node.op_type for node in branches[0]] == ["Mul"]
    feeds = {"c": np.asarray(True), "x": np.ones((2, 3), np.float32)}
    np.testing.assert_array_equal(run(model, feeds)[0], -feeds["x"])


def test_graph_outputs_keep_their_names_and_order() -> None:
    model = built([["batch", 4]], lambda g, x: [g.Neg(x), g.Relu(g.Dropout(x)), g.Dropout(x)])
    legalise(model, only("Mul", "Relu", "Identity"), system="target")
    assert [value.name for value in model.graph.outputs] == ["y0", "y1", "y2"]
    assert sorted(operators(model)) == ["Identity", "Mul", "Relu"]
