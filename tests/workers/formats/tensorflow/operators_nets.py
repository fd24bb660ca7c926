"""Operators to record: convolutions, pools, pictures, quantisation, signals, recurrence, control flow."""

import numpy as np
import tensorflow as tf
from operator_cases import RNG, case, f, ints, pos

R = tf.raw_ops


def convolution():
    x, w = f(2, 9, 8, 3), f(3, 3, 3, 5)
    for name, kw in {
        "same": {"padding": "SAME"}, "valid": {"padding": "VALID"}, "stride": {"padding": "SAME", "strides": 2},
        "dilated": {"padding": "SAME", "dilations": 2}, "explicit": {"padding": [[0, 0], [1, 2], [0, 3], [0, 0]]},
        "stride3": {"padding": "VALID", "strides": [1, 3, 2, 1]},
    }.items():  # fmt: skip
        case("Conv2D_" + name, lambda x, kw=kw: tf.nn.conv2d(x, w, **{"strides": 1, **kw}), x=x)
    case("Conv2D_groups", lambda x: tf.nn.conv2d(x, f(3, 3, 2, 6), 1, "SAME"), x=f(2, 6, 6, 4))
    case("Conv2D_free", lambda x: tf.nn.conv2d(x, w, 1, "SAME"), x=x, free="all")
    case("Conv2D_free_stride", lambda x: tf.nn.conv2d(x, w, 2, "SAME"), x=x, free="all")
    case("conv_dynamic_filter", lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), x=x, k=w, free=False)
    case("Conv1D", lambda x: tf.nn.conv1d(x, f(3, 3, 4), 2, "SAME"), x=f(2, 7, 3))
    case("atrous", lambda x: tf.nn.atrous_conv2d(x, w, 2, "SAME"), x=x)
    case("atrous_valid_bias", lambda x: tf.nn.relu(tf.nn.bias_add(tf.nn.atrous_conv2d(x, w, 3, "VALID"), f(5))), x=x)
    case("Conv3D", lambda x: tf.nn.conv3d(x, f(2, 3, 3, 2, 4), [1, 1, 2, 1, 1], "SAME"), x=f(1, 4, 5, 6, 2))
    for name, kw in {
        "same": {"strides": [1, 1, 1, 1]}, "stride": {"strides": [1, 2, 2, 1]},
        "dilated": {"strides": [1, 1, 1, 1], "dilations": [2, 2]},
    }.items():  # fmt: skip
        case("Depthwise_" + name, lambda x, kw=kw: tf.nn.depthwise_conv2d(x, f(3, 3, 3, 2), padding="SAME", **kw), x=x)
    case("separable", lambda x: tf.nn.separable_conv2d(x, f(3, 3, 3, 2), f(1, 1, 6, 4), [1, 1, 1, 1], "SAME"), x=x)
    for name, size, stride, pad in (("same", 10, 2, "SAME"), ("odd", 9, 2, "SAME"), ("valid", 11, 2, "VALID"),
                                    ("one", 5, 1, "SAME"), ("three", 13, 3, "SAME")):  # fmt: skip
        case("ConvT_" + name, lambda x, s=size, t=stride, p=pad: tf.nn.conv2d_transpose(
            x, f(3, 3, 4, 3), tf.stack([tf.shape(x)[0], s, s, 4]), t, p), x=f(2, 5, 5, 3))  # fmt: skip
    case("ConvT_dynamic", lambda x: tf.nn.conv2d_transpose(
        x, f(4, 4, 4, 3), tf.stack([tf.shape(x)[0], tf.shape(x)[1] * 2, tf.shape(x)[2] * 2, 4]), 2, "SAME"),
        x=f(2, 5, 5, 3))  # fmt: skip
    case("Conv3DT", lambda x: tf.nn.conv3d_transpose(x, f(2, 2, 2, 4, 3), [1, 6, 6, 6, 4], 2, "SAME"),
         x=f(1, 3, 3, 3, 3), free=False)  # fmt: skip
    case("Dilation2D", lambda x: tf.nn.dilation2d(x, f(3, 2, 3), [1, 2, 1, 1], "SAME", "NHWC", [1, 1, 2, 1]), x=x)
    case("BiasAdd", lambda x: tf.nn.bias_add(x, f(3)), x=x)
    case("BiasAdd_first", lambda x: tf.nn.bias_add(x, f(9), data_format="NCHW"), x=x)


