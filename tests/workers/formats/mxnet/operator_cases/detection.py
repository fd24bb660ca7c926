"""Boxes and regions; loops and branches."""
# Data for Python 3.8, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import mxnet as mx
import numpy as np

from operator_cases import case, distinct, normal, positive, steps, unit, v, values, whole

S = mx.sym


def boxes(r, n, count):
    low = r.uniform(0, 0.7, (n, count, 2))
    return np.concatenate([low, low + r.uniform(0.05, 0.4, (n, count, 2))], -1)


def detections():
    for index, kw in enumerate((dict(sizes=(0.2,), ratios=(1,)), dict(sizes=(0.2, 0.4), ratios=(1, 2, 0.5),
        clip=True), dict(sizes=(0.3, 0.5), ratios=(2, 1), steps=(0.2, 0.25), offsets=(0.4, 0.6)))):
        case("MultiBoxPrior-%d" % index, lambda kw=kw: S.contrib.MultiBoxPrior(v("x"), name="y",
            **kw), x=normal("N", 3, 4, 6))

    def prob(r, n):
        e = np.exp(2 * r.normal(0, 1, (n, 4, 40)))
        return (e / e.sum(1, keepdims=True)).astype("f4")

    def anchors(r, n):
        return boxes(r, 1, 40).astype("f4")

    def loc(r, n):
        return (0.3 * r.normal(0, 1, (n, 160))).astype("f4")
    for index, kw in enumerate((dict(), dict(threshold=0.4), dict(threshold=0.3, nms_topk=15), dict(nms_threshold=0.3,
        force_suppress=True), dict(clip=False, variances=(0.2, 0.2, 0.4, 0.4)), dict(nms_threshold=0),
        dict(threshold=0.99, nms_topk=5))):
        case("MultiBoxDetection-%d" % index, lambda kw=kw: S.contrib.MultiBoxDetection(v("p"), v("l"), v("a"),
            name="y", **kw), p=prob, l=loc, a=anchors)

    def rows(r, n):
        box = boxes(r, 2, 30) * 100
        return np.concatenate([r.randint(0, 3, (2, 30, 1)), r.uniform(0, 1, (2, 30, 1)), box], -1).astype("f4")
    for index, kw in enumerate((dict(), dict(id_index=0), dict(id_index=0, force_suppress=True), dict(id_index=0,
        topk=10, valid_thresh=0.3), dict(id_index=0, background_id=1), dict(overlap_thresh=0.2, in_format="center"),
        dict(id_index=0, out_format="center"), dict(valid_thresh=2))):
        case("box_nms-%d" % index, lambda kw=kw: S.contrib.box_nms(v("x"), coord_start=2, score_index=1, name="y",
            **kw), x=rows)
    case("box_nms-2d", lambda: S.contrib.box_nms(v("x"), id_index=0, name="y"), x=lambda r, n: rows(r, n)[0])
    case("box_iou", lambda: S.contrib.box_iou(v("a"), v("b"), name="y"), a=lambda r, n: boxes(r, 2, 3).astype("f4"),
        b=lambda r, n: boxes(r, 1, 5)[0].astype("f4"))
    case("box_iou-center", lambda: S.contrib.box_iou(v("a"), v("b"), format="center", name="y"), a=lambda r,
        n: boxes(r, 1, 3)[0].astype("f4"), b=lambda r, n: boxes(r, 1, 5)[0].astype("f4"))
    for form in ("center", "corner"):
        case("box_decode-" + form, lambda form=form: S.contrib.box_decode(v("x"), v("a"), std0=0.1, std1=0.1,
            std2=0.2, std3=0.2, format=form, clip=0.5, name="y"), x=normal("N", 6, 4), a=lambda r, n: boxes(r, 1,
            6).astype("f4"))

    def info(r, n):
        return np.tile(np.asarray([[80, 96, 1.5]], "f4"), (n, 1))
    for index, kw in enumerate((dict(rpn_min_size=4), dict(rpn_min_size=12, threshold=0.4, output_score=True),
        dict(rpn_min_size=0, rpn_post_nms_top_n=200, threshold=0.3))):
        kw = dict(dict(rpn_pre_nms_top_n=60, rpn_post_nms_top_n=20, scales=(2, 4), ratios=(0.5, 1, 2),
            feature_stride=16), **kw)
        for multi in (False, True):
            op = S.contrib.MultiProposal if multi else S.contrib.Proposal
            n = 2 if multi else 1
            case("%sProposal-%d" % ("Multi" * multi, index), lambda op=op, kw=kw: S.Group(list(op(v("s"), v("d"),
                v("i"), name="y", **kw))) if kw.get("output_score") else op(v("s"), v("d"), v("i"), name="y", **kw),
                s=lambda r, _, n=n: r.uniform(0, 1, (n, 12, 6, 7)).astype("f4"), d=lambda r, _,
                n=n: (0.2 * r.normal(0, 1, (n, 24, 6, 7))).astype("f4"), i=lambda r, _, n=n: info(r, n))

    def rois(r, n):
        low = r.uniform(0, 40, (5, 2))
        return np.concatenate([r.randint(0, 2, (5, 1)), low, low + r.uniform(4, 40, (5, 2))], 1).astype("f4")
    case("ROIPooling", lambda: S.ROIPooling(v("x"), v("r"), pooled_size=(3, 2), spatial_scale=0.25, name="y"),
        x=normal(2, 3, 20, 22), r=rois)
    for index, kw in enumerate((dict(), dict(sample_ratio=2), dict(aligned=True, sample_ratio=3))):
        case("ROIAlign-%d" % index, lambda kw=kw: S.contrib.ROIAlign(v("x"), v("r"), pooled_size=(3, 2),
            spatial_scale=0.25, name="y", **kw), x=normal(2, 3, 20, 22), r=rois)


def control():

    def foreach():
        out, states = S.contrib.foreach(lambda x, s: (x * v("w", shape=(3,)) + s[0], [s[0] + x, s[1] * 0.5]), v("x"),
            [v("s"), v("t")])
        return S.Group([out] + states)
    case("foreach", foreach, x=normal(5, 3), s=normal(3), t=normal(3))

    def eager_loop(i, x):
        outs, states = mx.nd.contrib.while_loop(lambda i, x: i < 3, lambda i, x: ([x * i], [i + 1, x + 0.5]), [i, x],
            max_iterations=5)
        return [mx.nd.slice_axis(outs[0], axis=0, begin=0, end=3)] + states

    def while_loop():
        outs, states = S.contrib.while_loop(lambda i, x: i < 3, lambda i, x: ([x * i], [i + 1, x + 0.5]),
            [v("i"), v("x")], max_iterations=5)
        return S.Group([S.slice_axis(outs[0], axis=0, begin=0, end=3)] + states)

    case("while_loop", while_loop, eager=eager_loop, i=values(0.0), x=normal(1, 2))
    for index, first in enumerate((3.0, -3.0)):
        case("cond-%d" % index, lambda: S.contrib.cond(S.sum(v("a")) > 0, lambda: v("a") + v("b"),
            lambda: v("a") * v("b")), eager=lambda a, b: [a + b if a.sum().asscalar() > 0 else a * b],
            a=values(first, 1.0), b=normal(2))
