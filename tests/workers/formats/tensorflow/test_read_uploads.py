"""What users upload: halves of models, several signatures, dangerous graphs, damaged and foreign files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import Case, assert_same, cases, run, shapes
from tests.workers.formats.tensorflow.graphs import (
    const,
    graph,
    node,
    operators,
    placeholder,
    read_files,
    read_graph,
)
from workers.errors import (
    InvalidOptions,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsafeModel,
    UnsupportedOperators,
)
from workers.formats.tensorflow.read import coverage, read
from workers.formats.tensorflow.safety import UNSAFE

CHECKPOINT, MLP, MULTI = cases("tensorflow", "tf1_convnet_checkpoint", "tf2_mlp_savedmodel", "tf2_multi_signature_cond")
X = np.array([[-1, 2, 3]], np.float32)
RELU = (placeholder("x", None, 3), node("y", "Relu", "x"))


def files_of(case: Case) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in case.request().upload.files}


def without(case: Case, ending: str) -> dict[str, bytes]:
    return {name: data for name, data in files_of(case).items() if not name.endswith(ending)}


# --- halves -----------------------------------------------------------------------------------------------------------


def test_a_saved_model_without_its_variables_says_which_files_are_missing(tmp_path: Path) -> None:
    only = {name: data for name, data in files_of(MLP).items() if name.endswith("saved_model.pb")}
    with pytest.raises(MissingFile, match=r"the values of 4 variables of .*saved_model\.pb' are missing") as caught:
        read_files(tmp_path, only)
    assert "variables/variables.index" in str(caught.value.hint)


def test_a_checkpoint_without_its_data_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"model\.ckpt-1000\.data-00000-of-00001"):
        read_files(tmp_path, without(CHECKPOINT, ".data-00000-of-00001"), **CHECKPOINT.facts["options"])


def test_a_checkpoint_without_its_graph_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="is the index of a TensorFlow checkpoint; the graph is missing"):
        read_files(tmp_path, without(CHECKPOINT, ".meta"))


def test_a_training_graph_asks_for_its_outputs(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="a graph with its training: which tensors are the outputs") as caught:
        read_files(tmp_path, files_of(CHECKPOINT))
    assert "option 'outputs'" in str(caught.value.hint)


def test_two_saved_models_are_one_too_many(tmp_path: Path) -> None:
    both = {f"{place}/{name}": data for place in "ab" for name, data in files_of(MLP).items()}
    with pytest.raises(InvalidOptions, match="the upload holds 2 SavedModels"):
        read_files(tmp_path, both)


def test_foreign_files_are_no_tensorflow_model(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"'a\.bin' is a PNG image"):
        read_files(tmp_path, {"a.bin": b"\x89PNG\r\n\x1a\n" + bytes(50)})
    with pytest.raises(MalformedModel, match=r"'model\.pb' is an HTML page"):
        read_files(tmp_path, {"model.pb": b"<html><body>404</body></html>"})


def test_a_truncated_graph_is_told_with_the_byte(tmp_path: Path) -> None:
    (case,) = cases("tensorflow", "tf1_lenet_frozen")
    data = case.files[0].read_bytes()
    with pytest.raises(MalformedModel, match=r"'frozen\.pb' is truncated or damaged: .* at byte") as caught:
        read_files(tmp_path, {"frozen.pb": data[: len(data) // 2]})
    assert caught.value.file == "frozen.pb"


# --- signatures and tensors -------------------------------------------------------------------------------------------


def test_a_signature_can_be_chosen() -> None:
    reading = read(MULTI.request(signature="embed"))
    assert shapes(reading.model) == {"user": ["batch", 10]}
    assert [value.name for value in reading.model.graph.outputs] == ["vec"]


def test_an_unknown_signature_lists_the_known_ones() -> None:
    with pytest.raises(InvalidOptions, match="'score', which") as caught:
        read(MULTI.request(signature="score"))
    assert caught.value.hint == "Signatures: embed, serving_default."


def test_the_other_signatures_are_told() -> None:
    (note,) = [note for note in read(MULTI.request(signature=None)).notes if note.code == "other-signatures"]
    assert "'serving_default' was converted; the file also has 'embed'" in note.detail


def test_a_graph_may_be_cut_at_inner_tensors(tmp_path: Path) -> None:
    nodes = (*RELU, node("z", "Neg", "y"), node("end", "Exp", "z"))
    reading = read_graph(tmp_path, *nodes, inputs=["y:0"], outputs=["z"], input_shapes={"y:0": [None, 3]})
    assert_same({"z": -X}, run(reading.model, {"y:0": X}))


def test_outputs_of_a_bare_graph_are_what_nobody_reads(tmp_path: Path) -> None:
    reading = read_graph(tmp_path, *RELU)
    assert_same({"y:0": np.maximum(X, 0)}, run(reading.model, {"x:0": X}))


def test_a_tensor_that_is_not_there_is_told_with_its_like(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="'outputs' names 'yy', but the graph has no such tensor") as caught:
        read_graph(tmp_path, *RELU, outputs=["yy"])
    assert "Close to it: y" in str(caught.value.hint)


def test_an_input_of_unknown_rank_needs_a_shape(tmp_path: Path) -> None:
    unknown = node("x", "Placeholder", dtype="DT_FLOAT", shape={"shape": {"unknown_rank": True}})
    with pytest.raises(InvalidOptions, match="does not say how many axes the input 'x:0' has") as caught:
        read_graph(tmp_path, unknown, node("y", "Relu", "x"))
    assert "input_shapes" in str(caught.value.hint)
    reading = read_graph(tmp_path, unknown, node("y", "Relu", "x"), input_shapes={"x:0": [None, 3]})
    assert shapes(reading.model) == {"x:0": ["batch", 3]}


def test_shapes_that_contradict_the_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match=r"has the shape \[None, 3\]; the option gives \[2, 4\]"):
        read_graph(tmp_path, *RELU, input_shapes={"x:0": [2, 4]})


def test_a_constant_takes_the_place_of_a_placeholder(tmp_path: Path) -> None:
    flag = node("training", "Placeholder", dtype="DT_BOOL", shape=())
    branch = (
        node("s", "Switch", "x", "training"),
        node("f", "Relu", "s"),
        node("t", "Neg", "s:1"),
        node("m", "Merge", "f", "t"),
    )
    for value, wanted in ((False, "Relu"), (True, "Neg")):
        reading = read_graph(tmp_path, RELU[0], flag, *branch, outputs=["m"], constants={"training": value})
        assert wanted in operators(reading) and "If" not in operators(reading)
        assert list(shapes(reading.model)) == ["x:0"]


def test_a_default_counts_where_nothing_is_fed(tmp_path: Path) -> None:
    keep = node("keep", "PlaceholderWithDefault", "one", dtype="DT_FLOAT", shape=())
    reading = read_graph(tmp_path, RELU[0], const("one", 2.0), keep, node("y", "Mul", "x", "keep"))
    assert_same({"y:0": X * 2}, run(reading.model, {"x:0": X}))


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["ReadFile", "PyFunc", "WriteFile", "RemoteCall"])
def test_a_graph_that_reaches_out_is_refused_by_name(op: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeModel, match=f"node 'bad' \\({op}\\) in 'graph.pb' is refused: {UNSAFE[op]}") as caught:
        read_graph(tmp_path, *RELU, node("bad", op, "y"), node("end", "Identity", "y", "^bad"), outputs=["end"])
    assert caught.value.layer == "bad" and caught.value.op == op


def test_an_unsafe_node_in_a_function_is_refused_with_the_function(tmp_path: Path) -> None:
    function = {
        "signature": {"name": "inner", "input_arg": [{"name": "a"}], "output_arg": [{"name": "b"}]},
        "node_def": [node("steal", "ReadFile", "a")],
        "ret": [{"key": "b", "value": "steal:contents:0"}],
    }
    call = node("call", "PartitionedCall", "x", f={"func": {"name": "inner"}})
    with pytest.raises(UnsafeModel, match=r"node 'steal' \(ReadFile\) of function 'inner'"):
        read_graph(tmp_path, RELU[0], call, functions=[function], outputs=["call"])


def test_unsafe_nodes_that_no_output_needs_do_not_matter(tmp_path: Path) -> None:
    reading = read_graph(tmp_path, *RELU, node("save", "SaveV2", "y"), outputs=["y"])
    assert operators(reading) == ["Relu"]


def test_all_operators_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    nodes = (RELU[0], node("a", "Svd", "x"), node("b", "Fancy", "x"), node("c", "AddN", "a", "b"))
    with pytest.raises(UnsupportedOperators, match="2 layers cannot be converted") as caught:
        read_graph(tmp_path, *nodes, outputs=["c"])
    assert [(item.layer, item.type) for item in caught.value.items] == [("a", "Svd"), ("b", "Fancy")]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ((node("y", "Relu", "nothing"),), "'y' reads 'nothing', which is no node"),
        ((node("y", "Relu", "x", "x"),), "it has 2 inputs where the type takes 1"),
        ((node("y", "Relu", "z"), node("z", "Relu", "y")), "runs in a circle"),
        ((const("w", np.ones((4, 2))), node("y", "MatMul", "x", "w"), RELU[0]), "do not fit"),
        ((RELU[0], RELU[0], node("y", "Relu", "x")), "two nodes called 'x'"),
    ],
)
def test_inconsistent_graphs_are_told(nodes: tuple[dict[str, Any], ...], words: str, tmp_path: Path) -> None:
    own = nodes if any(item["name"] == "x" for item in nodes) else (RELU[0], *nodes)
    with pytest.raises(MalformedModel, match=words):
        read_graph(tmp_path, *own, outputs=["y"])


def test_a_variable_without_a_value_is_named(tmp_path: Path) -> None:
    variable = node("w", "VariableV2", dtype="DT_FLOAT", shape=(3,))
    with pytest.raises(MissingFile, match=r"the values of 1 variables of 'graph\.pb' are missing \('w'"):
        read_files(tmp_path, {"graph.pb": graph(RELU[0], variable, node("y", "Add", "x", "w"))})


def test_text_is_refused_at_the_input(tmp_path: Path) -> None:
    nodes = (placeholder("words", None, dtype="DT_STRING"), node("y", "StringToHashBucketFast", "words"))
    with pytest.raises(UnsupportedOperators, match="it takes text") as caught:
        read_graph(tmp_path, *nodes, outputs=["y"])
    assert caught.value.hint == "Cut the graph behind it with the option 'inputs'."


def test_a_function_that_calls_itself_ends(tmp_path: Path) -> None:
    function = {
        "signature": {"name": "f", "input_arg": [{"name": "a"}], "output_arg": [{"name": "b"}]},
        "node_def": [node("again", "PartitionedCall", "a", f={"func": {"name": "f"}})],
        "ret": [{"key": "b", "value": "again:output:0"}],
    }
    call = node("call", "PartitionedCall", "x", f={"func": {"name": "f"}})
    with pytest.raises(Exception, match="functions call each other more than 64 deep"):
        read_graph(tmp_path, RELU[0], call, functions=[function], outputs=["call"])


def test_every_known_operator_has_a_row_and_refusals_a_reason() -> None:
    table = coverage()
    assert table["Conv2D"] == "" and table["While"] == "" and "text" in table["StringJoin"]
    assert all(op in table and table[op] for op in UNSAFE)
