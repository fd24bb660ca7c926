"""Convolutions, pooling, normalisation, recurrence, interpolation."""

import paddle
import paddle.nn.functional as F
from paddle import nn

from operator_cases import case, normal, positive, unit, whole


def convolutions():
    x = normal("N", 4, 9, 8)
    case("conv2d", lambda x: nn.Conv2D(4, 6, 3)(x), x=x)
    case("conv2d-stride", lambda x: nn.Conv2D(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2)(x), x=x)
    case("conv2d-same", lambda x: nn.Conv2D(4, 6, 4, 2, "SAME")(x), x=x)
    case("conv2d-valid", lambda x: nn.Conv2D(4, 6, 3, 2, "VALID")(x), x=x)
    case("conv2d-pads", lambda x: nn.Conv2D(4, 6, 3, 1, [0, 1, 2, 3])(x), x=x)
    case("conv2d-depthwise", lambda x: nn.Conv2D(4, 8, 3, groups=4, bias_attr=False)(x), x=x)
    case("conv2d-last", lambda x: nn.Conv2D(4, 6, 3, 2, 1, data_format="NHWC")(x), x=normal("N", 9, 8, 4))
    case("conv1d", lambda x: nn.Conv1D(4, 6, 3, 2, 1)(x), x=normal("N", 4, 9))
    case("conv3d", lambda x: nn.Conv3D(2, 3, 3, 2, 1)(x), x=normal("N", 2, 5, 6, 7))
    case("conv3d-last", lambda x: nn.Conv3D(2, 3, 2, data_format="NDHWC")(x), x=normal("N", 3, 4, 5, 2))
    x = normal("N", 4, 5, 6)
    case("deconv", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, 1)(x), x=x)
    case("deconv-added", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, 1, output_padding=1, groups=2)(x), x=x)
    case("deconv-size", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, 1)(x, output_size=[10, 12]), x=x)
    case("deconv-pads", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, [0, 1, 1, 0])(x), x=x)
    case("deconv-same", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, "SAME")(x), x=x)
    case("deconv-depthwise", lambda x: nn.Conv2DTranspose(4, 4, 3, 2, groups=4, dilation=2)(x), x=x)
    case("deconv-last", lambda x: nn.Conv2DTranspose(4, 6, 3, 2, data_format="NHWC")(x), x=normal("N", 5, 6, 4))
    case("deconv1d", lambda x: nn.Conv1DTranspose(4, 6, 3, 2)(x), x=normal("N", 4, 5))
    case("deconv3d", lambda x: nn.Conv3DTranspose(2, 3, 3, 2, 1)(x), x=normal("N", 2, 3, 4, 5))
    case("deform", lambda x, o, m: paddle.vision.ops.DeformConv2D(4, 6, 3, padding=1, deformable_groups=2)(x, o, m),
         x=normal("N", 4, 5, 6), o=unit("N", 36, 5, 6), m=positive("N", 18, 5, 6))  # fmt: skip
    case("deform-plain", lambda x, o: paddle.vision.ops.DeformConv2D(4, 6, 3, 2, 1)(x, o), x=normal("N", 4, 5, 6),
         o=unit("N", 18, 3, 3))  # fmt: skip
    case("unfold", lambda x: F.unfold(x, [2, 3], 2, [1, 0, 0, 1], 1), x=normal("N", 3, 5, 6))
    case("fold", lambda x: F.fold(x, [4, 5], [2, 2], strides=2, paddings=1), x=normal("N", 12, 9))
    case("pad", lambda x: F.pad(x, [1, 2, 0, 1], value=0.5), x=x)
    for mode in ("reflect", "replicate", "circular"):
        case("pad-" + mode, lambda x, mode=mode: F.pad(x, [1, 2, 0, 1], mode), x=x)
    case("pad-last", lambda x: F.pad(x, [1, 2, 0, 1], data_format="NHWC"), x=x)
    case("pad-1d", lambda x: F.pad(x, [1, 2], data_format="NCL"), x=normal("N", 3, 4))
    case("pad-3d", lambda x: F.pad(x, [1, 2, 0, 1, 1, 0], data_format="NCDHW"), x=normal("N", 2, 3, 4, 5))
    case("pad-all", lambda x: F.pad(x, [0, 0, 1, 2], value=2.0), x=normal("N", 3))
    case("zeropad", lambda x: F.zeropad2d(x, [1, 0, 2, 1]), x=x)
    case("pixel-shuffle", lambda x: F.pixel_shuffle(x, 2), x=normal("N", 8, 2, 3))
    case("pixel-shuffle-last", lambda x: F.pixel_shuffle(x, 2, "NHWC"), x=normal("N", 2, 3, 8))
    case("pixel-unshuffle", lambda x: F.pixel_unshuffle(x, 2), x=normal("N", 2, 4, 6))
    case("channel-shuffle", lambda x: F.channel_shuffle(x, 2), x=normal("N", 6, 2, 3))
    case("temporal-shift", lambda x: F.temporal_shift(x, 2, 0.25), x=normal(4, 8, 2, 3))


