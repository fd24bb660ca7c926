"""Pictures scaled by a kernel of TensorFlow 2: ScaleAndTranslate, what tf.image.resize does beyond the plain modes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.image import LARGEST, by_weights
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.formats.tensorflow.tensors import Array


def _lanczos(radius: int) -> Callable[[Array], Array]:
    return lambda x: np.where(x > radius, 0.0, np.sinc(x) * np.sinc(x / radius))


def _keys(x: Array) -> Array:
    near, far = ((1.5 * x - 2.5) * x) * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0.0, np.where(x >= 1, far, near))


def _mitchell(x: Array) -> Array:
    near = (((7 / 6) * x - 2) * x) * x + 16 / 18
    far = (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x >= 2, 0.0, np.where(x >= 1, far, near))


KERNELS: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "lanczos1": (1, _lanczos(1)), "lanczos3": (3, _lanczos(3)), "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, lambda x: np.where(x >= 1.5, 0.0, np.exp(-x * x / (2 * 0.5 * 0.5)))),
    "box": (0.5, lambda x: np.where(x < 0.5, 1.0, np.where(x == 0.5, 0.5, 0.0))),
    "triangle": (1, lambda x: np.maximum(1 - x, 0.0)), "keyscubic": (2, _keys), "mitchellcubic": (2, _mitchell),
}  # fmt: skip
"""By kernel_type: the radius, and the kernel of distances."""


@reads("ScaleAndTranslate")
def scale_and_translate(
    g: Builder, layer: Layer, x: Value, size: Value, scale: Value, translation: Value
) -> Value:  # fmt: skip
    """Two matrices of weights, one over rows, one over columns."""
    target = layer.integers(g, size, "its size")
    scales = layer.constant(g, scale, "its scale").reshape(-1)
    moves = layer.constant(g, translation, "its translation").reshape(-1)
    kind = layer.s("kernel_type", "lanczos3")
    sources = layer.sizes(x, 1, 3)
    if kind not in KERNELS or not len(target) == len(scales) == len(moves) == 2:
        raise layer.malformed(f"its kernel is {kind!r}, or its size, scale and translation are not two numbers each")
    if max(*target, *sources) > LARGEST:
        raise layer.unsupported(f"it resizes to or from more than {LARGEST} rows or columns")
    rows, columns = (
        _weights(kind, sources[i], target[i], scales[i], moves[i], layer.flag("antialias", True)) for i in (0, 1)
    )
    return by_weights(g, x, rows, columns)


def _weights(kind: str, source: int, target: int, scale: float, move: float, wide: bool) -> Array:
    """[target, source]: the kernel around every target cell's place, its weights brought to a sum of 1.

    Shrinking with antialias widens the kernel; places outside the picture get nothing.
    """
    radius, kernel = KERNELS[kind]
    back = np.float32(1) / np.float32(scale)
    shift = -back * np.float32(move)
    stretch = max(float(back), 1.0) if wide else 1.0
    weights = np.zeros((target, source), np.float64)
    for place in range(target):
        at = float(np.float32(place + 0.5) * back + shift)
        if not 0 <= at <= source:
            continue
        first = min(max(int(np.ceil(at - radius * stretch - 0.5)), 0), source - 1)
        last = min(max(int(np.floor(at + radius * stretch - 0.5)), 0), source - 1)
        cells = np.arange(first, last + 1)
        found = kernel(np.abs(cells + 0.5 - at) / stretch)
        total = found.sum()
        weights[place, cells] = found / total if abs(total) > 1000 * np.finfo(np.float32).tiny else found
    return weights.astype(np.float32)
