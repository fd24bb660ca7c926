"""What users upload: halves of models, misleading names, databases, tables of shapes; and how each refusal reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.caffe2.nets import fill, net, normal, operator, pair, save
from tests.workers.formats.cases import assert_same, cases, run, shapes
from workers.errors import (
    ConversionError,
    InvalidOptions,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsupportedVersion,
)
from workers.formats.caffe2.file import minidb, tensor, write_net
from workers.formats.caffe2.read import read
from workers.formats.caffe2.schema import BLOB, META, TENSORS
from workers.formats.contract import Reading, ReadRequest
from workers.inspect.protobuf_write import encode
from workers.inspect.prototext import print_text
from workers.inspect.schema import Message
from workers.inspect.upload import Upload
from workers.options import Options

W, B = normal(2, 3, seed=1), normal(2, seed=2)
FC = operator("FC", ["x", "w", "b"], ["y"])
WANT = {"y": (np.ones((1, 3), np.float32) @ W.T + B).astype(np.float32)}


def read_files(*paths: Path, **options: object) -> Reading:
    return read(ReadRequest(Upload.of(*paths), Options.model_validate(options)))


def check(reading: Reading) -> None:
    assert_same(WANT, run(reading.model, {"x": np.ones((1, 3), np.float32)}))


def simple() -> tuple[Message, Message]:
    return pair([FC], {"w": W, "b": B}, ["x"], ["y"])


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_nets_are_told_apart_by_content_not_by_name(tmp_path: Path) -> None:
    init, predict = simple()
    swapped = [
        written(tmp_path, "predict_net.pb", write_net(init)),
        written(tmp_path, "init_net.pb", write_net(predict)),
    ]
    check(read_files(*swapped))


def test_text_and_binary_may_be_mixed(tmp_path: Path) -> None:
    init, predict = simple()
    text = written(tmp_path, "net.txt", ("# exported\n" + print_text(predict)).encode())
    check(read_files(text, written(tmp_path, "a.bin", write_net(init))))


def test_fills_may_stand_in_the_predict_net(tmp_path: Path) -> None:
    whole = net([fill("w", W), fill("b", B), FC], ["x"], ["y"])
    check(read_files(written(tmp_path, "model.pb", write_net(whole))))


def test_parameters_may_come_as_tensors(tmp_path: Path) -> None:
    _, predict = simple()
    tensors = written(tmp_path, "params", encode(TENSORS(protos=[tensor("w", W), tensor("b", B)])))
    check(read_files(written(tmp_path, "net.pb", write_net(predict)), tensors))
    blobs = [
        written(tmp_path, f"{name}.blob", encode(BLOB(name=name, type="Tensor", tensor=tensor(name, array))))
        for name, array in (("w", W), ("b", B))
    ]
    check(read_files(tmp_path / "net.pb", *blobs))


def test_inputs_of_a_dense_layer_need_no_shape(tmp_path: Path) -> None:
    assert shapes(read_files(*save(tmp_path, *simple())).model) == {"x": ["batch", 3]}


def test_dummies_of_exporters_are_inputs(tmp_path: Path) -> None:
    init, predict = simple()
    init.op.append(operator("ConstantFill", [], ["x"], shape=[1]))
    reading = read_files(*save(tmp_path, init, predict))
    check(reading)


def test_a_fill_of_zeros_with_a_shape_gives_the_input_its_shape(tmp_path: Path) -> None:
    init, predict = pair([operator("Relu", ["x"], ["y"])], {}, ["x"], ["y"])
    init.op.append(operator("ConstantFill", [], ["x"], shape=[2, 3, 4]))
    reading = read_files(*save(tmp_path, init, predict), dynamic_batch=False)
    assert shapes(reading.model) == {"x": [2, 3, 4]}


def test_a_table_gives_shapes_and_types(tmp_path: Path) -> None:
    _, predict = pair([operator("Copy", ["x"], ["y"])], {}, ["x"], ["y"])
    table = written(tmp_path, "value_info.json", json.dumps({"x": [7, [2, 5]]}).encode())
    model = read_files(*save(tmp_path, None, predict), table).model
    assert shapes(model) == {"x": ["batch", 5]}
    assert model.graph.inputs[0].dtype is not None and model.graph.inputs[0].dtype.name == "INT64"
    broken = written(tmp_path, "value_info.json", b'{"x": [7, [2, "a"]]}')
    with pytest.raises(MalformedModel, match="no table of the form"):
        read_files(tmp_path / "predict_net.pb", broken)


# --- predictor databases ----------------------------------------------------------------------------------------------


def database(chunks: list[Message] | None = None, *, prefix: str = "") -> dict[str, Message]:
    """The records of a predictor; the weight in chunks where they are given."""
    _, predict = simple()
    shaped = net([operator("ConstantFill", [], ["x"], shape=[4, 3]), operator("ConstantFill", [], ["y"], shape=[4, 2])])
    meta = META(
        nets=[{"key": prefix + "PREDICT_NET_TYPE", "value": predict},
              {"key": prefix + "PREDICT_INIT_NET_TYPE", "value": shaped}],
        blobs=[{"key": "INPUTS_BLOB_TYPE", "value": ["x"]}, {"key": "OUTPUTS_BLOB_TYPE", "value": ["y"]}],
    )  # fmt: skip
    records = {"!!META_NET_DEF": BLOB(name="!!META_NET_DEF", type="std::string", content=encode(meta))}
    for place, chunk in enumerate(chunks or [tensor("w", W)]):
        records[f"w#%{place}"] = BLOB(name="w", type="Tensor", tensor=chunk)
    records["b"] = BLOB(name="b", type="Tensor", tensor=tensor("b", B))
    return records


def chunk(begin: int, end: int) -> Message:
    made = tensor("w", W.reshape(-1)[begin:end])
    made.dims, made.segment = [2, 3], {"begin": begin, "end": end}
    return made


def test_a_database_holds_net_parameters_and_shapes(tmp_path: Path) -> None:
    reading = read_files(written(tmp_path, "model", minidb(database())))
    check(reading)
    assert shapes(reading.model) == {"x": ["batch", 3]} and reading.version == "predictor database"
    check(read_files(written(tmp_path, "named.db", minidb(database(prefix="my_")))))


def test_chunks_come_in_any_order(tmp_path: Path) -> None:
    check(read_files(written(tmp_path, "m.minidb", minidb(database([chunk(4, 6), chunk(0, 1), chunk(1, 4)])))))


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([chunk(4, 6), chunk(0, 1)], "'w' of 'm.minidb' lacks its numbers from 1 on"),
        ([chunk(0, 4)], "lacks its numbers from 4 on"),
        ([chunk(0, 4), chunk(2, 6)], "lacks its numbers from 4 on"),
    ],
)
def test_lost_chunks_are_missed(chunks: list[Message], words: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=words):
        read_files(written(tmp_path, "m.minidb", minidb(database(chunks))))


def test_a_truncated_database_says_where(tmp_path: Path) -> None:
    raw = minidb(database())
    with pytest.raises(MalformedModel, match=r"'m.minidb' is truncated or damaged: the record at byte"):
        read_files(written(tmp_path, "m.minidb", raw[:-5]))


def test_a_database_without_its_net_asks_for_it(tmp_path: Path) -> None:
    records = {f"{key}#%0": blob for key, blob in list(database().items())[1:]}
    alone = written(tmp_path, "params.minidb", minidb(records))
    with pytest.raises(MissingFile, match="holds 2 parameters, but no net"):
        read_files(alone)
    check(read_files(alone, written(tmp_path, "predict_net.pb", write_net(simple()[1]))))


def test_blobs_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    for blob, words in (
        (BLOB(name="b", type="QTensor", qtensor={"dims": [2]}), "is a QTensor"),
        (BLOB(name="b", type="std::map", content=b"x"), "is no tensor but std::map"),
    ):
        records = {**database(), "b": blob}
        with pytest.raises(UnsupportedVersion, match=words):
            read_files(written(tmp_path, "m.minidb", minidb(records)))


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_half_a_model_says_which_half_is_missing(tmp_path: Path) -> None:
    init, predict = simple()
    with pytest.raises(MissingFile, match=r"fills 2 parameters, but the net that computes is missing") as caught:
        read_files(written(tmp_path, "init.pb", write_net(init)))
    assert caught.value.hint is not None and "predict_net.pb" in caught.value.hint
    with pytest.raises(MissingFile, match=r"needs 2 blobs \('w', 'b'\)") as other:
        read_files(written(tmp_path, "net.pb", write_net(predict)))
    assert other.value.hint is not None and "init_net.pb" in other.value.hint


def test_an_init_net_of_another_model_is_told(tmp_path: Path) -> None:
    _, predict = simple()
    with pytest.raises(MalformedModel, match="needs 1 parameters that no file fills: 'b'"):
        read_files(*save(tmp_path, net([fill("w", W)]), predict))


def test_two_models_are_one_too_many(tmp_path: Path) -> None:
    init, predict = simple()
    files = save(tmp_path, init, predict)
    with pytest.raises(InvalidOptions, match=r"2 nets that compute \('predict_net.pb', 'other.pb'\)"):
        read_files(*files, written(tmp_path, "other.pb", write_net(predict)))


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        ("data.mdb", bytes(16) + b"\xde\xc0\xef\xbe" + bytes(40), UnsupportedVersion, "is an LMDB database"),
        ("CURRENT", b"MANIFEST-000001\n", UnsupportedVersion, "a part of a LevelDB database"),
        ("model.minidb", b"\x89PNG\r\n\x1a\n0000", MalformedModel, "is a PNG image, not a Caffe2 database"),
        ("notes.txt", b"hello", UnknownFormat, "there is no Caffe2 file"),
        ("value_info.json", b'{"x": [1, [1]]}', MissingFile, "the net that computes is missing"),
    ],
)
def test_other_files_are_named(
    name: str, data: bytes, error: type[ConversionError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        read_files(written(tmp_path, name, data))


def test_files_that_were_not_used_are_noted(tmp_path: Path) -> None:
    reading = read_files(*save(tmp_path, *simple()), written(tmp_path, "README", b"hello"))
    assert [note.where for note in reading.notes if note.code == "ignored-file"] == ["README"]
    assert reading.files == ("predict_net.pb", "init_net.pb")


def test_an_untrained_init_net_is_refused_by_name(tmp_path: Path) -> None:
    init, predict = simple()
    init.op[0] = operator("XavierFill", [], ["w"], shape=[2, 3])
    with pytest.raises(ConversionError, match=r"'w' \(XavierFill\): the parameter is drawn at random"):
        read_files(*save(tmp_path, init, predict))


def test_the_shape_of_a_picture_is_asked_for_with_its_channels(tmp_path: Path) -> None:
    conv = operator("Conv", ["x", "k"], ["y"], kernel=3)
    with pytest.raises(InvalidOptions, match="the shape of input 'x' stands in no file") as caught:
        read_files(*save(tmp_path, *pair([conv], {"k": normal(8, 4, 3, 3)}, ["x"], ["y"])))
    assert caught.value.hint is not None and "x=1,4,?,?" in caught.value.hint


def test_the_pb_and_the_text_of_a_net_say_the_same() -> None:
    (vgg,) = cases("caffe2", "vgg_pbtxt")
    assert read(vgg.request()).version == "init and predict nets (simple)"
