"""Special functions that ONNX has not: series and rational approximations, to float32's precision."""

from __future__ import annotations

import numpy as np

from workers.formats import special
from workers.formats.tensorflow.dtypes import F64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads

# Lanczos' approximation of the gamma function with g = 7 and nine terms.
LANCZOS = (
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
)  # fmt: skip
# digamma(x) = log(x) - 1 / 2x - sum of B(2n) / 2n x^(2n) for large x.
BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)
SHIFT = 6
PLACES = 128
"""Places of the trapezoid rule."""


def _wide(g: Builder, x: Value) -> Value:
    """Computed in float64: the terms of the series cancel each other."""
    return cast(g, x, F64)


@reads("Lgamma")
def lgamma(g: Builder, layer: Layer, x: Value) -> Value:
    """log|gamma(x)|, below 1/2 by its reflection log(pi / |sin(pi x)|) - lgamma(1 - x)."""
    wide, one = _wide(g, x), np.array(1.0)
    low = g.Less(wide, np.array(0.5))
    z = g.Sub(g.Where(low, g.Sub(one, wide), wide), one)
    total: Value = g.constant(np.array(0.99999999999980993))
    for index, coefficient in enumerate(LANCZOS):
        total = g.Add(total, g.Div(np.array(coefficient), g.Add(z, np.array(index + 1.0))))
    t = g.Add(z, np.array(len(LANCZOS) - 0.5))
    first = g.Sub(g.Mul(g.Add(z, np.array(0.5)), g.Log(t)), t)
    found = g.Add(g.Add(first, np.array(0.5 * np.log(2 * np.pi))), g.Log(total))
    mirrored = g.Sub(g.Log(g.Div(np.array(np.pi), g.Abs(_sine(g, wide)))), found)
    return cast(g, g.Where(low, mirrored, found), layer.element(x))


def _sine(g: Builder, x: Value) -> Value:
    """sin(pi x), of what is left of x by the nearest whole number so that poles stay poles."""
    whole = g.Round(x)
    odd = g.Abs(g.Sub(whole, g.Mul(np.array(2.0), g.Floor(g.Div(whole, np.array(2.0))))))
    sign = g.Sub(np.array(1.0), g.Mul(np.array(2.0), odd))
    return g.Mul(sign, g.Sin(g.Mul(np.array(np.pi), g.Sub(x, whole))))


@reads("Digamma")
def digamma(g: Builder, layer: Layer, x: Value) -> Value:
    """Raised above 6 by digamma(x) = digamma(x + 1) - 1 / x; below zero by its reflection."""
    wide, one = _wide(g, x), np.array(1.0)
    low = g.Less(wide, np.array(0.0))
    z = g.Where(low, g.Sub(one, wide), wide)
    steps: Value | None = None
    for index in range(SHIFT):
        step = g.Div(one, g.Add(z, np.array(float(index))))
        steps = step if steps is None else g.Add(steps, step)
    assert steps is not None
    big = g.Add(z, np.array(float(SHIFT)))
    square = g.Div(one, g.Mul(big, big))
    series = g.Mul(special.polynomial(g, square, tuple(reversed(BERNOULLI))), square)
    found = g.Sub(g.Sub(g.Sub(g.Log(big), g.Div(np.array(0.5), big)), series), steps)
    cosine = g.Cos(g.Mul(np.array(np.pi), wide))
    mirrored = g.Sub(found, g.Div(g.Mul(np.array(np.pi), cosine), g.Sin(g.Mul(np.array(np.pi), wide))))
    return cast(g, g.Where(low, mirrored, found), layer.element(x))


def _erfinv(g: Builder, x: Value) -> Value:
    """x is float64; the ends are infinite, and nothing lies beyond them."""
    one, first = np.array(1.0), special.erfinv(g, x)
    edge = g.GreaterOrEqual(g.Abs(x), one)
    endless = g.Where(g.Greater(g.Abs(x), one), np.array(np.nan), g.Mul(g.Sign(x), np.array(np.inf)))
    return g.Where(edge, endless, first)


@reads("Erfinv")
def erfinv(g: Builder, layer: Layer, x: Value) -> Value:
    return cast(g, _erfinv(g, _wide(g, x)), layer.element(x))


@reads("Ndtri")
def ndtri(g: Builder, layer: Layer, x: Value) -> Value:
    """The quantile of the normal distribution: sqrt(2) * erfinv(2 p - 1)."""
    centred = g.Sub(g.Mul(_wide(g, x), np.array(2.0)), np.array(1.0))
    return cast(g, g.Mul(_erfinv(g, centred), np.array(np.sqrt(2.0))), layer.element(x))


def _bessel(g: Builder, layer: Layer, x: Value, order: int) -> Value:
    """exp(-|x|) I(x): the mean over half a circle of exp(|x| (cos t - 1)) cos(order t), by the trapezoid rule.

    The rule converges faster than any power on a whole period; its places serve |x| up to a thousand.
    """
    wide = _wide(g, x)
    size = g.Unsqueeze(g.Abs(wide), [-1])
    places = (np.arange(PLACES) + 0.5) * np.pi / PLACES
    terms = g.Mul(g.Exp(g.Mul(size, np.cos(places) - 1)), np.cos(order * places))
    mean = g.ReduceMean(terms, [-1], keepdims=0)
    return cast(g, g.Mul(mean, g.Sign(wide)) if order else mean, layer.element(x))


@reads("BesselI0e")
def bessel_i0e(g: Builder, layer: Layer, x: Value) -> Value:
    return _bessel(g, layer, x, 0)


@reads("BesselI1e")
def bessel_i1e(g: Builder, layer: Layer, x: Value) -> Value:
    return _bessel(g, layer, x, 1)
