"""Interpolation, sampling by a grid, and the grids themselves."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.convolution import back, first, is_last
from workers.formats.paddle.read.layer import Layer, Value, reads
from workers.formats.paddle.read.vectors import contents, numbers, reshaped, sizes_of
from workers.hub.graph import GraphBuilder

METHODS = {
    "nearest_interp": ("nearest", 2), "nearest_interp_v2": ("nearest", 2), "bilinear_interp": ("linear", 2),
    "bilinear_interp_v2": ("linear", 2), "bicubic_interp": ("cubic", 2), "bicubic_interp_v2": ("cubic", 2),
    "linear_interp": ("linear", 1), "linear_interp_v2": ("linear", 1), "trilinear_interp": ("linear", 3),
    "trilinear_interp_v2": ("linear", 3),
}  # fmt: skip


@reads(*METHODS)
def interpolate(g: GraphBuilder, layer: Layer) -> Value:
    """A size given as tensors wins over factors, these over the size given as numbers.

    Corners aligned, half pixels (``align_mode`` 0), or places times the factor (1, and nearest neighbours always).
    """
    method, axes = METHODS[layer.op.type]
    x = layer.x()
    if method == "nearest" and layer.rank(x) == 5:
        axes = 3
    layer.rank(x, axes + 2)
    last = is_last(layer, "data_layout")
    x = first(g, layer, x, last)
    corners = layer.flag("align_corners", True)
    attributes: dict[str, object] = {"mode": method, "coordinate_transformation_mode": "align_corners"}
    if not corners:
        half = method == "cubic" or (method == "linear" and layer.integer("align_mode", 1) == 0)
        attributes["coordinate_transformation_mode"] = "half_pixel" if half else "asymmetric"
    if method == "nearest":
        attributes["nearest_mode"] = "round_prefer_ceil" if corners else "floor"
    if method == "cubic":
        attributes["cubic_coeff_a"] = -0.75
    return back(g, layer, _resized(g, layer, x, axes, attributes), last)


def _resized(g: GraphBuilder, layer: Layer, x: Value, axes: int, attributes: dict[str, object]) -> Value:
    """The first version takes a factor for the size alone; how places correspond follows from both sizes."""
    sizes = _sizes(g, layer, axes)
    if sizes is None:
        factors = _factors(g, layer, axes)
        if factors is not None and layer.op.type.endswith("_v2"):
            return g.Resize(x, None, np.asarray([1, 1, *factors], np.float32), **attributes)
        if factors is not None:
            sizes = [int(size * factor) for size, factor in zip(layer.sizes(x, 2), factors, strict=True)]
    if sizes is None:
        sizes = [layer.integer(key, 0) for key in ("out_d", "out_h", "out_w")[3 - axes :]]
        if any(size < 1 for size in sizes):
            raise layer.malformed(f"it has neither factors nor a size: {sizes}")
    front = sizes_of(g, layer, x, (0, 1))
    if isinstance(sizes, list) and isinstance(front, list):
        return g.Resize(x, None, None, [*front, *sizes], **attributes)
    y = g.Resize(x, None, None, g.Concat(*(g.constant(part) if isinstance(part, list) else part
                                           for part in (front, sizes)), axis=0), **attributes)  # fmt: skip
    known = sizes if isinstance(sizes, list) else contents(layer, sizes)
    y.shape = ir.Shape([*layer.shape(x)[:2], *(known if known is not None else [None] * axes)])
    return y


def _sizes(g: GraphBuilder, layer: Layer, axes: int) -> list[int] | Value | None:
    if not layer.op.inputs.get("SizeTensor") and not layer.op.inputs.get("OutSize"):
        return None
    found = numbers(g, layer, "", "OutSize", "SizeTensor")
    if isinstance(found, list) and (len(found) != axes or any(size < 1 for size in found)):
        raise layer.malformed(f"its size is {found}")
    return found


def _factors(g: GraphBuilder, layer: Layer, axes: int) -> list[float] | None:
    """One factor counts for all axes; none above zero counts as none given."""
    tensor = layer.maybe("Scale")
    if tensor is not None:
        array = g.const(tensor)
        if array is None:
            raise layer.unsupported("its factor is computed from the data")
        found = [float(item) for item in array.reshape(-1)]
    else:
        found = layer.reals("scale")
    found = found * axes if len(found) == 1 else found
    if not found or any(factor <= 0 for factor in found):
        return None
    if len(found) != axes:
        raise layer.malformed(f"its factors are {found}")
    return found


@reads("grid_sampler")
def grid_sampler(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    rank = layer.rank(x, 4, 5)
    mode = layer.choice("mode", "bilinear", "bilinear", "nearest")
    padding = layer.choice("padding_mode", "zeros", "zeros", "border", "reflection")
    if rank == 5 and mode == "nearest" and padding == "reflection":
        raise layer.unsupported("reflected nearest neighbours of volumes are rounded otherwise in ONNX")
    return g.GridSample(x, layer.x("Grid"), mode="linear" if mode == "bilinear" else mode, padding_mode=padding,
                        align_corners=int(layer.flag("align_corners", True)))  # fmt: skip


@reads("affine_grid")
def affine_grid(g: GraphBuilder, layer: Layer) -> Value:
    """The places of a picture's points under theta [N, 2, 3]: [N, H, W, 2]."""
    theta = layer.x("Theta")
    found = numbers(g, layer, "output_shape", "OutputShape")
    shape = found if isinstance(found, list) else contents(layer, found) or layer.sizes(found)[0] * (None,)
    if len(shape) != 4 or layer.rank(theta) != 3:
        raise layer.unsupported("its grid is one of volumes")
    height, width = shape[2:]
    corners = layer.flag("align_corners", True)
    if not isinstance(height, int) or not isinstance(width, int):
        grid = g.AffineGrid(theta, found, align_corners=int(corners))
        grid.shape = ir.Shape([layer.shape(theta)[0], height, width, 2])
        return grid
    layer.bounded(height * width * 3)
    lines = []
    for size in (width, height):
        line = np.linspace(-1, 1, size) if size > 1 else np.asarray([-1.0])
        lines.append(line if corners else line * (size - 1) / size if size > 1 else np.zeros(1))
    base = np.stack([*np.meshgrid(*lines), np.ones((height, width))], -1).reshape(-1, 3)
    grid = g.MatMul(g.constant(layer.number(theta, base)), g.Transpose(theta, perm=[0, 2, 1]))
    return reshaped(g, layer, grid, [layer.shape(theta)[0], height, width, 2])
