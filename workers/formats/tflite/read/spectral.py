"""Fourier transforms. Complex tensors are held with one more axis, real and imaginary part."""

from __future__ import annotations

import numpy as np

from workers.formats.tflite.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("RFFT2D")
def rfft2d(g: GraphBuilder, layer: Layer) -> Value:
    """Over the last two axes, cut or filled with zeros to the given lengths; the redundant half is left out."""
    if layer.rank(0) < 2:
        raise layer.malformed("its input has less than two axes")
    height, width = layer.integers(1, "lengths")
    if min(height, width) < 1:
        raise layer.malformed(f"its lengths are {height} and {width}")
    x = g.Unsqueeze(layer.x(g, 0), [-1])
    rows = g.DFT(x, np.asarray(width, np.int64), np.asarray(-2, np.int64), onesided=1)
    return g.DFT(rows, np.asarray(height, np.int64), np.asarray(-3, np.int64))


@reads("COMPLEX_ABS")
def complex_abs(g: GraphBuilder, layer: Layer) -> Value:
    _check(layer)
    return g.ReduceL2(layer.x(g, 0), [-1], keepdims=0)


@reads("REAL", "IMAG")
def part(g: GraphBuilder, layer: Layer) -> Value:
    _check(layer)
    return g.Gather(layer.x(g, 0), np.asarray(int(layer.type == "IMAG"), np.int64), axis=-1)


def _check(layer: Layer) -> None:
    if layer.held(0).tensor.type != "complex64":
        raise layer.malformed(f"its input is of type {layer.held(0).tensor.type}")
