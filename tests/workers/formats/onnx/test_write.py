"""What the hub says at opset 21 computes the same at older and newer opsets, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from workers.errors import UnsupportedOperators
from workers.formats import onnx as format
from workers.formats.contract import WriteRequest
from workers.hub.graph import GraphBuilder, Value
from workers.hub.normalise import normalise
from workers.options import Options
from workers.parity.runtime import Session

Build = Callable[[GraphBuilder, Value], Value]
OPSETS = (9, 10, 11, 12, 13, 14, 17, 18, 20, 21, 22, 24)
X = np.random.default_rng(1).standard_normal((2, 4, 6, 6)).astype(np.float32)

# Every operator whose spelling changed between opset 9 and 21, in a form that all of them can say.
GRID = np.random.default_rng(8).uniform(-1.2, 1.2, (2, 3, 5, 2)).astype(np.float32)
TABLE: dict[str, Build] = {
    "squeeze": lambda g, x: g.Squeeze(g.ReduceMax(x, [1], keepdims=1), [1]),
    "unsqueeze": lambda g, x: g.Unsqueeze(x, [0, -1]),
    "reduce_sum": lambda g, x: g.ReduceSum(x, [2, 3], keepdims=0),
    "reduce_mean": lambda g, x: g.ReduceMean(x, [-1], keepdims=1),
    "split": lambda g, x: g.ops("Split", x, outputs=2, axis=1, num_outputs=2)[1],
    "split_sizes": lambda g, x: g.ops("Split", x, [1, 3], outputs=2, axis=1)[1],
    "clip": lambda g, x: g.Clip(x, np.float32(-0.5), np.float32(0.5)),
    "clip_below": lambda g, x: g.Clip(x, np.float32(0.1)),
    "pad": lambda g, x: g.Pad(x, [0, 0, 1, 2, 0, 0, 0, 1], np.float32(3)),
    "pad_reflect": lambda g, x: g.Pad(x, [0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"),
    "slice": lambda g, x: g.Slice(x, [1, 0], [3, 5], [1, 3]),
    "top_k": lambda g, x: g.ops("TopK", x, [2], outputs=2, axis=-1)[0],
    "softmax": lambda g, x: g.Softmax(x, axis=-1),
    "softmax_inner": lambda g, x: g.Softmax(x, axis=1),
    "resize": lambda g, x: g.Resize(x, None, None, [2, 4, 9, 9], mode="cubic"),
    "log_softmax": lambda g, x: g.LogSoftmax(x, axis=3),
    "gemm": lambda g, x: g.Gemm(g.Flatten(x, axis=1), np.ones((144, 3), np.float32)),
    "hard_swish": lambda g, x: g.HardSwish(x),
    "gelu": lambda g, x: g.Gelu(x),
    "mish": lambda g, x: g.Mish(x),
    "layer_normalization": lambda g, x: g.LayerNormalization(x, np.ones(6, np.float32), axis=-1),
    "average_pool": lambda g, x: g.AveragePool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    "arg_max": lambda g, x: g.ArgMax(x, axis=1, keepdims=0),
    "gather": lambda g, x: g.Gather(x, [2, 0], axis=1),
    "concat": lambda g, x: g.Concat(x, x, axis=-1),
}


def write(build: Build, folder: Path, opset: int) -> tuple[ir.Model, Path]:
    g = GraphBuilder()
    x = g.input("x", list(X.shape))
    with g.layer("part", "Part"):
        y = build(g, x)
    g.output(y, "y")
    hub, _ = normalise(g.model())
    assert format.FORMAT.write is not None
    written = format.FORMAT.write(WriteRequest(hub.clone(), folder, options=Options(opset=opset)))
    return hub, folder / written.files[0]


@pytest.mark.parametrize("name", TABLE)
def test_the_same_is_said_at_every_opset(name: str, tmp_path: Path) -> None:
    for opset in OPSETS:
        folder = tmp_path / str(opset)
        folder.mkdir()
        hub, path = write(TABLE[name], folder, opset)
        proto = onnx.load(path)
        onnx.checker.check_model(proto, full_check=True)
        assert {entry.domain: entry.version for entry in proto.opset_import}[""] == opset
        got, want = Session(path).run({"x": X})["y"], Session.of(hub).run({"x": X})["y"]
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=f"opset {opset}")


def test_the_lowest_ir_version_of_the_opset_is_written(tmp_path: Path) -> None:
    for opset, version in ((9, 4), (13, 7), (17, 8), (21, 10)):
        folder = tmp_path / str(opset)
        folder.mkdir()
        assert onnx.load(write(TABLE["clip"], folder, opset)[1]).ir_version == version


SPELT: dict[str, tuple[int, Build]] = {
    "grid": (16, lambda g, x: g.GridSample(x, GRID, mode="cubic", align_corners=1)),
    "spectrum": (17, lambda g, x: g.DFT(g.Unsqueeze(x, [-1]), None, np.asarray(-2), onesided=1)),
    "spectrum_of_the_default_axis": (17, lambda g, x: g.DFT(g.Unsqueeze(x, [-1]))),
    "pad_some_axes": (13, lambda g, x: g.Pad(x, [1, 2], np.float32(0.5), [3])),
    "resize_some_axes": (13, lambda g, x: g.Resize(x, None, [1.5, 2.0], axes=[2, 3], mode="linear")),
}


@pytest.mark.parametrize("name", SPELT)
def test_what_was_spelt_otherwise_says_the_same(name: str, tmp_path: Path) -> None:
    opset, build = SPELT[name]
    hub, path = write(build, tmp_path, opset)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    got, want = Session(path).run({"x": X})["y"], Session.of(hub).run({"x": X})["y"]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "opset", "reason"),
    [
        (lambda g, x: g.Trilu(x), 13, "has no Trilu"),
        (lambda g, x: g.GridSample(x, np.zeros((2, 3, 3, 2), np.float32)), 15, "has no GridSample"),
        (lambda g, x: g.GridSample(g.Unsqueeze(x, [2]), np.zeros((2, 1, 3, 3, 3), np.float32)), 16, "planes only"),
    ],
)
def test_what_an_opset_cannot_say_is_refused_by_layer(
    build: Callable[..., Any], opset: int, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedOperators, match=reason) as caught:
        write(build, tmp_path, opset)
    assert caught.value.items[0].layer == "part"


def test_weights_go_to_a_file_of_their_own_when_asked(tmp_path: Path) -> None:
    g = GraphBuilder()
    x = g.input("x", ["n", 64])
    g.output(g.MatMul(x, g.weight("w", np.ones((64, 64), np.float32))), "y")
    hub, _ = normalise(g.model())
    assert format.FORMAT.write is not None
    written = format.FORMAT.write(WriteRequest(hub, tmp_path, options=Options(external_data=True)))
    assert written.files == ("model.onnx", "model.onnx.data")
    assert (tmp_path / "model.onnx.data").stat().st_size >= 64 * 64 * 4
    result = Session(tmp_path / "model.onnx").run({"x": np.ones((2, 64), np.float32)})["y"]
    np.testing.assert_array_equal(result, np.full((2, 64), 64, np.float32))
