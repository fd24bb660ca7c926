"""DetectionOutput, SSD's last layer, and pooling of regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder

LOWEST = float(np.finfo(np.float32).min)


@reads("DetectionOutput")
def detection_output(g: GraphBuilder, layer: Layer, loc: Value, conf: Value, prior: Value) -> Value:
    """Rows (image, label, score, xmin, ymin, xmax, ymax) of shape [1, 1, K, 7]; K depends on the data.

    Per class: scores above the threshold, the best top_k of them, greedy suppression; then the best keep_top_k of an
    image, ordered by image, label and score. Without any detection there is one row of -1 an image.
    """
    p = layer.detection_output_param
    classes, background = p.num_classes, p.background_label_id
    count = _check(layer, p, loc, conf, prior)
    boxes = _decoded(g, layer, p, loc, prior, count)
    scores = g.Transpose(g.Reshape(conf, [0, count, classes]), perm=[0, 2, 1])
    labels = [label for label in range(classes) if label != background]
    if len(labels) < classes:
        scores = g.Gather(scores, labels, axis=1)
        boxes = boxes if p.share_location else g.Gather(boxes, labels, axis=1)
    chosen = _suppressed(g, layer, p, boxes, scores, len(labels), count)
    chosen = _best(g, p, scores, chosen, len(labels) * count)
    return _rows(g, p, boxes, scores, chosen, labels)


def _check(layer: Layer, p: Any, loc: Value, conf: Value, prior: Value) -> int:
    """The number of priors. Raises for what the three bottoms cannot hold and for adaptive suppression."""
    layer.rank(prior, 3)
    if layer.sizes(prior)[:2] != (1, 2) or layer.sizes(prior, 2)[0] % 4:
        raise layer.malformed(f"its third bottom must be [1, 2, 4 * priors], not {list(layer.shape(prior))}")
    count = layer.sizes(prior, 2)[0] // 4
    if p.num_classes < 1 or (p.num_classes == 1 and p.background_label_id == 0):
        raise layer.malformed(f"num_classes is {p.num_classes}: there is nothing to detect")
    for x, size, what in (
        (loc, count * 4 * (1 if p.share_location else p.num_classes), "locations"),
        (conf, count * p.num_classes, "confidences"),
    ):
        have = int(np.prod(layer.sizes(x, 1)))
        if have != size:
            raise layer.malformed(f"{have} {what} an image for {count} priors and {p.num_classes} classes")
    if p.nms_param.eta < 1:
        raise layer.unsupported("adaptive suppression (eta below 1) changes the threshold while it runs")
    if p.keep_top_k == 0 or (p.nms_param.has("top_k") and p.nms_param.top_k == 0):
        raise layer.malformed("its top_k or keep_top_k is 0: it would never detect anything")
    return count


# --- boxes ----------------------------------------------------------------------------------------------------------


def _decoded(g: GraphBuilder, layer: Layer, p: Any, loc: Value, prior: Value, count: int) -> Value:
    """Corners [N, P, 4], or [N, C, P, 4] where every class has its own locations."""
    if p.share_location:
        loc = g.Reshape(loc, [0, count, 4])
    else:
        loc = g.Transpose(g.Reshape(loc, [0, count, p.num_classes, 4]), perm=[0, 2, 1, 3])
    corners, variances = (g.Reshape(part, [count, 4]) for part in g.ops("Split", prior, [1, 1], outputs=2, axis=1))
    if not p.variance_encoded_in_target:
        loc = g.Mul(loc, variances)
    if p.code_type == "CORNER":
        return g.Add(corners, loc)
    low, high = g.ops("Split", corners, [2, 2], outputs=2, axis=-1)
    size = g.Sub(high, low)
    if p.code_type == "CORNER_SIZE":
        return g.Add(corners, g.Mul(loc, g.Concat(size, size, axis=-1)))
    if p.code_type != "CENTER_SIZE":
        raise layer.unsupported(f"code type {p.code_type!r} is not known")
    shift, growth = g.ops("Split", loc, [2, 2], outputs=2, axis=-1)
    centre = g.Add(g.Mul(shift, size), g.Mul(g.Add(low, high), 0.5))
    half = g.Mul(g.Mul(g.Exp(growth), size), 0.5)
    return g.Concat(g.Sub(centre, half), g.Add(centre, half), axis=-1)


# --- which boxes ------------------------------------------------------------------------------------------------------


def _suppressed(g: GraphBuilder, layer: Layer, p: Any, boxes: Value, scores: Value, classes: int, count: int) -> Value:
    """(image, class, prior) of what is left after suppression within each class, [K, 3], in the order of rows."""
    nms = p.nms_param
    top_k = nms.top_k if nms.has("top_k") and nms.top_k > 0 else count
    candidates = scores
    if top_k < count:
        best, places = g.ops("TopK", scores, [top_k], outputs=2, axis=2)
        nothing = g.Expand(LOWEST, g.Shape(scores))
        candidates = g.ScatterElements(nothing, places, best, axis=2)
    threshold = float(p.confidence_threshold) if p.has("confidence_threshold") else LOWEST
    limits = (top_k, float(nms.nms_threshold), threshold)
    if p.share_location:
        return g.NonMaxSuppression(boxes, candidates, *limits)
    alone = g.NonMaxSuppression(g.Reshape(boxes, [-1, count, 4]), g.Reshape(candidates, [-1, 1, count]), *limits)
    row, _, place = g.ops("Split", alone, [1, 1, 1], outputs=3, axis=1)
    return g.Concat(g.Div(row, classes), g.Mod(row, classes), place, axis=1)


def _best(g: GraphBuilder, p: Any, scores: Value, chosen: Value, size: int) -> Value:
    """Of the boxes left, an image's keep_top_k best over all classes, in their order."""
    if p.keep_top_k < 0 or p.keep_top_k >= size:
        return chosen
    nothing = g.Expand(LOWEST, g.Shape(scores))
    left = g.Reshape(g.ScatterND(nothing, chosen, g.GatherND(scores, chosen)), [0, size])
    _, places = g.ops("TopK", left, [p.keep_top_k], outputs=2, axis=1)
    marks = g.ScatterElements(g.Cast(g.Mul(left, 0.0), to=7), places, g.Expand(1, g.Shape(places)), axis=1)
    kept = g.GatherND(g.Reshape(marks, g.Shape(scores)), chosen)
    return g.Compress(chosen, g.Cast(kept, to=9), axis=0)


