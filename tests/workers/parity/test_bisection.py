"""A target that gives only outputs: the graph is cut, rewritten and run until the wrong layer stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.workers.parity.nets import conv_net, faulty_writer, lstm_net, saved, weight
from workers.errors import UnsupportedConversion
from workers.hub.graph import GraphBuilder
from workers.parity import npz
from workers.parity.bisection import Rewrite, bisect
from workers.parity.draw import draw
from workers.parity.runtime import Session
from workers.report.schema import Divergence

Arrays = Mapping[str, np.ndarray]


def setting(name: str, value: object) -> Callable[[ir.Node], None]:
    def spoil(node: ir.Node) -> None:
        node.attributes[name] = ir.convenience.convert_attribute(name, value)

    return spoil


def swap_gates(node: ir.Node) -> None:
    """i, o, f, c read as i, f, o, c."""
    for value in node.inputs[1:3]:
        assert value is not None and value.const_value is not None
        blocks = np.split(value.const_value.numpy(), 4, axis=1)
        value.const_value = ir.Tensor(np.concatenate([blocks[0], blocks[2], blocks[1], blocks[3]], axis=1))


def search(hub: ir.Model, rewrite: Rewrite, folder: Path) -> Divergence | None:
    return bisect(hub, saved(hub, folder / "hub.onnx"), rewrite, draw(hub)[0].inputs, folder / "out")


MISTAKES: dict[str, tuple[str, Callable[[ir.Node], None], str]] = {
    "pads": ("Conv", setting("pads", [2, 2, 0, 0]), "conv1"),
    "a window": ("LRN", setting("size", 5), "lrn1"),
    "epsilon": ("BatchNormalization", setting("epsilon", 1e-5), "bn1"),
    "a slope": ("LeakyRelu", setting("alpha", 0.01), "leaky1"),
    "transB": ("Gemm", setting("transB", 0), "fc1"),
    "axis": ("Softmax", setting("axis", 2), "prob"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_writer_with_one_mistake_is_caught_at_its_layer(mistake: str, tmp_path: Path) -> None:
    op_type, spoil, layer = MISTAKES[mistake]
    found = search(conv_net(), faulty_writer(op_type, spoil), tmp_path)
    assert found is not None and found.layer == layer
    assert "Written alone" in found.detail
    part = onnx.load(tmp_path / "out" / str(found.model))
    assert op_type in [node.op_type for node in part.graph.node] and len(part.graph.node) <= 2
    arrays = npz.load(tmp_path / "out" / str(found.sample))
    got = Session(tmp_path / "out" / str(found.model)).run(arrays)[found.tensor]
    np.testing.assert_allclose(got, arrays[found.tensor], rtol=1e-4, atol=1e-5)


def test_swapped_gates_are_caught(tmp_path: Path) -> None:
    found = search(lstm_net(), faulty_writer("LSTM", swap_gates), tmp_path)
    assert found is not None and (found.layer, found.op) == ("lstm1", "Squeeze")


def test_a_target_that_agrees_has_no_divergence(tmp_path: Path) -> None:
    assert search(conv_net(), faulty_writer("Conv", lambda node: None), tmp_path) is None


def chain(length: int, op_type: str = "Relu") -> ir.Model:
    g = GraphBuilder("chain")
    x = g.input("x", [2, 8])
    for index in range(length):
        with g.layer(f"fc{index}", "Dense"):
            x = g.MatMul(x, g.weight(f"w{index}", weight(8, 8, seed=index)))
        if index == length // 3:
            with g.layer("odd", "Odd"):
                x = g.Elu(x, alpha=1.0)
    g.output(x, "y")
    return g.model()


def test_a_deep_network_takes_a_logarithm_of_rewritings(tmp_path: Path) -> None:
    count = 0
    faulty = faulty_writer("Elu", setting("alpha", 0.5))

    def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
        nonlocal count
        count += 1
        return faulty(part)

    found = search(chain(100), rewrite, tmp_path)
    assert found is not None and found.layer == "odd"
    assert count <= 10


def test_branches_that_cross_the_cut_are_all_watched(tmp_path: Path) -> None:
    """The wrong branch is long over when the right one, which every later cut sees too, still runs."""
    g = GraphBuilder("branches")
    x = g.input("x", [4, 8])
    with g.layer("wrong", "Elu"):
        left = g.Elu(x, alpha=1.0)
    right = x
    for index in range(6):
        with g.layer(f"right{index}", "Dense"):
            right = g.MatMul(right, g.weight(f"w{index}", weight(8, 8, seed=index)))
    with g.layer("join", "Eltwise"):
        g.output(g.Add(left, right), "y")
    found = search(g.model(), faulty_writer("Elu", setting("alpha", 0.5)), tmp_path)
    assert found is not None and found.layer == "wrong"


def test_places_that_cannot_be_written_are_stepped_over(tmp_path: Path) -> None:
    """The writer takes nothing that ends in a MatMul: what it refuses is no sign of a mistake."""
    faulty = faulty_writer("Elu", setting("alpha", 0.5))

    def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
        if part.graph[-1].op_type == "MatMul" and len(part.graph) < 13:
            raise UnsupportedConversion("the target never ends in a product")
        return faulty(part)

    found = search(chain(12), rewrite, tmp_path)
    assert found is not None
    assert found.layer == "odd" or "between 'fc0' and 'odd'" in found.detail


def test_a_mistake_that_shows_in_company_only_is_told_with_its_company(tmp_path: Path) -> None:
    """This target fuses MatMul and Elu, and only the fused form is wrong."""
    faulty = faulty_writer("Elu", setting("alpha", 0.5))

    def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
        fused = any(node.op_type == "MatMul" for node in part.graph)
        return faulty(part) if fused else Session.of(part).run

    found = search(chain(9), rewrite, tmp_path)
    assert found is not None and found.layer == "odd"
    assert "it shows from 'fc3' on" in found.detail
    part = onnx.load(tmp_path / "out" / str(found.model))
    assert [node.op_type for node in part.graph.node] == ["MatMul", "Elu"]


def test_a_target_that_can_write_no_part_leaves_the_whole_as_suspect(tmp_path: Path) -> None:
    faulty = faulty_writer("Elu", setting("alpha", 0.5))
    hub = chain(6)

    def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
        if len(part.graph) < len(hub.graph):
            raise UnsupportedConversion("whole models only")
        return faulty(part)

    found = search(hub, rewrite, tmp_path)
    assert found is not None and "between 'fc0' and 'fc5'" in found.detail
    assert len(onnx.load(tmp_path / "out" / str(found.model)).graph.node) == 7


def test_weights_are_shared_with_the_parts_not_copied(tmp_path: Path) -> None:
    hub = chain(3)
    weights = {id(value.const_value) for value in hub.graph.initializers.values()}

    def rewrite(part: ir.Model) -> Callable[[Arrays], Arrays]:
        assert {id(value.const_value) for value in part.graph.initializers.values()} <= weights
        return Session.of(part).run

    assert search(hub, rewrite, tmp_path) is None
