"""Shapes, slices, reductions, places, sizes of planes."""
# Data for Python 3.8, one case a line as far as it fits.
# ruff: noqa
# fmt: off

import mxnet as mx
import numpy as np

from operator_cases import case, distinct, normal, positive, steps, unit, v, values, whole

S = mx.sym


def shapes():
    x = normal("N", 6, 4, 5)
    for index, kw in enumerate((dict(shape=(0, -1)), dict(shape=(-2,)), dict(shape=(0, -3, -2)), dict(shape=(0, -4, 2,
        -1, -2)), dict(shape=(-1, 0), reverse=True), dict(shape=(0, 0, -1)), dict(shape=(0, -4, -1, 3, 0, 0)),
        dict(shape=(-3, -3)), dict(shape=(-1, 5)), dict(shape=(0, 20, -1)), dict(shape=(0, 0, -3)), dict(shape=(-1, 6,
        4, 5)), dict(shape=(0, 4, -1, 5)))):
        case("Reshape-%d" % index, lambda kw=kw: S.Reshape(v("x"), name="y", **kw), x=x)
    case("Reshape-target", lambda: S.Reshape(v("x"), target_shape=(0, 24, 5), name="y"), x=normal(2, 6, 4, 5))
    case("Flatten", lambda: S.Flatten(v("x"), name="y"), x=x)
    case("expand_dims", lambda: S.expand_dims(v("x"), axis=-2, name="y"), x=normal("N", 3))
    case("squeeze", lambda: S.squeeze(v("x"), name="y"), x=normal(2, 1, 3, 1))
    case("squeeze-axis", lambda: S.squeeze(v("x"), axis=(1, 3), name="y"), x=normal("N", 1, 3, 1))
    case("squeeze-all", lambda: S.squeeze(v("x"), name="y"), x=normal(1, 1))
    case("transpose", lambda: S.transpose(v("x"), name="y"), x=x)
    case("transpose-axes", lambda: S.transpose(v("x"), axes=(0, 2, 3, 1), name="y"), x=x)
    case("SwapAxis", lambda: S.SwapAxis(v("x"), dim1=1, dim2=3, name="y"), x=x)
    case("Concat", lambda: S.Concat(v("x"), v("z"), name="y"), x=normal("N", 2, 3), z=normal("N", 4, 3))
    case("Concat-dim", lambda: S.Concat(v("x"), v("x"), dim=-1, name="y"), x=normal("N", 2, 3))
    case("stack", lambda: S.stack(v("x"), v("z"), axis=1, name="y"), x=normal("N", 3), z=normal("N", 3))
    case("split", lambda: S.Group(list(S.split(v("x"), num_outputs=3, name="y"))), x=x)
    case("split-squeeze", lambda: S.Group(list(S.split(v("x"), num_outputs=4, axis=2, squeeze_axis=True, name="y"))),
        x=x)
    case("split-one", lambda: S.split(v("x"), num_outputs=1, name="y"), x=x)
    case("split_v2", lambda: S.split_v2(v("x"), (1, 4), axis=1), x=x)
    case("split_v2-sections", lambda: S.split_v2(v("x"), 2, axis=1), x=x)
    case("slice", lambda: S.slice(v("x"), begin=(None, 1, 0, -2), end=(None, 5, None, None), step=(None, 2, 1, 1),
        name="y"), x=x)
    case("slice-back", lambda: S.slice(v("x"), begin=(None, None, 3), end=(None, None, 0), step=(1, -2, -1),
        name="y"), x=x)
    case("slice_axis", lambda: S.slice_axis(v("x"), axis=-1, begin=-3, end=None, name="y"), x=x)
    case("slice_axis-negative", lambda: S.slice_axis(v("x"), axis=1, begin=1, end=-1, name="y"), x=x)
    case("slice_like", lambda: S.slice_like(v("x"), v("z"), axes=(1, -1), name="y"), x=x, z=normal("N", 3, 9, 2))
    case("slice_like-all", lambda: S.slice_like(v("x"), v("z"), name="y"), x=x, z=normal("N", 3, 4, 2))
    case("tile", lambda: S.tile(v("x"), reps=(2, 1, 3), name="y"), x=normal("N", 3))
    case("tile-short", lambda: S.tile(v("x"), reps=(2,), name="y"), x=normal("N", 3))
    case("repeat", lambda: S.repeat(v("x"), repeats=2, axis=1, name="y"), x=normal("N", 3, 2))
    case("repeat-flat", lambda: S.repeat(v("x"), repeats=2, name="y"), x=normal("N", 3))
    case("reverse", lambda: S.reverse(v("x"), axis=(1, 3), name="y"), x=x)
    for mode in ("constant", "edge", "reflect"):
        case("Pad-" + mode, lambda mode=mode: S.Pad(v("x"), mode=mode, pad_width=(0, 0, 0, 0, 1, 2, 2, 1),
            constant_value=0.5, name="y"), x=x)
    case("broadcast_to", lambda: S.broadcast_to(v("x"), shape=(0, 3, 5), name="y"), x=normal("N", 3, 1))
    case("broadcast_axis", lambda: S.broadcast_axis(v("x"), axis=(1, 2), size=(4, 3), name="y"), x=normal("N", 1, 1))
    case("broadcast_like", lambda: S.broadcast_like(v("x"), v("z"), name="y"), x=normal("N", 1), z=normal("N", 4))
    case("broadcast_like-axes", lambda: S.broadcast_like(v("x"), v("z"), lhs_axes=(1,), rhs_axes=(-1,), name="y"),
        x=normal("N", 1, 3), z=normal("N", 4))
    case("reshape_like", lambda: S.reshape_like(v("x"), v("z"), name="y"), x=normal("N", 6), z=normal("N", 2, 3))
    case("reshape_like-part", lambda: S.reshape_like(v("x"), v("z"), lhs_begin=1, lhs_end=2, rhs_begin=1, rhs_end=3,
        name="y"), x=normal("N", 6, 5), z=normal("N", 2, 3))
    case("depth_to_space", lambda: S.depth_to_space(v("x"), block_size=2, name="y"), x=normal("N", 8, 3, 2))
    case("space_to_depth", lambda: S.space_to_depth(v("x"), block_size=2, name="y"), x=normal("N", 3, 4, 6))
    for k in (0, 1, -2):
        case("diag%d" % k, lambda k=k: S.diag(v("x"), k=k, name="y"), x=normal(3, 4))
        case("diag-vector%d" % k, lambda k=k: S.diag(v("x"), k=k, name="y"), x=normal(3))
    case("diag-axes", lambda: S.diag(v("x"), axis1=1, axis2=2, name="y"), x=normal("N", 3, 4, 2))
    case("shape_array", lambda: S.shape_array(v("x"), name="y"), x=x)
    case("size_array", lambda: S.size_array(v("x"), name="y"), x=x)
    case("zeros_ones_like", lambda: S.Group([S.zeros_like(v("x")), S.ones_like(v("x"))]), x=normal("N", 3))
    case("arange", lambda: S.broadcast_add(v("x"), S.arange(1, 7, 2, repeat=2, name="r"), name="y"), x=normal("N", 6))
    case("arange_like", lambda: S.contrib.arange_like(v("x"), start=2, step=0.5, name="y"), x=normal("N", 3))
    case("arange_like-axis", lambda: S.contrib.arange_like(v("x"), axis=0, name="y"), x=normal("N", 3))
    case("full", lambda: S.broadcast_mul(v("x"), S.full((3,), 2.5), name="y"), x=normal("N", 3))
    case("eye", lambda: S.dot(v("x"), S.eye(3, 4, 1), name="y"), x=normal("N", 3))
    case("linspace", lambda: S.broadcast_mul(v("x"), S.linspace(0, 1, 5), name="y"), x=normal("N", 5))
    case("index_array", lambda: S.contrib.index_array(v("x"), name="y"), x=normal(2, 3))
    case("index_array-axes", lambda: S.contrib.index_array(v("x"), axes=(1,), name="y"), x=normal(2, 3))
    case("Crop-like", lambda: S.Crop(v("x"), v("z"), offset=(1, 0), name="y"), x=normal("N", 3, 8, 9), z=normal("N",
        2, 5, 6))
    case("Crop-center", lambda: S.Crop(v("x"), h_w=(3, 4), center_crop=True, name="y"), x=normal("N", 3, 8, 9))
    case("slice_assign", lambda: S._internal._slice_assign(v("x"), v("z"), begin=(0, 1), end=(2, 4), step=(1, 2),
        name="y"), x=normal(3, 5), z=normal(2, 2))
    case("slice_assign_scalar", lambda: S._internal._slice_assign_scalar(v("x"), scalar=7, begin=(0, 1), end=(2,
        None), name="y"), x=normal(3, 5))


