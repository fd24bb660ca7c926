"""Classical machine learning: kept for the target ONNX, spelt out where standard operators say the same, else named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from benchmarks.suite import by_onnxruntime
from tests.workers.formats.onnx.test_read import read
from workers.errors import UnsupportedOperators
from workers.formats import all_formats
from workers.formats.contract import WriteRequest
from workers.hub.check import check
from workers.hub.normalise import normalise
from workers.hub.skeleton import serialized
from workers.options import Options

ML = "ai.onnx.ml"
X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
TREE = {
    "nodes_treeids": [0] * 5, "nodes_nodeids": [0, 1, 2, 3, 4], "nodes_featureids": [0, 1, 0, 0, 0],
    "nodes_values": [0.0, 0.5, 0.0, 0.0, 0.0], "nodes_truenodeids": [1, 3, 0, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0], "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
    "class_ids": [0, 1, 0], "class_nodeids": [2, 3, 4], "class_treeids": [0, 0, 0], "class_weights": [1.0, 1.0, 0.5],
    "classlabels_int64s": [0, 1], "post_transform": "NONE",
}  # fmt: skip


def model(*nodes: onnx.NodeProto, outputs: dict[str, int], opset: int = 15) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])]
    made = [helper.make_tensor_value_info(name, dtype, None) for name, dtype in outputs.items()]
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 1 if opset < 10 else 3)]
    return helper.make_model(helper.make_graph(list(nodes), "ml", inputs, made), opset_imports=imports, ir_version=8)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, outputs, domain=ML, name=f"the {op}", **attributes)


def forest() -> onnx.ModelProto:
    return model(
        node("Scaler", ["x"], ["s"], offset=[0.0, 0.1, 0.2], scale=[1.0, 2.0, 3.0]),
        node("TreeEnsembleClassifier", ["s"], ["label", "p"], **TREE),
        outputs={"label": TensorProto.INT64, "p": TensorProto.FLOAT},
    )


def zipped() -> onnx.ModelProto:
    """As skl2onnx writes a logistic regression."""
    proto = model(
        node("LinearClassifier", ["x"], ["label", "q"], coefficients=[1.0, 2.0, 3.0, -1.0, -2.0, -3.0],
             intercepts=[0.1, -0.1], classlabels_ints=[0, 1], post_transform="LOGISTIC", multi_class=1),
        node("Normalizer", ["q"], ["p"], norm="L1"),
        node("ZipMap", ["p"], ["probabilities"], classlabels_int64s=[0, 1]),
        outputs={"label": TensorProto.INT64}, opset=9,
    )  # fmt: skip
    kind = proto.graph.output.add(name="probabilities").type.sequence_type.elem_type.map_type
    kind.key_type, kind.value_type.tensor_type.elem_type = TensorProto.INT64, TensorProto.FLOAT
    return proto


def test_trees_stay_for_the_target_onnx_and_compute_the_same(tmp_path: Path) -> None:
    proto = forest()
    hub, _ = normalise(read(tmp_path, proto).model)
    check(hub)
    assert [each.op_type for each in hub.graph] == ["Sub", "Mul", "TreeEnsembleClassifier"]
    for opset in (None, 13, 11):
        folder = tmp_path / f"opset {opset}"
        folder.mkdir()
        write: Any = all_formats()["onnx"].write
        write(WriteRequest(hub.clone(), folder, Options(opset=opset)))
        written = onnx.load(folder / "model.onnx")
        for a, b in zip(by_onnxruntime(proto, [X]), by_onnxruntime(written, [X]), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-6)


def test_another_target_refuses_trees_by_name(tmp_path: Path) -> None:
    hub, _ = normalise(read(tmp_path, forest()).model)
    legalise: Any = all_formats()["pytorch"].legalise
    with pytest.raises(UnsupportedOperators, match="'the TreeEnsembleClassifier'"):
        legalise(hub)


def test_dictionaries_become_the_tensor_of_their_numbers(tmp_path: Path) -> None:
    proto = zipped()
    reading = read(tmp_path, proto)
    assert [note.code for note in reading.notes] == ["maps"] and "(0, 1)" in reading.notes[0].detail
    hub, _ = normalise(reading.model)
    check(hub)
    assert [value.name for value in hub.graph.outputs] == ["label", "probabilities"]
    label, numbers = by_onnxruntime(serialized(hub), [X])
    source = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    want_label, maps = source.run(None, {"x": X})
    np.testing.assert_array_equal(label, want_label)
    np.testing.assert_allclose(numbers, [[each[0], each[1]] for each in maps], rtol=1e-5)


def test_another_dictionary_is_refused_by_its_name(tmp_path: Path) -> None:
    proto = forest()
    proto.graph.input.add(name="words").type.map_type.key_type = TensorProto.STRING
    with pytest.raises(UnsupportedOperators, match="'words'"):
        read(tmp_path, proto)
