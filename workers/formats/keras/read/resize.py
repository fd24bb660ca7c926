"""Upsampling by whole factors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read.layer import Array, Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import spatial
from workers.hub.graph import GraphBuilder, Value


@reads("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """``nearest`` repeats; ``bilinear`` and ``bicubic`` are resizes between the centres of pixels."""
    axes = int(layer.kind[-2])
    value, make = spatial(g, layer, x, axes)
    factors = layer.window("size", axes, 2)
    word = layer.word("interpolation", "nearest")
    if axes != 2 or word == "nearest":
        scales = np.asarray([1, 1, *factors], np.float32)
        repeated: dict[str, Any] = {
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
            "mode": "nearest",
        }
        return make(g.op("Resize", value, None, scales, **repeated))
    return make(resized(g, layer, value, word, None, factors))


def resized(
    g: GraphBuilder, layer: Layer, x: Value, word: str, size: Sequence[int] | None, scales: Sequence[int],
    antialias: bool = False,
) -> Value:  # fmt: skip
    """The two last axes resized to ``size``, or by whole factors.

    ``nearest`` takes the pixel under the centre; with whole factors that is a repetition. Keras 2.2 with TensorFlow 1
    measured from the corners of pixels, later ones measure between their centres.
    """
    word = word.lower()
    if word in KERNELS or word == "area" or (antialias and word in ("bilinear", "bicubic")):
        have = layer.fixed(g.shape(x)[2:])
        wanted = size or [old * scale for old, scale in zip(have, scales, strict=True)]
        return _by_matrices(g, layer, x, word, wanted, antialias)
    if word == "bicubic":
        have = layer.fixed(g.shape(x)[2:])
        return bicubic(g, layer, x, size or [old * scale for old, scale in zip(have, scales, strict=True)])
    if word not in ("nearest", "bilinear"):
        raise layer.malformed(f"its interpolation is {word!r}")
    attributes: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel"}
    if word == "nearest":
        attributes |= {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}
        if size is None:
            attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        attributes["mode"] = "linear"
        if layer.scope.version.startswith(("2.0.", "2.1.", "2.2.")) and "tf" not in layer.scope.version:
            attributes["coordinate_transformation_mode"] = "asymmetric"
    if size is None:
        return g.op("Resize", x, None, np.asarray([1, 1, *scales], np.float32), **attributes)
    channels = layer.fixed(g.shape(x)[1:2])[0]
    batch = g.shape(x)[0]
    if isinstance(batch, int):
        return g.op("Resize", x, None, None, [batch, channels, *size], **attributes)
    sizes = g.Concat(g.Shape(x, start=0, end=1), [channels, *size], axis=0)
    y = g.op("Resize", x, None, None, sizes, **attributes)
    y.shape = ir.Shape([batch, channels, *size])
    return y


def to_computed(g: GraphBuilder, layer: Layer, x: Value, word: str, size: Value) -> Value:
    """To a size [2] that is known as the model runs: nearest or bilinear."""
    if word not in ("nearest", "bilinear"):
        raise layer.free(f"its {word} weights need the size")
    more = {"nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}, "bilinear": {"mode": "linear"}}[word]
    sizes = g.Concat(g.Shape(x, start=0, end=2), size, axis=0)
    attributes: dict[str, Any] = {"coordinate_transformation_mode": "half_pixel", **more}
    return g.op("Resize", x, None, None, sizes, **attributes)


# Filters over (distance in pixels), with their reach: TensorFlow's scale_and_translate.
def _lanczos(radius: float) -> Callable[[Array], Array]:
    return lambda x: np.where(np.abs(x) < radius, np.sinc(x) * np.sinc(x / radius), 0.0)


def _keys(x: Array) -> Array:
    x = np.abs(x)
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _mitchell(x: Array) -> Array:
    x = np.abs(x)
    near = ((7 / 6 * x - 2) * x) * x + 16 / 18
    far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "lanczos3": (_lanczos(3), 3.0), "lanczos5": (_lanczos(5), 5.0), "mitchellcubic": (_mitchell, 2.0),
    "gaussian": (lambda x: np.where(np.abs(x) < 1.5, np.exp(-2 * x * x), 0.0), 1.5),
}  # fmt: skip
_SHRINKING = {"bilinear": (lambda x: np.maximum(0.0, 1 - np.abs(x)), 1.0), "bicubic": (_keys, 2.0)}


def _by_matrices(g: GraphBuilder, layer: Layer, x: Value, word: str, size: Sequence[int], wide: bool) -> Value:
    """Two products with constant matrices; the filter is as much wider as the image gets smaller (antialiasing)."""
    sizes = layer.fixed(g.shape(x)[2:])
    if min(*size, *sizes) < 1 or max(*size, *sizes) > 8192:
        raise layer.malformed(f"it resizes {sizes} to {list(size)}")
    rows, columns = (_filtered(have, want, word, wide).astype(layer.element(x).numpy())
                     for have, want in zip(sizes, size, strict=True))  # fmt: skip
    return g.MatMul(g.MatMul(g.constant(rows), x), g.constant(columns.T))


def _filtered(have: int, want: int, word: str, antialias: bool) -> Array:
    """[want, have]: the weights of every source pixel, which sum to 1."""
    scale = have / want
    if word == "area":
        edges = np.arange(want + 1) * scale
        pixels = np.arange(have)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        return np.asarray(np.maximum(overlap, 0) / scale)
    kernel, reach = {**KERNELS, **_SHRINKING}[word]
    widened = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(want) + 0.5) * scale
    weights = kernel((np.arange(have) + 0.5 - centres[:, None]) / widened)
    weights = np.where(np.abs(np.arange(have) + 0.5 - centres[:, None]) <= reach * widened, weights, 0.0)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def to_aspect(
    g: GraphBuilder, layer: Layer, x: Value, size: Sequence[int], crop: bool, pad: bool, fill: float
) -> Value:
    """The middle of the right aspect ratio, or borders that make it so, before resizing; computed as Keras does."""
    if not crop and not pad:
        return x
    have = layer.fixed(g.shape(x)[2:])
    ratio = [int(np.float32(have[1] * size[0]) / np.float32(size[1])),
             int(np.float32(have[0] * size[1]) / np.float32(size[0]))]  # fmt: skip
    if crop:
        keep = [max(min(old, new), 1) for old, new in zip(have, ratio, strict=True)]
        first = [(old - new) // 2 for old, new in zip(have, keep, strict=True)]
        return g.Slice(x, first, [at + to for at, to in zip(first, keep, strict=True)], [2, 3])
    border = [(max(old, new) - old) // 2 for old, new in zip(have, ratio, strict=True)]
    return g.Pad(x, [0, 0, *border, 0, 0, *border], layer.number(x, fill), mode="constant")


# TensorFlow looks its cubic weights up in a table of this many steps between two pixels.
STEPS = 1024


def bicubic(g: GraphBuilder, layer: Layer, x: Value, size: Sequence[int]) -> Value:
    """Keys' cubic (a = -0.5) as two products with constant matrices: the very weights that TensorFlow uses."""
    height, width = layer.fixed(g.shape(x)[2:])
    if min(*size, height, width) < 1 or max(*size, height, width) > 8192:
        raise layer.malformed(f"it resizes {height} x {width} to {list(size)}")
    dtype = layer.element(x).numpy()
    rows = g.constant(_cubic(height, size[0]).astype(dtype))
    columns = g.constant(_cubic(width, size[1]).T.astype(dtype))
    return g.MatMul(g.MatMul(rows, x), columns)


def _cubic(have: int, want: int) -> Array:
    """[want, have]: four weights a row; those that fall outside are left out and the others made to sum to 1."""
    weights = np.zeros((want, have), np.float32)
    a, scale = -0.5, have / want
    for row in range(want):
        place = (row + 0.5) * scale - 0.5
        low = math.floor(place)
        t = round((place - low) * STEPS) / STEPS
        taps = {low - 1: _far(a, t), low: _near(a, t), low + 1: _near(a, 1 - t), low + 2: _far(a, 1 - t)}
        inside = {at: weight for at, weight in taps.items() if 0 <= at < have}
        total = sum(inside.values())
        for at, weight in inside.items():
            weights[row, at] = weight / total
    return weights


def _near(a: float, t: float) -> float:
    return ((a + 2) * t - (a + 3)) * t * t + 1


def _far(a: float, t: float) -> float:
    t += 1
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
