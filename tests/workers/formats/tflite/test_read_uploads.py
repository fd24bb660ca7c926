"""What a user may ask of a TensorFlow Lite model, and what is refused in which words."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import MODELS, cases, run, shapes
from workers.errors import ConversionError, InvalidOptions, MalformedModel, UnsupportedOperators, UnsupportedVersion
from workers.formats.contract import Reading, ReadRequest
from workers.formats.tflite.read import coverage, read
from workers.formats.tflite.schema import OPERATORS
from workers.inspect.upload import Upload
from workers.options import Options

FOLDER = MODELS / "tflite"


def file(name: str) -> bytes:
    if (FOLDER / name).is_dir():
        return (FOLDER / name / "model.tflite").read_bytes()
    with zipfile.ZipFile(FOLDER / "operators.zip") as archive:
        return archive.read(f"{name}.tflite")


def read_bytes(data: bytes, folder: Path, **options: Any) -> Reading:
    path = folder / "net.tflite"
    path.write_bytes(data)
    return read(ReadRequest(Upload.of(path), Options(**options)))


def operators(reading: Reading) -> list[str]:
    return [node.op_type for node in reading.model.graph]


def codes(reading: Reading) -> set[str]:
    return {note.code for note in reading.notes}


# --- layout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "transposes"),
    [("mobilenet_float16", 1), ("resnet_int8_full", 1), ("inception_fixed_batch", 2), ("net_flatten", 1),
     ("net_concat_split", 2), ("net_slices", 2), ("net_mean_scale", 2), ("net_bias_plane", 2), ("net_squeeze", 1),
     ("net_channels_first", 0)],
)  # fmt: skip
def test_only_the_edges_of_a_convolution_net_are_transposed(name: str, transposes: int, tmp_path: Path) -> None:
    assert operators(read_bytes(file(name), tmp_path)).count("Transpose") == transposes


def test_weights_are_viewed_in_the_file_not_copied(tmp_path: Path) -> None:
    reading = read_bytes(file("inception_fixed_batch"), tmp_path)
    weights = [value for value in reading.model.graph.initializers.values() if len(value.shape or ()) == 4]
    assert weights
    for value in weights:
        assert value.const_value is not None and not value.const_value.numpy().flags.owndata


# --- signatures, shapes and cuts -------------------------------------------------------------------------------------


def test_the_first_of_several_signatures_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    reading = read_bytes(file("two.model"), tmp_path)
    (note,) = [note for note in reading.notes if note.code == "signature"]
    assert "multiplied" in note.detail and "scaled" in note.detail


def test_the_signature_of_the_option_is_read(tmp_path: Path) -> None:
    reading = read_bytes(file("two.model"), tmp_path, signature="scaled")
    (x,) = reading.model.graph.inputs
    values = np.asarray([[1, 1, 1], [0, -1, 2], [4, 5, 6]], np.float32)
    (y,) = run(reading.model, {str(x.name): values}).values()
    np.testing.assert_allclose(y, values * [1, 2, 3])
    reading = read_bytes(file("two.model"), tmp_path, signature="multiplied")
    a, b = reading.model.graph.inputs
    values = np.asarray([[1, 2], [3, 4]], np.float32)
    (c,) = run(reading.model, {str(a.name): values, str(b.name): values}).values()
    np.testing.assert_allclose(c, values @ values)


def test_a_signature_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions) as refused:
        read_bytes(file("two.model"), tmp_path, signature="train")
    assert "'scaled'" in str(refused.value.hint)


def test_the_graph_is_cut_at_named_tensors(tmp_path: Path) -> None:
    whole = read_bytes(file("mlp_float"), tmp_path)
    inner = next(node.outputs[0].name for node in whole.model.graph if node.op_type == "Relu")
    assert inner == "sequential/dense/MatMul;sequential/dense/Relu;sequential/dense/BiasAdd"
    front = read_bytes(file("mlp_float"), tmp_path, outputs=[inner])
    rest = read_bytes(file("mlp_float"), tmp_path, inputs=[inner])
    sample = cases("tflite", "mlp_float")[0].sample(0)
    middle = run(front.model, sample.inputs)
    (y,) = run(rest.model, middle).values()
    np.testing.assert_allclose(y, next(iter(sample.outputs.values())), atol=1e-5)


def test_shapes_of_the_option_are_the_graphs(tmp_path: Path) -> None:
    name = "serving_default_input_1:0"
    reading = read_bytes(file("mlp_float"), tmp_path, input_shapes={name: [5, 784]})
    assert shapes(reading.model) == {name: [5, 784]}
    with pytest.raises(InvalidOptions, match="no input of the model"):
        read_bytes(file("mlp_float"), tmp_path, input_shapes={"x": [5, 784]})
    with pytest.raises(InvalidOptions, match="2 axes"):
        read_bytes(file("mlp_float"), tmp_path, input_shapes={name: [5, 28, 28]})


def test_a_layer_that_needs_the_batch_fixes_it_and_is_named(tmp_path: Path) -> None:
    reading = read_bytes(file("strided_slice_batch"), tmp_path)
    assert shapes(reading.model)["x"][0] == "batch"
    reading = read_bytes(file("detection_fast"), tmp_path)
    assert set(shapes(reading.model)["in_0"]) == {1, 8, 4}
    (note,) = [note for note in reading.notes if note.code == "fixed-batch"]
    assert "TFLite_Detection_PostProcess" in note.detail and note.where == "out_0"


# --- quantisation ----------------------------------------------------------------------------------------------------


def test_integer_weights_stay_integers_behind_a_dequantise(tmp_path: Path) -> None:
    reading = read_bytes(file("resnet_int8_full"), tmp_path)
    types = [str(value.dtype) for value in reading.model.graph.initializers.values() if len(value.shape or ()) == 4]
    assert types and set(types) == {"INT8"}


def test_without_quantisation_inputs_and_outputs_are_floats(tmp_path: Path) -> None:
    reading = read_bytes(file("resnet_int8_full"), tmp_path, dequantize=True)
    graph = reading.model.graph
    assert {str(value.dtype) for value in (*graph.inputs, *graph.outputs)} == {"FLOAT"}
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(operators(reading))


def test_every_move_of_quantised_data_stands_between_dequantise_and_quantise(tmp_path: Path) -> None:
    for name in ("int8_batch_matmul", "int8_split_pack", "int8_pad_slice", "resnet_int8_full"):
        for node in read_bytes(file(name), tmp_path).model.graph:
            source = node.inputs[0].producer() if node.inputs and node.inputs[0] else None
            if (
                node.op_type in ("Transpose", "Reshape", "Unsqueeze")
                and source
                and source.op_type == "DequantizeLinear"
            ):
                assert {use.node.op_type for use in node.outputs[0].uses()} == {"QuantizeLinear"}


def test_a_layer_with_a_state_says_that_it_begins_with_zeros(tmp_path: Path) -> None:
    assert "state" in codes(read_bytes(file("svdf_1"), tmp_path))


def test_the_bound_that_the_converter_writes_into_keras_layers_is_told(tmp_path: Path) -> None:
    reading = read_bytes(file("lstm_fused"), tmp_path)
    assert "cell-clip" not in codes(reading)  # ten steps cannot reach a state of ten


# --- refusals --------------------------------------------------------------------------------------------------------


def test_operators_of_tensorflow_itself_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators, match="'MatrixInverse', run by the Flex delegate"):
        read_bytes(file("flex.model"), tmp_path)


def test_a_state_that_lives_from_run_to_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperators, match="lives from one run to the next"):
        read_bytes(file("counter.model"), tmp_path)


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    data = file("mlp_float")
    for size in (9, 100, len(data) // 2, len(data) - 1000):
        with pytest.raises(MalformedModel, match=r"net\.tflite"):
            read_bytes(data[:size], tmp_path)


def test_buffers_behind_the_flatbuffer_must_lie_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match="truncated"):
        read_bytes(file("weights_outside")[:-64], tmp_path)


def test_an_unknown_version_of_the_schema_is_refused(tmp_path: Path) -> None:
    data = bytearray(file("relu"))
    root = struct.unpack_from("<I", data)[0]
    vtable = root - struct.unpack_from("<i", data, root)[0]
    place = root + struct.unpack_from("<H", data, vtable + 4)[0]
    struct.pack_into("<I", data, place, 9)
    with pytest.raises(UnsupportedVersion, match="version 9"):
        read_bytes(bytes(data), tmp_path)


def test_a_zip_of_metadata_behind_the_model_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "labelled.tflite"
    path.write_bytes(file("relu"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    assert operators(read_bytes(path.read_bytes(), tmp_path)) == ["Relu"]


def test_every_builtin_operator_is_read_or_refused_with_a_reason() -> None:
    table = coverage()
    assert not set(OPERATORS) - set(table)
    assert all(len(reason) > 20 for reason in table.values() if reason)
    assert sum(not reason for reason in table.values()) > 190


def test_refusals_collect_all_layers(tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as refused:
        read_bytes(file("flex.model"), tmp_path)
    assert refused.value.problem()["unsupported"]
