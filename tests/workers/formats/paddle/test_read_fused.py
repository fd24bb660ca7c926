"""Layers that inference passes fuse and that Paddle runs on CUDA alone, against what they stand for, by numpy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, run
from tests.workers.formats.paddle.programs import Array, op, program, read_files, save

RNG = np.random.default_rng(5)


def normal(*shape: int) -> Array:
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def softmax(x: Array) -> Array:
    e: Array = np.exp(x - x.max(-1, keepdims=True))
    result: Array = e / e.sum(-1, keepdims=True)
    return result


def layer_norm(x: Array, scale: Array, bias: Array) -> Array:
    centred: Array = x - x.mean(-1, keepdims=True)
    result: Array = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale + bias
    return result


def check(
    folder: Path, layer: dict[str, Any], inputs: Mapping[str, Array], params: Mapping[str, Array], want: Array
) -> None:
    kinds = {name: (array.dtype.name, [-1, *array.shape[1:]]) for name, array in inputs.items()}
    reading = read_files(*save(folder, program(kinds, [layer], ["y"], params), params))
    assert_same({"y": want.astype(np.float32)}, run(reading.model, inputs))


def test_multihead_matmul(tmp_path: Path) -> None:
    x, w, b, mask = normal(2, 5, 8), normal(8, 3, 2, 4), normal(3, 2, 4), normal(2, 2, 5, 5)
    q, k, v = (np.einsum("nsh,hcd->ncsd", x, w[:, i]) + b[i][None, :, None] for i in range(3))
    mixed = softmax(q @ k.transpose(0, 1, 3, 2) * 0.5 + mask) @ v
    layer = op(
        "multihead_matmul", {"Input": "x", "W": "w", "Bias": "b", "BiasQK": "m"}, {"Out": "y"}, alpha=0.5, head_number=2
    )
    check(tmp_path, layer, {"x": x, "m": mask}, {"w": w, "b": b}, mixed.transpose(0, 2, 1, 3).reshape(2, 5, 8))


@pytest.mark.parametrize("causal", [False, True])
def test_flash_attention(causal: bool, tmp_path: Path) -> None:
    q, k, v = normal(2, 5, 4, 3), normal(2, 5, 2, 3), normal(2, 5, 2, 3)
    qt, kt, vt = (np.repeat(a, 4 // a.shape[2], 2).transpose(0, 2, 1, 3) for a in (q, k, v))
    scores = qt @ kt.transpose(0, 1, 3, 2) / np.sqrt(3)
    scores = np.where(np.tril(np.ones((5, 5), bool)), scores, -np.inf) if causal else scores
    layer = op("flash_attn", {"Q": "q", "K": "k", "V": "v"}, {"Out": "y"}, causal=causal)
    check(tmp_path, layer, {"q": q, "k": k, "v": v}, {}, (softmax(scores) @ vt).transpose(0, 2, 1, 3))


def test_skip_layernorm(tmp_path: Path) -> None:
    x, y, scale, bias = normal(2, 5, 8), normal(2, 5, 8), normal(8), normal(8)
    layer = op("skip_layernorm", {"X": "x", "Y": "z", "Scale": "s", "Bias": "b"}, {"Out": "y"}, begin_norm_axis=2)
    check(tmp_path, layer, {"x": x, "z": y}, {"s": scale, "b": bias}, layer_norm(x + y, scale, bias))


def test_fused_fc_elementwise_layernorm(tmp_path: Path) -> None:
    x, y, w = normal(2, 4), normal(2, 3), normal(4, 3)
    params = {"w": w, "b0": normal(3), "s": normal(3), "b1": normal(3)}
    layer = op(
        "fused_fc_elementwise_layernorm",
        {"X": "x", "W": "w", "Y": "z", "Bias0": "b0", "Scale": "s", "Bias1": "b1"},
        {"Out": "y"},
        x_num_col_dims=1,
        begin_norm_axis=1,
    )
    check(tmp_path, layer, {"x": x, "z": y}, params, layer_norm(x @ w + params["b0"] + y, params["s"], params["b1"]))


def test_fused_embedding_eltwise_layernorm(tmp_path: Path) -> None:
    ids = [RNG.integers(0, 6, (2, 5)) for _ in range(2)]
    params = {"e0": normal(6, 8), "e1": normal(6, 8), "s": normal(8), "b": normal(8)}
    layer = op(
        "fused_embedding_eltwise_layernorm",
        {"Ids": ["i", "j"], "Embs": ["e0", "e1"], "Scale": "s", "Bias": "b"},
        {"Out": "y"},
        epsilon=1e-5,
    )
    want = layer_norm(params["e0"][ids[0]] + params["e1"][ids[1]], params["s"], params["b"])
    check(tmp_path, layer, {"i": ids[0], "j": ids[1]}, params, want)


def test_convolution_with_bias_sum_and_activation(tmp_path: Path) -> None:
    x, w, b, r = normal(2, 3, 4, 4), normal(5, 3, 1, 1), normal(5), normal(2, 5, 4, 4)
    layer = op(
        "conv2d_fusion",
        {"Input": "x", "Filter": "w", "Bias": "b", "ResidualData": "r"},
        {"Output": "y"},
        activation="relu",
        strides=[1, 1],
        paddings=[0, 0],
        dilations=[1, 1],
        groups=1,
    )
    want = np.maximum(np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0]) + b[None, :, None, None] + r, 0)
    check(tmp_path, layer, {"x": x, "r": r}, {"w": w, "b": b}, want)


def test_fused_softmax_mask(tmp_path: Path) -> None:
    x, mask = normal(2, 3, 4, 4), normal(2, 1, 4, 4)
    check(
        tmp_path,
        op("fused_softmax_mask", {"X": "x", "Mask": "m"}, {"Out": "y"}),
        {"x": x, "m": mask},
        {},
        softmax(x + mask),
    )
    want = softmax(np.where(np.tril(np.ones((4, 4), bool)), x, -np.inf))
    check(tmp_path, op("fused_softmax_mask_upper_triangle", {"X": "x"}, {"Out": "y"}), {"x": x}, {}, want)


@pytest.mark.parametrize("before", [False, True])
def test_fused_attention_and_feedforward(before: bool, tmp_path: Path) -> None:
    x, w, b = normal(2, 5, 8), normal(3, 2, 4, 8), normal(3, 2, 4)
    params = {"w": w, "b": b, "o": normal(8, 8), "ob": normal(8), "s": normal(8), "sb": normal(8)}
    inner = layer_norm(x, params["s"], params["sb"]) if before else x
    q, k, v = (np.einsum("nsh,cdh->ncsd", inner, w[i]) + b[i][None, :, None] for i in range(3))
    mixed = (softmax(q @ k.transpose(0, 1, 3, 2) / 2) @ v).transpose(0, 2, 1, 3).reshape(2, 5, 8)
    want = mixed @ params["o"] + params["ob"] + x
    norm = {"LnScale": "s", "LnBias": "sb"} if before else {"Ln2Scale": "s", "Ln2Bias": "sb"}
    layer = op(
        "fused_attention",
        {"X": "x", "QKVW": "w", "QKVBias": "b", "OutLinearW": "o", "OutLinearBias": "ob", **norm},
        {"Y": "y"},
        pre_layer_norm=before,
    )
    check(tmp_path, layer, {"x": x}, params, want if before else layer_norm(want, params["s"], params["sb"]))
    dense = {"w1": normal(8, 6), "b1": normal(6), "w2": normal(6, 8), "b2": normal(8), "s": normal(8), "sb": normal(8)}
    inner = layer_norm(x, dense["s"], dense["sb"]) if before else x
    want = np.maximum(inner @ dense["w1"] + dense["b1"], 0) @ dense["w2"] + dense["b2"] + x
    norm = {"Ln1Scale": "s", "Ln1Bias": "sb"} if before else {"Ln2Scale": "s", "Ln2Bias": "sb"}
    layer = op(
        "fused_feedforward",
        {"X": "x", "Linear1Weight": "w1", "Linear1Bias": "b1", "Linear2Weight": "w2", "Linear2Bias": "b2", **norm},
        {"Out": "y"},
        pre_layer_norm=before,
        act_method="relu",
    )
    check(tmp_path, layer, {"x": x}, dense, want if before else layer_norm(want, dense["s"], dense["sb"]))


def test_rest_of_the_fused_layers(tmp_path: Path) -> None:
    x, y, w = normal(2, 4), normal(2, 4), normal(4, 3)
    check(
        tmp_path,
        op("fused_elementwise_add", {"X": "x", "Y": "z"}, {"Out": "y"}, fuse_activation="relu"),
        {"x": x, "z": y},
        {},
        np.maximum(x + y, 0),
    )
    check(
        tmp_path,
        op("fused_dropout_add", {"X": "x", "Y": "z"}, {"Out": "y"}, dropout_prob=0.25),
        {"x": x, "z": y},
        {},
        x * 0.75 + y,
    )
    check(
        tmp_path,
        op("gemm_epilogue", {"Input": "x", "W": "w"}, {"Out": "y"}, in_num_col_dims=1),
        {"x": x},
        {"w": w},
        x @ w,
    )
    check(tmp_path, op("linear_v2", {"Input": "x", "Weight": "w"}, {"Out": "y"}), {"x": x}, {"w": w}, x @ w)
    check(
        tmp_path,
        op("rms_norm", {"X": "x"}, {"Y": "y"}, epsilon=1e-5),
        {"x": x},
        {},
        x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5),
    )
    check(tmp_path, op("trunc_divide", {"X": "x", "Y": "z"}, {"Out": "y"}), {"x": x, "z": y}, {}, np.trunc(x / y))
    check(tmp_path, op("variance", {"X": "x"}, {"Out": "y"}, dim=[1]), {"x": x}, {}, x.var(1))
    check(tmp_path, op("max_with_index", {"X": "x"}, {"Out": "y", "Indices": "i"}, dim=1), {"x": x}, {}, x.max(1))
    params = {"s": normal(4), "b": normal(4)}
    layer = op(
        "fused_bias_dropout_residual_layer_norm",
        {"X": "x", "Residual": "z", "LnScale": "s", "LnBias": "b"},
        {"Y": "y"},
        dropout_rate=0.5,
        ln_epsilon=1e-5,
    )
    check(tmp_path, layer, {"x": x, "z": y}, params, layer_norm(x * 0.5 + y, params["s"], params["b"]))
    pictures = [normal(2, 3, 2, 2), normal(2, 5, 2, 2)]
    layer = op(
        "fusion_transpose_flatten_concat",
        {"X": ["p", "q"]},
        {"Out": "y"},
        trans_axis=[0, 2, 3, 1],
        flatten_axis=1,
        concat_axis=1,
    )
    want = np.concatenate([p.transpose(0, 2, 3, 1).reshape(2, -1) for p in pictures], 1)
    check(tmp_path, layer, {"p": pictures[0], "q": pictures[1]}, {}, want)


def test_levels_are_collected_by_score(tmp_path: Path) -> None:
    boxes, scores = [normal(3, 4), normal(4, 4)], [normal(3, 1), normal(4, 1)]
    order = np.argsort(-np.concatenate(scores)[:, 0])[:5]
    layer = op(
        "collect_fpn_proposals",
        {"MultiLevelRois": ["a", "b"], "MultiLevelScores": ["s", "t"]},
        {"FpnRois": "y"},
        post_nms_topN=5,
    )
    check(
        tmp_path,
        layer,
        {"a": boxes[0], "b": boxes[1], "s": scores[0], "t": scores[1]},
        {},
        np.concatenate(boxes)[order],
    )


def test_random_layers_draw_in_their_range(tmp_path: Path) -> None:
    layer = op("uniform_random", {}, {"Out": "r"}, shape=[3, 50], min=2.0, max=3.0, dtype=5)
    add = op("elementwise_add", {"X": "r", "Y": "x"}, {"Out": "y"})
    reading = read_files(*save(tmp_path, program({"x": ("float32", [3, 50])}, [layer, add], ["y"])))
    assert [note.code for note in reading.notes] == ["random-output"]
    drawn = run(reading.model, {"x": np.zeros((3, 50), np.float32)})["y"]
    assert 2 <= drawn.min() < drawn.max() <= 3
