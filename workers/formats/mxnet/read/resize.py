"""Enlarging planes, and sampling them along grids."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.convolution import LIMIT
from workers.formats.mxnet.read.layer import Array, Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, formed, reshaped, shape_value
from workers.hub.graph import GraphBuilder


@reads("UpSampling")
def upsampling(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """nearest repeats pixels; bilinear is a transposed convolution with the stored weight.

    Several inputs are brought to the size of the first times ``scale`` and put side by side, or added up.
    """
    scale = layer.integer("scale")
    if not xs or not 1 <= scale <= 1024:
        raise layer.malformed(f"it has {len(xs)} inputs and a scale of {scale}")
    layer.rank(xs[0], 4)
    if layer.word("sample_type", "nearest") == "bilinear":
        if len(xs) != 2:
            raise layer.malformed("bilinear takes the data and its weight")
        return _bilinear(g, layer, xs[0], xs[1], scale)
    if len(xs) == 1:
        return _nearest(g, layer, xs[0], scale, scale)
    height, width = (size * scale for size in layer.sizes(xs[0], 2))
    grown = []
    for x in xs:
        layer.rank(x, 4)
        rows, columns = layer.sizes(x, 2)
        if height % rows or width % columns:
            raise layer.malformed(f"{rows}x{columns} cannot be repeated to {height}x{width}")
        grown.append(_nearest(g, layer, x, height // rows, width // columns))
    return g.Sum(*grown) if layer.word("multi_input_mode", "concat") == "sum" else g.Concat(*grown, axis=1)


def _nearest(g: GraphBuilder, layer: Layer, x: Value, rows: int, columns: int) -> Value:
    if rows == columns == 1:
        return x
    y = g.Resize(
        x, None, np.asarray([1, 1, rows, columns], np.float32), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    *front, height, width = layer.shape(x)
    return formed(y, [*front, times([height, rows]), times([width, columns])])


def _bilinear(g: GraphBuilder, layer: Layer, x: Value, weight: Value, scale: int) -> Value:
    """Kernel 2s - s mod 2, stride s, pad ceil((s - 1) / 2), every channel for itself."""
    kernel, pad, channels = 2 * scale - scale % 2, math.ceil((scale - 1) / 2), layer.size(x, 1)
    if list(layer.shape(weight)) != [channels, 1, kernel, kernel]:
        raise layer.malformed(f"its weight is {list(layer.shape(weight))}, it needs {[channels, 1, kernel, kernel]}")
    return g.ConvTranspose(
        x, cast(g, weight, layer.element(x)), kernel_shape=[kernel] * 2, strides=[scale] * 2, pads=[pad] * 4,
        dilations=[1, 1], group=channels,
    )  # fmt: skip


@reads("_contrib_BilinearResize2D")
def bilinear_resize(g: GraphBuilder, layer: Layer, x: Value, like: Value | None = None) -> Value:
    """Corners on corners unless ``align_corners`` is off; ``mode`` says how the size is found."""
    layer.rank(x, 4)
    sizes = [_resized(layer, axis, size, like) for axis, size in enumerate(layer.sizes(x, 2))]
    if any(not 1 <= size <= LIMIT for size in sizes):
        raise layer.malformed(f"it would make a plane of {sizes}")
    corners = layer.flag("align_corners", True)
    dims = [*layer.shape(x)[:2], *sizes]
    y = g.Resize(
        x, None, None, shape_value(g, layer, dims), mode="linear",
        coordinate_transformation_mode="align_corners" if corners else "half_pixel",
    )  # fmt: skip
    return formed(y, dims)


def _resized(layer: Layer, axis: int, size: int, like: Value | None) -> int:
    """The new height (axis 0) or width (axis 1)."""
    side = ("height", "width")[axis]
    mode = layer.word("mode", "size")
    if mode == "like":
        if like is None:
            raise layer.malformed("its mode is like, but it has one input")
        return layer.sizes(like, 2 + axis, 3 + axis)[0]
    odd = size % 2
    steps = {
        "to_even_down": size - odd, "to_even_up": size + odd, "to_odd_down": size - 1 + odd,
        "to_odd_up": size + 1 - odd,
    }  # fmt: skip
    if mode in steps:
        return steps[mode]
    if mode not in ("size", "odd_scale"):
        raise layer.malformed(f"its mode is {mode!r}")
    if not layer.has(f"scale_{side}"):
        return layer.integer(side, 1)
    scale = layer.real(f"scale_{side}")
    if not 0 < scale < LIMIT:
        raise layer.malformed(f"its scale_{side} is {scale}")
    return int((size - 1) * scale) + 1 if mode == "odd_scale" and odd else int(size * scale)


# --- grids -----------------------------------------------------------------------------------------------------------


@reads("GridGenerator")
def grid_generator(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, 2, H, W] of x and y in -1..1: of an affine map [N, 6], or of a flow [N, 2, H, W] in pixels."""
    kind = layer.word("transform_type", "")
    if kind == "affine":
        return _affine(g, layer, x)
    if kind != "warp":
        raise layer.malformed(f"its transform_type is {kind!r}")
    layer.rank(x, 4)
    height, width = layer.sizes(x, 2)
    if min(height, width) < 2:
        raise layer.malformed("its flow has a side of 1")
    check_constant(layer, height * width)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    dtype = layer.element(x).numpy()
    half = np.asarray([(width - 1) / 2, (height - 1) / 2]).reshape(1, 2, 1, 1).astype(dtype)
    moved = g.Add(x, g.constant(np.stack([columns, rows])[None].astype(dtype)))
    return g.Sub(g.Div(moved, half), layer.number(x, 1))


def _affine(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    size = layer.integers("target_shape", (0, 0))
    if len(size) != 2 or min(size) < 1:
        raise layer.malformed(f"its target_shape is {size}")
    height, width = size
    check_constant(layer, height * width * 3)
    batch = layer.shape(x)[0]
    points = _unit_grid(height, width).astype(layer.element(x).numpy())
    placed = g.MatMul(reshaped(g, layer, x, [batch, 2, 3]), g.constant(points))
    return reshaped(g, layer, placed, [batch, 2, height, width])


def _unit_grid(height: int, width: int) -> Array:
    """[3, H * W]: x and y from -1 to 1, and 1."""
    rows = -1 + np.arange(height) * (2 / (height - 1) if height > 1 else 0)
    columns = -1 + np.arange(width) * (2 / (width - 1) if width > 1 else 0)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), np.ones(height * width)])


@reads("BilinearSampler")
def bilinear_sampler(g: GraphBuilder, layer: Layer, x: Value, grid: Value) -> Value:
    """Values at the points of a grid [N, 2, H, W], 0 outside."""
    return _sampled(g, layer, x, grid)


def _sampled(g: GraphBuilder, layer: Layer, x: Value, grid: Value) -> Value:
    layer.rank(x, 4)
    layer.rank(grid, 4)
    return g.GridSample(x, g.Transpose(grid, perm=[0, 2, 3, 1]), mode="linear", padding_mode="zeros", align_corners=1)


@reads("SpatialTransformer")
def spatial_transformer(g: GraphBuilder, layer: Layer, x: Value, theta: Value) -> Value:
    """An affine grid and its sampling in one."""
    layer.rank(x, 4)
    flat = reshaped(g, layer, theta, [layer.shape(theta)[0], times(layer.shape(theta)[1:])])
    return _sampled(g, layer, x, _affine(g, layer, flat))
