"""What users upload: halves of models, several epochs, files under misleading names, damaged and foreign files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, cases, run
from tests.workers.formats.mxnet.graphs import node, normal, read_files, read_graph, save, symbol
from workers.errors import InvalidOptions, MalformedModel, MissingFile, UnknownFormat, UnsupportedOperators
from workers.formats import mxnet
from workers.formats.mxnet.file import write_params
from workers.inspect.upload import Upload

GLUON, LENET, MLP = cases("mxnet", "gluon_param_files", "lenet_v095", "mlp_module")
STRUCTURAL = GLUON.folder / "structured_names.bin"
X = normal(2, 4)
DENSE = symbol(node("FullyConnected", "fc", "x", "w", "b", num_hidden=3))
PARAMS = {"w": normal(3, 4), "b": normal(3)}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def parts(folder: Path, **arrays: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Path:
    path = folder / "other.params"
    path.write_bytes(b"".join(write_params([(name.replace("__", "."), array) for name, array in arrays.items()])))
    return path


# --- halves ----------------------------------------------------------------------------------------------------------


def test_parameters_alone_lack_their_graph() -> None:
    with pytest.raises(MissingFile, match=r"'lenet-0010\.params' holds 8 parameters such as '") as caught:
        read_files(LENET.files[1])
    assert "-symbol.json" in str(caught.value.hint)


def test_parameters_of_save_parameters_say_how_to_export() -> None:
    with pytest.raises(MissingFile, match=r"written by gluon's save_parameters: it holds 14 arrays such as") as caught:
        read_files(STRUCTURAL)
    assert "net.export('model')" in str(caught.value.hint)


def test_a_symbol_alone_names_the_parameters_it_needs() -> None:
    with pytest.raises(MissingFile, match=r"needs 4 arrays \('fc1_weight', 'fc1_bias'") as caught:
        read_files(MLP.files[0])
    assert ".params" in str(caught.value.hint)


def test_a_symbol_without_parameters_is_a_whole_model(tmp_path: Path) -> None:
    reading = read_graph(tmp_path, symbol(node("relu", "y", "x")), input_shapes={"x": [2, 4]})
    assert_same({"y_output": np.maximum(X, 0)}, run(reading.model, {"x": X}))


def test_parameters_of_another_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=r"lacks 1 arrays of 'net-symbol.json': 'b'"):
        read_graph(tmp_path, DENSE, {"w": PARAMS["w"]})


def test_structural_names_are_matched_by_order_kind_and_shape() -> None:
    reading = read_files(GLUON.files[0], STRUCTURAL, input_shapes={"data": [1, 3, 18, 18]})
    assert [note.code for note in reading.notes] == ["parameters-by-order"]
    sample = GLUON.sample(1)
    assert_same(sample.outputs, run(reading.model, sample.inputs))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"0__weight": PARAMS["w"]}, "block '0' has weight where layer 'fc' has weight, bias"),
        ({"0__weight": PARAMS["w"], "1__bias": PARAMS["b"]}, "2 blocks with parameters, the symbol 1 layers"),
        (
            {"0__weight": PARAMS["w"].T.copy(), "0__bias": PARAMS["b"]},
            r"'0.weight' of shape \[4, 3\] does not fit 'fc'",
        ),
    ],
)
def test_what_cannot_be_matched_by_order_is_refused(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], words: str, tmp_path: Path
) -> None:
    files = save(tmp_path, DENSE)
    with pytest.raises(MissingFile, match=words):
        read_files(*files, parts(tmp_path, **arrays))


def test_names_without_prefix_and_names_given_twice(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE)
    assert read_files(*files, parts(tmp_path, **PARAMS)).files == ("net-symbol.json", "other.params")
    both = tmp_path / "both.params"
    both.write_bytes(b"".join(write_params([("arg:w", PARAMS["w"]), ("aux:w", PARAMS["w"])])))
    with pytest.raises(MalformedModel, match="holds the array 'w' twice"):
        read_files(*files, both)
    both.write_bytes(b"".join(write_params([("", PARAMS["w"]), ("", PARAMS["b"])])))
    with pytest.raises(MalformedModel, match="arrays without names"):
        read_files(*files, both)


# --- several ---------------------------------------------------------------------------------------------------------


def test_of_several_epochs_the_user_must_choose(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE, PARAMS)
    later = tmp_path / "net-0002.params"
    shutil.copy(files[1], later)
    with pytest.raises(InvalidOptions, match=r"2 parameter files \('net-0000.params', 'net-0002.params'\)"):
        read_files(*files, later)


def test_parameters_of_another_symbol_are_left_aside(tmp_path: Path) -> None:
    reading = read_files(*save(tmp_path, DENSE, PARAMS), LENET.files[1])
    assert [(note.code, note.where) for note in reading.notes] == [("ignored-file", "lenet-0010.params")]
    assert reading.files == ("net-symbol.json", "net-0000.params")


def test_two_symbols_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="2 graphs"):
        read_files(*save(tmp_path, DENSE, PARAMS), LENET.files[0])


def test_misleading_names_do_not_matter(tmp_path: Path) -> None:
    files = [shutil.copy(LENET.files[0], tmp_path / "weights.bin"), shutil.copy(LENET.files[1], tmp_path / "graph.txt")]
    evidence = mxnet.FORMAT.sniff(Upload.of(*map(Path, files)))
    assert evidence is not None and evidence.score > 0.9 and "'weights.bin' is an MXNet symbol" in evidence.reason
    sample = LENET.sample(1)
    model = read_files(*map(Path, files), **LENET.facts["options"]).model
    assert_same(sample.outputs, run(model, sample.inputs))


def test_other_files_beside_are_noted(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE, PARAMS)
    states = tmp_path / "net-0000.states"
    states.write_bytes(b"\x80\x02}q\x00.")
    (note,) = read_files(*files, states).notes
    assert (note.code, note.where) == ("ignored-file", "net-0000.states") and "pickle" in note.detail


# --- foreign and damaged ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("net-0000.params", PNG, "is a PNG image, not a file of MXNet's"),
        ("net-symbol.json", b"", "is empty"),
        ("net-0000.params", b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        ("net-symbol.json", b'{"a": 1}', "JSON, but no symbol"),
        ("net-symbol.json", b'{"nodes": [{"op": "tvm_op", "name": "x"}], "heads": [[0, 0, 0]]}', "compiled by TVM"),
    ],
)
def test_files_that_are_not_what_their_name_says(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MalformedModel, match=words) as caught:
        read_files(tmp_path / name)
    assert caught.value.file == name


def test_nothing_of_mxnet(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    assert mxnet.FORMAT.sniff(Upload.of(tmp_path / "cat.png")) is None
    with pytest.raises(UnknownFormat, match=r"'cat\.png' is a PNG image"):
        read_files(tmp_path / "cat.png")


def test_a_truncated_parameter_file_is_damaged(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE, PARAMS)
    files[1].write_bytes(files[1].read_bytes()[:-20])
    with pytest.raises(MalformedModel, match=r"'net-0000\.params' is a damaged MXNet parameter file"):
        read_files(*files)


def test_sparse_parameters_are_refused_by_name(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE)
    rows = tmp_path / "rows.params"
    sound = b"".join(write_params([("arg:b", PARAMS["b"]), ("arg:w", PARAMS["w"])]))
    dense = sound.index(PARAMS["w"].tobytes())
    head, tail = sound[: dense - 40], sound[dense + PARAMS["w"].nbytes :]
    sparse = (
        b"\xc9\xfa\x93\xf9\x01\0\0\0\x02\0\0\0" + np.asarray([1, 4], "<i8").tobytes() + b"\x02\0\0\0"
        + np.asarray([3, 4], "<i8").tobytes() + b"\x01\0\0\0\0\0\0\0\0\0\0\0\x06\0\0\0\x01\0\0\0"
        + np.asarray([1], "<i8").tobytes() + bytes(16) + np.asarray([2], "<i8").tobytes()
    )  # fmt: skip
    rows.write_bytes(head + sparse + tail)
    with pytest.raises(UnsupportedOperators, match=r"'w' \(row_sparse array\): .*tostype\('default'\)"):
        read_files(*files, rows)


def test_an_array_without_value_cannot_be_used(tmp_path: Path) -> None:
    files = save(tmp_path, DENSE)
    empty = tmp_path / "empty.params"
    sound = b"".join(write_params([("arg:b", PARAMS["b"]), ("arg:w", PARAMS["w"])]))
    dense = sound.index(PARAMS["w"].tobytes())
    empty.write_bytes(sound[: dense - 40] + b"\xc9\xfa\x93\xf9" + bytes(8) + sound[dense + PARAMS["w"].nbytes :])
    with pytest.raises(MalformedModel, match="the array 'w' was saved without ever having had a value"):
        read_files(*files, empty)