def reductions():
    x = normal("N", 3, 4)
    for op in ["sum", "mean", "max", "min", "prod"]:
        for index, kw in enumerate((dict(axis=1), dict(axis=(0, 2), keepdims=True), dict(), dict(axis=1,
            exclude=True), dict(keepdims=True), dict(axis=-1))):
            case("%s-%d" % (op, index), lambda op=op, kw=kw: getattr(S, op)(v("x"), name="y", **kw), x=x)
    case("nansum", lambda: S.nansum(v("x"), axis=1, name="y"), x=values([1.0, np.nan, 2.0], [np.nan, np.nan, 5.0]))
    case("nanprod", lambda: S.nanprod(v("x"), axis=1, name="y"), x=values([1.5, np.nan, 2.0], [np.nan, np.nan, 5.0]))
    for order in (1, 2):
        case("norm%d" % order, lambda order=order: S.norm(v("x"), ord=order, axis=1, name="y"), x=x)
        case("norm%d-all" % order, lambda order=order: S.norm(v("x"), ord=order, name="y"), x=x)
    case("norm-two", lambda: S.norm(v("x"), axis=(1, 2), keepdims=True, name="y"), x=x)
    for op in ("argmax", "argmin"):
        case("%s-axis" % op, lambda op=op: getattr(S, op)(v("x"), axis=1, name="y"), x=x)
        case("%s-keep" % op, lambda op=op: getattr(S, op)(v("x"), axis=-1, keepdims=True, name="y"), x=x)
        case("%s-all" % op, lambda op=op: getattr(S, op)(v("x"), name="y"), x=x)
        case("%s-ties" % op, lambda op=op: getattr(S, op)(v("x"), axis=1, name="y"), x=whole(0, 2, 4, 6))
    case("argmax-1d", lambda: S.argmax(v("x"), axis=0, name="y"), x=normal(5))
    case("argmax_channel", lambda: S.argmax_channel(v("x"), name="y"), x=x)
    case("topk", lambda: S.topk(v("x"), k=2, name="y"), x=distinct("N", 3, 4))
    case("topk-value", lambda: S.topk(v("x"), k=2, ret_typ="value", axis=1, name="y"), x=distinct("N", 3, 4))
    case("topk-both", lambda: S.Group(list(S.topk(v("x"), k=2, ret_typ="both", is_ascend=True, name="y"))),
        x=distinct("N", 3, 4))
    case("topk-mask", lambda: S.topk(v("x"), k=2, ret_typ="mask", name="y"), x=distinct("N", 3, 4))
    case("topk-int", lambda: S.topk(v("x"), k=2, dtype="int32", name="y"), x=distinct("N", 3, 4))
    case("topk-flat", lambda: S.topk(v("x"), k=3, axis=None, name="y"), x=distinct("N", 3, 4))
    case("sort", lambda: S.sort(v("x"), name="y"), x=distinct("N", 3, 4))
    case("sort-down", lambda: S.sort(v("x"), axis=1, is_ascend=False, name="y"), x=distinct("N", 3, 4))
    case("sort-flat", lambda: S.sort(v("x"), axis=None, name="y"), x=distinct("N", 3, 4))
    case("argsort", lambda: S.argsort(v("x"), name="y"), x=distinct("N", 3, 4))
    case("argsort-down", lambda: S.argsort(v("x"), axis=1, is_ascend=False, dtype="int32", name="y"), x=distinct("N",
        3, 4))
    case("cumsum", lambda: S.cumsum(v("x"), axis=1, name="y"), x=x)
    case("cumsum-flat", lambda: S.cumsum(v("x"), name="y"), x=x)


