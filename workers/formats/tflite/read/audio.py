"""The custom operators that TensorFlow's speech commands begin with. Their kernels compute in double precision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.layer import F32, F64, Array, Layer, Value, reads
from workers.formats.tflite.read.spatial import LIMIT
from workers.hub.graph import GraphBuilder
from workers.inspect.flexbuffer import flex_map

FLOOR = 1e-12


def _option(layer: Layer, options: Mapping[str, object], name: str) -> float:
    found = options.get(name)
    if not isinstance(found, int | float) or not np.isfinite(found):
        raise layer.malformed(f"its option {name} is {'missing' if found is None else found}")
    return float(found)


def _count(layer: Layer, options: Mapping[str, object], name: str) -> int:
    found = int(_option(layer, options, name))
    if not 1 <= found <= LIMIT:
        raise layer.malformed(f"its option {name} is {found}")
    return found


@reads("AudioSpectrogram")
def audio_spectrogram(g: GraphBuilder, layer: Layer) -> Value:
    """[samples, channels] -> [channels, frames, bins]: |DFT|^2, or |DFT|, of frames under a periodic Hann window.

    Frames are filled with zeros to a power of two, of which the bins from 0 to the half are kept.
    """
    options = flex_map(layer.op.custom_options, layer.name)
    layer.rank(0, 2)
    samples, width, stride = layer.size(0, 0), *(_count(layer, options, name) for name in ("window_size", "stride"))
    if width > samples:
        raise layer.malformed(f"its window of {width} samples is longer than its input of {samples}")
    places = np.arange(0, samples - width + 1, stride)[:, None] + np.arange(width)
    frames = cast(g, g.Transpose(g.Gather(layer.x(g, 0), places, axis=0), perm=[2, 0, 1]), F64)
    real, imaginary = (g.MatMul(frames, basis) for basis in _bases(width))
    power = cast(g, g.Add(g.Mul(real, real), g.Mul(imaginary, imaginary)), F32)
    return power if options.get("magnitude_squared") else g.Sqrt(power)


def _bases(width: int) -> tuple[Array, Array]:
    """[width, bins]: the window times cosine and sine of every frequency."""
    length = 1 << (width - 1).bit_length()
    place = np.arange(width)[:, None]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * place / width)
    angle = 2 * np.pi * (place * np.arange(length // 2 + 1) % length) / length
    return window * np.cos(angle), window * np.sin(angle)


@reads("Mfcc")
def mfcc(g: GraphBuilder, layer: Layer) -> Value:
    """[channels, frames, bins], sample rate -> [channels, frames, coefficients]: cosines of mel bands' logarithms.

    Magnitudes are shared between triangular bands whose sum is taken; less than 1e-12 counts as that.
    """
    options = flex_map(layer.op.custom_options, layer.name)
    bins, rate = layer.size(0, layer.rank(0, 3) - 1), layer.integer(1, "sample rate")
    bands, kept = (_count(layer, options, f"{name}_count") for name in ("filterbank_channel", "dct_coefficient"))
    low, high = (_option(layer, options, f"{name}_frequency_limit") for name in ("lower", "upper"))
    if bins < 2 or rate < 1 or not 0 <= low < high:
        raise layer.malformed(f"it takes {bins} bins at {rate} Hz, and those from {low} to {high} Hz")
    magnitude = g.Sqrt(cast(g, layer.x(g, 0), F64))
    energy = g.Log(g.Max(g.MatMul(magnitude, _mel_bands(bins, rate, bands, low, high)), np.asarray(FLOOR)))
    angle = np.pi / bands * np.arange(kept) * (np.arange(bands)[:, None] + 0.5)
    return cast(g, g.MatMul(energy, np.sqrt(2 / bands) * np.cos(angle)), F32)


def _mel(frequency: Array | float) -> Array:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency) / 700.0))


def _mel_bands(bins: int, rate: int, bands: int, low: float, high: float) -> Array:
    """[bins, bands]: a bin between two centres goes to both bands, by its distance on the mel scale."""
    step = 0.5 * rate / (bins - 1)
    edges = _mel(low) + (_mel(high) - _mel(low)) / (bands + 1) * np.arange(bands + 2)
    mel = _mel(np.arange(bins) * step)
    matrix = np.zeros((bins, bands + 2))
    for place in range(int(1.5 + low / step), min(int(high / step), bins - 1) + 1):
        left = min(int(np.searchsorted(edges[1:], mel[place], side="left")), bands)
        share = (edges[left + 1] - mel[place]) / (edges[left + 1] - edges[left])
        matrix[place, left : left + 2] += share, 1 - share
    return matrix[:, 1:-1]