def pooling():
    x = f(2, 9, 8, 3)
    for kind in ("max", "avg"):
        pool = getattr(tf.nn, kind + "_pool2d")
        case(kind + "_same", lambda x, p=pool: p(x, 3, 2, "SAME"), x=x)
        case(kind + "_valid", lambda x, p=pool: p(x, [2, 3], [2, 1], "VALID"), x=x)
        pool3 = getattr(tf.nn, kind + "_pool3d")
        case(kind + "_3d", lambda x, p=pool3: p(x, 2, 2, "SAME"), x=f(1, 5, 6, 4, 2))
    case("max_v2", lambda x: R.MaxPoolV2(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"), x=x)
    case("max_explicit", lambda x: tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]]), x=x)
    for batch in (False, True):
        case(f"max_argmax_{batch}", lambda x, b=batch: tuple(tf.nn.max_pool_with_argmax(
            x, 2, 2, "SAME", include_batch_in_index=b)), x=f(2, 4, 6, 3))  # fmt: skip


def normalization():
    x = f(2, 5, 4, 3)
    for training in (False, True):
        case(f"FusedBatchNormV3_{training}", lambda x, t=training: R.FusedBatchNormV3(
            x=x, scale=pos(3), offset=f(3), mean=[] if t else f(3), variance=[] if t else pos(3), epsilon=1e-3,
            is_training=t)[0], x=x)  # fmt: skip
    case("FusedBatchNorm_V1", lambda x: R.FusedBatchNorm(x=x, scale=pos(3), offset=f(3), mean=f(3), variance=pos(3),
                                                         is_training=False)[0], x=x)  # fmt: skip
    case("batch_norm_plain", lambda x: tf.nn.batch_normalization(x, f(3), pos(3), f(3), pos(3), 1e-3), x=x)
    case("LRN", lambda x: tf.nn.lrn(x, 2, 1.5, 0.3, 0.75), x=f(2, 3, 3, 7))
    case("moments", lambda x: tf.nn.moments(x, [1, 2], keepdims=True), x=x)
    case("l2_normalize", lambda x: tf.nn.l2_normalize(x, -1), x=x)
    case("instance_norm", lambda x: (x - tf.reduce_mean(x, [1, 2], keepdims=True))
         * tf.math.rsqrt(tf.math.reduce_variance(x, [1, 2], keepdims=True) + 1e-3) * pos(3) + f(3), x=x)  # fmt: skip


