"""Upsampling by whole factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    g: GraphBuilder, layer: Layer, x: Value, word: str, size: Sequence[int] | None, scales: Sequence[int]
) -> Value:
    """The two last axes resized to ``size``, or by whole factors.

    ``nearest`` takes the pixel under the centre; with whole factors that is a repetition. Keras 2.2 with TensorFlow 1
    measured from the corners of pixels, later ones measure between their centres.
    """
    if word == "bicubic":
        have = layer.fixed(g.shape(x)[2:])
        return bicubic(g, layer, x, size or [old * scale for old, scale in zip(have, scales, strict=True)])
    if word not in ("nearest", "bilinear"):
        raise layer.unsupported(f"its interpolation is {word!r}; onnxhub reads nearest, bilinear and bicubic")
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
