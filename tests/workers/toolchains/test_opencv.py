"""The OpenCV tool: the net is re-spelt for its importer, shapes follow the inputs, refusals name layer and reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import Array, layer, net, normal, save
from tests.workers.formats.cases import assert_same, cases
from workers.toolchains import ToolRefused, ToolResult, find, places

X = normal(3, 4, 6, 5)


def run(
    files: Sequence[Path], inputs: Mapping[str, Array], outputs: Sequence[str], work: Path, **options: Any
) -> ToolResult:
    toolchain = find("run:caffe")
    assert toolchain is not None, "run: onnxhub toolchain install opencv"
    events: list[dict[str, Any]] = []
    result = toolchain.run(
        "run:caffe", files, inputs, work=work, output_names=outputs, options=options, on_event=events.append
    )
    assert [event["event"] for event in events] == ["progress"]
    return result


def compute(folder: Path, x: Array, *layers: dict[str, Any], shape: Sequence[int] | None = None, **options: Any) -> Any:
    """The blob ``y`` of a net whose file says ``shape``."""
    files = save(folder, net({"x": shape or x.shape}, *layers))
    return run(files, {"x": x}, ["y"], folder / "work", **options).outputs["y"]


# --- OpenCV's dialect -------------------------------------------------------------------------------------------------

RESPELT = {
    "Clip": (layer("Clip", clip_param={"min": -0.5, "max": 0.75}), np.clip(X, -0.5, 0.75)),
    "Clip from zero": (layer("Clip", clip_param={"min": 0, "max": 1}), np.clip(X, 0, 1)),
    "Clip without a lower bound": (layer("Clip", clip_param={"min": -3e38, "max": 0.25}), np.minimum(X, 0.25)),
    "Tile": (layer("Tile", tile_param={"axis": 2, "tiles": 3}), np.tile(X, (1, 1, 3, 1))),
    "Pooling rounding down": (
        layer("Pooling", pooling_param={"pool": "MAX", "kernel_size": 2, "stride": 2, "round_mode": "FLOOR"}),
        X[:, :, :, :4].reshape(3, 4, 3, 2, 2, 2).max((3, 5)),
    ),
    "Reshape to one axis": (layer("Reshape", reshape_param={"shape": {"dim": [-1]}}), X.reshape(-1)),
}


@pytest.mark.parametrize("what", RESPELT)
def test_layers_that_opencv_calls_otherwise_are_respelt(what: str, tmp_path: Path) -> None:
    entry, want = RESPELT[what]
    assert_same({"y": want.astype(np.float32)}, {"y": compute(tmp_path, X, entry)})


def test_lrn_with_a_k(tmp_path: Path) -> None:
    y = compute(tmp_path, X, layer("LRN", lrn_param={"local_size": 3, "alpha": 0.6, "k": 2}))
    squares = np.pad(X**2, [(0, 0), (1, 1), (0, 0), (0, 0)])
    around = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    assert_same({"y": X / (2 + 0.2 * around) ** 0.75}, {"y": y})


def test_a_clip_in_place_stays_in_place(tmp_path: Path) -> None:
    clip = layer("Clip", "y", "y", name="clip", clip_param={"min": -1, "max": 1})
    y = compute(tmp_path, X, layer("Power", power_param={"scale": 2}), clip)
    assert_same({"y": np.clip(2 * X, -1, 1)}, {"y": y})


def test_a_bias_of_one_number_an_item_and_channel(tmp_path: Path) -> None:
    gate = normal(3, 4)
    files = save(tmp_path, net({"x": X.shape, "b": gate.shape}, layer("Bias", ["x", "b"], bias_param={"axis": 0})))
    result = run(files, {"x": X, "b": gate}, ["y"], tmp_path / "work")
    assert_same({"y": X + gate[:, :, None, None]}, result.outputs)


WRONG = {
    "Bias": layer("Bias", blobs=(normal(4),)),
    "InnerProduct": layer(
        "InnerProduct", blobs=(normal(120, 2), normal(2)), inner_product_param={"num_output": 2, "transpose": True}
    ),
    "Swish": layer("Swish", swish_param={"beta": 2}),
    "MVN": layer("MVN", mvn_param={"eps": 0.1}),
    "Log": layer("Log", log_param={"base": 10}),
    "Deconvolution": layer(
        "Deconvolution", blobs=(normal(4, 1, 3, 3), normal(1)),
        convolution_param={"num_output": 1, "kernel_size": [3], "dilation": [2]},
    ),
    "Threshold": layer("Threshold"),
    "Reduction": layer("Reduction"),
    "ArgMax": layer("ArgMax"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_opencv_lacks_or_computes_otherwise_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ToolRefused, match=f"OpenCV .*'{kind.lower()}_y'") as refusal:
        compute(tmp_path, X, WRONG[kind])
    assert refusal.value.kind == "unsupported"


def test_a_layer_that_no_output_needs_is_no_obstacle(tmp_path: Path) -> None:
    y = compute(tmp_path, X, layer("ArgMax", top="z"), layer("Power", power_param={"power": 2}))
    assert_same({"y": X**2}, {"y": y})


def test_outputs_that_opencv_cannot_compute_are_left_out_on_request(tmp_path: Path) -> None:
    files = save(tmp_path, net({"x": X.shape}, layer("Threshold", top="z"), layer("Power", power_param={"scale": 2})))
    result = run(files, {"x": X}, ["y", "z"], tmp_path / "work", partial=True)
    assert_same({"y": 2 * X}, result.outputs)
    assert result.answer["left_out"] == {"z": "OpenCV has no layer type Threshold (layer 'threshold_z')"}


# --- shapes and names -------------------------------------------------------------------------------------------------


def test_the_net_takes_the_shapes_of_the_inputs_not_of_the_file(tmp_path: Path) -> None:
    y = compute(tmp_path, X, layer("Flatten"), shape=(1, 4, 9, 9))
    assert_same({"y": X.reshape(3, -1)}, {"y": y})


@pytest.mark.parametrize("shape", [(5, 3), (5, 7, 3), (2, 3, 4, 5, 2)])
def test_inputs_need_not_be_pictures(shape: tuple[int, ...], tmp_path: Path) -> None:
    """A short last axis is not taken for the channels of pixels."""
    a, b = normal(*shape), normal(*shape, seed=1)
    files = save(
        tmp_path, net({"a": shape, "b": shape}, layer("Eltwise", ["a", "b"], eltwise_param={"coeff": [1, -2]}))
    )
    result = run(files, {"b": b, "a": a}, ["y"], tmp_path / "work")
    assert_same({"y": a - 2 * b}, result.outputs)


def test_outputs_are_blobs_in_the_order_asked_for(tmp_path: Path) -> None:
    cut = layer("Slice", top=["p", "q", "r"], slice_param={"slice_point": [1, 2]})
    files = save(tmp_path, net({"x": X.shape}, cut))
    result = run(files, {"x": X}, ["r", "p"], tmp_path / "work")
    assert_same({"r": X[:, 2:], "p": X[:, :1]}, result.outputs)


def test_a_slice_into_equal_parts_of_which_one_is_read(tmp_path: Path) -> None:
    files = save(tmp_path, net({"x": X.shape}, layer("Slice", top=["p", "q"])))
    assert_same({"q": X[:, 2:]}, run(files, {"x": X}, ["q"], tmp_path / "work").outputs)


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_net_without_weights_needs_no_caffemodel(tmp_path: Path) -> None:
    prototxt, _ = save(tmp_path, net({"x": X.shape}, layer("AbsVal")))
    assert_same({"y": abs(X)}, run([prototxt], {"x": X}, ["y"], tmp_path / "work").outputs)


def test_text_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_text(
        "name: 'odd' # a comment\ninput: \"x\" input_shape < dim: [1, 4], dim: 6; dim: 5 >\n"
        'layer: { type: "Pow" "er" name: "p" bottom: "x" top: "y" power_param: { scale: 2.0 } }\n'
    )
    assert_same({"y": 2 * X}, run([path], {"x": X}, ["y"], tmp_path / "work").outputs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer { name: 'a'", "ends inside a message"),
        ("layer { name: 'a' } layer", "ends in the middle of a field"),
        ("layer { name: 'a\n' }", "malformed near"),
    ],
)
def test_broken_text_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    path.write_text(text)
    with pytest.raises(ToolRefused, match=words) as refusal:
        run([path], {"x": X}, ["y"], tmp_path / "work")
    assert refusal.value.kind == "invalid"


def test_files_that_opencv_does_not_read_are_named(tmp_path: Path) -> None:
    (h5,) = cases("caffe", "nin_h5")
    with pytest.raises(ToolRefused, match="HDF5"):
        run(h5.files, h5.sample(0).inputs, h5.output_names, tmp_path)
    (lenet,) = cases("caffe", "lenet_v1")
    with pytest.raises(ToolRefused, match="needs the net as a prototxt"):
        run([path for path in lenet.files if path.suffix == ".caffemodel"], {}, ["prob"], tmp_path)


def test_an_unknown_action_is_refused(tmp_path: Path) -> None:
    toolchain = find("run:caffe")
    assert toolchain is not None
    with pytest.raises(ToolRefused, match="speaks protocol 1: run:caffe"):
        toolchain.run("run:keras", [], {}, work=tmp_path)


def test_repeated_runs_are_timed(tmp_path: Path) -> None:
    files = save(tmp_path, net({"x": X.shape}, layer("AbsVal")))
    result = run(files, {"x": X}, ["y"], tmp_path / "work", runs=5)
    assert result.seconds is not None and 0 < result.seconds < 1
    assert result.versions["opencv"].startswith("4.")


def test_the_tool_stands_alone_in_old_syntax() -> None:
    tool = places()["opencv"].tool
    vermin = Path(sys.executable).with_name("vermin")
    checked = subprocess.run([vermin, "-q", "-t=3.6-", tool], capture_output=True)
    assert checked.returncode == 0, checked.stdout
    assert "workers" not in tool.read_text()