def indexing():
    for mode in ("clip", "wrap"):
        case("take-" + mode, lambda mode=mode: S.take(v("x"), v("i"), axis=1, mode=mode, name="y"), x=normal("N", 4,
            3), i=values([0.0, 3.9, 7.0], [-1.0, -6.0, 2.0]))
        case("pick-" + mode, lambda mode=mode: S.pick(v("x"), v("i"), axis=1, mode=mode, name="y"), x=normal(2, 4, 3),
            i=values([0.0, 3.9, 7.0], [-1.0, -6.0, 2.0]))
    case("take-default", lambda: S.take(v("x"), v("i"), name="y"), x=normal(5, 3), i=values(1.0, 4.0, 9.0))
    case("pick-keep", lambda: S.pick(v("x"), v("i"), keepdims=True, name="y"), x=normal("N", 4), i=whole(0, 4, "N"))
    case("one_hot", lambda: S.one_hot(v("i"), depth=4, on_value=2, off_value=-1, name="y"), i=values([0.0, 3.0], [4.0,
        -1.0]))
    case("one_hot-int", lambda: S.one_hot(v("i"), depth=3, dtype="int32", name="y"), i=whole(0, 3, "N", 2))
    case("gather_nd", lambda: S.gather_nd(v("x"), v("i"), name="y"), x=normal(3, 4, 2), i=values([0.0, 2.0, 1.0],
        [3.0, 0.0, 1.0]))
    case("scatter_nd", lambda: S.scatter_nd(v("x"), v("i"), shape=(3, 4), name="y"), x=normal(3), i=values([0.0, 2.0,
        1.0], [3.0, 0.0, 1.0]))
    case("index_copy", lambda: S.contrib.index_copy(v("x"), v("i"), v("z"), name="y"), x=normal(4, 3), i=values(2, 0,
        dtype="i4"), z=normal(2, 3))
    case("batch_take", lambda: S.batch_take(v("x"), v("i"), name="y"), x=normal("N", 4), i=whole(0, 4, "N",
        dtype="i4"))
    case("boolean_mask", lambda: S.contrib.boolean_mask(v("x"), v("m"), name="y"), eager=lambda x, m: [
        mx.nd.contrib.boolean_mask(x, m)], x=normal(4, 3), m=values(1.0, 0.0, 2.0, 0.0))
    case("ravel", lambda: S.ravel_multi_index(v("i"), shape=(3, 4, 5), name="y"), i=values([0.0, 2.0], [3.0, 1.0],
        [4.0, 2.0]))
    case("unravel", lambda: S.unravel_index(v("i"), shape=(3, 4, 5), name="y"), i=values(0.0, 7.0, 59.0))


