"""The written net as a whole: names, outputs, free axes, notes; and what is refused, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from tests.workers.formats.caffe.write_cases import in_opencv, read_back, written
from tests.workers.formats.cases import assert_same, run
from workers.errors import InvalidOptions, UnsupportedOperators
from workers.formats.caffe import FORMAT
from workers.formats.caffe.file import Message, parse_prototxt, read_caffemodel
from workers.formats.caffe.write import coverage, write
from workers.formats.caffe.write.net import NetWriter
from workers.formats.contract import WriteRequest
from workers.hub.graph import GraphBuilder, Value

X = ["batch", 3, 4, 5]


def weight(*shape: int) -> Any:
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def built(build: Callable[[GraphBuilder, Value], dict[str, Value]], shape: Any = X, dtype: Any = None) -> ir.Model:
    g = GraphBuilder("net")
    x = g.input("x", shape, dtype or ir.DataType.FLOAT)
    with g.layer("layer", "Source"):
        for name, value in build(g, x).items():
            g.output(value, name)
    return g.model()


def net_of(folder: Path) -> Message:
    return read_caffemodel((folder / "model.caffemodel").read_bytes())


def check(model: ir.Model, tmp_path: Path, batch: int = 2) -> Message:
    """Both readings of the written files give what the hub gives; the net comes back."""
    shape = [dim if isinstance(dim, int) else batch for dim in model.graph.inputs[0].shape or ()]
    inputs = {"x": np.random.default_rng(1).uniform(-2, 2, shape).astype(np.float32)}
    want = run(model, inputs)
    _, files = written(model.clone(), tmp_path)
    assert list(files.output_names) == list(want)
    back = run(read_back(tmp_path, files, model), inputs)
    assert_same(want, {name: back[name] for name in want})
    paths = [tmp_path / name for name in files.files]
    assert_same(want, in_opencv(paths, inputs, files.output_names, tmp_path / "work").outputs)
    return net_of(tmp_path)


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_outputs_come_in_the_order_of_the_hub_not_of_the_alphabet(tmp_path: Path) -> None:
    check(built(lambda g, x: {"zebra": g.Relu(x), "ant": g.Tanh(x), "Bee": g.Abs(x)}), tmp_path)


def test_an_output_that_is_read_as_well_gets_a_copy(tmp_path: Path) -> None:
    """Caffe's outputs are the blobs that nothing reads."""

    def build(g: GraphBuilder, x: Value) -> dict[str, Value]:
        inner = g.Relu(x)
        return {"inner": inner, "end": g.Sigmoid(inner)}

    net = check(built(build), tmp_path)
    (copy,) = [layer for layer in net.layer if "inner" in layer.top]
    assert (copy.type, copy.name, copy.bottom) == ("Power", "inner_output", ["inner_inner"])


def test_an_output_that_is_an_input_gets_a_layer(tmp_path: Path) -> None:
    check(built(lambda g, x: {"same": x, "other": g.Relu(x)}), tmp_path)


def test_a_constant_output_is_a_parameter(tmp_path: Path) -> None:
    block = weight(1, 2, 6)
    net = check(built(lambda g, x: {"fixed": g.weight("boxes", block), "other": g.Relu(x)}), tmp_path)
    (layer,) = [layer for layer in net.layer if "fixed" in layer.top]
    assert layer.type == "Parameter"
    assert list(layer.parameter_param.shape.dim) == [1, 2, 6]


def test_parts_and_inputs_that_nothing_reads_are_silenced(tmp_path: Path) -> None:
    model = built(lambda g, x: {"part": g.ops("Split", x, [1, 2], outputs=2, axis=1)[0]})
    model.graph.inputs.append(
        ir.Value(name="idle", shape=ir.Shape(["batch", 2]), type=ir.TensorType(ir.DataType.FLOAT))
    )
    _, files = written(model, tmp_path)
    assert files.input_names == ("x", "idle")
    net = net_of(tmp_path)
    (silence,) = [layer for layer in net.layer if layer.type == "Silence"]
    assert set(silence.bottom) == {"idle", "layer_1"}
    read = {bottom for layer in net.layer for bottom in layer.bottom}
    assert [top for layer in net.layer for top in layer.top if top not in read] == ["part"]


