"""Serving graphs: text among the inputs and outputs, examples that the graph parses itself, dropout left in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.tensorflow.graphs import (
    Node,
    const,
    dims,
    node,
    operators,
    placeholder,
    read_files,
    read_graph,
)
from tests.workers.formats.tensorflow.recorded import recorded
from workers.errors import MalformedModel, UnsupportedOperators
from workers.formats.contract import Reading
from workers.formats.tensorflow.schema import SAVED_MODEL
from workers.inspect.protobuf_write import encode

X = np.array([[1, -2], [3, 4], [-5, 6]], np.float32)


def text(name: str, *words: bytes, vector: bool = False) -> Node:
    shape = (len(words),) if vector else ()
    tensor = {"dtype": "DT_STRING", "tensor_shape": dims(shape), "string_val": list(words)}
    return node(name, "Const", value={"tensor": tensor}, dtype="DT_STRING")


def serving(
    folder: Path, nodes: list[Node], inputs: dict[str, str], outputs: dict[str, str], functions: Any = ()
) -> Reading:
    """A SavedModel with one signature; keys ending in ``words`` are text."""

    def infos(pairs: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {"key": key, "value": {"name": name, "dtype": "DT_STRING" if key.endswith("words") else "DT_FLOAT"}}
            for key, name in pairs.items()
        ]

    signature = {"inputs": infos(inputs), "outputs": infos(outputs), "method_name": "tensorflow/serving/predict"}
    graph = {
        "meta_info_def": {"tags": ["serve"]},
        "graph_def": {"node": nodes, "library": {"function": list(functions)}, "versions": {"producer": 1882}},
        "signature_def": [{"key": "serving_default", "value": signature}],
    }
    return read_files(
        folder, {"saved_model.pb": encode(SAVED_MODEL(saved_model_schema_version=1, meta_graphs=[graph]))}
    )


def parsing(version: str) -> list[Node]:
    """Two dense features ``a`` [2] and ``b`` [1] out of examples, and their product."""
    facts = {
        "Tdense": {"list": {"type": ["DT_FLOAT"] * 2}},
        "dense_shapes": {"list": {"shape": [dims((2,)), dims((1,))]}},
    }
    names = [placeholder("words", None, dtype="DT_STRING"), text("names", vector=True), const("none", [0])]
    if version == "V2":
        keys = [text("keys", b"a", b"b", vector=True), text("no_keys", vector=True)]
        parse = node("p", "ParseExampleV2", "words", "names", "no_keys", "keys", "no_keys", "none", "none",
                     num_sparse=0, **facts)  # fmt: skip
    else:
        keys = [text("key_a", b"a"), text("key_b", b"b")]
        parse = node("p", "ParseExample", "words", "names", "key_a", "key_b", "none", "none", Nsparse=0, Ndense=2,
                     **facts)  # fmt: skip
    return [*names, *keys, parse, node("y", "Mul", "p:0", "p:1")]


@pytest.mark.parametrize("version", ["", "V2"])
def test_features_of_parsed_examples_are_the_inputs(version: str, tmp_path: Path) -> None:
    reading = serving(tmp_path, parsing(version), {"words": "words:0"}, {"y": "y:0"})
    a, b = X, X[:, :1] * 2
    assert_same({"y": a * b}, run(reading.model, {"a": a, "b": b}))
    (note,) = reading.notes
    assert note.code == "parsed-examples" and "'a', 'b'" in note.detail


def test_examples_whose_text_is_read_besides_are_refused(tmp_path: Path) -> None:
    nodes = [*parsing(""), node("n", "StringLength", "words"), node("z", "AddV2", "y", "n")]
    with pytest.raises(UnsupportedOperators, match=r"'words' \(Placeholder\): it takes text"):
        serving(tmp_path, nodes, {"words": "words:0"}, {"z": "z:0"})


def test_outputs_that_are_text_are_left_out_of_a_signature(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 2), node("y", "Relu", "x"), node("t", "AsString", "y")]
    reading = serving(tmp_path, nodes, {"x": "x:0"}, {"y": "y:0", "words": "t:0"})
    assert_same({"y": np.maximum(X, 0)}, run(reading.model, {"x": X}))
    (note,) = reading.notes
    assert note.code == "text-outputs" and "'words'" in note.detail


def test_text_made_in_a_function_is_not_read_where_it_is_left_out(tmp_path: Path) -> None:
    inner = {
        "signature": {"name": "f", "input_arg": [{"name": "a"}, {"name": "table"}],
                      "output_arg": [{"name": "y"}, {"name": "words"}]},
        "node_def": [node("r", "Relu", "a"), node("l", "LookupTableFindV2", "table", "a", "a")],
        "ret": [{"key": "y", "value": "r:activations:0"}, {"key": "words", "value": "l:values:0"}],
    }  # fmt: skip
    call = node("c", "StatefulPartitionedCall", "x", "t", f={"func": {"name": "f"}})
    nodes = [placeholder("x", None, 2), node("t", "HashTableV2"), call]
    reading = serving(tmp_path, nodes, {"x": "x:0"}, {"y": "c:0", "words": "c:1"}, [inner])
    assert_same({"y": np.maximum(X, 0)}, run(reading.model, {"x": X}))


def test_a_signature_of_nothing_but_text_is_refused(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 2), node("t", "AsString", "x")]
    with pytest.raises(UnsupportedOperators, match=r"'t' \(AsString\): it works on text"):
        serving(tmp_path, nodes, {"x": "x:0"}, {"words": "t:0"})


def test_text_that_no_output_needs_is_no_input(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 2), placeholder("k", None, dtype="DT_STRING"), node("y", "Relu", "x")]
    reading = serving(tmp_path, nodes, {"x": "x:0", "key_words": "k:0"}, {"y": "y:0"})
    assert [value.name for value in reading.model.graph.inputs] == ["x"]


@pytest.mark.parametrize("name", ["no_dropout", "no_dropout_floor"])
def test_dropout_that_drops_nothing_leaves_nothing(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == name]
    reading = case.read(tmp_path)
    assert set(operators(reading)) <= {"Identity"} and not reading.notes


@pytest.mark.parametrize("name", ["dilated_line", "dilated_line_free", "atrous_free"])
def test_dilated_convolutions_are_one_convolution(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in recorded() if case.name == name]
    found = operators(case.read(tmp_path))
    assert found.count("Conv") == 1 and "Reshape" not in found and found.count("Transpose") == 2


def test_nearest_cells_stay_a_resize_where_a_size_is_a_multiple(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 4, 6, 2), const("size", [8, 12], np.int32),
             node("y", "ResizeNearestNeighbor", "x", "size", half_pixel_centers=True)]  # fmt: skip
    found = operators(serving(tmp_path, nodes, {"x": "x:0"}, {"y": "y:0"}))
    assert "Resize" in found and "Gather" not in found


def test_matrices_too_large_to_unroll_are_refused(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 40, 40), node("y", "Cholesky", "x")]
    with pytest.raises(UnsupportedOperators, match=r"'y' \(Cholesky\): .*up to 32 rows are unrolled, not 40"):
        serving(tmp_path, nodes, {"x": "x:0"}, {"y": "y:0"})


def test_the_first_releases_follow_beams_of_their_own_lengths(tmp_path: Path) -> None:
    """Values as TensorFlow 1.4 computes them."""
    ids = np.array([[1, 8, 6], [1, 7, 4], [3, 4, 1], [8, 3, 2]], np.int32)[:, None]
    parents = np.array([[1, 2, 0], [0, 0, 1], [2, 0, 2], [2, 2, 1]], np.int32)[:, None]
    paths = np.array([[8, 1, 8], [4, 7, 4], [1, -1, 1], [8, -1, -1]], np.int32)[:, None]
    places = [placeholder(name, 4, 1, 3, dtype="DT_INT32") for name in ("ids", "parents")]
    nodes = [*places, const("n", [[4, 2, 3]], np.int32), node("y", "GatherTree", "ids", "parents", "n")]
    reading = read_graph(tmp_path, *nodes, outputs=["y"])
    assert_same({"y": paths}, run(reading.model, {"ids:0": ids, "parents:0": parents}))


def test_a_window_of_negative_size_is_damage(tmp_path: Path) -> None:
    nodes = [placeholder("x", None, 3, 3, 7), node("y", "LRN", "x", depth_radius=-1)]
    with pytest.raises(MalformedModel, match=r"'y' \(LRN\): its depth_radius is -1"):
        serving(tmp_path, nodes, {"x": "x:0"}, {"y": "y:0"})
