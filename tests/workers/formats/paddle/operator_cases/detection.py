"""What detectors do with boxes."""

# ruff: noqa: E501, UP031

import paddle
import paddle.vision.ops as V

from operator_cases import boxes, case, distinct, normal, positive, unit, values, whole


def detections():
    x = normal("N", 14, 3, 4)
    size = whole(60, 90, "N", 2, dtype="i4")
    case("yolo-box", lambda x, s: list(V.yolo_box(x, s, [10, 13, 16, 30], 2, 0.3, 16)), x=x, s=size)
    case(
        "yolo-box-wide",
        lambda x, s: list(V.yolo_box(x, s, [10, 13, 16, 30], 2, 0.01, 16, False, scale_x_y=1.2)),
        x=x,
        s=size,
    )
    case("yolo-box-aware", lambda x, s: list(V.yolo_box(x, s, [10, 13, 16, 30], 2, 0.01, 16, iou_aware=True,
                                                        iou_aware_factor=0.4)), x=normal("N", 16, 3, 4), s=size)  # fmt: skip
    case("prior-box", lambda x, i: list(V.prior_box(x, i, [8.0], [16.0], [1.0, 2.0], flip=True, clip=True)),
         x=normal(1, 3, 3, 4), i=normal(1, 3, 24, 32))  # fmt: skip
    case("prior-box-order", lambda x, i: list(V.prior_box(x, i, [8.0, 12.0], [16.0, 20.0], [2.0], steps=[8.0, 9.0], offset=0.4,
                                                          min_max_aspect_ratios_order=True)),
         x=normal(1, 3, 3, 4), i=normal(1, 3, 24, 32))  # fmt: skip
    case("box-decode", lambda p, v, t: V.box_coder(p, v, t, "decode_center_size", True, axis=0), p=boxes(5, 4), v=positive(5, 4),
         t=unit("N", 5, 4))  # fmt: skip
    case("box-decode-axis1", lambda p, t: V.box_coder(p, [0.1, 0.1, 0.2, 0.2], t, "decode_center_size", False, axis=1),
         p=boxes("N", 4), t=unit("N", 5, 4))  # fmt: skip
    case("box-encode", lambda p, t: V.box_coder(p, [0.1, 0.1, 0.2, 0.2], t, "encode_center_size", False), p=boxes(5, 4),
         t=boxes("N", 4))  # fmt: skip
    case("matrix-nms", lambda b, s: list(V.matrix_nms(b, s, 0.05, 0.02, 6, 5, return_index=True)), b=boxes("N", 8, 4),
         s=scores("N", 3, 8))  # fmt: skip
    case("matrix-nms-gauss", lambda b, s: list(V.matrix_nms(b, s, 0.05, 0.02, 6, 5, True, 2.0, background_label=-1,
                                                            normalized=False, return_index=True)),
         b=boxes("N", 8, 4), s=scores("N", 3, 8))  # fmt: skip
    case("multiclass-nms", lambda b, s: multiclass(b, s), b=boxes("N", 8, 4), s=scores("N", 3, 8))
    case("multiclass-nms-few", lambda b, s: multiclass(b, s, keep_top_k=3, nms_top_k=4, background_label=-1, normalized=False),
         b=boxes("N", 8, 4), s=scores("N", 3, 8))  # fmt: skip
    case("nms", lambda b: V.nms(b, 0.3), b=boxes(8, 4))


def scores(*shape):
    from operator_cases import Drawn

    def draw(r, s):
        n = 1
        for size in s:
            n *= size
        return (r.permutation(n).reshape(s) / float(n)).astype("f4")

    return Drawn(shape, draw)


def multiclass(b, s, **more):
    attrs = dict(score_threshold=0.1, nms_top_k=6, keep_top_k=7, nms_threshold=0.3, normalized=True, nms_eta=1.0,
                 background_label=0)  # fmt: skip
    attrs.update(more)
    if paddle.__version__ >= "3":
        order = (
            "score_threshold",
            "nms_top_k",
            "keep_top_k",
            "nms_threshold",
            "normalized",
            "nms_eta",
            "background_label",
        )
        return list(paddle._C_ops.multiclass_nms3(b, s, None, *[attrs[key] for key in order]))
    return raw("multiclass_nms3", {"BBoxes": [b], "Scores": [s]}, attrs,
               {"Out": "float32", "Index": "int32", "NmsRoisNum": "int32"})  # fmt: skip


def raw(kind, inputs, attrs, outputs):
    """An operator that has no function of its own: outputs by slot with their types."""
    from paddle.base.layer_helper import LayerHelper

    helper = LayerHelper(kind)
    made = {slot: helper.create_variable_for_type_inference(dtype) for slot, dtype in outputs.items()}
    helper.append_op(type=kind, inputs=inputs, attrs=attrs, outputs={slot: [var] for slot, var in made.items()})
    return list(made.values())


def regions():
    x = normal(2, 3, 8, 9)
    one, two = boxes(5, 4, size=16.0), values(3, 2, dtype="i4")
    for aligned in (True, False):
        case(
            "roi-align-%d" % aligned,
            lambda x, b, n, a=aligned: V.roi_align(x, b, n, (2, 3), 0.5, 2, a),
            x=x,
            b=one,
            n=two,
        )
    case("roi-align-adaptive", lambda x, b, n: V.roi_align(x, b, n, 2, 0.5, -1), x=x, b=one, n=two)
    case("roi-pool", lambda x, b, n: V.roi_pool(x, b, n, 2, 0.5), x=x, b=one, n=two)
    case("generate-proposals", lambda s, d, i, a, v: list(V.generate_proposals(s, d, i, a, v, 10, 5, 0.5, 2.0,
                                                                               return_rois_num=True)),
         s=distinct(1, 2, 3, 4), d=unit(1, 8, 3, 4), i=values([24.0, 32.0]), a=boxes(3, 4, 2, 4), v=positive(3, 4, 2, 4))  # fmt: skip
    case("generate-proposals-offset", lambda s, d, i, a, v: list(V.generate_proposals(
        s, d, i, a, v, 10, 5, 0.5, 2.0, pixel_offset=True, return_rois_num=True)),
         s=distinct(1, 2, 3, 4), d=unit(1, 8, 3, 4), i=values([24.0, 32.0]), a=boxes(3, 4, 2, 4), v=positive(3, 4, 2, 4))  # fmt: skip
    case("distribute-fpn", lambda b, n: flat(V.distribute_fpn_proposals(b, 2, 4, 3, 16, rois_num=n)), b=boxes(7, 4, size=60.0),
         n=values(7, dtype="i4"))  # fmt: skip


def flat(found):
    return [item for part in found for item in (part if isinstance(part, list) else [part])]
