"""What the writer makes of every operator, form by form."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.workers.formats.caffe.write_cases import Wanted
from workers.hub.graph import GraphBuilder, Value

B = "batch"
X4, X3, X2 = [B, 3, 4, 5], [B, 4, 6], [B, 6]
RNG = np.random.default_rng(5)


def weight(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def op(name: str, *rest: Any, **attributes: Any) -> Any:
    return lambda g, *xs: g.op(name, *xs, *rest, **attributes)


def const(number: float) -> Any:
    return np.float32(number)


ACTIVATION = (
    Wanted("relu", [X4], op("Relu"), "ReLU"),
    Wanted("leaky", [X4], op("LeakyRelu", alpha=0.2), "ReLU"),
    Wanted("prelu", [X4], op("PRelu", weight(3, 1, 1)), "PReLU"),
    Wanted("prelu_one", [X4], op("PRelu", const(0.3)), "ReLU"),
    Wanted("elu", [X4], op("Elu", alpha=0.7), "ELU"),
    Wanted("sigmoid", [X4], op("Sigmoid"), "Sigmoid"),
    Wanted("tanh", [X2], op("Tanh"), "TanH"),
    Wanted("abs", [X2], op("Abs"), "AbsVal"),
    Wanted("exp", [X2], op("Exp"), "Exp"),
    Wanted("log", [X2], op("Log"), "Log", low=0.1),
    Wanted("softplus", [X2], op("Softplus"), "BNLL"),
    Wanted("clip", [X4], op("Clip", const(-0.5), const(0.75)), "Clip"),
    Wanted("clip6", [X4], op("Clip", const(0), const(6)), "Clip", high=9),
    Wanted("clip_low", [X4], op("Clip", const(0.5)), "Power ReLU Power"),
    Wanted("clip_high", [X4], op("Clip", None, const(0.5)), "Power ReLU Power"),
    Wanted("clip_far", [X4], op("Clip", None, const(100)), "Clip"),
    Wanted("clip_zero", [X4], op("Clip", const(0)), "ReLU"),
    Wanted("hard_sigmoid", [X4], op("HardSigmoid", alpha=0.2, beta=0.5), "Power Clip", low=-4, high=4),
    Wanted("hard_swish", [X4], op("HardSwish"), "Power Clip Eltwise", low=-5, high=5),
    Wanted("swish", [X4], lambda g, x: g.Mul(x, g.Sigmoid(x)), "Swish"),
    Wanted(
        "swish_beta", [X4], lambda g, x: g.Mul(x, g.Sigmoid(g.Mul(x, const(1.5)))), "Power Sigmoid Eltwise",
    ),
    Wanted("mish", [X2], op("Mish"), "BNLL TanH Eltwise"),
    Wanted("selu", [X2], op("Selu"), "ELU Power"),
    Wanted("celu", [X2], op("Celu", alpha=1.5), "Power ELU Power"),
    Wanted("softsign", [X2], op("Softsign"), "AbsVal Power Eltwise"),
    Wanted("gelu_tanh", [X2], op("Gelu", approximate="tanh"), "Power Eltwise Eltwise Power TanH Power Power Eltwise"),
    Wanted("softmax", [X2], op("Softmax", axis=1), "Softmax"),
    Wanted("softmax_last", [X4], op("Softmax", axis=-1), "Softmax"),
    Wanted("log_softmax", [X2], op("LogSoftmax", axis=1), "Reshape Pooling Flatten Power Reshape Bias Exp ..."),
    Wanted("sqrt", [X2], op("Sqrt"), "Power", low=0.0),
    Wanted("reciprocal", [X2], op("Reciprocal"), "Power", low=0.5),
    Wanted("cube", [X2], op("Pow", const(3)), "Power"),
    Wanted("square", [X2], lambda g, x: g.Mul(x, x), "Power"),
    Wanted("neg", [X2], op("Neg"), "Power"),
    Wanted("power", [X2], lambda g, x: g.Pow(g.Add(g.Mul(x, const(0.5)), const(3)), const(1.5)), "Power"),
    Wanted("relu6_twice", [X2], lambda g, x: g.Min(g.Max(x, const(-1)), const(1)), "Clip"),
    Wanted(
        "threshold", [X4], lambda g, x: g.Cast(g.Greater(x, const(0.1)), to=1), "Threshold",
        opencv="no layer type Threshold",
    ),
    Wanted(
        "thresholded", [X2], op("ThresholdedRelu", alpha=0.4), "Threshold Eltwise", opencv="no layer type Threshold",
    ),
)  # fmt: skip
ELEMENTWISE = (
    Wanted("add", [X4, X4], op("Add"), "Eltwise"),
    Wanted("sub", [X4, X4], op("Sub"), "Eltwise"),
    Wanted("mul", [X4, X4], op("Mul"), "Eltwise"),
    Wanted("div", [X4, X4], op("Div"), "Power Eltwise", low=0.5),
    Wanted("max", [X4, X4], op("Max"), "Eltwise"),
    Wanted("min", [X4, X4], op("Min"), "Power Power Eltwise Power"),
    Wanted("sum", [X4, X4, X4], op("Sum"), "Eltwise"),
    Wanted("mean", [X4, X4, X4], op("Mean"), "Eltwise Power"),
    Wanted(
        "weighted", [X4, X4, X4],
        lambda g, a, b, c: g.Add(g.Sub(a, g.Mul(b, const(0.5))), g.Mul(c, const(2))), "Eltwise",
    ),
    Wanted("product", [X4, X4, X4], lambda g, a, b, c: g.Mul(g.Mul(a, b), c), "Eltwise"),
    Wanted("add_number", [X4], op("Add", const(2)), "Power"),
    Wanted("number_minus", [X4], lambda g, x: g.Sub(const(1), x), "Power"),
    Wanted("div_number", [X4], op("Div", const(3)), "Power"),
    Wanted("affine", [X4], lambda g, x: g.Add(g.Mul(x, const(2)), const(1)), "Power"),
    Wanted("mul_channels", [X4], op("Mul", weight(3, 1, 1)), "Scale"),
    Wanted("add_channels", [X4], op("Add", weight(3, 1, 1)), "Scale"),
    Wanted("sub_channels", [X4], op("Sub", weight(3, 1, 1)), "Scale"),
    Wanted("scale", [X4], lambda g, x: g.Add(g.Mul(x, weight(3, 1, 1)), weight(3, 1, 1)), "Scale"),
    Wanted("scale_number", [X4], lambda g, x: g.Add(g.Mul(x, weight(3, 1, 1)), const(2)), "Scale"),
    Wanted("mul_plane", [X4], op("Mul", weight(4, 5)), "Scale"),
    Wanted("add_block", [X4], op("Add", weight(3, 4, 5)), "Scale"),
    Wanted("mul_inner_one", [X4], op("Mul", weight(3, 1, 5)), "Scale"),
    Wanted("mul_features", [X2], op("Mul", weight(6)), "Scale"),
    Wanted("gate", [X4, [B, 3, 1, 1]], op("Mul"), "Reshape Scale"),
    Wanted("gate_vector", [X4, [B, 3]], lambda g, x, v: g.Mul(x, g.Unsqueeze(v, [2, 3])), "Reshape Reshape Scale"),
    Wanted("add_gate", [X4, [B, 3, 1, 1]], op("Add"), "Reshape Bias"),
    Wanted("attention", [X4, [B, 1, 4, 5]], op("Mul"), "Tile Eltwise"),
    Wanted("minus_row", [[B, 3], [B, 1]], op("Sub"), "Power Reshape Bias"),
)  # fmt: skip


def gemm(build: Any = None, **attributes: Any) -> Any:
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | attributes
    w = weight(5, 60) if plain["transB"] else weight(60, 5)

    def make(g: GraphBuilder, x: Value) -> Value:
        return g.Gemm(build(g, x) if build else x, w, weight(5), **plain)

    return make


LINEAR = (
    Wanted("gemm", [[B, 60]], gemm(transB=1), "InnerProduct"),
    Wanted("gemm_plain", [[B, 60]], gemm(), "InnerProduct"),
    Wanted("gemm_scaled", [[B, 60]], gemm(alpha=0.5, beta=2.0), "InnerProduct"),
    Wanted("gemm_flat", [X4], gemm(lambda g, x: g.Flatten(x), transB=1), "InnerProduct"),
    Wanted("gemm_reshaped", [X4], gemm(lambda g, x: g.Reshape(x, [0, -1]), transB=1), "InnerProduct"),
    Wanted("matmul", [X3], op("MatMul", weight(6, 5)), "InnerProduct"),
    Wanted("matmul_bias", [X3], lambda g, x: g.Add(g.MatMul(x, weight(6, 5)), weight(5)), "InnerProduct"),
    Wanted("matmul_left", [X3], lambda g, x: g.MatMul(weight(5, 4), x), "Permute InnerProduct Permute"),
    Wanted("matmul_vector", [X2], op("MatMul", weight(6)), "InnerProduct Reshape"),
    Wanted(
        "embed", [[B, 4]], lambda g, x: g.Gather(g.weight("table", weight(9, 5)), g.Cast(x, to=7)), "Embed", low=0,
        high=8, opencv="no layer type Embed",
    ),
    Wanted(
        "embed_bias", [[B, 4]],
        lambda g, x: g.Add(g.Gather(g.weight("table2", weight(9, 5)), g.Cast(x, to=7)), weight(5)), "Embed", low=0,
        high=8, opencv="no layer type Embed",
    ),
)  # fmt: skip


def conv(*shape: int, transposed: bool = False, bias: bool = True, **attributes: Any) -> Any:
    axes = len(shape) - 2
    plain = {"kernel_shape": shape[2:], "strides": [1] * axes, "dilations": [1] * axes, "pads": [0] * 2 * axes}
    outputs = shape[1] * attributes.get("group", 1) if transposed else shape[0]
    w, b = weight(*shape), weight(outputs) if bias else None
    return op("ConvTranspose" if transposed else "Conv", w, b, **(plain | attributes))


IMAGE = [B, 4, 9, 8]
CONVOLUTION = (
    Wanted("conv", [IMAGE], conv(6, 4, 3, 3, pads=[1] * 4), "Convolution"),
    Wanted("conv_free", [IMAGE], conv(6, 4, 3, 2, bias=False, strides=[2, 1]), "Convolution"),
    Wanted("conv_group", [IMAGE], conv(6, 2, 3, 3, group=2, strides=[2, 2]), "Convolution"),
    Wanted("conv_depthwise", [IMAGE], conv(4, 1, 3, 3, group=4, pads=[1] * 4), "Convolution"),
    Wanted("conv_dilated", [IMAGE], conv(6, 4, 3, 3, dilations=[2, 2], pads=[2] * 4), "Convolution"),
    Wanted("conv_dilated_two", [IMAGE], conv(6, 4, 3, 3, dilations=[2, 1], pads=[2, 1, 2, 1]), "Convolution"),
    Wanted("conv_same", [IMAGE], conv(6, 4, 3, 3, strides=[2, 2], pads=[0, 0, 1, 1]), "Convolution"),
    Wanted("conv_1d", [[B, 4, 9]], conv(6, 4, 3, pads=[1, 1]), "Reshape Convolution Reshape"),
    Wanted("conv_3d", [[B, 2, 5, 6, 7]], conv(4, 2, 3, 2, 3, pads=[1, 0, 1] * 2, strides=[2, 1, 1]), "Convolution"),
    Wanted("deconv", [IMAGE], conv(4, 3, 2, 2, transposed=True, strides=[2, 2]), "Deconvolution"),
    Wanted(
        "deconv_group", [IMAGE], conv(4, 2, 4, 4, transposed=True, group=2, strides=[2, 2], pads=[1] * 4),
        "Deconvolution",
    ),
    Wanted(
        "deconv_extra", [IMAGE],
        conv(4, 3, 3, 3, transposed=True, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]), "Deconvolution",
    ),
    Wanted("deconv_dilated", [IMAGE], conv(4, 3, 3, 3, transposed=True, dilations=[2, 2]), "Deconvolution"),
    Wanted(
        "deconv_1d", [[B, 4, 9]], conv(4, 3, 3, transposed=True, strides=[2]), "Reshape Deconvolution Reshape",
    ),
    Wanted("padded_conv", [IMAGE], lambda g, x: conv(6, 4, 3, 3)(g, g.Pad(x, [0, 0, 1, 1, 0, 0, 1, 1])), "Convolution"),
    Wanted("pad", [IMAGE], op("Pad", [0, 0, 1, 2, 0, 0, 1, 2]), "Convolution"),
    Wanted("pad_uneven", [IMAGE], op("Pad", [0, 0, 0, 2, 0, 0, 1, 1]), "Convolution"),
    Wanted(
        "pad_reflect", [IMAGE], op("Pad", [0, 0, 2, 1, 0, 0, 1, 1], mode="reflect"),
        "Permute InnerProduct Permute InnerProduct",
    ),
    Wanted("nearest", [IMAGE], op("Resize", None, np.float32([1, 1, 2, 3])), "Deconvolution"),
    Wanted(
        "bilinear", [IMAGE], op("Resize", None, np.float32([1, 1, 2, 1.5]), mode="linear"),
        "Permute InnerProduct Permute InnerProduct",
    ),
)  # fmt: skip
K32: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 2]}
K33: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}
POOLING = (
    Wanted("max", [IMAGE], op("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), "Pooling"),
    Wanted("max_floor", [IMAGE], op("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), "Pooling Slice"),
    Wanted("max_padded", [IMAGE], op("MaxPool", **K33, pads=[1] * 4), "Pooling Slice"),
    Wanted("max_same", [IMAGE], op("MaxPool", **K33, pads=[0, 0, 0, 1]), "Pooling"),
    Wanted("max_wide", [IMAGE], op("MaxPool", **K32, pads=[1, 0, 1, 0], ceil_mode=1), "Pooling"),
    Wanted("max_1d", [[B, 4, 9]], op("MaxPool", kernel_shape=[3], strides=[2], pads=[1, 1]), "Reshape Pooling Reshape"),
    Wanted(
        "max_3d", [[B, 2, 6, 5, 7]], op("MaxPool", kernel_shape=[2, 3, 3], strides=[2, 1, 2]),
        "Reshape Pooling Reshape Pooling Reshape",
    ),
    Wanted("mean", [IMAGE], op("AveragePool", kernel_shape=[3, 2], strides=[3, 2]), "Pooling"),
    Wanted("mean_counted", [IMAGE], op("AveragePool", **K33, pads=[1] * 4, count_include_pad=1), "Pooling Slice"),
    Wanted("mean_excluded", [IMAGE], op("AveragePool", **K33, pads=[1] * 4), "Pooling Slice Scale"),
    Wanted("mean_ceiling", [IMAGE], op("AveragePool", **K33, ceil_mode=1), "Pooling"),
    Wanted("mean_uneven", [IMAGE], op("AveragePool", **K33, pads=[0, 0, 1, 1], count_include_pad=1), "Pooling Scale"),
    Wanted(
        "mean_padded", [IMAGE],
        lambda g, x: g.AveragePool(g.Pad(x, [0, 0, 1, 1, 0, 0, 1, 1]), **K33, pads=[0, 0, 0, 1]), "Pooling",
    ),
    Wanted("global_mean", [IMAGE], op("GlobalAveragePool"), "Pooling"),
    Wanted("global_max", [IMAGE], op("GlobalMaxPool"), "Pooling"),
    Wanted("global_1d", [[B, 4, 9]], op("GlobalAveragePool"), "Reshape Pooling Reshape"),
    Wanted("global_3d", [[B, 2, 3, 4, 5]], op("GlobalMaxPool"), "Reshape Pooling Reshape"),
    Wanted("lp", [IMAGE], op("LpPool", kernel_shape=[3, 3], strides=[3, 1]), "Power Pooling Power"),
)  # fmt: skip


def norm(name: str, channels: int, count: int, **attributes: Any) -> Any:
    return op(name, *(abs(weight(channels)) + 0.1 for _ in range(count)), **attributes)


def local(g: GraphBuilder, x: Value) -> Value:
    around = g.AveragePool(g.Mul(x, x), kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, count_include_pad=1)
    return g.Mul(x, g.Pow(g.Add(g.Mul(around, const(2)), const(1)), const(-0.75)))


def standard(axes: list[int], eps: float) -> Any:
    def build(g: GraphBuilder, x: Value) -> Value:
        centred = g.Sub(x, g.ReduceMean(x, axes))
        return g.Div(centred, g.Add(g.Sqrt(g.ReduceMean(g.Mul(centred, centred), axes)), const(eps)))

    return build


def l2(axes: list[int], scale: Any) -> Any:
    return lambda g, x: g.Mul(g.Div(x, g.Sqrt(g.Add(g.ReduceSumSquare(x, axes), const(1e-10)))), scale)


def group(g: GraphBuilder, x: Value) -> Value:
    """Shape inference leaves this operator out; the normaliser's does not."""
    y = norm("GroupNormalization", 6, 2, num_groups=2, epsilon=0.01)(g, x)
    y.shape, y.type = x.shape, x.type
    return y


