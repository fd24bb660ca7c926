"""What users upload: encodings, checkpoints, misleading names, damaged and foreign files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.cases import assert_same, cases, run, shapes
from tests.workers.formats.torch7.nets import (
    convolution,
    dump,
    linear,
    longs,
    max_pool,
    module,
    normal,
    read_net,
    relu,
    sequential,
    vgg19,
)
from workers.errors import (
    ConversionError,
    InvalidOptions,
    LimitExceeded,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsupportedOperators,
)
from workers.formats.contract import ReadRequest
from workers.formats.torch7 import FORMAT
from workers.formats.torch7 import file as t7
from workers.formats.torch7.objects import Array, Function, Object, Storage, Table, Tensor
from workers.formats.torch7.read import coverage, read
from workers.inspect.upload import Upload
from workers.options import Options

X = normal(2, 6)
SHAPE: dict[str, Any] = {"input_shapes": {"input_0": [1, 6]}}


def mlp() -> Object:
    return sequential(linear(6, 5), relu(), linear(5, 3))


def expected() -> Array:
    first, second = (linear(*sizes).fields.entries for sizes in ((6, 5), (5, 3)))
    hidden = np.maximum(X @ first["weight"].T + first["bias"], 0)
    return np.asarray(hidden @ second["weight"].T + second["bias"])


def same(root: Any, folder: Path, **options: Any) -> list[str]:
    """The network computes what it should; the codes of the notes."""
    reading = read_net(root, folder, **{**SHAPE, **options})
    assert_same({"output_0": expected()}, run(reading.model, {"input_0": X}))
    return [note.code for note in reading.notes]


# --- encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"long": 4}, {"ascii": True}, {"versions": False}, {"long": 4, "versions": False}])
def test_every_encoding_gives_the_same_network(how: dict[str, Any], tmp_path: Path) -> None:
    assert same(mlp(), tmp_path, **how) == []


def test_the_encoding_is_told(tmp_path: Path) -> None:
    assert read_net(mlp(), tmp_path, **SHAPE).version == "binary"
    assert read_net(mlp(), tmp_path, **SHAPE, ascii=True).version == "ascii"
    assert read_net(mlp(), tmp_path, **SHAPE, long=4).version == "binary, 32-bit longs"


def converted(dtype: Any) -> Object:
    net = mlp()
    for layer in net.get("modules"):
        for key in ("weight", "bias"):
            if layer.get(key) is not None:
                layer.fields.entries[key] = layer.get(key).astype(dtype)
    return net


def test_doubles_and_halves_become_float32(tmp_path: Path) -> None:
    assert same(converted(np.float64), tmp_path) == []
    got = run(read_net(converted(np.float16), tmp_path, **SHAPE).model, {"input_0": X})
    np.testing.assert_allclose(got["output_0"], expected(), atol=0.02)


@pytest.mark.parametrize(("name", "dtype"), [("Cuda", "<f4"), ("CudaDouble", "<f8"), ("CudaHalf", "<f2")])
def test_tensors_of_a_gpu_are_as_those_of_a_cpu(name: str, dtype: str, tmp_path: Path) -> None:
    array = np.arange(6, dtype=dtype)
    storage = Storage(f"torch.{name}Storage", 6, array.dtype, lambda: array)
    root = {"t": Tensor(f"torch.{name}Tensor", (2, 3), (3, 1), 0, storage)}
    found = t7.parse(memoryview(dump(root)), "t.t7").root.get("t").array()
    np.testing.assert_array_equal(found, array.reshape(2, 3))


def test_strides_offsets_and_shared_storages_are_honoured(tmp_path: Path) -> None:
    net = mlp()
    flat = np.concatenate([[9.0] * 3, linear(6, 5).get("weight").T.reshape(-1)]).astype(np.float32)
    storage = Storage("torch.FloatStorage", flat.size, flat.dtype, lambda: flat)
    net.get("modules")[0].fields.entries["weight"] = Tensor("torch.FloatTensor", (5, 6), (1, 5), 3, storage)
    assert same(net, tmp_path) == []


def test_a_shared_object_is_one_object_and_one_initialiser(tmp_path: Path) -> None:
    layer = linear(6, 6)
    model = read_net(sequential(layer, module("nn.Tanh"), layer), tmp_path, **SHAPE).model
    assert len(model.graph.initializers) == 2


def test_cycles_and_functions_are_read_and_never_run(tmp_path: Path) -> None:
    net = mlp()
    net.fields.entries |= {"self": net, "hook": Function(7), "clone": [Function(7), net]}
    assert same(net, tmp_path) == []


def test_an_old_function_has_no_index(tmp_path: Path) -> None:
    upvalues = b"\3\0\0\0\2\0\0\0\0\0\0\0"
    old = b"\3\0\0\0\1\0\0\0\1\0\0\0" + dump("f") + b"\6\0\0\0\2\0\0\0LJ" + upvalues
    root = t7.parse(memoryview(old), "old.t7").root
    assert isinstance(root.get("f"), Function)


def test_weights_stay_in_the_mapped_file(tmp_path: Path) -> None:
    model = read_net(mlp(), tmp_path, **SHAPE).model
    for value in model.graph.initializers.values():
        assert isinstance(value.const_value, ir.Tensor) and not value.const_value.numpy().flags.owndata


def test_a_data_parallel_table_and_a_gpu_write_two_objects(tmp_path: Path) -> None:
    gpu = Object("nn.GPU", 1, [["nn.Sequential", 1], Table({"modules": [mlp()], "device": 1})])
    assert same(Object("nn.DataParallelTable", 2, [{}, Table({"modules": [gpu]})]), tmp_path) == []
    assert same(Object("nn.DataParallelTable", 1, [Table({"modules": [gpu]})]), tmp_path) == []


def test_empty_tensors_and_tables_are_read_in_ascii(tmp_path: Path) -> None:
    root = {"t": Tensor("torch.FloatTensor", (), (), 0, None), "e": {}, "s": "two\nlines", "l": longs()}
    found = t7.parse(memoryview(dump(root, ascii=True)), "a.t7").root
    assert found.get("t").size == 0 and found.get("s") == "two\nlines" and found.get("l").integers() == []


# --- where the network is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["model", "net", "protos.rnn", "checkpoint.model", "1", "state.best.modelG"])
def test_the_network_of_a_checkpoint_is_found_and_said(path: str, tmp_path: Path) -> None:
    root: Any = mlp()
    for key in path.split(".")[::-1]:
        root = {int(key) if key.isdecimal() else key: root, "epoch": 3, "criterion": module("nn.MSECriterion")}
    reading = read_net(root, tmp_path, **SHAPE)
    assert_same({"output_0": expected()}, run(reading.model, {"input_0": X}))
    assert [note.detail for note in reading.notes] == [f"The network is the nn.Sequential at '{path}'."]


def test_of_several_networks_one_can_be_named(tmp_path: Path) -> None:
    root = {"netD": sequential(linear(6, 2)), "netG": mlp()}
    assert same(root, tmp_path) == ["model-in-table", "other-networks"]
    model = read_net(root, tmp_path, **SHAPE, model_path_in_file="netD").model
    assert model.graph.outputs[0].shape is not None and model.graph.outputs[0].shape[1] == 2


def test_a_path_without_a_network_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="'nothing'") as refused:
        read_net({"model": mlp()}, tmp_path, **SHAPE, model_path_in_file="nothing")
    assert refused.value.hint == "Networks lie at: 'model'."


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ({"a": normal(2), "b": normal(3)}, r"a table of 2 entries \(a, b\), 2 of them tensors"),
        (normal(2, 3), r"torch\.FloatTensor of shape \[2, 3\]"),
        (module("nn.MSECriterion"), r"nn\.MSECriterion"),
    ],
)
def test_a_file_without_a_network_says_what_it_holds(root: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=words):
        read_net(root, tmp_path)


# --- shapes ---------------------------------------------------------------------------------------------------------


def test_a_vector_net_needs_no_shape(tmp_path: Path) -> None:
    reading = read_net(mlp(), tmp_path)
    assert shapes(reading.model) == {"input_0": ["batch", 6]}
    assert "first linear module" in reading.notes[0].detail


def test_the_side_of_an_image_is_told_by_the_view_behind(tmp_path: Path) -> None:
    net = sequential(convolution(3, 4, 5), max_pool(2, 2), module("nn.View", size=longs(4 * 14 * 14)), linear(784, 2))
    reading = read_net(net, tmp_path)
    assert shapes(reading.model) == {"input_0": ["batch", 3, 32, 32]}
    assert reading.notes[0].code == "derived-input-shape" and "from 32 to 33" in reading.notes[0].detail


def test_vgg_is_taken_to_be_of_224(tmp_path: Path) -> None:
    reading = read_net(vgg19(width=2), tmp_path)
    assert shapes(reading.model) == {"input_0": ["batch", 3, 224, 224]}


def test_a_left_buffer_tells_the_shape(tmp_path: Path) -> None:
    net = sequential(convolution(3, 4, 3), relu(), gradInput=normal(2, 3, 9, 8))
    assert shapes(read_net(net, tmp_path).model) == {"input_0": ["batch", 3, 9, 8]}


def test_what_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="the shape of input 'input_0' stands in no file") as refused:
        read_net(sequential(convolution(5, 4, 3), relu()), tmp_path)
    assert refused.value.hint == "Give it in the option 'input_shapes', e.g. input_0=1,5,224,224."


def test_a_shape_of_no_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="'data', which is no input"):
        read_net(mlp(), tmp_path, input_shapes={"data": [1, 6]})


def test_the_users_element_type_counts(tmp_path: Path) -> None:
    net = sequential(module("nn.LookupTable", weight=normal(5, 3)))
    given = {"input_shapes": {"input_0": [1, 4]}}
    assert read_net(net, tmp_path, **given).model.graph.inputs[0].dtype == ir.DataType.INT64
    model = read_net(net, tmp_path, **given, input_dtypes={"input_0": "float32"}).model
    assert model.graph.inputs[0].dtype == ir.DataType.FLOAT
    with pytest.raises(InvalidOptions, match="'word'"):
        read_net(net, tmp_path, **given, input_dtypes={"input_0": "word"})


def test_indices_may_count_from_zero(tmp_path: Path) -> None:
    weight = normal(5, 3)
    net = sequential(module("nn.LookupTable", weight=weight))
    places = np.asarray([[0, 4, 2]])
    for one_based in (True, False):
        model = read_net(net, tmp_path, input_shapes={"input_0": [1, 3]}, index_inputs_are_one_based=one_based).model
        got = run(model, {"input_0": places + one_based})
        assert_same({"output_0": weight[places]}, got)


def test_a_module_that_needs_the_batch_fixes_it(tmp_path: Path) -> None:
    net = sequential(module("nn.Reshape", size=longs(4, 3), batchMode=False))
    reading = read_net(net, tmp_path, input_shapes={"input_0": [2, 6]})
    assert shapes(reading.model) == {"input_0": [2, 6]} and reading.notes[0].code == "fixed-batch"
    with pytest.raises(InvalidOptions, match="free axes"):
        read_net(net, tmp_path, input_shapes={"input_0": ["n", 6]})


def test_the_batch_is_the_second_axis_where_the_first_is_time(tmp_path: Path) -> None:
    lstm = module("nn.SeqLSTM", inputsize=6, outputsize=4, weight=normal(10, 16), bias=normal(16))
    model = read_net(sequential(lstm), tmp_path, input_shapes={"input_0": [5, 2, 6]}).model
    assert shapes(model) == {"input_0": [5, "batch", 6]}


# --- refusals -------------------------------------------------------------------------------------------------------


def test_all_modules_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    net = sequential(module("nn.MaskedSelect"), linear(6, 5), module("my.Own"), sequential(module("nn.IndexLinear")))
    with pytest.raises(UnsupportedOperators) as refused:
        read_net(net, tmp_path, **SHAPE)
    assert [(item.layer, item.type) for item in refused.value.items] == [
        ("model.1", "nn.MaskedSelect"), ("model.3", "my.Own"), ("model.4.1", "nn.IndexLinear"),
    ]  # fmt: skip


def test_a_module_goes_by_its_own_name(tmp_path: Path) -> None:
    broken = linear(7, 5)
    broken.fields.entries["name"] = "fc6"
    with pytest.raises(MalformedModel, match=r"module 'model\.fc6' \(nn\.Linear\): it takes 7 features"):
        read_net(sequential(broken), tmp_path, **SHAPE)


def test_endless_nesting_is_a_limit(tmp_path: Path) -> None:
    net = sequential()
    net.fields.entries["modules"] = [net]
    with pytest.raises(LimitExceeded, match="nested more than"):
        read_net(net, tmp_path, **SHAPE)


def test_a_view_outside_its_storage_is_malformed(tmp_path: Path) -> None:
    net = mlp()
    flat = normal(4)
    storage = Storage("torch.FloatStorage", 4, flat.dtype, lambda: flat)
    net.get("modules")[0].fields.entries["weight"] = Tensor("torch.FloatTensor", (5, 6), (6, 1), 0, storage)
    with pytest.raises(MalformedModel, match="leaves its storage of 4 elements"):
        read_net(net, tmp_path, **SHAPE)


@pytest.mark.parametrize("ascii", [False, True])
def test_a_cut_file_is_malformed_wherever_it_is_cut(ascii: bool, tmp_path: Path) -> None:
    whole = dump(mlp(), ascii=ascii)
    for end in range(12, len(whole) - 1, 41):
        (tmp_path / "cut.t7").write_bytes(whole[:end])
        with pytest.raises((MalformedModel, UnknownFormat)) as refused:
            read(ReadRequest(Upload.of(tmp_path / "cut.t7"), Options(**SHAPE)))
        assert "'cut.t7'" in refused.value.detail


def test_bytes_behind_the_object_are_noted(tmp_path: Path) -> None:
    (tmp_path / "net.t7").write_bytes(dump(mlp()) + b"more")
    notes = read(ReadRequest(Upload.of(tmp_path / "net.t7"), Options(**SHAPE))).notes
    assert [note.code for note in notes] == ["trailing-bytes"]


def upload(folder: Path, **files: bytes) -> Upload:
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return Upload.of(*(folder / name.replace("__", ".") for name in files))


def test_misleading_names_do_not_matter(tmp_path: Path) -> None:
    files = upload(tmp_path, model__onnx=dump(mlp()), weights__t7=b"\x93NUMPY" + bytes(64), notes__txt=b"about\n")
    evidence = FORMAT.sniff(files)
    assert evidence is not None and evidence.score > 0.9 and "'model.onnx'" in evidence.reason
    reading = read(ReadRequest(files, Options(**SHAPE)))
    assert reading.files == ("model.onnx",) and {note.code for note in reading.notes} == {"ignored-file"}


def test_a_foreign_file_under_torchs_name_is_called_what_it_is(tmp_path: Path) -> None:
    files = upload(tmp_path, net__t7=b"\x80\x02}q\x00.")
    assert FORMAT.sniff(files) is None
    with pytest.raises(MalformedModel, match=r"'net\.t7' is a Python pickle"):
        read(ReadRequest(files))


def test_no_file_of_torch_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat, match=r"'a\.bin' is no object of Torch7's"):
        read(ReadRequest(upload(tmp_path, a__bin=b"whatever it is")))


def test_two_networks_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptions, match="2 Torch7 files"):
        read(ReadRequest(upload(tmp_path, a__t7=dump(mlp()), b__t7=dump(mlp()))))


@pytest.mark.parametrize("ascii", [False, True])
def test_tensors_alone_are_recognised_too(ascii: bool, tmp_path: Path) -> None:
    evidence = FORMAT.sniff(upload(tmp_path, w__bin=dump({"w": normal(3)}, ascii=ascii)))
    assert evidence is not None and evidence.score == 0.9 and "tensors" in evidence.reason


def test_every_refusal_in_the_table_has_a_reason() -> None:
    table = coverage()
    assert table["nn.SpatialConvolution"] == "" and len(table) > 300
    assert all(len(reason) > 20 for reason in table.values() if reason)


def test_a_node_that_selects_by_a_table_is_malformed(tmp_path: Path) -> None:
    start: Table = Table({"annotations": Table()})
    chosen = Table({"selectindex": Table({"self": start}), "mapindex": Table({1: start})})
    end = Table({"mapindex": Table({1: chosen})})
    nodes = [Object("nngraph.Node", 1, [Table({"data": data})]) for data in (start, chosen, end)]
    net = module("nn.gModule", nInputs=1, innode=nodes[0], outnode=nodes[2], forwardnodes=nodes)
    with pytest.raises(MalformedModel, match="that is no number"):
        read_net(net, tmp_path, **SHAPE)


def test_an_error_is_always_ours(tmp_path: Path) -> None:
    with pytest.raises(ConversionError):
        read_net(module("nn.Sequential", modules=[3, "x"]), tmp_path, **SHAPE)


@pytest.mark.parametrize(("said", "noted"), [("double", False), ("float", True), (None, False)])
def test_a_network_of_other_tensors_than_the_user_says_is_noted(said: str | None, noted: bool) -> None:
    (case,) = cases("torch7", "opzoo_math")
    notes = read(case.request(tensor_type=said)).notes
    assert [note.detail for note in notes if note.code == "tensor-type"] == (
        ["The file holds a network of torch.DoubleTensor, not of float tensors."] if noted else []
    )
