"""Which files are TensorFlow's, and which only look like it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.workers.formats.cases import MODELS, cases, upload_of
from tests.workers.formats.tensorflow.graphs import graph, node, placeholder
from workers.formats.tensorflow.recognise import sniff

GRAPH = graph(placeholder("x", 2), node("y", "Relu", "x"))
TEXT = b'node {\n  name: "x"\n  op: "Placeholder"\n}\nversions { producer: 27 }\n'


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.bin": GRAPH}, "'a.bin' is a TensorFlow graph"),
        ({"g.pbtxt": TEXT}, "'g.pbtxt' is a TensorFlow graph in text format"),
        ({"checkpoint": b'model_checkpoint_path: "model.ckpt-1"\n'}, "names TensorFlow checkpoints"),
        ({"v.data-00000-of-00002": b"1234"}, "looks like the values of a TensorFlow checkpoint"),
    ],
)
def test_files_are_told_by_their_content(files: dict[str, bytes], words: str, tmp_path: Path) -> None:
    found = sniff(upload_of(tmp_path, files))
    assert found is not None and words in found.reason


def test_an_onnx_model_is_none(tmp_path: Path) -> None:
    made = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([made], "g", value[:1], value[1:]))
    assert sniff(upload_of(tmp_path, {"model.pb": model.SerializeToString()})) is None


@pytest.mark.parametrize("system", ["caffe", "mxnet", "darknet", "keras", "tflite"])
def test_models_of_other_systems_are_none(system: str) -> None:
    for case in cases(system) if (MODELS / system).exists() else []:
        found = sniff(case.request().upload)
        assert found is None or found.score < 0.9, (case.name, found)
