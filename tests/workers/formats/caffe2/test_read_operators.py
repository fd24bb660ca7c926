"""Every operator for itself: what Caffe2 computed for a small net, and what onnxruntime makes of its reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.caffe2.recorded import SmallNet, small_nets
from tests.workers.formats.cases import assert_same, run
from workers.formats.caffe2.file import read_net
from workers.formats.caffe2.read import read
from workers.formats.caffe2.read.layer import reads

NETS = small_nets()
# Nets whose batch could change in Caffe2 and is fixed in ONNX.
FIXED: dict[str, str] = {}
# Integer kernels round the product of scales otherwise: one step of the result's scale.
STEPS = {
    **dict.fromkeys(("Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu", "Int8Conv", "Int8ConvRelu", "Int8FC",
                     "Int8ConvTranspose", "Int8LeakyRelu", "Int8AveragePool", "Int8AveragePool-pad",
                     "Int8AveragePool-global"), 0.08),
    "Int8Sigmoid": 1 / 256, "Int8Softmax": 1 / 256,
}  # fmt: skip


@pytest.mark.parametrize("net", NETS, ids=str)
def test_it_computes_what_caffe2_computes(net: SmallNet, tmp_path: Path) -> None:
    reading = read(net.request(tmp_path))
    fixed = any(note.code == "fixed-batch" for note in reading.notes)
    assert not (fixed and net.runs > 1) or net.name in FIXED, "its batch should be free"
    lost = {note.detail.split("'")[1] for note in reading.notes if note.code == "missing-output"}
    fed = [value.name for value in reading.model.graph.inputs]
    for sample in list(net.samples())[: 1 if fixed else None]:
        want = {_renamed(name, fed): array for name, array in sample.outputs.items() if name not in lost}
        got = run(reading.model, {name: array for name, array in sample.inputs.items() if name in fed})
        assert_same(want, got, step=STEPS.get(net.name, 0.0))


def _renamed(name: str, inputs: list[str | None]) -> str:
    """ONNX cannot call an output like an input, as Caffe2 does where it writes in place."""
    return f"{name}_1" if name in inputs else name


def test_every_reading_function_has_a_recorded_net() -> None:
    """But for those that Caffe2 cannot run on a CPU or that draw at random: these are tested elsewhere."""
    seen: set[str] = set()
    for net in NETS:
        for data in net.files().values():
            stack = [read_net(data, net.name)]
            while stack:
                record = stack.pop()
                for op in record.op:
                    seen.add(str(op.type))
                    stack.extend(arg.n for arg in op.arg if arg.has("n"))
    covered = {rule for op, rule in reads.rules.items() if op in seen}
    assert {rule.__name__ for rule in reads.rules.values() if rule not in covered} == ELSEWHERE


ELSEWHERE = {
    "copy_on_device_like", "deform_conv", "do", "gather_nd", "int8_flatten", "log1p", "onnx_while", "random_fill",
    "spatial_softmax_with_loss",
}  # fmt: skip
