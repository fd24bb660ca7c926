"""Operators that onnxruntime's optimisers make, against onnxruntime: as they are, and in ONNX's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.suite import by_onnxruntime
from tests.workers.hub.normalise.table_contrib import CASES, Contrib, X, f
from workers.errors import ConversionError, UnsupportedOperators
from workers.formats import all_formats
from workers.formats.contract import ReadRequest
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized
from workers.inspect.upload import Upload


def model(case: Contrib) -> onnx.ModelProto:
    names = ["" if array is None else f"x{index}" for index, array in enumerate(case.inputs)]
    outputs = [f"y{index}" if index in case.read else "" for index in range(case.outputs)]
    inputs, weights = [], []
    for index, (name, array) in enumerate(zip(names, case.inputs, strict=True)):
        if array is None:
            continue
        if index < case.given:
            dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
            inputs.append(helper.make_tensor_value_info(name, dtype, array.shape))
        else:
            weights.append(numpy_helper.from_array(array, name))
    node = helper.make_node(case.op, names, outputs, domain=case.domain, **case.attributes)
    wanted = [onnx.ValueInfoProto(name=name) for name in outputs if name]
    graph = helper.make_graph([node], case.name, inputs, wanted, weights)
    imports = [
        helper.make_opsetid("", 17),
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("ai.onnx.ml", 1),
    ]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def spelt_out(proto: onnx.ModelProto) -> onnx.ModelProto:
    hub, changes = normalise(ir.from_proto(proto))
    check(hub)
    assert "contrib" in {change.name for change in changes}
    assert {node.domain for node in hub.graph.all_nodes()} == {""}
    return serialized(hub)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_standard_operators_compute_what_onnxruntime_computes(case: Contrib) -> None:
    proto = model(case)
    given = [array for array in case.inputs[: case.given] if array is not None]
    want, got = by_onnxruntime(proto, given), by_onnxruntime(spelt_out(proto), given)
    assert len(want) == len(got) == len(case.read)
    for a, b in zip(want, got, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        atol = case.steps or 1e-5 * max(1.0, float(np.abs(a).max()))
        np.testing.assert_allclose(b.astype(np.float64), a.astype(np.float64), rtol=0, atol=atol)


REFUSED: dict[str, Contrib] = {
    "rotates": Contrib("a", "Attention", [X, f(8, 24), f(24)], {"num_heads": 2, "do_rotary": 1}),
    "scales positions": Contrib("r", "RotaryEmbedding", [X, np.array([0]), f(9, 2), f(9, 2)], {"scale": 2.0}),
    "packed": Contrib("m", "MultiHeadAttention", [f(2, 5, 2, 3, 4)], {"num_heads": 2}),
    "activation 'Softplus'": Contrib("c", "FusedConv", [f(1, 1, 4, 4), f(1, 1, 3, 3)], {"activation": "Softplus"}),
    "output 1": Contrib("s", "SkipLayerNormalization", [X, X, f(8)], outputs=2, read=(0, 1)),
    "four bits": Contrib("n", "MatMulNBits", [f(3, 32), np.zeros((4, 1, 32), np.uint8), f(4)],
                         {"bits": 8, "block_size": 32, "N": 4, "K": 32}),
    "several axes": Contrib("b", "BiasSoftmax", [X, X], {"axis": 1, "is_inner_broadcast": 1}),
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_forms_that_onnx_cannot_say_are_refused_by_name(words: str) -> None:
    with pytest.raises(UnsupportedOperators, match=words) as caught:
        normalise(ir.from_proto(model(REFUSED[words])))
    assert REFUSED[words].op in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 1, 8), (1, 5, 8)])
def test_softmax_of_a_sum(shape: tuple[int, ...]) -> None:
    """onnxruntime has it for CUDA only."""
    bias = f(*shape)
    case = Contrib("b", "BiasSoftmax", [X, bias], {"axis": 2, "is_inner_broadcast": int(shape[1] == 1)})
    (got,) = by_onnxruntime(spelt_out(model(case)), [X])
    powers = np.exp(X + bias)
    np.testing.assert_allclose(got, powers / powers.sum(-1, keepdims=True), rtol=1e-5)


def test_dropout_of_a_sum_drops_nothing() -> None:
    """onnxruntime has it for CUDA only."""
    bias, residual = f(8), f(2, 5, 8)
    (got,) = by_onnxruntime(spelt_out(model(Contrib("b", "BiasDropout", [X, bias, residual]))), [X])
    np.testing.assert_allclose(got, X + bias + residual, rtol=1e-6)


WIDTH = 16
ENCODER = """
<ir_version: 8, opset_import: ["" : 17]>
encoder (float[2, 5, 16] x) => (float[2, 5, 16] y) {
  kt = Transpose <perm = [0, 2, 1]> (x)
  s = MatMul (x, kt)
  a = Softmax <axis = -1> (s)
  c = MatMul (a, x)
  r = Add (x, c)
  n = LayerNormalization <axis = -1, epsilon = 0.00001> (r, g, h)
  m = MatMul (n, w1)
  o = Add (m, b1)
  d = Div (o, two)
  e = Erf (d)
  p = Add (e, one)
  q = Mul (o, p)
  t = Mul (q, half)
  v = MatMul (t, w2)
  w = Add (v, b2)
  z = Add (w, n)
  y = LayerNormalization <axis = -1, epsilon = 0.00001> (z, g, h)
}"""


def transformer() -> onnx.ModelProto:
    """One encoder layer in the words of an exporter, for onnxruntime to fuse."""
    proto = onnx.parser.parse_model(ENCODER)
    shapes = {"w1": (WIDTH, 4 * WIDTH), "b1": (4 * WIDTH,), "w2": (4 * WIDTH, WIDTH), "b2": (WIDTH,),
              "g": (WIDTH,), "h": (WIDTH,)}  # fmt: skip
    scalars = {"two": 1.41421354, "one": 1.0, "half": 0.5}
    weights = {name: 0.3 * f(*shape) for name, shape in shapes.items()}
    weights |= {name: np.asarray(value, np.float32) for name, value in scalars.items()}
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in weights.items())
    return proto


@pytest.mark.parametrize("level", ["basic", "extended"])
def test_a_model_that_onnxruntime_optimised_is_read(level: str, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}")
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    original = transformer()
    onnxruntime.InferenceSession(original.SerializeToString(), options, providers=["CPUExecutionProvider"])
    reading = all_formats()["onnx"].read
    assert reading is not None
    hub, _ = normalise(reading(ReadRequest(Upload.of(tmp_path / "optimised.onnx"))).model)
    check(hub)
    x = np.random.default_rng(0).standard_normal((2, 5, 16)).astype(np.float32)
    want, got = by_onnxruntime(original, [x])[0], by_onnxruntime(serialized(hub), [x])[0]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    if level == "extended":
        assert "com.microsoft" in {node.domain for node in onnx.load(tmp_path / "optimised.onnx").graph.node}


def test_a_processor_s_own_layout_is_refused_with_the_way_out(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], domain="com.microsoft.nchwc")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 4, 4])
    graph = helper.make_graph([node], "n", [x], [onnx.ValueInfoProto(name="y")],
                              [numpy_helper.from_array(f(8, 8, 1, 1), "w")])  # fmt: skip
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft.nchwc", 1)]
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    reading: Any = all_formats()["onnx"].read
    with pytest.raises(ConversionError, match="extended"):
        reading(ReadRequest(Upload.of(path)))
