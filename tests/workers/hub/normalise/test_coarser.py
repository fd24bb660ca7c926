"""Half precision, weights of eight bits, floats instead of integers, other layouts: asked for, done, and measured."""

from __future__ import annotations

from typing import Any

import ml_dtypes  # noqa: F401 (bfloat16 among numpy's types)
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.suite import by_onnxruntime
from workers.errors import InvalidOptions
from workers.hub.check import check
from workers.hub.graph import GraphBuilder
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized
from workers.options import Options
from workers.parity.metrics import compare
from workers.report.schema import Change

RNG = np.random.default_rng(11)
IMAGE = RNG.standard_normal((2, 3, 12, 10)).astype(np.float32)


def w(*shape: int, scale: float = 0.2) -> Any:
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def network() -> ir.Model:
    """A small convolutional classifier."""
    g = GraphBuilder("classifier")
    x = g.input("x", ["batch", 3, 12, 10])
    with g.layer("conv", "Conv"):
        y = g.Conv(x, w(16, 3, 3, 3), w(16), pads=[1, 1, 1, 1])
    with g.layer("bn", "BatchNormalization"):
        y = g.Relu(g.BatchNormalization(y, w(16) + 1, w(16), w(16), np.abs(w(16)) + 0.5))
    with g.layer("up", "ConvTranspose"):
        y = g.ConvTranspose(y, w(16, 8, 3, 3), strides=[2, 2])
    with g.layer("fc", "Gemm"):
        g.output(g.Gemm(g.Flatten(g.GlobalAveragePool(y)), w(130, 8), w(130), transB=1), "y")
    return g.model()


def run(model: ir.Model, *inputs: Any) -> list[Any]:
    check(model)
    return by_onnxruntime(serialized(model), inputs)


def both(options: Options, build: Any = network) -> tuple[ir.Model, ir.Model, list[Change]]:
    """The model in normal form without and with the options."""
    global RNG
    RNG = np.random.default_rng(11)
    plain, _ = normalise(build())
    RNG = np.random.default_rng(11)
    asked, changes = normalise(build(), options)
    return plain, asked, changes


# --- float16 ----------------------------------------------------------------------------------------------------------


def test_half_precision_is_as_close_as_it_is_fine_and_keeps_the_types_outside() -> None:
    options = Options(precision="float16")
    plain, half, changes = both(options)
    (want,), (got,) = run(plain, IMAGE), run(half, IMAGE)
    assert got.dtype == want.dtype == np.float32
    assert compare("y", want, got, options.tolerance).passed
    assert not np.array_equal(want, got)
    types = {value.dtype for value in half.graph.initializers.values()}
    assert types == {ir.DataType.FLOAT16}
    assert [node.op_type for node in half.graph].count("Cast") == 2
    assert next(change for change in changes if change.name == "float16").count >= 6
    assert "float16-range" not in {change.name for change in changes}


def beyond() -> ir.Model:
    """``square`` reaches what float16 cannot hold; ``eps`` is a number too small for it."""
    g = GraphBuilder("beyond")
    x = g.input("x", [4, 8])
    with g.layer("stretch", "Mul"):
        y = g.Mul(x, np.float32(1000))
    with g.layer("square", "Mul"):
        y = g.Mul(y, y)
    with g.layer("root", "Sqrt"):
        y = g.Sqrt(y)
    with g.layer("eps", "Add"):
        y = g.Add(g.Div(y, np.float32(1000)), np.float32(1e-9))
    with g.layer("last", "Softmax"):
        g.output(g.Softmax(y, axis=-1), "y")
    return g.model()


def test_what_goes_beyond_half_precision_is_named_and_stays() -> None:
    options = Options(precision="float16")
    plain, half, changes = both(options, beyond)
    x = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    (want,), (got,) = run(plain, x), run(half, x)
    assert np.isfinite(got).all() and compare("y", want, got, options.tolerance).passed
    told = next(change for change in changes if change.name == "float16-range")
    assert {"square", "root", "eps"} <= set(told.layers)
    assert "stretch" not in told.layers and "last" not in told.layers
    assert "'square' (Mul)" in told.detail and "reaches" in told.detail and "as small as 1e-09" in told.detail


def looped() -> ir.Model:
    text = """<ir_version: 8, opset_import: ["" : 17]> loop (float[2, 4] x, bool c) => (float[2, 4] y) {
      r = Relu (x)
      i = If (c) <then_branch = t () => (float[2, 4] a) { a = Neg (r) },
                  else_branch = e () => (float[2, 4] a) { a = Exp (r) }>
      y = Tanh (i) }"""
    return ir.from_proto(onnx.parser.parse_model(text))


@pytest.mark.parametrize("condition", [True, False])
def test_bodies_stay_in_float32(condition: bool) -> None:
    plain, half, _ = both(Options(precision="float16"), looped)
    x, c = IMAGE[0, 0, :2, :4], np.asarray(condition)
    (want,), (got,) = run(plain, x, c), run(half, x, c)
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=1e-3)


# --- int8 weights -----------------------------------------------------------------------------------------------------


