"""Rounding in MXNet's many ways. ONNX's Round, half to even, is only one of them."""

from __future__ import annotations

from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("round", "_contrib_round_ste")
def round_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Halves away from zero; the fraction is exact, where adding 0.5 first would not be."""
    size = g.Abs(x)
    low = g.Floor(size)
    up = g.Not(g.Less(g.Sub(size, low), layer.number(x, 0.5)))
    return g.Mul(g.Where(up, g.Add(low, layer.number(x, 1)), low), g.Sign(x))


@reads("rint")
def rint(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Halves down: -2.5 to -3, 1.5 to 1."""
    return _down(g, layer, x)


def _down(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    low, high = g.Floor(x), g.Ceil(x)
    return g.Where(g.LessOrEqual(g.Sub(x, low), g.Sub(high, x)), low, high)


@reads("_npi_rint")
def np_rint(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Halves down, as the older operator of that name."""
    return _down(g, layer, x) if layer.is_float(x) else x


@reads("_npi_around")
def around(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """To so many decimals, halves to even."""
    decimals = layer.integer("decimals", 0)
    if not layer.is_float(x):
        return x
    if decimals == 0:
        return g.Round(x)
    factor = layer.number(x, 10.0 ** max(min(decimals, 30), -30))
    return g.Div(g.Round(g.Mul(x, factor)), factor)


@reads("fix", "trunc", "_npi_fix", "_npi_trunc")
def truncate(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Toward zero."""
    return g.Mul(g.Floor(g.Abs(x)), g.Sign(x)) if layer.is_float(x) else x
