"""Decoding of boxes and suppression of those that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.formats.dims import times
from workers.formats.paddle.read.layer import BOOL, F32, I32, Array, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder

LOWEST = np.asarray(np.finfo(np.float32).min, np.float32)


def centred(g: GraphBuilder, layer: Layer, boxes: Value, more: float) -> tuple[Value, Value]:
    """Corners -> centres and sizes, each [..., 2]; ``more`` is 1 where both ends count."""
    low, high = g.ops("Split", boxes, [2, 2], outputs=2, axis=-1)
    size = g.Sub(high, low)
    size = g.Add(size, layer.number(boxes, more)) if more else size
    return g.Add(low, g.Mul(size, layer.number(boxes, 0.5))), size


# --- decoding ---------------------------------------------------------------------------------------------------------


@reads("box_coder")
def box_coder(g: GraphBuilder, layer: Layer) -> Value:
    """Every target with every prior encoded, or [N, M, 4] offsets decoded by priors along axis 1 (0) or 0 (1)."""
    prior, target = layer.x("PriorBox"), layer.x("TargetBox")
    more = 0.0 if layer.flag("box_normalized", True) else 1.0
    code = layer.choice("code_type", "encode_center_size", "encode_center_size", "decode_center_size")
    if code == "encode_center_size":
        places = [0]
    else:
        layer.rank(target, 3)
        places = [0] if layer.integer("axis", 0) == 0 else [1]
    variance = _variance(g, layer, prior, places)
    centre, size = (g.Unsqueeze(part, places) for part in centred(g, layer, prior, more))
    if code == "encode_center_size":
        layer.rank(target, 2)
        low, high = g.ops("Split", target, [2, 2], outputs=2, axis=-1)
        middle = g.Mul(g.Add(low, high), layer.number(target, 0.5))
        span = g.Add(g.Sub(high, low), layer.number(target, more)) if more else g.Sub(high, low)
        shift = g.Div(g.Sub(g.Unsqueeze(middle, [1]), centre), size)
        growth = g.Log(g.Abs(g.Div(g.Unsqueeze(span, [1]), size)))
        code_ = g.Concat(shift, growth, axis=-1)
        return code_ if variance is None else g.Div(code_, variance)
    offsets = target if variance is None else g.Mul(target, variance)
    shift, growth = g.ops("Split", offsets, [2, 2], outputs=2, axis=-1)
    middle, half = g.Add(g.Mul(shift, size), centre), g.Mul(g.Mul(g.Exp(growth), size), layer.number(target, 0.5))
    high = g.Add(middle, half)
    high = g.Sub(high, layer.number(target, more)) if more else high
    return g.Concat(g.Sub(middle, half), high, axis=-1)


def _variance(g: GraphBuilder, layer: Layer, prior: Value, places: Sequence[int]) -> Value | None:
    tensor, numbers = layer.maybe("PriorBoxVar"), layer.reals("variance")
    if tensor is not None:
        return g.Unsqueeze(tensor, list(places)) if layer.rank(tensor) == 2 else tensor
    if not numbers:
        return None
    if len(numbers) != 4:
        raise layer.malformed(f"it has {len(numbers)} variances")
    return g.constant(layer.number(prior, numbers))


@reads("box_clip")
def box_clip(g: GraphBuilder, layer: Layer) -> Value:
    """Corners inside of one picture, whose size stands with its scale in (height, width, scale)."""
    x, info = layer.x("Input"), layer.x("ImInfo")
    rows = layer.shape(info)[0]
    if rows != 1:
        raise layer.free("it clips the boxes of one picture")
    scale = g.Slice(info, [2], [3], [1])
    size = g.Floor(g.Add(g.Div(g.Slice(info, [0], [2], [1]), scale), layer.number(info, 0.5)))
    edge = g.Sub(g.Gather(size, [1, 0, 1, 0], axis=1), layer.number(info, 1))
    return g.Max(g.Min(x, edge), layer.number(x, 0))


@reads("yolo_box")
def yolo_box(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Corners [N, A H W, 4] in the picture's pixels and scores [N, A H W, classes]; weak cells give zeros."""
    x, picture = layer.x(), cast(g, layer.x("ImgSize"), F32)
    layer.rank(x, 4)
    anchors, classes = layer.integers("anchors"), layer.integer("class_num")
    count = len(anchors) // 2
    aware = layer.flag("iou_aware", False)
    batch = layer.shape(x)[0]
    channels, height, width = layer.sizes(x, 1)
    if not count or len(anchors) % 2 or classes < 1 or channels != count * (5 + classes + aware):
        raise layer.malformed(f"{channels} channels are no {count} anchors with {classes} classes")
    overlap = None
    if aware:
        front, x = g.ops("Split", x, [count, channels - count], outputs=2, axis=1)
        overlap = g.Sigmoid(reshaped(g, layer, front, [batch, count, height, width, 1]))
    cells = reshaped(g, layer, x, [batch, count, 5 + classes, height, width])
    cells = g.Transpose(cells, perm=[0, 1, 3, 4, 2])
    place, growth, confidence, kinds = g.ops("Split", cells, [2, 2, 1, classes], outputs=4, axis=-1)
    sure = g.Sigmoid(confidence)
    if overlap is not None:
        factor = layer.real("iou_aware_factor", 0.5)
        sure = g.Mul(g.Pow(sure, layer.number(x, 1 - factor)), g.Pow(overlap, layer.number(x, factor)))
    there = g.GreaterOrEqual(sure, layer.number(x, layer.real("conf_thresh", 0.01)))
    boxes = _yolo_corners(g, layer, place, growth, picture, np.asarray(anchors).reshape(1, count, 1, 1, 2))
    zero = layer.number(x, 0)
    boxes = g.Where(there, boxes, zero)
    scores = g.Where(there, g.Mul(sure, g.Sigmoid(kinds)), zero)
    total = count * height * width
    return {"Boxes": reshaped(g, layer, boxes, [batch, total, 4]),
            "Scores": reshaped(g, layer, scores, [batch, total, classes])}  # fmt: skip