def _rows(g: GraphBuilder, p: Any, boxes: Value, scores: Value, chosen: Value, labels: list[int]) -> Value:
    """The table, or one row (image, -1, ... -1) an image when it would be empty."""
    image, label, prior = g.ops("Split", chosen, [1, 1, 1], outputs=3, axis=1)
    box = g.GatherND(boxes, g.Concat(image, prior, axis=1) if p.share_location else chosen)
    names = g.Gather(np.asarray(labels, np.float32), label)
    score = g.Unsqueeze(g.GatherND(scores, chosen), [1])
    rows = g.Concat(g.Cast(image, to=1), names, score, box, axis=1)
    images = g.Shape(scores, start=0, end=1)
    numbers = g.Cast(g.Range(0, g.Squeeze(images), 1), to=1)
    empty = g.Concat(g.Unsqueeze(numbers, [1]), g.Expand(-1.0, g.Concat(images, [6], axis=0)), axis=1)
    none = g.Expand(g.Equal(g.Shape(chosen, start=0, end=1), [0]), images)
    return g.Unsqueeze(g.Concat(rows, g.Compress(empty, none, axis=0), axis=0), [0, 1])


# --- regions ----------------------------------------------------------------------------------------------------------


@reads("ROIPooling")
def roi_pooling(g: GraphBuilder, layer: Layer, x: Value, rois: Value) -> Value:
    """Fast R-CNN's: rois [R, 5] (image, x1, y1, x2, y2) in image pixels; ends rounded and inclusive."""
    p = layer.roi_pooling_param
    layer.rank(x, 4)
    rank = layer.rank(rois, 2, 4)
    if any(size != 1 for size in layer.shape(rois)[2:]) or layer.sizes(rois, 1, 2)[0] != 5:
        raise layer.malformed("its second bottom must be rows of (image, x1, y1, x2, y2)")
    if p.pooled_h < 1 or p.pooled_w < 1:
        raise layer.malformed("pooled_h and pooled_w must be given")
    rows = rois if rank == 2 else g.Flatten(rois, axis=1)
    return g.MaxRoiPool(x, rows, pooled_shape=[p.pooled_h, p.pooled_w], spatial_scale=p.spatial_scale)


reads.refuse(
    "the forks round and sample regions in different ways, and the file does not say which one this is", "ROIAlign"
)
reads.refuse("ONNX has no position-sensitive pooling of regions", "PSROIPooling")
reads.refuse(
    "region proposals depend on anchors and rounding that differ from fork to fork", "Proposal", "RPN", "SimplerNMS"
)
reads.refuse(
    "the decoding of YOLO's outputs differs from fork to fork",
    "Region", "RegionYolo", "ReorgYolo", "YoloDetectionOutput", "Yolov3DetectionOutput",
)  # fmt: skip
