"""Uploads that say nonsense are refused by the name of what says it; ONNX's own code would end the process at some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from tests.workers.formats.onnx.test_read import read
from workers.errors import ConversionError, LimitExceeded, MalformedModel
from workers.hub.check import check, session
from workers.hub.node import shape_of
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.parity.runtime import Session

NET = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[n, 3, 8, 8] x) => (float[n, 4] y)
<float[4, 3, 3, 3] w, float[4] b, int64[2] shape = {0, -1}> {
  c = Conv <kernel_shape = [3, 3]> (x, w, b)
  r = Relu (c)
  p = GlobalAveragePool (r)
  y = Reshape (p, shape)
}"""


def net(*sizes: int) -> onnx.ModelProto:
    """The network with these sizes of its input."""
    proto = onnx.parser.parse_model(NET)
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    proto.graph.initializer.extend([numpy_helper.from_array(weights, "w"),
                                    numpy_helper.from_array(weights[:, 0, 0, 0].copy(), "b")])  # fmt: skip
    for dim, size in zip(proto.graph.input[0].type.tensor_type.shape.dim, sizes, strict=False):
        dim.dim_value = size
    return proto


def test_sizes_of_minus_one_are_free_axes(tmp_path: Path) -> None:
    proto = net(-1, 3, -1, -1)
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [-1, 4, -1, -7]))
    reading = read(tmp_path, proto)
    assert [note.code for note in reading.notes] == ["free-axes"] and "'x'" in reading.notes[0].detail
    hub, _ = normalise(reading.model)
    check(hub)
    assert shape_of(hub.graph.inputs[0]) == (None, 3, None, None)
    for size in ((1, 3, 8, 8), (2, 3, 5, 9)):
        x = np.random.default_rng(1).standard_normal(size).astype(np.float32)
        onnx.save(proto, tmp_path / "again.onnx")
        want = Session(tmp_path / "again.onnx").run({"x": x})["y"]
        np.testing.assert_allclose(Session.of(hub).run({"x": x})["y"], want, rtol=1e-6)


@pytest.mark.parametrize("size", [-2, -8, -(2**31), -(2**63)])
def test_other_negative_sizes_are_refused_by_the_input(size: int, tmp_path: Path) -> None:
    with pytest.raises(MalformedModel, match=f"the input 'x' has the size {size}"):
        read(tmp_path, net(1, size))


@pytest.mark.parametrize("sizes", [(2**40,), (1, 2**31, 2**31), (2**63 - 1, 2**63 - 1)])
def test_inputs_of_absurd_sizes_are_refused(sizes: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="the input 'x' would have"):
        read(tmp_path, net(*sizes))


def _attribute(proto: onnx.ModelProto, index: int, **attributes: object) -> None:
    node = proto.graph.node[index]
    kept = [entry for entry in node.attribute if entry.name not in attributes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in attributes.items())])


def _wire(proto: onnx.ModelProto, index: int, *inputs: str) -> None:
    del proto.graph.node[index].input[:]
    proto.graph.node[index].input.extend(inputs)


