"""Sound: the spectrogram and the cepstral coefficients of TensorFlow's speech recognition graphs."""

from __future__ import annotations

import numpy as np

from workers.formats import speech
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads


@reads("AudioSpectrogram")
def audio_spectrogram(g: Builder, layer: Layer, x: Value) -> Value:
    """[samples, channels] -> [channels, frames, bins]: a Hann window, the transform padded to a power of two.

    The transform is a convolution of stride ``stride`` whose filters are the windowed cosines and sines.
    """
    window, stride = layer.i("window_size"), layer.i("stride")
    if not 1 < window <= 1 << 14 or stride < 1:
        raise layer.malformed(f"its window has {window} samples and its stride is {stride}")
    signal = g.Unsqueeze(g.Transpose(x, perm=[1, 0]), [1])
    sides = [
        g.Conv(signal, np.ascontiguousarray(wave.T[:, None], np.float32), kernel_shape=[window], strides=[stride])
        for wave in speech.waves(window)
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
    bank = speech.mel_bands(bins, sample_rate, bands, layer.f("lower_frequency_limit", 20.0),
                 layer.f("upper_frequency_limit", 4000.0))  # fmt: skip
    energy = g.MatMul(g.Sqrt(x), bank.astype(np.float32))
    logs = g.Log(g.Max(energy, np.float32(speech.FLOOR)))
    return g.MatMul(logs, speech.cosines(bands, count).astype(np.float32))
