"""Quantised layers, and operators of the old dialect that have no function of their own."""

# ruff: noqa: E501, UP031

import numpy as np
import paddle

from operator_cases import boxes, case, normal, positive, whole
from operator_cases.detection import raw, scores


def constant(array, dtype="float32"):
    return paddle.create_parameter(list(np.shape(array)), dtype,
                                   default_initializer=paddle.nn.initializer.Assign(np.asarray(array)))  # fmt: skip


def quantised():
    x = normal("N", 4, 3, 3)
    for axis, scale in ((-1, [1.7]), (1, [0.5, 1.0, 2.0, 1.5])):
        for kind in ("quantize_linear", "dequantize_linear"):
            dtype = "float32"
            case(f"{kind}-{axis}", lambda x, k=kind, a=axis, s=scale, d=dtype: raw(
                k, {"X": [x], "Scale": [constant(s)], "ZeroPoint": [constant(np.zeros(len(s)))]},
                {"quant_axis": a, "bit_length": 8, "round_type": 0, "is_test": True}, {"Y": d}), only="old",
                 x=x if kind == "quantize_linear" else whole(-127, 128, "N", 4, 3, 3, dtype="f4"))  # fmt: skip
    bits = {"bit_length": 8, "round_type": 1}
    case("fake-quant", lambda x: raw("fake_quantize_dequantize_abs_max", {"X": [x]}, bits,
                                     {"Out": "float32", "OutScale": "float32"})[:1], only="old", x=normal(2, 5))  # fmt: skip
    case("fake-quant-average", lambda x: raw(
        "fake_quantize_dequantize_moving_average_abs_max", {"X": [x], "InScale": [constant([1.5])]},
        {"is_test": True, **bits}, {"Out": "float32", "OutScale": "float32"})[:1], only="old", x=x)  # fmt: skip
    case("fake-quant-range", lambda x: raw(
        "fake_quantize_range_abs_max", {"X": [x], "InScale": [constant([1.5])]},
        {"is_test": True, **bits}, {"Out": "float32", "OutScale": "float32"})[:1], only="old", x=x)  # fmt: skip
    case("fake-quant-channel", lambda x: raw(
        "fake_channel_wise_quantize_dequantize_abs_max", {"X": [x]}, {"quant_axis": 1, **bits},
        {"Out": "float32", "OutScale": "float32"})[:1], only="old", x=normal(4, 3, 2))  # fmt: skip
    case("fake-dequant", lambda x: raw("fake_dequantize_max_abs", {"X": [x], "Scale": [constant([1.5])]},
                                       {"max_range": 127.0}, {"Out": "float32"}), only="old",
         x=whole(-127, 128, "N", 4, dtype="f4"))  # fmt: skip
    case("fake-dequant-channel", lambda x: raw(
        "fake_channel_wise_dequantize_max_abs", {"X": [x], "Scales": [constant([1.5, 1.0, 0.5])]},
        {"quant_bits": [8], "quant_axis": 0}, {"Out": "float32"}), only="old",
         x=whole(-127, 128, 3, 4, dtype="f4"))  # fmt: skip
    old()


def simple(kind, attrs=None, out="Out", dtype="float32", slot="X"):
    return lambda x: raw(kind, {slot: [x]}, attrs or {}, {out: dtype})


