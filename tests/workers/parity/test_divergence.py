"""Networks with one wrong setting: each is a mismatch, and the layer that is wrong gets named, alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.workers.parity.nets import conv_net, lstm_net, saved, weight
from workers.hub.graph import GraphBuilder
from workers.options import Tolerance
from workers.parity import divergence, npz
from workers.parity.check import Runs, compare_runs
from workers.parity.divergence import ONLY_OUTPUTS, PeekOnnx, Subject, compare_layers, explained, first_divergence
from workers.parity.draw import draw
from workers.parity.runtime import Session
from workers.report.schema import Divergence

MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "pads": ({"pads": [2, 2, 0, 0]}, "conv1", "Convolution"),
    "a window": ({"size": 5}, "lrn1", "LRN"),
    "epsilon": ({"epsilon": 1e-5}, "bn1", "BatchNorm"),
    "one weight": ({"bias": 0.01}, "bn1", "BatchNorm"),
    "a slope": ({"alpha": 0.01}, "leaky1", "LeakyReLU"),
    "transB": ({"transB": 0}, "fc1", "InnerProduct"),
    "axis": ({"axis": 2}, "prob", "Softmax"),
}


def search(right: ir.Model, wrong: ir.Model, folder: Path, **more: Any) -> Divergence | None:
    reference = PeekOnnx(saved(right, folder / "right.onnx"), right)
    subject = Subject.of(saved(wrong, folder / "wrong.onnx"), wrong)
    return first_divergence(reference, subject, draw(right)[0].inputs, folder / "out", **more)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_wrong_setting_is_a_mismatch_and_is_found(mistake: str, tmp_path: Path) -> None:
    changes, layer, layer_type = MISTAKES[mistake]
    right, wrong = conv_net(), conv_net(**changes)
    reference, result = Runs("right", Session.of(right).run), Runs("wrong", Session.of(wrong).run)
    assert compare_runs("hub", reference, result, draw(right)).verdict == "mismatched"
    found = search(right, wrong, tmp_path)
    assert found is not None
    assert (found.layer, found.layer_type) == (layer, layer_type)
    assert [error.layer for error in found.layers if not error.passed] == [layer]


def test_a_wrong_order_of_gates_is_found(tmp_path: Path) -> None:
    found = search(lstm_net(), lstm_net("ifoc"), tmp_path)
    assert found is not None and (found.layer, found.op) == ("lstm1", "LSTM")


def test_layers_behind_the_culprit_carry_its_error_but_none_of_their_own(tmp_path: Path) -> None:
    found = search(conv_net(), conv_net(pads=[2, 2, 0, 0]), tmp_path)
    assert found is not None
    behind = {error.layer: error for error in found.layers if error.layer in ("relu1", "fc1")}
    assert all(error.accumulated > 1 and error.local == 0.0 and error.passed for error in behind.values())
    assert set(behind) == {"relu1", "fc1"}


def test_the_smallest_part_is_left_with_the_arrays_that_show_it(tmp_path: Path) -> None:
    found = search(conv_net(), conv_net(alpha=0.01), tmp_path, stem="hub-divergence")
    assert found is not None and (found.model, found.sample) == ("hub-divergence.onnx", "hub-divergence.npz")
    part = onnx.load(tmp_path / "out" / "hub-divergence.onnx")
    assert [node.op_type for node in part.graph.node] == ["LeakyRelu"]
    arrays = npz.load(tmp_path / "out" / "hub-divergence.npz")
    got = Session(tmp_path / "out" / "hub-divergence.onnx").run(arrays)["leaky1"]
    negative = arrays["pool1"] < 0
    np.testing.assert_allclose(arrays["leaky1"][negative], arrays["pool1"][negative] * np.float32(0.1), rtol=1e-6)
    np.testing.assert_allclose(got[negative], arrays["pool1"][negative] * np.float32(0.01), rtol=1e-6)


def test_models_that_agree_have_no_divergence(tmp_path: Path) -> None:
    assert search(conv_net(), conv_net(), tmp_path) is None


def test_every_layer_is_compared_on_request(tmp_path: Path) -> None:
    model = conv_net()
    path = saved(model, tmp_path / "m.onnx")
    errors = compare_layers(PeekOnnx(path, model), Subject.of(path, model), draw(model)[0].inputs)
    layers = ["conv1", "relu1", "lrn1", "bn1", "pool1", "leaky1", "fc1", "fc1", "prob", "prob"]
    assert [error.layer for error in errors] == layers
    assert all(error.passed and error.local == 0.0 for error in errors)


def test_a_deep_network_is_walked_in_windows_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(conv_net(), conv_net(epsilon=1e-5), tmp_path)
    monkeypatch.setattr(divergence, "WINDOW", 1)
    assert search(conv_net(), conv_net(epsilon=1e-5), tmp_path) == whole


def test_tensors_that_only_one_side_has_are_bridged(tmp_path: Path) -> None:
    """The subject writes LeakyReLU as primitives; the layer's own tensor is still compared, alone."""

    def net(alpha: float, primitive: bool) -> ir.Model:
        g = GraphBuilder("net")
        x = g.input("x", [4, 8])
        with g.layer("fc", "Dense"):
            h = g.MatMul(x, g.weight("w", weight(8, 8)))
        with g.layer("act", "Activation"):
            if primitive:
                h = g.Max(g.rename(h, "fc"), g.rename(g.Mul(h, np.float32(alpha)), "scaled"))
            else:
                h = g.LeakyRelu(h, alpha=alpha)
            g.rename(h, "activated")
        with g.layer("out", "Dense"):
            g.output(g.MatMul(h, g.weight("v", weight(8, 2))), "y")
        return g.model()

    found = search(net(0.1, False), net(0.2, True), tmp_path)
    assert found is not None and (found.layer, found.tensor) == ("act", "activated")
    assert [error.tensor for error in found.layers] == ["fc", "activated", "y"]


