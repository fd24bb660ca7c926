"""Sound: the spectrogram and the cepstral coefficients of TensorFlow's speech recognition graphs."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.formats.tensorflow.tensors import Array

FLOOR = 1e-12
"""The least energy of a band whose logarithm is taken."""


@reads("AudioSpectrogram")
def audio_spectrogram(g: Builder, layer: Layer, x: Value) -> Value:
    """[samples, channels] -> [channels, frames, bins]: a Hann window, the transform padded to a power of two.

    The transform is a convolution of stride ``stride`` whose filters are the windowed cosines and sines.
    """
    window, stride = layer.i("window_size"), layer.i("stride")
    if not 1 < window <= 1 << 14 or stride < 1:
        raise layer.malformed(f"its window has {window} samples and its stride is {stride}")
    length = 1 << (window - 1).bit_length()
    times = np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * times / window)
    angles = 2 * np.pi * np.outer(np.arange(length // 2 + 1), times) / length
    filters = np.stack([np.cos(angles) * hann, -np.sin(angles) * hann]).astype(np.float32)
    signal = g.Unsqueeze(g.Transpose(x, perm=[1, 0]), [1])
    sides = [
        g.Conv(signal, np.ascontiguousarray(side[:, None, :]), kernel_shape=[window], strides=[stride])
        for side in filters
    ]
    power = g.Transpose(g.Add(g.Mul(sides[0], sides[0]), g.Mul(sides[1], sides[1])), perm=[0, 2, 1])
    return power if layer.flag("magnitude_squared") else g.Sqrt(power)


@reads("Mfcc")
def mfcc(g: Builder, layer: Layer, x: Value, rate: Value) -> Value:
    """[channels, frames, bins] of energies -> coefficients: mel bands, their logarithms, a cosine transform."""
    (sample_rate,) = layer.integers(g, rate, "the sample rate")
    bands, count = layer.i("filterbank_channel_count", 40), layer.i("dct_coefficient_count", 13)
    bins = layer.size(x, 2)
    if bins < 2 or not 0 < bands <= 1024 or not 0 < count <= bands or sample_rate <= 0:
        raise layer.malformed("its bands, coefficients and sample rate do not fit its input")
    bank = _bank(bins, sample_rate, bands, layer.f("lower_frequency_limit", 20.0),
                 layer.f("upper_frequency_limit", 4000.0))  # fmt: skip
    energy = g.MatMul(g.Sqrt(x), bank.astype(np.float32))
    logs = g.Log(g.Max(energy, np.float32(FLOOR)))
    turns = np.outer(np.arange(bands) + 0.5, np.arange(count)) * np.pi / bands
    return g.MatMul(logs, (np.sqrt(2 / bands) * np.cos(turns)).astype(np.float32))


def _mel(frequency: Array | float) -> Array:
    return np.asarray(1127.0 * np.log1p(np.asarray(frequency) / 700.0))


def _bank(bins: int, rate: int, bands: int, low: float, high: float) -> Array:
    """[bins, bands]: every bin is shared between the two bands whose centres lie around it; the lowest is left out."""
    step = 0.5 * rate / (bins - 1)
    bottom = float(_mel(low))
    centres = bottom + (float(_mel(high)) - bottom) / (bands + 1) * np.arange(1, bands + 2)
    first, last = int(1.5 + low / step), int(high / step)
    bank = np.zeros((bins, bands))
    for index in range(max(first, 0), min(last, bins - 1) + 1):
        at = float(_mel(index * step))
        band = int(np.searchsorted(centres[:bands], at)) - 1
        left = centres[band] if band >= 0 else bottom
        share = (centres[band + 1] - at) / (centres[band + 1] - left)
        if band >= 0:
            bank[index, band] += share
        if band + 1 < bands:
            bank[index, band + 1] += 1 - share
    return bank
