"""Quantisation: what was trained with it (FakeQuant) becomes a pair of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import F32, I8, I32, U8
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads
from workers.formats.tensorflow.tensors import Array


def nudged(low: Array, high: Array, least: int, most: int) -> tuple[Array, Array]:
    """Scale and zero point: the range is moved so that zero is one of the steps."""
    low, high = low.astype(np.float64), high.astype(np.float64)
    scale = np.where(high > low, (high - low) / (most - least), 1.0)
    start = least - low / scale
    zero = np.clip(np.floor(start + 0.5), least, most)
    return scale.astype(np.float32), zero


def _fake(g: Builder, layer: Layer, x: Value, low: Array, high: Array) -> Value:
    bits = layer.i("num_bits", 8)
    if not 2 <= bits <= 16:
        raise layer.malformed(f"it quantises to {bits} bits")
    least, most = int(layer.flag("narrow_range")), 2**bits - 1
    scale, zero = nudged(low, high, least, most)
    shift = zero.astype(np.float32) * scale
    bottom, top = least * scale - shift, most * scale - shift
    if bits == 8:
        held = g.Max(g.Min(x, top.astype(np.float32)), bottom.astype(np.float32)) if least else x
        axis = None if scale.ndim == 0 else len(layer.shape(x)) - 1
        point = zero.astype(np.uint8)
        stored = g.QuantizeLinear(held, scale, point, axis=axis)
        return g.DequantizeLinear(stored, scale, point, axis=axis)
    held = g.Max(g.Min(x, top.astype(np.float32)), bottom.astype(np.float32))
    steps = g.Floor(g.Add(g.Div(g.Sub(held, bottom.astype(np.float32)), scale), np.float32(0.5)))
    return g.Add(g.Mul(steps, scale), bottom.astype(np.float32))


@reads("FakeQuantWithMinMaxArgs")
def fake_quant_args(g: Builder, layer: Layer, x: Value) -> Value:
    return _fake(g, layer, x, np.array(layer.f("min", -6.0)), np.array(layer.f("max", 6.0)))


@reads("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_vars(g: Builder, layer: Layer, x: Value, low: Value, high: Value) -> Value:
    limits = [layer.constant(g, value, "the range of its values") for value in (low, high)]
    return _fake(g, layer, x, *limits)


def _range(layer: Layer, g: Builder, low: Value, high: Value) -> tuple[float, float]:
    ends = [layer.constant(g, value, "the range of its values") for value in (low, high)]
    if any(end.size != 1 for end in ends):
        raise layer.unsupported("it has a range of its own for every channel")
    return float(ends[0].reshape(())), float(ends[1].reshape(()))


def away(x: np.float32) -> float:
    """The nearest whole number, halves away from zero."""
    return float(np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)))


def _linear(layer: Layer, kind: object, low: float, high: float) -> tuple[float, float]:
    """(scale, offset) with value = scale * q + offset, for the mode of the node; MIN_FIRST makes zero a step."""
    signed, bits = kind == I8, 8
    mode = layer.s("mode", "MIN_COMBINED")
    if mode == "SCALED":
        top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
        least = -top - (0 if layer.flag("narrow_range") else 1) if signed else 0
        scale = max(high / top, low / least if signed and least else 0.0)
        return scale, 0.0
    scale = (high - low) / (2**bits - 1)
    if mode == "MIN_FIRST" and scale:
        low = away(np.float32(low) / np.float32(scale)) * scale
    return scale, low + (2 ** (bits - 1) * scale if signed else 0.0)


@reads("Dequantize")
def dequantize(g: Builder, layer: Layer, x: Value, low: Value, high: Value) -> Value:
    if layer.element(x) not in (U8, I8):
        raise layer.unsupported(f"it reads {layer.element(x).name} numbers")
    scale, offset = _linear(layer, layer.element(x), *_range(layer, g, low, high))
    value = g.Mul(cast(g, x, F32), np.float32(scale))
    return g.Add(value, np.float32(offset)) if offset else value


@reads("QuantizeV2")
def quantize_v2(g: Builder, layer: Layer, x: Value, low: Value, high: Value) -> list[Value]:
    """Half away from zero, except where round_mode says half to even."""
    kind = layer.dtype("T", "DT_QUINT8")
    if kind not in (U8, I8):
        raise layer.unsupported(f"it makes {kind.name} numbers")
    ends = _range(layer, g, low, high)
    if layer.s("mode") == "MIN_FIRST" and kind == I8:
        steps = _first_steps(g, layer, x, *ends)
    else:
        scale, offset = _linear(layer, kind, *ends)
        offset = ends[0] if layer.s("mode") == "MIN_FIRST" else offset
        inverse = np.float32(1 / scale) if scale else np.float32(0)
        steps = _whole(g, layer, g.Mul(g.Sub(x, np.float32(offset)) if offset else x, inverse))
    limits = np.iinfo(kind.numpy())
    held = g.Clip(steps, np.float32(limits.min), np.float32(limits.max))
    return [g.Cast(cast(g, held, I32), to=int(kind)), low, high]


def _whole(g: Builder, layer: Layer, steps: Value) -> Value:
    if layer.s("round_mode", "HALF_AWAY_FROM_ZERO") == "HALF_TO_EVEN":
        return g.Round(steps)
    return g.Mul(g.Sign(steps), g.Floor(g.Add(g.Abs(steps), np.float32(0.5))))


def _first_steps(g: Builder, layer: Layer, x: Value, low: float, high: float) -> Value:
    """MIN_FIRST of signed numbers: the range's beginning in whole steps is taken off behind the rounding.

    TensorFlow 2 takes it off before the rounding where numbers are unsigned, TensorFlow 1 does not: one step apart.
    """
    if high <= low:
        raise layer.malformed(f"its range is from {low} to {high}")
    inverse = np.float32(255.0 / np.float64(np.float32(high) - np.float32(low)))
    first = away(np.float32(low) * inverse) + 128
    return g.Sub(_whole(g, layer, g.Mul(x, inverse)), np.float32(first))


@reads("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4")
def quantize_and_dequantize(g: Builder, layer: Layer, x: Value, low: Value, high: Value, *bits: Value) -> Value:
    """In the symmetric way: one scale, zero stays zero."""
    count = layer.integers(g, bits[0], "the number of bits")[0] if bits else layer.i("num_bits", 8)
    signed = layer.flag("signed_input", True)
    if not 1 < count < 64:
        raise layer.malformed(f"it quantises to {count} bits")
    if layer.i("axis", -1) != -1:
        raise layer.unsupported("it has a range of its own for every channel")
    top = 2 ** (count - 1) - 1 if signed else 2**count - 1
    least = (-top if layer.flag("narrow_range") else -top - 1) if signed else 0
    if not layer.flag("range_given", layer.type == "QuantizeAndDequantizeV4"):
        return _by_own_range(g, layer, x, least, top)
    ends = _range(layer, g, low, high)
    factor = min(top / ends[1] if ends[1] > 0 else np.inf, least / ends[0] if signed and ends[0] < 0 else np.inf)
    held = g.Clip(x, np.float32(least / factor), np.float32(top / factor))
    return g.Div(_rounded(g, layer, g.Mul(held, np.float32(factor))), np.float32(factor))


def _rounded(g: Builder, layer: Layer, x: Value) -> Value:
    return g.Floor(g.Add(x, np.float32(0.5))) if layer.s("round_mode") == "HALF_UP" else g.Round(x)


def _by_own_range(g: Builder, layer: Layer, x: Value, least: int, top: int) -> Value:
    """The smallest and largest element are the range; the side that needs the smaller scale decides."""
    sides = [g.ReduceMax(x, keepdims=0)] + ([g.ReduceMin(x, keepdims=0)] if least else [])
    shares = []
    for end, step in zip(sides, (top, least), strict=False):
        share = g.Div(layer.number(x, step), end)
        shares.append(g.Where(g.Greater(share, layer.number(x, 0)), share, layer.number(x, np.finfo(np.float32).max)))
    factor = g.Min(*shares) if len(shares) > 1 else shares[0]
    return g.Div(_rounded(g, layer, g.Mul(x, factor)), factor)
