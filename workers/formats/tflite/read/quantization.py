"""Between integers and the real numbers they stand for."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.tflite.read.align import single
from workers.formats.tflite.read.held import real_numbers, widened
from workers.formats.tflite.read.layer import F32, Array, Layer, Out, reads
from workers.hub.graph import GraphBuilder


@reads("QUANTIZE")
def quantize(g: GraphBuilder, layer: Layer) -> Out:
    """Also from one scale to another. The result's own parameters do the work."""
    x, first = single(g, layer)
    return Out(x, first=first)


@reads("DEQUANTIZE")
def dequantize(g: GraphBuilder, layer: Layer) -> Out:
    """Constants, such as float16 weights, are widened when they are written."""
    held = layer.held(0)
    make, quantization = held.array, held.quantization
    if make is None:
        x, first = single(g, layer)
        return Out(x, first=first)

    def array() -> Array:
        return widened(make()) if quantization is None else real_numbers(make(), quantization)

    return Out(array=array, shape=held.shape, dtype=F32)


@reads("DENSIFY")
def densify(g: GraphBuilder, layer: Layer) -> Out:
    """A sparse constant with its zeros; it is one already when it was read."""
    held = layer.held(0)
    if held.array is None or held.quantised:
        raise layer.unsupported("it takes a tensor that is no sparse constant of real numbers")
    return Out(array=held.array, shape=held.shape, dtype=held.dtype)


@reads("FAKE_QUANT")
def fake_quant(g: GraphBuilder, layer: Layer) -> Out:
    """Rounds to one of 2^bits steps between min and max, which are moved so that zero is a step."""
    low, high, bits = layer.f("min"), layer.f("max"), layer.i("num_bits")
    if not (low <= 0 <= high and low < high and 2 <= bits <= 16):
        raise layer.malformed(f"its range from {low} to {high} in {bits} bits makes no sense")
    least, most = int(layer.flag("narrow_range")), (1 << bits) - 1
    scale = (high - low) / (most - least)
    zero = min(max(math.floor(least - low / scale + 0.5), least), most)
    start, end = np.float32((least - zero) * scale), np.float32((most - zero) * scale)
    x, first = single(g, layer)
    steps = g.Floor(g.Add(g.Div(g.Sub(g.Clip(x, start, end), start), np.float32(scale)), np.float32(0.5)))
    return Out(g.Add(g.Mul(steps, np.float32(scale)), start), first=first)
