"""Drawn inputs suit their consumers, and every free axis is tried at a second size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.parity.nets import conv_net
from workers.errors import LimitExceeded
from workers.hub.graph import GraphBuilder, Value
from workers.parity.draw import draw
from workers.parity.runtime import RuntimeRefused, Session

FLOAT, INT64, BOOL, UINT8 = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.BOOL, ir.DataType.UINT8
TABLE = np.random.default_rng(0).random((7, 4), np.float32)

Body = Callable[[GraphBuilder, Value], Value]


def net(body: Body, shape: list[int | str | None], dtype: ir.DataType = FLOAT, name: str = "x") -> ir.Model:
    g = GraphBuilder("net")
    g.output(body(g, g.input(name, shape, dtype)), "y")
    return g.model()


def drawn(model: ir.Model, seed: int = 0) -> list[np.ndarray]:
    name = model.graph.inputs[0].name or ""
    return [sample.inputs[name] for sample in draw(model, seed=seed)]


def test_two_different_inputs_and_one_with_another_batch() -> None:
    first, second, third = draw(conv_net())
    assert [s.name for s in (first, second, third)] == ["drawn 1", "drawn 2", "batch = 3"]
    assert first.inputs["data"].shape == second.inputs["data"].shape == (1, 3, 12, 12)
    assert third.inputs["data"].shape == (3, 3, 12, 12)
    assert first.inputs["data"].dtype == np.float32
    assert first.inputs["data"].min() < 0 <= second.inputs["data"].min()
    assert (first.origin, first.seed) == ("drawn", 0)


def test_the_seed_alone_decides_the_numbers() -> None:
    for again, other, once in zip(drawn(conv_net(), 5), drawn(conv_net(), 6), drawn(conv_net(), 5), strict=True):
        np.testing.assert_array_equal(once, again)
        assert not np.array_equal(once, other)


INDICES: dict[str, tuple[Body, ir.DataType]] = {
    "gather": (lambda g, x: g.Gather(TABLE, x, axis=0), INT64),
    "gather by a float that is cast": (lambda g, x: g.Gather(TABLE, g.Cast(x, to=INT64)), FLOAT),
    "gather behind shape operators": (
        lambda g, x: g.Gather(TABLE, g.Cast(g.Reshape(g.Unsqueeze(x, [0]), [-1]), to=INT64)), FLOAT),
    "gather that counts negative ones from the end": (
        lambda g, x: g.Gather(TABLE, g.Where(g.Less(x, np.int64(0)), g.Add(x, np.int64(7)), x)), INT64),
    "one hot": (lambda g, x: g.OneHot(x, np.array(7), np.array([0, 1], np.float32)), INT64),
    "gather elements": (lambda g, x: g.GatherElements(TABLE, x, axis=0), INT64),
}  # fmt: skip


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_lies_within_its_table(kind: str) -> None:
    body, dtype = INDICES[kind]
    model = net(body, [40, 4], dtype)
    session = Session.of(model)
    for array in drawn(model):
        assert set(np.unique(array)) == set(range(7))
        session.run({"x": array})


def test_the_smallest_of_several_tables_bounds_an_index() -> None:
    body: Body = lambda g, x: g.Add(g.Gather(TABLE, x), g.Gather(TABLE[:3], x))  # noqa: E731
    assert max(array.max() for array in drawn(net(body, [50], INT64))) == 2


def test_an_index_is_followed_into_the_body_of_a_scan() -> None:
    inner = GraphBuilder("body")
    step = inner.input("step", [], INT64)
    inner.output(inner.Gather(TABLE, step, axis=0), "row")
    model = net(lambda g, x: g.Scan(x, body=inner.graph, num_scan_inputs=1), [30], INT64)
    assert max(array.max() for array in drawn(model)) == 6


def test_sequence_lengths_lie_between_one_and_the_number_of_steps() -> None:
    w, r = np.ones((1, 8, 3), np.float32), np.ones((1, 8, 2), np.float32)
    g = GraphBuilder("net")
    x = g.input("x", [5, 20, 3])
    lengths = g.input("lengths", [20], ir.DataType.INT32)
    g.output(g.ops("LSTM", x, w, r, None, lengths, outputs=3, hidden_size=2)[0], "y")
    for sample in draw(g.model()):
        assert sample.inputs["lengths"].dtype == np.int32
        assert set(np.unique(sample.inputs["lengths"])) <= set(range(1, 6))


def test_the_continuation_input_of_caffes_recurrent_layers_begins_with_a_sequence() -> None:
    g = GraphBuilder("net")
    cont = g.input("sequence_start", [7, 3])
    with g.layer("lstm1", "LSTM"):
        g.output(g.Mul(g.Unsqueeze(cont, [2]), np.ones(4, np.float32)), "y")
    first, second = drawn(g.model())[:2]
    assert (first[0] == 0).all() and (first[1:] == 1).all()
    assert (second[0] == 0).all() and set(np.unique(second)) == {0.0, 1.0}


def test_conditions_are_zero_or_one_whatever_their_type() -> None:
    body: Body = lambda g, x: g.Where(g.Cast(x, to=BOOL), np.float32(1), np.float32(2))  # noqa: E731
    assert set(np.unique(drawn(net(body, [50]))[0])) == {0.0, 1.0}
    assert drawn(net(lambda g, x: g.Not(x), [50], BOOL))[0].dtype == np.bool_


def test_an_attention_mask_lets_everything_through_first_and_hides_something_then() -> None:
    first, second = drawn(net(lambda g, x: g.Cast(x, to=FLOAT), [4, 8], INT64, "attention_mask"))[:2]
    assert (first == 1).all() and 0 < second.mean() < 1


@pytest.mark.parametrize("op", ["Log", "Sqrt", "Acosh", "Atanh"])
def test_operators_of_a_narrow_domain_get_numbers_from_it(op: str) -> None:
    model = net(lambda g, x: g.op(op, x), [100])
    for array in drawn(model):
        assert np.isfinite(Session.of(model).run({"x": array})["y"]).all()


def test_floats_that_become_integers_are_whole() -> None:
    array = drawn(net(lambda g, x: g.Cast(x, to=INT64), [20]))[0]
    assert array.dtype == np.float32 and (array == np.round(array)).all() and array.max() > 1


def test_bytes_take_all_their_values() -> None:
    array = drawn(net(lambda g, x: g.Cast(x, to=FLOAT), [2000], UINT8))[0]
    assert array.dtype == np.uint8 and array.min() < 10 and array.max() > 245


def test_every_free_axis_has_a_second_size_while_the_others_stay() -> None:
    model = net(lambda g, x: g.Relu(x), ["batch", 3, "height", "width"])
    shapes = {sample.name: sample.inputs["x"].shape for sample in draw(model)}
    assert shapes == {
        "drawn 1": (1, 3, 64, 64),
        "drawn 2": (1, 3, 64, 64),
        "batch = 3": (3, 3, 64, 64),
        "height = 96": (1, 3, 96, 64),
        "width = 96": (1, 3, 64, 96),
    }


def test_a_symbol_has_one_size_in_all_inputs() -> None:
    g = GraphBuilder("net")
    a, b = g.input("a", ["batch", 4]), g.input("b", ["batch", 4])
    g.output(g.Add(a, b), "y")
    for sample in draw(g.model()):
        Session.of(g.model()).run(sample.inputs)
        assert sample.inputs["a"].shape == sample.inputs["b"].shape


def test_first_axes_without_a_symbol_go_together() -> None:
    g = GraphBuilder("net")
    a, b = g.input("a", [None, 4]), g.input("b", [None, 4])
    g.output(g.Add(a, b), "y")
    assert [sample.inputs["b"].shape[0] for sample in draw(g.model())] == [1, 1, 3]


def test_sizes_are_chosen_that_the_model_runs_at() -> None:
    weight = np.ones((3, 3 * 224 * 224), np.float32)
    model = net(lambda g, x: g.Gemm(g.Flatten(x), weight, transB=1), [1, 3, "h", "w"])
    session = Session.of(model)

    def accepts(inputs: dict[str, np.ndarray]) -> bool:
        try:
            session.run(inputs)
        except RuntimeRefused:
            return False
        return True

    assert {sample.inputs["x"].shape for sample in draw(model, accepts=accepts)[:2]} == {(1, 3, 224, 224)}


def test_an_input_too_large_for_any_memory_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="bytes"):
        draw(net(lambda g, x: g.Relu(x), [1 << 20, 1 << 20]))
