"""Pooling with MXNet's own output sizes and divisors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workers.formats.mxnet.read.convolution import channels_last, moved, window
from workers.formats.mxnet.read.layer import Array, Layer, Value, reads
from workers.hub.graph import GraphBuilder

# What MXNet's max pooling starts from: a window wholly outside the input keeps it.
LOWEST = -3.4028234663852886e38


@dataclass(frozen=True, slots=True)
class _Side:
    """One spatial axis: input size (None when free), kernel, stride, pad, and the number of windows."""

    size: int | None
    kernel: int
    stride: int
    pad: int
    out: int = 0

    @property
    def end(self) -> int:
        """What must be added behind the axis for the last window."""
        if self.size is None:
            return self.pad
        return max((self.out - 1) * self.stride + self.kernel - self.size - self.pad, 0)

    @property
    def hangs_over(self) -> bool:
        return self.end > self.pad


@reads("Pooling", "_npx_pooling")
def pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """max, avg, sum or lp; ``full`` rounds the number of windows up and clips none, however far it hangs over.

    The divisor of an average is the window inside the padded input, or (count_include_pad=False) inside the input.
    """
    rank = layer.rank(x, 3, 4, 5)
    if not channels_last(layer, rank):
        return _pooled(g, layer, x)
    return moved(g, _pooled(g, layer, moved(g, x, rank)), rank, back=True)


def _pooled(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    kind = layer.word("pool_type", "max")
    if kind not in ("max", "avg", "sum", "lp"):
        raise layer.malformed(f"its pool_type is {kind!r}")
    if layer.flag("global_pool", False):
        return _global(g, layer, x, kind)
    sides = _sides(layer, x)
    if kind == "max":
        return _max(g, layer, x, sides)
    if kind == "lp":
        return _lp(g, layer, x, sides)
    if kind == "sum":
        return _sum(g, layer, x, sides)
    return _average(g, layer, x, sides)


def _global(g: GraphBuilder, layer: Layer, x: Value, kind: str) -> Value:
    """Over all of the plane; the kernel that may stand beside it means nothing."""
    if kind == "max":
        return g.GlobalMaxPool(x)
    if kind == "avg":
        return g.GlobalAveragePool(x)
    if kind == "sum":
        return g.ReduceSum(x, list(range(2, len(layer.shape(x)))), keepdims=1)
    power, axes = _power(layer), list(range(2, len(layer.shape(x))))
    if power == 2:
        return g.GlobalLpPool(x, p=2)
    powers = x if power == 1 else g.Mul(g.Mul(x, x), x)
    return _root(g, layer, g.ReduceSum(powers, axes, keepdims=1), power)


def _sides(layer: Layer, x: Value) -> list[_Side]:
    count = len(layer.shape(x)) - 2
    layer.need("kernel")
    kernel, stride = window(layer, "kernel", count, 1), window(layer, "stride", count, 1)
    pad = window(layer, "pad", count, 0)
    convention = layer.word("pooling_convention", "valid")
    if convention not in ("valid", "full", "same"):
        raise layer.malformed(f"its pooling_convention is {convention!r}")
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise layer.malformed(f"its pad {pad} is not smaller than its kernel {kernel}")
    sides = [
        _side(layer, dim if isinstance(dim, int) else None, k, s, p, convention)
        for dim, k, s, p in zip(layer.shape(x)[2:], kernel, stride, pad, strict=True)
    ]
    return sides


def _side(layer: Layer, size: int | None, kernel: int, stride: int, pad: int, convention: str) -> _Side:
    side = _Side(size, kernel, stride, pad)
    if size is None:
        if convention != "valid":
            raise layer.free(f"it rounds the number of windows in the way called {convention}")
        return side
    if convention == "same":
        return replace(side, out=-(-(size + 2 * pad) // stride))
    room = size + 2 * pad - kernel
    if room < 0:
        raise layer.malformed(f"a kernel of {kernel} does not fit a side of {size} with pad {pad}")
    return replace(side, out=(-(-room // stride) if convention == "full" else room // stride) + 1)


def _window(sides: Sequence[_Side]) -> dict[str, list[int]]:
    return {
        "kernel_shape": [side.kernel for side in sides],
        "strides": [side.stride for side in sides],
        "pads": [side.pad for side in sides] + [side.end for side in sides],
    }


def _padded(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side], value: float) -> tuple[Value, list[_Side]]:
    """The padding made part of the input: runtimes take no pad as long as the kernel, and divide in their own way."""
    pads = [0, 0, *(side.pad for side in sides), 0, 0, *(side.end for side in sides)]
    made = [replace(side, size=None if side.size is None else side.size + side.pad + side.end, pad=0) for side in sides]
    return (g.Pad(x, pads, layer.number(x, value)) if any(pads) else x), made


def _max(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    if any(side.end >= side.kernel for side in sides):
        x, sides = _padded(g, layer, x, sides, LOWEST)
    return g.MaxPool(x, **_window(sides))


def _sum(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    if any(side.end >= side.kernel for side in sides):
        x, sides = _padded(g, layer, x, sides, 0.0)
    area = math.prod(side.kernel for side in sides)
    return g.Mul(g.AveragePool(x, count_include_pad=1, **_window(sides)), layer.number(x, area))


def _average(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    include = layer.flag("count_include_pad", True)
    if include and not any(side.hangs_over for side in sides):
        return g.AveragePool(x, count_include_pad=1, **_window(sides))
    if not include and not any(side.end >= side.kernel for side in sides):
        return g.AveragePool(x, count_include_pad=0, **_window(sides))
    return g.Div(_sum(g, layer, x, sides), _counts(sides, include).astype(layer.element(x).numpy()))


def _counts(sides: Sequence[_Side], include: bool) -> Array:
    """[1, 1, windows...]: the divisor of every window; 1 where a window holds nothing, whose sum is 0."""
    counts = np.ones((1, 1), np.float64)
    for side in sides:
        start = np.arange(side.out) * side.stride - side.pad
        size = side.size or 0
        low, high = (-side.pad, size + side.pad) if include else (0, size)
        counts = counts[..., None] * np.clip(np.minimum(start + side.kernel, high) - np.maximum(start, low), 0, None)
    return np.maximum(counts, 1)


def _power(layer: Layer) -> int:
    layer.need("p_value")
    power = layer.integer("p_value")
    if not 1 <= power <= 3:
        raise layer.malformed(f"its p_value is {power}; MXNet takes 1, 2 or 3")
    return power


def _lp(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    """The root of the sum of powers. Odd powers keep their sign, which ONNX's LpPool drops."""
    x, sides = _padded(g, layer, x, sides, 0.0)
    power = _power(layer)
    if power == 2:
        return g.LpPool(x, p=2, **_window(sides))
    area = layer.number(x, math.prod(side.kernel for side in sides))
    powers = x if power == 1 else g.Mul(g.Mul(x, x), x)
    return _root(g, layer, g.Mul(g.AveragePool(powers, **_window(sides)), area), power)


