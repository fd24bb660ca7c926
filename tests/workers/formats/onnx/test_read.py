"""ONNX files of all ages are read as they are meant; foreign files, unknown versions and operators are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import ConversionError, UnsafeModel, UnsupportedOperators, UnsupportedVersion
from workers.formats import onnx as format
from workers.formats.contract import ReadRequest
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.inspect.upload import Upload
from workers.parity.runtime import Session


def model(nodes: list[onnx.NodeProto], opset: int = 21, **more: object) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("custom", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **more)


def read(folder: Path, proto: onnx.ModelProto, name: str = "m.onnx", **save: object) -> onnx.ModelProto:
    onnx.save(proto, folder / name, **save)
    files = sorted(folder.iterdir(), key=lambda path: path.name != name)
    return format.FORMAT.read(ReadRequest(Upload.of(*files)))  # type: ignore[misc]


MATMUL = helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")
X = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 20, 21, 22, 24])
def test_every_opset_comes_out_as_21_and_computes_the_same(opset: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"),
        helper.make_node("Dropout", ["a"], ["b"], name="drop"),
        helper.make_node("Softmax", ["b"], ["y"], axis=1, name="probabilities"),
    ]
    original = model(nodes, opset)
    reading = read(tmp_path, original)
    hub, _ = normalise(reading.model)
    assert hub.opset_imports[""] == 21
    assert [node.op_type for node in hub.graph] == ["MatMul", "Softmax"]
    assert [node.metadata_props["onnxhub.layer"] for node in hub.graph] == ["fc", "probabilities"]
    onnx.save(original, tmp_path / "again.onnx")
    want = Session(tmp_path / "again.onnx").run({"x": X})["y"]
    np.testing.assert_array_equal(Session.of(hub).run({"x": X})["y"], want)


def test_external_data_is_found_among_the_uploaded_files(tmp_path: Path) -> None:
    reading = read(tmp_path, model([MATMUL]), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert reading.files == ("m.onnx", "weights.bin")
    np.testing.assert_array_equal(
        reading.model.graph.initializers["w"].const_value.numpy(), np.arange(12).reshape(4, 3)
    )


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../b", "..\\secret", "file:///etc/passwd"])
def test_external_data_elsewhere_is_refused_by_its_location(location: str, tmp_path: Path) -> None:
    proto = model([MATMUL])
    (tensor,) = proto.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises((UnsafeModel, ConversionError)) as caught:
        format.FORMAT.read(ReadRequest(Upload.of(tmp_path / "m.onnx")))  # type: ignore[misc]
    assert caught.value.type in ("unsafe-model", "missing-file", "malformed-model")
    assert "'w'" in caught.value.detail or location in caught.value.detail


def test_an_unknown_operator_is_refused_with_its_node(tmp_path: Path) -> None:
    node = helper.make_node("Magic", ["x"], ["y"], domain="custom", name="spell")
    with pytest.raises(UnsupportedOperators, match=r"'spell' \(custom::Magic\)"):
        read(tmp_path, model([node]))


def test_an_operator_that_the_file_defines_is_inlined(tmp_path: Path) -> None:
    function = helper.make_function(
        "custom", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 21)]
    )
    proto = model([helper.make_node("Twice", ["x"], ["y"], domain="custom", name="double")])
    proto.functions.append(function)
    hub, changes = normalise(read(tmp_path, proto).model)
    assert [node.op_type for node in hub.graph] == ["Add"]
    assert [node.metadata_props["onnxhub.layer"] for node in hub.graph] == ["double"]
    assert "inline-functions" in {change.name for change in changes}


@pytest.mark.parametrize(("field", "value"), [("ir_version", 9999), ("opset", 9999)])
def test_versions_that_are_not_known_are_refused_by_number(field: str, value: int, tmp_path: Path) -> None:
    proto = model([MATMUL])
    if field == "ir_version":
        proto.ir_version = value
    else:
        proto.opset_import[0].version = value
    with pytest.raises(UnsupportedVersion, match=str(value)):
        normalise(read(tmp_path, proto).model)


def test_a_truncated_file_is_malformed(tmp_path: Path) -> None:
    data = model([MATMUL]).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ConversionError) as caught:
        format.FORMAT.read(ReadRequest(Upload.of(tmp_path / "m.onnx")))  # type: ignore[misc]
    assert caught.value.type == "malformed-model"


def test_a_caffemodel_is_not_taken_for_onnx() -> None:
    caffemodel = Path(__file__).parents[3] / "models" / "caffe" / "lenet_v1" / "lenet_iter_10000.caffemodel"
    assert format.FORMAT.sniff(Upload.of(caffemodel)) is None


def test_a_spectrum_that_says_not_how_much_of_it_is_half_of_it(tmp_path: Path) -> None:
    """ONNX's shape inference takes it for the whole, which contradicts the default once that is written out."""
    text = """<ir_version: 8, opset_import: ["" : 17]> s (float[1, 32, 1] x) => (float[a, b, c, d] y)
    <int64 step = {4}, int64 length = {8}> { z = STFT (x, step, , length) y = Identity (z) }"""
    hub, _ = normalise(read(tmp_path, onnx.parser.parse_model(text)).model)
    check(hub)
    assert hub.graph.outputs[0].shape == [1, 7, 5, 2]
    got = Session.of(hub).run({"x": np.ones((1, 32, 1), np.float32)})["y"]
    assert got.shape == (1, 7, 5, 2)
