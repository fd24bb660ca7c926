"""The normal form, line by line, and that nothing changes what the model computes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import CheckerFailed, InvalidOptions
from workers.hub.check import check
from workers.hub.load import load
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.options import Options

Array = npt.NDArray[Any]
F, I64 = TensorProto.FLOAT, TensorProto.INT64


def info(name: str, shape: list[Any] | None, dtype: int = F) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, Array] | None = None,
    opset: int = 21,
) -> onnx.ModelProto:
    stored = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 21 else 10)


def hub_of(model: onnx.ModelProto, path: Path, options: Options | None = None) -> tuple[ir.Model, set[str]]:
    (path / "in.onnx").write_bytes(model.SerializeToString())
    hub, changes = normalise(load(path / "in.onnx"), options or Options())
    check(hub)
    return hub, {change.name for change in changes}


def run(model: bytes | str, feeds: dict[str, Array]) -> list[Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(model, options)
    names = {value.name for value in session.get_inputs()}
    outputs: list[Any] = session.run(None, {name: array for name, array in feeds.items() if name in names})
    return outputs


def ops(hub: ir.Model) -> list[str]:
    return [node.op_type for node in hub.graph]


def test_constants_become_initialisers_and_identities_go(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0])
    nodes = [
        constant,
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Add", ["i", "c"], ["a"]),
        helper.make_node("Identity", ["a"], ["out name"]),
    ]
    hub, changes = hub_of(model_of(nodes, [info("x", ["n", 2])], [info("out name", None)]), tmp_path)
    assert ops(hub) == ["Add"] and {"constants", "identity"} <= changes
    assert [value.name for value in hub.graph.outputs] == ["out name"]


def test_an_input_or_one_value_twice_as_output_keeps_its_identity(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Neg", ["x"], ["n"]),
        helper.make_node("Identity", ["n"], ["first"]),
        helper.make_node("Identity", ["n"], ["second"]),
    ]
    outputs = [info(name, [2]) for name in ("same", "first", "second")]
    hub, _ = hub_of(model_of(nodes, [info("x", [2])], outputs), tmp_path)
    save(hub, tmp_path / "out.onnx")
    got = run(str(tmp_path / "out.onnx"), {"x": np.array([1, 2], np.float32)})
    assert [value.name for value in hub.graph.outputs] == ["same", "first", "second"]
    np.testing.assert_array_equal(got, [[1, 2], [-1, -2], [-1, -2]])


def test_dropout_and_dead_nodes_and_unused_weights_go(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Dropout", ["x"], ["d", "mask"]),
        helper.make_node("Relu", ["d"], ["y"]),
        helper.make_node("Exp", ["x"], ["unread"]),
    ]
    weights = {"unused": np.zeros(3, np.float32)}
    hub, changes = hub_of(model_of(nodes, [info("x", [2])], [info("y", [2])], weights), tmp_path)
    assert ops(hub) == ["Relu"] and not hub.graph.initializers
    assert {"inference", "dead-nodes", "unused-initialisers"} <= changes


def test_equal_weights_are_stored_once_and_equal_shapes_are_not_enough(tmp_path: Path) -> None:
    a = np.arange(4096, dtype=np.float32)
    b = a.copy()
    b[2000] += 1
    weights = {"a": a, "also_a": a, "b": b, "as_ints": a.view(np.int32).copy()}
    nodes = [
        helper.make_node("Add", ["x", "a"], ["1"]),
        helper.make_node("Add", ["1", "also_a"], ["2"]),
        helper.make_node("Add", ["2", "b"], ["3"]),
        helper.make_node("Cast", ["as_ints"], ["4"], to=F),
        helper.make_node("Add", ["3", "4"], ["y"]),
    ]
    model = model_of(nodes, [info("x", [4096])], [info("y", [4096])], weights)
    hub, changes = hub_of(model, tmp_path)
    assert {"a", "b"} <= set(hub.graph.initializers) and "also_a" not in hub.graph.initializers
    assert "equal-initialisers" in changes
    save(hub, tmp_path / "out.onnx")
    x = {"x": np.ones(4096, np.float32)}
    np.testing.assert_array_equal(run(model.SerializeToString(), x)[0], run(str(tmp_path / "out.onnx"), x)[0])


def test_weights_listed_as_inputs_are_weights(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = model_of([node], [info("x", [2]), info("w", [2])], [info("y", [2])], {"w": np.ones(2, np.float32)}, 13)
    hub, changes = hub_of(model, tmp_path)
    assert [value.name for value in hub.graph.inputs] == ["x"] and "initialisers-as-inputs" in changes


def test_names_are_valid_unique_and_inputs_and_outputs_keep_theirs(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["in/put:0"], ["1"], name="a b"),
        helper.make_node("Relu", ["1"], ["x/1"], name="a b"),
        helper.make_node("Relu", ["x/1"], ["x:1"]),
        helper.make_node("Relu", ["x:1"], ["out/put"]),
    ]
    hub, _ = hub_of(model_of(nodes, [info("in/put:0", [2])], [info("out/put", [2])]), tmp_path)
    assert hub.graph.inputs[0].name == "in/put:0" and hub.graph.outputs[0].name == "out/put"
    inner = [value.name or "" for node in hub.graph for value in node.outputs][:-1]
    names = [node.name or "" for node in hub.graph]
    assert len(set(inner)) == len(inner) and len(set(names)) == len(names)
    assert all(name.replace(".", "_").isidentifier() for name in [*inner, *names])
    assert [node.metadata_props["onnxhub.layer"] for node in hub.graph][:2] == ["a b", "a b"]


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool", "ConvTranspose", "LpPool"])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8, 9])
def test_automatic_padding_is_written_out(tmp_path: Path, op: str, mode: str, stride: int, size: int) -> None:
    kernel = np.random.default_rng(1).standard_normal((2, 2, 3, 3)).astype(np.float32)
    convolves = op.startswith("Conv")
    node = helper.make_node(
        op, ["x", *["w"] * convolves], ["y"], auto_pad=mode, strides=[stride] * 2, kernel_shape=[3, 3]
    )
    model = model_of([node], [info("x", [1, 2, size, size])], [info("y", [1, 2, "h", "w"])], {"w": kernel}, 13)
    hub, _ = hub_of(model, tmp_path)
    made = next(iter(hub.graph))
    assert "auto_pad" not in made.attributes and len(made.attributes["pads"].as_ints()) == 4
    save(hub, tmp_path / "out.onnx")
    x = {"x": np.random.default_rng(2).standard_normal((1, 2, size, size)).astype(np.float32)}
    old, new = run(model.SerializeToString(), x)[0], run(str(tmp_path / "out.onnx"), x)[0]
    np.testing.assert_allclose(old, new, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("out", [12, 13, 14, 15])
def test_the_output_shape_of_a_transposed_convolution_becomes_pads(tmp_path: Path, mode: str, out: int) -> None:
    kernel = np.random.default_rng(1).standard_normal((2, 2, 3, 3)).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], auto_pad=mode, strides=[2, 2], output_shape=[out, 13])
    model = model_of([node], [info("x", [1, 2, 7, 7])], [info("y", [1, 2, "h", "w"])], {"w": kernel}, 13)
    hub, _ = hub_of(model, tmp_path)
    assert "output_shape" not in next(iter(hub.graph)).attributes
    save(hub, tmp_path / "out.onnx")
    x = {"x": np.random.default_rng(2).standard_normal((1, 2, 7, 7)).astype(np.float32)}
    np.testing.assert_array_equal(run(model.SerializeToString(), x)[0], run(str(tmp_path / "out.onnx"), x)[0])


def chain() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"], name="first"),
        helper.make_node("Relu", ["hidden"], ["active"], name="second"),
        helper.make_node("Add", ["active", "other"], ["y"], name="third"),
    ]
    weights = {"w": np.eye(3, dtype=np.float32)}
    return model_of(nodes, [info("x", ["n", 3]), info("other", ["n", 3])], [info("y", ["n", 3])], weights)


def test_outputs_are_cut_by_tensor_or_layer_and_unneeded_parts_pruned(tmp_path: Path) -> None:
    for name in ("active", "second"):
        hub, changes = hub_of(chain(), tmp_path, Options(outputs=[name]))
        assert ops(hub) == ["MatMul", "Relu"] and [value.name for value in hub.graph.inputs] == ["x"]
        assert [value.name for value in hub.graph.outputs] == ["active"] and "cut-outputs" in changes


def test_inputs_are_cut_in_the_users_order(tmp_path: Path) -> None:
    hub, _ = hub_of(chain(), tmp_path, Options(inputs=["other", "hidden"]))
    assert ops(hub) == ["Relu", "Add"] and [value.name for value in hub.graph.inputs] == ["other", "hidden"]
    assert not hub.graph.initializers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(outputs=["aktive"]), "no such tensor or layer"),
        (Options(inputs=["hidden"]), "also need the inputs 'other'"),
        (Options(input_shapes={"z": [1]}), "no input 'z'"),
        (Options(input_shapes={"x": [1, 2, 3]}), "2 axes"),
        (Options(input_shapes={"x": [1, 4]}), "do not fit"),
        (Options(input_dtypes={"x": "float99"}), "no element type"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: Options, words: str) -> None:
    with pytest.raises(InvalidOptions, match=words) as caught:
        hub_of(chain(), tmp_path, options)
    assert "aktive" not in caught.value.detail or "active" in (caught.value.hint or "")


def test_shapes_can_be_fixed_where_a_long_table_is_unsqueezed(tmp_path: Path) -> None:
    """ONNX's data propagation asks for the values of whatever is unsqueezed, of weights as well."""
    table, axes = np.arange(300), np.array([0], np.int64)
    nodes = [helper.make_node("Unsqueeze", ["table", "axes"], ["wide"]), helper.make_node("Add", ["x", "wide"], ["y"])]
    given, made = info("x", ["n", 300], I64), info("y", ["n", 300], I64)
    model = model_of(nodes, [given], [made], {"table": table, "axes": axes})
    hub, _ = hub_of(model, tmp_path, Options(input_shapes={"x": [2, 300]}))
    assert hub.graph.outputs[0].shape == ir.Shape([2, 300])