def images():
    x = f(2, 5, 6, 3)
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic"):
        for size in ((8, 9), (3, 4), (10, 12)):
            for corners, half in ((False, False), (True, False), (False, True)):
                case(f"{op}_{size[0]}_{corners}_{half}", lambda x, op=op, s=size, c=corners, h=half: getattr(R, op)(
                    images=x, size=s, align_corners=c, half_pixel_centers=h), x=x)  # fmt: skip
    case("Resize_dynamic", lambda x: R.ResizeBilinear(images=x, size=tf.shape(x)[1:3] * 2), x=x, free="all")
    case("ResizeArea", lambda x: R.ResizeArea(images=x, size=[3, 4]), x=x)
    case("resize_conv", lambda x: tf.nn.conv2d(tf.image.resize(tf.nn.conv2d(x, f(3, 3, 3, 4), 1, "SAME"), [10, 12]),
                                               f(3, 3, 4, 2), 1, "SAME"), x=x)  # fmt: skip
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.9, 0.7], [-0.3, 0, 1.2, 1], [0.8, 0.9, 0.2, 0.1]], np.float32)
    for method in ("bilinear", "nearest"):
        case("CropAndResize_" + method, lambda x, b, m=method: tf.image.crop_and_resize(
            x, b, [0, 1, 1, 0], [4, 3], m, 0.5), x=x, b=boxes, free=False)  # fmt: skip
    case(
        "CropAndResize_one", lambda x, b: tf.image.crop_and_resize(x, b, [0, 1, 1, 0], [1, 1]), x=x, b=boxes, free=False
    )
    rgb = RNG.uniform(0, 1, (2, 4, 4, 3)).astype(np.float32)
    case("RGBToHSV", lambda x: tf.image.rgb_to_hsv(x), x=rgb)
    case("HSVToRGB", lambda x: tf.image.hsv_to_rgb(x), x=rgb)
    case("AdjustContrastv2", lambda x: R.AdjustContrastv2(images=x, contrast_factor=1.7), x=rgb)
    case("AdjustSaturation", lambda x: R.AdjustSaturation(images=x, scale=1.4), x=rgb)
    case("AdjustHue", lambda x: R.AdjustHue(images=x, delta=0.3), x=rgb)
    case("DepthToSpace", lambda x: tf.nn.depth_to_space(x, 2), x=f(2, 3, 4, 8))
    case("SpaceToDepth", lambda x: tf.nn.space_to_depth(x, 2), x=f(2, 4, 6, 3))
    case("SpaceToBatchND", lambda x: tf.space_to_batch(x, [2, 3], [[1, 0], [0, 3]]), x=f(2, 5, 6, 3))
    case("BatchToSpaceND", lambda x: tf.batch_to_space(x, [2, 3], [[0, 1], [1, 0]]), x=f(12, 3, 2, 3))
    for rates, pad in ((1, "VALID"), (2, "SAME")):
        case(f"ExtractImagePatches_{rates}", lambda x, r=rates, p=pad: tf.image.extract_patches(
            x, [1, 2, 3, 1], [1, 2, 1, 1], [1, r, r, 1], p), x=f(2, 6, 7, 2))  # fmt: skip
    corners = RNG.uniform(0, 0.6, (12, 2)).astype(np.float32)
    rects = np.concatenate([corners, corners + RNG.uniform(0.1, 0.4, (12, 2)).astype(np.float32)], 1)
    scores = RNG.permutation(12).astype(np.float32) / 12
    case(
        "NMS_V2",
        lambda b, s: R.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=5, iou_threshold=0.3),
        b=rects,
        s=scores,
    )
    case("NMS_V3", lambda b, s: tf.image.non_max_suppression(b, s, 8, 0.4, 0.3), b=rects, s=scores)
    case("NMS_V4", lambda b, s: tuple(R.NonMaxSuppressionV4(boxes=b, scores=s, max_output_size=9, iou_threshold=0.4,
         score_threshold=0.3, pad_to_max_output_size=True)), b=rects, s=scores)  # fmt: skip
    case("NMS_V5", lambda b, s: tuple(R.NonMaxSuppressionV5(boxes=b, scores=s, max_output_size=9, iou_threshold=0.4,
         score_threshold=0.3, soft_nms_sigma=0.0, pad_to_max_output_size=True)), b=rects, s=scores)  # fmt: skip
    many = RNG.permutation(2 * 12 * 3).astype(np.float32).reshape(2, 12, 3) / 72
    case("CombinedNMS", lambda b, s: tuple(tf.image.combined_non_max_suppression(b, s, 4, 7, 0.4, 0.3)),
         b=np.stack([rects, rects[::-1]])[:, :, None], s=many)  # fmt: skip


def quantized():
    case("FakeQuantArgs", lambda x: tf.quantization.fake_quant_with_min_max_args(x, -3, 2), x=f(3, 4) * 3)
    case("FakeQuantVars", lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -0.7, 2.3), x=f(3, 4) * 3)
    case(
        "FakeQuantVars_narrow", lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.0, 1.0, 8, True), x=f(3, 4)
    )
    case("FakeQuantVars_4", lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -1.0, 1.5, 4), x=f(3, 4))
    case("FakeQuantPerChannel", lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(
        x, [-1.0, -2.0, -0.5, 0.0], [1.0, 1.5, 0.7, 3.0]), x=f(3, 4) * 2)  # fmt: skip
    case("Quantize_Dequantize", lambda x: R.Dequantize(input=R.QuantizeV2(
        input=x, min_range=-2.0, max_range=2.0, T=tf.quint8)[0], min_range=-2.0, max_range=2.0), x=f(3, 4))  # fmt: skip