def _yolo_corners(
    g: GraphBuilder, layer: Layer, place: Value, growth: Value, picture: Value, anchors: Array
) -> Value:  # fmt: skip
    """[N, A, H, W, 4] corners in pixels."""
    height, width = layer.sizes(place, 2, 4)
    scale, stride = layer.real("scale_x_y", 1.0), layer.integer("downsample_ratio", 32)
    if stride < 1:
        raise layer.malformed(f"its downsample_ratio is {stride}")
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    width = height if layer.older(2, 0) else width  # fluid takes every map for a square
    middle = g.Sigmoid(place)
    if scale != 1:
        middle = g.Sub(g.Mul(middle, layer.number(place, scale)), layer.number(place, 0.5 * (scale - 1)))
    size = g.Unsqueeze(g.Gather(picture, [1, 0], axis=1), [1, 2, 3])
    middle = g.Mul(g.Add(middle, layer.number(place, grid)), g.Mul(size, layer.number(place, [1 / width, 1 / height])))
    shapes = layer.number(place, anchors / (2 * stride * np.asarray([width, height])))
    half = g.Mul(g.Mul(g.Exp(growth), shapes), size)
    low, high = g.Sub(middle, half), g.Add(middle, half)
    if layer.flag("clip_bbox", True):
        low = g.Max(low, layer.number(place, 0))
        high = g.Min(high, g.Sub(size, layer.number(place, 1)))
    return g.Concat(low, high, axis=-1)


# --- suppression ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidates of every picture: scores [N, K] (lowest where there is none), classes, boxes' places."""

    scores: Value
    classes: Value
    places: Value


def survivors(g: GraphBuilder, boxes: Value, scores: Value, threshold: float, lowest: float, most: int) -> Value:
    """Rows (picture, class, box) that greedy suppression keeps; both ends count where the boxes were widened."""
    return g.NonMaxSuppression(
        boxes, scores, np.asarray(most), np.asarray(threshold, np.float32), np.asarray(lowest, np.float32)
    )


def widened(g: GraphBuilder, layer: Layer, boxes: Value, normalized: bool) -> Value:
    """Boxes whose both ends count reach one further, as far as overlaps are concerned."""
    return boxes if normalized else g.Add(boxes, layer.number(boxes, [0, 0, 1, 1]))


def _foreground(g: GraphBuilder, layer: Layer, scores: Value) -> Value:
    """The background's scores are the lowest."""
    classes, background = layer.size(scores, 1), layer.integer("background_label", 0)
    if not 0 <= background < classes:
        return scores
    mask = np.arange(classes).reshape(1, classes, 1) == background
    return g.Where(mask, LOWEST, scores)


def _leading(g: GraphBuilder, layer: Layer, scores: Value, most: int) -> Value:
    """All but the best ``most`` of each class get the lowest score."""
    size = layer.shape(scores)[2]
    if most < 0 or (isinstance(size, int) and most >= size):
        return scores
    count = g.Min(g.Shape(scores, start=2), [most])
    values, places = g.ops("TopK", scores, count, outputs=2, axis=2)
    return g.ScatterElements(g.Expand(LOWEST, g.Shape(scores)), places, values, axis=2)


