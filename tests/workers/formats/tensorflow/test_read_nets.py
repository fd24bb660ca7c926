"""What a model looks like, beyond its numbers: layouts, recurrent layers, loops and branches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, cases, run
from tests.workers.formats.tensorflow.graphs import const, node, operators, placeholder, read_graph
from tests.workers.formats.tensorflow.recorded import recorded
from workers.formats.tensorflow.read import read

# Transposes that stay: one into each net, and one in front of each output that is a picture.
TRANSPOSES = {
    "tf1_inception_savedmodel": 1, "tf1_mobilenet_frozen": 1, "tf2_resnet_savedmodel": 1, "tf2_unet_savedmodel": 3,
    "tf1_convnet_checkpoint": 1, "tf1_checkpoint_v1": 1, "tf1_ssd_head_savedmodel": 4,
}  # fmt: skip
# Loops that are recurrent layers, with the layers they are.
RECURRENT = {
    "tf2_embedding_lstm_keras": ["LSTM", "LSTM", "GRU"], "tf1_dynamic_lstm": ["LSTM", "LSTM"],
    "tf1_dynamic_gru_bidirectional": ["GRU", "GRU", "RNN"], "tf1_block_fused_lstm": ["LSTM"],
    "tf1_free_time": ["LSTM", "GRU"],
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSPOSES)
def test_no_transposes_are_left_between_the_layers_of_a_convolution_net(name: str) -> None:
    (case,) = cases("tensorflow", name)
    assert operators(read(case.request())).count("Transpose") == TRANSPOSES[name]


@pytest.mark.parametrize("name", ["flatten_dense", "squeeze_excite", "resize_conv", "global_pool_dense", "atrous"])
def test_small_nets_keep_their_channels_first(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == name]
    picture_out = next(iter(case.outputs.values())).ndim == 4
    assert operators(case.read(tmp_path)).count("Transpose") == 1 + picture_out


@pytest.mark.parametrize("name", ["atrous", "atrous_valid_bias"])
def test_space_to_batch_around_a_convolution_is_its_dilation(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == name]
    found = case.read(tmp_path)
    (conv,) = [inner for inner in found.model.graph if inner.op_type == "Conv"]
    assert set(conv.attributes["dilations"].as_ints()) <= {2, 3} and "Reshape" not in operators(found)


@pytest.mark.parametrize("name", RECURRENT)
def test_loops_of_recurrent_cells_become_layers(name: str) -> None:
    (case,) = cases("tensorflow", name)
    found = operators(read(case.request()))
    assert [op for op in found if op in ("LSTM", "GRU", "RNN")] == RECURRENT[name] and "Loop" not in found


def test_a_length_for_every_sequence_stays_a_loop() -> None:
    (case,) = cases("tensorflow", "tf1_sequence_length")
    assert "Loop" in operators(read(case.request()))


def test_branches_and_loops_of_tf1_become_if_and_loop() -> None:
    (case,) = cases("tensorflow", "tf1_while_and_cond")
    found = operators(read(case.request()))
    assert found.count("Loop") == 3 and found.count("If") == 1


@pytest.mark.parametrize("chosen", [0, 1, 2, 5, -1])
def test_a_case_laid_flat_takes_the_side_of_its_number(chosen: int, tmp_path: Path) -> None:
    """The frozen graphs of TensorFlow 2 hold it so; a number out of range means the last side."""
    nodes = (placeholder("x", None, 3), placeholder("n", dtype="DT_INT32"), node("s", "_SwitchN", "x", "n", num_outs=3),
             node("a", "Relu", "s"), node("b", "Neg", "s:1"), node("c", "Square", "s:2"),
             node("y", "Merge", "b", "a", "c", N=3))  # fmt: skip
    x = np.array([[-1, 2, 3]], np.float32)
    sides = (np.maximum(x, 0), -x, x * x)
    want = sides[chosen] if 0 <= chosen < 3 else sides[2]
    free = read_graph(tmp_path, *nodes, inputs=["x", "n"], outputs=["y:0"])
    assert_same({"y:0": want}, run(free.model, {"x": x, "n": np.array(chosen, np.int32)}))
    known = read_graph(tmp_path, *nodes, outputs=["y:0"], constants={"n:0": chosen})
    assert_same({"y:0": want}, run(known.model, {"x:0": x}))
    assert "If" not in operators(known)


def test_shape_arithmetic_leaves_nothing_but_a_reshape(tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == "Reshape_merge"]
    found = operators(case.read(tmp_path))
    assert set(found) <= {"Reshape", "MatMul"}


def test_training_statistics_are_told(tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == "FusedBatchNormV3_True"]
    assert "batch-statistics" in [note.code for note in case.read(tmp_path).notes]


def test_a_batch_that_a_node_needs_is_fixed_and_told(tmp_path: Path) -> None:
    nodes = (placeholder("x", None, 3), const("k", 0, np.int32), node("y", "Unpack", "x", num=1, axis=0))
    split = (node("s", "SplitV", "x", "n", "k", num_split=2), const("n", [-1, 1], np.int32))
    reading = read_graph(tmp_path, nodes[0], nodes[1], *split, outputs=["s"], input_shapes={"x:0": [4, 3]})
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert_same({"s": x[:3]}, run(reading.model, {"x:0": x}))
    (note,) = read_graph(tmp_path, nodes[0], nodes[1], *split, outputs=["s"]).notes
    assert note.code == "fixed-batch" and "'s' (SplitV)" in note.detail


def test_very_deep_nets_are_read(tmp_path: Path) -> None:
    chain = [node(f"n{i}", "Neg", f"n{i - 1}" if i else "x") for i in range(3000)]
    reading = read_graph(tmp_path, placeholder("x", None, 2), *reversed(chain), outputs=["n2999"])
    assert len(operators(reading)) == 3000