def poolings():
    x = normal("N", 3, 9, 8)
    for name in ("max_pool2d", "avg_pool2d"):
        pool = getattr(F, name)
        case(name, lambda x, p=pool: p(x, 2), x=x)
        case(name + "-stride", lambda x, p=pool: p(x, (3, 2), (2, 3), (1, 0)), x=x)
        case(name + "-ceil", lambda x, p=pool: p(x, 3, 2, ceil_mode=True), x=x)
        case(name + "-ceil-pad", lambda x, p=pool: p(x, 3, 2, 1, ceil_mode=True), x=x)
        case(name + "-same", lambda x, p=pool: p(x, 3, 2, "SAME"), x=x)
        case(name + "-valid", lambda x, p=pool: p(x, 3, 2, "VALID"), x=x)
        case(name + "-last", lambda x, p=pool: p(x, 3, 2, 1, data_format="NHWC"), x=x)
    case("avg-inclusive", lambda x: F.avg_pool2d(x, 3, 2, 1, exclusive=False), x=x)
    case("avg-inclusive-ceil", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, exclusive=False), x=x)
    case("avg-inclusive-pads", lambda x: F.avg_pool2d(x, 3, 2, [0, 1, 1, 0], exclusive=False), x=x)
    case("avg-inclusive-pads-ceil", lambda x: F.avg_pool2d(x, 3, 2, [0, 1, 1, 0], ceil_mode=True, exclusive=False), x=x)
    case("avg-divisor", lambda x: F.avg_pool2d(x, 2, divisor_override=3), x=x)
    case("adaptive-avg", lambda x: F.adaptive_avg_pool2d(x, (4, 3)), x=x)
    case("adaptive-avg-even", lambda x: F.adaptive_avg_pool2d(x, (3, 4)), x=x)
    case("adaptive-avg-one", lambda x: F.adaptive_avg_pool2d(x, 1), x=x)
    case("adaptive-avg-none", lambda x: F.adaptive_avg_pool2d(x, (None, 3)), x=x)
    case("adaptive-max", lambda x: F.adaptive_max_pool2d(x, (4, 3)), x=x)
    case("adaptive-max-even", lambda x: list(F.adaptive_max_pool2d(x, (3, 4), return_mask=True)), x=x)
    case("max-mask", lambda x: list(F.max_pool2d(x, 2, return_mask=True)), x=x)
    case("unpool", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_mask=True), 2), x=normal("N", 3, 6, 8))
    case("max1d", lambda x: F.max_pool1d(x, 3, 2, 1), x=normal("N", 3, 9))
    case("avg1d", lambda x: F.avg_pool1d(x, 3, 2, 1), x=normal("N", 3, 9))
    case("adaptive1d", lambda x: F.adaptive_avg_pool1d(x, 4), x=normal("N", 3, 9))
    case("max3d", lambda x: F.max_pool3d(x, 2, 2, 1), x=normal("N", 2, 5, 6, 7))
    case("avg3d", lambda x: F.avg_pool3d(x, 2, 2, 1), x=normal("N", 2, 5, 6, 7))
    case("adaptive3d", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 4)), x=normal("N", 2, 5, 6, 7))


def trained(layer, x):
    """A normalising layer for inference with statistics of its own."""
    layer.eval()
    return layer(x)


def norms():
    x = normal("N", 4, 5, 6)
    uneven = paddle.ParamAttr(initializer=nn.initializer.Uniform(0.5, 1.5))
    both = {"weight_attr": uneven, "bias_attr": paddle.ParamAttr(initializer=nn.initializer.Uniform(-1.0, 1.0))}
    case("batch-norm", lambda x: trained(nn.BatchNorm2D(4, epsilon=1e-3, **both), x), x=x)
    case("batch-norm-last", lambda x: trained(nn.BatchNorm2D(6, data_format="NHWC", **both), x), x=x)
    case("batch-norm-1d", lambda x: trained(nn.BatchNorm1D(4, **both), x), x=normal("N", 4))
    case("batch-norm-batch", lambda x: nn.BatchNorm2D(4, **both)(x), x=x)
    case("layer-norm", lambda x: nn.LayerNorm(6, 1e-3, **both)(x), x=x)
    case("layer-norm-wide", lambda x: nn.LayerNorm([5, 6], **both)(x), x=x)
    case("layer-norm-plain", lambda x: F.layer_norm(x, 6), x=x)
    case("instance-norm", lambda x: nn.InstanceNorm2D(4, **both)(x), x=x)
    case("instance-norm-plain", lambda x: F.instance_norm(x), x=x)
    case("group-norm", lambda x: nn.GroupNorm(2, 4, **both)(x), x=x)
    case("group-norm-last", lambda x: nn.GroupNorm(2, 6, data_format="NHWC", **both)(x), x=x)
    case("local-response", lambda x: F.local_response_norm(x, 3), x=x)
    case("p-norm", lambda x: paddle.linalg.norm(x, 3, 1), x=x)
    case("p-norm-inf", lambda x: paddle.linalg.norm(x, float("inf"), 1), x=x)
    case("p-norm-one", lambda x: paddle.linalg.norm(x, 1, -1, keepdim=True), x=x)
    case("frobenius", lambda x: paddle.linalg.norm(x, "fro", [2, 3]), x=x)
    case("rms-norm", lambda x: nn.functional.rms_norm(x, (6,)), only="new", x=x)


