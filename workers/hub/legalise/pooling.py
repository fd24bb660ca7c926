"""Poolings in the forms that targets have: two spatial axes, no ceiling, one rule for the divisor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.legalise.convolution import line, row, spread
from workers.hub.legalise.dims import reshape, spatial
from workers.hub.legalise.elementwise import number
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node

POOLS = ("MaxPool", "AveragePool", "LpPool")
GLOBAL = {"GlobalAveragePool": "ReduceMean", "GlobalMaxPool": "ReduceMax"}


@dataclass(frozen=True, slots=True)
class Windows:
    """One spatial axis of a pooling: ``size`` input elements, ``out`` windows of ``kernel`` every ``stride``."""

    size: int
    out: int
    kernel: int
    stride: int
    begin: int
    end: int
    dilation: int = 1

    @property
    def overhang(self) -> int:
        """By how much the last window reaches beyond the padded end (negative: it falls short)."""
        reach = (self.out - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        return reach - self.size - self.begin - self.end

    def counts(self, include_padding: bool) -> Array:
        """By what every window is divided: its elements inside the plane, or inside the padded plane."""
        low, high = (-self.begin, self.size + self.end) if include_padding else (0, self.size)
        starts = np.arange(self.out) * self.stride - self.begin
        taps = starts[:, None] + np.arange(self.kernel) * self.dilation
        return np.asarray(((taps >= low) & (taps < high)).sum(axis=1))


def windows(node: Node) -> list[Windows] | None:
    """The spatial axes of a pooling node; None when sizes are not known."""
    sizes, out = spatial(node), node.out_shape()
    if sizes is None or out is None or not all(isinstance(size, int) for size in out[2:]):
        return None
    axes = len(sizes)
    kernel, strides = node.ints("kernel_shape"), node.ints("strides", [1] * axes)
    pads, dilations = node.ints("pads", [0] * 2 * axes), node.ints("dilations", [1] * axes)
    return [
        Windows(sizes[a], int(out[2 + a] or 0), kernel[a], strides[a], pads[a], pads[axes + a], dilations[a])
        for a in range(axes)
    ]


def _mask_used(node: Node) -> bool:
    return len(node.outputs) > 1 and bool(node.outputs[1].uses() or node.outputs[1].is_graph_output())


def _attributes(node: Node) -> dict[str, Any]:
    return {name: attribute.value for name, attribute in node.raw.attributes.items()}


@rule(POOLS, "pool-1d-as-2d", "A one-dimensional pooling runs along the width of a picture one pixel high.")
def pool_1d_as_2d(g: GraphBuilder, node: Node) -> Results:
    x = row(g, node.x()) if node.rank == 3 and not _mask_used(node) else None
    if x is None:
        return None
    attributes = _attributes(node)
    for name, fill in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 0)):
        if node.has(name):
            attributes[name] = spread(node.ints(name), fill)
    return line(g, g.op(node.op, x, **attributes))


@rule(("MaxPool", "AveragePool"), "pool-without-ceiling", "Rounding up becomes padding at the end.")
def pool_without_ceiling(g: GraphBuilder, node: Node) -> Results:
    axes = windows(node)
    if not node.i("ceil_mode") or axes is None or _mask_used(node):
        return None
    if node.op == "AveragePool" and node.i("count_include_pad") and any(axis.overhang > 0 for axis in axes):
        return None
    attributes = _attributes(node) | {"ceil_mode": 0}
    attributes["pads"] = [axis.begin for axis in axes] + [axis.end + max(axis.overhang, 0) for axis in axes]
    return g.op(node.op, node.x(), **attributes)


@rule("AveragePool", "average-pool-divisor", "The divisor counts the padding; a constant map makes up for it.")
def average_pool_divisor(g: GraphBuilder, node: Node) -> Results:
    """Sums over zero padding are the same either way: mean over n = (mean over k*k) * k*k/n, n by position."""
    axes = windows(node)
    if axes is None or node.i("count_include_pad"):
        return None
    full = int(np.prod([axis.kernel for axis in axes]))
    counts: Array = np.ones((), np.int64)
    for axis in axes:
        counts = np.multiply.outer(counts, axis.counts(include_padding=False))
    if np.all(counts == full) or not np.all(counts):
        return None
    pads = [axis.begin for axis in axes] + [axis.end + max(axis.overhang, 0) for axis in axes]
    attributes = _attributes(node) | {"pads": pads, "count_include_pad": 1, "ceil_mode": 0}
    y = g.AveragePool(node.x(), **attributes)
    return g.Mul(y, g.constant((full / counts).astype(np.float32)[None, None]))


@rule("AveragePool", "average-pool-pad-first", "The padding of an average that counts it becomes a Pad of its own.")
def average_pool_pad_first(g: GraphBuilder, node: Node) -> Results:
    pads = node.ints("pads")
    if not any(pads) or not node.i("count_include_pad") or node.i("ceil_mode"):
        return None
    axes = len(pads) // 2
    padded = g.Pad(node.x(), [0, 0, *pads[:axes], 0, 0, *pads[axes:]])
    return g.AveragePool(padded, **(_attributes(node) | {"pads": [0] * len(pads), "count_include_pad": 0}))


@rule("MaxPool", "max-pool-pad-first", "The padding of a maximum becomes a Pad with the lowest number.")
def max_pool_pad_first(g: GraphBuilder, node: Node) -> Results:
    pads = node.ints("pads")
    dtype = node.x().dtype
    if not any(pads) or node.i("ceil_mode") or _mask_used(node) or dtype is None:
        return None
    axes = len(pads) // 2
    lowest = np.finfo(dtype.numpy()).min if dtype.is_floating_point() else np.iinfo(dtype.numpy()).min
    padded = g.Pad(node.x(), [0, 0, *pads[:axes], 0, 0, *pads[axes:]], np.asarray(lowest, dtype.numpy()))
    return g.MaxPool(padded, **(_attributes(node) | {"pads": [0] * len(pads)}))


@rule(
    ("MaxPool", "AveragePool"), "pool-3d-in-two", "A pooling over three axes is one over planes, then one over depth."
)
def pool_3d_in_two(g: GraphBuilder, node: Node) -> Results:
    """Maximum and mean are separable; a mean that excludes padding divides by a product of counts, so it is too."""
    axes = windows(node)
    if node.rank != 5 or axes is None or _mask_used(node):
        return None
    n, c = g.shape(node.x())[:2]
    if not isinstance(c, int):
        return None
    depth, height, width = axes
    planes = reshape(g, node.x(), (n, c * depth.size, height.size, width.size))
    if planes is None:
        return None
    planes = g.op(node.op, planes, **_plane(node, (height, width)))
    columns = reshape(g, planes, (n, c, depth.size, height.out * width.out))
    flat = Windows(1, 1, 1, 1, 0, 0)
    pooled = None if columns is None else g.op(node.op, columns, **_plane(node, (depth, flat)))
    return None if pooled is None else reshape(g, pooled, (n, c, depth.out, height.out, width.out))


def _plane(node: Node, axes: Sequence[Windows]) -> dict[str, Any]:
    """The attributes of a pooling over these axes only, rounding as the whole does."""
    given = {
        "kernel_shape": [axis.kernel for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": [axis.begin for axis in axes] + [axis.end for axis in axes],
        "ceil_mode": node.i("ceil_mode"),
    }
    if node.op == "AveragePool":
        given["count_include_pad"] = node.i("count_include_pad")
    if node.op == "MaxPool" or any(axis.dilation != 1 for axis in axes):
        given["dilations"] = [axis.dilation for axis in axes]
    return given


@rule(tuple(GLOBAL), "global-pool-of-a-picture", "A global pooling over any axes is one over height and width.")
def global_pool_of_a_picture(g: GraphBuilder, node: Node) -> Results:
    shape = node.shape()
    if shape is None or len(shape) in (2, 4):
        return None
    sizes = spatial(node)
    flat = None if sizes is None else reshape(g, node.x(), (*shape[:2], int(np.prod(sizes)), 1))
    return None if flat is None else reshape(g, g.op(node.op, flat), (*shape[:2], *[1] * (len(shape) - 2)))


@rule(tuple(GLOBAL), "global-pool-to-reduce", "A global pooling reduces all spatial axes.")
def global_pool_to_reduce(g: GraphBuilder, node: Node) -> Results:
    if node.rank is None:
        return None
    return g.op(GLOBAL[node.op], node.x(), list(range(2, node.rank)), keepdims=1)


@rule(tuple(GLOBAL), "global-pool-to-pool", "A global pooling is a pooling with one window as large as the plane.")
def global_pool_to_pool(g: GraphBuilder, node: Node) -> Results:
    sizes = spatial(node)
    if sizes is None:
        return None
    local = node.op.removeprefix("Global")
    return g.op(local, node.x(), kernel_shape=list(sizes), strides=[1] * len(sizes), pads=[0] * 2 * len(sizes))


@rule("LpPool", "lp-pool-to-average", "LpPool is the root of the mean of powers times the window's size.")
def lp_pool(g: GraphBuilder, node: Node) -> Results:
    x, p = node.x(), node.i("p", 2)
    if node.i("ceil_mode") or set(node.ints("dilations", [1])) != {1}:
        return None
    power: Value = g.Mul(x, x) if p == 2 else g.Pow(g.Abs(x), number(x, p))
    kernel = node.ints("kernel_shape")
    pads = node.ints("pads", [0] * 2 * len(kernel))
    mean = g.AveragePool(
        power, kernel_shape=kernel, strides=node.ints("strides", [1] * len(kernel)), pads=pads, count_include_pad=1
    )
    total = g.Mul(mean, number(x, int(np.prod(kernel))))
    return g.Sqrt(total) if p == 2 else g.Pow(total, number(x, 1 / p))


@rule("GlobalLpPool", "global-lp-pool-to-reduce", "A global LpPool is the norm over all spatial axes.")
def global_lp_pool(g: GraphBuilder, node: Node) -> Results:
    norms = {1: "ReduceL1", 2: "ReduceL2"}
    if node.rank is None or node.i("p", 2) not in norms:
        return None
    return g.op(norms[node.i("p", 2)], node.x(), list(range(2, node.rank)), keepdims=1)