def test_fixed_shapes_reach_every_value_and_free_ones_stay_free(tmp_path: Path) -> None:
    fixed, _ = hub_of(chain(), tmp_path, Options(input_shapes={"x": [5, 3], "other": [5, 3]}))
    assert all(value.shape == ir.Shape([5, 3]) for node in fixed.graph for value in node.outputs)
    free, _ = hub_of(chain(), tmp_path)
    assert free.graph.inputs[0].shape == ir.Shape(["n", 3])


def test_another_element_type_of_an_input_is_cast(tmp_path: Path) -> None:
    hub, _ = hub_of(chain(), tmp_path, Options(input_dtypes={"x": "float64"}))
    assert hub.graph.inputs[0].dtype == ir.DataType.DOUBLE and ops(hub)[0] == "Cast"
    save(hub, tmp_path / "out.onnx")
    ones = np.ones((1, 3))
    got = run(str(tmp_path / "out.onnx"), {"x": ones, "other": ones.astype(np.float32)})[0]
    np.testing.assert_array_equal(got, [[2, 2, 2]])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])],
        [helper.make_node("Relu", ["x"], ["b"]), helper.make_node("Exp", ["x"], ["b"])],
        [helper.make_node("Add", ["x", "nowhere"], ["b"])],
    ],
    ids=["cycle", "two of one name", "missing input"],
)
def test_inconsistent_graphs_are_refused(tmp_path: Path, nodes: list[onnx.NodeProto]) -> None:
    with pytest.raises(CheckerFailed):
        hub_of(model_of(nodes, [info("x", [2])], [info("b", [2])]), tmp_path)


