"""Pooling over windows, over everything, and into a given number of bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times, whole
from workers.formats.paddle.read.convolution import back, first, is_last, pads_of, spread
from workers.formats.paddle.read.layer import I32, I64, Array, Layer, Value, reads
from workers.formats.paddle.read.vectors import fixed, numbers, reshaped
from workers.hub.graph import GraphBuilder


def kernel_of(g: GraphBuilder, layer: Layer, axes: int) -> list[int]:
    found = fixed(layer, numbers(g, layer, "ksize", "KernelSize"), "its kernel_size")
    return spread(layer, "ksize", found, axes, -1)


@reads("pool2d", "pool3d")
def pool(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axes = 2 if layer.op.type == "pool2d" else 3
    layer.rank(x, axes + 2)
    last = is_last(layer)
    x = first(g, layer, x, last)
    kernel, largest = kernel_of(g, layer, axes), layer.choice("pooling_type", "max", "max", "avg") == "max"
    if layer.flag("global_pooling") or (layer.flag("adaptive") and kernel == [1] * axes):
        y = g.GlobalMaxPool(x) if largest else g.GlobalAveragePool(x)
    elif layer.flag("adaptive"):
        y = adaptive(g, layer, x, kernel, largest)
    else:
        y = windowed(g, layer, x, kernel, largest)[0]
    return back(g, layer, y, last)


def windowed(g: GraphBuilder, layer: Layer, x: Value, kernel: list[int], largest: bool, places: int = 1) -> list[Value]:
    """Windows in the usual sense. Where ``ceil_mode`` lets the last one stand over, the pads say so.

    An average that counts the padding (``exclusive`` false) counts it as far as it was asked for: what stands over
    does not count since 2.0, which a factor puts right.
    """
    axes = len(kernel)
    if any(size < 1 for size in kernel):
        raise layer.malformed(f"its ksize is {kernel}")
    strides = spread(layer, "strides", layer.integers("strides", [1]), axes, 1)
    rule = layer.choice("padding_algorithm", "EXPLICIT", "EXPLICIT", "SAME", "VALID")
    pads = pads_of(layer, axes, layer.integers("paddings", [0])) if rule == "EXPLICIT" else [0] * (2 * axes)
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if not largest:
        attributes["count_include_pad"] = int(not layer.flag("exclusive", True))
    if rule == "SAME":
        attributes["auto_pad"] = "SAME_UPPER"
    else:
        attributes |= _explicit(layer, x, kernel, strides, pads, largest)
    found = g.ops("MaxPool" if largest else "AveragePool", x, outputs=places, **attributes)
    standing = (
        _standing_over(layer, x, kernel, strides, pads, attributes) if not largest and layer.flag("ceil_mode") else None
    )
    if standing is not None and attributes["count_include_pad"] and not layer.older(2, 0):
        return [g.Mul(found[0], layer.number(x, standing))]
    return found


def _standing_over(
    layer: Layer,
    x: Value,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    attributes: dict[str, Any],
) -> Array | None:
    """Of every window its whole size over the size inside of picture and padding; None where all are whole."""
    given, kernel = attributes.get("pads"), attributes["kernel_shape"]
    if given == list(pads) or not isinstance(given, list):
        return None
    axes = len(kernel)
    factor: Array = np.ones([1] * axes)
    for i, size in enumerate(int(dim) for dim in GraphBuilder.shape(x)[2:] if isinstance(dim, int)):
        count = (size + given[i] + given[axes + i] - kernel[i]) // strides[i] + 1
        layer.bounded(count)
        starts = np.arange(count) * strides[i] - pads[i]
        inside = np.minimum(starts + kernel[i], size + pads[i]) - starts
        factor = factor * (kernel[i] / np.maximum(inside, 1)).reshape([-1 if j == i else 1 for j in range(axes)])
    return factor


def _explicit(
    layer: Layer, x: Value, kernel: Sequence[int], strides: Sequence[int], pads: list[int], largest: bool
) -> dict[str, Any]:
    if not layer.flag("ceil_mode"):
        return {"pads": pads}
    axes, sizes = len(kernel), whole(layer.shape(x)[2:])
    if sizes is None:
        if not largest and not layer.flag("exclusive", True):
            raise layer.free("windows that stand over the end are divided by their whole size")
        return {"pads": pads, "ceil_mode": 1}
    ends = []
    for i in range(axes):
        count = -(-(sizes[i] + pads[i] + pads[axes + i] - kernel[i]) // strides[i]) + 1
        ends.append(max((count - 1) * strides[i] + kernel[i] - sizes[i] - pads[i], pads[axes + i]))
        if ends[-1] >= kernel[i] and (count - 1) * strides[i] >= sizes[i] + pads[i]:
            raise layer.unsupported("its last window lies outside of the picture, where Paddle computes nothing sound")
    return {"pads": [*pads[:axes], *ends]}


# --- bins -------------------------------------------------------------------------------------------------------------


def bins(size: int, count: int) -> list[tuple[int, int]]:
    """From floor(i size / count) to ceil((i + 1) size / count)."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def adaptive(g: GraphBuilder, layer: Layer, x: Value, counts: Sequence[int], largest: bool) -> Value:
    """As many bins as asked for; bins of one size are windows, others are taken axis by axis."""
    dims = layer.shape(x)[2:]
    sizes = [dim if dim is not None and count == -1 else None for dim, count in zip(dims, counts, strict=True)]
    wanted = [count if size is None else size for count, size in zip(counts, sizes, strict=True)]
    fixed_sizes = whole(dims)
    counted = whole(wanted)
    if fixed_sizes is not None and counted is not None:
        if any(count < 1 for count in counted):
            raise layer.malformed(f"its number of bins is {list(counts)}")
        if all(size % count == 0 for size, count in zip(fixed_sizes, counted, strict=True)):
            steps = [size // count for size, count in zip(fixed_sizes, counted, strict=True)]
            return g.op("MaxPool" if largest else "AveragePool", x, kernel_shape=steps, strides=steps)
    for place, (count, dim) in enumerate(zip(wanted, dims, strict=True)):
        if count == dim:
            continue
        if count == 1:
            x = g.op("ReduceMax" if largest else "ReduceMean", x, [place + 2], keepdims=1)
            continue
        if not isinstance(count, int):
            raise layer.malformed(f"its number of bins is {list(counts)}")
        parts = bins(layer.size(x, place + 2), count)
        x = (_largest if largest else _average)(g, layer, x, place + 2, parts)
    return x


def _largest(g: GraphBuilder, layer: Layer, x: Value, axis: int, parts: Sequence[tuple[int, int]]) -> Value:
    """Bins gathered as rows, the short ones with their last place twice."""
    width = max(stop - start for start, stop in parts)
    layer.bounded(width * len(parts))
    index = np.asarray([[min(start + i, stop - 1) for i in range(width)] for start, stop in parts])
    return g.ReduceMax(g.Gather(x, index, axis=axis), [axis + 1], keepdims=0)


def _average(g: GraphBuilder, layer: Layer, x: Value, axis: int, parts: Sequence[tuple[int, int]]) -> Value:
    """A product with a matrix that has 1 / size in each bin's places."""
    size, rank = layer.size(x, axis), layer.rank(x)
    layer.bounded(size * len(parts))
    matrix: Array = np.zeros((size, len(parts)))
    for column, (start, stop) in enumerate(parts):
        matrix[start:stop, column] = 1 / (stop - start)
    constant = layer.number(x, matrix)
    if axis == rank - 1:
        return g.MatMul(x, constant)
    if axis == rank - 2:
        return g.MatMul(g.constant(np.ascontiguousarray(constant.T)), x)
    order = [*(i for i in range(rank) if i != axis), axis]
    turned = g.MatMul(g.Transpose(x, perm=order), constant)
    return g.Transpose(turned, perm=[order.index(i) for i in range(rank)])


# --- places -----------------------------------------------------------------------------------------------------------


@reads("max_pool2d_with_index", "max_pool3d_with_index", "max_pool2d_v2")
def max_pool_with_index(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Maxima, and where they stand in their plane, counted row by row."""
    x = layer.x()
    axes = 3 if "3d" in layer.op.type else 2
    layer.rank(x, axes + 2)
    kernel = kernel_of(g, layer, axes)
    mask = "SavedIdx" if layer.op.type.endswith("v2") else "Mask"
    sizes = whole(layer.shape(x)[2:])
    even = sizes is not None and all(k > 0 and s % k == 0 for s, k in zip(sizes, kernel, strict=True))
    if layer.flag("adaptive") and not even:
        return {"Out": adaptive(g, layer, x, kernel, True)}
    if layer.flag("global_pooling") or layer.flag("adaptive"):
        steps: Sequence[int] = layer.sizes(x, 2)
        steps = [s // k for s, k in zip(steps, kernel, strict=True)] if layer.flag("adaptive") else steps
        y, places = g.ops("MaxPool", x, outputs=2, kernel_shape=steps, strides=steps)
    else:
        y, places = windowed(g, layer, x, kernel, True, places=2)
    area = times(layer.shape(x)[2:])
    if not isinstance(area, int):
        raise layer.free("the places of its maxima are counted in planes of a known size")
    index = g.Mod(places, np.asarray(area, np.int64))
    return {"Out": y, mask: g.Cast(index, to=int(I32)) if mask == "Mask" else index}


@reads("unpool")
def unpool(g: GraphBuilder, layer: Layer) -> Value:
    """Every value at its place in a plane of zeros."""
    x, index = layer.x(), layer.x("Indices")
    layer.rank(x, 4)
    sizes = fixed(layer, numbers(g, layer, "output_size", "OutputSizeTensor", default=[]), "its output_size")
    if not sizes:
        kernel = spread(layer, "ksize", layer.integers("ksize"), 2, 1)
        strides = spread(layer, "strides", layer.integers("strides", [1]), 2, 1)
        pads = spread(layer, "paddings", layer.integers("paddings", layer.integers("padding", [0])), 2, 0)
        sizes = [
            (size - 1) * s - 2 * p + k for size, s, p, k in zip(layer.sizes(x, 2), strides, pads, kernel, strict=True)
        ]
    batch, channels = layer.shape(x)[:2]
    area = math.prod(sizes[-2:])
    flat = reshaped(g, layer, x, [batch, channels, times(layer.shape(x)[2:])])
    places = reshaped(g, layer, g.Cast(index, to=int(I64)), [batch, channels, times(layer.shape(x)[2:])])
    front = g.Concat(g.Shape(x, start=0, end=2), [area], axis=0)
    zeros = g.Expand(layer.number(x, 0), front)
    zeros.shape = ir.Shape([batch, channels, area])
    return reshaped(g, layer, g.ScatterElements(zeros, places, flat, axis=2), [batch, channels, *sizes[-2:]])


@reads("lp_pool2d")
def lp_pool2d(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    layer.rank(x, 4)
    last = is_last(layer)
    kernel, power = kernel_of(g, layer, 2), layer.real("norm_type", 2.0)
    if not power.is_integer() or layer.flag("adaptive") or layer.flag("ceil_mode"):
        raise layer.unsupported("ONNX's LpPool has whole powers and windows that end inside")
    y = g.LpPool(first(g, layer, x, last), p=int(power), kernel_shape=kernel,
                 strides=spread(layer, "strides", layer.integers("strides", [1]), 2, 1),
                 pads=pads_of(layer, 2, layer.integers("paddings", [0])))  # fmt: skip
    return back(g, layer, y, last)


@reads("spp")
def spp(g: GraphBuilder, layer: Layer) -> Value:
    """A pyramid of 1, 4, 16 ... bins, padded windows each, flattened and joined."""
    x = layer.x()
    layer.rank(x, 4)
    levels, largest = layer.integer("pyramid_height"), layer.choice("pooling_type", "max", "max", "avg") == "max"
    if not 1 <= levels <= 12:
        raise layer.malformed(f"it has {levels} levels")
    batch, channels = layer.shape(x)[:2]
    found = []
    for level in range(levels):
        count = 2**level
        kernel = [-(-size // count) for size in layer.sizes(x, 2)]
        pads = [(k * count - size + 1) // 2 for k, size in zip(kernel, layer.sizes(x, 2), strict=True)]
        more: dict[str, Any] = {} if largest else {"count_include_pad": 0}
        y = g.op("MaxPool" if largest else "AveragePool", x, kernel_shape=kernel, strides=kernel, pads=pads * 2, **more)
        found.append(reshaped(g, layer, y, [batch, times([channels, *layer.shape(y)[2:]])]))
    return g.Concat(*found, axis=1)
