"""Boxes: non-maximum suppression, and the custom operator that ends TensorFlow's detectors."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.tflite.read.layer import F32, Array, Layer, Value, reads, whole
from workers.hub.graph import GraphBuilder
from workers.inspect.flexbuffer import flex_map


@reads("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")
def non_max_suppression(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Inputs: boxes [N, 4], scores [N], most, overlap, least score (, sigma). Results are padded with 0 to the most.

    V5 also gives scores, which each box taken lowers by the overlap where sigma is not 0.
    """
    soft = layer.type.endswith("V5")
    scores = layer.x(g, 1)
    most = g.Reshape(whole(g, layer.x(g, 2)), [1])
    sigma = layer.number(5, "sigma") if soft else 0.0
    if sigma < 0:
        raise layer.malformed(f"its sigma is {sigma}")
    if sigma:
        indices, left = _softly(g, layer, scores, most, sigma)
        padded = [_padded(g, indices, most, np.int64(0)), _padded(g, left, most, np.float32(0))]
        return [*padded, g.Squeeze(g.Shape(indices), [0])]
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


def _softly(g: GraphBuilder, layer: Layer, scores: Value, most: Value, sigma: float) -> list[Value]:
    """Indices and scores of the boxes taken: in a loop the best one, which lowers the others' scores.

    By exp(-overlap^2 / (2 sigma)), or to nothing where the overlap reaches its bound.
    """
    boxes, overlap, least = layer.x(g, 0), *(g.Reshape(layer.x(g, index), [1]) for index in (3, 4))
    body = g.inner(f"{layer.name}_suppression")
    body.input(f"{layer.name}_step", [], ir.DataType.INT64)
    body.input(f"{layer.name}_goes_on", [], ir.DataType.BOOL)
    now = body.input(f"{layer.name}_scores", list(layer.dims(1)), F32)
    best = body.ArgMax(now, axis=0, keepdims=1)
    shared = _overlaps(body, body.Gather(boxes, best), boxes)
    weight = body.Exp(body.Mul(body.Mul(shared, shared), np.float32(-0.5 / sigma)))
    lowered = body.Where(body.Less(shared, overlap), body.Mul(now, weight), np.float32(-np.inf))
    after = body.ScatterElements(lowered, best, np.full(1, -np.inf, np.float32), axis=0)
    goes_on = body.Greater(body.ReduceMax(after, keepdims=0), body.Squeeze(least, [0]))
    taken = body.Squeeze(best, [0])
    for value in (goes_on, after, taken, body.Gather(now, taken)):
        body.output(value)
    begins = g.Greater(g.ReduceMax(scores, keepdims=0), g.Squeeze(least, [0]))
    _, indices, left = g.ops("Loop", g.Squeeze(most, [0]), begins, scores, outputs=3, body=body.graph)
    for value, dtype in ((indices, ir.DataType.INT64), (left, F32)):
        value.type, value.shape = ir.TensorType(dtype), ir.Shape([None])
    return [indices, left]


def _overlaps(g: GraphBuilder, one: Value, boxes: Value) -> Value:
    """[N]: the intersection of a box [1, 4] with each of [N, 4] over their union; corners in any order."""
    low, high = [], []
    for box in (one, boxes):
        first, second = g.Slice(box, [0], [2], [1]), g.Slice(box, [2], [4], [1])
        low.append(g.Min(first, second))
        high.append(g.Max(first, second))
    sides = g.Max(g.Sub(g.Min(*high), g.Max(*low)), np.float32(0))
    areas = [g.ReduceProd(g.Sub(b, a), [1], keepdims=0) for a, b in zip(low, high, strict=True)]
    shared = g.ReduceProd(sides, [1], keepdims=0)
    share = g.Div(shared, g.Sub(g.Add(*areas), shared))
    return g.Where(g.Greater(g.Mul(*areas), np.float32(0)), share, np.float32(0))


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
