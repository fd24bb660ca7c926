"""Non-maximum suppression in all its versions."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import F32, I32
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, vector

LOWEST = np.float32(np.finfo(np.float32).min)


def _selected(
    g: Builder, boxes: Value, scores: Value, most: Value, overlap: Value | None, least: Value | None
) -> Value:
    """The places [n] of the boxes that are kept, best first."""
    rows = g.Unsqueeze(cast(g, boxes, F32), [0])
    values = g.Unsqueeze(cast(g, scores, F32), [0, 1])
    found = g.NonMaxSuppression(rows, values, vector(g, most), overlap, least)
    return g.Squeeze(g.Slice(found, [2], [3], [1]), [1])


def _one(g: Builder, x: Value) -> Value:
    return g.Reshape(cast(g, x, F32), [1])


@reads("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3")
def non_max_suppression(g: Builder, layer: Layer, boxes: Value, scores: Value, most: Value, *limits: Value) -> Value:
    if limits:
        overlap: Value = _one(g, limits[0])
    else:
        overlap = g.constant(np.array([layer.f("iou_threshold", 0.5)], np.float32))
    least = _one(g, limits[1]) if len(limits) > 1 else None
    return cast(g, _selected(g, boxes, scores, most, overlap, least), I32)


@reads("NonMaxSuppressionV4")
def non_max_suppression_v4(
    g: Builder, layer: Layer, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value
) -> list[Value]:
    found = _selected(g, boxes, scores, most, _one(g, overlap), _one(g, least))
    count = g.Shape(found)
    if layer.flag("pad_to_max_output_size"):
        found = _padded(g, found, vector(g, most), np.array(0, np.int64))
    return [cast(g, found, I32), cast(g, g.Squeeze(count, [0]), I32)]


def _padded(g: Builder, x: Value, size: Value, fill: object) -> Value:
    return g.Pad(x, g.Concat([0], g.Sub(size, g.Shape(x)), axis=0), fill)


@reads("NonMaxSuppressionV5")
def non_max_suppression_v5(
    g: Builder, layer: Layer, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value, sigma: Value
) -> list[Value]:
    if layer.constant(g, sigma, "soft_nms_sigma").any():
        raise layer.unsupported("ONNX's suppression is not soft (soft_nms_sigma)")
    found = _selected(g, boxes, scores, most, _one(g, overlap), _one(g, least))
    count = g.Shape(found)
    values = g.Gather(scores, found, axis=0)
    if layer.flag("pad_to_max_output_size"):
        size = vector(g, most)
        found = _padded(g, found, size, np.array(0, np.int64))
        values = _padded(g, values, size, layer.number(scores, 0))
    return [cast(g, found, I32), values, cast(g, g.Squeeze(count, [0]), I32)]


@reads("CombinedNonMaxSuppression")
def combined_non_max_suppression(
    g: Builder, layer: Layer, boxes: Value, scores: Value, each: Value, total: Value, overlap: Value, least: Value
) -> list[Value]:
    """Per class and picture, then the best of each picture, filled up with zeros."""
    (most,) = layer.integers(g, total, "max_total_size")
    per_class = layer.integers(g, each, "max_output_size_per_class")[0]
    classes = layer.size(scores, 2)
    shared = layer.size(boxes, 2)
    if shared != 1:
        raise layer.unsupported("it has boxes of their own for every class")
    size = min(most, per_class * classes) if layer.flag("pad_per_class") else most
    flat = g.Squeeze(boxes, [2])
    ranked = g.Transpose(scores, perm=[0, 2, 1])
    found = g.NonMaxSuppression(flat, ranked, vector(g, each), _one(g, overlap), _one(g, least))
    kept = g.ScatterND(g.Expand(LOWEST, g.Shape(ranked)), found, g.GatherND(ranked, found))
    places = g.Reshape(kept, g.Concat(g.Shape(kept, end=1), [-1], axis=0))
    cells = g.Squeeze(g.Shape(places, start=1), [0])
    padded = g.Pad(places, [0, 0, 0, size], LOWEST)
    values, index = g.ops("TopK", padded, [size], outputs=2, axis=1)
    real = g.Greater(values, LOWEST)
    index = g.Min(index, g.Sub(cells, np.array(1, np.int64)))
    width = g.Shape(ranked, start=2)
    chosen = g.GatherND(flat, g.Unsqueeze(g.Mod(index, width), [2]), batch_dims=1)
    label = cast(g, g.Div(index, width), F32)
    if layer.flag("clip_boxes", True):
        chosen = g.Clip(chosen, np.float32(0), np.float32(1))
    zero = np.float32(0)
    count = g.ReduceSum(cast(g, real, I32), [1], keepdims=0)
    return [
        g.Where(g.Unsqueeze(real, [2]), chosen, zero),
        g.Where(real, values, zero),
        g.Where(real, label, zero),
        count,
    ]
