"""Special functions that ONNX has no operator for, as polynomials accurate to single precision."""

from __future__ import annotations

import math

from workers.formats import special
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder

# Lanczos' approximation with g = 7 and nine terms.
_LANCZOS = (
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
)  # fmt: skip


@reads("gammaln", "_npx_gammaln")
def gammaln(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """ln |gamma(x)|; below 0.5 by reflection: ln(pi / |sin(pi x)|) - ln gamma(1 - x)."""
    positive, low = _reflected(g, layer, x)
    plain = _log_gamma(g, layer, positive)
    sine = g.Abs(_sine(g, layer, x))
    return g.Where(low, g.Sub(g.Log(g.Div(layer.number(x, math.pi), sine)), plain), plain)


@reads("gamma", "_npx_gamma")
def gamma(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """gamma(x); below 0.5 by reflection: pi / (sin(pi x) gamma(1 - x))."""
    positive, low = _reflected(g, layer, x)
    plain = g.Exp(_log_gamma(g, layer, positive))
    return g.Where(low, g.Div(layer.number(x, math.pi), g.Mul(_sine(g, layer, x), plain)), plain)


def _reflected(g: GraphBuilder, layer: Layer, x: Value) -> tuple[Value, Value]:
    """1 - x where x < 0.5, else x; and where."""
    low = g.Less(x, layer.number(x, 0.5))
    return g.Where(low, g.Sub(layer.number(x, 1), x), x), low


def _sine(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """sin(pi x) of the distance to the nearest even number, which keeps its digits far from 0."""
    two = layer.number(x, 2)
    apart = g.Sub(x, g.Mul(g.Round(g.Div(x, two)), two))
    return g.Sin(g.Mul(apart, layer.number(x, math.pi)))


def _log_gamma(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """For x >= 0.5: (x - 1/2) ln t - t + ln(sqrt(2 pi) sum), t = x + 6.5."""
    total: Value | None = None
    for index, coefficient in enumerate(_LANCZOS):
        term = layer.number(x, coefficient)
        if index:
            part = g.Div(term, g.Add(x, layer.number(x, index - 1)))
            total = g.Add(part, total)
        else:
            total = g.constant(term)
    assert total is not None
    t = g.Add(x, layer.number(x, 6.5))
    head = g.Sub(g.Mul(g.Sub(x, layer.number(x, 0.5)), g.Log(t)), t)
    return g.Add(head, g.Add(g.Log(total), layer.number(x, 0.5 * math.log(2 * math.pi))))


@reads("erfinv", "_npx_erfinv")
def erfinv(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return special.erfinv(g, x)
