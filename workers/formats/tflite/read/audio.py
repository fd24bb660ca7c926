"""The custom operators that TensorFlow's speech commands begin with. Their kernels compute in double precision."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workers.formats import speech
from workers.formats.layer import cast
from workers.formats.tflite.read.layer import F32, F64, Layer, Value, reads
from workers.formats.tflite.read.spatial import LIMIT
from workers.hub.graph import GraphBuilder
from workers.inspect.flexbuffer import flex_map


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
    real, imaginary = (g.MatMul(frames, basis) for basis in speech.waves(width))
    power = cast(g, g.Add(g.Mul(real, real), g.Mul(imaginary, imaginary)), F32)
    return power if options.get("magnitude_squared") else g.Sqrt(power)


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
    energy = g.Log(g.Max(g.MatMul(magnitude, speech.mel_bands(bins, rate, bands, low, high)), np.asarray(speech.FLOOR)))
    return cast(g, g.MatMul(energy, speech.cosines(bands, kept)), F32)