def _untyped(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute.add(name="group")


def _empty_graph(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].op_type = "If"
    proto.graph.node[1].attribute.add(name="then_branch", type=AttributeProto.GRAPH)


def _reference(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute.add(name="group", type=AttributeProto.INT, ref_attr_name="outer")


def _no_text(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute.add(name="auto_pad", type=AttributeProto.STRING, s=b"\xff\xfe")


def _doubled(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Relu", ["c"], ["r"], name="again"))


def _foreign_field(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer.add(name="k", dims=[1], data_type=TensorProto.FLOAT8E4M3FN)
    tensor.int64_data.append(1)


def _too_many(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer.add(name="k", dims=[1], data_type=TensorProto.FLOAT)
    tensor.float_data.extend([1.0, 2.0])


def _no_type(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.add(name="k", dims=[0])


def _recursive(proto: onnx.ModelProto) -> None:
    call = helper.make_node("Own", ["a"], ["b"], domain="local")
    proto.functions.append(helper.make_function("local", "Own", ["a"], ["b"], [call], []))
    proto.opset_import.add(domain="local", version=1)
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Own", "local"


def _more_inputs_than_given(proto: onnx.ModelProto) -> None:
    proto.functions.append(helper.make_function("local", "Own", ["a", "k"], ["b"],
                                                [helper.make_node("Add", ["a", "k"], ["b"])], []))  # fmt: skip
    proto.opset_import.add(domain="local", version=1)
    proto.graph.node[1].op_type, proto.graph.node[1].domain = "Own", "local"


DAMAGED: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "cycle": (lambda p: _wire(p, 1, "p"), "cycle"),
    "doubled value": (_doubled, "r"),
    "gap": (lambda p: _wire(p, 0, "x", "", "b"), r"'c' \(Conv\): its input 'W' is left out"),
    "inputs missing": (lambda p: _wire(p, 0, "x"), r"'c' \(Conv\): it has 1 inputs, and Conv takes 2 to 3"),
    "inputs in excess": (lambda p: _wire(p, 1, "c", "b"), r"'r' \(Relu\): it has 2 inputs, and Relu takes 1"),
    "attribute of another type": (lambda p: _attribute(p, 0, strides=[1.5, 2.5]), "'strides' is of the type FLOATS"),
    "attribute of a later opset": (lambda p: _attribute(p, 3, allowzero="no"), "'allowzero' is of the type STRING"),
    "unknown attribute": (lambda p: _attribute(p, 1, alpha=1.0), "alpha"),
    "attribute of no type": (_untyped, "'group' of 'c'"),
    "attribute without its graph": (_empty_graph, r"'then_branch' of 'r' \(If\) is empty"),
    "reference outside of functions": (_reference, "'group' refers to 'outer'"),
    "bytes for text": (_no_text, "'auto_pad' is no UTF-8 text"),
    "axis beyond the rank": (lambda p: _attribute(p, 0, kernel_shape=[3, 3, 3]), "c"),
    "kernel of no size": (lambda p: _attribute(p, 0, kernel_shape=[0, -5]), "c"),
    "strides of fewer axes": (lambda p: _attribute(p, 0, strides=[2], auto_pad="SAME_UPPER"), "c"),
    "strides of nothing": (lambda p: _attribute(p, 0, strides=[0, 0], auto_pad="SAME_UPPER"), "c"),
    "data in another field": (_foreign_field, "'k' of shape .* needs 1 elements and has 0"),
    "more data than sizes": (_too_many, "'k' of shape .* needs 1 elements and has 2"),
    "tensor of no type": (_no_type, "'k' has the unknown element type 0"),
    "function that calls itself": (_recursive, "local"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_nonsense_is_refused_by_what_says_it(name: str, tmp_path: Path) -> None:
    damage, words = DAMAGED[name]
    proto = net(1)
    damage(proto)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ConversionError, match=words) as caught:
        hub, _ = normalise(read(tmp_path, proto).model)
        check(hub)
        save(hub, tmp_path / "hub.onnx")
        session(tmp_path / "hub.onnx")
    assert caught.value.type in ("checker-failed", "malformed-model", "unsupported-version")
    assert len(caught.value.detail) < 2000 and str(tmp_path) not in caught.value.detail


def test_a_function_called_with_fewer_inputs_than_it_reads_is_refused(tmp_path: Path) -> None:
    proto = net(1)
    _more_inputs_than_given(proto)
    with pytest.raises(ConversionError) as caught:
        check(normalise(read(tmp_path, proto).model)[0])
    assert caught.value.type == "checker-failed"


def test_attributes_of_the_first_files_had_no_type(tmp_path: Path) -> None:
    proto = net(1)
    for node in proto.graph.node:
        for entry in node.attribute:
            entry.ClearField("type")
    hub, _ = normalise(read(tmp_path, proto).model)
    assert hub.graph[0].attributes["kernel_shape"].as_ints() == (3, 3)


def test_a_node_that_onnx_s_reference_cannot_run_is_not_folded(tmp_path: Path) -> None:
    """Its NonMaxSuppression asks for the thresholds that may be left out."""
    boxes, scores = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.9]]], np.float32), np.array([[[0.9, 0.8]]], np.float32)
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["s"], name="nms"),
         helper.make_node("Gather", ["s", "i"], ["y"])],
        "boxes", [helper.make_tensor_value_info("i", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, 3])],
        [numpy_helper.from_array(boxes, "boxes"), numpy_helper.from_array(scores, "scores"),
         numpy_helper.from_array(np.array([2]), "most")],
    )  # fmt: skip
    hub, _ = normalise(read(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])).model)
    got = Session.of(hub).run({"i": np.array([0])})["y"]
    np.testing.assert_array_equal(got, [[0, 0, 0]])


def test_what_would_be_huge_is_not_folded(tmp_path: Path) -> None:
    """How large a Range is shows only once its limits were folded."""
    nodes = [helper.make_node("Mul", ["many", "many"], ["end"], name="mul"),
             helper.make_node("Range", ["zero", "end", "one"], ["all"], name="range"),
             helper.make_node("Gather", ["all", "i"], ["y"])]  # fmt: skip
    numbers = {"many": 2**20, "zero": 0, "one": 1}
    graph = helper.make_graph(
        nodes, "range", [helper.make_tensor_value_info("i", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1])],
        [numpy_helper.from_array(np.asarray(number), name) for name, number in numbers.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    hub, _ = normalise(read(tmp_path, proto).model)
    with pytest.raises(LimitExceeded, match="'range'"):
        check(hub)