NORMALIZATION = (
    Wanted("bn", [X4], norm("BatchNormalization", 3, 4, epsilon=1e-3), "BatchNorm Scale"),
    Wanted("bn_flat", [X2], norm("BatchNormalization", 6, 4), "BatchNorm Scale"),
    Wanted(
        "bn_bare", [X4],
        op("BatchNormalization", np.ones(3, np.float32), np.zeros(3, np.float32), weight(3), weight(3) ** 2),
        "BatchNorm",
    ),
    Wanted("lrn", [[B, 7, 4, 5]], op("LRN", size=3, alpha=0.5, beta=0.6), "LRN"),
    Wanted("lrn_k", [[B, 7, 4, 5]], op("LRN", size=5, alpha=0.5, bias=2.0), "LRN"),
    Wanted("lrn_within", [X4], local, "LRN"),
    Wanted("mvn", [X4], standard([2, 3], 1e-9), "MVN"),
    Wanted("mvn_across", [X4], standard([1, 2, 3], 1e-9), "MVN"),
    Wanted("mvn_eps", [X4], standard([2, 3], 0.1), "MVN", opencv="adds eps under the root"),
    Wanted("mvn_mean", [X4], lambda g, x: g.Sub(x, g.ReduceMean(x, [2, 3])), "MVN"),
    Wanted("l2", [X4], l2([1], abs(weight(3, 1, 1))), "Normalize"),
    Wanted("l2_shared", [X4], l2([1], const(20)), "Normalize"),
    Wanted("l2_across", [X4], l2([1, 2, 3], abs(weight(3, 1, 1))), "Normalize Scale"),
    Wanted(
        "instance", [X4], norm("InstanceNormalization", 3, 2, epsilon=0.01),
        "MVN Power Pooling Power Reshape Scale Scale",
    ),
    Wanted("group", [[B, 6, 4, 5]], group, "Reshape MVN Power Pooling Power Reshape Scale Scale Reshape Scale"),
    Wanted(
        "layer", [[B, 4, 6]], norm("LayerNormalization", 6, 2, epsilon=0.01),
        "Reshape Pooling Reshape Power Reshape Bias ...",
    ),
)  # fmt: skip


