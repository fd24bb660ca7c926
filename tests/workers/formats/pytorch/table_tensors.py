"""Arithmetic, reductions, shapes, indexing, resizing: one row a setting that changes what is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from tests.workers.formats.pytorch.runs import Case, normal

INT = ir.DataType.INT64
A, B = normal(2, 3, 4), normal(3, 1)
IMAGE = normal(1, 2, 5, 6)
WHOLE = np.array([[-7, 7, 5], [3, -3, 9]])
DIVISOR = np.array([[2, -2, 3], [-2, 2, -4]])
FLAGS = np.array([True, False, True])
TIES = np.array([[1, 3, 3, 2], [0, 0, 0, 0]], np.float32)


def binary(op: str, says: str, a: Any = A, b: Any = B, **settings: Any) -> Case:
    return Case(f"{op}_{np.asarray(a).dtype}", [a, b], lambda g, x, y: getattr(g, op)(x, y, **settings), says=says)


ELEMENTWISE = [
    binary("Add", "x0 + x1"),
    binary("Sub", "x0 - x1"),
    binary("Mul", "x0 * x1"),
    binary("Div", "x0 / x1"),
    binary("Div", 'rounding_mode="trunc"', WHOLE, DIVISOR),
    binary("Mod", "torch.remainder(x0, x1)", WHOLE, DIVISOR),
    binary("Mod", "torch.fmod(x0, x1)", fmod=1),
    binary("Pow", "torch.pow(x0, x1)", np.abs(A), B),
    binary("Pow", ".to(torch.int64)", WHOLE, np.abs(DIVISOR)),
    binary("And", "x0 & x1", FLAGS, ~FLAGS),
    binary("Xor", "x0 ^ x1", FLAGS, ~FLAGS),
    binary("Equal", "x0 == x1", WHOLE, DIVISOR),
    binary("GreaterOrEqual", "x0 >= x1"),
    binary("BitShift", "x0 << x1", np.array([3, 200], np.uint8), np.array([1, 2], np.uint8), direction="LEFT"),
    binary("Add", ".to(torch.uint32)", np.array([2**32 - 1, 5], np.uint32), np.array([3, 4], np.uint32)),
    binary("Div", "divide_unsigned(", np.array([2**64 - 1, 9], np.uint64), np.array([3, 2**63 + 1], np.uint64)),
    binary("Greater", "^ -0x8000000000000000", np.array([2**64 - 1, 9], np.uint64), np.array([3, 12], np.uint64)),
    Case("scalar_right", [A], lambda g, x: g.Mul(x, 0.1), says="x0 * 0.1"),
    Case("scalar_left", [A], lambda g, x: g.Sub(np.float32(1), x), says="1.0 - x0"),
    Case("scalar_float16", [A.astype(np.float16)], lambda g, x: g.Mul(x, np.float16(0.1)), says="0.0999755859375"),
    Case("scalar_too_many_axes", [normal(3)], lambda g, x: g.Mul(x, np.full((1, 1), 2, np.float32))),
    Case("trained_addend", [A], lambda g, x: g.Add(x, normal(4)), says="nn.Parameter"),
    Case(
        "where", [FLAGS, normal(2, 3), normal(3)], lambda g, c, x, y: g.Where(c, x, y), says="torch.where(x0, x1, x2)"
    ),
    Case("where_scalar", [FLAGS, normal(2, 3)], lambda g, c, x: g.Where(c, x, 0.0), says="torch.where(x0, x1, 0.0)"),
    Case("max_3", [A, B, normal(4)], lambda g, *x: g.Max(*x), says="torch.maximum(torch.maximum(x0, x1), x2)"),
    Case("mean_3", [A, B, normal(4)], lambda g, *x: g.Mean(*x), says="(x0 + x1 + x2) / 3"),
    Case("round_half", [np.array([0.5, 1.5, 2.5, -0.5], np.float32)], lambda g, x: g.Round(x)),
    Case("is_inf", [np.array([np.inf, -np.inf, 1], np.float32)], lambda g, x: g.IsInf(x, detect_negative=0)),
    Case("cast_int", [A * 5], lambda g, x: g.Cast(x, to=int(ir.DataType.INT32)), says="x0.to(torch.int32)"),
    Case("cast_bool", [np.array([0, 0.5, -2], np.float32)], lambda g, x: g.Cast(x, to=int(ir.DataType.BOOL))),
    Case("neg_erf", [A], lambda g, x: g.Neg(g.Erf(x)), says="-"),
]

REDUCTIONS = [
    Case(f"{op}_{index}", [np.abs(A)], lambda g, x, op=op, a=a, s=s: getattr(g, op)(x, *a, **s), free=(0,))
    for op in (
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceProd",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceSumSquare",
    )
    for index, (a, s) in enumerate([(([1],), {}), (([0, -1],), {"keepdims": 0}), ((), {"keepdims": 0}), ((), {})])
] + [
    Case("reduce_none", [A], lambda g, x: g.Neg(g.ReduceSum(x, noop_with_empty_axes=1))),
    Case("reduce_axes_computed", [A, np.array([1])], lambda g, x, a: g.ReduceSum(x, a), says="if axes else"),
    Case("reduce_int32", [WHOLE.astype(np.int32)], lambda g, x: g.ReduceSum(x, [1]), says="dtype=torch.int32"),
    Case("reduce_mean_int", [WHOLE], lambda g, x: g.ReduceMean(x, [1])),
    Case("arg_max_first", [TIES], lambda g, x: g.ArgMax(x, axis=1), says="x0.argmax(dim=1, keepdim=True)"),
    Case("arg_max_last", [TIES], lambda g, x: g.ArgMax(x, axis=1, select_last_index=1, keepdims=0), says=".flip(1)"),
    Case("arg_min", [TIES], lambda g, x: g.ArgMin(x, axis=0)),
    Case("top_k_ties", [TIES], lambda g, x: g.ops("TopK", x, [3], outputs=2), says="top_k(x0, 3, -1, True)"),
    Case("top_k_smallest", [TIES], lambda g, x: g.ops("TopK", x, [2], outputs=2, axis=0, largest=0)),
    Case("cumsum", [A], lambda g, x: g.CumSum(x, 1), says="torch.cumsum(x0, dim=1"),
    Case("cumsum_both", [A], lambda g, x: g.CumSum(x, 2, exclusive=1, reverse=1), says="cumulative_sum("),
    Case("non_zero", [np.array([[0, 1], [2, 0]], np.float32)], lambda g, x: g.NonZero(x)),
    Case("unique", [np.array([2, 1, 1, 3, 2], np.float32)], lambda g, x: g.ops("Unique", x, outputs=4)),
    Case("unique_unsorted", [np.array([2, 1, 1, 3], np.float32)], lambda g, x: g.ops("Unique", x, outputs=4, sorted=0)),
]


def computed_shape(g: Any, x: Any) -> Any:
    """Flattens all but the first axis by arithmetic on the shape, as exporters write it."""
    shape = g.Shape(x)
    rest = g.Mul(g.Gather(shape, 1), g.Gather(shape, 2))
    return g.Reshape(x, g.Concat(g.Gather(shape, [0]), g.Unsqueeze(rest, [0]), axis=0))


SHAPES = [
    Case("reshape_literal", [A], lambda g, x: g.Reshape(x, [4, -1]), says="x0.reshape(4, -1)"),
    Case(
        "reshape_copies", [A], lambda g, x: g.Reshape(x, [0, -1, 2]), free=(0,), says="x0.reshape(x0.shape[0], -1, 2)"
    ),
    Case("reshape_flattens", [A], lambda g, x: g.Reshape(x, [0, -1]), free=(0,), says="torch.flatten(x0, 1)"),
    Case("reshape_computed", [A], computed_shape, free=(0, 1), says="x0.reshape(x0.shape[0], x0.shape[1] * 4)"),
    Case("reshape_given", [A, np.array([0, 12])], lambda g, x, s: g.Reshape(x, s)),
    Case("flatten_2", [normal(2, 3, 4, 5)], lambda g, x: g.Flatten(x, axis=2), free=(0,)),
    Case("flatten_0", [A], lambda g, x: g.Flatten(x, axis=0), says="x0.reshape(1, -1)"),
    Case("transpose", [A], lambda g, x: g.Transpose(x, perm=[2, 0, 1]), says="torch.permute(x0, (2, 0, 1))"),
    Case("squeeze", [normal(2, 1, 3, 1)], lambda g, x: g.Squeeze(x, [1, -1]), says="x0.squeeze((1, 3))"),
    Case("unsqueeze", [A], lambda g, x: g.Unsqueeze(x, [0, -1]), says="x0.unsqueeze(0).unsqueeze(4)"),
    Case("concat", [A, normal(2, 5, 4)], lambda g, x, y: g.Concat(x, y, axis=1), says="torch.cat([x0, x1], dim=1)"),
    Case(
        "split_sizes",
        [normal(6, 2)],
        lambda g, x: g.ops("Split", x, [1, 5], outputs=2),
        says="torch.split(x0, [1, 5], dim=0)",
    ),
    Case(
        "split_uneven",
        [normal(7, 2)],
        lambda g, x: g.ops("Split", x, outputs=3, num_outputs=3),
        says="torch.split(x0, 3",
    ),
    Case("slice", [A], lambda g, x: g.Slice(x, [1, -3], [2**62, -1], [1, 2]), says="x0[:, 1:, -3:-1]"),
    Case("slice_step", [A], lambda g, x: g.Slice(x, [0], [4], [2], [2]), says="x0[:, :, :4:2]"),
    Case("slice_back", [A], lambda g, x: g.Slice(x, [-1], [-(2**62)], [1], [-1]), says="slice_axes("),
    Case("slice_computed", [A, np.array([1]), np.array([3])], lambda g, x, s, e: g.Slice(x, s, e, [2])),
    Case("expand", [normal(3, 1)], lambda g, x: g.Expand(x, [2, 1, 4]), says="x0.expand(2, -1, 4)"),
    Case("expand_free", [normal(3, 1)], lambda g, x: g.Expand(x, [2, 1, 4]), free=(0,), says="x0.expand(2, -1, 4)"),
    Case("tile", [A], lambda g, x: g.Tile(x, [1, 2, 3]), says="x0.repeat(1, 2, 3)"),
    Case("size", [A], lambda g, x: g.Size(x), free=(0,), says="x0.numel()"),
    Case("shape_end", [A], lambda g, x: g.Shape(x, start=1), free=(1,)),
    Case(
        "constant_of_shape", [A], lambda g, x: g.ConstantOfShape(g.Shape(x), value=ir.tensor(np.array([2], np.int64)))
    ),
    Case("range_given", [np.float32(1), np.float32(3), np.float32(0.5)], lambda g, *x: g.Range(*x), says="arange("),
    Case("range_empty", [np.int64(3), np.int64(1), np.int64(1)], lambda g, *x: g.Range(*x)),
    Case(
        "range_of_size",
        [A],
        lambda g, x: g.Range(0, g.Gather(g.Shape(x), 0), 1),
        free=(0,),
        says="torch.arange(x0.shape[0]",
    ),
    Case("eye_like", [normal(3, 4)], lambda g, x: g.EyeLike(x, k=1)),
    Case("trilu", [normal(3, 4)], lambda g, x: g.Trilu(x, -1, upper=0), says="torch.tril(x0, diagonal=-1)"),
    Case(
        "depth_to_space_dcr", [normal(1, 8, 2, 3)], lambda g, x: g.DepthToSpace(x, blocksize=2), says="depth_to_space("
    ),
    Case(
        "depth_to_space_crd",
        [normal(1, 8, 2, 3)],
        lambda g, x: g.DepthToSpace(x, blocksize=2, mode="CRD"),
        says="nn.PixelShuffle(2)",
    ),
    Case("space_to_depth", [normal(1, 2, 4, 6)], lambda g, x: g.SpaceToDepth(x, blocksize=2)),
    Case("center_crop_pad", [normal(2, 6, 3)], lambda g, x: g.CenterCropPad(x, [3, 5], axes=[1, 2])),
]

PADS = [
    Case(f"pad_{mode}", [IMAGE], lambda g, x, m=mode: g.Pad(x, [0, 0, 1, 2, 0, 0, 2, 1], mode=m), says=says)
    for mode, says in [
        ("constant", "F.pad(x0, (2, 1, 1, 2))"),
        ("reflect", 'mode="reflect"'),
        ("edge", 'mode="replicate"'),
        ("wrap", '"wrap"'),
    ]
] + [
    Case("pad_value", [A], lambda g, x: g.Pad(x, [1, 0, 0, 0, 0, 2], 1.5), says="value=1.5"),
    Case("pad_axes", [A], lambda g, x: g.Pad(x, [1, 2], None, [-2]), says="F.pad(x0, (0, 0, 1, 2))"),
    Case("pad_cuts", [A], lambda g, x: g.Pad(x, [0, -1, 0, 0, 0, -2]), says="F.pad(x0, (0, -2, -1, 0))"),
    Case("pad_reflect_any_axis", [A], lambda g, x: g.Pad(x, [1, 2, 0, 0, 1, 0], mode="reflect"), says="pad("),
    Case(
        "pad_reflect_width",
        [IMAGE],
        lambda g, x: g.Pad(x, [0, 0, 0, 1, 0, 0, 0, 2], mode="reflect"),
        says='F.pad(x0, (1, 2, 0, 0), mode="reflect")',
    ),
    Case("pad_computed", [A, np.array([0, 0, 1, 0, 0, 2])], lambda g, x, p: g.Pad(x, p)),
]

SCATTERED = np.array([[0, 2, 1], [1, -1, 0]])
INDEXING = [
    Case("gather_number", [A], lambda g, x: g.Gather(x, -1, axis=1), says="x0[:, -1]"),
    Case("gather_run", [A], lambda g, x: g.Gather(x, [1, 2], axis=1), says="x0[:, 1:3]"),
    Case("gather_grid", [A, np.array([[0, -1], [2, 1]])], lambda g, x, i: g.Gather(x, i, axis=1), says="x0[:, x1]"),
    Case(
        "gather_rows", [np.array([[3, 0], [1, 4]])], lambda g, i: g.Gather(normal(5, 3), i), says="nn.Embedding(5, 3)"
    ),
    Case("gather_elements", [normal(3, 3), SCATTERED], lambda g, x, i: g.GatherElements(x, i, axis=1)),
    Case("gather_nd", [A, np.array([[0, 1], [1, 2]])], lambda g, x, i: g.GatherND(x, i), says="gather_nd("),
    Case("gather_nd_batch", [A, np.array([[1], [2]])], lambda g, x, i: g.GatherND(x, i, batch_dims=1)),
    Case("scatter", [normal(3, 3), SCATTERED, normal(2, 3)], lambda g, x, i, u: g.ScatterElements(x, i, u)),
    Case(
        "scatter_add",
        [normal(3, 3), np.zeros((2, 3), np.int64), normal(2, 3)],
        lambda g, x, i, u: g.ScatterElements(x, i, u, reduction="add"),
        says='reduce="sum"',
    ),
    Case("scatter_nd", [A, np.array([[1, 0], [0, -1]]), normal(2, 4)], lambda g, x, i, u: g.ScatterND(x, i, u)),
    Case(
        "scatter_nd_max",
        [A, np.array([[1, 0], [1, 0]]), normal(2, 4)],
        lambda g, x, i, u: g.ScatterND(x, i, u, reduction="max"),
    ),
    Case("compress", [A, FLAGS], lambda g, x, c: g.Compress(x, c, axis=1)),
    Case("compress_flat", [A, FLAGS], lambda g, x, c: g.Compress(x, c)),
    Case("one_hot", [np.array([[1, -1], [5, 0]])], lambda g, i: g.OneHot(i, 4, np.array([0.5, 2], np.float32), axis=1)),
    Case(
        "reverse_sequence",
        [normal(4, 3), np.array([1, 4, 2])],
        lambda g, x, n: g.ReverseSequence(x, n, batch_axis=1, time_axis=0),
    ),
]


def resize(
    name: str, says: str, scales: list[float] | None = None, sizes: list[int] | None = None, **settings: Any
) -> Case:
    def build(g: Any, x: Any) -> Any:
        factors = None if scales is None else np.array(scales, np.float32)
        return g.Resize(x, None, factors, None if sizes is None else sizes, **settings)

    return Case(f"resize_{name}", [IMAGE], build, free=(0,), says=says)


RESIZES = [
    resize("nearest_twice", 'nn.Upsample(scale_factor=2.0, mode="nearest")', [1, 1, 2, 2]),
    resize(
        "nearest_asymmetric",
        "nn.Upsample",
        [1, 1, 3, 2],
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    resize("nearest_odd", "resize(", [1, 1, 1.7, 0.6]),
    resize(
        "nearest_ceil", "resize(", [1, 1, 1.7, 0.6], nearest_mode="ceil", coordinate_transformation_mode="asymmetric"
    ),
    resize("linear_scales", 'mode="bilinear"', [1, 1, 1.6, 2.5], mode="linear"),
    resize("linear_sizes", "F.interpolate(x0, (3, 9)", sizes=[3, 9], axes=[2, 3], mode="linear"),
    resize(
        "linear_corners",
        "align_corners=True",
        [1, 1, 2, 2],
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    resize("linear_asymmetric", "resize(", [1, 1, 2, 2], mode="linear", coordinate_transformation_mode="asymmetric"),
    resize("linear_antialias", "antialias=True", [1, 1, 0.6, 0.5], mode="linear", antialias=1),
    resize("linear_one_axis", "resize(", [1.5], mode="linear", axes=[3]),
    resize("cubic", 'mode="bicubic"', [1, 1, 1.6, 2.5], mode="cubic"),
    resize("cubic_half", "resize(", [1, 1, 1.6, 2.5], mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    resize("not_larger", "not_larger", sizes=[7, 10], axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    Case(
        "resize_crop",
        [IMAGE, np.array([0, 0, 0.2, 0.4, 1, 1, 1.2, 0.9], np.float32)],
        lambda g, x, r: g.Resize(
            x,
            r,
            None,
            [1, 2, 4, 4],
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=7.0,
        ),
        says="outside=7.0",
    ),
    Case(
        "grid_sample",
        [IMAGE, normal(1, 3, 4, 2)],
        lambda g, x, y: g.GridSample(x, y, padding_mode="border"),
        says="F.grid_sample",
    ),
    Case("affine_grid", [normal(1, 2, 3)], lambda g, t: g.AffineGrid(t, [1, 1, 3, 4]), says="F.affine_grid"),
]

CASES = ELEMENTWISE + REDUCTIONS + SHAPES + PADS + INDEXING + RESIZES
