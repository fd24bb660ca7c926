"""onnxruntime as a plain function: names in, names out, its refusals in its own words."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.parity.nets import conv_net, saved, weight
from workers.hub.graph import GraphBuilder
from workers.hub.save import save
from workers.parity.runtime import CPU, RuntimeRefused, Session, devices, latency

X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)


def dense() -> ir.Model:
    g = GraphBuilder("dense")
    x = g.input("x", ["batch", 4])
    with g.layer("fc1", "Dense"):
        hidden = g.MatMul(x, g.weight("w", weight(4, 64)))
    with g.layer("relu1", "ReLU"):
        g.output(g.Relu(hidden), "y")
    return g.model()


def test_a_model_computes_what_numpy_does(tmp_path: Path) -> None:
    session = Session(saved(dense(), tmp_path / "m.onnx"))
    assert (session.input_names, session.output_names, session.provider) == (["x"], ["y"], CPU)
    np.testing.assert_allclose(session.run({"x": X})["y"], np.maximum(X @ weight(4, 64), 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("external", [False, True])
def test_tensors_inside_the_graph_can_be_seen(external: bool, tmp_path: Path) -> None:
    save(dense(), tmp_path / "m.onnx", external=external)
    seen = Session(tmp_path / "m.onnx", expose=["fc1"]).run({"x": X})
    assert set(seen) == {"y", "fc1"}
    np.testing.assert_allclose(seen["fc1"], X @ weight(4, 64), rtol=1e-5, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == (["m.onnx", "m.onnx.data"] if external else ["m.onnx"])


def test_a_model_in_memory_runs_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert Session.of(dense()).run({"x": X, "not an input": X})["y"].shape == (2, 64)
    assert list(tmp_path.iterdir()) == []


def test_only_the_outputs_asked_for_are_given() -> None:
    assert set(Session.of(conv_net()).run({"data": np.zeros((1, 3, 12, 12), np.float32)}, ["prob"])) == {"prob"}


def test_a_file_that_is_no_model_is_refused_in_onnxruntimes_words(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x89PNG\r\n\x1a\n" * 20)
    with pytest.raises(RuntimeRefused, match=r"(?i)protobuf") as raised:
        Session(tmp_path / "m.onnx")
    assert not str(raised.value).startswith("[ONNXRuntimeError]")


def test_inputs_that_do_not_fit_are_refused_in_onnxruntimes_words() -> None:
    session = Session.of(dense())
    with pytest.raises(RuntimeRefused, match=r"(?i)dimensions"):
        session.run({"x": np.zeros((2, 5), np.float32)})
    with pytest.raises(RuntimeRefused, match=r"(?i)data type"):
        session.run({"x": X.astype(np.float64)})
    with pytest.raises(RuntimeRefused, match=r"(?i)x"):
        session.run({})


def test_words_are_cut_to_a_readable_length() -> None:
    g = GraphBuilder("net")
    g.output(g.Relu(g.input("x" * 5000, [1])), "y")
    with pytest.raises(RuntimeRefused) as raised:
        Session.of(g.model()).run({})
    assert len(str(raised.value)) <= 400


def test_the_cpu_is_always_there_and_a_missing_gpu_is_said() -> None:
    assert devices()[0] == "cpu"
    if "cuda" not in devices():
        with pytest.raises(RuntimeRefused, match="CUDA"):
            Session.of(dense(), device="cuda")


def test_latency_is_the_median_after_warming_up() -> None:
    waits = iter([0.2, *[0.01] * 50])
    measured = latency("sleep", lambda: time.sleep(next(waits)), runs=5)
    assert (measured.runtime, measured.runs) == ("sleep", 5)
    assert 0.01 <= measured.seconds < 0.1


def test_latency_stops_when_its_time_is_spent() -> None:
    assert latency("sleep", lambda: time.sleep(0.03), runs=100, budget=0.1).runs < 10
