"""Every recorded operator, read and run in onnxruntime, gives what TensorFlow gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.tensorflow.recorded import Recorded, recorded

# Values may lie one step of the quantisation (bfloat16: its last bit) apart where both neighbours are equally near.
STEPS = {
    "FakeQuantArgs": 5 / 255, "FakeQuantVars": 3 / 255, "FakeQuantPerChannel": 3.5 / 255, "bfloat16": 2**-4,
}  # fmt: skip


@pytest.mark.parametrize("case", recorded(), ids=str)
def test_an_operator_computes_what_tensorflow_computed(case: Recorded, tmp_path: Path) -> None:
    reading = case.read(tmp_path)
    assert_same(case.outputs, run(reading.model, case.inputs), step=STEPS.get(case.name, 0.0))
