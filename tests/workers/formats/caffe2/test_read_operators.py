"""Every operator for itself: what Caffe2 computed for a small net, and what onnxruntime makes of its reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.caffe2.recorded import SmallNet, small_nets
from workers.formats.caffe2.read import read

NETS = small_nets()
# Nets whose batch could change in Caffe2 and is fixed in ONNX.
FIXED: dict[str, str] = {}


@pytest.mark.parametrize("net", NETS, ids=str)
def test_it_computes_what_caffe2_computes(net: SmallNet, tmp_path: Path) -> None:
    reading = read(net.request(tmp_path))
    fixed = any(note.code == "fixed-batch" for note in reading.notes)
    assert not (fixed and net.runs > 1) or net.name in FIXED, "its batch should be free"
    for sample in list(net.samples())[: 1 if fixed else None]:
        assert_same(sample.outputs, run(reading.model, sample.inputs))
