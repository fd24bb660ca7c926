"""Boxes: moved by offsets, clipped to their picture, suppressed by their overlap.

``plus`` is 1 where widths count both ends (legacy_plus_one, the default), else 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder

# The largest growth of a side: from the smallest anchor of 16 to a picture of 1000 pixels.
GROWTH = math.log(1000.0 / 16.0)


def plus_one(layer: Layer) -> int:
    return int(layer.flag("legacy_plus_one", True))


def refuse_rotated(layer: Layer, x: Value, columns: Sequence[int]) -> None:
    if layer.flag("rotated") or layer.sizes(x, 1)[0] not in columns:
        raise layer.unsupported("its boxes are rotated; ONNX knows upright ones only")


def columns(g: GraphBuilder, x: Value, first: int, stop: int) -> Value:
    """Of boxes [..., n] the columns [first, stop)."""
    return g.Slice(x, [first], [stop], [-1])


def moved(g: GraphBuilder, layer: Layer, boxes: Value, deltas: Value, weights: Sequence[float], plus: int) -> Value:
    """Corners [..., 4] moved by offsets of the centre and growths of the sides."""
    low, high = columns(g, boxes, 0, 2), columns(g, boxes, 2, 4)
    half, extra = layer.number(boxes, 0.5), layer.number(boxes, plus)
    size = g.Add(g.Sub(high, low), extra) if plus else g.Sub(high, low)
    centre = g.Add(low, g.Mul(size, half))
    if any(weight != 1 for weight in weights):
        deltas = g.Div(deltas, layer.array(deltas, weights))
    shift, growth = columns(g, deltas, 0, 2), columns(g, deltas, 2, 4)
    middle = g.Add(g.Mul(shift, size), centre)
    reach = g.Mul(g.Mul(g.Exp(g.Min(growth, layer.number(deltas, GROWTH))), size), half)
    end = g.Add(middle, reach)
    return g.Concat(g.Sub(middle, reach), g.Sub(end, extra) if plus else end, axis=-1)


def clipped(g: GraphBuilder, layer: Layer, boxes: Value, limits: Value) -> Value:
    """Corners kept between 0 and ``limits`` (x, y, x, y), which must broadcast."""
    return g.Max(g.Min(boxes, limits), layer.number(boxes, 0))


def survivors(
    g: GraphBuilder, boxes: Value, scores: Value, plus: int, most: Value | int, overlap: float, score: float | None
) -> Value:
    """[kept, 3] (group, 0, place): boxes [groups, N, 4] that no better one [groups, 1, N] of their group overlaps."""
    ends = g.Add(boxes, np.asarray([0, 0, plus, plus], np.float32)) if plus else boxes
    limit = np.asarray([most], np.int64) if isinstance(most, int) else most
    threshold = None if score is None else np.asarray([score], np.float32)
    return g.NonMaxSuppression(ends, scores, limit, np.asarray([overlap], np.float32), threshold)


def column(g: GraphBuilder, rows: Value, place: int) -> Value:
    """Column ``place`` of [N, n] as a vector."""
    return g.Gather(rows, np.asarray(place), axis=1)


def compressed(g: GraphBuilder, x: Value, keep: Value, axis: int) -> Value:
    """What is kept along an axis; the other sizes stay, which inference does not see."""
    sizes = [None if place == axis else dim for place, dim in enumerate(g.shape(x))]
    y = g.Compress(x, keep, axis=axis)
    y.shape = ir.Shape(sizes)
    return y
