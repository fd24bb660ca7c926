"""Patterns that exporters write become one operator, which computes the same; others, and those read inside, stay."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from benchmarks.suite import by_onnxruntime
from workers.hub.fuse import fuse
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 5, 8)).astype(np.float32)
ROW = {"g": RNG.standard_normal(8).astype(np.float32), "h": RNG.standard_normal(8).astype(np.float32)}
HEADS = "float[b, 2, 5, 4] q, float[b, 2, 7, 4] k, float[b, 2, 7, 3] v, float[b, 1, 5, 7] m"
NUMBERS = {"root": 1.41421354, "inverse": 0.70710678, "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0,
           "c": 0.044715, "slope": 0.7978845608, "eps": 1e-5, "quarter": 0.25, "eight": 8.0}  # fmt: skip
AXIS = np.array([-1])
MEAN = "m = ReduceMean (x, last) d = Sub (x, m)"

GELU = {
    "torch": "a = Div (x, root) e = Erf (a) p = Add (e, one) q = Mul (x, p) y = Mul (q, half)",
    "half first": "b = Mul (x, half) a = Mul (x, inverse) e = Erf (a) p = Add (one, e) y = Mul (b, p)",
    "half inside": "a = Mul (inverse, x) e = Erf (a) p = Add (e, one) q = Mul (p, half) y = Mul (x, q)",
    "halved error": "a = Div (x, root) e = Erf (a) w = Mul (e, half) p = Add (w, half) y = Mul (p, x)",
}
TANH = {
    "power": "q = Pow (x, three) w = Mul (q, c) s = Add (x, w) i = Mul (s, slope) e = Tanh (i) p = Add (e, one) "
             "r = Mul (x, half) y = Mul (r, p)",
    "products": "q = Mul (x, x) r = Mul (q, x) w = Mul (c, r) s = Add (w, x) i = Mul (slope, s) e = Tanh (i) "
                "p = Add (one, e) u = Mul (x, p) y = Mul (half, u)",
}  # fmt: skip
NORM = {
    "torch": f"{MEAN} s = Pow (d, two) v = ReduceMean (s, last) w = Add (v, eps) r = Sqrt (w) n = Div (d, r) "
             "o = Mul (n, g) y = Add (o, h)",
    "without bias": f"{MEAN} s = Mul (d, d) v = ReduceMean (s, last) w = Add (v, eps) r = Sqrt (w) n = Div (d, r) "
                    "y = Mul (g, n)",
    "reciprocal": f"{MEAN} s = Mul (d, d) v = ReduceMean (s, last) w = Add (eps, v) r = Sqrt (w) i = Reciprocal (r) "
                  "n = Mul (d, i) o = Mul (n, g) y = Add (h, o)",
}  # fmt: skip
ATTENTION = {
    "scaled, masked": "t = Transpose <perm = [0, 1, 3, 2]> (k) s = MatMul (q, t) r = Div (s, eight) a = Add (r, m) "
                      "p = Softmax <axis = -1> (a) y = MatMul (p, v)",
    "bare": "t = Transpose <perm = [0, 1, 3, 2]> (k) s = MatMul (q, t) p = Softmax <axis = 3> (s) y = MatMul (p, v)",
    "query scaled": "t = Transpose <perm = [0, 1, 3, 2]> (k) u = Mul (q, quarter) s = MatMul (u, t) a = Add (m, s) "
                    "p = Softmax <axis = -1> (a) y = MatMul (p, v)",
    "both scaled": "u = Mul (q, half) w = Transpose <perm = [0, 1, 3, 2]> (k) t = Mul (w, half) s = MatMul (u, t) "
                   "p = Softmax <axis = -1> (s) y = MatMul (p, v)",
}  # fmt: skip


def model(body: str, inputs: str = "float[b, 5, 8] x", outputs: str = "float[i, j, k2] y") -> ir.Model:
    text = f'<ir_version: 9, opset_import: ["" : 20]> net ({inputs}) => ({outputs}) {{ {body} }}'
    proto = onnx.parser.parse_model(text)
    numbers = {name: np.asarray(value, np.float32) for name, value in NUMBERS.items()}
    weights = numbers | ROW | {"last": AXIS}
    read = {name for node in proto.graph.node for name in node.input} - {value.name for value in proto.graph.input}
    proto.graph.initializer.extend(numpy_helper.from_array(weights[n], n) for n in sorted(read & set(weights)))
    hub, _ = normalise(ir.from_proto(proto))
    return hub


def fused(hub: ir.Model) -> list[str]:
    want = by_onnxruntime(serialized(hub), [X])
    assert fuse(hub)
    got = by_onnxruntime(serialized(hub), [X])
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    return [node.op_type for node in hub.graph]


@pytest.mark.parametrize("name", GELU)
def test_gelu_by_the_error_function(name: str) -> None:
    hub = model(GELU[name])
    assert fused(hub) == ["Gelu"]
    assert hub.graph[0].attributes.get("approximate") is None and hub.graph.outputs[0].name == "y"


@pytest.mark.parametrize("name", TANH)
def test_gelu_by_the_hyperbolic_tangent(name: str) -> None:
    hub = model(TANH[name])
    assert fused(hub) == ["Gelu"]
    assert hub.graph[0].attributes["approximate"].as_string() == "tanh"


@pytest.mark.parametrize("name", NORM)
def test_layer_normalisation(name: str) -> None:
    hub = model(NORM[name])
    assert fused(hub) == ["LayerNormalization"]
    assert hub.graph[0].attributes["epsilon"].as_float() == pytest.approx(1e-5)


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name: str) -> None:
    hub = model(ATTENTION[name], HEADS, "float[i, j, l, o] y")
    assert [note.code for note in fuse(hub)] == ["attention"]
    (node,) = hub.graph
    assert node.op_type == "ScaledDotProductAttention"
    scale = {"scaled, masked": 0.125, "bare": 1.0}.get(name, 0.25)
    assert node.attributes["scale"].as_float() == pytest.approx(scale)


def test_keys_whose_heads_are_set_apart_in_the_same_step() -> None:
    hub = model(
        "t = Transpose <perm = [0, 2, 3, 1]> (k) s = MatMul (q, t) p = Softmax <axis = -1> (s) y = MatMul (p, v)",
        "float[b, 2, 5, 4] q, float[b, 7, 2, 4] k, float[b, 2, 7, 3] v", "float[i, j, l, o] y",
    )  # fmt: skip
    assert fuse(hub)
    assert [node.op_type for node in hub.graph] == ["Transpose", "ScaledDotProductAttention"]
    assert list(hub.graph[0].attributes["perm"].as_ints()) == [0, 2, 1, 3]


LEFT: dict[str, str] = {
    "another factor": GELU["torch"].replace("root", "two"),
    "another gate": GELU["torch"].replace("(q, half)", "(q, two)"),
    "another cube": TANH["power"].replace("three", "two"),
    "a number over the input": GELU["torch"].replace("Div (x, root)", "Div (inverse, x)"),
    "another mean": NORM["torch"].replace("v = ReduceMean (s, last)", "v = ReduceMax (s, last)"),
    "scores of another axis": "t = Transpose <perm = [0, 2, 1]> (x) s = MatMul (x, t) p = Softmax <axis = 1> (s) "
                              "y = MatMul (p, x)",
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_is_something_else_stays(name: str) -> None:
    hub = model(LEFT[name])
    before = [node.op_type for node in hub.graph]
    assert not fuse(hub) and [node.op_type for node in hub.graph] == before


INSIDE = {**{f"e of {name}": (body, "e") for name, body in GELU.items()}, "variance": (NORM["torch"], "v"),
          "normalised": (NORM["torch"], "n")}  # fmt: skip


@pytest.mark.parametrize("name", INSIDE)
def test_a_pattern_that_is_read_inside_stays(name: str) -> None:
    body, value = INSIDE[name]
    hub = model(f"{body} z = Relu ({value})", outputs="float[i, j, k2] y, float[i, j, l] z")
    before = [node.op_type for node in hub.graph]
    assert not fuse(hub) and [node.op_type for node in hub.graph] == before


def test_weights_of_another_shape_stay_outside_of_the_normalisation() -> None:
    hub = model(NORM["torch"].replace("(n, g)", "(n, two)"))
    assert not fuse(hub)
