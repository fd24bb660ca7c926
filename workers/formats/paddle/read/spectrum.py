"""Windows of signals and Fourier transforms of any axes."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from workers.formats.dims import times
from workers.formats.paddle.read.complex_numbers import number_of
from workers.formats.paddle.read.layer import Complex, Held, Layer, Value, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder

LONGEST = 2**15


@reads("frame")
def frame(g: GraphBuilder, layer: Layer) -> Value:
    """[..., T] -> [..., length, places] with axis -1; [T, ...] -> [places, length, ...] with axis 0."""
    x = layer.x()
    length, hop, last = layer.integer("frame_length"), layer.integer("hop_length"), layer.integer("axis", -1) != 0
    return _frames(g, layer, x, length, hop, last)


def _frames(g: GraphBuilder, layer: Layer, x: Value, length: int, hop: int, last: bool) -> Value:
    axis = layer.rank(x) - 1 if last else 0
    if not 1 <= length <= LONGEST or hop < 1 or axis < 0:
        raise layer.malformed(f"its windows have the length {length} and the distance {hop}")
    size = layer.shape(x)[axis]
    steps = np.arange(length)
    if isinstance(size, int):
        places = np.arange(max(1 + (size - length) // hop, 0)) * hop
        layer.bounded(length * len(places))
        return g.Gather(x, steps[:, None] + places if last else places[:, None] + steps, axis=axis)
    end = g.Sub(g.Squeeze(g.Shape(x, start=axis, end=axis + 1), [0]), np.asarray(length - 1))
    starts = g.Range(np.asarray(0), end, np.asarray(hop))
    index = g.Add(g.Unsqueeze(starts, [0 if last else 1]), steps[:, None] if last else steps[None])
    return g.Gather(x, index, axis=axis)


@reads("overlap_add")
def overlap_add(g: GraphBuilder, layer: Layer) -> Value:
    """The windows of ``frame`` added up where they lay: a transposed convolution with ones on the diagonal."""
    x, hop = layer.x(), layer.integer("hop_length")
    rank = layer.rank(x)
    last = layer.integer("axis", -1) != 0
    if rank < 2 or hop < 1:
        raise layer.malformed(f"it adds windows {hop} apart")
    if not last:
        x = g.Transpose(x, perm=[*range(2, rank), 1, 0])
    *lead, length, places = layer.shape(x)
    width = layer.size(x, rank - 2)
    layer.bounded(width * width)
    kernel = layer.number(x, np.eye(width)[:, None, :])
    joined = g.ConvTranspose(reshaped(g, layer, x, [times(lead), length, places]), kernel, strides=[hop])
    y = reshaped(g, layer, joined, [*lead, layer.shape(joined)[2]])
    return y if last or rank == 2 else g.Transpose(y, perm=[rank - 2, *range(rank - 2)])


# --- transforms -------------------------------------------------------------------------------------------------------


def _axes(layer: Layer, rank: int) -> list[int]:
    axes = [layer.axis(axis, rank) for axis in layer.integers("axes")]
    if not axes:
        raise layer.malformed("it transforms no axis")
    return axes


def _parts(g: GraphBuilder, pairs: Value, rank: int) -> Complex:
    """[..., 2] -> real and imaginary parts."""
    found = g.ops("Split", pairs, [1, 1], outputs=2, axis=rank)
    return Complex(*(g.Squeeze(part, [rank]) for part in found))


def _along(g: GraphBuilder, layer: Layer, x: Complex, axis: int, forward: bool) -> Complex:
    rank = layer.rank(x.real)
    pairs = g.Concat(g.Unsqueeze(x.real, [rank]), g.Unsqueeze(x.imaginary, [rank]), axis=rank)
    return _parts(g, g.DFT(pairs, None, np.asarray(axis), inverse=int(not forward)), rank)


def _factor(layer: Layer, size: int | None, forward: bool) -> float:
    """What is left to multiply: ONNX divides by the number of points on the way back alone."""
    word = layer.choice("normalization", "backward", "backward", "ortho", "forward")
    if size == 0:
        raise layer.malformed("it transforms no points")
    if word == "backward":
        return 1.0
    if size is None:
        raise layer.free("its normalisation needs the number of points")
    if word == "ortho":
        return 1 / math.sqrt(size) if forward else math.sqrt(size)
    return 1 / size if forward else float(size)


def _points(layer: Layer, x: Value, axes: list[int]) -> int | None:
    found = times(layer.shape(x)[axis] for axis in axes)
    return found if isinstance(found, int) else None


def _times(g: GraphBuilder, layer: Layer, x: Value, factor: float) -> Value:
    return x if factor == 1.0 else g.Mul(x, layer.number(x, factor))


@reads("fft_c2c")
def fft_c2c(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    x, forward = number_of(layer), layer.flag("forward", True)
    axes = _axes(layer, layer.rank(x.real))
    factor = _factor(layer, _points(layer, x.real, axes), forward)
    for axis in axes:
        x = _along(g, layer, x, axis, forward)
    return {"Out": [Complex(_times(g, layer, x.real, factor), _times(g, layer, x.imaginary, factor))]}


@reads("fft_r2c")
def fft_r2c(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    """The last of the axes first, of which the half remains; the others on complex numbers."""
    x, forward = layer.x(), layer.flag("forward", True)
    rank = layer.rank(x)
    axes = _axes(layer, rank)
    factor = _factor(layer, _points(layer, x, axes), forward)
    y = _half(g, x, rank, axes[-1], layer.flag("onesided", True))
    if not forward:
        factor *= 1 / layer.size(x, axes[-1])
        y = Complex(y.real, g.Neg(y.imaginary))
    for axis in axes[:-1]:
        y = _along(g, layer, y, axis, forward)
    return {"Out": [Complex(_times(g, layer, y.real, factor), _times(g, layer, y.imaginary, factor))]}


def _half(g: GraphBuilder, x: Value, rank: int, axis: int, onesided: bool) -> Complex:
    return _parts(g, g.DFT(g.Unsqueeze(x, [rank]), None, np.asarray(axis), onesided=int(onesided)), rank)


@reads("fft_c2r")
def fft_c2r(g: GraphBuilder, layer: Layer) -> Value:
    """Real numbers from half a spectrum: the other half mirrors it."""
    x, forward = number_of(layer), layer.flag("forward", False)
    axes = _axes(layer, layer.rank(x.real))
    last = axes[-1]
    half = layer.size(x.real, last)
    size = layer.integer("last_dim_size", 0) or 2 * (half - 1)
    if size < 1 or size // 2 + 1 != half:
        raise layer.unsupported(f"it makes {size} points of a spectrum of {half}")
    others = _points(layer, x.real, axes[:-1])
    factor = _factor(layer, None if others is None else others * size, forward)
    for axis in axes[:-1]:
        x = _along(g, layer, x, axis, forward)
    if forward:
        x, factor = Complex(x.real, g.Neg(x.imaginary)), factor * size
    whole = _mirrored(g, x, last, size - half)
    return _times(g, layer, _along(g, layer, whole, last, False).real, factor)


def _mirrored(g: GraphBuilder, x: Complex, axis: int, count: int) -> Complex:
    if not count:
        return x
    real, imaginary = (g.Slice(part, [count], [0], [axis], [-1]) for part in (x.real, x.imaginary))
    return Complex(g.Concat(x.real, real, axis=axis), g.Concat(x.imaginary, g.Neg(imaginary), axis=axis))


@reads("stft")
def stft(g: GraphBuilder, layer: Layer) -> Mapping[str, Held]:
    """[N, T] and a window [n_fft] -> [N, frequencies, places]."""
    x, window = layer.x(), layer.x("Window")
    points, hop = layer.integer("n_fft"), layer.integer("hop_length")
    frames = g.Mul(_frames(g, layer, x, points, hop, True), g.Unsqueeze(window, [1]))
    rank = layer.rank(frames)
    y = _half(g, frames, rank, rank - 2, layer.flag("onesided", True))
    factor = 1 / math.sqrt(points) if layer.flag("normalized") else 1.0
    return {"Out": [Complex(_times(g, layer, y.real, factor), _times(g, layer, y.imaginary, factor))]}