def split_sum(g: GraphBuilder, x: Value) -> Value:
    first, second, _ = g.ops("Split", x, [2, 2, 3], outputs=3, axis=1)
    return g.Add(first, second)


def shuffle(g: GraphBuilder, x: Value) -> Value:
    return g.Reshape(g.Transpose(g.Reshape(x, [0, 2, 2, 9, 8]), perm=[0, 2, 1, 3, 4]), [0, 4, 9, 8])


SHAPE = (
    Wanted("reshape", [X4], op("Reshape", [0, 6, -1]), "Reshape"),
    Wanted("flat", [X4], op("Reshape", [0, -1]), "Flatten"),
    Wanted("flatten", [X4], op("Flatten", axis=1), "Flatten"),
    Wanted("flatten_two", [[B, 3, 4]], op("Flatten", axis=2), "Reshape"),
    Wanted("squeeze", [[B, 3, 1, 1]], op("Squeeze", [2, 3]), "Flatten"),
    Wanted("unsqueeze", [X3], op("Unsqueeze", [1]), "Reshape"),
    Wanted("transpose", [X4], op("Transpose", perm=[0, 2, 3, 1]), "Permute"),
    Wanted("concat", [X4, X4], op("Concat", axis=1), "Concat"),
    Wanted("concat_last", [X4, X4], op("Concat", axis=-1), "Concat"),
    Wanted("split", [[B, 7, 3]], split_sum, "Slice Eltwise"),
    Wanted("slice", [X4], op("Slice", [1], [3], [2]), "Slice"),
    Wanted("crop", [IMAGE], op("Slice", [2, 1], [7, 6], [2, 3]), "Slice Slice"),
    Wanted("stride", [X3], op("Slice", [0], [6], [2], [2]), "Slice Slice Slice Concat"),
    Wanted("tile", [X3], op("Tile", [1, 2, 3]), "Tile Tile"),
    Wanted("expand", [[B, 1, 4]], op("Expand", [1, 3, 1]), "Tile"),
    Wanted("depth_to_space", [[B, 8, 2, 3]], op("DepthToSpace", blocksize=2), "Reshape Permute Reshape"),
    Wanted("space_to_depth", [[B, 3, 4, 6]], op("SpaceToDepth", blocksize=2), "Reshape Permute Reshape"),
    Wanted("shuffle", [IMAGE], shuffle, "Reshape Permute Reshape"),
    Wanted("gather", [X3], op("Gather", [0, 1, 3, 5], axis=2), "Slice Slice Slice Concat"),
    Wanted("gather_one", [X3], op("Gather", np.asarray(2), axis=1), "Slice Flatten"),
    Wanted("filled", [X3], lambda g, x: g.Expand(const(3), g.Shape(x)), "Power"),
    Wanted(
        "argmax", [X4], lambda g, x: g.Cast(g.ArgMax(x, axis=1, select_last_index=1), to=1), "ArgMax",
        opencv="no layer type ArgMax",
    ),
)  # fmt: skip


