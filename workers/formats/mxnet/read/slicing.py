"""Cutting pieces out of arrays, and putting pieces in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.shaping import CONSTANT, formed, size_of
from workers.hub.graph import GraphBuilder

FAR = 2**63 - 1
Cut = tuple[int, int, int, int]


@reads("slice", "_npi_slice", "_npx_slice", "crop")
def slice_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """begin, end and step an axis, None where the whole is meant; negative steps run backwards."""
    return _cut(g, layer, x, _cuts(layer, len(layer.shape(x))))


def _cuts(layer: Layer, rank: int) -> list[Cut]:
    """(axis, start, end, step) of every axis that is cut."""
    begins, ends, steps = layer.slots("begin"), layer.slots("end"), layer.slots("step")
    if len(begins) > rank or len(ends) != len(begins) or len(steps) not in (0, len(begins)):
        raise layer.malformed(f"its begin {begins}, end {ends} and step {steps} do not fit {rank} axes")
    cuts = []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps or [None] * len(begins), strict=True)):
        stride = 1 if step is None else step
        if stride == 0:
            raise layer.malformed("a step is 0")
        start = (0 if stride > 0 else FAR) if begin is None else begin
        stop = (FAR if stride > 0 else -FAR) if end is None else end
        if (start, stop, stride) != (0, FAR, 1):
            cuts.append((axis, start, stop, stride))
    return cuts


def _cut(g: GraphBuilder, layer: Layer, x: Value, cuts: Sequence[Cut]) -> Value:
    if not cuts:
        return x
    for axis, start, stop, _ in cuts:
        if not isinstance(layer.shape(x)[axis], int) and (abs(start), abs(stop)) != (FAR, FAR):
            raise layer.free(f"it cuts the free axis {axis} at places of its own")
    axes, starts, stops, steps = ([cut[part] for cut in cuts] for part in range(4))
    return g.Slice(x, starts, stops, axes, steps if any(step != 1 for step in steps) else None)


@reads("slice_axis")
def slice_axis(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[begin, end) of one axis; an end of None is its end."""
    axis = layer.axis(layer.integer("axis"), len(layer.shape(x)))
    begin = layer.integer("begin", 0)
    end = layer.integer("end", FAR)
    return _cut(g, layer, x, [] if (begin, end) == (0, FAR) else [(axis, begin, end, 1)])


@reads("slice_like")
def slice_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """The first so many on each axis as the second has there; on all that both have, or on ``axes``."""
    have, other = layer.shape(x), layer.shape(like)
    axes = [layer.axis(axis, len(have)) for axis in layer.integers("axes")] or list(range(min(len(have), len(other))))
    if any(axis >= len(other) for axis in axes):
        raise layer.malformed(f"its axes {axes} do not exist in both inputs")
    axes = [axis for axis in axes if have[axis] != other[axis] or have[axis] is None]
    if not axes:
        return x
    for axis in axes:
        one, two = have[axis], other[axis]
        if isinstance(one, int) and isinstance(two, int) and two > one:
            raise layer.malformed(f"its second input is larger on axis {axis}")
    ends = [size_of(g, layer, like, axis) for axis in axes]
    numbers = [end[0] for end in ends if isinstance(end, list)]
    stop = numbers if len(numbers) == len(ends) else g.Concat(*ends, axis=0)
    dims = [other[axis] if axis in axes else dim for axis, dim in enumerate(have)]
    return formed(g.Slice(x, [0] * len(axes), stop, axes), dims)


@reads("Crop")
def crop(g: GraphBuilder, layer: Layer, x: Value, like: Value | None = None) -> Value:
    """The plane to the size of the second input or of ``h_w``, from ``offset`` or from the centre."""
    layer.rank(x, 4)
    height, width = layer.sizes(x, 2)
    size = list(layer.sizes(like, 2)) if like is not None else list(layer.integers("h_w", (0, 0)))
    if len(size) != 2 or not 0 < size[0] <= height or not 0 < size[1] <= width:
        raise layer.malformed(f"it cannot cut {size} out of {height}x{width}")
    offset = list(layer.integers("offset", (0, 0)))
    if layer.flag("center_crop", False):
        offset = [(height - size[0]) // 2, (width - size[1]) // 2]
    room = [height - size[0], width - size[1]]
    if len(offset) != 2 or any(not 0 <= place <= limit for place, limit in zip(offset, room, strict=True)):
        raise layer.malformed(f"its offset {offset} and size {size} reach beyond {height}x{width}")
    return g.Slice(x, offset, [offset[0] + size[0], offset[1] + size[1]], [2, 3])


# --- putting in ------------------------------------------------------------------------------------------------------


@reads("_slice_assign", "_crop_assign", "_npi_slice_assign")
def slice_assign(g: GraphBuilder, layer: Layer, x: Value, piece: Value) -> Value:
    """``x`` with the slice replaced by the second input."""
    places, shape = _places(layer, x)
    return g.ScatterND(x, g.constant(places), g.Reshape(cast(g, piece, layer.element(x)), shape))


@reads("_slice_assign_scalar", "_crop_assign_scalar", "_npi_slice_assign_scalar")
def slice_assign_scalar(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """``x`` with the slice filled with a number."""
    places, shape = _places(layer, x)
    return g.ScatterND(x, g.constant(places), g.Expand(layer.number(x, layer.real("scalar", 0)), shape))


def _places(layer: Layer, x: Value) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], list[int]]:
    """The places of the slice, [sizes..., axes], and its shape."""
    sizes = layer.sizes(x)
    chosen = [np.arange(size) for size in sizes]
    for axis, start, stop, step in _cuts(layer, len(sizes)):
        first, last = (None if abs(place) == FAR else place for place in (start, stop))
        chosen[axis] = chosen[axis][first:last:step]
    count = int(np.prod([len(part) for part in chosen], dtype=np.float64))
    if count * len(sizes) > CONSTANT:
        raise layer.unsupported("the slice that is replaced is too large to be listed place by place")
    grid = np.stack(np.meshgrid(*chosen, indexing="ij"), -1).astype(np.int64)
    return grid, [len(part) for part in chosen]