def signals():
    case("RFFT_abs", lambda x: tf.abs(tf.signal.rfft(x)), x=f(3, 8))
    case(
        "RFFT_parts", lambda x: (tf.math.real(tf.signal.rfft(x, [6])), tf.math.imag(tf.signal.rfft(x, [6]))), x=f(3, 8)
    )
    case("IRFFT", lambda x: tf.signal.irfft(tf.signal.rfft(x)), x=f(3, 8))
    case("FFT", lambda a, b: tf.abs(tf.signal.fft(tf.complex(a, b))), a=f(3, 8), b=f(3, 8))


def recurrent():
    x, c, h, w = f(2, 3), f(2, 4), f(2, 4), f(7, 16) * np.float32(0.3)
    zeros = np.zeros(4, np.float32)
    case("LSTMBlockCell", lambda x, c, h: tuple(R.LSTMBlockCell(x=x, cs_prev=c, h_prev=h, w=w, wci=zeros, wcf=zeros,
         wco=zeros, b=f(16))), x=x, c=c, h=h)  # fmt: skip
    case("GRUBlockCell", lambda x, h: tuple(R.GRUBlockCell(x=x, h_prev=h, w_ru=f(7, 8), w_c=f(7, 4), b_ru=f(8),
         b_c=f(4))), x=x, h=h)  # fmt: skip
    for peephole, clip in ((False, -1.0), (True, 0.4)):
        wp = f(4) if peephole else zeros
        case(f"BlockLSTM_{peephole}", lambda x, c, h, p=peephole, k=clip, wp=wp: tuple(R.BlockLSTM(
            seq_len_max=tf.constant(5, tf.int64), x=x, cs_prev=c, h_prev=h, w=w, wci=wp, wcf=wp, wco=wp, b=f(16),
            use_peephole=p, cell_clip=k)), x=f(5, 2, 3), c=c, h=h, free=False)  # fmt: skip
    case("BlockLSTMV2", lambda x, c, h: R.BlockLSTMV2(
        seq_len_max=tf.constant(5, tf.int64), x=x, cs_prev=c, h_prev=h, w=w, wci=zeros, wcf=zeros, wco=zeros,
        b=f(16))[6],
        x=f(5, 2, 3), c=c, h=h, free=False)  # fmt: skip


def control():
    case("cond", lambda x, n: tf.cond(tf.reduce_sum(n) > 0, lambda: x * 2, lambda: x - 1), x=f(2, 3), n=ints(1, low=1))
    case(
        "while_sum",
        lambda x: tf.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a * 0.5 + 1), [0, x])[1],
        x=f(2, 3),
    )
    case("while_data", lambda x: tf.while_loop(lambda a: tf.reduce_sum(a) < 100.0, lambda a: a * 2, [x]), x=pos(2, 3))
    case("case", lambda x, n: tf.switch_case(n[0], [lambda: x, lambda: x * 2, lambda: x * 3]), x=f(2, 3),
         n=np.array([2], np.int32), free=False)  # fmt: skip
    case("map_fn", lambda x: tf.map_fn(lambda r: tf.nn.softmax(r) * 2, x), x=f(4, 3), free=False)
    case("scan", lambda x: tf.scan(lambda a, r: a + r * 2, x), x=f(4, 3), free=False)
    case("array_read_back", lambda x: _fibonacci(x), x=f(2, 3), free=False)


def _fibonacci(x):
    array = tf.TensorArray(tf.float32, 6, element_shape=[2, 3], clear_after_read=False).write(0, x).write(1, x + 1)
    _, array = tf.while_loop(
        lambda i, a: i < 6, lambda i, a: (i + 1, a.write(i, a.read(i - 1) + a.read(i - 2))), [2, array]
    )
    return array.stack()
