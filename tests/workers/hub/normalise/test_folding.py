"""Sizes that are known, and branches that are decided, before the model runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from benchmarks.suite import by_onnxruntime
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def operators(text: str) -> tuple[list[str], onnx.ModelProto, onnx.ModelProto]:
    """The normal form's operators in order, and the model before and after."""
    before = onnx.parser.parse_model(text)
    hub, _ = normalise(ir.from_proto(before))
    check(hub)
    return [node.op_type for node in hub.graph], before, serialized(hub)


def same(before: onnx.ModelProto, after: onnx.ModelProto, *inputs: Any) -> None:
    for want, got in zip(by_onnxruntime(before, inputs), by_onnxruntime(after, inputs), strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype


def model(body: str, batch: str = "N", opset: int = 17) -> str:
    head = f'<ir_version: 8, opset_import: ["" : {opset}]> sizes (float[{batch}, 3, 4] x) => (float[] y)'
    return f"{head} {{ {body} }}"


KEEP = (
    "flat = Constant <value_ints = [-1]> () two = Constant <value_ints = [2]> () one = Constant <value_ints = [1]> ()"
)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (f"{KEEP} s = Shape (x) c = Gather (s, one) t = Concat <axis = 0> (flat, c) y = Reshape (x, t)", ["Reshape"]),
        (f"{KEEP} s = Shape <start = 1> (x) y = Reshape (x, t) t = Concat <axis = 0> (flat, s)", ["Reshape"]),
        (f"{KEEP} s = Shape (x) c = Slice (s, one, two) t = Concat <axis = 0> (flat, c) y = Reshape (x, t)",
         ["Reshape"]),
        (f"{KEEP} s = Shape (x) z = Constant <value_ints = [0]> () c = Gather (s, z) "
         "t = Concat <axis = 0> (c, flat) y = Reshape (x, t)", ["Shape", "Gather", "Concat", "Reshape"]),
    ],
)  # fmt: skip
def test_sizes_of_fixed_axes_are_constants_and_free_ones_stay(body: str, left: list[str]) -> None:
    found, before, after = operators(model(body))
    assert found == left
    for batch in (1, 2):
        same(before, after, X[:batch])


def test_the_number_of_elements_is_a_constant_when_every_axis_is_fixed() -> None:
    body = "n = Size (x) f = Cast <to = 1> (n) y = Div (x, f)"
    found, before, after = operators(model(body, batch="2"))
    assert found == ["Div"]
    same(before, after, X)
    assert operators(model(body))[0] == ["Size", "Cast", "Div"]


DECIDED = """
s = Shape (x) one = Constant <value_int = 1> () c = Gather (s, one) three = Constant <value_int = {number}> ()
condition = Equal (c, three)
r = If (condition) <
  then_branch = yes () => (float[N, 3, 4] a) {{ b = Relu (x) a = Mul (b, b) }},
  else_branch = no () => (float[N, 3, 4] a) {{ b = Neg (x) a = Exp (b) }}
>
y = {last} (r)
"""


@pytest.mark.parametrize(("number", "taken"), [(3, ["Relu", "Mul"]), (4, ["Neg", "Exp"])])
@pytest.mark.parametrize("last", ["Abs", "Identity"])
def test_the_branch_that_a_size_decides_is_taken(number: int, taken: list[str], last: str) -> None:
    found, before, after = operators(model(DECIDED.format(number=number, last=last)))
    assert found == [*taken, *(["Abs"] if last == "Abs" else [])]
    same(before, after, X)


def test_branches_one_in_the_other_are_taken_and_names_stay_apart() -> None:
    inner = """If (f) <then_branch = p () => (float[N, 3, 4] a) { b = Neg (x) a = Abs (b) },
                       else_branch = q () => (float[N, 3, 4] a) { b = Exp (x) a = Neg (b) }>"""
    body = f"""
    t = Constant <value = bool {{1}}> () f = Constant <value = bool {{0}}> ()
    u = If (t) <then_branch = v () => (float[N, 3, 4] e) {{ d = Relu (x) c = {inner} e = Add (d, c) }},
                else_branch = w () => (float[N, 3, 4] a) {{ a = Identity (x) }}>
    z = {inner}
    y = Sub (u, z)"""
    found, before, after = operators(model(body))
    assert "If" not in found and found.count("Neg") == 2
    same(before, after, X)


def test_a_branch_that_gives_what_lies_outside_is_taken() -> None:
    body = """t = Constant <value = bool {1}> ()
    y = If (t) <then_branch = v () => (float[N, 3, 4] a) { a = Identity (x) },
                else_branch = w () => (float[N, 3, 4] a) { a = Neg (x) }>"""
    found, before, after = operators(model(body))
    assert found == ["Identity"]
    same(before, after, X)


def test_a_branch_that_the_input_decides_stays() -> None:
    body = """s = ReduceSum <keepdims = 0> (x) z = Constant <value_float = 0.0> () c = Greater (s, z)
    y = If (c) <then_branch = v () => (float[N, 3, 4] a) { a = Relu (x) },
                else_branch = w () => (float[N, 3, 4] a) { a = Neg (x) }>"""
    found, before, after = operators(model(body))
    assert "If" in found
    same(before, after, X)
    same(before, after, -X)


def test_lists_of_one_number_are_scalars_for_range() -> None:
    body = """z = Constant <value_ints = [0]> () one = Constant <value_ints = [1]> ()
    s = Shape <start = 0, end = 1> (x) r = Range (z, s, one) y = Cast <to = 1> (r)"""
    found, before, after = operators(model(body))
    assert found == ["Shape", "Reshape", "Range", "Cast"]
    same(before, after, X)


def test_quantised_weights_stay_quantised() -> None:
    """What is quantised is meant to be: as floats, int8 weights are four times as large, and round elsewhere."""
    ops, before, after = operators("""
        <ir_version: 10, opset_import: ["" : 21]>
        net (float[2, 3, 4] x) => (float[2, 3, 5] y)
        <float s = {0.5}, int8[4, 5] w = {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}> {
            dense = DequantizeLinear(w, s)
            y = MatMul(x, dense)
        }
    """)
    assert ops == ["DequantizeLinear", "MatMul"]
    same(before, after, X)
