"""Quantised outputs may differ by one step, and by no more."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from workers.hub.provenance import COARSE_SOURCE
from workers.options import COARSER
from workers.parity.check import Runs, compare_runs
from workers.parity.quantised import tolerances
from workers.parity.samples import Sample

HEAD = """<ir_version: 10, opset_import: ["" : 21]>
net (float[n, 4] x) => ({out}[n, 4] y) <float s = {{0.25}}, float s2 = {{0.5}}, uint8 z = {{3}}, int8 w = {{7}}> {{"""
BODIES = {
    "q = QuantizeLinear(x, s, z) r = DequantizeLinear(q, s2, z) y = Softmax(r)": 0.5,
    "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)": 0.25,
    "q = QuantizeLinear(x, s, z) r = DequantizeLinear(q, s, z) y = Exp(r)": None,
    "r = DequantizeLinear(w, s) y = Identity(r)": None,
    "y = Relu(x)": None,
}


def model(body: str, out: str = "float") -> ir.Model:
    return ir.from_proto(onnx.parser.parse_model(HEAD.format(out=out) + body + "}"))


@pytest.mark.parametrize(("body", "step"), BODIES.items(), ids=str)
def test_the_step_of_an_output_is_that_of_the_last_quantisation_on_its_way(body: str, step: float | None) -> None:
    found = tolerances(model(body))
    if step is None:
        assert not found
    else:
        assert found["y"].atol == pytest.approx(step, rel=2e-3)


def test_integers_may_be_one_apart() -> None:
    assert tolerances(model("y = QuantizeLinear(x, s, z)", "uint8"))["y"].atol == pytest.approx(1, rel=2e-3)


@pytest.mark.parametrize(("steps", "verdict"), [(0, "verified"), (1, "verified"), (2, "mismatched")])
def test_one_step_is_verified_and_two_are_not(steps: int, verdict: str) -> None:
    want = np.arange(8, dtype=np.float32).reshape(2, 4)
    sample = Sample(name="io.npz", inputs={"x": want}, outputs={"y": want}, origin="user")
    got = want.copy()
    got[1, 2] += 0.25 * steps
    own = tolerances(model("q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"))
    proof = compare_runs("hub", Runs.recorded(), Runs("other", lambda inputs: {"y": got}), [sample], tolerances=own)
    assert proof.verdict == verdict
    assert proof.tolerance["atol"] == pytest.approx(0.25, rel=2e-3)


def test_a_source_that_rounds_as_it_runs_is_held_to_eight_bits() -> None:
    plain = model("y = Relu(x)")
    plain.metadata_props.update(COARSE_SOURCE)
    assert tolerances(plain)["y"] == COARSER["int8"]
