"""Pictures resized, and their colours changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.tensorflow.dtypes import F32, I64
from workers.formats.tensorflow.read import nearest as free_sizes
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole
from workers.formats.tensorflow.tensors import Array

RESIZES = {"ResizeBilinear": "linear", "ResizeNearestNeighbor": "nearest", "ResizeBicubic": "cubic"}
LARGEST = 8192
"""Rows or columns that are resized by a matrix of weights at most."""


@reads(*RESIZES)
def resize(g: Builder, layer: Layer, x: Value, size: Value) -> Value:
    """Neither align_corners nor half pixels is the legacy way: the source is the target times the scale.

    Bilinear and bicubic give float32 whatever comes in.
    """
    layer.rank(x, 4)
    mode = RESIZES[layer.type]
    corners, half = layer.flag("align_corners"), layer.flag("half_pixel_centers")
    target, sizes_now = g.numbers(size), layer.shape(x)[1:3]
    fixed = [dim for dim in sizes_now if isinstance(dim, int)]
    if mode == "cubic" and target is not None and len(fixed) == 2 and max(*fixed, *target) <= LARGEST:
        rows, columns = (
            cubic(int(a), b, corners, half) for a, b in zip(layer.sizes(x, 1, 3), target, strict=True)
        )  # fmt: skip
        return by_weights(g, x, rows, columns)
    source = g.Transpose(x, perm=[0, 3, 1, 2])
    if mode != "nearest":
        source = cast(g, source, F32)
    if mode != "linear" and not _as_resize(g, layer, source, size, mode, corners):
        exact = free_sizes.nearest if mode == "nearest" else free_sizes.cubic
        found = exact(g, layer, source, size, (corners, half and not corners))
        return g.turn(_sized(g, layer, found, source, size), [0, 2, 3, 1])
    sizes = g.Concat(g.Shape(source, end=2), whole(g, size), axis=0)
    transform = "align_corners" if corners else "half_pixel" if half else "asymmetric"
    extra: dict[str, Any] = {}
    if mode == "nearest":
        extra["nearest_mode"] = "round_prefer_ceil" if corners else "floor"
        if half and not corners:
            # TensorFlow takes floor((x + 0.5) * scale), half a cell further than half_pixel's own.
            extra["nearest_mode"] = "round_prefer_ceil"
    if mode == "cubic":
        extra = {"cubic_coeff_a": -0.5 if half else -0.75, "exclude_outside": int(half)}
    result = g.Resize(source, None, None, sizes, mode=mode, coordinate_transformation_mode=transform, **extra)
    return g.turn(_sized(g, layer, result, source, size), [0, 2, 3, 1])


def _as_resize(g: Builder, layer: Layer, source: Value, size: Value, mode: str, corners: bool) -> bool:
    """Whether ONNX's Resize chooses the same cells, or weighs them alike: where one size is a multiple of the other."""
    known = g.contents(size)
    if known is None or len(known.items) != 2:
        return False
    pairs = list(zip(layer.shape(source)[2:], known.items, strict=True))
    same = all(before is not None and before == after for before, after in pairs)
    even = all(free_sizes.whole_ratio(*pair, of_two=mode == "cubic") for pair in pairs)
    return same or (even and not corners)


def _sized(g: Builder, layer: Layer, result: Value, source: Value, size: Value) -> Value:
    """Say what is known of the size."""
    known, before = g.contents(size), layer.shape(source)
    if known is not None and len(known.items) == 2:
        g.reshaped(result, [before[0], before[1], *known.items])
    return result


@reads("ResizeArea")
def resize_area(g: Builder, layer: Layer, x: Value, size: Value) -> Value:
    """Averages over what a target cell covers: two matrices of weights."""
    target = layer.integers(g, size, "its size")
    if max(*target, *layer.sizes(x, 1, 3)) > LARGEST:
        raise layer.unsupported(f"it resizes to or from more than {LARGEST} rows or columns")
    sources = layer.sizes(x, 1, 3)
    rows, columns = (_area(a, b, layer.flag("align_corners")) for a, b in zip(sources, target, strict=True))
    return by_weights(g, x, rows, columns)


def by_weights(g: Builder, x: Value, rows: Array, columns: Array) -> Value:
    """Rows and columns as weighted sums of the source's."""
    pixels = cast(g, g.Transpose(x, perm=[0, 3, 1, 2]), F32)
    return g.turn(g.MatMul(rows, g.MatMul(pixels, g.constant(columns.T.copy()))), [0, 2, 3, 1])


