"""Pictures resized by places that are computed as TensorFlow computes them: nearest cells, and bicubic of free sizes.

ONNX's Resize divides where TensorFlow multiplies by a rounded scale: at ties the two choose different cells. Whole
ratios have no such ties, and stay a Resize.
"""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import F32, I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.dims import over
from workers.formats.tensorflow.read.layer import Layer, Value, cast, whole
from workers.hub.node import Dim

Way = tuple[bool, bool]
"""align_corners, half_pixel_centers."""


def whole_ratio(source: Dim, target: Dim, *, of_two: bool = False) -> bool:
    """Whether one size is a whole multiple of the other; with ``of_two`` by a power of two."""
    for one, two in ((source, target), (target, source)):
        if isinstance(one, int) and isinstance(two, int) and two > 0 and one % two:
            continue
        ratio = over(one, two)
        if isinstance(ratio, int) and ratio > 0:
            return not of_two or ratio & (ratio - 1) == 0
    return False


def _size(g: Builder, x: Value, axis: int) -> Value:
    return cast(g, g.Squeeze(g.Shape(x, start=axis, end=axis + 1), [0]), F32)


def _places(g: Builder, source: Value, target: Value, way: Way) -> Value:
    """Where every target cell lies in the source, float32 as in TensorFlow's kernels; half pixels not yet taken off."""
    corners, half = way
    one = np.float32(1)
    cells = g.Range(g.constant(np.float32(0)), target, g.constant(one))
    scale = g.Div(source, target)
    if corners:
        inner = g.Div(g.Sub(source, one), g.Max(g.Sub(target, one), one))
        scale = g.Where(g.Greater(target, one), inner, scale)
    return g.Mul(g.Add(cells, np.float32(0.5)) if half else cells, scale)


def nearest(g: Builder, layer: Layer, x: Value, size: Value, way: Way) -> Value:
    """[N, C, H, W] by the cells that are chosen along every axis: the floor, or with aligned corners the nearest."""
    for place, axis in enumerate((2, 3)):
        source = _size(g, x, axis)
        target = cast(g, g.Gather(whole(g, size), np.array(place, np.int64), axis=0), F32)
        at = _places(g, source, target, way)
        cell = g.Floor(g.Add(at, np.float32(0.5)) if way[0] else at)
        last = g.Sub(source, np.float32(1))
        x = g.Gather(x, cast(g, g.Max(g.Min(cell, last), np.float32(0)), I64), axis=axis)
    return x


def cubic(g: Builder, layer: Layer, x: Value, size: Value, way: Way) -> Value:
    """[N, C, H, W] of free sizes: the weighted sum of four cells along every axis (see ``image.cubic``)."""
    for place, axis in enumerate((2, 3)):
        source = _size(g, x, axis)
        target = cast(g, g.Gather(whole(g, size), np.array(place, np.int64), axis=0), F32)
        at = _places(g, source, target, way)
        at = g.Sub(at, np.float32(0.5)) if way[1] else at
        x = _four(g, x, at, source, axis, way[1])
    return x


def _four(g: Builder, x: Value, at: Value, source: Value, axis: int, half: bool) -> Value:
    a = -0.5 if half else -0.75
    start = g.Floor(at)
    part = g.Div(g.Round(g.Mul(g.Sub(at, start), np.float32(1024))), np.float32(1024))
    rest = g.Sub(np.float32(1), part)
    near, far = (a + 2, -(a + 3), 0.0, 1.0), (a, -5 * a, 8 * a, -4 * a)
    one = np.float32(1)
    outer = [_poly(g, g.Add(one, side), far) for side in (part, rest)]
    weights = [outer[0], _poly(g, part, near), _poly(g, rest, near), outer[1]]
    last = g.Sub(source, one)
    cells = [g.Add(start, np.float32(offset)) for offset in (-1, 0, 1, 2)]
    inside = [g.Max(g.Min(cell, last), np.float32(0)) for cell in cells]
    if half:
        weights = [g.Where(g.Equal(cell, held), weight, np.float32(0))
                   for cell, held, weight in zip(cells, inside, weights, strict=True)]  # fmt: skip
        total = g.Add(g.Add(weights[0], weights[1]), g.Add(weights[2], weights[3]))
        weights = [g.Div(weight, total) for weight in weights]
    found: Value | None = None
    for held, weight in zip(inside, weights, strict=True):
        shaped = g.Unsqueeze(weight, [1]) if axis == 2 else weight
        term = g.Mul(g.Gather(x, cast(g, held, I64), axis=axis), shaped)
        found = term if found is None else g.Add(found, term)
    assert found is not None
    return found


def _poly(g: Builder, t: Value, coefficients: tuple[float, ...]) -> Value:
    total: Value = g.constant(np.float32(coefficients[0]))
    for coefficient in coefficients[1:]:
        total = g.Add(g.Mul(total, t), np.float32(coefficient))
    return total
