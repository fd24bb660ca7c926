"""Upsampling by whole factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.keras.read.layer import Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import spatial
from workers.hub.graph import GraphBuilder, Operand, Value


@reads("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """``nearest`` repeats; ``bilinear`` and ``bicubic`` are resizes between the centres of pixels."""
    axes = int(layer.kind[-2])
    value, make = spatial(g, layer, x, axes)
    factors = layer.window("size", axes, 2)
    word = layer.word("interpolation", "nearest")
    scales = np.asarray([1, 1, *factors], np.float32)
    return make(resized(g, layer, value, word, scales=scales))


def resized(
    g: GraphBuilder, layer: Layer, x: Value, word: str, *, scales: Operand = None, sizes: Operand = None
) -> Value:
    """A resize of all axes: nearest takes the pixel under the centre, as a repetition does for whole factors."""
    modes: dict[str, dict[str, Any]] = {
        "nearest": {"mode": "nearest", "coordinate_transformation_mode": "half_pixel",
                    "nearest_mode": "round_prefer_ceil"},
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        "bicubic": {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.5,
                    "exclude_outside": 1},
    }  # fmt: skip
    if word not in modes:
        raise layer.unsupported(f"its interpolation is {word!r}; onnxhub reads {', '.join(modes)}")
    if scales is not None and word == "nearest":
        attributes: dict[str, Any] = {
            "mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"
        }  # fmt: skip
    else:
        attributes = dict(modes[word])
    return g.op("Resize", x, None, scales, sizes, **attributes)
