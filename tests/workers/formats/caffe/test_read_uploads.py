"""What users upload: halves of models, several nets, files under misleading names, damaged and foreign files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.workers.formats.caffe.nets import layer, net, normal, read_files, save, without_blobs
from tests.workers.formats.cases import assert_same, cases, run, shapes
from workers.errors import (
    ConversionError,
    InvalidOptions,
    LimitExceeded,
    MalformedModel,
    MissingFile,
    UnknownFormat,
    UnsafeModel,
    UnsupportedOperators,
)
from workers.formats import caffe
from workers.formats.caffe.file import NET, blob, parse_prototxt, print_prototxt, read_caffemodel, write_caffemodel
from workers.formats.caffe.read import read
from workers.formats.caffe.upgrade import upgrade
from workers.inspect.upload import Upload

TRAIN, V1, H5 = cases("caffe", "lenet_train_val", "lenet_v1", "nin_h5")
X = normal(2, 4, 5, 6)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def model() -> Any:
    return net(
        {"x": (1, 4, 5, 6)},
        layer("Convolution", top="c", name="conv1", blobs=(normal(3, 4, 1, 1), normal(3)),
              convolution_param={"num_output": 3, "kernel_size": [1]}),
        layer("ReLU", "c", "c", name="relu1"),
        layer("InnerProduct", "c", "y", name="fc", blobs=(normal(2, 90), normal(2)),
              inner_product_param={"num_output": 2}),
    )  # fmt: skip


# --- halves -----------------------------------------------------------------------------------------------------------


def test_a_caffemodel_alone_carries_its_graph(tmp_path: Path) -> None:
    both = save(tmp_path, model())
    alone = read_files(both[1])
    assert [note.code for note in alone.notes] == ["graph-from-weights"] and alone.files == ("net.caffemodel",)
    assert_same(run(read_files(*both).model, {"x": X}), run(alone.model, {"x": X}))


def test_a_training_snapshot_alone_needs_only_its_input_shape() -> None:
    """Saved in phase TRAIN: data and loss layers, a phase in every layer, no shape anywhere."""
    snapshot = TRAIN.files[1]
    with pytest.raises(InvalidOptions, match="'data' stands in no file") as caught:
        read_files(snapshot)
    assert "input_shapes" in str(caught.value.hint)
    reading = read_files(snapshot, input_shapes={"data": [1, 1, 28, 28]})
    sample = TRAIN.sample(1)
    assert_same(sample.outputs, run(reading.model, sample.inputs))


def test_split_layers_of_a_saved_net_dissolve(tmp_path: Path) -> None:
    split = layer("Split", "x", ["x_a_0_split_0", "x_b_0_split_1"])
    entries = [layer("AbsVal", "x_a_0_split_0", "a"), layer("Power", "x_b_0_split_1", "b", power_param={"scale": 2})]
    reading = read_files(*save(tmp_path, net({"x": X.shape}, split, *entries)))
    assert [node.op_type for node in reading.model.graph] == ["Abs", "Mul"]
    assert_same({"a": np.abs(X), "b": 2 * X}, run(reading.model, {"x": X}))


def test_a_prototxt_alone_names_the_layers_that_need_weights(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"2 layers need them \('conv1', 'fc'\)") as caught:
        read_files(save(tmp_path, model())[0])
    assert ".caffemodel" in str(caught.value.hint)


def test_a_prototxt_alone_whose_layers_need_no_weights_converts(tmp_path: Path) -> None:
    path = save(tmp_path, net({"x": X.shape}, layer("AbsVal")))[0]
    assert_same({"y": np.abs(X)}, run(read_files(path).model, {"x": X}))


def test_a_prototxt_with_its_weights_inside_converts(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(print_prototxt(model()))
    both = save(tmp_path, model())
    assert_same(run(read_files(*both).model, {"x": X}), run(read_files(path).model, {"x": X}))


def test_hdf5_weights_alone_miss_the_net() -> None:
    with pytest.raises(MissingFile, match="hold no graph"):
        read_files(H5.files[1])


def test_a_layer_without_weights_is_never_filled(tmp_path: Path) -> None:
    whole = model()
    prototxt = save(tmp_path, whole)[0]
    write_caffemodel(NET(layer=[entry for entry in whole.layer if entry.name != "fc"]), tmp_path / "net.caffemodel")
    with pytest.raises(MalformedModel, match=r"'net.caffemodel' has no weights for 'fc'") as caught:
        read_files(prototxt, tmp_path / "net.caffemodel")
    assert caught.value.layer == "fc" and caught.value.file == "net.caffemodel"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x08\x01\x10\x01\x18\x01\x20\x01\x2a\x04\x00\x00\x80\x3f", "single Caffe blob"),
        (b"net: 'train_val.prototxt'\nbase_lr: 0.01\nmax_iter: 100\n", "solver's settings"),
        (b"\x08\x64\x12\x01a\x1a\x06\x2a\x04\x00\x00\x80\x3f", "solver's state"),
    ],
)
def test_files_without_a_net_say_what_they_are(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(MissingFile, match=said):
        read_files(path)
    evidence = caffe.FORMAT.sniff(Upload.of(path))
    assert evidence is not None and evidence.score < 0.5


def test_files_beside_the_net_are_ignored_with_a_note(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    mean = b"\x08\x01\x10\x01\x18\x01\x20\x01\x2a\x04\x00\x00\x80\x3f"
    extra = {"solver.prototxt": b"base_lr: 0.1\n", "mean.binaryproto": mean, "labels.txt": b"cat\n", "photo.png": PNG}
    for name, content in extra.items():
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    reading = read_files(*paths)
    assert {note.where for note in reading.notes if note.code == "ignored-file"} == set(extra)
    assert reading.files == ("deploy.prototxt", "net.caffemodel")


# --- several of a kind ------------------------------------------------------------------------------------------------


def test_of_two_nets_the_one_for_inference_is_read(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    shutil.copy(TRAIN.files[0], tmp_path / "train_val.prototxt")
    reading = read_files(tmp_path / "train_val.prototxt", *paths)
    assert reading.files[0] == "deploy.prototxt"
    assert [note.where for note in reading.notes] == ["train_val.prototxt"]


def test_two_nets_for_inference_are_not_chosen_from(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    for name in ("a.prototxt", "b.prototxt"):
        shutil.copy(paths[0], tmp_path / name)
    with pytest.raises(InvalidOptions, match="2 nets"):
        read_files(tmp_path / "a.prototxt", tmp_path / "b.prototxt", paths[1])


def test_two_files_of_weights_are_not_chosen_from(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    shutil.copy(paths[1], tmp_path / "other.caffemodel")
    with pytest.raises(InvalidOptions, match="2 files with weights"):
        read_files(*paths, tmp_path / "other.caffemodel")


# --- names and damage -------------------------------------------------------------------------------------------------


def test_names_do_not_matter(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    want = run(read_files(*paths).model, {"x": X})
    swapped = [paths[0].rename(tmp_path / "weights.bin"), paths[1].rename(tmp_path / "graph.txt")]
    assert_same(want, run(read_files(*swapped).model, {"x": X}))


def test_hdf5_under_any_name_is_recognised(tmp_path: Path) -> None:
    shutil.copy(H5.files[0], tmp_path / "a")
    shutil.copy(H5.files[1], tmp_path / "b.caffemodel")
    sample = H5.sample(0)
    assert_same(sample.outputs, run(read_files(tmp_path / "a", tmp_path / "b.caffemodel").model, sample.inputs))


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.99])
def test_a_truncated_caffemodel_says_where(tmp_path: Path, keep: float) -> None:
    paths = save(tmp_path, model())
    raw = paths[1].read_bytes()
    paths[1].write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(MalformedModel, match=r"'net.caffemodel' (is truncated|ends in)") as caught:
        read_files(*paths)
    assert caught.value.file == "net.caffemodel" and caught.value.extra["offset"] <= len(raw) * keep


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (PNG, "is a PNG image"),
        (b"PK\x03\x04" + bytes(40), "is a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "is an HTML or XML page"),
        (b"\x00\x01\x02\x03" * 40, "is no known Caffe file"),
    ],
)
def test_a_file_that_is_no_caffemodel_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    paths = save(tmp_path, model())
    paths[1].write_bytes(content)
    with pytest.raises(MalformedModel, match=said) as caught:
        read_files(*paths)
    assert caught.value.file == "net.caffemodel"


def test_a_png_alone_is_not_sniffed_as_caffe(tmp_path: Path) -> None:
    path = tmp_path / "x.caffemodel"
    path.write_bytes(PNG)
    assert caffe.FORMAT.sniff(Upload.of(path)) is None
    with pytest.raises(MalformedModel, match="PNG"):
        read_files(path)


def test_an_upload_without_any_caffe_file_lists_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "readme.txt"
    path.write_text("hello")
    with pytest.raises(UnknownFormat, match=r"'readme.txt' is a text without Caffe layers"):
        read_files(path)


def test_blobs_that_do_not_fit_name_the_layer_and_both_shapes(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    paths[0].write_text(paths[0].read_text().replace("kernel_size: 1", "kernel_size: 3"))
    with pytest.raises(MalformedModel, match=r"'conv1'.*blob 0 is 3x4x1x1 .* needs 3x4x3x3"):
        read_files(*paths)


def test_a_wrong_number_of_blobs_is_refused(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    text = paths[0].read_text()
    paths[0].write_text(text.replace("num_output: 2", "num_output: 2 bias_term: false"))
    with pytest.raises(MalformedModel, match=r"'fc'.*needs 1 blobs.*has 2"):
        read_files(*paths)


def test_a_blob_whose_data_is_cut_names_its_layer(tmp_path: Path) -> None:
    whole = model()
    whole.layer[1].blobs[0].data = normal(5)
    with pytest.raises(MalformedModel, match="blob 0 of layer 'conv1' has 5 values but the shape 3x4x1x1"):
        read_files(*save(tmp_path, whole))


def test_a_mutilated_prototxt_says_line_and_column(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    paths[0].write_text(paths[0].read_text().replace("num_output: 3", "num_output: three"))
    with pytest.raises(MalformedModel, match=r"'three' where num_output takes an integer \(line \d+, column \d+\)"):
        read_files(*paths)


def test_hdf5_weights_that_lead_outside_are_refused(tmp_path: Path) -> None:
    prototxt = save(tmp_path, model())[0]
    with h5py.File(tmp_path / "w.caffemodel.h5", "w") as file:
        file.create_group("data")["conv1"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(UnsafeModel):
        read_files(prototxt, tmp_path / "w.caffemodel.h5")


def test_a_hundred_megabytes_of_layers_hit_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    path.write_text("layer {" * (100 << 20 >> 3))
    with pytest.raises(LimitExceeded) as caught:
        read_files(path)
    assert caught.value.extra["which"] in ("size", "depth")


def test_unknown_fields_are_noted_not_fatal(tmp_path: Path) -> None:
    paths = save(tmp_path, model())
    paths[0].write_text(paths[0].read_text().replace("num_output: 3", "num_output: 3 quantize { bits: 8 }"))
    reading = read_files(*paths)
    assert [note.code for note in reading.notes] == ["unknown-field"] and "'quantize'" in reading.notes[0].detail


# --- generations ------------------------------------------------------------------------------------------------------


def test_weights_of_2014_serve_a_net_of_today(tmp_path: Path) -> None:
    """The famous nets: blobs 1x1xNxK and 1x1x1xN in the file, a current prototxt."""
    today = NET(
        name="LeNet",
        layer=[{"name": "data", "type": "Input", "top": ["data"], "input_param": {"shape": [{"dim": [1, 1, 28, 28]}]}}],
    )
    old = upgrade(parse_prototxt(V1.files[0].read_text()).message)
    today.layer = [*today.layer, *without_blobs(old).layer[1:]]
    (tmp_path / "deploy.prototxt").write_text(print_prototxt(today))
    reading = read_files(tmp_path / "deploy.prototxt", V1.files[1])
    assert reading.version == "V2 prototxt, V1 caffemodel"
    for index in (0, 1):
        sample = V1.sample(index)
        assert_same(sample.outputs, run(reading.model, sample.inputs))


def test_a_caffemodel_of_2014_alone_converts() -> None:
    reading = read_files(V1.files[1], input_shapes={"data": [1, 1, 28, 28]})
    sample = V1.sample(1)
    assert_same(sample.outputs, run(reading.model, sample.inputs))


def test_a_net_of_2013_with_its_padding_layers(tmp_path: Path) -> None:
    text = """
    name: "old" input: "x" input_dim: 1 input_dim: 4 input_dim: 5 input_dim: 6
    layers { layer { name: "pad1" type: "padding" pad: 1 } bottom: "x" top: "p" }
    layers { layer { name: "conv1" type: "conv" num_output: 3 kernelsize: 3 biasterm: false } bottom: "p" top: "c" }
    layers { layer { name: "relu1" type: "relu" } bottom: "c" top: "c" }
    layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 2 stride: 2 } bottom: "c" top: "s" }
    layers { layer { name: "fc" type: "innerproduct" num_output: 2 } bottom: "s" top: "y" }
    """
    (tmp_path / "a.prototxt").write_text(text)
    w, fc, b = normal(3, 4, 3, 3), normal(2, 27), normal(2)
    old = NET(layers=[
        {"layer": {"name": "conv1", "type": "conv", "blobs": [blob(w)]}},
        {"layer": {"name": "fc", "type": "innerproduct", "blobs": [blob(fc), blob(b)]}},
    ])  # fmt: skip
    write_caffemodel(old, tmp_path / "a.caffemodel")
    reading = read_files(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    assert reading.version == "V0"
    today = net(
        {"x": (1, 4, 5, 6)},
        layer("Convolution", top="c", name="conv1", blobs=(w,), convolution_param={
            "num_output": 3, "kernel_size": [3], "pad": [1], "bias_term": False}),
        layer("ReLU", "c", "c"),
        layer("Pooling", "c", "s", pooling_param={"pool": "AVE", "kernel_size": 2, "stride": 2}),
        layer("InnerProduct", "s", "y", name="fc", blobs=(fc, b), inner_product_param={"num_output": 2}),
    )  # fmt: skip
    (tmp_path / "today").mkdir()
    want = run(read_files(*save(tmp_path / "today", today)).model, {"x": X})
    assert_same(want, run(reading.model, {"x": X}))


def test_both_generations_in_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.prototxt").write_text('layer { name: "a" type: "ReLU" }\nlayers { name: "b" type: RELU }')
    with pytest.raises(MalformedModel, match="mixes 'layer' and 'layers'"):
        read_files(tmp_path / "a.prototxt")


def test_half_precision_and_double_blobs_are_read(tmp_path: Path) -> None:
    whole = model()
    w, b = normal(2, 90), normal(2)
    whole.layer[3].blobs = [
        {"shape": {"dim": [2, 90]}, "raw_data_type": "FLOAT16", "raw_data": w.astype("<f2").tobytes()},
        {"shape": {"dim": [2]}, "double_data": b.astype("<f8")},
    ]
    reading = read_files(*save(tmp_path, whole))
    stored = reading.model.graph.initializers
    np.testing.assert_array_equal(stored["fc.weight"].const_value.numpy(), w.astype("<f2").astype("<f4"))
    np.testing.assert_array_equal(stored["fc.bias"].const_value.numpy(), b)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_are_views_on_the_mapped_file(tmp_path: Path) -> None:
    for value in read_files(*save(tmp_path, model())).model.graph.initializers.values():
        array = value.const_value.numpy()
        while isinstance(array.base, np.ndarray):
            array = array.base
        assert not array.flags.owndata, value.name


def test_shared_parameters_are_one_initialiser() -> None:
    request = cases("caffe", "siamese_shared")[0].request()
    names = [name for name in read(request).model.graph.initializers if name.startswith(("conv1", "ip1", "feat"))]
    assert sorted(names) == [f"{owner}.{what}" for owner in ("conv1", "feat", "ip1") for what in ("bias", "weight")]


def test_hdf5_keeps_shared_parameters_in_their_owner_only(tmp_path: Path) -> None:
    case = cases("caffe", "siamese_shared")[0]
    stored = read_caffemodel(case.files[1].read_bytes())
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for entry in stored.layer:
            group = file.create_group(f"data/{entry.name}")
            for index, part in enumerate(() if entry.name.endswith("_p") else entry.blobs):
                group[str(index)] = np.asarray(part.data).reshape(tuple(part.shape.dim))
    sample = case.sample(1)
    assert_same(sample.outputs, run(read_files(case.files[0], tmp_path / "w.h5").model, sample.inputs))


def test_every_refusal_is_a_problem_with_a_sentence(tmp_path: Path) -> None:
    entries = [
        layer("Frobnicate", top="a"),
        layer("AbsVal", "a", "b"),
        layer("Python", "b", "c"),
        layer("Proposal", "x", "d"),
    ]
    with pytest.raises(UnsupportedOperators) as caught:
        read_files(*save(tmp_path, net({"x": X.shape}, *entries)))
    assert [item.type for item in caught.value.items] == ["Frobnicate", "Python", "Proposal"]
    assert isinstance(caught.value, ConversionError) and len(caught.value.problem()["unsupported"]) == 3


def test_an_unsupported_layer_behind_no_wanted_output_does_not_matter(tmp_path: Path) -> None:
    paths = save(tmp_path, net({"x": X.shape}, layer("AbsVal", top="a"), layer("Frobnicate", top="b")))
    assert_same({"a": np.abs(X)}, run(read_files(*paths, outputs=["a"]).model, {"x": X}))


def test_shapes_helper_sees_the_free_batch(tmp_path: Path) -> None:
    assert shapes(read_files(*save(tmp_path, model())).model) == {"x": ["batch", 4, 5, 6]}
