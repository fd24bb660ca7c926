"""From a symbol to the graph of inference: labels, outputs, inputs and their shapes, the batch, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.cases import assert_same, cases, run, shapes
from tests.workers.formats.mxnet.graphs import node, normal, read_files, read_graph, symbol
from workers.errors import InvalidOptions, LimitExceeded, MalformedModel, UnsupportedOperators
from workers.formats import mxnet
from workers.formats.mxnet.read import read
from workers.formats.mxnet.symbol import Node, Symbol

X = normal(2, 4)
W, B = normal(3, 4), normal(3)
DENSE = node("FullyConnected", "fc", "x", "w", "b", num_hidden=3)
PARAMS = {"w": W, "b": B}


def outputs(model: ir.Model) -> list[str | None]:
    return [value.name for value in model.graph.outputs]


# --- labels and losses -----------------------------------------------------------------------------------------------


def test_labels_vanish_with_everything_that_feeds_only_them(tmp_path: Path) -> None:
    graph = symbol(DENSE, node("Reshape", "flat", "softmax_label", shape=(-1,)),
                   node("SoftmaxOutput", "softmax", "fc", "flat"))  # fmt: skip
    model = read_graph(tmp_path, graph, PARAMS).model
    assert shapes(model) == {"x": ["batch", 4]} and outputs(model) == ["softmax_output"]
    logits = X @ W.T + B
    want = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert_same({"softmax_output": want}, run(model, {"x": X}))


def test_shapes_given_for_labels_are_no_mistake(tmp_path: Path) -> None:
    graph = symbol(DENSE, node("SoftmaxOutput", "softmax", "fc", "softmax_label"))
    assert list(shapes(read_graph(tmp_path, graph, PARAMS, input_shapes={"softmax_label": [2]}).model)) == ["x"]


def test_outputs_computed_from_labels_are_cut(tmp_path: Path) -> None:
    graph = symbol(DENSE, node("pick", "error", "fc", "label"), node("MakeLoss", "loss", "error"), heads=["fc", "loss"])
    reading = read_graph(tmp_path, graph, PARAMS)
    assert outputs(reading.model) == ["fc_output"]
    assert [(note.code, note.where) for note in reading.notes] == [("training-output", "loss")]
    with_label = read_graph(tmp_path, graph, PARAMS, input_shapes={"label": [2], "x": [2, 4]})
    assert outputs(with_label.model) == ["fc_output", "loss_output"]


# --- outputs and inputs of choice ------------------------------------------------------------------------------------


def test_outputs_by_their_names_or_their_nodes(tmp_path: Path) -> None:
    graph = symbol(DENSE, node("relu", "act", "fc"), node("exp", "y", "act"))
    for name in ("act_output", "act"):
        model = read_graph(tmp_path, graph, PARAMS, outputs=[name]).model
        assert_same({name: np.maximum(X @ W.T + B, 0)}, run(model, {"x": X}))
    with pytest.raises(
        InvalidOptions, match="'outputs' names 'atc_output', but the graph has no such tensor"
    ) as caught:
        read_graph(tmp_path, graph, PARAMS, outputs=["atc_output"])
    assert "act_output" in str(caught.value.hint)


def test_the_graph_can_be_cut_at_a_tensor(tmp_path: Path) -> None:
    graph = symbol(DENSE, node("relu", "act", "fc"), node("exp", "y", "act"))
    model = read_graph(tmp_path, graph, PARAMS, inputs=["act_output"], input_shapes={"act_output": [2, 3]}).model
    assert shapes(model) == {"act_output": ["batch", 3]}
    z = normal(2, 3)
    assert_same({"y_output": np.exp(z)}, run(model, {"act_output": z}))
    with pytest.raises(InvalidOptions, match="'fc', which the outputs do not need"):
        read_graph(tmp_path, graph, PARAMS, inputs=["act", "fc"], input_shapes={"act": [2, 3]})


def test_a_variable_as_output_and_one_output_twice(tmp_path: Path) -> None:
    graph = symbol(node("relu", "y", "x"), heads=["x", "y", "y"])
    got = run(read_graph(tmp_path, graph, input_shapes={"x": [2, 4]}).model, {"x": X})
    assert [array.tolist() for array in got.values()] == [X.tolist(), *[np.maximum(X, 0).tolist()] * 2]


def test_nodes_need_not_be_sorted(tmp_path: Path) -> None:
    nodes = (Node("exp", "y", {}, ((2, 0),)), Node("null", "x"), Node("relu", "r", {}, ((1, 0),)))
    model = read_graph(tmp_path, Symbol(nodes, ((0, 0),), 10901), input_shapes={"x": [2, 4]}).model
    assert_same({"y_output": np.exp(np.maximum(X, 0))}, run(model, {"x": X}))


def test_a_circle_is_no_graph(tmp_path: Path) -> None:
    nodes = (Node("null", "x"), Node("broadcast_add", "a", {}, ((0, 0), (2, 0))), Node("relu", "b", {}, ((1, 0),)))
    with pytest.raises(MalformedModel, match="runs in a circle through node"):
        read_graph(tmp_path, Symbol(nodes, ((2, 0),), 10901), input_shapes={"x": [2]})


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_a_shape_that_stands_nowhere_is_asked_for(tmp_path: Path) -> None:
    graph = symbol(node("Convolution", "c", "data", "w", kernel=(3, 3), num_filter=8, num_group=2, no_bias=True))
    with pytest.raises(InvalidOptions, match="the shape of input 'data' stands in no file") as caught:
        read_graph(tmp_path, graph, {"w": normal(8, 3, 3, 3)})
    assert "data=1,6,?,?" in str(caught.value.hint)
    two = symbol(node("broadcast_add", "y", "a", "b"))
    with pytest.raises(InvalidOptions, match="the shapes of inputs 'a', 'b' stand in no file"):
        read_graph(tmp_path, two)


def test_a_shape_for_no_input_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="names 'dat', which is no input") as caught:
        read_graph(tmp_path, symbol(DENSE), PARAMS, input_shapes={"dat": [1, 4]})
    assert "Inputs: x." in str(caught.value.hint)


def test_dense_layers_and_declared_shapes_tell_their_inputs(tmp_path: Path) -> None:
    assert shapes(read_graph(tmp_path, symbol(DENSE), PARAMS).model) == {"x": ["batch", 4]}
    assert shapes(read_graph(tmp_path, symbol(DENSE), PARAMS, dynamic_batch=False).model) == {"x": [1, 4]}
    made = symbol(node("relu", "y", "x"))
    for text, known in (("(2, 3)", True), ("(0, 3)", False), ("(-1, 3)", False), ("junk", False)):
        declared = Symbol((Node("null", "x", {"__shape__": text}), made.nodes[1]), made.heads, made.version)
        if known:
            assert shapes(read_graph(tmp_path, declared).model) == {"x": ["batch", 3]}
        else:
            with pytest.raises(InvalidOptions, match="stands in no file"):
                read_graph(tmp_path, declared)


def test_states_and_second_operands_are_deduced(tmp_path: Path) -> None:
    packed = normal(4 * 3 * (2 + 3) + 8 * 3)
    graph = symbol(
        node("RNN", "r", "x", "p", "h", "c", mode="lstm", state_size=3, num_layers=1),
        node("elemwise_add", "y", "r", "z"),
    )
    model = read_graph(tmp_path, graph, {"p": packed}, input_shapes={"x": [5, 2, 2]}).model
    assert shapes(model) == {"x": [5, "batch", 2], "h": [1, "batch", 3], "c": [1, "batch", 3], "z": [5, "batch", 3]}


def test_free_axes_named_by_the_user_stay_free(tmp_path: Path) -> None:
    graph = symbol(
        node("Convolution", "c", "x", "w", kernel=(3, 3), num_filter=2, pad=(1, 1), stride=(2, 2), no_bias=True),
        node("Pooling", "p", "c", kernel=(2, 2), stride=(2, 2), pool_type="avg"),
        node("Pooling", "y", "p", global_pool=True, pool_type="avg"),
    )
    model = read_graph(tmp_path, graph, {"w": normal(2, 3, 3, 3)}, input_shapes={"x": [None, 3, "height", None]}).model
    assert shapes(model) == {"x": ["batch", 3, "height", "x_3"]}
    for size in ((1, 3, 16, 20), (2, 3, 31, 12)):
        assert run(model, {"x": normal(*size)})["y_output"].shape == (size[0], 2, 1, 1)


def test_an_axis_that_a_layer_needs_cannot_be_free(tmp_path: Path) -> None:
    graph = symbol(node("Pooling", "y", "x", kernel=(2, 2), stride=(2, 2), pooling_convention="full"))
    with pytest.raises(InvalidOptions, match=r"layer 'y' \(Pooling\) does not work with the free axes") as caught:
        read_graph(tmp_path, graph, input_shapes={"x": [1, 3, None, None]})
    assert "numbers for all axes" in str(caught.value.hint)


def test_a_layer_that_fixes_the_batch_is_named(tmp_path: Path) -> None:
    graph = symbol(node("Reshape", "spelt", "x", shape=(2, 2, 2)), node("relu", "y", "spelt"))
    reading = read_graph(tmp_path, graph, input_shapes={"x": [2, 4]})
    assert shapes(reading.model) == {"x": [2, 4]}
    (note,) = reading.notes
    assert (note.code, note.where) == ("fixed-batch", "spelt") and "cannot leave it free" in note.detail


def test_element_types_of_choice(tmp_path: Path) -> None:
    graph = symbol(node("relu", "y", "x"))
    model = read_graph(tmp_path, graph, input_shapes={"x": [2]}, input_dtypes={"x": "float64"}).model
    assert model.graph.inputs[0].dtype == ir.DataType.DOUBLE
    with pytest.raises(InvalidOptions, match="gives 'x' the type 'complex'"):
        read_graph(tmp_path, graph, input_shapes={"x": [2]}, input_dtypes={"x": "complex"})
    with pytest.raises(InvalidOptions, match="'input_dtypes' names 'z'"):
        read_graph(tmp_path, graph, input_shapes={"x": [2]}, input_dtypes={"z": "int64"})


def test_parameters_are_not_copied(tmp_path: Path) -> None:
    model = read_graph(tmp_path, symbol(DENSE), PARAMS).model
    for value in model.graph.initializers.values():
        assert value.const_value is not None and not value.const_value.numpy().flags.owndata


# --- refusals --------------------------------------------------------------------------------------------------------


def test_all_layers_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    graph = symbol(
        node("Custom", "mine", "x", op_type="my_op"), node("relu", "between", "mine"),
        node("_linalg_potrf", "root", "between"), node("NoSuchOperator", "what", "root"),
        node("Dropout", "noise", "x", mode="always"), heads=["what", "noise"],
    )  # fmt: skip
    with pytest.raises(UnsupportedOperators) as caught:
        read_graph(tmp_path, graph, input_shapes={"x": [2, 2]})
    found = {item.layer: (item.type, item.reason) for item in caught.value.items}
    assert list(found) == ["mine", "root", "what", "noise"]
    assert "user's own code" in found["mine"][1] and "does not know this layer type" in found["what"][1]
    assert found["root"][0] == "_linalg_potrf" and "at random" in found["noise"][1]


def test_layers_in_sub_graphs_are_named_as_well(tmp_path: Path) -> None:
    body = symbol(
        node("Custom", "inner", "d", op_type="f"), node("elemwise_add", "s", "inner", "t"), heads=["inner", "s"]
    )
    graph = symbol(node("_foreach", "loop", "x", "z", subgraphs=[body], in_data_locs="[0]", in_state_locs="[1]",
                        remain_locs="[]", num_out_data=1, num_outputs=2))  # fmt: skip
    with pytest.raises(UnsupportedOperators, match=r"'inner' \(Custom\)"):
        read_graph(tmp_path, graph, input_shapes={"x": [3, 2], "z": [2]})


def test_quantised_graphs_ask_for_the_float_model(tmp_path: Path) -> None:
    graph = symbol(node("_contrib_quantize_v2", "q", "x", out_type="int8"))
    with pytest.raises(UnsupportedOperators, match="convert the float model"):
        read_graph(tmp_path, graph, input_shapes={"x": [2]})


def test_training_targets_name_the_option(tmp_path: Path) -> None:
    graph = symbol(node("_contrib_MultiBoxTarget", "t", "a", "l", "c"))
    with pytest.raises(UnsupportedOperators, match="in the option 'outputs'"):
        read_graph(tmp_path, graph, input_shapes={"a": [1], "l": [1], "c": [1]})


WRONG: list[tuple[Any, dict[str, list[int]], str]] = [
    (node("Convolution", "y", "x", "w", kernel=(3, 3), num_filter=3, no_bias=True), {"x": [1, 4, 9, 9]},
     r"its weight has the shape \[3, 4\], the layer needs \[3, 4, 3, 3\]"),
    (node("Convolution", "y", "x", "w", num_filter=3), {"x": [1, 4, 9, 9]}, "its attribute kernel is missing"),
    (node("Convolution", "y", "x", "w", kernel="(3,", num_filter=3), {"x": [1, 4, 9, 9]}, "attribute kernel: "),
    (node("FullyConnected", "y", "x", "w", num_hidden=3, no_bias="maybe"), {"x": [1, 4]}, "neither True nor False"),
    (node("FullyConnected", "y", "x", "w", num_hidden=3, no_bias=True), {"x": [1, 5]}, "is 5 here and 4 there"),
    (node("relu", "y", "x", "w"), {"x": [1, 4]}, "it has 2 inputs where the type takes 1"),
    (node("Reshape", "y", "x", shape=(0, 5)), {"x": [2, 4]}, "8 values of shape .* do not fill the shape"),
    (node("Reshape", "y", "x", shape=(0, -1, -1)), {"x": [2, 4]}, "does not fit an input of shape"),
    (node("Reshape", "y", "x", shape=(0, -7)), {"x": [2, 4]}, "does not fit an input of shape"),
    (node("transpose", "y", "x", axes=(0, 0)), {"x": [2, 4]}, "its axes"),
    (node("sum", "y", "x", axis=5), {"x": [2, 4]}, "its axis 5 does not exist"),
    (node("Pooling", "y", "x", kernel=(9, 9)), {"x": [1, 1, 4, 4]}, "a kernel of 9 does not fit a side of 4"),
    (node("Concat", "y", "x", "z", dim=1), {"x": [2, 4], "z": [3, 4]}, "the size of axis 0 is 2 here and 3 there"),
    (node("Activation", "y", "x", act_type="swoosh"), {"x": [2, 4]}, "its act_type is 'swoosh'"),
    (node("Cast", "y", "x", dtype="complex64"), {"x": [2, 4]}, "which is no element type"),
    (node("split", "y", "x", num_outputs=3), {"x": [2, 4]}, "4 cannot be cut into 3 equal parts"),
    (node("_arange", "y", start=0, stop="nan"), {}, "it counts from"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "given", "words"), WRONG, ids=[f"{i}-{entry[0][0]}" for i, entry in enumerate(WRONG)]
)
def test_layers_that_mxnet_refuses_are_malformed(
    layer: Any, given: dict[str, list[int]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(MalformedModel, match=words) as caught:
        read_graph(tmp_path, symbol(layer), {"w": W} if "w" in layer[2] else None, input_shapes=given)
    assert caught.value.layer == "y" and caught.value.op == layer[0]


@pytest.mark.parametrize(
    "layer",
    [node("_zeros", "y", shape=(100000, 100000)), node("_arange", "y", start=0, stop=1e15), node("_eye", "y", N=10**6),
     node("_linspace", "y", start=0, stop=1, step=1e12)],
)  # fmt: skip
def test_constants_that_would_fill_the_memory(layer: Any, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="makes a constant of"):
        read_graph(tmp_path, symbol(layer))


def test_every_operator_of_the_coverage_is_read_or_refused_with_a_reason() -> None:
    assert mxnet.FORMAT.coverage is not None
    coverage = mxnet.FORMAT.coverage()["read"]
    assert coverage["Convolution"] == "" and "user's own code" in coverage["Custom"]
    assert sum(reason == "" for reason in coverage.values()) > 600


def test_half_precision_parameters_are_widened_with_a_word() -> None:
    (case,) = cases("mxnet", "fp16_gluon")
    reading = read_files(*case.files, **case.facts["options"])
    assert [note.code for note in reading.notes] == ["widened-parameters"]
    half = read_files(*case.files, **case.facts["options"], input_dtypes={"data": "float16"})
    assert half.model.graph.outputs[0].dtype == ir.DataType.FLOAT16 and not half.notes


def test_time_major_nets_have_their_batch_in_axis_1() -> None:
    (case,) = cases("mxnet", "lstm_lm_gluon")
    assert shapes(read(case.request()).model) == {
        "data0": [7, "batch"], "data1": [2, "batch", 20], "data2": [2, "batch", 20]
    }  # fmt: skip


def test_progress_names_every_operator_in_order() -> None:
    (case,) = cases("mxnet", "mlp_module")
    seen: list[str] = []
    request = case.request(dynamic_batch=False)
    read(type(request)(request.upload, request.options, lambda done, total, what: seen.append(what)))
    assert seen[:2] == ["fc1 (FullyConnected)", "relu1 (Activation)"]
