"""Pools with Caffe2's output sizes and divisors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from workers.formats.caffe2.read.layer import Layer, Value, reads
from workers.formats.caffe2.read.windows import CAFFE, Side, attributes, back, check_room, first, legacy_pad, window
from workers.hub.graph import GraphBuilder


@reads("MaxPool", "MaxPool1D", "MaxPool2D", "MaxPool3D", "MaxPoolWithIndex")
def max_pool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Padding is never the largest."""
    return back(g, layer, largest(g, layer, first(g, layer, x)))


def largest(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    if layer.flag("global_pooling"):
        return g.GlobalMaxPool(x)
    sides = _sides(layer, x)
    return g.MaxPool(x, dilations=_dilations(sides), **attributes(sides))


@reads("AveragePool", "AveragePool1D", "AveragePool2D", "AveragePool3D")
def average_pool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The divisor is the number of pixels in the window, with ``count_include_pad`` the whole kernel."""
    return back(g, layer, averaged(g, layer, first(g, layer, x)))


def averaged(g: GraphBuilder, layer: Layer, x: Value, *, include: bool = False) -> Value:
    if layer.flag("global_pooling"):
        return g.GlobalAveragePool(x)
    sides = _sides(layer, x)
    count = int(include or layer.flag("count_include_pad"))
    return g.AveragePool(x, count_include_pad=count, dilations=_dilations(sides), **attributes(sides))


def _dilations(sides: Sequence[Side]) -> list[int] | None:
    found = [side.dilation for side in sides]
    return found if any(part != 1 for part in found) else None


@reads("LpPool")
def lp_pool(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(sum |x|^p)^(1/p)."""
    x = first(g, layer, x)
    power = layer.real("p", 2.0)
    if not 0 < power <= 1000:
        raise layer.malformed(f"its p is {power:g}")
    if layer.flag("global_pooling"):
        sides = [Side(None, 1, 1, 0, 0)] * (layer.rank(x, 3, 4, 5) - 2)
    else:
        sides = _sides(layer, x)
    if power == int(power) and not layer.flag("global_pooling") and not any(side.begin or side.end for side in sides):
        return back(g, layer, g.LpPool(x, p=int(power), **attributes(sides)))
    powers = g.Pow(g.Abs(x), layer.number(x, power))
    if layer.flag("global_pooling"):
        total = g.ReduceSum(powers, list(range(2, len(layer.shape(x)))), keepdims=1)
    else:
        area = math.prod(side.kernel for side in sides)
        total = g.Mul(g.AveragePool(powers, count_include_pad=1, **attributes(sides)), layer.number(x, area))
    return back(g, layer, g.Pow(total, layer.number(x, 1 / power)))


def _sides(layer: Layer, x: Value) -> list[Side]:
    sides = window(layer, x)
    if any(side.begin >= side.kernel or side.end >= side.kernel for side in sides):
        raise layer.malformed("its pad is not smaller than its kernel")
    check_room(layer, sides)
    if legacy_pad(layer) == CAFFE:
        return [_caffe(layer, side) for side in sides]
    return sides


def _caffe(layer: Layer, side: Side) -> Side:
    """Caffe's rule: sizes round up, a last window that begins behind the padded picture goes; the tail grows."""
    if side.size is None:
        raise layer.free("its legacy padding depends on the size of the picture")
    out = -(-(side.size + 2 * side.begin - side.kernel) // side.stride) + 1
    if side.begin > 0 and (out - 1) * side.stride >= side.size + side.begin:
        out -= 1
    return replace(side, end=max((out - 1) * side.stride + side.kernel - side.size - side.begin, 0))