def _root(g: GraphBuilder, layer: Layer, x: Value, power: int) -> Value:
    if power == 1:
        return x
    return g.Mul(g.Sign(x), g.Pow(g.Abs(x), layer.number(x, 1 / power)))


@reads("Pooling_v1")
def pooling_v1(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The pooling of before 0.9: padding is zeros also for maxima, an average always divides by the whole kernel."""
    layer.rank(x, 4)
    kind = layer.word("pool_type", "max")
    if layer.flag("global_pool", False):
        return _global(g, layer, x, kind)
    x, sides = _padded(g, layer, x, _sides(layer, x), 0.0)
    if kind == "max":
        return g.MaxPool(x, **_window(sides))
    average = g.AveragePool(x, **_window(sides))
    return average if kind == "avg" else g.Mul(average, layer.number(x, math.prod(side.kernel for side in sides)))


@reads("_contrib_AdaptiveAvgPooling2D")
def adaptive_average_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Bin i of o covers [floor(i n / o), ceil((i + 1) n / o)): two products with constant matrices."""
    layer.rank(x, 4)
    size = list(layer.integers("output_size", (1,)))
    if len(size) not in (1, 2) or any(not 1 <= part <= 4096 for part in size):
        raise layer.malformed(f"its output_size is {size}")
    rows, columns = size * 2 if len(size) == 1 else size
    if rows == columns == 1:
        return g.GlobalAveragePool(x)
    height, width = layer.sizes(x, 2)
    if height % rows == 0 and width % columns == 0:
        kernel = [height // rows, width // columns]
        return g.AveragePool(x, kernel_shape=kernel, strides=kernel)
    dtype = layer.element(x).numpy()
    return g.MatMul(g.MatMul(_bins(height, rows).astype(dtype), x), _bins(width, columns).T.astype(dtype))


def _bins(size: int, count: int) -> Array:
    """[bins, size]: the weight of every place in every bin."""
    matrix = np.zeros((count, size))
    for place in range(count):
        first, last = place * size // count, -(-(place + 1) * size // count)
        matrix[place, first:last] = 1 / (last - first)
    return matrix
