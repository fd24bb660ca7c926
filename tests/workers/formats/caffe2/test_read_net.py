"""What a net means as a whole: versions of blobs, inputs and outputs, training, options, layouts, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe2.nets import fill, net, normal, operator, pair, read_nets, resnet, write_resnet
from tests.workers.formats.caffe2.recorded import small_nets
from tests.workers.formats.cases import assert_same, run, shapes
from workers.errors import InvalidOptions, MalformedModel, UnsupportedOperators
from workers.formats.caffe2.read import coverage, read
from workers.formats.contract import ReadRequest
from workers.inspect.upload import Upload
from workers.options import Options

X = normal(2, 3)
SHAPE: dict[str, Any] = {"input_shapes": {"x": [2, 3]}}


def test_names_that_are_written_again_stand_for_several_values(tmp_path: Path) -> None:
    ops = [operator("Relu", ["x"], ["a"]), operator("Exp", ["a"], ["b"]), operator("Sqr", ["a"], ["a"]),
           operator("Add", ["a", "b"], ["a"])]  # fmt: skip
    model = read_nets(tmp_path, *pair(ops, {}, ["x"], ["a", "b"]), **SHAPE).model
    relu = np.maximum(X, 0)
    assert_same({"a": relu * relu + np.exp(relu), "b": np.exp(relu)}, run(model, {"x": X}))


def test_outputs_and_inputs_can_be_chosen(tmp_path: Path) -> None:
    ops = [operator("ATen", ["raw"], ["a"], operator="what"), operator("Relu", ["a"], ["b"]),
           operator("Exp", ["b"], ["c"]), operator("ATen", ["c"], ["d"])]  # fmt: skip
    nets = pair(ops, {}, ["raw"], ["d"])
    model = read_nets(tmp_path, *nets, inputs=["a"], outputs=["c"], input_shapes={"a": [2, 3]}).model
    assert_same({"c": np.exp(np.maximum(X, 0))}, run(model, {"a": X}))
    with pytest.raises(InvalidOptions, match="the shape of 'a', where the graph is to be cut, cannot be found"):
        read_nets(tmp_path, *nets, inputs=["a"], outputs=["c"], input_shapes={"raw": [2, 3]})
    with pytest.raises(InvalidOptions, match="names 'cc', but the net has no such blob") as caught:
        read_nets(tmp_path, *nets, outputs=["cc"], input_shapes={"raw": [2, 3]})
    assert caught.value.hint is not None and "c" in caught.value.hint


def test_the_shape_at_a_cut_is_found_by_reading_what_is_in_front(tmp_path: Path) -> None:
    ops = [operator("Transpose", ["x"], ["a"]), operator("Relu", ["a"], ["y"])]
    model = read_nets(tmp_path, *pair(ops, {}, ["x"], ["y"]), inputs=["a"], dynamic_batch=False, **SHAPE).model
    assert shapes(model) == {"a": [3, 2]}


def test_every_unsupported_layer_is_named_at_once(tmp_path: Path) -> None:
    ops = [operator("ATen", ["x"], ["a"]), operator("Relu", ["a"], ["b"]), operator("MyOwn", ["b"], ["y"])]
    with pytest.raises(UnsupportedOperators) as caught:
        read_nets(tmp_path, *pair(ops, {}, ["x"], ["y"]), **SHAPE)
    assert [(item.layer, item.type) for item in caught.value.items] == [("a", "ATen"), ("y", "MyOwn")]
    assert "any function of PyTorch" in caught.value.items[0].reason


def test_a_training_net_is_cut_in_front_of_its_losses(tmp_path: Path) -> None:
    ops = [
        operator("TensorProtosDBInput", ["db"], ["x", "label"], batch_size=4),
        operator("FC", ["x", "w", "b"], ["fc"]), operator("Dropout", ["fc"], ["drop", "mask"], ratio=0.5),
        operator("SpatialBN", ["drop", "s", "b", "m", "v"], ["bn", "m", "v", "sm", "sv"]),
        operator("SoftmaxWithLoss", ["bn", "label"], ["prob", "loss"]),
        operator("Accuracy", ["prob", "label"], ["acc"]),
        operator("ConstantFill", ["loss"], ["loss_grad"], value=1.0),
        operator("SoftmaxWithLossGradient", ["bn", "label", "prob", "loss_grad"], ["fc_grad"]),
        operator("WeightedSum", ["w", "one", "fc_grad", "lr"], ["w"]),
    ]  # fmt: skip
    w, one = normal(3, 3, seed=1), np.ones(3, np.float32)
    params = {"w": w, "b": one, "s": one, "m": one, "v": 4 * one, "one": one[:1]}
    reading = read_nets(tmp_path, *pair(ops, params, ["db"], []), **SHAPE)
    assert [value.name for value in reading.model.graph.inputs] == ["x"]
    assert "training-net" in {note.code for note in reading.notes}
    rows = ((X @ w.T + 1) - 1) / np.sqrt(4 + 1e-5) + 1
    want = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
    assert_same({"prob": want.astype(np.float32)}, run(reading.model, {"x": X}))


def test_training_mode_without_gradients_normalises_by_the_batch(tmp_path: Path) -> None:
    ops = [operator("SpatialBN", ["x", "s", "b", "m", "v"], ["y", "m", "v", "sm", "sv"])]
    ones = np.ones(3, np.float32)
    reading = read_nets(tmp_path, *pair(ops, {"s": ones, "b": ones, "m": ones, "v": ones}, ["x"], ["y"]), **SHAPE)
    assert "batch-statistics" in {note.code for note in reading.notes}
    want = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5) + 1
    assert_same({"y": want.astype(np.float32)}, run(reading.model, {"x": X}))


def test_blobs_that_are_never_made_are_left_out_of_the_outputs(tmp_path: Path) -> None:
    ops = [operator("Dropout", ["x"], ["y", "_mask"], is_test=1)]
    reading = read_nets(tmp_path, *pair(ops, {}, ["x"], ["y", "_mask"]), **SHAPE)
    assert [value.name for value in reading.model.graph.outputs] == ["y"]
    assert "'_mask' is not made by Dropout" in reading.notes[0].detail


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (operator("Softmax", ["x"], ["y"], axis=1.0), "its argument axis is no integer"),
        (operator("Softmax", ["x"], ["y"], axis=5), "its axis 5 does not exist in an input of 2 axes"),
        (operator("LeakyRelu", ["x"], ["y"], alpha=1), "its argument alpha is no float"),
        (operator("Reshape", ["x"], ["y", "_"], shape=[4, -1]), r"\[2, 3\] cannot become \[4, -1\]"),
        (operator("Transpose", ["x"], ["y"], axes=[0, 0]), r"its axes are \[0, 0\]"),
        (operator("Relu", ["x", "x"], ["y"]), "it has 2 inputs where the type takes 1"),
        (operator("Slice", ["x"], ["y"], starts=[0, 4], ends=[-1, -1]), "do not fit an axis of 3"),
        (operator("Split", ["x"], ["y", "z"], axis=1), "an axis of 3 cannot be cut in 2 equal parts"),
        (operator("Add", ["x", "x"], ["y"], broadcast=1, axis=3), "its axis 3 does not fit"),
        (operator("Conv", ["x", "x"], ["y"], kernel=3), "it takes 3 or 4 or 5"),
    ],
)
def test_what_caffe2_would_refuse_names_the_layer(op: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=words) as caught:
        read_nets(tmp_path, *pair([op], {}, ["x"], ["y"]), dynamic_batch=False, **SHAPE)
    assert caught.value.layer == "y" and caught.value.op == str(op.type)


def test_channels_last_nets_keep_their_inputs_and_lose_their_transposes(tmp_path: Path) -> None:
    (branches,) = [one for one in small_nets() if one.name == "nhwc-branches"]
    graph = read(branches.request(tmp_path)).model.graph
    assert [node.op_type for node in graph].count("Transpose") == 2  # at the input, and at the output 'q'
    (dense,) = [one for one in small_nets() if one.name == "nhwc-fc"]
    graph = read(dense.request(tmp_path)).model.graph
    assert [node.op_type for node in graph].count("Transpose") == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("LSTM-lengths", "LSTM"), ("LSTM-training", "LSTM"), ("GRU-drop", "GRU"), ("GRU-after", "GRU"), ("MILSTM", "Scan"),
     ("BasicRNN-tanh", "Scan"), ("LSTM-no-cells", "LSTM")],
)  # fmt: skip
def test_recurrent_nets_become_the_layers_that_they_are(name: str, kind: str, tmp_path: Path) -> None:
    (recurrent,) = [one for one in small_nets() if one.name == name]
    options: dict[str, Any] = {}
    if name == "LSTM-lengths":
        options["outputs"] = [output for output in recurrent.outputs if "cell_state_all" not in output]
    types = [node.op_type for node in read(recurrent.request(tmp_path, **options)).model.graph]
    assert kind in types and not {"LSTM", "GRU", "Scan", "Loop"} & set(types) - {kind}


def test_noise_inside_a_net_is_drawn_and_said(tmp_path: Path) -> None:
    ops = [operator("GaussianFill", [], ["z"], shape=[2, 3], mean=1.0, std=0.5), operator("Add", ["x", "z"], ["y"])]
    reading = read_nets(tmp_path, *pair(ops, {}, ["x"], ["y"]), dynamic_batch=False, **SHAPE)
    assert "random" in {note.code for note in reading.notes}
    assert "RandomNormal" in [node.op_type for node in reading.model.graph]


def test_an_output_that_overwrites_an_input_gets_another_name(tmp_path: Path) -> None:
    reading = read_nets(tmp_path, *pair([operator("Relu", ["x"], ["x"])], {}, ["x"], ["x"]), **SHAPE)
    assert "it is called 'x_1'" in reading.notes[0].detail
    assert_same({"x_1": np.maximum(X, 0)}, run(reading.model, {"x": X}))


def test_devices_and_engines_change_nothing(tmp_path: Path) -> None:
    op = operator("Relu", ["x"], ["y"])
    op.device_option, op.engine, op.control_input = {"device_type": 1, "device_id": 3}, "CUDNN", ["nothing"]
    init, predict = pair([op], {}, ["x"], ["y"])
    predict.type, predict.device_option = "dag", {"device_type": 1}
    assert_same({"y": np.maximum(X, 0)}, run(read_nets(tmp_path, init, predict, **SHAPE).model, {"x": X}))


def test_a_fill_that_lies_about_its_shape_is_refused(tmp_path: Path) -> None:
    op = fill("w", normal(2, 3))
    op.arg[0].ints = [2, 4]
    predict = net([operator("Add", ["x", "w"], ["y"])], ["x", "w"], ["y"])
    with pytest.raises(MalformedModel, match=r"it has 6 values for the shape \[2, 4\]"):
        read_nets(tmp_path, net([op]), predict, **SHAPE)


def test_weights_stay_where_they_are_in_the_file(tmp_path: Path) -> None:
    """A network of 25 million numbers: the initialisers are views, five bytes apart, on the mapped file."""
    files = write_resnet(tmp_path)
    model = read(ReadRequest(Upload.of(*files), Options(input_shapes={"data": [1, 3, 224, 224]}))).model
    ops, parameters = resnet((3, 4, 6, 3))
    weight = model.graph.initializers["res5_2_branch2b_w"].const_value
    assert weight is not None
    array = weight.numpy()
    assert array.strides[-1] == 5 and not array.flags.owndata and array.shape == (512, 512, 3, 3)
    assert len(list(model.graph)) >= len(ops) and len(model.graph.initializers) >= len(parameters)


def test_the_table_of_operators_is_whole() -> None:
    table = coverage()
    assert sum(not reason for reason in table.values()) > 390 and all(name for name in table)
    assert table["Conv"] == table["MomentumSGDUpdate"] == table["ConstantFill"] == "" and "PyTorch" in table["ATen"]