def old():
    """Operators of fluid that Paddle 2.6 still runs."""
    x = normal("N", 4, 3, 3)
    case("old-brelu", simple("brelu", {"t_min": -0.5, "t_max": 0.8}), only="old", x=x)
    case("old-soft-relu", simple("soft_relu", {"threshold": 1.0}), only="old", x=x)
    case("old-swish", simple("swish", {"beta": 1.5}), only="old", x=x)
    case(
        "old-lrn",
        lambda x: raw(
            "lrn", {"X": [x]}, {"n": 3, "k": 1.0, "alpha": 0.1, "beta": 0.75}, {"Out": "float32", "MidOut": "float32"}
        )[:1],
        only="old",
        x=x,
    )
    case(
        "old-norm",
        lambda x: raw("norm", {"X": [x]}, {"axis": 1, "epsilon": 1e-3}, {"Out": "float32", "Norm": "float32"})[:1],
        only="old",
        x=x,
    )
    case("old-mean", simple("mean"), only="old", x=x)
    case("old-pad", simple("pad", {"paddings": [0, 0, 1, 2], "pad_value": 0.5}), only="old", x=normal("N", 4))
    case(
        "old-flatten2",
        lambda x: raw("flatten2", {"X": [x]}, {"axis": 2}, {"Out": "float32", "XShape": "float32"})[:1],
        only="old",
        x=x,
    )
    case("old-shuffle-channel", simple("shuffle_channel", {"group": 2}), only="old", x=x)
    case("old-top-k", lambda x: raw("top_k", {"X": [x]}, {"k": 2}, {"Out": "float32", "Indices": "int64"}), only="old",
         x=normal("N", 6))  # fmt: skip
    case("old-expand", simple("expand", {"expand_times": [1, 2, 1, 3]}), only="old", x=x)
    case("old-lookup", lambda x: raw("lookup_table", {"Ids": [x], "W": [constant(np.arange(20.0).reshape(5, 4))]},
                                     {"padding_idx": 2}, {"Out": "float32"}), only="old", x=whole(0, 5, "N", 1))  # fmt: skip
    case("old-mul", lambda x: raw("mul", {"X": [x], "Y": [constant(np.linspace(-1, 1, 27).reshape(9, 3))]},
                                  {"x_num_col_dims": 2, "y_num_col_dims": 1}, {"Out": "float32"}), only="old", x=x)  # fmt: skip
    case("old-matmul", lambda x: raw("matmul", {"X": [x], "Y": [x]}, {"transpose_Y": True, "alpha": 0.5},
                                     {"Out": "float32"}), only="old", x=x)  # fmt: skip
    for name in ("add", "sub", "mul", "div", "max", "min"):
        case("old-axis-" + name, lambda x, n=name: raw(
            "elementwise_" + n, {"X": [x], "Y": [constant([1.0, 2.0, -3.0, 0.5])]}, {"axis": 1}, {"Out": "float32"}),
             only="old", x=x)  # fmt: skip
    for name, method, corners, mode in (("nearest", "nearest", False, 1), ("nearest", "nearest", True, 1),
                                        ("bilinear", "bilinear", False, 1), ("bilinear", "bilinear", False, 0),
                                        ("bilinear", "bilinear", True, 1)):  # fmt: skip
        attrs = {"out_h": 5, "out_w": 7, "interp_method": method, "align_corners": corners, "align_mode": mode,
                 "data_layout": "NCHW"}  # fmt: skip
        case("old-%s-%d%d" % (name, corners, mode), simple(name + "_interp", attrs), only="old", x=x)
    case("old-bilinear-scale", simple("bilinear_interp", {"scale": 2.0, "align_corners": False, "align_mode": 1,
                                                          "interp_method": "bilinear"}), only="old", x=x)  # fmt: skip
    case("old-affine-channel", lambda x: raw(
        "affine_channel", {"X": [x], "Scale": [constant([1.0, 2.0, 3.0, 4.0])], "Bias": [constant([0.5, 0.1, 0.2, 0.3])]},
        {"data_layout": "NCHW"}, {"Out": "float32"}), only="old", x=x)  # fmt: skip
    case("old-data-norm", lambda x: raw(
        "data_norm", {"X": [x], "BatchSize": [constant([9.0] * 4)], "BatchSum": [constant([1.0, 2.0, 3.0, 4.0])],
                      "BatchSquareSum": [constant([5.0, 6.0, 7.0, 8.0])]}, {"epsilon": 1e-4},
        {"Y": "float32", "Means": "float32", "Scales": "float32"})[:1], only="old", x=normal("N", 4))  # fmt: skip
    case("old-batch-like", lambda x: raw("fill_constant_batch_size_like", {"Input": [x]},
                                         {"shape": [-1, 3], "value": 2.5, "dtype": 5}, {"Out": "float32"}), only="old", x=x)  # fmt: skip
    case("old-partial-concat", lambda x, y: raw("partial_concat", {"X": [x, y]}, {"start_index": 1, "length": 2},
                                                {"Out": "float32"}), only="old", x=normal("N", 4), y=normal("N", 4))  # fmt: skip
    case("old-partial-sum", lambda x, y: raw("partial_sum", {"X": [x, y]}, {"start_index": 1, "length": 2},
                                             {"Out": "float32"}), only="old", x=normal("N", 4), y=normal("N", 4))  # fmt: skip
    case("old-density-prior", lambda x, i: raw(
        "density_prior_box", {"Input": [x], "Image": [i]},
        {"variances": [0.1, 0.1, 0.2, 0.2], "clip": True, "step_w": 0.0, "step_h": 0.0, "offset": 0.5,
         "fixed_sizes": [8.0, 16.0], "fixed_ratios": [1.0, 2.0], "densities": [2, 1]},
        {"Boxes": "float32", "Variances": "float32"}), only="old", x=normal(1, 3, 3, 4), i=normal(1, 3, 24, 32))  # fmt: skip
    case("old-anchor", lambda x: raw(
        "anchor_generator", {"Input": [x]}, {"anchor_sizes": [16.0, 32.0], "aspect_ratios": [0.5, 1.0, 2.0],
                                             "variances": [0.1, 0.1, 0.2, 0.2], "stride": [8.0, 8.0], "offset": 0.5},
        {"Anchors": "float32", "Variances": "float32"}), only="old", x=normal(1, 3, 3, 4))  # fmt: skip
    case("old-polygon-box", lambda x: raw("polygon_box_transform", {"Input": [x]}, {}, {"Output": "float32"}), only="old",
         x=normal(1, 8, 3, 4))  # fmt: skip
    case("old-grid", lambda x: raw("im2sequence", {"X": [x]}, {"kernels": [2, 2], "strides": [1, 1], "paddings": [0, 0, 0, 0],
                                                               "out_stride": [1, 1]}, {"Out": "float32"}), only="old",
         x=normal("N", 2, 3, 4))  # fmt: skip
    case("old-row-conv", lambda x: raw("row_conv", {"X": [x], "Filter": [constant(np.linspace(-1, 1, 8).reshape(2, 4))]}, {},
                                       {"Out": "float32"}), only="old", x=normal("N", 5, 4))  # fmt: skip
    case("old-fused", lambda x, y: raw("fused_elemwise_activation", {"X": [x], "Y": [y]},
                                       {"functor_list": ["elementwise_add", "relu"], "axis": -1},
                                       {"Out": "float32", "IntermediateOut": "float32"})[:1], only="old",
         x=normal("N", 4), y=normal("N", 4))  # fmt: skip
    case("old-gru-unit", lambda x, h: raw(
        "gru_unit", {"Input": [x], "HiddenPrev": [h], "Weight": [constant(np.linspace(-1, 1, 48).reshape(4, 12))]},
        {"activation": 2, "gate_activation": 1}, {"Gate": "float32", "ResetHiddenPrev": "float32", "Hidden": "float32"}),
         only="old", x=normal("N", 12), h=normal("N", 4))  # fmt: skip
    more()


