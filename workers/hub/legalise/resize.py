"""Resize and other linear maps along single axes: by a transposed convolution or by constant matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from workers.hub import IR_VERSION, OPSET
from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.legalise.dims import fixed, spatial
from workers.hub.legalise.padding import pads_of
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Dim, Node

# Elements of a matrix that stands for a resizing of one axis.
MATRIX = 1 << 22


def resized(node: Node) -> tuple[Dim, ...] | None:
    """The result's shape; an axis that is not resized keeps its size, free or not. None when it is computed."""
    shape, out = node.shape(), node.out_shape()
    if shape is None or out is None:
        return None
    scales, sizes = node.const(2), node.const(3)
    if (scales is None or not scales.size) and sizes is None:
        return None
    axes = [axis % len(shape) for axis in node.ints("axes", range(len(shape)))]
    kept = set(range(len(shape))) - set(axes)
    if scales is not None and scales.size:
        kept |= {axis for axis, scale in zip(axes, scales, strict=True) if scale == 1}
    elif sizes is not None:
        kept |= {axis for axis, size in zip(axes, sizes, strict=True) if size == shape[axis]}
    return tuple(shape[axis] if axis in kept else out[axis] for axis in range(len(shape)))


def _factors(node: Node) -> tuple[int, ...] | None:
    """Whole-number enlargements of the spatial axes; None when sizes are unknown or not multiples."""
    shape, out = node.shape(), resized(node)
    sizes, big = spatial(node), None if out is None else fixed(out[2:])
    if shape is None or out is None or sizes is None or big is None or shape[:2] != out[:2]:
        return None
    pairs = list(zip(big, sizes, strict=True))
    return None if any(large % small for large, small in pairs) else tuple(large // small for large, small in pairs)


def _repeats_pixels(node: Node) -> bool:
    """Whether a nearest-neighbour enlargement by whole numbers shows every pixel equally often, in order.

    Pixel centres fall symmetrically between those of the source, so they must be rounded to the nearest; corners fall
    on the source's own and may only be rounded down.
    """
    coordinates = node.s("coordinate_transformation_mode", "half_pixel")
    rounding = node.s("nearest_mode", "round_prefer_floor")
    return node.s("mode", "nearest") == "nearest" and (
        (coordinates in ("half_pixel", "half_pixel_symmetric") and rounding.startswith("round"))
        or (coordinates == "asymmetric" and rounding == "floor")
    )


@rule("Resize", "resize-nearest-to-conv-transpose", "Repeating pixels is a depthwise transposed convolution with ones.")
def resize_nearest(g: GraphBuilder, node: Node) -> Results:
    shape, factors = node.shape(), _factors(node)
    if shape is None or factors is None or not _repeats_pixels(node) or node.x().dtype != ir.DataType.FLOAT:
        return None
    channels, axes = shape[1], len(factors)
    if not isinstance(channels, int) or max(factors) > 64:
        return None
    return g.ConvTranspose(
        node.x(), g.constant(np.ones((channels, 1, *factors), np.float32)), kernel_shape=list(factors),
        strides=list(factors), dilations=[1] * axes, pads=[0] * 2 * axes, group=channels,
    )  # fmt: skip


def matrix_of(node: Node, size: int, out: int, axis: int) -> Array:
    """What ``node`` does to one axis, as a [size, out] matrix: the operator run on the unit vectors.

    Every axis is treated alone, so the sample is a picture of all unit vectors in its rows.
    """
    attributes = {name: attribute.value for name, attribute in node.raw.attributes.items() if name != "axes"}
    attributes.pop("keep_aspect_ratio_policy", None)
    scales = node.const(2)
    feeds: dict[str, Array]
    # Aligned corners look at whole sizes only; the other modes use a scale as it is given, before sizes are rounded.
    aligned = node.s("coordinate_transformation_mode") == "align_corners"
    if scales is not None and scales.size and not aligned:
        inputs = ["x", "", "scales"]
        feeds = {"scales": np.asarray([1, float(scales[_position(node, axis)])], np.float32)}
    else:
        inputs = ["x", "", "", "sizes"]
        feeds = {"sizes": np.asarray([size, out], np.int64)}
    made = onnx.helper.make_node("Resize", inputs, ["y"], **attributes)
    kinds = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [size, size])]
    kinds += [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), [2])
        for name, array in feeds.items()
    ]
    graph = onnx.helper.make_graph([made], "axis", kinds, [onnx.ValueInfoProto(name="y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    unit: dict[str, Array] = {"x": np.eye(size, dtype=np.float32)}
    from onnx.reference import ReferenceEvaluator  # loads slowly

    results: Any = ReferenceEvaluator(model).run(None, {**feeds, **unit})
    return np.asarray(results[0], np.float32)


def _position(node: Node, axis: int) -> int:
    """Where ``axis`` stands in the scales: they may be given for some axes only."""
    axes = [other % (node.rank or 1) for other in node.ints("axes", range(node.rank or 0))]
    return axes.index(axis)


def along(g: GraphBuilder, x: Value, axis: int, matrix: Array) -> Value:
    """``x`` times ``matrix`` along ``axis``."""
    rank = g.rank(x)
    if axis == rank - 1:
        return g.MatMul(x, g.constant(matrix))
    swap = list(range(rank))
    swap[axis], swap[-1] = rank - 1, axis
    return g.Transpose(g.MatMul(g.Transpose(x, perm=swap), g.constant(matrix)), perm=swap)


@rule("Resize", "resize-to-matmul", "Resizing an axis of known size is a product with a constant matrix.")
def resize_to_matmul(g: GraphBuilder, node: Node) -> Results:
    shape, out = node.shape(), resized(node)
    if shape is None or out is None or node.input(1) is not None or node.x().dtype != ir.DataType.FLOAT:
        return None
    if node.s("coordinate_transformation_mode") == "tf_crop_and_resize":
        return None
    # A kept aspect ratio makes one scale of all sizes before they are rounded; the sizes do not tell it any more.
    if node.s("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    x = node.x()
    for axis, (small, big) in enumerate(zip(shape, out, strict=True)):
        if small == big and small is not None:
            continue
        if axis == 0 or not isinstance(small, int) or not isinstance(big, int) or small * big > MATRIX:
            return None
        x = along(g, x, axis, matrix_of(node, small, big, axis))
    return x


@rule("Pad", "pad-to-matmul", "Reflecting, repeating and wrapping edges is a product with a matrix of zeros and ones.")
def pad_to_matmul(g: GraphBuilder, node: Node) -> Results:
    pads, shape, mode = pads_of(node), node.shape(), node.s("mode", "constant")
    if pads is None or shape is None or mode == "constant" or node.x().dtype != ir.DataType.FLOAT:
        return None
    x = node.x()
    for axis, pair in enumerate(pads):
        size = shape[axis]
        if not any(pair):
            continue
        if axis == 0 or not isinstance(size, int) or min(pair) < 0 or size * (size + sum(pair)) > MATRIX:
            return None
        source = np.pad(np.arange(size), pair, mode=mode)  # type: ignore[call-overload]
        matrix = np.zeros((size, len(source)), np.float32)
        matrix[source, np.arange(len(source))] = 1
        x = along(g, x, axis, matrix)
    return x


@rule("Resize", "resize-all-axes", "Resizing some axes is resizing all, the others by one.")
def resize_all_axes(g: GraphBuilder, node: Node) -> Results:
    shape, scales, sizes = node.shape(), node.const(2), node.const(3)
    if not node.has("axes") or shape is None or node.s("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    if node.input(1) is not None and node.s("coordinate_transformation_mode") == "tf_crop_and_resize":
        return None
    axes = [axis % len(shape) for axis in node.ints("axes")]
    attributes = {name: each.value for name, each in node.raw.attributes.items() if name != "axes"}
    if scales is not None and scales.size:
        every = np.ones(len(shape), np.float32)
        every[axes] = scales
        return g.Resize(node.x(), None, every, **attributes)
    known = fixed(shape)
    if sizes is None or known is None:
        return None
    wanted = np.array(known)
    wanted[axes] = sizes
    return g.Resize(node.x(), None, None, wanted, **attributes)