def recurrent():
    x = normal("N", 5, 3)
    case("lstm", lambda x: nn.LSTM(3, 4)(x)[0], x=x)
    case("lstm-deep", lambda x: [nn.LSTM(3, 4, 2, "bidirect")(x)[0]], x=x)
    case("lstm-state", lambda x: list(nn.LSTM(3, 4)(x)[1]), x=x)
    case("lstm-given", lambda x, h, c: nn.LSTM(3, 4)(x, (h, c))[0], x=x, h=normal(1, "N", 4), c=normal(1, "N", 4))
    case("lstm-lengths", lambda x, n: nn.LSTM(3, 4, direction="bidirect")(x, sequence_length=n)[0], x=x,
         n=whole(1, 6, "N", dtype="i4"))  # fmt: skip
    case("lstm-time", lambda x: nn.LSTM(3, 4, time_major=True)(x)[0], x=normal(5, "N", 3))
    case("gru", lambda x: nn.GRU(3, 4)(x)[0], x=x)
    case("gru-deep", lambda x: list(nn.GRU(3, 4, 2, "bidirect")(x)), x=x)
    case("gru-lengths", lambda x, n: nn.GRU(3, 4)(x, sequence_length=n)[0], x=x, n=whole(1, 6, "N", dtype="i4"))
    case("rnn", lambda x: nn.SimpleRNN(3, 4)(x)[0], x=x)
    case("rnn-relu", lambda x: nn.SimpleRNN(3, 4, direction="bidirect", activation="relu")(x)[0], x=x)
    case("lstm-cell", lambda x: list(nn.LSTMCell(3, 4)(x)[1]), x=normal("N", 3))
    case("gru-cell", lambda x: nn.GRUCell(3, 4)(x)[0], x=normal("N", 3))
    case("embedding", lambda x: nn.Embedding(9, 4)(x), x=whole(0, 9, "N", 5))
    case("embedding-padding", lambda x: nn.Embedding(9, 4, padding_idx=2)(x), x=whole(0, 9, "N", 5))
    case("embedding-last", lambda x: nn.Embedding(9, 4, padding_idx=-1)(x), x=whole(0, 9, "N", 5))


def resizes():
    x = normal("N", 3, 5, 6)
    for mode in ("nearest", "bilinear", "bicubic"):
        case(mode, lambda x, m=mode: F.interpolate(x, [9, 11], mode=m), x=x)
        case(mode + "-scale", lambda x, m=mode: F.interpolate(x, scale_factor=[2.3, 1.6], mode=m), x=x)
        case(mode + "-down", lambda x, m=mode: F.interpolate(x, scale_factor=0.6, mode=m), x=x)
        case(mode + "-last", lambda x, m=mode: F.interpolate(x, [9, 11], mode=m, data_format="NHWC"), x=x)
        if mode != "nearest":
            case(mode + "-corners", lambda x, m=mode: F.interpolate(x, [9, 11], mode=m, align_corners=True), x=x)
    case("bilinear-mode1", lambda x: F.interpolate(x, [9, 11], mode="bilinear", align_mode=1), x=x)
    case("linear", lambda x: F.interpolate(x, [9], mode="linear", data_format="NCW"), x=normal("N", 3, 5))
    case(
        "trilinear",
        lambda x: F.interpolate(x, [5, 7, 4], mode="trilinear", data_format="NCDHW"),
        x=normal("N", 2, 3, 4, 5),
    )
    case("nearest-like", lambda x, y: F.interpolate(x, paddle.shape(y)[2:]), x=x, y=normal("N", 3, 10, 7))
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            case(f"grid-{mode}-{padding}",
                 lambda x, g, m=mode, p=padding: F.grid_sample(x, g, m, p, align_corners=p != "border"), x=x,
                 g=normal("N", 4, 3, 2))  # fmt: skip
    case("affine-grid", lambda t: F.affine_grid(t, [2, 3, 4, 5]), t=normal(2, 2, 3))
    case("affine-grid-half", lambda t: F.affine_grid(t, [2, 3, 4, 5], align_corners=False), t=normal(2, 2, 3))
