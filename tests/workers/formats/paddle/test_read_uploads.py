"""What users upload: halves of models, wrong pairs, folders, other programs' files, damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, cases, run, shapes
from tests.workers.formats.paddle.programs import op, program, read_files, save, stored
from workers.errors import (
    InvalidOptions,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsupportedLayer,
    UnsupportedOperators,
    UnsupportedVersion,
)
from workers.formats import paddle
from workers.formats.contract import ReadRequest
from workers.formats.paddle.read import read
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options

(FLUID,) = cases("paddle", "fluid18_convnet_dir")
LENET, MLP = cases("paddle", "p26_lenet_pdmodel", "p3_mlp_json")
W = {"w": np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)}
DENSE = program({"x": ("float32", [-1, 4])}, [op("mul", {"X": "x", "Y": "w"}, {"Out": "y"})], ["y"], W)
X = np.linspace(-2, 2, 8, dtype=np.float32).reshape(2, 4)


def file(name: str, path: Path) -> UploadedFile:
    return UploadedFile(name, path, path.stat().st_size)


# --- halves and pairs ------------------------------------------------------------------------------------------------


def test_parameters_alone_lack_their_program() -> None:
    with pytest.raises(MissingFile, match=r"'model\.pdiparams' holds parameters without names") as caught:
        read_files(LENET.folder / "model.pdiparams")
    assert ".pdmodel" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["model.pdmodel", "model.json"])
def test_a_program_alone_names_what_it_lacks(name: str) -> None:
    case = LENET if name.endswith("pdmodel") else MLP
    with pytest.raises(MissingFile, match=r"the parameters are missing: .* needs \d+ tensors such as"):
        read_files(case.folder / name)


def test_a_state_dictionary_says_how_to_export(tmp_path: Path) -> None:
    path = tmp_path / "net.pdparams"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(MissingFile, match=r"state dictionary saved by paddle\.save") as caught:
        read_files(path)
    assert "paddle.jit.save" in str(caught.value.hint)


def test_a_missing_file_of_a_folder_is_named() -> None:
    kept = [path for path in FLUID.files if path.name != "fc_0.w_0"]
    with pytest.raises(MissingFile, match=r"parameters of '__model__' are missing: 'fc_0\.w_0'"):
        read_files(*kept)


def test_files_are_found_below_a_folder_and_under_other_names(tmp_path: Path) -> None:
    files = [file(f"export/{path.name}", path) for path in FLUID.files]
    assert read(ReadRequest(Upload(tuple(files)))).files[0] == "export/__model__"
    program_, params = tmp_path / "net", tmp_path / "weights"
    program_.write_bytes(DENSE)
    params.write_bytes(stored(W))
    reading = read_files(params, program_)
    assert_same({"y": X @ W["w"]}, run(reading.model, {"x": X}))
    assert reading.files == ("net", "weights")


def test_a_model_without_parameters_is_whole(tmp_path: Path) -> None:
    raw = program({"x": ("float32", [-1, 4])}, [op("relu", {"X": "x"}, {"Out": "y"})], ["y"])
    assert_same({"y": np.maximum(X, 0)}, run(read_files(*save(tmp_path, raw)).model, {"x": X}))


def test_parameters_of_another_program_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=r"has the shape \[3, 3\] where 'w' of shape \[4, 3\] belongs"):
        read_files(*save(tmp_path, DENSE, {"w": np.zeros((3, 3), np.float32)}))
    with pytest.raises(MalformedModel, match="holds 2 tensors, the program has 1 parameters"):
        read_files(*save(tmp_path, DENSE, {**W, "z": np.zeros(1, np.float32)}))


def test_several_programs_and_stray_files(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="the upload has 2 programs"):
        read_files(LENET.folder / "model.pdmodel", MLP.folder / "model.json")
    note = tmp_path / "readme"
    note.write_text("hello")
    reading = read_files(*save(tmp_path, DENSE, W), note)
    assert [(n.code, n.where) for n in reading.notes] == [("ignored-file", "readme")]


def test_foreign_and_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "model.pdmodel"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(MalformedModel, match=r"'model\.pdmodel' is .*, not a file of Paddle's"):
        read_files(path)
    other = tmp_path / "notes.bin"
    other.write_bytes(b"hello")
    with pytest.raises(UnknownFormat, match="there is no Paddle file among the uploads"):
        read_files(other)
    files = save(tmp_path, DENSE, W)
    files[1].write_bytes(files[1].read_bytes()[:-3])
    with pytest.raises(MalformedModel, match=r"'model\.pdiparams' is a damaged Paddle parameter file: a tensor"):
        read_files(*files)


def test_a_program_of_a_future_paddle_is_told_apart(tmp_path: Path) -> None:
    document = json.loads((MLP.folder / "model.json").read_text())
    document["base_code"]["version"] = 99
    path = tmp_path / "model.json"
    path.write_text(json.dumps(document))
    with pytest.raises(UnsupportedVersion, match="PIR of version 99"):
        read_files(path, MLP.folder / "model.pdiparams")


# --- options ---------------------------------------------------------------------------------------------------------


def test_inner_tensors_become_inputs_and_outputs() -> None:
    reading = read(LENET.request(outputs=["conv2d_0.tmp_0"]))
    assert [value.name for value in reading.model.graph.outputs] == ["conv2d_0.tmp_0"]
    cut = read(LENET.request(inputs=["conv2d_0.tmp_0"], input_shapes={"conv2d_0.tmp_0": [2, *_dims("conv2d_0.tmp_0")]}))
    sample = LENET.sample(1)
    first = run(reading.model, sample.inputs)
    second = first["conv2d_0.tmp_0"][:2]
    want = {name: array[:2] for name, array in sample.outputs.items()}
    assert_same(want, run(cut.model, {"conv2d_0.tmp_0": second}))


def _dims(name: str) -> list[int]:
    reading = read(LENET.request(outputs=[name]))
    return [dim for dim in reading.model.graph.outputs[0].shape or () if isinstance(dim, int)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outputs": ["nothing"]}, "names 'nothing', but the program has no such variable"),
        ({"input_shapes": {"y": [1]}}, "names 'y', which is no input of the model"),
        ({"input_shapes": {"img": [1, 2]}}, "gives 'img' 2 axes, the model has 4"),
        ({"input_dtypes": {"img": "string"}}, "gives 'img' the type 'string'"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOptions, match=words):
        read(LENET.request(**options))


def test_a_fixed_batch(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE, W)
    assert shapes(read_files(*files, dynamic_batch=False).model) == {"x": [1, 4]}
    assert shapes(read_files(*files, input_shapes={"x": [5, 4]}).model) == {"x": [5, 4]}
    assert shapes(read_files(*files).model) == {"x": ["batch", 4]}


def test_a_layer_that_needs_the_batch_fixes_it(tmp_path: Path) -> None:
    ops = [op("roll", {"X": "x"}, {"Out": "y"}, shifts=[1], axis=[0])]
    reading = read_files(*save(tmp_path, program({"x": ("float32", [-1, 4])}, ops, ["y"])))
    (note,) = reading.notes
    assert note.code == "fixed-batch" and "'y' (roll) cannot leave it free" in note.detail
    assert shapes(reading.model) == {"x": [1, 4]}


# --- refusals --------------------------------------------------------------------------------------------------------


def test_all_layers_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    ops = [
        op("py_func", {"X": "x"}, {"Out": "a"}),
        op("relu", {"X": "a"}, {"Out": "b"}),
        op("not_an_operator", {"X": "x"}, {"Out": "c"}),
        op("elementwise_add", {"X": "b", "Y": "c"}, {"Out": "y"}),
    ]
    raw = program({"x": ("float32", [-1, 4])}, ops, ["y"])
    with pytest.raises(UnsupportedOperators) as caught:
        read_files(*save(tmp_path, raw))
    assert [(item.layer, item.type) for item in caught.value.items] == [("a", "py_func"), ("c", "not_an_operator")]
    assert "runs the author's own code" in caught.value.items[0].reason


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (op("reshape2", {"X": "x"}, {"Out": "y"}, shape=[7, -3]), r"'y' \(reshape2\).*its"),
        (op("transpose2", {"X": "x"}, {"Out": "y"}, axis=[0, 0]), r"its axis \[0, 0\] is no order of 2 axes"),
        (op("softmax", {"X": "x"}, {"Out": "y"}, axis=5), "its axis 5 does not exist in an input of 2 axes"),
        (op("relu", {"X": "other"}, {"Out": "y"}), "reads the variable 'other', which nothing has written"),
        (op("conv2d", {"Input": "x"}, {"Output": "y"}), "its slot Filter is empty"),
        (op("leaky_relu", {"X": "x"}, {"Out": "y"}, alpha="big"), "its attribute alpha is 'big'"),
    ],
)
def test_what_paddle_would_refuse_too(layer: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=words):
        read_files(*save(tmp_path, program({"x": ("float32", [-1, 4])}, [layer], ["y"])))


def test_a_program_for_training_names_no_outputs(tmp_path: Path) -> None:
    raw = program({"x": ("float32", [-1, 4])}, [op("relu", {"X": "x"}, {"Out": "y"})], [])
    with pytest.raises(MalformedModel, match="has no outputs: it was saved for training"):
        read_files(*save(tmp_path, raw))


def test_sequences_are_read_one_at_a_time(tmp_path: Path) -> None:
    ops = [op("sequence_pool", {"X": "x"}, {"Out": "y"}, pooltype="MAX")]
    reading = read_files(*save(tmp_path, program({"x": ("float32", [-1, 4])}, ops, ["y"], lod=["x"])))
    assert [note.code for note in reading.notes] == ["one-sequence"]


def test_sniffing_needs_no_names(tmp_path: Path) -> None:
    path = tmp_path / "something"
    path.write_bytes(DENSE)
    evidence = paddle.FORMAT.sniff(Upload.of(path))
    assert evidence is not None and evidence.score >= 0.9 and "'something' is a Paddle program" in evidence.reason
    path.write_bytes(b"\x08\x07\x12\x04onnx")
    assert paddle.FORMAT.sniff(Upload.of(path)) is None
    assert Options().dynamic_batch


# --- what looks like something else -----------------------------------------------------------------------------------


def test_a_program_whose_length_looks_like_json_is_a_program(tmp_path: Path) -> None:
    """A line feed, the second byte of a byte order mark and a brace: the tag and the length of a first block."""
    text = next(
        raw
        for size in range(15500, 15803)
        if (raw := program({"x": ("float32", [2])}, [op("relu", {"X": "x"}, {"Out": "y"}, note="-" * size)], ["y"]))
        and raw.startswith(b"\n\xbb{")
    )
    assert [node.op_type for node in read_files(*save(tmp_path, text)).model.graph] == ["Relu"]


def test_a_stored_scale_without_axes_fits_one_of_one_element(tmp_path: Path) -> None:
    params = {"s": np.asarray([2.0], np.float32)}
    raw = program(
        {"x": ("float32", [-1, 2])}, [op("elementwise_mul", {"X": "x", "Y": "s"}, {"Out": "y"})], ["y"], params
    )
    paths = save(tmp_path, raw, {"s": np.asarray(2.0, np.float32)})
    (y,) = run(read_files(*paths).model, {"x": np.asarray([[1, 3]], np.float32)}).values()
    np.testing.assert_array_equal(y, [[2, 6]])


def test_a_complex_output_is_refused_by_name(tmp_path: Path) -> None:
    raw = program({"x": ("float32", [-1, 8])}, [op("fft_r2c", {"X": "x"}, {"Out": "z"}, axes=[1])], ["z"])
    with pytest.raises(UnsupportedLayer, match=r"'z'.*this output is complex"):
        read_files(*save(tmp_path, raw))


def test_a_transform_of_no_points_is_damaged(tmp_path: Path) -> None:
    ops = [
        op("fft_r2c", {"X": "x"}, {"Out": "z"}, axes=[1], normalization="ortho"),
        op("abs", {"X": "z"}, {"Out": "y"}),
    ]
    with pytest.raises(MalformedModel, match="transforms no points"):
        read_files(*save(tmp_path, program({"x": ("float32", [2, 0])}, ops, ["y"])))


def test_a_layer_that_cannot_take_complex_numbers_is_refused(tmp_path: Path) -> None:
    ops = [op("fft_r2c", {"X": "x"}, {"Out": "z"}, axes=[1]), op("tanh", {"X": "z"}, {"Out": "y"})]
    with pytest.raises(UnsupportedOperators, match=r"'y' \(tanh\): its X is complex"):
        read_files(*save(tmp_path, program({"x": ("float32", [-1, 8])}, ops, ["y"])))


def test_operators_of_both_dialects_are_refused_for_one_reason(tmp_path: Path) -> None:
    def tensor(number: int) -> dict[str, Any]:
        return {"%": number, "TT": {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, [2, 2], "NCHW", [], 0]}}

    def text(name: str, value: str) -> dict[str, Any]:
        return {"N": name, "AT": {"#": "0.a_str", "D": value}}

    ops = [
        {"#": "1.data", "A": [text("name", "x")], "I": [], "O": [tensor(1)]},
        {"#": "1.cholesky", "A": [], "I": [{"%": 1}], "O": [tensor(2)]},
        {"#": "1.fetch", "A": [text("name", "y"), {"N": "col", "AT": {"#": "0.a_i32", "D": 0}}], "I": [{"%": 2}],
         "O": [tensor(3)]},
    ]  # fmt: skip
    region = {"#": "region_0", "blocks": [{"#": "block_0", "args": [], "ops": ops}]}
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"base_code": {"magic": "pir", "version": 1}, "program": {"regions": [region]}}))
    with pytest.raises(UnsupportedOperators, match="factorises, inverts or solves"):
        read_files(path)


# --- several functions -----------------------------------------------------------------------------------------------


def functions(tmp_path: Path) -> Upload:
    """A net's own function and another one, each with its program and parameters, as jit.save leaves them."""
    paths = []
    for stem, scale in (("model", 2.0), ("model.encode", 3.0)):
        params = {"s": np.asarray([scale], np.float32)}
        ops = [op("elementwise_mul", {"X": "x", "Y": "s"}, {"Out": "y"})]
        (tmp_path / f"{stem}.pdmodel").write_bytes(program({"x": ("float32", [-1])}, ops, ["y"], params))
        (tmp_path / f"{stem}.pdiparams").write_bytes(stored(params))
        paths += [tmp_path / f"{stem}.pdmodel", tmp_path / f"{stem}.pdiparams"]
    return Upload.of(*paths)


@pytest.mark.parametrize(("signature", "scale"), [(None, 2.0), ("forward", 2.0), ("encode", 3.0)])
def test_of_several_functions_the_signature_names_one(tmp_path: Path, signature: str | None, scale: float) -> None:
    reading = read(ReadRequest(functions(tmp_path), Options(signature=signature)))
    (y,) = run(reading.model, {"x": np.asarray([1.5], np.float32)}).values()
    np.testing.assert_array_equal(y, [1.5 * scale])
    assert len([note for note in reading.notes if note.code == "ignored-file"]) == 2


def test_a_function_that_was_not_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="'decode'") as caught:
        read(ReadRequest(functions(tmp_path), Options(signature="decode")))
    assert "encode" in str(caught.value.hint)


def test_a_program_that_feeds_no_variable_is_damaged(tmp_path: Path) -> None:
    raw = program({"x": ("float32", [2])}, [op("relu", {"X": "x"}, {"Out": "y"})], ["y"])
    damaged = raw.replace(b"\n\x01x\x12", b"\n\x01q\x12", 1)
    with pytest.raises(MalformedModel, match="the input 'x' is no variable of the program"):
        read_files(*save(tmp_path, damaged))
