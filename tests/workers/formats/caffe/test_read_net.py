"""From the net in the file to the graph that runs: phases, in-place blobs, inputs, outputs, cuts, the batch axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import compute, layer, net, normal, read_files, read_net, save
from tests.workers.formats.cases import assert_same, cases, run, shapes
from workers.errors import InvalidOptions, MalformedModel, UnsupportedOperators
from workers.formats.caffe.read import coverage

X = normal(2, 4, 5, 6)
DIGITS, TRAIN, RESNET = cases("caffe", "digits_all_in_one", "lenet_train_val", "resnet_bn_scale")


def text(folder: Path, content: str) -> Path:
    path = folder / "net.prototxt"
    path.write_text(content)
    return path


# --- phases and stages ------------------------------------------------------------------------------------------------


def test_a_net_chosen_by_stages_asks_for_one() -> None:
    with pytest.raises(InvalidOptions, match="by stage") as caught:
        read_files(*DIGITS.files, phase="TEST")
    assert "deploy, train, val" in str(caught.value.hint)


RULES = """
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 1 dim: 3 }} }} }}
layer {{ name: "a" type: "AbsVal" bottom: "x" top: "y" {rule} }}
layer {{ name: "b" type: "TanH" bottom: "x" top: "z" }}
"""


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("include { phase: TEST }", True),
        ("include { phase: TRAIN }", False),
        ("include { phase: TRAIN } include { phase: TEST }", True),
        ("exclude { phase: TEST }", False),
        ("include { min_level: 1 }", False),
        ("include { min_level: -1 max_level: 0 }", True),
        ("include { stage: 'a' stage: 'b' }", True),
        ("include { stage: 'a' stage: 'c' }", False),
        ("include { not_stage: 'a' }", False),
        ("exclude { stage: 'c' }", True),
        ("include { phase: TEST stage: 'c' }", False),
    ],
)
def test_rules(tmp_path: Path, rule: str, kept: bool) -> None:
    reading = read_files(text(tmp_path, RULES.format(rule=rule)), stages=["a", "b"])
    assert ([value.name for value in reading.model.graph.outputs] == ["y", "z"]) is kept


def test_include_and_exclude_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="both include and exclude"):
        read_files(text(tmp_path, RULES.format(rule="include { phase: TEST } exclude { phase: TRAIN }")))


def test_training_layers_go_and_the_data_layer_becomes_an_input() -> None:
    reading = read_files(*TRAIN.files, input_shapes={"data": [1, 1, 28, 28]})
    assert [value.name for value in reading.model.graph.inputs] == ["data"]
    assert [value.name for value in reading.model.graph.outputs] == ["ip2"]
    assert [(note.code, note.where) for note in reading.notes] == [("dropped-loss", "loss")]
    assert "softmax it applies to 'ip2'" in reading.notes[0].detail


def test_data_layers_that_state_their_size_need_no_option(tmp_path: Path) -> None:
    content = """
    layer { name: "d" type: "MemoryData" top: "data" top: "label"
            memory_data_param { batch_size: 7 channels: 3 height: 4 width: 5 } }
    layer { name: "a" type: "AbsVal" bottom: "data" top: "y" }
    layer { name: "l" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }
    """
    assert shapes(read_files(text(tmp_path, content)).model) == {"data": ["batch", 3, 4, 5]}


def test_the_preprocessing_of_a_data_layer_is_noted(tmp_path: Path) -> None:
    content = """
    layer { name: "d" type: "ImageData" top: "data" top: "label"
            transform_param { scale: 0.5 mean_value: 3 crop_size: 8 } image_data_param { batch_size: 2 } }
    layer { name: "a" type: "AbsVal" bottom: "data" top: "y" }
    """
    reading = read_files(text(tmp_path, content))
    assert shapes(reading.model) == {"data": ["batch", 3, 8, 8]}
    assert [note.detail for note in reading.notes] == [
        "The data layer 'd' subtracts a mean and multiplies by 0.5; that is not part of the model."
    ]


def test_a_data_layer_of_the_other_phase_still_gives_the_input(tmp_path: Path) -> None:
    content = """
    layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 4 } }
    layer { name: "a" type: "AbsVal" bottom: "data" top: "y" }
    """
    reading = read_files(text(tmp_path, content), input_shapes={"data": [1, 3, 8, 8]})
    assert [note.code for note in reading.notes] == ["data-layer-of-other-phase"]


def test_what_depends_on_labels_only_is_no_output(tmp_path: Path) -> None:
    content = """
    layer { name: "d" type: "MemoryData" top: "data" top: "label"
            memory_data_param { batch_size: 7 channels: 3 height: 4 width: 5 } }
    layer { name: "a" type: "AbsVal" bottom: "data" top: "y" }
    layer { name: "f" type: "Flatten" bottom: "label" top: "flat" }
    """
    assert [value.name for value in read_files(text(tmp_path, content)).model.graph.outputs] == ["y"]


# --- blobs ------------------------------------------------------------------------------------------------------------


def test_outputs_come_in_the_byte_order_of_their_names(tmp_path: Path) -> None:
    entries = [layer("AbsVal", top=name, name=f"l{i}") for i, name in enumerate(("zz", "BB", "aa"))]
    assert list(compute(tmp_path, {"x": X}, *entries)) == ["BB", "aa", "zz"]


def test_a_chain_in_place_keeps_the_blobs_name_for_its_last_value(tmp_path: Path) -> None:
    chain = [layer("AbsVal", top="a"), *(layer(t, "a", "a", name=t) for t in ("TanH", "Sigmoid")), layer("BNLL", "a")]
    reading = read_net(tmp_path, net({"x": X.shape}, *chain))
    assert [node.outputs[0].name for node in reading.model.graph] == ["a_0", "a_1", "a", "y"]


def test_layers_between_two_writings_read_the_first(tmp_path: Path) -> None:
    chain = [layer("AbsVal", top="a"), layer("TanH", "a", "early"), layer("Power", "a", "a", power_param={"shift": 5}),
             layer("TanH", "a", "late")]  # fmt: skip
    got = compute(tmp_path, {"x": X}, *chain)
    assert_same({"early": np.tanh(np.abs(X)), "late": np.tanh(np.abs(X) + 5)}, got)


def test_in_place_on_an_input_leaves_the_input_as_it_is(tmp_path: Path) -> None:
    got = compute(tmp_path, {"x": X}, layer("ReLU", "x", "x"), layer("AbsVal", "x", "y"))
    assert_same({"y": np.maximum(X, 0)}, got)


def test_one_value_under_two_output_names(tmp_path: Path) -> None:
    got = compute(tmp_path, {"x": X}, layer("AbsVal", top="a"), layer("Dropout", "a", "b"), layer("Dropout", "a", "c"))
    assert_same({"b": np.abs(X), "c": np.abs(X)}, got)


def test_an_input_handed_through_is_copied(tmp_path: Path) -> None:
    assert_same({"y": X}, compute(tmp_path, {"x": X}, layer("Dropout")))


def test_silence_takes_a_blob_out_of_the_outputs(tmp_path: Path) -> None:
    entries = [layer("AbsVal", top="a"), layer("TanH", top="b"), layer("Silence", "a", [])]
    assert list(compute(tmp_path, {"x": X}, *entries)) == ["b"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([layer("AbsVal", "nowhere")], "reads the blob 'nowhere', which no layer before it writes"),
        ([layer("AbsVal"), layer("TanH", name="again")], "writes the blob 'y', which another layer has written"),
        ([layer("Silence", "x", [])], "nothing is left to convert"),
    ],
)
def test_nets_that_caffe_refuses(tmp_path: Path, entries: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(MalformedModel, match=reason):
        read_net(tmp_path, net({"x": X.shape}, *entries))


# --- options ----------------------------------------------------------------------------------------------------------


def test_the_graph_can_be_cut_on_both_sides() -> None:
    whole = read_files(*RESNET.files, outputs=["conv1", "pool1"])
    sample = RESNET.sample(1)
    middle = run(whole.model, sample.inputs)
    reading = read_files(*RESNET.files, inputs=["conv1"], outputs=["pool1"])
    assert [value.name for value in reading.model.graph.inputs] == ["conv1"]
    assert_same({"pool1": middle["pool1"]}, run(reading.model, {"conv1": middle["conv1"]}))


def test_an_unsupported_layer_can_be_cut_off_when_the_shape_is_given(tmp_path: Path) -> None:
    model = net({"x": X.shape}, layer("Frobnicate", top="f"), layer("AbsVal", "f", "y"))
    with pytest.raises(InvalidOptions, match="shape of 'f'"):
        read_net(tmp_path, model, inputs=["f"])
    reading = read_net(tmp_path, model, inputs=["f"], input_shapes={"f": [1, 7]})
    assert shapes(reading.model) == {"f": ["batch", 7]}
    assert_same({"y": np.abs(normal(3, 7))}, run(reading.model, {"f": normal(3, 7)}))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"outputs": ["yy"]}, "'outputs' names 'yy'"),
        ({"inputs": ["yy"]}, "'inputs' names 'yy'"),
        ({"input_shapes": {"xx": [1, 2]}}, "'input_shapes' names 'xx'"),
        ({"inputs": ["z"], "outputs": ["y"]}, "do not need"),
    ],
)
def test_options_that_do_not_fit_say_what_there_is(tmp_path: Path, options: dict[str, object], reason: str) -> None:
    model = net({"x": X.shape}, layer("AbsVal"), layer("TanH", top="z"))
    with pytest.raises(InvalidOptions, match=reason):
        read_net(tmp_path, model, **options)


def test_close_names_are_suggested(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions) as caught:
        read_net(tmp_path, net({"x": X.shape}, layer("AbsVal", top="prob")), outputs=["porb"])
    assert "prob" in str(caught.value.hint)


def test_an_input_shape_of_the_user_counts_more_than_the_files(tmp_path: Path) -> None:
    reading = read_net(tmp_path, net({"x": X.shape}, layer("AbsVal")), input_shapes={"x": [2, 9, 3]})
    assert shapes(reading.model) == {"x": ["batch", 9, 3]}


def test_axes_can_be_left_free_by_the_user(tmp_path: Path) -> None:
    conv = layer("Convolution", blobs=(normal(2, 4, 3, 3),), convolution_param={
        "num_output": 2, "kernel_size": [3], "bias_term": False})  # fmt: skip
    reading = read_net(tmp_path, net({"x": X.shape}, conv), input_shapes={"x": [None, 4, "h", "w"]})
    assert shapes(reading.model) == {"x": ["x_0", 4, "h", "w"]}
    assert run(reading.model, {"x": normal(3, 4, 9, 8)})["y"].shape == (3, 2, 7, 6)


# --- the batch axis ---------------------------------------------------------------------------------------------------


def test_a_layer_that_fixes_the_batch_brings_the_whole_net_back_to_it(tmp_path: Path) -> None:
    entry = layer("Reshape", name="rows", reshape_param={"shape": {"dim": [2, -1]}})
    reading = read_net(tmp_path, net({"x": X.shape}, entry))
    assert shapes(reading.model) == {"x": [2, 4, 5, 6]}
    assert [(note.code, note.where) for note in reading.notes] == [("fixed-batch", "rows")]
    assert_same({"y": X.reshape(2, 120)}, run(reading.model, {"x": X}))


def test_a_shape_that_spells_the_files_own_batch_leaves_it_free(tmp_path: Path) -> None:
    entry = layer("Reshape", reshape_param={"shape": {"dim": [2, 120]}})
    reading = read_net(tmp_path, net({"x": X.shape}, entry))
    assert shapes(reading.model) == {"x": ["batch", 4, 5, 6]}
    assert_same({"y": normal(3, 4, 5, 6).reshape(3, 120)}, run(reading.model, {"x": normal(3, 4, 5, 6)}))


def test_the_batch_can_be_fixed_on_request(tmp_path: Path) -> None:
    reading = read_net(tmp_path, net({"x": X.shape}, layer("AbsVal")), dynamic_batch=False)
    assert shapes(reading.model) == {"x": [2, 4, 5, 6]}


def test_inputs_of_another_length_keep_theirs(tmp_path: Path) -> None:
    model = net({"x": X.shape, "z": (5, 3)}, layer("AbsVal"), layer("TanH", "z", "t"))
    assert shapes(read_net(tmp_path, model).model) == {"x": ["batch", 4, 5, 6], "z": [5, 3]}


def test_a_size_that_depends_on_the_data_is_named(tmp_path: Path) -> None:
    chosen = layer("Filter", ["x", "s"], "f")
    entry = layer("Reshape", "f", name="joined", reshape_param={"shape": {"dim": [5, -1]}})
    with pytest.raises(UnsupportedOperators, match="'joined'"):
        read_net(tmp_path, net({"x": X.shape, "s": (2,)}, chosen, entry))


def test_absurd_sizes_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    entry = layer("Im2col", convolution_param={"kernel_size": [4000]})
    with pytest.raises((MalformedModel, UnsupportedOperators)):
        read_net(tmp_path, net({"x": (1, 4, 5000, 5000)}, entry))


def test_coverage_lists_what_is_read_and_why_the_rest_is_not() -> None:
    listed = coverage()
    assert listed["Convolution"] == "" and "user's own code" in listed["Python"]
    assert sum(not reason for reason in listed.values()) >= 60


def test_files_saved_together_are_named_in_the_reading(tmp_path: Path) -> None:
    assert read_files(*save(tmp_path, net({"x": X.shape}, layer("AbsVal")))).files == (
        "deploy.prototxt",
        "net.caffemodel",
    )