def test_large_weights_become_integers_with_a_scale_a_channel() -> None:
    options = Options(weights="int8")
    plain, small, changes = both(options)
    (want,), (got,) = run(plain, IMAGE), run(small, IMAGE)
    assert compare("y", want, got, options.tolerance).passed
    assert not np.array_equal(want, got)
    stored = [value for value in small.graph.initializers.values() if value.dtype is ir.DataType.INT8]
    assert [tuple(value.const_value.shape.numpy()) for value in stored if value.const_value] == [
        (16, 8, 3, 3),
        (130, 8),
    ]
    assert next(change for change in changes if change.name == "int8-weights").layers == ["up", "fc"]
    scales = [node for node in small.graph if node.op_type == "DequantizeLinear"]
    assert [node.attributes["axis"].as_int() for node in scales] == [1, 0]


def test_a_channel_of_zeros_stays_zero() -> None:
    def build() -> ir.Model:
        g = GraphBuilder("zeros")
        weight = w(64, 32)
        weight[:, 5] = 0
        g.output(g.MatMul(g.input("x", [2, 64]), weight), "y")
        return g.model()

    _, small, _ = both(Options(weights="int8"), build)
    (got,) = run(small, w(2, 64))
    assert (got[:, 5] == 0).all() and (got[:, :5] != 0).all()


# --- layout -----------------------------------------------------------------------------------------------------------


def scaled() -> ir.Model:
    g = GraphBuilder("scaled")
    g.output(g.Conv(g.input("x", ["batch", 3, 12, 10]), w(4, 3, 3, 3)), "y")
    return g.model()


def test_inputs_and_outputs_lie_as_asked() -> None:
    plain, laid, _ = both(Options(io_layout={"x": "NHWC", "y": "CNWH"}), scaled)
    (want,), (got,) = run(plain, IMAGE), run(laid, IMAGE.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(got, want.transpose(1, 0, 3, 2))
    assert [str(dim) for dim in laid.graph.inputs[0].shape or ()] == ["batch", "12", "10", "3"]
    assert [value.name for value in (*laid.graph.inputs, *laid.graph.outputs)] == ["x", "y"]


@pytest.mark.parametrize(("layout", "word"), [({"z": "NHWC"}, "no input or output"), ({"x": "NHW"}, "does not fit")])
def test_layouts_that_fit_nothing_are_refused(layout: dict[str, str], word: str) -> None:
    with pytest.raises(InvalidOptions, match=word):
        normalise(scaled(), Options(io_layout=layout))


# --- dequantised ------------------------------------------------------------------------------------------------------


def quantised(qlinear: bool) -> ir.Model:
    """Quantise, convolve, pool and reshape integers, dequantise; the integers' range cuts off what is negative."""
    rng = np.random.default_rng(2)
    weights = {
        "s": np.asarray(0.02, np.float32), "z": np.asarray(0, np.uint8), "zi": np.asarray(128, np.uint8),
        "w": rng.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8), "ws": np.full(4, 0.01, np.float32),
        "wz": np.zeros(4, np.int8), "b": rng.integers(-900, 900, 4).astype(np.int32), "shape": np.array([0, -1]),
    }  # fmt: skip
    if qlinear:
        steps = [helper.make_node("QLinearConv", ["q", "s", "zi", "w", "ws", "wz", "s", "z", "b"], ["c"])]
    else:
        steps = [
            helper.make_node("DequantizeLinear", ["q", "s", "zi"], ["f"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
            helper.make_node("Conv", ["f", "wf"], ["cf"]),
            helper.make_node("QuantizeLinear", ["cf", "s", "z"], ["c"]),
        ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zi"], ["q"]),
        *steps,
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Reshape", ["p", "shape"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 12, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


@pytest.mark.parametrize("qlinear", [False, True])
def test_floats_differ_from_integers_by_their_steps_only(qlinear: bool) -> None:
    plain, real, changes = both(Options(dequantize=True), lambda: quantised(qlinear))
    x = np.clip(IMAGE, -2.5, 2.5)
    (want,), (got,) = run(plain, x), run(real, x)
    assert np.abs(want - got).max() <= 0.1 < want.max()
    assert (got >= 0).all() and (got == 0).any()
    assert not {node.op_type for node in real.graph} & {"QuantizeLinear", "DequantizeLinear", "QLinearConv"}
    assert "dequantize" in {change.name for change in changes}


def test_inputs_and_outputs_of_integers_become_floats() -> None:
    def build() -> ir.Model:
        g = GraphBuilder("integers")
        scale, zero = np.float32(0.1), np.uint8(10)
        x = g.DequantizeLinear(g.input("x", [2, 3], ir.DataType.UINT8), scale, zero)
        g.output(g.QuantizeLinear(g.Neg(x), scale, np.uint8(200)), "y")
        return g.model()

    _, real, _ = both(Options(dequantize=True), build)
    x = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 21.0]], np.float32)
    (got,) = run(real, x)
    np.testing.assert_allclose(got, np.clip(-x, -20.0, 5.5), rtol=1e-6)