def test_an_input_that_is_itself_an_output_has_another_name_there(tmp_path: Path) -> None:
    model = built(lambda g, x: {"y": g.Relu(x)})
    model.graph.outputs.append(model.graph.inputs[0])
    _, files = written(model, tmp_path)
    assert files.output_names == ("y", "x_output")
    read = {bottom for layer in net_of(tmp_path).layer for bottom in layer.bottom}
    assert {top for layer in net_of(tmp_path).layer for top in layer.top if top not in read} == {"y", "x_output"}


# --- files ------------------------------------------------------------------------------------------------------------


def test_the_prototxt_is_the_net_without_its_weights(tmp_path: Path) -> None:
    written(built(lambda g, x: {"y": g.Conv(x, weight(2, 3, 3, 3), kernel_shape=[3, 3])}), tmp_path)
    text = (tmp_path / "deploy.prototxt").read_text()
    parsed = parse_prototxt(text)
    assert not parsed.warnings
    assert 'type: "Convolution"' in text and "blobs" not in text and len(text) < 600
    binary = net_of(tmp_path)
    assert [layer.name for layer in parsed.message.layer] == [layer.name for layer in binary.layer]
    assert [len(layer.blobs) for layer in binary.layer] == [0, 1]


def test_weights_are_not_copied() -> None:
    kernel = weight(2, 3, 3, 3)
    model = built(lambda g, x: {"y": g.Conv(x, g.weight("w", kernel), kernel_shape=[3, 3])})
    net = NetWriter(model.graph, "net")
    net.add("Convolution", "conv", ["x"], ["y"], [kernel])
    assert np.shares_memory(net.layers[-1].blobs[0].data, kernel)


def test_layers_keep_the_names_of_the_source(tmp_path: Path) -> None:
    g = GraphBuilder("net")
    x = g.input("x", X)
    for _ in range(2):
        with g.layer("block/conv", "Convolution"):
            x = g.Relu(g.Conv(x, weight(3, 3, 1, 1), kernel_shape=[1, 1]))
    g.output(x, "y")
    written(g.model(), tmp_path)
    assert [layer.name for layer in net_of(tmp_path).layer] == [
        "x", "block/conv", "block/conv.1", "block/conv.2", "block/conv.3",
    ]  # fmt: skip


# --- free axes and types ----------------------------------------------------------------------------------------------


def test_a_free_batch_is_one_in_the_file_and_said_so(tmp_path: Path) -> None:
    _, files = written(built(lambda g, x: {"y": g.Relu(x)}), tmp_path)
    assert list(net_of(tmp_path).layer[0].input_param.shape[0].dim) == [1, 3, 4, 5]
    assert [note.code for note in files.notes] == ["batch-of-one"]


def test_other_free_axes_must_be_fixed_by_the_user(tmp_path: Path) -> None:
    model = built(lambda g, x: {"y": g.Relu(x)}, ["batch", 3, "height", "width"])
    with pytest.raises(InvalidOptions, match=r"height of 'x'.*width of 'x'") as refusal:
        write(WriteRequest(model, tmp_path))
    assert "input_shapes" in str(refusal.value.hint)


def test_indices_are_floats_in_caffe(tmp_path: Path) -> None:
    model = built(lambda g, x: {"y": g.Gather(g.weight("t", weight(9, 4)), x)}, ["batch", 3], ir.DataType.INT64)
    _, files = written(model.clone(), tmp_path)
    assert [layer.type for layer in net_of(tmp_path).layer] == ["Input", "Embed"]
    assert {note.code for note in files.notes} == {"batch-of-one", "input-as-float"}
    indices = np.asarray([[0, 3, 8], [1, 1, 2]])
    back = run(read_back(tmp_path, files, model), {"x": indices.astype(np.float32)})
    assert_same(run(model, {"x": indices}), back)


def test_an_output_of_another_type_is_refused(tmp_path: Path) -> None:
    model = built(lambda g, x: {"y": g.Relu(g.Cast(x, to=1))}, ["batch", 3], ir.DataType.INT64)
    model.graph.outputs.append(model.graph.inputs[0])
    with pytest.raises(UnsupportedOperators, match=r"'x'.*tensors of float32, not .*INT64"):
        write(WriteRequest(model, tmp_path))