def reduced(name: str, axes: list[int], keepdims: int = 0) -> Any:
    return op(name, axes, keepdims=keepdims)


REDUCTION = (
    Wanted("mean", [X4], reduced("ReduceMean", [2, 3], 1), "Pooling"),
    Wanted("mean_dropped", [X4], reduced("ReduceMean", [2, 3]), "Pooling Flatten"),
    Wanted("mean_channels", [X4], reduced("ReduceMean", [1], 1), "Reshape Pooling Reshape"),
    Wanted("sum", [X4], reduced("ReduceSum", [1, 2, 3]), "Reshape Pooling Reshape Power Reshape"),
    Wanted("max", [X4], reduced("ReduceMax", [1]), "Reshape Pooling Reshape"),
    Wanted("min", [X4], reduced("ReduceMin", [3]), "Power Reshape Pooling Reshape Power Reshape"),
    Wanted("l1", [X4], reduced("ReduceL1", [2]), "AbsVal Reshape Pooling Reshape Power Reshape"),
    Wanted("l2", [X4], reduced("ReduceL2", [1], 1), "Power Reshape Pooling Reshape Power Reshape"),
    Wanted("lse", [X2], reduced("ReduceLogSumExp", [1], 1), "Reshape Pooling Flatten Power Reshape Bias Exp ..."),
    Wanted("all", [[2, 3]], reduced("ReduceSum", [0, 1]), "Reduction", opencv="no layer type Reduction"),
)


