"""Signals: Fourier transforms of fixed length as products with constant matrices, frames as convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workers.formats.keras.read.angles import angle
from workers.formats.keras.read.arguments import Arguments, floats, operation
from workers.formats.keras.read.layer import MAX_WINDOW, Array, Layer, Result, reads
from workers.formats.keras.read.tensor import Tensor, plain
from workers.hub.graph import GraphBuilder, Value

LONGEST = 8192
# Of the mel scale: m = 1127 log(1 + f / 700).
MEL_Q, MEL_BREAK = 1127.0, 700.0


def _angles(rows: int, columns: int, length: int) -> Array:
    """2 pi r c / length, the product reduced first: large angles lose their last digits."""
    products = np.outer(np.arange(rows), np.arange(columns)) % length
    return np.asarray(2 * math.pi / length * products)


def _length(layer: Layer, size: int) -> int:
    if not 1 <= size <= LONGEST:
        raise layer.unsupported(f"it transforms {size} values at once; onnxhub writes up to {LONGEST}")
    return size


def _pair(g: GraphBuilder, a: Arguments) -> tuple[Value, Value]:
    """A complex number: two tensors."""
    found = a.get(0, "x")
    if not isinstance(found, list) or len(found) != 2:
        raise a.layer.malformed("it takes a real and an imaginary part")
    one, two = (floats(g, a.as_tensor(item)) for item in found)
    if one.rank != two.rank or one.rank < (1 if a.name in ("fft", "irfft") else 2):
        raise a.layer.malformed(f"its parts have {one.rank} and {two.rank} axes")
    return one.plain(g), two.plain(g)


def _turned(
    g: GraphBuilder, a: Arguments, real: Value, imaginary: Value, axis: int, *, back: bool
) -> tuple[Value, Value]:
    """exp(-+ 2 pi i) along one of the two last axes."""
    size = _length(a.layer, a.layer.fixed([g.shape(real)[axis]])[0])
    angles = _angles(size, size, size)
    cosines, sines = np.cos(angles), (1 if back else -1) * np.sin(angles)
    if back:
        cosines, sines = cosines / size, sines / size
    dtype = a.layer.element(real).numpy()
    c, s = (g.constant(matrix.astype(dtype)) for matrix in (cosines, sines))

    def product(value: Value, matrix: Value) -> Value:
        return g.MatMul(value, matrix) if axis == -1 else g.MatMul(matrix, value)

    first = g.Sub(product(real, c), product(imaginary, s))
    return first, g.Add(product(real, s), product(imaginary, c))


@operation("fft", "fft2", "ifft2")
def fft(g: GraphBuilder, a: Arguments) -> Result:
    real, imaginary = _pair(g, a)
    for axis in (-1,) if a.name == "fft" else (-1, -2):
        real, imaginary = _turned(g, a, real, imaginary, axis, back=a.name == "ifft2")
    return [plain(real), plain(imaginary)]


@operation("rfft")
def rfft(g: GraphBuilder, a: Arguments) -> Result:
    """The non-negative frequencies of a real signal that is cut, or filled up with zeros."""
    x = floats(g, a.tensor(0, "x"))
    a.layer.rank(x, *range(1, 9))
    value, have = x.plain(g), a.layer.size(x, -1)
    length = _length(a.layer, a.integer(1, "fft_length", default=have))
    if length < have:
        value = g.Slice(value, [0], [length], [x.rank - 1])
    angles = _angles(min(length, have), length // 2 + 1, length)
    dtype = a.layer.element(x).numpy()
    return [plain(g.MatMul(value, g.constant(matrix.astype(dtype)))) for matrix in (np.cos(angles), -np.sin(angles))]


def _inverse(bins: int, length: int) -> tuple[Array, Array]:
    """[bins, length]: a real signal from its non-negative frequencies, which count twice but for the ends."""
    angles = _angles(bins, length, length)
    weights = np.full((bins, 1), 2 / length)
    weights[0] = 1 / length
    if length % 2 == 0 and bins == length // 2 + 1:
        weights[-1] = 1 / length
    return weights * np.cos(angles), -weights * np.sin(angles)


@operation("irfft")
def irfft(g: GraphBuilder, a: Arguments) -> Result:
    real, imaginary = _pair(g, a)
    bins = a.layer.fixed([g.shape(real)[-1]])[0]
    length = _length(a.layer, a.integer(1, "fft_length", default=2 * (bins - 1)))
    need = length // 2 + 1
    if need > bins:
        raise a.layer.unsupported(f"it fills {bins} frequencies up to {need}")
    if need < bins:
        real, imaginary = (g.Slice(part, [0], [need], [-1]) for part in (real, imaginary))
    dtype = a.layer.element(real).numpy()
    c, s = (g.constant(matrix.astype(dtype)) for matrix in _inverse(need, length))
    return plain(g.Add(g.MatMul(real, c), g.MatMul(imaginary, s)))


# --- short time ------------------------------------------------------------------------------------------------------


def _window(layer: Layer, word: Any, length: int, total: int) -> Array:
    """The window, centred among zeros."""
    if word is None:
        window = np.ones(length)
    elif isinstance(word, str):
        share = {"hann": 0.5, "hamming": 0.54}.get(word)
        if share is None:
            raise layer.unsupported(f"its window is {word!r}; onnxhub reads hann and hamming")
        window = share - (1 - share) * np.cos(2 * math.pi * np.arange(length) / length)
    else:
        window = np.asarray(word, np.float64).reshape(-1)
    left = (total - length) // 2
    if window.size != length or left < 0:
        raise layer.malformed(f"its window has {window.size} values for {length} of {total}")
    return np.pad(window, (left, total - length - left))


def short_time(
    g: GraphBuilder, layer: Layer, x: Tensor, length: int, stride: int, total: int, window: Any, centre: bool
) -> tuple[Value, Value]:
    """[..., time] as [..., frames, total / 2 + 1], real and imaginary: a convolution with windowed waves."""
    _length(layer, total)
    layer.rank(x, *range(1, 9))
    if not 1 <= stride <= MAX_WINDOW or not 1 <= length <= total:
        raise layer.malformed(f"its frames are {length} of {total}, {stride} apart")
    value, bins = x.plain(g), total // 2 + 1
    heads = [dim if isinstance(dim, int) else -1 for dim in x.shape[:-1]]
    if heads.count(-1) > 1:
        raise layer.free("it needs all sizes in front of the time but one")
    value = g.Reshape(value, [-1, 1, layer.size(x, -1)])
    if centre:
        value = g.Pad(value, [0, 0, total // 2, 0, 0, total // 2], mode="reflect")
    angles = _angles(bins, total, total)
    row = _window(layer, window, length, total)
    kernel = np.concatenate([np.cos(angles) * row, -np.sin(angles) * row])[:, None]
    y = g.Conv(value, layer.weight(g, "waves", kernel.astype(np.float32), layer.element(x)), None,
               kernel_shape=[total], strides=[stride], dilations=[1], pads=[0, 0], group=1)  # fmt: skip
    frames = layer.fixed(g.shape(y)[2:])[0]
    parts = g.ops("Split", g.Transpose(y, perm=[0, 2, 1]), [bins, bins], outputs=2, axis=2)
    real, imaginary = (g.Reshape(part, [*heads, frames, bins]) for part in parts)
    return real, imaginary


@operation("stft")
def stft(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    length, stride, total = (a.integer(place, key) for place, key in
                             enumerate(("sequence_length", "sequence_stride", "fft_length"), 1))  # fmt: skip
    window = a.plain(a.get(4, "window", default="hann" if "window" not in a.layer.config else None))
    centre = bool(a.get(5, "center", default=True))
    return [plain(part) for part in short_time(g, a.layer, x, length, stride, total, window, centre)]


@operation("istft")
def istft(g: GraphBuilder, a: Arguments) -> Result:
    """Frames are turned back, weighted so that the windows sum to one, and added where they overlap."""
    real, imaginary = _pair(g, a)
    length, stride, total = (a.integer(place, key) for place, key in
                             enumerate(("sequence_length", "sequence_stride", "fft_length"), 1))  # fmt: skip
    heads = [dim if isinstance(dim, int) else -1 for dim in g.shape(real)[:-2]]
    frames, bins = a.layer.fixed(g.shape(real)[-2:])
    if heads.count(-1) > 1 or bins != total // 2 + 1 or not 1 <= stride <= total <= LONGEST:
        raise a.layer.malformed(f"it turns {bins} frequencies back into {total} values, {stride} apart")
    window = a.get(5, "window", default="hann" if "window" not in a.layer.config else None)
    row = _window(a.layer, a.plain(window), length, total)
    overlaps = -(-total // stride)
    powers = np.pad(row * row, (0, overlaps * stride - total)).reshape(overlaps, stride).sum(0)
    row = row / np.tile(powers, overlaps)[:total] if window is not None else row
    kernel = (np.concatenate(_inverse(bins, total)) * row)[:, None]
    both = g.Concat(*(g.Reshape(part, [-1, frames, bins]) for part in (real, imaginary)), axis=2)
    weight = a.layer.weight(g, "waves", kernel.astype(np.float32), a.layer.element(real))
    y = g.ConvTranspose(g.Transpose(both, perm=[0, 2, 1]), weight, None, kernel_shape=[total], strides=[stride],
                        dilations=[1], pads=[0, 0], group=1)  # fmt: skip
    centre = bool(a.get(6, "center", default=True))
    first, whole = (total // 2 if centre else 0), total + stride * (frames - 1)
    asked = a.get(4, "length")
    last = first + a.integer(4, "length") if asked is not None else whole - first
    return plain(g.Reshape(g.Slice(y, [first], [last], [2]), [*heads, min(last, whole) - first]))


@operation("extract_sequences", "frame")
def extract_sequences(g: GraphBuilder, a: Arguments) -> Result:
    """Overlapping pieces of the last axis."""
    x = a.tensor(0, "x", "signal")
    a.layer.rank(x, *range(1, 9))
    length = a.integer(1, "sequence_length", "frame_length")
    stride = a.integer(2, "sequence_stride", "frame_step")
    if a.get(-1, "pad_end") or a.get(-1, "axis", default=-1) not in (-1, x.rank - 1):
        raise a.layer.unsupported("it fills up the last frame or does not cut the last axis")
    size = a.layer.size(x, -1)
    if not 1 <= length <= size or stride < 1:
        raise a.layer.malformed(f"it cuts {size} values in pieces of {length}, {stride} apart")
    starts = np.arange(0, size - length + 1, stride)
    return plain(g.Gather(x.plain(g), g.constant(starts[:, None] + np.arange(length)), axis=x.rank - 1))


# --- layers ----------------------------------------------------------------------------------------------------------


@reads("STFTSpectrogram")
def stft_spectrogram(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Every channel by itself through a convolution with the stored waves, in the form that ``mode`` names."""
    x = floats(g, x)
    layer.rank(x, 3)
    last = layer.word("data_format", "channels_last") != "channels_first"
    value = x.first(g) if last else x.plain(g)
    channels, time = layer.fixed(g.shape(value)[1:])
    value = g.Reshape(value, [-1, 1, time])
    mode = layer.word("mode", "log")
    parts = {}
    for part in ("real", "imag"):
        if layer.owns(f"{part}_kernel"):
            parts[part] = _waves(g, layer, value, part, channels)
    needed = {"real": ("real",), "imag": ("imag",)}.get(mode, ("real", "imag"))
    if any(part not in parts for part in needed):
        raise layer.malformed(f"the waves of its mode {mode!r} are missing")
    y = _spectrum(g, layer, [parts[part] for part in needed], mode)
    if layer.flag("expand_dims", False):
        return Tensor(y, (0, 3, 2, 1) if last else (0, 1, 3, 2))
    frequencies, frames = layer.fixed(g.shape(y)[2:])
    flat = g.Reshape(y, [-1, channels * frequencies, frames])
    return Tensor(flat, (0, 2, 1) if last else (0, 1, 2))


