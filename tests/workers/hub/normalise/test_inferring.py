"""Shapes are inferred when something could have changed them, and known all the same when it was not done again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from workers.hub.graph import BUILT, GraphBuilder
from workers.hub.load import load
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.hub.skeleton import serialized
from workers.options import Options


def flattened() -> ir.Model:
    """A picture reshaped to a size that is computed from its own: known only to whoever follows the numbers."""
    g = GraphBuilder()
    x = g.input("x", ["n", 3, 4, 5])
    size = g.Mul(g.Slice(g.Shape(x), [1], [2], [0]), g.constant([20]))
    g.output(g.Relu(g.Reshape(x, g.Concat(g.constant([-1]), size, axis=0))), "y")
    return g.model()


def shape(model: ir.Model) -> list[object]:
    return list(model.graph.outputs[0].shape or ())


def test_a_built_model_learns_what_only_the_whole_graph_tells() -> None:
    model = flattened()
    assert BUILT in model.meta and shape(model)[1] != 60
    assert shape(normalise(model)[0])[1] == 60


def test_a_built_model_and_the_same_one_uploaded_have_the_same_normal_form(tmp_path: Path) -> None:
    built, _ = normalise(flattened())
    save(flattened(), tmp_path / "upload.onnx")
    uploaded = load(tmp_path / "upload.onnx")
    assert BUILT not in uploaded.meta
    assert serialized(built) == serialized(normalise(uploaded)[0])


def test_fixing_an_input_of_a_built_model_reaches_its_outputs() -> None:
    hub, _ = normalise(flattened(), Options(input_shapes={"x": [2, 3, 4, 5]}))
    assert shape(hub) == [2, 60]


def test_initialisers_stand_once_in_a_file_and_keep_what_they_had() -> None:
    g = GraphBuilder()
    weight = g.weight("w", np.ones((3, 4), np.float32))
    g.output(g.Add(g.input("x", ["n", 3, 4]), weight), "y")
    weight.doc_string, weight.metadata_props["key"] = "words", "value"
    proto = serialized(g.model())
    assert [tensor.name for tensor in proto.graph.initializer] == ["w"] and not proto.graph.value_info
    assert weight.type == ir.TensorType(ir.DataType.FLOAT) and list(weight.shape or ()) == [3, 4]
    assert weight.doc_string == "words" and weight.metadata_props == {"key": "value"}