def resizes():
    x = normal("N", 3, 5, 6)
    case("UpSampling", lambda: S.UpSampling(v("x"), scale=2, sample_type="nearest", name="y"), x=x)
    for mode in ("concat", "sum"):
        case("UpSampling-" + mode, lambda mode=mode: S.UpSampling(v("x"), v("z"), scale=2, sample_type="nearest",
            num_args=2, multi_input_mode=mode, name="y"), x=normal("N", 3, 4, 6), z=normal("N", 3, 8, 12))
    for scale in (2, 3):
        case("UpSampling-bilinear%d" % scale, lambda scale=scale: S.UpSampling(v("x"), v("w"), scale=scale,
            sample_type="bilinear", num_filter=3, num_args=2, name="y"), x=x)
    for index, kw in enumerate((dict(height=9, width=7), dict(height=3, width=13), dict(height=10, width=12,
        align_corners=False), dict(scale_height=2, scale_width=1.5), dict(scale_height=2, scale_width=2,
        mode="odd_scale"), dict(mode="to_even_down"), dict(mode="to_even_up"), dict(mode="to_odd_down"),
        dict(mode="to_odd_up"), dict(height=3, width=2, align_corners=False), dict(height=1, width=1))):
        case("BilinearResize2D-%d" % index, lambda kw=kw: S.contrib.BilinearResize2D(v("x"), name="y", **kw), x=x)
    case("BilinearResize2D-like", lambda: S.contrib.BilinearResize2D(v("x"), v("z"), mode="like", name="y"), x=x,
        z=normal("N", 2, 8, 3))
    case("GridGenerator-affine", lambda: S.GridGenerator(v("x"), transform_type="affine", target_shape=(4, 5),
        name="y"), x=normal("N", 6))
    case("GridGenerator-warp", lambda: S.GridGenerator(v("x"), transform_type="warp", name="y"), x=normal("N", 2, 4,
        5))
    case("BilinearSampler", lambda: S.BilinearSampler(v("x"), v("g"), name="y"), x=normal("N", 3, 5, 6), g=lambda r,
        n: r.uniform(-1.3, 1.3, (n, 2, 4, 3)).astype("f4"))
    case("BilinearSampler-free", lambda: S.BilinearSampler(v("x"), v("g"), name="y"), x=normal("N", 3, 5, 6),
        g=unit("N", 2, 4, 3))
    case("SpatialTransformer", lambda: S.SpatialTransformer(v("x"), v("t"), target_shape=(4, 5),
        transform_type="affine", sampler_type="bilinear", name="y"), x=normal("N", 3, 5, 6), t=normal("N", 6))


def pictures():
    I = S.image
    case("to_tensor", lambda: I.to_tensor(v("x"), name="y"), x=whole(0, 256, 5, 6, 3, dtype="u1"))
    case("normalize", lambda: I.normalize(v("x"), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), name="y"), x=normal("N",
        3, 4, 5))
    case("image_crop", lambda: I.crop(v("x"), x=1, y=2, width=3, height=2, name="y"), x=normal(6, 5, 3))
    case("flip_left_right", lambda: I.flip_left_right(v("x"), name="y"), x=whole(0, 256, 4, 6, 3))
    case("flip_top_bottom", lambda: I.flip_top_bottom(v("x"), name="y"), x=whole(0, 256, 4, 5, 3))