def test_names_may_differ_between_the_sides(tmp_path: Path) -> None:
    right, wrong = conv_net(), conv_net(alpha=0.01)
    for value in [value for node in right.graph for value in node.outputs]:
        value.name = f"theirs/{value.name}"
    names = {value.name or "": f"theirs/{value.name}" for node in wrong.graph for value in node.outputs}
    reference = PeekOnnx(saved(right, tmp_path / "right.onnx"), right)
    subject = Subject.of(saved(wrong, tmp_path / "wrong.onnx"), wrong, names)
    found = first_divergence(reference, subject, draw(right)[0].inputs, tmp_path)
    assert found is not None and found.layer == "leaky1"


def test_errors_that_only_add_up_are_told_as_that(tmp_path: Path) -> None:
    """Twelve layers, each off by three quarters of what is tolerated."""

    def net(factor: float) -> ir.Model:
        g = GraphBuilder("net")
        x = g.input("x", [16])
        for index in range(12):
            with g.layer(f"scale{index}", "Scale"):
                x = g.Mul(x, np.float32(factor))
        g.output(x, "y")
        return g.model()

    tight = Tolerance(rtol=1e-4, atol=0.0, cosine=0.99999)
    found = search(net(1.0), net(1.000075), tmp_path, tolerance=tight)
    assert found is not None and found.detail.startswith("Errors add up")
    assert found.layer == "scale1" and found.model is None
    assert all(error.passed for error in found.layers)


def test_a_reference_without_inner_tensors_is_said_to_tell_nothing_more() -> None:
    run = Runs("onnxruntime", lambda inputs: {"y": inputs["x"]})
    comparison = compare_runs("hub", Runs.recorded(), run, [])
    assert explained(comparison, None).reason.endswith(ONLY_OUTPUTS)
    found = Divergence(layer="a", layer_type="b", op="c", tensor="d", detail="e")
    assert explained(comparison, found).divergence == found
