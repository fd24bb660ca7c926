"""Every operator for itself: what MXNet 1.9.1 computed for a small graph, and what onnxruntime makes of its reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.mxnet.recorded import Graph, graphs
from workers.formats.mxnet.read import read
from workers.formats.mxnet.read.layer import reads
from workers.formats.mxnet.symbol import read_symbol

GRAPHS = graphs()
# Graphs whose batch could change in MXNet and is fixed in ONNX.
FIXED = {"np-roll-flat": "it cuts the flattened array at a place that depends on the batch"}


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_it_computes_what_mxnet_computes(graph: Graph, tmp_path: Path) -> None:
    reading = read(graph.request(tmp_path))
    fixed = any(note.code == "fixed-batch" for note in reading.notes)
    assert not (fixed and graph.runs > 1) or graph.name in FIXED, "its batch should be free"
    for sample in list(graph.samples())[: 1 if fixed else None]:
        assert_same(sample.outputs, run(reading.model, sample.inputs))


def test_every_reading_function_has_a_recorded_graph() -> None:
    """But for those that MXNet 1.9.1 cannot run on a CPU or that draw at random: these are tested elsewhere."""
    seen: set[str] = set()
    stack = [read_symbol(memoryview(graph.symbol.encode()), "") for graph in GRAPHS]
    while stack:
        for node in stack.pop().nodes:
            seen.add(node.op)
            stack.extend(node.subgraphs)
    covered = {rule for op, rule in reads.rules.items() if op in seen}
    assert {rule.__name__ for rule in reads.rules.values() if rule not in covered} == ELSEWHERE


# By numpy, or (the packed vector) by recorded models.
ELSEWHERE = {
    "boolean_mask_assign", "diag_indices_from", "fft", "identity_like", "ifft", "np_where_numbers", "random",
    "random_like", "rnn_param_concat", "sample_multinomial", "scatter_set_nd",
}  # fmt: skip
