"""Old and new definitions come to opset 21 with the same results: onnxruntime runs both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from workers.errors import UnsupportedVersion
from workers.hub.check import check, session
from workers.hub.load import load
from workers.hub.normalise import normalise
from workers.hub.save import save

RNG = np.random.default_rng(3)
X = RNG.standard_normal((2, 4, 6, 5)).astype(np.float32)
Array = npt.NDArray[Any]


def node(op: str, opset: int, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    """A model of one node on X (its first input); further inputs are initialisers."""
    names = ["x", *("" if array is None else f"i{index}" for index, array in enumerate(inputs))]
    stored = [numpy_helper.from_array(array, f"i{i}") for i, array in enumerate(inputs) if array is not None]
    results = [f"y{index}" for index in range(outputs)]
    made = helper.make_node(op, names, results, name="the node", **attributes)
    graph = helper.make_graph(
        [made],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_value_info(name, onnx.TypeProto()) for name in results],
        stored,
    )
    if op == "GroupNormalization":  # the only one here whose shape ONNX does not infer
        graph.output[0].CopyFrom(helper.make_tensor_value_info("y0", TensorProto.FLOAT, X.shape))
    for value in graph.output:
        value.type.tensor_type.elem_type = TensorProto.INT64 if op == "TopK" and value.name == "y1" else 1
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


def run(model: bytes | str, feeds: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    results: list[Array] = onnxruntime.InferenceSession(model, options).run(None, feeds)
    return results


def both(model: onnx.ModelProto, path: Path, feeds: dict[str, Array]) -> tuple[list[Array], list[Array]]:
    """Outputs before and after; the model after it is checked."""
    data = model.SerializeToString()
    (path / "old.onnx").write_bytes(data)
    hub, _ = normalise(load(path / "old.onnx"))
    assert hub.opset_imports[""] == 21
    check(hub)
    save(hub, path / "new.onnx")
    return run(data, feeds), run(str(path / "new.onnx"), feeds)


SCALES = np.array([1, 1, 2, 3], np.float32)
NONE = np.zeros(0, np.float32)
CASES: dict[str, onnx.ModelProto] = {
    "Clip 7": node("Clip", 7, min=-0.5, max=0.25),
    "Clip 7, one bound": node("Clip", 7, max=0.25),
    "Slice 7": node("Slice", 7, starts=[1, -3], ends=[3, 9], axes=[1, 2]),
    "Slice 9, all axes": node("Slice", 9, starts=[0, 1, 1, 1], ends=[2, 3, 3, 3]),
    "Pad 7": node("Pad", 7, pads=[0, 1, 0, 2, 0, 0, 3, 1], value=1.5),
    "Pad 10, reflect": node("Pad", 10, pads=[0, 0, 1, 2, 0, 0, 3, 1], mode="reflect"),
    "TopK 7": node("TopK", 7, outputs=2, axis=2, k=3),
    "TopK 10": node("TopK", 10, np.array([2]), outputs=2, axis=-1),
    "Unsqueeze 11": node("Unsqueeze", 11, axes=[0, 3]),
    "Split 11": node("Split", 11, outputs=2, axis=1, split=[1, 3]),
    "Split 11, equal": node("Split", 11, outputs=2, axis=1),
    "Split 13, equal": node("Split", 13, outputs=3, axis=2),
    "ReduceSum 11": node("ReduceSum", 11, axes=[1, -1], keepdims=0),
    "ReduceSum 11, all": node("ReduceSum", 11),
    "ReduceMean 13": node("ReduceMean", 13, axes=[2, 3]),
    "ReduceL2 17": node("ReduceL2", 17, axes=[1], keepdims=0),
    "Softmax 7, joined": node("Softmax", 7, axis=1),
    "Softmax 11, joined": node("Softmax", 11, axis=2),
    "Softmax 11, last": node("Softmax", 11, axis=3),
    "LogSoftmax 12, default": node("LogSoftmax", 12),
    "Hardmax 11": node("Hardmax", 11, axis=2),
    "Upsample 7": node("Upsample", 7, scales=[1.0, 1.0, 2.0, 3.0]),
    "Upsample 7, linear": node("Upsample", 7, scales=[1.0, 1.0, 2.0, 2.0], mode="linear"),
    "Upsample 9": node("Upsample", 9, SCALES),
    "Resize 10": node("Resize", 10, SCALES),
    "Resize 10, smaller": node("Resize", 10, np.array([1, 1, 0.6, 0.7], np.float32)),
    "Resize 10, linear": node("Resize", 10, np.array([1, 1, 0.6, 0.7], np.float32), mode="linear"),
    "Resize 11, tf": node(
        "Resize", 11, NONE, SCALES, coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor"
    ),
    "Resize 11, sizes": node("Resize", 11, NONE, NONE, np.array([2, 4, 3, 9]), mode="cubic"),
    "Dropout 7": node("Dropout", 7, ratio=0.9),
    "Dropout 10": node("Dropout", 10, ratio=0.9),
    "BatchNormalization 7": node(
        "BatchNormalization", 7, *(np.abs(RNG.standard_normal(4)).astype(np.float32) for _ in range(4))
    ),
    "GroupNormalization 18": node(
        "GroupNormalization", 18, np.array([1, 2], np.float32), np.array([3, 4], np.float32), num_groups=2
    ),
    "AveragePool 7": node("AveragePool", 7, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "MaxPool 8": node("MaxPool", 8, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
    "RoiAlign 10": node(
        "RoiAlign", 10, np.array([[0.3, 0.2, 3.7, 4.1]], np.float32), np.array([1]), output_height=2, output_width=3
    ),
    "GridSample 16": node(
        "GridSample", 16, RNG.uniform(-1, 1, (2, 3, 3, 2)).astype(np.float32), mode="bicubic", align_corners=1
    ),
    "LpPool 11": node("LpPool", 11, kernel_shape=[2, 2]),
    "Flatten 9": node("Flatten", 9, axis=2),
    "PRelu 7": node("PRelu", 7, RNG.standard_normal((4, 1, 1)).astype(np.float32)),
    "Scatter 9": node("Scatter", 9, np.zeros((1, 1, 1, 2), np.int64), np.ones((1, 1, 1, 2), np.float32), axis=1),
    "Cast 9": node("Cast", 9, to=1),
    "Sum 8": node("Sum", 8, RNG.standard_normal((6, 5)).astype(np.float32)),
}


LOOSE = {"AveragePool 7": "onnxruntime's kernel for opset 19 and later sums in another order"}


@pytest.mark.parametrize("name", CASES)
def test_old_definitions_give_the_same_bits(tmp_path: Path, name: str) -> None:
    before, after = both(CASES[name], tmp_path, {"x": X})
    for old, new in zip(before, after, strict=True):
        assert old.dtype == new.dtype and old.shape == new.shape
        if name in LOOSE:
            np.testing.assert_allclose(old, new, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (node("Resize", 10, np.array([1, 1, 0.6, 2], np.float32)), "two ways"),
        (node("Resize", 11, NONE, SCALES, coordinate_transformation_mode="tf_half_pixel_for_nn"), "tf_half_pixel"),
        (node("BatchNormalization", 7, *[np.ones(4, np.float32)] * 4, spatial=0), "spatial=0"),
        (node("BitCast", 26, to=6), "BitCast"),
    ],
)
def test_what_opset_21_cannot_say_is_refused_by_name(tmp_path: Path, model: onnx.ModelProto, word: str) -> None:
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedVersion, match=word) as caught:
        normalise(load(tmp_path / "m.onnx"))
    assert "the node" in str(caught.value)


def in_branch(opset: int) -> onnx.ModelProto:
    """Squeeze with axes as an attribute, inside both branches of an If."""

    def branch(name: str, op: str) -> onnx.GraphProto:
        steps = [
            helper.make_node("Unsqueeze", ["x"], [f"{name}u"], axes=[0]),
            helper.make_node(op, [f"{name}u"], [f"{name}r"]),
            helper.make_node("Squeeze", [f"{name}r"], [f"{name}s"], axes=[0]),
        ]
        return helper.make_graph(steps, name, [], [helper.make_tensor_value_info(f"{name}s", 1, X.shape)])

    chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch("a", "Neg"), else_branch=branch("b", "Exp"))
    graph = helper.make_graph(
        [chosen],
        "g",
        [helper.make_tensor_value_info("x", 1, X.shape), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", 1, X.shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


@pytest.mark.parametrize("chosen", [True, False])
def test_nested_graphs_are_converted_too(tmp_path: Path, chosen: bool) -> None:
    before, after = both(in_branch(11), tmp_path, {"x": X, "c": np.array(chosen)})
    np.testing.assert_array_equal(before[0], after[0])


def test_a_function_is_read_at_its_own_opset(tmp_path: Path) -> None:
    """The file is of opset 17, its function of opset 11: axes are attributes in one and inputs in the other."""
    body = [
        helper.make_node("Unsqueeze", ["a"], ["u"], axes=[0]),
        helper.make_node("Softmax", ["u"], ["s"], axis=3),
        helper.make_node("Squeeze", ["s"], ["b"], axes=[0]),
    ]
    function = helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 11)])
    call = helper.make_node("F", ["x"], ["y"], domain="own", name="call")
    graph = helper.make_graph(
        [call],
        "g",
        [helper.make_tensor_value_info("x", 1, X.shape)],
        [helper.make_tensor_value_info("y", 1, X.shape)],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    hub, changes = normalise(load(tmp_path / "m.onnx"))
    check(hub)
    save(hub, tmp_path / "new.onnx")
    joined = X.reshape(8, 30)
    want = np.exp(joined - joined.max(1, keepdims=True))
    want = (want / want.sum(1, keepdims=True)).reshape(X.shape)
    np.testing.assert_allclose(run(str(tmp_path / "new.onnx"), {"x": X})[0], want, rtol=1e-5, atol=1e-6)
    assert {n.metadata_props["onnxhub.layer"] for n in hub.graph} == {"call"}
    assert "inline-functions" in {change.name for change in changes}


def test_a_batched_scan_of_opset_8_scans_every_sample(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "e"], ["n"]), helper.make_node("Identity", ["n"], ["o"])],
        "body",
        [helper.make_tensor_value_info(name, 1, [2]) for name in ("s", "e")],
        [helper.make_tensor_value_info(name, 1, [2]) for name in ("n", "o")],
    )
    scan = helper.make_node("Scan", ["", "start", "x"], ["last", "all"], body=body, num_scan_inputs=1)
    graph = helper.make_graph(
        [scan],
        "g",
        [helper.make_tensor_value_info("start", 1, [3, 2]), helper.make_tensor_value_info("x", 1, [3, 5, 2])],
        [helper.make_tensor_value_info("last", 1, [3, 2]), helper.make_tensor_value_info("all", 1, [3, 5, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3)
    start, x = (RNG.standard_normal(shape).astype(np.float32) for shape in ((3, 2), (3, 5, 2)))
    before, after = both(model, tmp_path, {"start": start, "x": x})
    want = start[:, None] + np.cumsum(x, 1)
    np.testing.assert_allclose(after[1], want, rtol=1e-5)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


NEWER = ["test_rms_normalization_3d_axis1_epsilon", "test_rotary_embedding", "test_attention_4d_causal", "test_swish",
         "test_attention_3d_with_past_and_present_qk_matmul_softcap", "test_swiglu"]  # fmt: skip


@pytest.fixture(scope="module")
def backend() -> dict[str, Any]:
    from onnx.backend.test.case.node import collect_testcases

    return {case.name: case for case in collect_testcases(None) if case.model is not None}


@pytest.mark.parametrize("name", NEWER)
def test_newer_operators_are_spelt_out(tmp_path: Path, backend: dict[str, Callable[..., Any]], name: str) -> None:
    if name not in backend:
        pytest.skip(f"this onnx has no {name}")
    case: Any = backend[name]
    (tmp_path / "m.onnx").write_bytes(case.model.SerializeToString())
    hub, _ = normalise(load(tmp_path / "m.onnx"))
    check(hub)
    save(hub, tmp_path / "new.onnx")
    inputs, wanted = case.data_sets[0]
    feeds = dict(zip([value.name for value in case.model.graph.input], inputs, strict=True))
    runtime = session(tmp_path / "new.onnx", optimize=False)
    for got, want in zip(runtime.run(None, feeds), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
