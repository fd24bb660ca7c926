"""Transposes that nothing needs go, and everything computes the same bits."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from benchmarks.suite import by_onnxruntime
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized

X = np.random.default_rng(0).standard_normal((2, 3, 1, 5)).astype(np.float32)
P, Q = "perm = [0, 2, 3, 1]", "perm = [0, 3, 1, 2]"
CASES = {
    "two that undo each other": (f"a = Transpose <{P}> (x) b = Transpose <{Q}> (a) y = Relu (b)", ["Relu"]),
    "two that do not": (f"a = Transpose <{P}> (x) b = Transpose <{P}> (a) y = Relu (b)", ["Transpose", "Relu"]),
    "three": (f"a = Transpose <{P}> (x) b = Transpose <{P}> (a) c = Transpose <{Q}> (b) y = Relu (c)",
              ["Transpose", "Relu"]),
    "read by another": (f"a = Transpose <{P}> (x) b = Transpose <{Q}> (a) c = Relu (b) d = Neg (a) "
                        f"e = Transpose <{Q}> (d) y = Add (c, e)", ["Relu", "Transpose", "Neg", "Transpose", "Add"]),
    "an output": (f"a = Transpose <{P}> (x) y = Transpose <{Q}> (a)", ["Transpose"]),
    "axes of one": ("a = Transpose <perm = [0, 2, 1, 3]> (x) y = Reshape (a, s)", ["Reshape"]),
    "larger axes": (f"a = Transpose <{P}> (x) y = Reshape (a, s)", ["Transpose", "Reshape"]),
    "a size that is copied from the same axis": ("a = Transpose <perm = [0, 2, 1, 3]> (x) y = Reshape (a, z)",
                                                 ["Reshape"]),
    "a size that is copied from another": ("a = Transpose <perm = [0, 2, 1, 3]> (x) y = Reshape (a, w)",
                                           ["Transpose", "Reshape"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_transposes_are_as_few_as_they_need_to_be(name: str) -> None:
    body, operators = CASES[name]
    proto = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 20]> net (float[2, 3, 1, 5] x) => (y) '
        f"<int64[2] s = {{2, 15}}, int64[2] z = {{0, -1}}, int64[3] w = {{2, 0, -1}}> {{ {body} }}"
    )
    hub, _ = normalise(ir.from_proto(proto))
    assert sorted(node.op_type for node in hub.graph) == sorted(operators)
    for a, b in zip(by_onnxruntime(proto, [X]), by_onnxruntime(serialized(hub), [X]), strict=True):
        np.testing.assert_array_equal(b, a)
