"""Hub models of one suspect layer between two innocent ones, and the one thing that a faulty writer changes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.hub.graph import GraphBuilder, Value

RNG = np.random.default_rng(7)
Layer = Callable[[GraphBuilder, Value], Value]


@dataclass(frozen=True, slots=True)
class Mutation:
    """``layer`` makes the suspect from an input of ``shape``; its ``attribute`` gets ``value``.

    A callable ``value`` changes the constant input number ``attribute`` instead.
    """

    name: str
    shape: Sequence[int]
    layer: Layer
    attribute: str | int
    value: Any


def w(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


IMAGE = (1, 4, 8, 8)
CONV = w(4, 4, 3, 3)
UP = w(4, 2, 3, 3)
SQUARE = w(6, 6)
SCALE, BIAS, MEAN, VARIANCE = w(4), w(4), w(4), np.abs(w(4)) * 0.01
LSTM_W, LSTM_R, GRU_W, GRU_R, RNN_W, RNN_R = (
    w(1, 20, 3), w(1, 20, 5), w(1, 15, 3), w(1, 15, 5), w(1, 5, 3), w(1, 5, 5),
)  # fmt: skip
GRU_B = w(1, 30)
GRID = RNG.uniform(-1.2, 1.2, (1, 5, 5, 2)).astype(np.float32)
SEQUENCE = (4, 2, 3)


def conv(g: GraphBuilder, x: Value) -> Value:
    return g.Conv(x, CONV, pads=[1, 1, 1, 1], strides=[1, 2], dilations=[1, 1], kernel_shape=[3, 3])


def transposed(g: GraphBuilder, x: Value) -> Value:
    return g.ConvTranspose(x, UP, group=2, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0])


def batch_norm(g: GraphBuilder, x: Value) -> Value:
    return g.BatchNormalization(x, SCALE, BIAS, MEAN, VARIANCE, epsilon=1e-5)


def lrn(g: GraphBuilder, x: Value) -> Value:
    return g.LRN(x, size=3, alpha=0.5, beta=0.75, bias=1.0)


def gemm(g: GraphBuilder, x: Value) -> Value:
    return g.Gemm(x, SQUARE, w(6), alpha=0.5, beta=2.0, transA=0, transB=1)


def lstm(g: GraphBuilder, x: Value) -> Value:
    return g.ops("LSTM", x, LSTM_W, LSTM_R, outputs=1, hidden_size=5, direction="forward", clip=0.3,
                 activations=["Sigmoid", "Tanh", "Tanh"])[0]  # fmt: skip


def gru(g: GraphBuilder, x: Value) -> Value:
    return g.ops("GRU", x, GRU_W, GRU_R, GRU_B, outputs=1, hidden_size=5, linear_before_reset=1)[0]


def rnn(g: GraphBuilder, x: Value) -> Value:
    return g.ops("RNN", x, RNN_W, RNN_R, outputs=1, hidden_size=5, activations=["Tanh"])[0]


def resize(**attributes: Any) -> Layer:
    return lambda g, x: g.Resize(x, None, None, [1, 4, 13, 5], **attributes)


def op(name: str, *inputs: Any, **attributes: Any) -> Layer:
    return lambda g, x: g.op(name, x, *inputs, **attributes)


def swapped_gates(array: Any) -> Any:
    """Input and forget gates in the other order."""
    i, o, f, c = np.split(array, 4, axis=1)
    return np.concatenate([f, o, i, c], axis=1)


NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}

MUTATIONS: Sequence[Mutation] = (
    Mutation("conv-pads", IMAGE, conv, "pads", [2, 1, 0, 1]),
    Mutation("conv-strides", IMAGE, conv, "strides", [2, 1]),
    Mutation("conv-dilations", IMAGE, conv, "dilations", [2, 1]),
    Mutation("conv-weights-transposed", IMAGE, conv, 1, lambda array: array.transpose(0, 1, 3, 2)),
    Mutation("transposed-group", IMAGE, transposed, "group", 1),
    Mutation("transposed-output-padding", IMAGE, transposed, "output_padding", [0, 1]),
    Mutation("batch-norm-eps", IMAGE, batch_norm, "epsilon", 1e-3),
    Mutation("instance-norm-eps", IMAGE, op("InstanceNormalization", SCALE, BIAS, epsilon=1e-5), "epsilon", 1e-1),
    Mutation("layer-norm-eps", (2, 3, 6), op("LayerNormalization", w(6), w(6), epsilon=1e-5), "epsilon", 1e-1),
    Mutation("group-norm-groups", IMAGE, op("GroupNormalization", SCALE, BIAS, num_groups=2), "num_groups", 4),
    Mutation("lrn-alpha", IMAGE, lrn, "alpha", 5.0),
    Mutation("lrn-beta", IMAGE, lrn, "beta", 0.5),
    Mutation("lrn-bias", IMAGE, lrn, "bias", 2.0),
    Mutation("lrn-size", IMAGE, lrn, "size", 5),
    Mutation("softmax-axis", (2, 4, 4), op("Softmax", axis=-1), "axis", 1),
    Mutation("leaky-relu-alpha", IMAGE, op("LeakyRelu", alpha=0.01), "alpha", 0.1),
    Mutation("elu-alpha", IMAGE, op("Elu", alpha=1.0), "alpha", 0.5),
    Mutation("selu-gamma", IMAGE, op("Selu"), "gamma", 1.0),
    Mutation("hard-sigmoid-alpha", IMAGE, op("HardSigmoid", alpha=0.2), "alpha", 1 / 6),
    Mutation("thresholded-relu-alpha", IMAGE, op("ThresholdedRelu", alpha=1.0), "alpha", 0.1),
    Mutation("gelu-approximate", IMAGE, op("Gelu", approximate="none"), "approximate", "tanh"),
    Mutation("transpose-perm", (1, 4, 4, 4), op("Transpose", perm=[0, 2, 3, 1]), "perm", [0, 3, 1, 2]),
    Mutation("gemm-alpha", (6, 6), gemm, "alpha", 1.0),
    Mutation("gemm-beta", (6, 6), gemm, "beta", 1.0),
    Mutation("gemm-transA", (6, 6), gemm, "transA", 1),
    Mutation("gemm-transB", (6, 6), gemm, "transB", 0),
    Mutation("reduce-keepdims", (2, 3, 4), op("ReduceMean", [1], keepdims=1), "keepdims", 0),
    Mutation("reduce-axes", (3, 3, 3), op("ReduceMax", [1], keepdims=1), 1, lambda array: array + 1),
    Mutation("cumsum-exclusive", (2, 5), op("CumSum", np.asarray(1), exclusive=0), "exclusive", 1),
    Mutation("cumsum-reverse", (2, 5), op("CumSum", np.asarray(1), reverse=0), "reverse", 1),
    Mutation("resize-mode", IMAGE, resize(**NEAREST), "mode", "linear"),
    Mutation("resize-coordinates", IMAGE, resize(**LINEAR), "coordinate_transformation_mode", "align_corners"),
    Mutation("resize-nearest-mode", IMAGE, resize(**NEAREST), "nearest_mode", "ceil"),
    Mutation("max-pool-ceil-mode", (1, 2, 8, 8), op("MaxPool", **POOL | {"ceil_mode": 1}), "ceil_mode", 0),
    Mutation("average-pool-include-pad", IMAGE, op("AveragePool", **POOL), "count_include_pad", 1),
    Mutation("average-pool-kernel", IMAGE, op("AveragePool", **POOL), "kernel_shape", [2, 3]),
    Mutation("concat-axis", (2, 2), lambda g, x: g.Concat(x, g.Abs(x), axis=0), "axis", 1),
    Mutation("gather-axis", (3, 3), op("Gather", [2, 0, 1], axis=0), "axis", 1),
    Mutation("flatten-axis", (2, 3, 4), op("Flatten", axis=1), "axis", 2),
    Mutation("depth-to-space-mode", (1, 8, 2, 2), op("DepthToSpace", blocksize=2, mode="DCR"), "mode", "CRD"),
    Mutation("pad-mode", (2, 5), op("Pad", [0, 1, 0, 2], mode="reflect"), "mode", "edge"),
    Mutation("pad-sizes", (2, 5), op("Pad", [0, 1, 0, 2]), 1, lambda array: array[::-1]),
    Mutation("clip-maximum", IMAGE, op("Clip", np.float32(0), np.float32(0.4)), 2, lambda array: array / 2),
    Mutation("trilu-upper", (4, 4), op("Trilu", upper=1), "upper", 0),
    Mutation("topk-largest", (2, 6), lambda g, x: g.ops("TopK", x, [3], outputs=2, largest=1)[0], "largest", 0),
    Mutation("einsum-equation", (3, 3), op("Einsum", w(3, 3), equation="ij,jk->ik"), "equation", "ij,kj->ik"),
    Mutation("grid-align-corners", IMAGE, op("GridSample", GRID, align_corners=0), "align_corners", 1),
    Mutation("grid-padding-mode", IMAGE, op("GridSample", GRID, padding_mode="zeros"), "padding_mode", "border"),
    Mutation("lp-norm-p", (2, 6), op("LpNormalization", axis=-1, p=2), "p", 1),
    Mutation("lstm-gate-order", SEQUENCE, lstm, 1, swapped_gates),
    Mutation("lstm-direction", SEQUENCE, lstm, "direction", "reverse"),
    Mutation("lstm-clip", SEQUENCE, lstm, "clip", 10.0),
    Mutation("lstm-activations", SEQUENCE, lstm, "activations", ["Sigmoid", "Relu", "Tanh"]),
    Mutation("gru-linear-before-reset", SEQUENCE, gru, "linear_before_reset", 0),
    Mutation("rnn-activations", SEQUENCE, rnn, "activations", ["Relu"]),
)