def cubic(source: int, target: int, corners: bool, half: bool) -> Array:
    """TensorFlow's weights [target, source]: its kernel comes from a table of 1024 steps.

    With half pixels the kernel is Catmull-Rom's and cells outside are left out; else it is Keys' with -0.75, and the
    edge stands for what lies outside.
    """
    a = -0.5 if half else -0.75
    scale = (source - 1) / (target - 1) if corners and target > 1 else source / target
    weights = np.zeros((target, source), np.float64)
    for place in range(target):
        at = (place + 0.5) * scale - 0.5 if half else place * scale
        start = int(np.floor(at))
        part = np.rint((at - start) * 1024) / 1024
        near = [((a + 2) * t - (a + 3)) * t * t + 1 for t in (part, 1 - part)]
        far = [((a * t - 5 * a) * t + 8 * a) * t - 4 * a for t in (1 + part, 2 - part)]
        for cell, weight in zip(range(start - 1, start + 3), (far[0], near[0], near[1], far[1]), strict=True):
            if not half or 0 <= cell < source:
                weights[place, min(max(cell, 0), source - 1)] += weight
    total = weights.sum(axis=1, keepdims=True)
    return (weights / total if half else weights).astype(np.float32)


def _area(source: int, target: int, corners: bool) -> Array:
    scale = (source - 1) / (target - 1) if corners and target > 1 else source / target
    weights = np.zeros((target, source), np.float64)
    for place in range(target):
        start, end = place * scale, (place + 1) * scale
        for cell in range(int(np.floor(start)), int(np.ceil(end))):
            covered = min(end, cell + 1) - max(start, cell)
            weights[place, min(cell, source - 1)] += covered
    return (weights / scale).astype(np.float32)


@reads("AdjustContrastv2")
def adjust_contrast(g: Builder, layer: Layer, x: Value, factor: Value) -> Value:
    """(x - mean) * factor + mean, the mean over a picture's rows and columns."""
    mean = g.ReduceMean(x, [-3, -2], keepdims=1)
    return g.Add(g.Mul(g.Sub(x, mean), cast(g, factor, layer.element(x))), mean)


def _channels(g: Builder, x: Value) -> list[Value]:
    return [g.Slice(x, [c], [c + 1], [-1]) for c in range(3)]


@reads("RGBToHSV")
def rgb_to_hsv(g: Builder, layer: Layer, x: Value) -> Value:
    r, green, b = _channels(g, x)
    zero, one = layer.number(x, 0), layer.number(x, 1)
    value = g.Max(r, green, b)
    span = g.Sub(value, g.Min(r, green, b))
    flat = g.Equal(span, zero)
    unit = g.Div(layer.number(x, 1 / 6), g.Where(flat, one, span))
    hue = g.Where(
        g.Equal(r, value), g.Mul(unit, g.Sub(green, b)),
        g.Where(g.Equal(green, value), g.Add(g.Mul(unit, g.Sub(b, r)), layer.number(x, 2 / 6)),
                g.Add(g.Mul(unit, g.Sub(r, green)), layer.number(x, 4 / 6))),
    )  # fmt: skip
    hue = g.Where(flat, zero, g.Where(g.Less(hue, zero), g.Add(hue, one), hue))
    positive = g.Greater(value, zero)
    saturation = g.Where(positive, g.Div(span, g.Where(positive, value, one)), zero)
    return g.Concat(hue, saturation, value, axis=-1)


@reads("HSVToRGB")
def hsv_to_rgb(g: Builder, layer: Layer, x: Value) -> Value:
    """value * (1 - saturation + saturation * clip(|...|))."""
    hue, saturation, value = _channels(g, x)
    zero, one = layer.number(x, 0), layer.number(x, 1)
    six = g.Mul(hue, layer.number(x, 6))

    def ramp(centre: float, sign: float, shift: float) -> Value:
        distance = g.Abs(g.Sub(six, layer.number(x, centre)))
        return g.Clip(g.Add(g.Mul(distance, layer.number(x, sign)), layer.number(x, shift)), zero, one)

    parts = [ramp(3, 1, -1), ramp(2, -1, 2), ramp(4, -1, 2)]
    rest = g.Sub(one, saturation)
    return g.Concat(*(g.Mul(g.Add(rest, g.Mul(saturation, part)), value) for part in parts), axis=-1)


