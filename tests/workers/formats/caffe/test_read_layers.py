# ruff: noqa: E501 - one form of a layer a row
"""Layers by their formulas in numpy: one row a form of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe.nets import Array, compute, layer, net, normal, positive, read_net
from tests.workers.formats.cases import assert_same, run
from workers.errors import MalformedModel, UnsupportedOperators
from workers.formats.caffe.read.elementwise import MERGED

X = normal(2, 4, 5, 6)
A, B, Z = normal(4, seed=1), normal(4, seed=2), normal(2, 4, 5, 6, seed=3)
MEAN, VARIANCE = normal(4, seed=4), positive(4, seed=5)
FACTOR = np.asarray([2.5], np.float32)


def chan(array: Array) -> Array:
    return array.reshape(-1, 1, 1)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@dataclass
class Row:
    """``type`` with these blobs and parameters turns ``inputs`` (x unless given) into ``want``."""

    type: str
    want: Callable[..., Array]
    parameters: dict[str, Any] = field(default_factory=dict)
    blobs: tuple[Array, ...] = ()
    inputs: tuple[Array, ...] = (X,)

    def __str__(self) -> str:
        return f"{self.type}-{self.parameters}"


def batch_stats(x: Array, eps: float) -> Array:
    return (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + eps)


def within(x: Array, size: int, alpha: float, beta: float) -> Array:
    pad = size // 2
    square = np.pad(x.astype(np.float64) ** 2, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    total = sum(square[..., i : i + x.shape[2], j : j + x.shape[3]] for i in range(size) for j in range(size))
    return x * (1 + alpha * total / size**2) ** -beta


def across(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    square = np.pad(x.astype(np.float64) ** 2, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
    total = sum(square[:, i : i + x.shape[1]] for i in range(size))
    return x / (k + alpha / size * total) ** beta


def align_corners(x: Array, height: int, width: int) -> Array:
    def along(x: Array, size: int, axis: int) -> Array:
        old = x.shape[axis]
        at = np.arange(size) * ((old - 1) / (size - 1) if size > 1 else 0)
        low = np.minimum(at.astype(int), old - 1)
        high, weight = np.minimum(low + 1, old - 1), at - low
        shape = [1] * x.ndim
        shape[axis] = size
        return x.take(low, axis) * (1 - weight).reshape(shape) + x.take(high, axis) * weight.reshape(shape)

    return along(along(x, height, 2), width, 3)


def darknet_reorg(x: Array, s: int, reverse: bool) -> Array:
    """Darknet's loop, index by index."""
    n, c, h, w = x.shape
    depth, out = c // s**2, np.zeros_like(x).reshape(n, -1)
    flat = x.reshape(n, -1)
    for k in range(c):
        for j in range(h):
            for i in range(w):
                here = i + w * (j + h * k)
                there = i * s + k // depth % s + w * s * (j * s + k // depth // s + h * s * (k % depth))
                if reverse:
                    out[:, there] = flat[:, here]
                else:
                    out[:, here] = flat[:, there]
    return out.reshape((n, depth, h * s, w * s) if reverse else (n, c * s * s, h // s, w // s))


def bn(x: Array, mean: Array, variance: Array, eps: float = 1e-5) -> Array:
    return (x - chan(mean)) / np.sqrt(chan(variance) + eps)


ROWS = [
    Row("BatchNorm", lambda x: bn(x, MEAN / 2.5, VARIANCE / 2.5), {}, (MEAN, VARIANCE, FACTOR)),
    Row("BatchNorm", lambda x: x / np.sqrt(1e-5), {}, (MEAN, VARIANCE, np.zeros(1, np.float32))),
    Row("BatchNorm", lambda x: bn(x, MEAN / 2.5, VARIANCE / 2.5, 0.1), {"batch_norm_param": {"eps": 0.1}}, (MEAN, VARIANCE, FACTOR)),
    Row("BatchNorm", lambda x: batch_stats(x, 1e-5), {"batch_norm_param": {"use_global_stats": False}}, (MEAN, VARIANCE, FACTOR)),
    Row("BatchNorm", lambda x: (x - MEAN / 2.5) / np.sqrt(VARIANCE / 2.5 + 1e-5), {}, (MEAN, VARIANCE, FACTOR), (normal(3, 4),)),
    Row("BN", lambda x: bn(x, MEAN, VARIANCE, 0.01) * chan(A) + chan(B), {"bn_param": {"eps": 0.01}}, tuple(v.reshape(1, 4, 1, 1) for v in (A, B, MEAN, VARIANCE))),
    Row("BN", lambda x: x * chan(A) + chan(B), {"bn_param": {"bn_mode": "INFERENCE"}}, tuple(v.reshape(1, 4, 1, 1) for v in (A, B))),
    Row("LRN", lambda x: across(x, 3, 2, 0.6, 1.5), {"lrn_param": {"local_size": 3, "alpha": 2, "beta": 0.6, "k": 1.5}}),
    Row("LRN", lambda x: within(x, 3, 2, 0.6), {"lrn_param": {"local_size": 3, "alpha": 2, "beta": 0.6, "k": 9, "norm_region": "WITHIN_CHANNEL"}}),
    Row("MVN", lambda x: (x - x.mean((2, 3), keepdims=True)) / (x.std((2, 3), keepdims=True) + 0.1), {"mvn_param": {"eps": 0.1}}),
    Row("MVN", lambda x: x - x.mean((1, 2, 3), keepdims=True), {"mvn_param": {"normalize_variance": False, "across_channels": True}}),
    Row("Normalize", lambda x: x / np.sqrt((x**2).sum(1, keepdims=True) + 0.1) * chan(A), {"norm_param": {"across_spatial": False, "channel_shared": False, "eps": 0.1}}, (A,)),
    Row("Normalize", lambda x: x / np.sqrt((x**2).sum((1, 2, 3), keepdims=True)) * A[0], {}, (A[0].reshape(()),)),
    Row("ReLU", lambda x: np.where(x > 0, x, 0.1 * x), {"relu_param": {"negative_slope": 0.1}}),
    Row("ReLU6", lambda x: np.clip(x * 1, 0, 6), {}, (), (X * 5,)),
    Row("ReLU6", lambda x: np.clip(x, 0, 2), {"relu6_param": {"n": 2}}, (), (X * 5,)),
    Row("PReLU", lambda x: np.where(x > 0, x, x * chan(A)), {}, (A,)),
    Row("PReLU", lambda x: np.where(x > 0, x, x * A), {}, (A,), (normal(3, 4),)),
    Row("PReLU", lambda x: np.where(x > 0, x, x * A[0]), {"prelu_param": {"channel_shared": True}}, (A[:1],)),
    Row("ELU", lambda x: np.where(x > 0, x, 0.3 * (np.exp(np.minimum(x, 0)) - 1)), {"elu_param": {"alpha": 0.3}}),
    Row("BNLL", lambda x: np.log1p(np.exp(x))),
    Row("Swish", lambda x: x * sigmoid(1.5 * x), {"swish_param": {"beta": 1.5}}),
    Row("Swish", lambda x: x * sigmoid(x)),
    Row("Mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    Row("Clip", lambda x: np.clip(x, -0.5, 0.25), {"clip_param": {"min": -0.5, "max": 0.25}}),
    Row("Threshold", lambda x: (x > 0.5).astype(np.float32), {"threshold_param": {"threshold": 0.5}}, (), (np.float32([[0.4, 0.5, 0.6]]),)),
    Row("Power", lambda x: (0.1 + 2 * np.abs(x)) ** 1.7, {"power_param": {"power": 1.7, "scale": 2, "shift": 0.1}}, (), (np.abs(X),)),
    Row("Power", lambda x: np.full_like(x, 8), {"power_param": {"power": 3, "scale": 0, "shift": 2}}),
    Row("Power", lambda x: np.ones_like(x), {"power_param": {"power": 0, "scale": 3, "shift": -2}}),
    Row("Exp", lambda x: 3 ** (0.2 + 0.5 * x), {"exp_param": {"base": 3, "scale": 0.5, "shift": 0.2}}),
    Row("Log", lambda x: np.log(0.2 + 0.5 * x) / np.log(3), {"log_param": {"base": 3, "scale": 0.5, "shift": 0.2}}, (), (np.abs(X),)),
    Row("Dropout", lambda x: x),
    Row("Eltwise", lambda x, z: 0.5 * x - z, {"eltwise_param": {"coeff": [0.5, -1]}}, (), (X, Z)),
    Row("Eltwise", lambda x, z: x * z, {"eltwise_param": {"operation": "PROD"}}, (), (X, Z)),
    Row("Scale", lambda x: x * chan(A) + chan(B), {"scale_param": {"bias_term": True}}, (A, B)),
    Row("Scale", lambda x: x * A[0], {"scale_param": {"num_axes": 0}}, (A[0].reshape(()),)),
    Row("Scale", lambda x: x * Z[0, 0, :, :1].reshape(5, 1), {"scale_param": {"axis": -2}}, (Z[0, 0, :, 0],)),
    Row("Scale", lambda x: x * Z[0], {"scale_param": {"num_axes": -1}}, (Z[0],)),
    Row("Scale", lambda x, z: x * z.reshape(2, 4, 1, 1) + Z[:, :, :1, :1], {"scale_param": {"axis": 0, "bias_term": True}}, (Z[:, :, 0, 0],), (X, normal(2, 4))),
    Row("Bias", lambda x: x + A.reshape(4, 1, 1), {}, (A,)),
    Row("Axpy", lambda a, x, z: a * x + z, {}, (), (normal(2, 4, 1, 1), X, Z)),
    Row("Axpy", lambda a, x, z: a.reshape(2, 4, 1, 1) * x + z, {}, (), (normal(2, 4), X, Z)),
    Row("ShuffleChannel", lambda x: x.reshape(2, 2, 2, 5, 6).swapaxes(1, 2).reshape(x.shape), {"shuffle_channel_param": {"group": 2}}),
    Row("Permute", lambda x: x.transpose(0, 2, 1, 3), {"permute_param": {"order": [0, 2]}}),
    Row("Reorg", lambda x: darknet_reorg(x, 2, False), {"reorg_param": {"stride": 2}}, (), (normal(2, 4, 6, 8),)),
    Row("Reorg", lambda x: darknet_reorg(x, 2, True), {"reorg_param": {"stride": 2, "reverse": True}}, (), (normal(2, 8, 6, 4),)),
    Row("Interp", lambda x: align_corners(x, 9, 4), {"interp_param": {"height": 9, "width": 4}}),
    Row("Interp", lambda x: align_corners(x, 13, 16), {"interp_param": {"zoom_factor": 3}}),
    Row("Interp", lambda x: align_corners(x, 3, 3), {"interp_param": {"shrink_factor": 2}}),
    Row("Interp", lambda x: align_corners(x[..., 1:-1, 1:-1], 7, 7), {"interp_param": {"height": 7, "width": 7, "pad_beg": -1, "pad_end": -1}}),
    Row("InnerProduct", lambda x: x.reshape(2, 4, 30) @ normal(3, 30).T + A[:3], {"inner_product_param": {"num_output": 3, "axis": 2}}, (normal(3, 30), A[:3])),
    Row("Embed", lambda x: normal(7, 3)[x.astype(int)] + A[:3], {"embed_param": {"num_output": 3, "input_dim": 7}}, (normal(7, 3), A[:3]), (np.float32([[0, 6], [3, 2]]),)),
    Row("Reshape", lambda x: x.reshape(2, 4, 6, 5), {"reshape_param": {"shape": {"dim": [6, -1]}, "axis": 2}}),
    Row("Reshape", lambda x: x.reshape(2, 4, 5, 6, 1, 1), {"reshape_param": {"shape": {"dim": [1, 1]}, "axis": -1}}),
    Row("Reshape", lambda x: x.reshape(-1, 6), {"reshape_param": {"shape": {"dim": [-1, 6]}}}),
    Row("Flatten", lambda x: x.reshape(2, 20, 6), {"flatten_param": {"axis": 1, "end_axis": -2}}),
    Row("Flatten", lambda x: x.reshape(8, 5, 6), {"flatten_param": {"axis": 0, "end_axis": 1}}),
    Row("ArgMax", lambda x: np.float32([[[4], [1]], [[2], [7]]]), {"argmax_param": {"out_max_val": True}}, (), (np.float32([[1, 0, 0, 0, 1], [7, 0, 7, 6, 1]]),)),
    Row("Reduction", lambda x: np.abs(x).sum((2, 3)) * 2, {"reduction_param": {"operation": "ASUM", "axis": 2, "coeff": 2}}),
    Row("BatchReindex", lambda x, i: x[[1, 1, 0]], {}, (), (X, np.float32([1, 1, 0]))),
    Row("Crop", lambda x, z: x[:, :, 1:4, 2:6], {"crop_param": {"offset": [1, 2]}}, (), (X, normal(2, 4, 3, 4))),
    Row("Tile", lambda x: np.tile(x, (1, 1, 3, 1)), {"tile_param": {"axis": -2, "tiles": 3}}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_formula(tmp_path: Path, row: Row) -> None:
    names = ["x", "z", "w"][: len(row.inputs)]
    got = compute(
        tmp_path, dict(zip(names, row.inputs, strict=True)), layer(row.type, names, blobs=row.blobs, **row.parameters)
    )
    assert_same({"y": np.asarray(row.want(*row.inputs), np.float32)}, got)


def test_filter_keeps_the_selected_rows(tmp_path: Path) -> None:
    got = compute(tmp_path, {"x": X, "s": np.float32([0, 2])}, layer("Filter", ["x", "s"]))
    assert_same({"y": X[1:]}, got)


def test_of_equal_values_the_later_place_comes_first(tmp_path: Path) -> None:
    x = np.float32([[5, 1, 5, 0, 0], [0, 3, 0, 3, 3]])
    got = compute(tmp_path, {"x": x}, layer("ArgMax", argmax_param={"axis": 1, "top_k": 2}))
    np.testing.assert_array_equal(got["y"], [[2, 0], [4, 3]])


def test_a_convolution_of_two_bottoms_shares_its_weights(tmp_path: Path) -> None:
    w = normal(3, 4, 1, 1)
    conv = layer("Convolution", ["x", "z"], ["y", "v"], (w,), convolution_param={
        "num_output": 3, "kernel_size": [1], "bias_term": False})  # fmt: skip
    got = compute(tmp_path, {"x": X, "z": Z}, conv)
    assert_same(
        {"v": np.einsum("oc,nchw->nohw", w[..., 0, 0], Z), "y": np.einsum("oc,nchw->nohw", w[..., 0, 0], X)}, got
    )


@pytest.mark.parametrize("type_", ["ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv"])
def test_depthwise_convolutions_leave_the_group_out(tmp_path: Path, type_: str) -> None:
    w = normal(8, 1, 1, 1)
    p = {"num_output": 8, "kernel_size": [1], "bias_term": False}
    got = compute(tmp_path, {"x": X}, layer(type_, blobs=(w,), convolution_param=p))
    assert_same({"y": X.repeat(2, 1) * chan(w.reshape(-1))}, got)


def test_a_deconvolution_without_weights_is_filled_bilinearly(tmp_path: Path) -> None:
    p = {"num_output": 4, "group": 4, "kernel_size": [4], "stride": [2], "pad": [1], "bias_term": False,
         "weight_filler": {"type": "bilinear"}}  # fmt: skip
    model = net({"x": (2, 4, 5, 6)}, layer("Deconvolution", convolution_param=p))
    reading = read_net(tmp_path, model)
    assert [note.code for note in reading.notes] == ["filled-weights"]
    line = np.float32([0.25, 0.75, 0.75, 0.25])
    filled = next(v for v in reading.model.graph.initializers.values() if v.name == "deconvolution_y.weight")
    np.testing.assert_allclose(filled.const_value.numpy()[2, 0], np.outer(line, line))
    assert run(reading.model, {"x": X})["y"].shape == (2, 4, 10, 12)


def test_batch_norm_and_the_scale_behind_it_become_one_node(tmp_path: Path) -> None:
    norm = layer("BatchNorm", top="b", name="bn1", blobs=(MEAN, VARIANCE, FACTOR))
    scale = layer("Scale", "b", "b", name="scale1", blobs=(A, B), scale_param={"bias_term": True})
    reading = read_net(tmp_path, net({"x": X.shape}, norm, scale, layer("ReLU", "b", "y")))
    assert [node.op_type for node in reading.model.graph] == ["BatchNormalization", "Relu"]
    node = reading.model.graph[0]
    assert node.metadata_props["onnxhub.layer"] == "bn1" and node.metadata_props[MERGED] == "scale1"
    assert {"scale1.weight", "scale1.bias", "bn1.mean", "bn1.variance"} == set(reading.model.graph.initializers)
    want = bn(X, MEAN / 2.5, VARIANCE / 2.5) * chan(A) + chan(B)
    assert_same({"y": np.maximum(want, 0)}, run(reading.model, {"x": X}))


def test_a_batch_norm_that_is_read_twice_keeps_its_own_value(tmp_path: Path) -> None:
    norm = layer("BatchNorm", top="b", blobs=(MEAN, VARIANCE, FACTOR))
    scale = layer("Scale", "b", "s", blobs=(A,))
    got = compute(tmp_path, {"x": X}, norm, scale, layer("AbsVal", "b", "a"))
    normal_ = bn(X, MEAN / 2.5, VARIANCE / 2.5)
    assert_same({"a": np.abs(normal_), "s": normal_ * chan(A)}, got)


def test_a_batch_norm_that_is_an_output_keeps_its_own_value(tmp_path: Path) -> None:
    norm = layer("BatchNorm", top="b", blobs=(MEAN, VARIANCE, FACTOR))
    got = compute(tmp_path, {"x": X}, norm, layer("Scale", "b", "s", blobs=(A,)), outputs=["b", "s"])
    normal_ = bn(X, MEAN / 2.5, VARIANCE / 2.5)
    assert_same({"b": normal_, "s": normal_ * chan(A)}, got)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (layer("Convolution", convolution_param={"num_output": 4, "kernel_size": [9]}), "does not fit a side of 5"),
        (layer("Convolution", convolution_param={"num_output": 4, "kernel_size": [1], "group": 3}), "3 groups"),
        (layer("Convolution", convolution_param={"num_output": 4}), "kernel, stride and dilation must be given"),
        (layer("Convolution", convolution_param={"kernel_size": [1, 1, 1]}), "given 3 times for 2 spatial axes"),
        (layer("Softmax", softmax_param={"axis": 4}), "axis 4 does not exist"),
        (layer("Slice", top=["y", "z", "w"]), "4 cannot be cut into 3"),
        (layer("Slice", top=["y", "z"], slice_param={"slice_point": [9]}), "do not cut"),
        (layer("Reshape", reshape_param={"shape": {"dim": [0, 7]}}), "does not hold"),
        (layer("Reshape", reshape_param={"shape": {"dim": [-1, -1]}}), "one -1"),
        (layer("Permute", permute_param={"order": [0, 0]}), "order"),
        (layer("Eltwise", ["x"]), "two or more bottoms"),
        (layer("Crop", ["x", "x"], crop_param={"offset": [9, 9]}), "reach beyond"),
        (layer("ArgMax", argmax_param={"top_k": 500}), "do not exist"),
        (layer("ReLU", ["x", "x"]), "2 bottoms"),
        (layer("ReLU", top=["y", "z"]), "2 tops"),
        (layer("LRN", lrn_param={"local_size": 4}), "not odd"),
        (layer("Concat", ["x", "x"], concat_param={"axis": 1, "concat_dim": 1}), "both axis and concat_dim"),
        (layer("Exp", exp_param={"base": -3}), "neither positive"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)  # fmt: skip
def test_what_caffe_would_refuse_is_refused_with_the_layers_name(
    tmp_path: Path, entry: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MalformedModel, match=reason) as caught:
        read_net(tmp_path, net({"x": X.shape}, entry))
    assert caught.value.layer == entry["name"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (layer("Python", python_param={"module": "m", "layer": "l"}), "user's own code"),
        (layer("InnerProduct", inner_product_param={"num_output": 1, "axis": 0}), "whole batch"),
        (layer("BN", blobs=(A, A, A)), "3 blobs"),
        (layer("BatchNorm", blobs=(A,) * 5), "5 blobs"),
        (layer("Upsample"), "fork's variant"),
        (layer("Resize"), "how they place pixels"),
        (layer("Proposal", ["x", "x", "x"]), "anchors"),
        (layer("Frobnicate"), "does not know this layer type"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else None,
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_the_reason(tmp_path: Path, entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsupportedOperators, match=reason):
        read_net(tmp_path, net({"x": X.shape}, entry))