def more():
    x = normal("N", 4)
    case(
        "old-fc",
        lambda x: raw(
            "fc",
            {"Input": [x], "W": [constant(np.linspace(-1, 1, 12).reshape(4, 3))], "Bias": [constant([0.1, 0.2, 0.3])]},
            {"in_num_col_dims": 1, "activation_type": "relu"},
            {"Out": "float32"},
        ),
        only="old",
        x=x,
    )
    case(
        "old-mat-sub",
        lambda x: raw(
            "fusion_squared_mat_sub",
            {"X": [x], "Y": [constant(np.linspace(-1, 1, 12).reshape(4, 3))]},
            {"scalar": 0.5},
            {"SquaredX": "float32", "SquaredY": "float32", "SquaredXY": "float32", "Out": "float32"},
        )[3:],
        only="old",
        x=x,
    )
    for kind in ("l1_norm", "squared_l2_norm"):
        case("old-" + kind, simple(kind), only="old", x=normal(3, 4))
    case(
        "old-average-scale",
        lambda x: raw(
            "moving_average_abs_max_scale", {"X": [x]}, {"is_test": True}, {"Out": "float32", "OutScale": "float32"}
        )[:1],
        only="old",
        x=x,
    )
    case(
        "old-dequantize-abs-max",
        lambda x: raw(
            "dequantize_abs_max",
            {"X": [paddle.cast(x, "int8")], "Scale": [constant([0.7])]},
            {"max_range": 127.0},
            {"Out": "float32"},
        ),
        only="old",
        x=whole(-9, 9, "N", 4),
    )
    case(
        "old-fake-quantize",
        lambda x: raw(
            "fake_quantize_abs_max",
            {"X": [x]},
            {"bit_length": 8, "round_type": 1},
            {"Out": "float32", "OutScale": "float32"},
        )[:1],
        only="old",
        x=normal(3, 4),
    )
    case(
        "old-nms",
        lambda b, s: raw(
            "multiclass_nms2",
            {"BBoxes": [b], "Scores": [s]},
            {
                "score_threshold": 0.1,
                "nms_top_k": 6,
                "keep_top_k": 7,
                "nms_threshold": 0.3,
                "normalized": True,
                "nms_eta": 1.0,
                "background_label": 0,
            },
            {"Out": "float32", "Index": "int32"},
        ),
        only="old",
        b=boxes("N", 8, 4),
        s=scores("N", 3, 8),
    )
    case(
        "old-prelu-element",
        lambda x: raw(
            "prelu",
            {"X": [x], "Alpha": [constant(np.linspace(0, 1, 4).reshape(1, 4))]},
            {"mode": "element"},
            {"Out": "float32"},
        ),
        only="old",
        x=x,
    )
    case("old-minus", lambda x: raw("minus", {"X": [x], "Y": [x * 3]}, {}, {"Out": "float32"}), only="old", x=x)
    case("old-fill-zeros-like", simple("fill_zeros_like"), only="old", x=x)
    case("quantize-observer", observed, only="old", x=x)
    case("quantize-stored-channels", stored_channels, only="old", x=x)
    case("det", paddle.linalg.det, x=normal("N", 3, 3))
    case(
        "cross-entropy",
        lambda x, y: paddle.nn.functional.softmax_with_cross_entropy(x, y, return_softmax=True)[1],
        x=x,
        y=whole(0, 4, "N", 1),
    )
    case("fill-diagonal", lambda x: paddle._C_ops.fill_diagonal(x, 2.0, 0, False), only="new", x=normal(3, 4))
    case("copysign", lambda x, y: paddle.copysign(x, y), only="new", x=x, y=normal("N", 4))
    case("lp-pool", lambda x: paddle.nn.functional.lp_pool2d(x, 2.0, 2), only="new", x=positive("N", 2, 4, 6))
    case("swiglu", lambda x: paddle.incubate.nn.functional.swiglu(x), x=normal("N", 6))
    case("swiglu-two", lambda x: paddle.incubate.nn.functional.swiglu(x, x * 2), x=normal("N", 6))
    case("array-joined", joined, x=x)
    case("logspace", lambda x: x * paddle.logspace(0, 2, 4), x=x)
    case("conv3d-depthwise", lambda x: paddle.nn.Conv3D(4, 4, 3, groups=4)(x), x=normal("N", 4, 3, 4, 5))
    case(
        "baddbmm",
        lambda i, x, y: paddle.baddbmm(i, x, y, 0.5, 2.0),
        only="new",
        i=normal("N", 2, 3),
        x=normal("N", 2, 4),
        y=normal("N", 4, 3),
    )
    case(
        "pool3d-mask",
        lambda x: list(paddle.nn.functional.max_pool3d(x, 2, return_mask=True)),
        x=normal("N", 2, 4, 4, 6),
    )