def recurrent(name: str, gates: int, directions: int = 1, **attributes: Any) -> Any:
    weights = [weight(directions, gates * 3, 4), weight(directions, gates * 3, 3), weight(directions, 2 * gates * 3)]

    def build(g: GraphBuilder, x: Value) -> Value:
        count = 3 if name == "LSTM" else 2
        return g.ops(name, x, *weights, outputs=count, hidden_size=3, **attributes)[0]

    return build


SERIES = [5, B, 4]
RECURRENT = (
    Wanted("lstm", [SERIES], recurrent("LSTM", 4), "InnerProduct Slice Reshape ..."),
    Wanted("lstm_both", [SERIES], recurrent("LSTM", 4, 2, direction="bidirectional"), "InnerProduct Slice Reshape ..."),
    Wanted("gru", [SERIES], recurrent("GRU", 3), "InnerProduct Slice Reshape ..."),
    Wanted("gru_after", [SERIES], recurrent("GRU", 3, linear_before_reset=1), "InnerProduct Slice Reshape ..."),
    Wanted("rnn", [SERIES], recurrent("RNN", 1), "InnerProduct Slice Reshape ..."),
)
FAMILIES = {
    "activation": ACTIVATION, "elementwise": ELEMENTWISE, "linear": LINEAR, "convolution": CONVOLUTION,
    "pooling": POOLING, "normalization": NORMALIZATION, "shape": SHAPE, "reduction": REDUCTION, "recurrent": RECURRENT,
}  # fmt: skip
