"""Every operator for itself: what Paddle 1.8, 2.6 and 3.3 computed, and what onnxruntime makes of the reading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.paddle.recorded import Recorded, recorded
from workers.formats.paddle.read import coverage, read
from workers.formats.paddle.read.layer import reads
from workers.hub.provenance import LAYER_TYPE

CASES = recorded()
# One step of 8 bits: Paddle rounds halves away from zero and ends at -127, ONNX to the even number and at -128.
STEPS = {"fake-quant-average": 1.5 / 127, "fake-quant-range": 1.0}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_computes_what_paddle_computes(case: Recorded, tmp_path: Path) -> None:
    reading = read(case.request(tmp_path))
    assert not [note for note in reading.notes if note.code == "fixed-batch"]
    graph = reading.model.graph
    samples = list(case.samples([str(x.name) for x in graph.inputs], [str(x.name) for x in graph.outputs]))
    assert samples
    for sample in samples:
        assert_same(sample.outputs, run(reading.model, sample.inputs), step=STEPS.get(case.name, 0.0))


def test_every_reading_function_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for those that no Paddle at hand runs on a CPU, or that draw at random: these are named."""
    seen: set[str] = set()
    find = reads.find

    def watched(type_: str, name: str = "") -> object:
        seen.add(type_)
        return find(type_, name)

    monkeypatch.setattr(reads, "find", watched)
    for case in CASES:
        read(case.request(tmp_path / str(case)))
    covered = {rule for type_, rule in reads.rules.items() if type_ in seen}
    assert {rule.__name__ for rule in reads.rules.values() if rule not in covered} == ELSEWHERE


# By numpy, in test_read_fused.py.
ELSEWHERE = {
    "collect_fpn_proposals", "flash_attn", "fused_attention", "fused_bias_dropout_residual_layer_norm",
    "fused_dropout_add", "fused_elementwise", "fused_embedding_eltwise_layernorm", "fused_fc_elementwise_layernorm",
    "fused_feedforward", "fused_softmax_mask", "fusion_transpose_flatten_concat", "gemm_epilogue", "linear_v2",
    "max_with_index", "multihead_matmul", "random", "rms_norm", "skip_layernorm", "trunc_divide", "variance",
}  # fmt: skip


def test_both_dialects_are_listed() -> None:
    table = coverage()
    assert table["conv2d"] == table["pd_op.conv2d"] == table["feed"] == ""
    assert table["py_func"] and table["psroi_pool"] == table["pd_op.psroi_pool"] != ""
    assert all(re.fullmatch(r"[\w.]+", name) for name in table)


def test_nodes_carry_the_type_that_the_file_has(tmp_path: Path) -> None:
    case = next(case for case in CASES if str(case) == "pir-relu")
    (node,) = read(case.request(tmp_path)).model.graph
    assert node.metadata_props[LAYER_TYPE] == "pd_op.relu"
