"""ONNX files: read at any opset, written at the one a user names; onnxruntime runs what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import (
    AmbiguousFormat,
    ConversionError,
    MissingFile,
    UnsafeModel,
    UnsupportedOperators,
    UnsupportedVersion,
)
from workers.formats import onnx as format_
from workers.formats.contract import ReadRequest, WriteRequest, Written
from workers.hub.normalise import normalise
from workers.inspect.upload import Upload, UploadedFile
from workers.options import Options

FORMAT = format_.FORMAT
RNG = np.random.default_rng(5)
X = RNG.standard_normal((2, 4, 6, 5)).astype(np.float32)
Array = npt.NDArray[Any]


def model_of(op: str, *inputs: Array | None, opset: int = 21, ir: int = 10, **attributes: Any) -> onnx.ModelProto:
    names = ["x", *("" if array is None else f"i{index}" for index, array in enumerate(inputs))]
    stored = [numpy_helper.from_array(array, f"i{i}") for i, array in enumerate(inputs) if array is not None]
    node = helper.make_node(op, names, ["y"], name="the node", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def upload(folder: Path, **files: bytes) -> Upload:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return Upload(tuple(UploadedFile(n, folder / n, len(data)) for n, data in files.items()))


def convert(model: onnx.ModelProto, folder: Path, **options: Any) -> tuple[Written, Path]:
    wanted = Options(**options)
    assert FORMAT.read is not None and FORMAT.write is not None
    reading = FORMAT.read(ReadRequest(upload(folder, **{"m.onnx": model.SerializeToString()}), wanted))
    hub, _ = normalise(reading.model, wanted)
    (folder / "out").mkdir()
    written = FORMAT.write(WriteRequest(hub, folder / "out", options=wanted))
    return written, folder / "out" / written.files[0]


def run(model: bytes | str) -> Array:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    result: Array = onnxruntime.InferenceSession(model, options).run(None, {"x": X})[0]
    return result


ONES = np.array([1, 1, 2, 2], np.float32)
FOUR = np.abs(RNG.standard_normal(4)).astype(np.float32)
OPS: dict[str, onnx.ModelProto] = {
    "Relu": model_of("Relu"),
    "Conv": model_of("Conv", RNG.standard_normal((3, 4, 3, 3)).astype(np.float32), auto_pad="SAME_UPPER"),
    "Clip": model_of("Clip", np.float32(-0.5) * np.ones(()).astype(np.float32), np.array(0.5, np.float32)),
    "Clip, one bound": model_of("Clip", None, np.array(0.5, np.float32)),
    "Pad": model_of("Pad", np.array([0, 1, 0, 2, 0, 0, 3, 1]), np.array(1.5, np.float32)),
    "Slice": model_of("Slice", np.array([1, -3]), np.array([3, 9]), np.array([1, 2])),
    "ReduceSum": model_of("ReduceSum", np.array([1, -1])),
    "ReduceMean": model_of("ReduceMean", np.array([2, 3])),
    "ReduceMax": model_of("ReduceMax", np.array([1])),
    "BatchNormalization": model_of("BatchNormalization", FOUR, FOUR, FOUR, FOUR),
    "Softmax, last": model_of("Softmax", axis=-1),
    "Softmax, inner": model_of("Softmax", axis=1),
    "HardSwish": model_of("HardSwish"),
    "LayerNormalization": model_of("LayerNormalization", np.ones(5, np.float32), axis=-1),
    "MaxPool": model_of("MaxPool", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
    "AveragePool": model_of("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "Gelu": model_of("Gelu"),
    "Mish": model_of("Mish"),
    "Resize, asymmetric": model_of(
        "Resize", None, ONES, coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    ),
    "Resize, linear": model_of("Resize", None, ONES, mode="linear"),
    "Tile": model_of("Tile", np.array([1, 2, 1, 1])),
    "Transpose": model_of("Transpose", perm=[0, 2, 3, 1]),
    "Expand": model_of("Expand", np.array([2, 4, 6, 5])),
    "PRelu": model_of("PRelu", RNG.standard_normal((4, 1, 1)).astype(np.float32)),
    "LRN": model_of("LRN", size=3),
    "InstanceNormalization": model_of("InstanceNormalization", FOUR, FOUR),
}
# onnxruntime computes these by other kernels, or the rewriting by other operators, at other opsets.
LOOSE = {
    "Resize, asymmetric",
    "Resize, linear",
    "HardSwish",
    "LayerNormalization",
    "AveragePool",
    "Gelu",
    "Mish",
    "Softmax, inner",
}
OPSETS = [9, 10, 11, 12, 13, 15, 17, 18, 20, 21, 22, 23]


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", OPS)
def test_an_operator_written_at_another_opset_computes_the_same(tmp_path: Path, name: str, opset: int) -> None:
    written, path = convert(OPS[name], tmp_path, opset=opset)
    made = onnx.load(path)
    assert [imported.version for imported in made.opset_import if not imported.domain] == [opset]
    assert made.ir_version == min(v[1] for v in helper.VERSION_TABLE if v[2] >= opset and v[1] >= 4)
    onnx.checker.check_model(made, full_check=True)
    want, got = run(OPS[name].SerializeToString()), run(str(path))
    if name in LOOSE:
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(got, want)
    assert written.input_names == ("x",) and written.output_names == ("y",)


def test_what_an_older_opset_cannot_say_is_refused_by_name(tmp_path: Path) -> None:
    unique = model_of("Unique")
    unique.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"]))
    with pytest.raises(UnsupportedOperators, match=r"the node.*Unique") as caught:
        convert(unique, tmp_path, opset=10)
    assert "opset 10 has no Unique" in caught.value.detail


def test_weights_go_beside_the_model_on_request(tmp_path: Path) -> None:
    written, path = convert(OPS["Conv"], tmp_path, external_data=True)
    assert written.files[0] == "model.onnx"
    assert run(str(path)).shape == (2, 3, 6, 5)


def test_external_data_is_found_among_the_uploaded_files(tmp_path: Path) -> None:
    kernel = RNG.standard_normal((3, 4, 3, 3)).astype(np.float32)
    model = model_of("Conv", kernel)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "8")):
        tensor.external_data.add(key=key, value=value)
    assert FORMAT.read is not None
    files = {"m.onnx": model.SerializeToString(), "w.bin": bytes(8) + kernel.tobytes(), "readme": b"hello"}
    reading = FORMAT.read(ReadRequest(upload(tmp_path, **files)))
    stored = reading.model.graph.initializers["i0"].const_value
    assert stored is not None
    np.testing.assert_array_equal(stored.numpy(), kernel)
    assert reading.files == ("m.onnx", "w.bin")
    assert [note.where for note in reading.notes] == ["readme"]
    del files["w.bin"]
    with pytest.raises(MissingFile, match=r"w\.bin"):
        FORMAT.read(ReadRequest(upload(tmp_path, **files)))
    tensor.external_data[0].value = "../w.bin"
    with pytest.raises(UnsafeModel):
        FORMAT.read(ReadRequest(upload(tmp_path, **{**files, "m.onnx": model.SerializeToString()})))


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (model_of("Relu", opset=9999), UnsupportedVersion, "opset 9999"),
        (model_of("Relu", ir=9999), UnsupportedVersion, "IR version 9999"),
        (model_of("Detect", domain="evil.ops"), UnsupportedOperators, "evil.ops::Detect"),
        (model_of("Oracle", domain="ai.onnx.ml"), UnsupportedOperators, "ai.onnx.ml::Oracle"),
    ],
)
def test_versions_and_domains_nobody_knows_are_refused(
    tmp_path: Path, model: onnx.ModelProto, error: type[ConversionError], words: str
) -> None:
    assert FORMAT.read is not None
    with pytest.raises(error, match=words):
        FORMAT.read(ReadRequest(upload(tmp_path, **{"m.onnx": model.SerializeToString()})))


def test_two_models_in_one_upload_are_ambiguous(tmp_path: Path) -> None:
    data = model_of("Relu").SerializeToString()
    assert FORMAT.read is not None
    with pytest.raises(AmbiguousFormat, match=r"a\.onnx, b\.onnx"):
        FORMAT.read(ReadRequest(upload(tmp_path, **{"a.onnx": data, "b.onnx": data})))


def test_a_model_is_told_by_its_bytes(tmp_path: Path) -> None:
    evidence = FORMAT.sniff(upload(tmp_path, **{"some.name": model_of("Relu").SerializeToString()}))
    assert evidence is not None and evidence.score > 0.9 and "some.name" in evidence.reason


@pytest.mark.parametrize(
    "data", [b"x", b"\x08\x07", b"\x89PNG\r\n\x1a\n" + bytes(99), b"PK\x03\x04" + bytes(99), b"{}"]
)
def test_other_files_are_not_taken_for_models(tmp_path: Path, data: bytes) -> None:
    assert FORMAT.sniff(upload(tmp_path, **{"m.onnx": data})) is None


def test_a_truncated_model_is_refused_as_damaged_wherever_it_ends(tmp_path: Path) -> None:
    data = OPS["Conv"].SerializeToString()
    assert FORMAT.read is not None
    for size in range(1, len(data), 23):
        with pytest.raises(ConversionError):
            reading = FORMAT.read(ReadRequest(upload(tmp_path, **{"m.onnx": data[:size]})))
            normalise(reading.model)
            raise AssertionError(f"{size} bytes were taken for a model")