@reads("AdjustSaturation")
def adjust_saturation(g: Builder, layer: Layer, x: Value, scale: Value) -> Value:
    hsv = rgb_to_hsv(g, layer, x)
    hue, saturation, value = _channels(g, hsv)
    scaled = g.Clip(g.Mul(saturation, cast(g, scale, layer.element(x))), layer.number(x, 0), layer.number(x, 1))
    found: Value = hsv_to_rgb(g, layer, g.Concat(hue, scaled, value, axis=-1))
    return found


@reads("AdjustHue")
def adjust_hue(g: Builder, layer: Layer, x: Value, delta: Value) -> Value:
    hsv = rgb_to_hsv(g, layer, x)
    hue, saturation, value = _channels(g, hsv)
    moved = g.Add(hue, cast(g, delta, layer.element(x)))
    moved = g.Sub(moved, g.Floor(moved))
    found: Value = hsv_to_rgb(g, layer, g.Concat(moved, saturation, value, axis=-1))
    return found


@reads("CropAndResize")
def crop_and_resize(g: Builder, layer: Layer, image: Value, boxes: Value, index: Value, size: Value) -> Value:
    """Boxes in [y1, x1, y2, x2] of the picture's own corners; places outside of it are extrapolation_value."""
    height, width = layer.integers(g, size, "the size of its crops")
    rows = _places(g, layer, boxes, 0, 2, height, g.Shape(image, start=1, end=2))
    columns = _places(g, layer, boxes, 1, 3, width, g.Shape(image, start=2, end=3))
    picked = g.Gather(cast(g, image, F32), index, axis=0)
    inside = g.And(g.Unsqueeze(_inside(g, rows), [2]), g.Unsqueeze(_inside(g, columns), [1]))
    if layer.s("method", "bilinear") == "nearest":
        result = _at(g, picked, g.Floor(g.Add(rows[0], np.float32(0.5))), g.Floor(g.Add(columns[0], np.float32(0.5))))
    else:
        result = _bilinear(g, picked, rows[0], columns[0])
    return g.Where(g.Unsqueeze(inside, [3]), result, np.float32(layer.f("extrapolation_value", 0.0)))


def _places(
    g: Builder, layer: Layer, boxes: Value, first: int, last: int, count: int, size: Value
) -> tuple[Value, Value]:
    """[boxes, count] positions along one axis, and the last position of the picture."""
    a, b = (g.Gather(boxes, np.array([place], np.int64), axis=1) for place in (first, last))
    end = cast(g, g.Sub(size, [1]), F32)
    if count > 1:
        step = g.Div(g.Mul(g.Sub(b, a), end), np.float32(count - 1))
        return g.Add(g.Mul(a, end), g.Mul(np.arange(count, dtype=np.float32).reshape(1, -1), step)), end
    return g.Mul(g.Mul(g.Add(a, b), np.float32(0.5)), end), end


def _inside(g: Builder, places: tuple[Value, Value]) -> Value:
    at, end = places
    return g.And(g.GreaterOrEqual(at, np.float32(0)), g.LessOrEqual(at, end))


def _at(g: Builder, picked: Value, rows: Value, columns: Value) -> Value:
    """Pixels [boxes, rows, columns, C] at whole positions, which are brought inside first."""
    low = np.array(0, np.int64)
    y = g.Max(g.Min(cast(g, rows, I64), g.Sub(g.Shape(picked, start=1, end=2), [1])), low)
    x = g.Max(g.Min(cast(g, columns, I64), g.Sub(g.Shape(picked, start=2, end=3), [1])), low)
    grid = g.Shape(g.Add(g.Unsqueeze(y, [2]), g.Unsqueeze(x, [1])))
    pairs = g.Concat(
        g.Unsqueeze(g.Expand(g.Unsqueeze(y, [2]), grid), [3]), g.Unsqueeze(g.Expand(g.Unsqueeze(x, [1]), grid), [3]),
        axis=3,
    )  # fmt: skip
    return g.GatherND(picked, pairs, batch_dims=1)


def _bilinear(g: Builder, picked: Value, rows: Value, columns: Value) -> Value:
    top, left = g.Floor(rows), g.Floor(columns)
    bottom, right = g.Ceil(rows), g.Ceil(columns)
    down = g.Unsqueeze(g.Sub(rows, top), [2, 3])
    across = g.Unsqueeze(g.Sub(columns, left), [1, 3])

    def mix(a: Value, b: Value, share: Value) -> Value:
        return g.Add(a, g.Mul(g.Sub(b, a), share))

    upper = mix(_at(g, picked, top, left), _at(g, picked, top, right), across)
    lower = mix(_at(g, picked, bottom, left), _at(g, picked, bottom, right), across)
    return mix(upper, lower, down)
