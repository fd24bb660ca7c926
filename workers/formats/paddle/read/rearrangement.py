"""Layers that move elements: turned and rolled axes, channels into pixels and back, frames shifted."""

from __future__ import annotations

import numpy as np

from workers.formats.dims import over, times
from workers.formats.paddle.read.convolution import back, first, is_last
from workers.formats.paddle.read.layer import Layer, Value, reads
from workers.formats.paddle.read.vectors import fixed, numbers, reshaped
from workers.hub.graph import GraphBuilder


@reads("flip", "reverse")
def flip(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axes = fixed(layer, numbers(g, layer, "axis", "AxisTensor"), "its axis")
    axes = sorted({layer.axis(axis, layer.rank(x)) for axis in axes})
    if not axes:
        return g.Identity(x)
    lowest = np.iinfo(np.int64).min
    return g.Slice(x, [-1] * len(axes), [lowest] * len(axes), axes, [-1] * len(axes))


@reads("roll")
def roll(g: GraphBuilder, layer: Layer) -> Value:
    """What leaves at one end comes in at the other; without axes over the flattened tensor."""
    x = layer.x()
    shifts = fixed(layer, numbers(g, layer, "shifts", "ShiftsTensor"), "its shifts")
    axes = layer.integers("axis")
    dims = layer.shape(x)
    if not axes:
        flat = reshaped(g, layer, x, [times(dims)])
        return reshaped(g, layer, _rolled(g, layer, flat, 0, shifts[0] if shifts else 0), dims)
    if len(axes) != len(shifts):
        raise layer.malformed(f"it has {len(shifts)} shifts for {len(axes)} axes")
    for axis, shift in zip(axes, shifts, strict=True):
        x = _rolled(g, layer, x, layer.axis(axis, len(dims)), shift)
    return x


def _rolled(g: GraphBuilder, layer: Layer, x: Value, axis: int, shift: int) -> Value:
    size = layer.size(x, axis)
    shift = shift % size if size else 0
    if not shift:
        return x
    head, tail = g.Slice(x, [size - shift], [size], [axis]), g.Slice(x, [0], [size - shift], [axis])
    return g.Concat(head, tail, axis=axis)


@reads("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(g: GraphBuilder, layer: Layer) -> Value:
    x, last = layer.x(), is_last(layer)
    layer.rank(x, 4)
    x = first(g, layer, x, last)
    if layer.op.type == "pixel_shuffle":
        y = g.DepthToSpace(x, blocksize=_factor(layer, "upscale_factor"), mode="CRD")
        return back(g, layer, y, last)
    size = _factor(layer, "downscale_factor")
    batch, channels, height, width = layer.shape(x)
    rows, columns = over(height, size), over(width, size)
    split = reshaped(g, layer, x, [batch, channels, rows, size, columns, size])
    turned = g.Transpose(split, perm=[0, 1, 3, 5, 2, 4])
    return back(g, layer, reshaped(g, layer, turned, [batch, times([channels, size * size]), rows, columns]), last)


def _factor(layer: Layer, key: str) -> int:
    size = layer.integer(key, 1)
    if not 1 <= size <= 4096:
        raise layer.malformed(f"its {key} is {size}")
    return size


@reads("space_to_depth")
def space_to_depth(g: GraphBuilder, layer: Layer) -> Value:
    """Darknet's reorg: channels spread over blocks of a larger picture, whose memory is then read as a smaller one."""
    x, size = layer.x(), _factor(layer, "blocksize")
    layer.rank(x, 4)
    batch = layer.shape(x)[0]
    channels, height, width = layer.sizes(x, 1)
    if channels % (size * size) or height % size or width % size:
        raise layer.malformed(f"{channels}x{height}x{width} does not divide by {size}")
    out = channels // (size * size)
    split = g.Transpose(reshaped(g, layer, x, [batch, size, size, out, height, width]), perm=[0, 3, 4, 1, 5, 2])
    return reshaped(g, layer, split, [batch, channels * size * size, height // size, width // size])


@reads("shuffle_channel", "channel_shuffle")
def shuffle_channel(g: GraphBuilder, layer: Layer) -> Value:
    x, last = layer.x(), is_last(layer)
    groups = layer.integer("group", layer.integer("groups", 1))
    x = first(g, layer, x, last)
    layer.rank(x, 4)
    batch, _, height, width = layer.shape(x)
    channels = layer.size(x, 1)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels are no {groups} groups")
    split = g.Transpose(reshaped(g, layer, x, [batch, groups, channels // groups, height, width]), perm=[0, 2, 1, 3, 4])
    return back(g, layer, reshaped(g, layer, split, [batch, channels, height, width]), last)


@reads("temporal_shift")
def temporal_shift(g: GraphBuilder, layer: Layer) -> Value:
    """Of the frames of a clip some channels come from the one before, some from the one behind."""
    x, last, frames = layer.x(), is_last(layer), layer.integer("seg_num", 1)
    ratio = layer.real("shift_ratio", 0.25)
    x = first(g, layer, x, last)
    layer.rank(x, 4)
    count, channels, height, width = layer.shape(x)
    size = layer.size(x, 1)
    clips = over(count, frames)
    if frames < 1 or not 0 <= ratio <= 0.5:
        raise layer.malformed(f"it shifts {ratio} of {frames} frames")
    one, two = int(size * ratio), int(size * 2 * ratio)
    split = reshaped(g, layer, x, [clips, frames, size, height, width])
    padded = g.Pad(split, [0, 1, 0, 0, 0, 0, 1, 0, 0, 0], layer.number(x, 0))
    bounds = [(0, 0, one), (2, one, two), (1, two, size)]
    parts = [g.Slice(padded, [time, low], [time + frames, high], [1, 2]) for time, low, high in bounds if low < high]
    joined = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=2)
    return back(g, layer, reshaped(g, layer, joined, [count, channels, height, width]), last)