def _inputs(g: GraphBuilder, layer: Layer) -> tuple[Value, Value]:
    """Boxes [N, M, 4], scores [N, classes, M]."""
    boxes, scores = layer.x("BBoxes"), layer.x("Scores")
    if layer.maybe("RoisNum") is not None or layer.rank(scores) != 3 or layer.rank(boxes) != 3:
        raise layer.unsupported("its boxes come in lists of different lengths for each picture and class")
    if layer.shape(boxes)[-1] != 4:
        raise layer.unsupported("its boxes are polygons")
    return boxes, scores


@reads("multiclass_nms", "multiclass_nms2", "multiclass_nms3")
def multiclass_nms(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Rows (class, score, box) picture by picture, class by class, falling: the best ``keep_top_k`` of each picture."""
    boxes, scores = _inputs(g, layer)
    if layer.real("nms_eta", 1.0) < 1:
        raise layer.unsupported("its threshold adapts (nms_eta), which ONNX's NonMaxSuppression does not do")
    ready = _leading(g, layer, _foreground(g, layer, scores), layer.integer("nms_top_k", -1))
    lowest = max(layer.real("score_threshold"), float(LOWEST))
    area = widened(g, layer, boxes, layer.flag("normalized", True))
    kept = survivors(g, area, ready, layer.real("nms_threshold", 0.3), lowest, 2**31 - 1)
    marks = g.ScatterND(g.Expand(np.asarray(0, np.int32), g.Shape(scores)), kept,
                        g.Expand(np.asarray(1, np.int32), g.Shape(kept, start=0, end=1)))  # fmt: skip
    left = g.Where(cast(g, marks, BOOL), scores, LOWEST)
    found = _best(g, layer, left, layer.integer("keep_top_k", -1), by_class=True)
    return _rows(g, layer, boxes, found)


def _best(g: GraphBuilder, layer: Layer, scores: Value, most: int, by_class: bool) -> Found:
    """Of [N, classes, M] the best of each picture, ordered by class first if asked for."""
    size = times(layer.shape(scores)[1:])
    flat = g.Reshape(scores, [0, -1])
    count: Value | list[int] = [size] if isinstance(size, int) else g.Shape(flat, start=1)
    if most >= 0:
        count = [min(count[0], most)] if isinstance(count, list) else g.Min(count, [most])
    values, places = g.ops("TopK", flat, count, outputs=2, axis=1)
    many = g.Shape(scores, start=2)
    classes = g.Div(places, many)
    if by_class:
        width = g.Shape(values, start=1)
        ranks = g.Range(np.asarray(0), g.Squeeze(width, [0]), np.asarray(1))
        _, order = g.ops("TopK", g.Add(g.Mul(classes, width), ranks), width, outputs=2, axis=1, largest=0)
        values, places, classes = (g.GatherElements(x, order, axis=1) for x in (values, places, classes))
    return Found(values, classes, g.Mod(places, many))


def _rows(g: GraphBuilder, layer: Layer, boxes: Value, found: Found) -> dict[str, Value]:
    """What is there, without the gaps: Out [R, 6], Index [R, 1] into all boxes of all pictures, R of each picture."""
    there = g.Greater(found.scores, LOWEST)
    corners = g.GatherND(boxes, g.Unsqueeze(found.places, [2]), batch_dims=1)
    kind = g.Unsqueeze(g.Cast(found.classes, to=int(F32)), [2])
    rows = g.Concat(kind, g.Unsqueeze(found.scores, [2]), corners, axis=2)
    mask = g.Reshape(there, [-1])
    many = g.Shape(boxes, start=1, end=2)
    pictures = g.Range(np.asarray(0), g.Squeeze(g.Shape(boxes, start=0, end=1), [0]), np.asarray(1))
    index = g.Add(found.places, g.Unsqueeze(g.Mul(pictures, many), [1]))
    counts = g.ReduceSum(g.Cast(there, to=int(I32)), [1], keepdims=0)
    number = "RoisNum" if layer.op.type == "matrix_nms" else "NmsRoisNum"
    out = g.Compress(g.Reshape(rows, [-1, 6]), mask, axis=0)
    return {
        "Out": out,
        "Index": g.Cast(g.Compress(g.Reshape(index, [-1, 1]), mask, axis=0), to=int(I32)),
        number: counts,
    }


@reads("matrix_nms")
def matrix_nms(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Scores decay by the overlaps with better boxes of the class; the rows fall by what is left of them."""
    boxes, scores = _inputs(g, layer)
    lowest = layer.real("score_threshold")
    ready = _foreground(g, layer, scores)
    ready = g.Where(g.Greater(ready, layer.number(scores, lowest)), ready, LOWEST)
    most, size = layer.integer("nms_top_k", -1), layer.shape(scores)[2]
    count: Value | list[int] = g.Shape(scores, start=2)
    if isinstance(size, int):
        count = [size if most < 0 else min(size, most)]
    elif most >= 0:
        count = g.Min(count, [most])
    values, places = g.ops("TopK", ready, count, outputs=2, axis=2)
    decayed = _decayed(g, layer, boxes, values, places)
    enough = g.And(
        g.Greater(values, LOWEST), g.Greater(decayed, layer.number(scores, layer.real("post_threshold", 0.0)))
    )
    found = _best(g, layer, g.Where(enough, decayed, LOWEST), layer.integer("keep_top_k", -1), by_class=False)
    flat = g.Reshape(places, [0, -1])
    where = g.Add(g.Mul(found.classes, g.Shape(values, start=2)), found.places)
    return _rows(g, layer, boxes, Found(found.scores, found.classes, g.GatherElements(flat, where, axis=1)))


def _decayed(g: GraphBuilder, layer: Layer, boxes: Value, scores: Value, places: Value) -> Value:
    """[N, C, K] scores times the smallest decay that a better box of the class causes."""
    flat = g.Reshape(places, [0, -1])
    picked = g.GatherND(widened(g, layer, boxes, layer.flag("normalized", True)), g.Unsqueeze(flat, [2]), batch_dims=1)
    corners = g.Reshape(picked, g.Concat(g.Shape(scores), [4], axis=0))
    iou = overlaps(g, layer, corners, corners)
    upper = g.Trilu(iou, np.asarray(1), upper=1)
    worst = g.Unsqueeze(g.ReduceMax(upper, [-2], keepdims=0), [-1])
    one = layer.number(boxes, 1)
    if layer.flag("use_gaussian", False):
        sigma = layer.number(boxes, layer.real("gaussian_sigma", 2.0))
        decay = g.Exp(g.Mul(g.Sub(g.Mul(worst, worst), g.Mul(upper, upper)), sigma))
    else:
        decay = g.Div(g.Sub(one, upper), g.Sub(one, worst))
    better = g.Greater(g.Trilu(g.Expand(one, g.Shape(iou)), np.asarray(1), upper=1), layer.number(boxes, 0))
    return g.Mul(scores, g.ReduceMin(g.Where(better, decay, one), [-2], keepdims=0))


def overlaps(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """[..., K, 4] and [..., L, 4] -> intersections over unions [..., K, L]."""
    zero = layer.number(a, 0)
    low_a, high_a = g.ops("Split", g.Unsqueeze(a, [-2]), [2, 2], outputs=2, axis=-1)
    low_b, high_b = g.ops("Split", g.Unsqueeze(b, [-3]), [2, 2], outputs=2, axis=-1)
    sides = g.Max(g.Sub(g.Min(high_a, high_b), g.Max(low_a, low_b)), zero)
    common = g.ReduceProd(sides, [-1], keepdims=0)
    areas = [g.ReduceProd(g.Max(g.Sub(high, low), zero), [-1], keepdims=0)
             for low, high in ((low_a, high_a), (low_b, high_b))]  # fmt: skip
    union = g.Sub(g.Add(*areas), common)
    real = g.Greater(union, zero)
    return g.Where(real, g.Div(common, g.Where(real, union, layer.number(a, 1))), zero)


@reads("nms")
def nms(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Places of the boxes [M, 4] kept; they come in falling order of scores that are not given."""
    boxes = layer.x(next(iter(layer.op.inputs), "Boxes"))
    layer.rank(boxes, 2)
    count = g.Shape(boxes, start=0, end=1)
    falling = g.Cast(g.Sub(count, g.Range(np.asarray(0), g.Squeeze(count, [0]), np.asarray(1))), to=int(F32))
    limit = layer.real("iou_threshold", layer.real("threshold", 1.0))
    kept = survivors(g, g.Unsqueeze(boxes, [0]), g.Unsqueeze(falling, [0, 1]), limit, 0.0, 2**31 - 1)
    slot = next(iter(layer.op.outputs), "KeepBoxesIdxs")
    return {slot: g.Gather(kept, np.asarray(2), axis=1)}
