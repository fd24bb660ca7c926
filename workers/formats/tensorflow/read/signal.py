"""Fourier transforms: ONNX keeps real and imaginary parts along a last axis of size 2."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.elementwise import atan2
from workers.formats.tensorflow.read.layer import Entity, Layer, Opaque, Value, handles
from workers.formats.tensorflow.read.network import Scope, what_is
from workers.formats.tensorflow.read.pairs import Pair, joined, pair, part, parts
from workers.hub.node import shape_of


def _complex(layer: Layer, x: Entity) -> Value:
    if isinstance(x, Opaque) and isinstance(x.data, Pair):
        return x.data.value
    raise layer.unsupported(f"its input is {what_is(x) if not isinstance(x, ir.Value) else 'a real tensor'}")


def _real(layer: Layer, x: Entity) -> Value:
    if not isinstance(x, ir.Value):
        raise layer.unsupported(f"its input is {what_is(x)}")
    return x


@handles("RFFT", "RFFT2D", "RFFT3D")
def rfft(scope: Scope, layer: Layer, x: Entity, length: Entity) -> Opaque:
    """Over the last axes, half of the last; longer signals are cut, shorter ones filled with zeros."""
    g, value = scope.g, _real(layer, x)
    sizes = layer.integers(g, _real(layer, length), "the length of the transform")
    found = g.Unsqueeze(value, [-1])
    for place, size in enumerate(reversed(sizes)):
        axis = len(layer.shape(value)) - 1 - place
        found = g.DFT(found, np.array(size, np.int64), np.array(axis, np.int64), onesided=int(place == 0))
    return pair(layer, found)


@handles("IRFFT", "IRFFT2D", "IRFFT3D")
def irfft(scope: Scope, layer: Layer, x: Entity, length: Entity) -> Value:
    """All axes but the last are transformed back; of the last the mirrored half is put behind before that."""
    g, value = scope.g, _complex(layer, x)
    *sizes, size = layer.integers(g, _real(layer, length), "the length of the transform")
    rank = len(layer.shape(value))
    for place, count in enumerate(sizes):
        axis = rank - 2 - len(sizes) + place
        value = g.DFT(value, np.array(count, np.int64), np.array(axis, np.int64), inverse=1)
    half = size // 2 + 1
    missing = half - layer.size(value, rank - 2)
    if missing > 0:
        value = g.Pad(value, [0] * (2 * rank - 2) + [missing, 0])
    kept = g.Slice(value, [0], [half], [rank - 2])
    mirror = g.Slice(kept, [half - 1 - (1 - size % 2)], [0], [rank - 2], [-1])
    turned = g.Mul(mirror, np.array([1, -1], np.float32))
    full = g.Concat(kept, turned, axis=rank - 2)
    back = g.DFT(full, np.array(size, np.int64), np.array(rank - 2, np.int64), inverse=1)
    return g.Gather(back, np.array(0, np.int64), axis=-1)


@handles("FFT", "IFFT", "FFT2D", "IFFT2D", "FFT3D", "IFFT3D")
def fft(scope: Scope, layer: Layer, x: Entity) -> Opaque:
    g, value = scope.g, _complex(layer, x)
    count = int(layer.type[-2]) if layer.type.endswith("D") else 1
    rank = len(layer.shape(value))
    for axis in range(rank - 1 - count, rank - 1):
        value = g.DFT(value, None, np.array(axis, np.int64), inverse=int(layer.type.startswith("I")))
    return pair(layer, value)


@handles("Complex")
def complex_(scope: Scope, layer: Layer, real: Entity, imaginary: Entity) -> Opaque:
    """The two parts are broadcast against each other."""
    g, one, two = scope.g, _real(layer, real), _real(layer, imaginary)
    if shape_of(one) is None or shape_of(one) != shape_of(two):
        one, two = g.Add(one, g.Mul(two, layer.number(two, 0))), g.Add(two, g.Mul(one, layer.number(one, 0)))
    return joined(g, layer, one, two)


@handles("Real", "Imag")
def real_or_imag(scope: Scope, layer: Layer, x: Entity) -> Value:
    return part(scope.g, _complex(layer, x), int(layer.type == "Imag"))


@handles("ComplexAbs")
def complex_abs(scope: Scope, layer: Layer, x: Entity) -> Value:
    return scope.g.ReduceL2(_complex(layer, x), [-1], keepdims=0)


@handles("Angle")
def angle(scope: Scope, layer: Layer, x: Entity) -> Value:
    real, imaginary = parts(scope.g, pair(layer, _complex(layer, x)))
    found: Value = atan2(scope.g, layer, imaginary, real)
    return found


@handles("Conj")
def conj(scope: Scope, layer: Layer, x: Entity) -> Opaque:
    return pair(layer, scope.g.Mul(_complex(layer, x), np.array([1, -1], np.float32)))