def _waves(g: GraphBuilder, layer: Layer, x: Value, part: str, channels: int) -> Value:
    """[batch, channels, frequencies, frames]."""
    array = layer.array(f"{part}_kernel", None, 1, None)
    size, stride = array.shape[0], layer.integer("frame_step", array.shape[0])
    pads = [0, 0]
    if layer.word("padding", "valid") == "same":
        time = layer.fixed(g.shape(x)[2:])[0]
        total = max((-(-time // stride) - 1) * stride + size - time, 0)
        pads = [total // 2, total - total // 2]
    weight = layer.weight(g, f"{part}_kernel", array.transpose(2, 1, 0), layer.element(x))
    y = g.Conv(x, weight, None, kernel_shape=[size], strides=[stride], dilations=[1], pads=pads, group=1)
    frequencies, frames = layer.fixed(g.shape(y)[1:])
    return g.Reshape(y, [-1, channels, frequencies, frames])


def _spectrum(g: GraphBuilder, layer: Layer, parts: list[Value], mode: str) -> Value:
    if mode in ("real", "imag"):
        return parts[0]
    real, imaginary = parts
    if mode == "stft":
        return g.Concat(real, imaginary, axis=2)
    if mode == "angle":
        return angle(g, layer, imaginary, real)
    power = g.Add(g.Mul(real, real), g.Mul(imaginary, imaginary))
    if mode == "psd":
        inner = g.Slice(power, [1], [-1], [2])
        return g.Add(power, g.Pad(inner, [0, 0, 1, 0, 0, 0, 1, 0], layer.number(power, 0), mode="constant"))
    least = layer.number(power, 1e-7)
    size = g.Sqrt(g.Max(power, least))
    if mode == "magnitude":
        return size
    if mode != "log":
        raise layer.malformed(f"its mode is {mode!r}")
    return g.Log(g.Max(size, least))


@reads("MelSpectrogram")
def mel_spectrogram(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """[..., time] as [..., mel bins, frames], in decibels below the loudest of the whole batch."""
    x = floats(g, x)
    total = layer.integer("fft_length", 2048)
    length, stride = layer.integer("sequence_length", total), layer.integer("sequence_stride", 512)
    real, imaginary = short_time(g, layer, x, length, stride, total, layer.config.get("window", "hann"), True)
    size = g.Sqrt(g.Add(g.Mul(real, real), g.Mul(imaginary, imaginary)))
    power = g.Pow(size, layer.number(size, layer.real("mag_exp", 2.0)))
    y = g.MatMul(power, layer.weight(g, "mel", _mel(layer, total // 2 + 1), layer.element(x)))
    if layer.flag("power_to_db", True):
        least = layer.real("min_power", 1e-10)
        level = g.Mul(g.Log(g.Max(y, layer.number(y, least))), layer.number(y, 10 / math.log(10)))
        reference = 10 * math.log10(max(abs(layer.real("ref_power", 1.0)), least))
        level = g.Sub(level, layer.number(y, reference))
        floor = g.Sub(g.ReduceMax(level, keepdims=0), layer.number(y, layer.real("top_db", 80.0)))
        y = g.Max(level, floor)
    order = tuple(range(x.rank + 1))
    return Tensor(y, (*order[:-2], order[-1], order[-2]))


def _mel(layer: Layer, bins: int) -> Array:
    """[frequencies, mel bins]: triangles between equal steps of the mel scale; nothing of frequency 0."""
    rate, count = layer.real("sampling_rate", 16000.0), layer.integer("num_mel_bins", 128)
    if rate <= 0 or not 1 <= count <= LONGEST:
        raise layer.malformed(f"it makes {count} bins of a signal of {rate} Hz")
    high = layer.real("max_freq", 0.0) or float(int(rate / 2))

    def mel(hertz: Any) -> Any:
        return MEL_Q * np.log(1 + hertz / MEL_BREAK)

    places = mel(np.linspace(0, rate / 2, bins, dtype=np.float64))[1:, None]
    edges = np.linspace(mel(layer.real("min_freq", 20.0)), mel(high), count + 2)
    low, centre, top = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0, np.minimum((places - low) / (centre - low), (top - places) / (top - centre)))
    return np.pad(triangles, [(1, 0), (0, 0)]).astype(np.float32)
