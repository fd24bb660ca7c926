"""What TensorFlow's speech recognition graphs begin with, in numbers: the same kernels serve TensorFlow Lite."""

from __future__ import annotations

import numpy as np

from workers.hub.graph import Array

FLOOR = 1e-12
"""The least energy of a band whose logarithm is taken."""


def waves(width: int) -> tuple[Array, Array]:
    """[width, bins]: a periodic Hann window times cosine and sine of every frequency.

    Frames of ``width`` samples are filled with zeros to a power of two, of which the bins from 0 to the half are kept.
    """
    length = 1 << (width - 1).bit_length()
    place = np.arange(width)[:, None]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * place / width)
    angle = 2 * np.pi * (place * np.arange(length // 2 + 1) % length) / length
    return window * np.cos(angle), window * np.sin(angle)


def mel_bands(bins: int, rate: int, bands: int, low: float, high: float) -> Array:
    """[bins, bands]: a bin between two centres goes to both bands, by its distance on the mel scale."""
    step = 0.5 * rate / (bins - 1)
    edges = _mel(low) + (_mel(high) - _mel(low)) / (bands + 1) * np.arange(bands + 2)
    mel = _mel(np.arange(bins) * step)
    matrix = np.zeros((bins, bands + 2))
    for place in range(max(int(1.5 + low / step), 0), min(int(high / step), bins - 1) + 1):
        left = min(int(np.searchsorted(edges[1:], mel[place], side="left")), bands)
        share = (edges[left + 1] - mel[place]) / (edges[left + 1] - edges[left])
        matrix[place, left : left + 2] += share, 1 - share
    return matrix[:, 1:-1]


def cosines(bands: int, kept: int) -> Array:
    """[bands, kept]: the cosine transform of the bands' logarithms."""
    return np.asarray(np.sqrt(2 / bands) * np.cos(np.pi / bands * np.arange(kept) * (np.arange(bands)[:, None] + 0.5)))


def _mel(frequency: Array | float) -> Array:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency) / 700.0))
