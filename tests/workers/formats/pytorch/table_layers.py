"""Layers with weights, pooling, normalisation, activations: one row a setting that changes what is written."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.workers.formats.pytorch.runs import Array, Case, normal

IMAGE = normal(2, 4, 9, 8)
SMALL = normal(1, 2, 5, 5)
SIGNAL = normal(2, 4, 11)
VOLUME = normal(1, 2, 5, 6, 7)
MATRIX = normal(3, 6)
TOKENS = normal(2, 5, 6)
POSITIVE = np.abs(normal(4)) + np.float32(0.5)


def conv(x: Array, w: Array, says: str, name: str, bias: Array | None = None, **settings: Any) -> Case:
    weights = [w] if bias is None else [w, bias]
    return Case(f"conv_{name}", [x], lambda g, v: g.Conv(v, *weights, **settings), free=(0,), says=says)


CONVOLUTIONS = [
    conv(IMAGE, normal(6, 4, 3, 3), "nn.Conv2d(4, 6, 3, bias=False)", "plain"),
    conv(IMAGE, normal(6, 4, 3, 2), "nn.Conv2d(4, 6, (3, 2))", "bias", normal(6)),
    conv(IMAGE, normal(6, 2, 3, 3), "groups=2", "groups", normal(6), group=2, pads=[1, 1, 1, 1], strides=[2, 1]),
    conv(IMAGE, normal(4, 1, 3, 3), "dilation=2", "depthwise", group=4, dilations=[2, 2], pads=[2, 2, 2, 2]),
    conv(IMAGE, normal(6, 4, 3, 3), "F.pad(x0, (1, 2, 0, 1))", "uneven_pads", pads=[0, 1, 1, 2]),
    conv(SIGNAL, normal(3, 4, 3), "nn.Conv1d(4, 3, 3, stride=2, padding=1", "1d", pads=[1, 1], strides=[2]),
    conv(VOLUME, normal(3, 2, 3, 3, 3), "nn.Conv3d", "3d", normal(3), pads=[1, 0, 1, 1, 0, 1]),
    conv(IMAGE, normal(6, 4, 3, 3), "F.pad", "same_upper", auto_pad="SAME_UPPER", strides=[2, 2]),
    conv(IMAGE, normal(6, 4, 3, 3), "F.pad", "same_lower", auto_pad="SAME_LOWER", strides=[2, 2]),
    conv(IMAGE, normal(6, 4, 3, 3), "padding=1", "same_stride_1", auto_pad="SAME_UPPER"),
    Case("conv_computed_weight", [IMAGE, normal(6, 4, 3, 3)], lambda g, x, w: g.Conv(x, w), says="F.conv2d"),
    Case(
        "conv_same_free",
        [IMAGE],
        lambda g, x: g.Conv(x, normal(6, 4, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
        free=(0, 2, 3),
        says="same_pads(",
    ),
]


def deconv(says: str, name: str, x: Array = SMALL, w: Array | None = None, **settings: Any) -> Case:
    weight = normal(2, 3, 3, 3) if w is None else w
    return Case(f"deconv_{name}", [x], lambda g, v: g.ConvTranspose(v, weight, **settings), says=says)


DECONVOLUTIONS = [
    deconv("nn.ConvTranspose2d(2, 3, 3, bias=False)", "plain"),
    deconv("output_padding=1", "output_padding", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    deconv("stride=2, padding=1", "even_pads", strides=[2, 2], pads=[1, 1, 1, 1]),
    deconv("output_padding=1", "more_pad_before", strides=[2, 2], pads=[1, 1, 0, 0]),
    deconv("F.pad(y0, (0, -1, 0, -1))", "more_pad_behind", strides=[2, 2], pads=[0, 0, 1, 1]),
    deconv("groups=2", "groups", w=normal(2, 3, 3, 3), group=2),
    deconv("dilation=2", "dilation", dilations=[2, 2]),
    deconv("nn.ConvTranspose2d", "output_shape", strides=[2, 2], output_shape=[10, 11]),
    deconv("nn.ConvTranspose2d", "same_upper", strides=[2, 2], auto_pad="SAME_UPPER"),
    deconv("nn.ConvTranspose1d", "1d", normal(2, 2, 6), normal(2, 3, 4), strides=[2]),
    deconv("nn.ConvTranspose3d", "3d", normal(1, 2, 3, 3, 3), normal(2, 1, 2, 2, 2), strides=[2, 2, 2]),
]

SPLIT_BIAS = normal(5)
LINEAR = [
    Case(
        "matmul_weight", [TOKENS], lambda g, x: g.MatMul(x, normal(6, 5)), free=(0,), says="nn.Linear(6, 5, bias=False)"
    ),
    Case(
        "matmul_add",
        [TOKENS],
        lambda g, x: g.Add(g.MatMul(x, normal(6, 5)), SPLIT_BIAS),
        free=(0, 1),
        says="nn.Linear(6, 5)",
    ),
    Case("matmul_both", [TOKENS, normal(2, 6, 3)], lambda g, a, b: g.MatMul(a, b), says="torch.matmul(x0, x1)"),
    Case("matmul_left_weight", [normal(6, 3)], lambda g, x: g.MatMul(normal(5, 6), x), says="torch.matmul(self."),
    Case("matmul_vector", [normal(6), normal(6)], lambda g, a, b: g.MatMul(a, b)),
    Case("gemm_plain", [MATRIX], lambda g, x: g.Gemm(x, normal(6, 5), normal(5)), says="nn.Linear(6, 5)"),
    Case(
        "gemm_transposed",
        [MATRIX],
        lambda g, x: g.Gemm(x, normal(5, 6), normal(1, 5), transB=1),
        says="nn.Linear(6, 5)",
    ),
    Case("gemm_scalar_bias", [MATRIX], lambda g, x: g.Gemm(x, normal(6, 5), normal(1)), says="nn.Linear(6, 5)"),
    Case(
        "gemm_scaled",
        [MATRIX],
        lambda g, x: g.Gemm(x, normal(3, 5), normal(6, 1), alpha=0.5, beta=2.0, transA=1),
        says="0.5 * (x0.t() @",
    ),
    Case("gemm_row_bias", [MATRIX], lambda g, x: g.Gemm(x, normal(6, 5), normal(3, 1)), says="x0 @ self."),
    Case("einsum", [TOKENS, normal(2, 5, 3)], lambda g, a, b: g.Einsum(a, b, equation="bij, bik -> bjk")),
    Case("det", [normal(2, 3, 3)], lambda g, x: g.Det(x)),
]


def pool(name: str, op: str, says: str, x: Array = IMAGE, free: tuple[int, ...] = (0,), **settings: Any) -> Case:
    settings.setdefault("kernel_shape", [3, 3])
    return Case(name, [x], lambda g, v: getattr(g, op)(v, **settings), free=free, says=says)


POOLING = [
    pool("max_plain", "MaxPool", "nn.MaxPool2d(3, stride=1)"),
    pool("max_stride", "MaxPool", "nn.MaxPool2d(2)", kernel_shape=[2, 2], strides=[2, 2]),
    pool("max_pads", "MaxPool", "padding=1", pads=[1, 1, 1, 1], strides=[2, 2]),
    pool("max_ceil", "MaxPool", "ceil_mode=True", strides=[2, 3], ceil_mode=1),
    pool("max_uneven_is_ceil", "MaxPool", "ceil_mode=True", strides=[2, 2], pads=[0, 0, 0, 1]),
    pool("max_uneven", "MaxPool", 'value=float("-inf")', strides=[2, 2], pads=[2, 0, 0, 1]),
    pool("max_dilated", "MaxPool", "dilation=2", dilations=[2, 2]),
    pool("max_wide_pads", "MaxPool", "F.pad", pads=[2, 2, 2, 2], strides=[2, 2], x=SMALL),
    pool("max_1d", "MaxPool", "nn.MaxPool1d", x=SIGNAL, kernel_shape=[3], strides=[2], ceil_mode=1),
    pool("max_3d", "MaxPool", "nn.MaxPool3d", x=VOLUME, kernel_shape=[2, 2, 2]),
    pool("max_uint8", "MaxPool", ".to(torch.uint8)", x=(SMALL * 50 + 128).astype(np.uint8), free=(), pads=[1, 1, 1, 1]),
    pool("max_same_free", "MaxPool", "same_pads(", free=(0, 2, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    Case(
        "max_indices",
        [IMAGE],
        lambda g, x: g.ops("MaxPool", x, outputs=2, kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        says="max_pool_indices(",
    ),
    Case(
        "max_unpool",
        [normal(1, 1, 2, 2), np.array([[[[5, 7], [13, 15]]]])],
        lambda g, x, i: g.MaxUnpool(x, i, kernel_shape=[2, 2], strides=[2, 2]),
    ),
    pool("average_plain", "AveragePool", "nn.AvgPool2d(3, stride=1)"),
    pool("average_pads", "AveragePool", "count_include_pad=False", pads=[1, 1, 1, 1], strides=[2, 2]),
    pool("average_count", "AveragePool", "padding=1)", pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1),
    pool("average_ceil", "AveragePool", "ceil_mode=True", strides=[2, 2], ceil_mode=1),
    pool("average_ceil_pads", "AveragePool", "ceil_mode=True", strides=[2, 2], ceil_mode=1, pads=[1, 1, 1, 1]),
    pool("average_uneven", "AveragePool", "average_pool(", strides=[2, 2], pads=[1, 0, 0, 1]),
    pool(
        "average_uneven_count", "AveragePool", "average_pool(", strides=[2, 2], pads=[1, 0, 0, 2], count_include_pad=1
    ),
    pool("average_dilated", "AveragePool", "average_pool(", dilations=[2, 2], pads=[1, 1, 1, 1]),
    pool("average_same_free", "AveragePool", "same_pads(", free=(2, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    Case(
        "average_after_pad",
        [IMAGE],
        lambda g, x: g.AveragePool(
            g.Pad(x, [0, 0, 1, 1, 0, 0, 1, 1]), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 0, 1]
        ),
        says="nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)",
    ),
    pool("lp", "LpPool", "lp_pool(", p=3, pads=[1, 0, 0, 1], strides=[2, 2]),
    Case("global_average", [IMAGE], lambda g, x: g.GlobalAveragePool(x), free=(0, 2), says="nn.AdaptiveAvgPool2d(1)"),
    Case("global_max", [SIGNAL], lambda g, x: g.GlobalMaxPool(x), says="nn.AdaptiveMaxPool1d(1)"),
    Case("global_lp", [IMAGE], lambda g, x: g.GlobalLpPool(x, p=3)),
]


def batch_norm(x: Array, says: str, scale: Array = POSITIVE, shift: Array | None = None, **settings: Any) -> Case:
    given = [scale, normal(4) if shift is None else shift, normal(4), POSITIVE]
    name = f"batch_norm_{x.ndim}{'_'.join(['', *settings])}{'' if scale is POSITIVE else '_plain'}"
    return Case(name, [x], lambda g, v: g.BatchNormalization(v, *given, **settings), free=(0,), says=says)


NORMS = [
    batch_norm(IMAGE, "nn.BatchNorm2d(4)"),
    batch_norm(SIGNAL, "nn.BatchNorm1d(4, eps=0.001)", epsilon=1e-3),
    batch_norm(normal(2, 4, 3, 3, 3), "nn.BatchNorm3d(4, momentum=0.01)", momentum=0.99),
    batch_norm(normal(5, 4), "nn.BatchNorm1d(4)"),
    batch_norm(IMAGE, "affine=False", np.ones(4, np.float32), np.zeros(4, np.float32)),
    Case(
        "instance_norm",
        [IMAGE],
        lambda g, x: g.InstanceNormalization(x, normal(4), normal(4)),
        says="nn.InstanceNorm2d",
    ),
    Case("layer_norm", [TOKENS], lambda g, x: g.LayerNormalization(x, normal(6), normal(6)), says="nn.LayerNorm(6)"),
    Case(
        "layer_norm_2_axes",
        [TOKENS],
        lambda g, x: g.LayerNormalization(x, normal(5, 6), axis=1, epsilon=1e-3),
        says="nn.LayerNorm((5, 6), eps=0.001, bias=False)",
    ),
    Case(
        "layer_norm_statistics", [TOKENS], lambda g, x: g.ops("LayerNormalization", x, normal(6), normal(6), outputs=3)
    ),
    Case(
        "group_norm",
        [IMAGE],
        lambda g, x: g.GroupNormalization(x, normal(4), normal(4), num_groups=2),
        says="nn.GroupNorm(2, 4)",
    ),
    Case(
        "lrn_odd", [IMAGE], lambda g, x: g.LRN(x, size=3, alpha=2e-2, beta=0.6, bias=2.0), says="nn.LocalResponseNorm(3"
    ),
    Case(
        "lrn_even",
        [normal(4, 4, 3, 3)],
        lambda g, x: g.LRN(x, size=4, alpha=2e-1),
        says="local_response_norm(",
        oracle="reference",
    ),
    Case("lp_norm_zero_row", [np.vstack([normal(6), np.zeros(6, np.float32)])], lambda g, x: g.LpNormalization(x, p=2)),
    Case("lp_norm_1", [MATRIX], lambda g, x: g.LpNormalization(x, axis=0, p=1)),
    Case("mean_variance", [IMAGE], lambda g, x: g.MeanVarianceNormalization(x, axes=[0, 2, 3])),
]

ACTIVATIONS = [
    Case(f"activation_{op}_{index}", [MATRIX * 3], lambda g, x, op=op, s=s: getattr(g, op)(x, **s), says=says)
    for index, (op, s, says) in enumerate(
        [
            ("Relu", {}, "nn.ReLU()"),
            ("LeakyRelu", {"alpha": 0.1}, "nn.LeakyReLU(0.1)"),
            ("Elu", {"alpha": 0.5}, "nn.ELU(0.5)"),
            ("Celu", {"alpha": 2.0}, "nn.CELU(2.0)"),
            ("Selu", {}, "nn.SELU()"),
            ("Selu", {"alpha": 1.5, "gamma": 1.2}, "1.2 * F.elu(x0, 1.5)"),
            ("Sigmoid", {}, "nn.Sigmoid()"),
            ("Tanh", {}, "nn.Tanh()"),
            ("HardSigmoid", {}, "torch.clamp(0.2 * x0 + 0.5, 0.0, 1.0)"),
            ("HardSigmoid", {"alpha": 1 / 6}, "nn.Hardsigmoid()"),
            ("HardSwish", {}, "nn.Hardswish()"),
            ("Softplus", {}, "nn.Softplus()"),
            ("Softsign", {}, "nn.Softsign()"),
            ("Gelu", {}, "nn.GELU()"),
            ("Gelu", {"approximate": "tanh"}, 'nn.GELU(approximate="tanh")'),
            ("Mish", {}, "nn.Mish()"),
            ("ThresholdedRelu", {"alpha": 0.7}, "nn.Threshold(0.7, 0.0)"),
            ("Shrink", {"bias": 0.5, "lambd": 0.5}, "nn.Softshrink(0.5)"),
            ("Shrink", {"bias": 0.2, "lambd": 0.7}, "shrink(x0, 0.2, 0.7)"),
            ("Softmax", {"axis": 0}, "nn.Softmax(dim=0)"),
            ("LogSoftmax", {}, "nn.LogSoftmax(dim=-1)"),
            ("Hardmax", {"axis": 1}, "hardmax(x0, 1)"),
        ]
    )
] + [
    Case("clip_relu6", [MATRIX * 9], lambda g, x: g.Clip(x, np.float32(0), np.float32(6)), says="nn.ReLU6()"),
    Case(
        "clip_both",
        [MATRIX],
        lambda g, x: g.Clip(x, np.float32(-0.1), np.float32(0.3)),
        says="torch.clamp(x0, -0.1, 0.3)",
    ),
    Case("clip_low", [MATRIX], lambda g, x: g.Clip(x, np.float32(-0.1)), says="min=-0.1"),
    Case("clip_computed", [MATRIX, np.float32(0.3)], lambda g, x, h: g.Clip(x, None, h), says="max=x1"),
    Case("prelu_channel", [IMAGE], lambda g, x: g.PRelu(x, normal(4, 1, 1)), says="nn.PReLU(4)"),
    Case("prelu_shared", [IMAGE], lambda g, x: g.PRelu(x, normal(1)), says="nn.PReLU()"),
    Case("prelu_elements", [IMAGE], lambda g, x: g.PRelu(x, normal(4, 9, 8)), says="torch.where(x0 >= 0"),
]

CASES = CONVOLUTIONS + DECONVOLUTIONS + LINEAR + POOLING + NORMS + ACTIVATIONS
