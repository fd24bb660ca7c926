"""Layers that repeat tensors: tiles, broadcasts, grids."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times, whole
from workers.formats.paddle.read.layer import I64, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, numbers, reshaped, sizes_of
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("tile")
def tile(g: GraphBuilder, layer: Layer) -> Value:
    return _tiled(g, layer, numbers(g, layer, "repeat_times", "RepeatTimes", "repeat_times_tensor"))


@reads("expand")
def expand(g: GraphBuilder, layer: Layer) -> Value:
    """Fluid's expand is a tile."""
    return _tiled(g, layer, numbers(g, layer, "expand_times", "ExpandTimes", "expand_times_tensor"))


def _tiled(g: GraphBuilder, layer: Layer, repeats: list[int] | Value) -> Value:
    x = layer.x()
    rank = layer.rank(x)
    if isinstance(repeats, ir.Value):
        known = contents(layer, repeats)
        lead = max(len(known) - rank, 0) if known is not None else 0
        result = g.Tile(reshaped(g, layer, x, [*([1] * lead), *layer.shape(x)]), repeats)
        if known is not None and len(known) == rank + lead:
            sizes = (times(pair) for pair in zip([*([1] * lead), *layer.shape(x)], known, strict=True))
            result.shape = ir.Shape(list(sizes))
        return result
    if any(count < 0 or count > 2**31 for count in repeats):
        raise layer.malformed(f"its repetitions are {repeats}")
    if len(repeats) > rank:
        x = reshaped(g, layer, x, [*([1] * (len(repeats) - rank)), *layer.shape(x)])
    repeats = [1] * (layer.rank(x) - len(repeats)) + repeats
    return g.Tile(x, repeats) if repeats else g.Identity(x)


@reads("expand_v2")
def expand_v2(g: GraphBuilder, layer: Layer) -> Value:
    """To a shape in which -1 (and 0) keeps a size."""
    x = layer.x()
    found = numbers(g, layer, "shape", "Shape", "expand_shapes_tensor")
    have = layer.shape(x)
    if isinstance(found, ir.Value):
        known = contents(layer, found)
        one = g.Where(g.Less(found, [0]), [1], found)
        result = g.Expand(x, one)
        if known is not None and None not in known and not any(dim == -1 for dim in known):
            result.shape = ir.Shape(list(known))
        return result
    if len(found) < len(have) or any(size < -1 for size in found):
        raise layer.malformed(f"its shape is {found} for an input of {len(have)} axes")
    lead = len(found) - len(have)
    result = g.Expand(x, [1 if size == -1 else size for size in found])
    dims: list[Dim] = [*found[:lead], *(h if size == -1 else size for size, h in zip(found[lead:], have, strict=True))]
    result.shape = ir.Shape(dims)
    return result


@reads("expand_as", "expand_as_v2")
def expand_as(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    like = layer.maybe("Y") or layer.maybe("target_tensor")
    if like is None:
        return g.Expand(x, layer.integers("target_shape"))
    if layer.op.type == "expand_as":
        pairs = zip(layer.sizes(x), layer.sizes(like), strict=False)
        return g.Tile(x, [b // a if a else 1 for a, b in pairs])
    result = g.Expand(x, sizes_of(g, layer, like, range(layer.rank(like))))
    result.shape = ir.Shape(list(layer.shape(like)))
    return result


@reads("broadcast_tensors")
def broadcast_tensors(g: GraphBuilder, layer: Layer) -> list[Value]:
    xs = layer.several("X")
    results: list[Value] = []
    for x in xs:
        for other in xs:
            if other is not x:
                x = g.Expand(x, g.Shape(other))
        results.append(x if x is not xs[len(results)] else g.Identity(x))
    return results


@reads("meshgrid")
def meshgrid(g: GraphBuilder, layer: Layer) -> list[Value]:
    xs = layer.several("X")
    rank = len(xs)
    sizes = [times(layer.shape(x)) for x in xs]
    shapes = [g.Shape(x) if layer.rank(x) else g.constant([1]) for x in xs]
    whole_shape = g.Concat(*shapes, axis=0)
    results = []
    for place, x in enumerate(xs):
        axis: list[Dim] = [1] * rank
        axis[place] = sizes[place]
        wide = g.Expand(reshaped(g, layer, x, axis), whole_shape)
        wide.shape = ir.Shape(list(sizes))
        results.append(wide)
    return results


@reads("repeat_interleave")
def repeat_interleave(g: GraphBuilder, layer: Layer) -> Value:
    """Every slice several times; as many as a tensor says, one number for each."""
    x, tensor = layer.x(), layer.maybe("RepeatsTensor")
    axis = layer.axis(layer.integer("dim", 0), layer.rank(x))
    dims = list(layer.shape(x))
    if tensor is None:
        count = layer.integer("Repeats", 1)
        if not 1 <= count <= 2**20:
            raise layer.malformed(f"it repeats {count} times")
        wide = g.Unsqueeze(x, [axis + 1])
        wide = g.Tile(wide, [count if place == axis + 1 else 1 for place in range(len(dims) + 1)])
        return reshaped(g, layer, wide, [*dims[:axis], times([dims[axis], count]), *dims[axis + 1 :]])
    known = contents(layer, tensor)
    counts = whole(known) if known is not None else None
    if counts is None:
        ends = g.CumSum(cast(g, tensor, I64), np.asarray(0))
        steps = g.Range(np.asarray(0), g.ReduceMax(ends, keepdims=0), np.asarray(1))
        past = g.GreaterOrEqual(g.Unsqueeze(steps, [1]), g.Unsqueeze(ends, [0]))
        return g.Gather(x, g.ReduceSum(g.Cast(past, to=int(I64)), [1], keepdims=0), axis=axis)
    if any(count < 0 for count in counts) or (len(counts) != 1 and len(counts) != layer.size(x, axis)):
        raise layer.malformed(f"it repeats {counts[:20]} times")
    counts = counts * layer.size(x, axis) if len(counts) == 1 else counts
    layer.bounded(sum(counts))
    return g.Gather(x, np.repeat(np.arange(len(counts)), counts), axis=axis)
