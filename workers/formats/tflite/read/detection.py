"""Boxes: non-maximum suppression, and the custom operator that ends TensorFlow's detectors."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.layer import F32, Array, Layer, Value, reads, whole
from workers.hub.graph import GraphBuilder
from workers.inspect.flexbuffer import flex_map


@reads("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")
def non_max_suppression(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Inputs: boxes [N, 4], scores [N], most, overlap, least score (, sigma). Results are padded with 0 to the most.

    V5 also gives scores, lowered by exp(-overlap^2 / (2 sigma)) where sigma is not 0, which ONNX cannot.
    """
    soft = layer.type.endswith("V5")
    if soft and layer.number(5, "sigma") != 0:
        raise layer.unsupported("it lowers scores instead of dropping boxes (soft suppression), which ONNX lacks")
    scores = layer.x(g, 1)
    most = g.Reshape(whole(g, layer.x(g, 2)), [1])
    chosen = _suppressed(g, layer.x(g, 0), g.Unsqueeze(scores, [0, 1]), most, *(
        g.Reshape(cast(g, layer.x(g, index), F32), [1]) for index in (3, 4)
    ))  # fmt: skip
    indices = g.Squeeze(g.Slice(chosen, [2], [3], [1]), [1])
    count = g.Shape(indices)
    picked = [_padded(g, indices, most, np.int64(0))]
    if soft:
        picked.append(_padded(g, g.Gather(scores, indices), most, np.float32(0)))
    return [*picked, g.Squeeze(count, [0])]


def _suppressed(g: GraphBuilder, boxes: Value, scores: Value, most: Value, overlap: Value, least: Value) -> Value:
    """[chosen, 3]: batch, class and box, by falling score within a class."""
    return g.NonMaxSuppression(g.Unsqueeze(boxes, [0]), scores, most, overlap, least)


def _padded(g: GraphBuilder, x: Value, length: Value, fill: np.generic) -> Value:
    """``x`` along axis 0, filled up to ``length``."""
    missing = g.Sub(length, g.Shape(x, start=0, end=1))
    rank = g.rank(x)
    zeros = np.zeros(rank, np.int64)
    behind = missing if rank == 1 else g.Concat(missing, np.zeros(rank - 1, np.int64), axis=0)
    return g.Pad(x, g.Concat(zeros, behind, axis=0), np.asarray(fill))


@reads("TFLite_Detection_PostProcess")
def detection_post_process(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Inputs: box codes [1, N, 4+], scores [1, N, classes (+1)], anchors [N, 4]; all as centre y, x, height, width.

    Outputs: boxes [1, M, 4] as top, left, bottom, right; classes and scores [1, M]; how many [1]; the rest is 0.
    """
    options = flex_map(layer.op.custom_options, layer.name)
    layer.rank(2, 2)
    for index in (0, 1):
        layer.rank(index, 3)
        layer.same(layer.dims(index)[0], 1, "the number of images")

    def option(name: str, default: float | None = None) -> float:
        if name not in options and default is None:
            raise layer.malformed(f"its option {name} is missing")
        found = options.get(name, default)
        if isinstance(found, str) or found is None:
            raise layer.malformed(f"its option {name} is no number")
        return float(found)

    most, each = int(option("max_detections")), int(option("max_classes_per_detection"))
    classes = int(option("num_classes"))
    offset = layer.size(1, layer.rank(1, 3) - 1) - classes
    if most < 1 or not each >= 1 or classes < 1 or offset not in (0, 1) or layer.rank(0, 3) != 3:
        raise layer.malformed(f"it keeps {most} boxes of {classes} classes, and has {classes + offset} scores")
    codes = g.Squeeze(g.Slice(layer.x(g, 0), [0], [4], [2]), [0])
    scales = np.asarray([option(f"{axis}_scale") for axis in "yxhw"], np.float32)
    boxes = _decoded(g, codes, layer.x(g, 2), scales)
    scores = g.Squeeze(layer.x(g, 1), [0])
    scores = g.Slice(scores, [offset], [offset + classes], [1]) if offset else scores
    overlap, least = (
        g.constant(np.asarray([option(f"nms_{name}_threshold")], np.float32)) for name in ("iou", "score")
    )
    if option("use_regular_nms", 0):
        per_class = g.constant([int(option("detections_per_class", 100))])
        return _regular(g, boxes, scores, most, per_class, overlap, least)
    return _fast(g, boxes, scores, most, min(each, classes), overlap, least)


def _decoded(g: GraphBuilder, codes: Value, anchors: Value, scales: Array) -> Value:
    """Centres move by parts of the anchor's size, sizes grow exponentially."""
    codes = g.Div(codes, scales)
    centre, size = g.ops("Split", codes, axis=1, num_outputs=2, outputs=2)
    anchor, extent = g.ops("Split", anchors, axis=1, num_outputs=2, outputs=2)
    centre = g.Add(g.Mul(centre, extent), anchor)
    half = g.Mul(g.Mul(g.Exp(size), extent), np.float32(0.5))
    return g.Concat(g.Sub(centre, half), g.Add(centre, half), axis=1)


def _fast(
    g: GraphBuilder, boxes: Value, scores: Value, most: int, each: int, overlap: Value, least: Value
) -> list[Value]:
    """Boxes suppress each other by their best class, whichever it is; of each kept box the best classes are listed."""
    best = g.ReduceMax(scores, [1], keepdims=0)
    chosen = _suppressed(g, boxes, g.Unsqueeze(best, [0, 1]), g.constant([most]), overlap, least)
    index = g.Squeeze(g.Slice(chosen, [2], [3], [1]), [1])
    values, kinds = g.ops("TopK", g.Gather(scores, index), [each], outputs=2, axis=1)
    found = g.Gather(boxes, index)
    if each > 1:
        found = g.Reshape(g.Expand(g.Unsqueeze(found, [1]), [1, each, 1]), [-1, 4])
    return _listed(g, found, g.Reshape(kinds, [-1]), g.Reshape(values, [-1]), most * each, g.Shape(index))


def _regular(
    g: GraphBuilder, boxes: Value, scores: Value, most: int, per_class: Value, overlap: Value, least: Value
) -> list[Value]:
    """Every class for itself; then the best of all."""
    by_class = g.Transpose(scores, perm=[1, 0])
    chosen = _suppressed(g, boxes, g.Unsqueeze(by_class, [0]), per_class, overlap, least)
    values = g.GatherND(by_class, g.Slice(chosen, [1], [3], [1]))
    keep = g.Min(g.Shape(values), g.constant([most]))
    values, order = g.ops("TopK", values, keep, outputs=2, axis=0)
    chosen = g.Gather(chosen, order)
    kinds = g.Squeeze(g.Slice(chosen, [1], [2], [1]), [1])
    found = g.Gather(boxes, g.Squeeze(g.Slice(chosen, [2], [3], [1]), [1]))
    return _listed(g, found, kinds, values, most, g.Shape(values))


def _listed(g: GraphBuilder, boxes: Value, kinds: Value, scores: Value, most: int, count: Value) -> list[Value]:
    """``count`` is that of the boxes, each of which may be listed under several classes."""
    length = g.constant([most])
    padded = [_padded(g, x, length, np.float32(0)) for x in (boxes, cast(g, kinds, F32), scores)]
    return [
        g.Reshape(x, shape) for x, shape in zip(padded, ([1, most, 4], [1, most], [1, most]), strict=True)
    ] + [cast(g, count, F32)]  # fmt: skip
