"""Fourier transforms: ONNX keeps real and imaginary parts along a last axis of size 2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, Opaque, Value, handles
from workers.formats.tensorflow.read.network import Scope, what_is


@dataclass(frozen=True, slots=True)
class Pair:
    """``value`` [..., 2] holds a complex tensor."""

    value: Value


def _complex(layer: Layer, x: Entity) -> Value:
    if isinstance(x, Opaque) and isinstance(x.data, Pair):
        return x.data.value
    raise layer.unsupported(f"its input is {what_is(x) if not isinstance(x, ir.Value) else 'a real tensor'}")


def _pair(layer: Layer, value: Value) -> Opaque:
    return Opaque("a complex tensor", layer.name, Pair(value))


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
    return _pair(layer, found)


@handles("IRFFT")
def irfft(scope: Scope, layer: Layer, x: Entity, length: Entity) -> Value:
    """The mirrored half is put behind, then transformed back."""
    g, value = scope.g, _complex(layer, x)
    (size,) = layer.integers(g, _real(layer, length), "the length of the transform")
    rank = len(layer.shape(value))
    half = size // 2 + 1
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
    return _pair(layer, value)


@handles("Complex")
def complex_(scope: Scope, layer: Layer, real: Entity, imaginary: Entity) -> Opaque:
    g = scope.g
    return _pair(layer, g.Concat(*(g.Unsqueeze(_real(layer, x), [-1]) for x in (real, imaginary)), axis=-1))


def part(g: Builder, value: Value, index: int) -> Value:
    return g.Gather(value, np.array(index, np.int64), axis=-1)


@handles("Real", "Imag")
def real_or_imag(scope: Scope, layer: Layer, x: Entity) -> Value:
    return part(scope.g, _complex(layer, x), int(layer.type == "Imag"))


@handles("ComplexAbs")
def complex_abs(scope: Scope, layer: Layer, x: Entity) -> Value:
    return scope.g.ReduceL2(_complex(layer, x), [-1], keepdims=0)


@handles("Conj")
def conj(scope: Scope, layer: Layer, x: Entity) -> Opaque:
    return _pair(layer, scope.g.Mul(_complex(layer, x), np.array([1, -1], np.float32)))