def test_layer_types_that_not_every_caffe_has_are_noted(tmp_path: Path) -> None:
    model = built(lambda g, x: {"y": g.Clip(g.Transpose(x, perm=[0, 2, 3, 1]), np.float32(0), np.float32(6))})
    _, files = written(model, tmp_path)
    assert [(note.code, note.where) for note in files.notes] == [
        ("batch-of-one", None), ("ssd-fork", "Permute"), ("caffe-master", "Clip"),
    ]  # fmt: skip


def test_rules_that_were_applied_are_told(tmp_path: Path) -> None:
    _, files = written(built(lambda g, x: {"y": g.HardSwish(x)}), tmp_path)
    assert [change.code for change in files.changes] == ["hard-swish-to-hard-sigmoid", "hard-sigmoid-to-clip"]


# --- refusals ---------------------------------------------------------------------------------------------------------


def branch(g: GraphBuilder, x: Value) -> dict[str, Value]:
    branches = []
    for op in ("Relu", "Neg"):
        inner = GraphBuilder(op)
        inner.output(inner.op(op, x), f"{op}_y")
        branches.append(inner.graph)
    condition = g.Greater(g.ReduceSum(x, keepdims=0), np.float32(0))
    y = g.If(condition, then_branch=branches[0], else_branch=branches[1])
    y.shape, y.type = x.shape, x.type
    return {"y": y}


REFUSED: dict[str, tuple[Any, str]] = {
    "computed matrices": (
        lambda g, x: {"y": g.MatMul(x, g.Transpose(x, perm=[0, 1, 3, 2]))},
        "MatMul: Caffe multiplies by learned weights",
    ),
    "computed kernels": (
        lambda g, x: {"y": g.Conv(x, g.Reshape(g.ReduceMean(x, [0], keepdims=0), [1, 3, 4, 5]))},
        "Conv: Caffe convolves with learned weights",
    ),
    "branches": (branch, "If: a Caffe net has neither branches nor loops"),
    "integers": (lambda g, x: {"y": g.ArgMax(x, axis=1)}, "ArgMax: Caffe's blobs hold float32 only: its"),
    "truth values": (
        lambda g, x: {"y": g.Where(g.Greater(x, np.float32(0)), x, g.Neg(x))}, "Where: Caffe neither compares nor",
    ),
    "sorting": (
        lambda g, x: {"y": g.NonMaxSuppression(g.Reshape(x, [1, -1, 4]), g.Reshape(x, [1, 1, -1]))},
        "NonMaxSuppression: Caffe suppresses boxes only inside the SSD fork's DetectionOutput",
    ),
    "shapes": (lambda g, x: {"y": g.Shape(x)}, "Shape: a Caffe net does not compute with shapes"),
    "foreign operators": (lambda g, x: {"y": g.op("Fused", x, domain="com.vendor")}, "com.vendor::Fused: caffe has no"),
    "cumulation": (lambda g, x: {"y": g.CumSum(x, np.asarray(1))}, "CumSum: Caffe has no cumulative sums"),
    "other types": (
        lambda g, x: {"y": g.Cast(g.Relu(g.Cast(x, to=11)), to=1)},
        "Relu: Caffe's blobs hold float32 only, and this yields",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_caffe_cannot_say_is_refused_by_name(what: str, tmp_path: Path) -> None:
    build, words = REFUSED[what]
    with pytest.raises(UnsupportedOperators) as refusal:
        write(WriteRequest(built(build), tmp_path))
    reasons = [item.reason for item in refusal.value.items]
    assert any(reason.startswith(words) for reason in reasons), reasons
    assert {(item.layer, item.type) for item in refusal.value.items} == {("layer", "Source")}
    assert list(tmp_path.iterdir()) == []


def test_the_format_says_beforehand_what_it_could_write() -> None:
    assert FORMAT.legalise is not None
    assert FORMAT.legalise(built(lambda g, x: {"y": g.Relu(x)})) == []
    with pytest.raises(UnsupportedOperators):
        FORMAT.legalise(built(lambda g, x: {"y": g.CumSum(x, np.asarray(1))}))


def test_coverage_lists_the_operators_that_are_written() -> None:
    listed = coverage()
    assert listed["Conv"] == "" and "caffe::Power" not in listed and len(listed) > 40