def test_normalising_twice_changes_nothing(tmp_path: Path) -> None:
    source = Path(onnx.__file__).parent / "backend/test/data/light/light_shufflenet.onnx"
    hub, _ = normalise(load(source))
    save(hub, tmp_path / "1.onnx")
    save(normalise(load(tmp_path / "1.onnx"))[0], tmp_path / "2.onnx")
    assert (tmp_path / "1.onnx").read_bytes() == (tmp_path / "2.onnx").read_bytes()


LIGHT = sorted(path.stem for path in Path(onnx.__file__).parent.glob("backend/test/data/light/*.onnx"))


@pytest.mark.parametrize("name", LIGHT)
def test_classic_networks_give_the_same_bits(tmp_path: Path, name: str) -> None:
    source = Path(onnx.__file__).parent / f"backend/test/data/light/{name}.onnx"
    model = onnx.load(source)
    stored = {tensor.name for tensor in model.graph.initializer}
    value = next(value for value in model.graph.input if value.name not in stored)
    shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
    x = {value.name: np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
    hub, _ = normalise(load(source))
    check(hub)
    save(hub, tmp_path / "out.onnx")
    old, new = run(str(source), x), run(str(tmp_path / "out.onnx"), x)
    np.testing.assert_array_equal(old[0], new[0])


def _sample() -> list[Any]:
    """About 200 of ONNX's own node tests that speak opset 21 or older, drawn by their names' checksums."""
    from onnx.backend.test.case.node import collect_testcases

    chosen = []
    for case in collect_testcases(None):
        opsets = {opset.domain: opset.version for opset in case.model.opset_import} if case.model else {}
        random = case.name.startswith(("test_bernoulli", "test_random", "test_multinomial"))
        if set(opsets) == {""} and 7 <= opsets[""] <= 21 and not random and zlib.crc32(case.name.encode()) % 4 == 0:
            chosen.append(case)
    return chosen


def test_backend_cases_give_the_same_bits(tmp_path: Path) -> None:
    equal = 0
    for case in _sample():
        data = case.model.SerializeToString()
        feeds = dict(zip([value.name for value in case.model.graph.input], case.data_sets[0][0], strict=False))
        try:
            want = run(data, feeds)
        except Exception:
            continue  # onnxruntime itself lacks this type or operator
        (tmp_path / "in.onnx").write_bytes(data)
        hub, _ = normalise(load(tmp_path / "in.onnx"))
        check(hub)
        save(hub, tmp_path / "out.onnx")
        for old, new in zip(want, run(str(tmp_path / "out.onnx"), feeds), strict=True):
            np.testing.assert_equal(new, old, err_msg=case.name)
        equal += 1
    assert equal >= 180