def joined(x):
    rows = paddle.tensor.create_array("float32")
    for place in range(3):
        paddle.tensor.array_write(x * place, paddle.full([1], place, "int64"), rows)
    return paddle.tensor.manipulation.tensor_array_to_tensor(rows, axis=1, use_stack=True)[0]


def observed(x):
    """What a layer that only observes leaves as it is, between two that quantise."""
    scale, zero = (paddle.static.create_parameter([1], kind, default_initializer=paddle.nn.initializer.Constant(value))
                   for kind, value in (("float32", 1.5), ("float32", 0.0)))  # fmt: skip
    for only in (False, True):
        slots = {"Scale": [scale], "ZeroPoint": [paddle.cast(zero, "int32")]}
        attrs = {"bit_length": 8, "quant_axis": -1, "only_observer": only}
        q = raw("quantize_linear", {"X": [x], **slots}, attrs, {"Y": "float32"})[0]
        x = raw("dequantize_linear", {"X": [q], **slots}, attrs, {"Y": "float32"})[0] * 3
    return x


def stored_channels(x):
    """Test mode takes the scales that training left under the name of the output."""
    from paddle.base.layer_helper import LayerHelper

    w = paddle.static.create_parameter([4, 4], "float32")
    scale = paddle.static.create_parameter([4], "float32", default_initializer=paddle.nn.initializer.Constant(0.4))
    helper = LayerHelper("fake_channel_wise_quantize_abs_max")
    q = helper.create_variable_for_type_inference("float32")
    helper.append_op(
        type="fake_channel_wise_quantize_abs_max",
        inputs={"X": [w]},
        attrs={"bit_length": 8, "quant_axis": 1, "is_test": True},
        outputs={"Out": [q], "OutScale": [scale]},
    )
    return paddle.matmul(x, q)
