"""Padding; torch lists the last axis first."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.formats.pytorch.read.shaping import as_vector, size_list
from workers.formats.pytorch.read.symbols import Sym
from workers.hub.graph import GraphBuilder, Value

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def padded(g: GraphBuilder, layer: Layer, x: Value, pad: Any, mode: str, value: Any = None) -> Value:
    rank, sizes = layer.rank(x), size_list(layer, pad)
    count = len(sizes) // 2
    if count > rank or len(sizes) % 2:
        raise layer.malformed(f"it pads {count} axes of a tensor that has {rank}")
    begins: list[Any] = [0] * rank
    ends: list[Any] = [0] * rank
    for index in range(count):
        begins[rank - 1 - index], ends[rank - 1 - index] = sizes[2 * index], sizes[2 * index + 1]
    if not any(isinstance(size, Sym) or size for size in sizes):
        return g.Identity(x)
    fill = None if value is None or mode != "constant" else operand(g, value, x.dtype or F32)
    if mode != "constant" and any(isinstance(s, int) and s < 0 for s in sizes):
        raise layer.unsupported("it crops by negative pads in a mode that copies")
    return g.Pad(x, as_vector(g, [*begins, *ends]), fill, mode=_MODES[mode])


@reads("aten::pad")
def pad(g: GraphBuilder, layer: Layer, self: Value, pad: Any, mode: str = "constant", value: Any = None) -> Value:
    return padded(g, layer, self, pad, mode, value)


@reads("aten::constant_pad_nd")
def constant_pad_nd(g: GraphBuilder, layer: Layer, self: Value, pad: Any, value: Any = 0) -> Value:
    return padded(g, layer, self, pad, "constant", value)


@reads(*(f"aten::{mode}_pad{n}d" for mode in ("reflection", "replication") for n in (1, 2, 3)))
def mode_pad(g: GraphBuilder, layer: Layer, self: Value, padding: Any) -> Value:
    return padded(g, layer, self, padding, "reflect" if "reflection" in layer.type else "replicate")


@reads("aten::_pad_circular")
def pad_circular(g: GraphBuilder, layer: Layer, self: Value, pad: Any) -> Value:
    return padded(g, layer, self, pad, "circular")


@reads("aten::im2col")
def im2col(
    g: GraphBuilder, layer: Layer, self: Value, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> Value:
    """Windows as columns: a convolution with one kernel of a single 1 for each place of the window."""
    k, d, p, s = (layer.integers(v, 2) for v in (kernel_size, dilation, padding, stride))
    channels = layer.static(self, 1)
    taps = k[0] * k[1]
    layer.bounded(taps * taps * channels)
    weight = np.tile(np.eye(taps, dtype=np.float32).reshape(taps, 1, k[0], k[1]), (channels, 1, 1, 1))
    made = g.Conv(self, g.constant(weight), group=channels, kernel_shape=k, dilations=d, pads=p * 2, strides=s)
    return g.Reshape(made, [0, channels * taps, -1])


@reads("aten::col2im")
def col2im(
    g: GraphBuilder,
    layer: Layer,
    self: Value,
    output_size: Any,
    kernel_size: Any,
    dilation: Any,
    padding: Any,
    stride: Any,
) -> Value:
    out, k, d, p, s = (layer.integers(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    return g.Col2Im(self, g.constant(out), g.constant(k), dilations=d, pads=p * 2, strides=s)
