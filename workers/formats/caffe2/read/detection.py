"""Detectors: proposals of regions, boxes of classes, and what remains after suppression."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.read import boxes as box
from workers.formats.caffe2.read.layer import F32, I32, I64, Array, Layer, Value, reads
from workers.formats.caffe2.read.sizes import check_constant
from workers.hub.graph import GraphBuilder

IMAGES = 64


def _images(layer: Layer, x: Value) -> int:
    count = layer.size(x, 0)
    if not 1 <= count <= IMAGES:
        raise layer.unsupported(f"a batch of {count} images is written out image by image; {IMAGES} at most")
    return count


def _row(g: GraphBuilder, x: Value, index: int, count: int) -> Value:
    return x if count == 1 else g.Slice(x, [index], [index + 1], [0])


# --- proposals -------------------------------------------------------------------------------------------------------


@reads("GenerateProposals", "GenerateProposalsCPP")
def generate_proposals(
    g: GraphBuilder, layer: Layer, scores: Value, deltas: Value, info: Value, anchors: Value
) -> list[Value]:
    """Scores [N, A, H, W], offsets [N, 4A, H, W], sizes (height, width, scale), anchors [A, 4]; rows (image, box)."""
    for x, rank in ((scores, 4), (deltas, 4), (info, 2), (anchors, 2)):
        layer.rank(x, rank)
    box.refuse_rotated(layer, anchors, (4,))
    base = g.const(anchors)
    if base is None:
        raise layer.unsupported("its anchors are computed while the net runs")
    images = _images(layer, scores)
    layer.same(layer.shape(deltas)[1], 4 * len(base), "the number of offsets at a place")
    layer.same(layer.shape(scores)[1], len(base), "the number of scores at a place")
    grid = _anchors(layer, scores, base)
    rois, probs = [], []
    for index in range(images):
        one = [_row(g, x, index, images) for x in (scores, deltas, info)]
        kept, values = _proposals(g, layer, one[0], one[1], one[2], grid)
        image = g.Expand(np.asarray([[index]], np.float32), g.Concat(g.Shape(values), g.constant([1]), axis=0))
        rows = g.Concat(image, kept, axis=1)
        rows.shape = ir.Shape([None, 5])
        rois.append(rows)
        probs.append(values)
    if images == 1:
        return [rois[0], probs[0]][: layer.outputs]
    return [g.Concat(*rois, axis=0), g.Concat(*probs, axis=0)][: layer.outputs]


def _anchors(layer: Layer, scores: Value, base: Array) -> Array:
    """[1, H*W*A, 4]: the anchors at every place; anchor counts fastest."""
    scale = layer.real("spatial_scale", 1 / 16)
    height, width = layer.sizes(scores, 2)
    if not scale > 0 or not math.isfinite(1 / scale):
        raise layer.malformed(f"its spatial_scale is {scale:g}")
    check_constant(layer, height * width * base.size)
    stride = np.float32(1 / scale)
    across, down = np.meshgrid(*(np.arange(size, dtype=np.float32) * stride for size in (width, height)))
    shifts = np.tile(np.stack([across, down], -1), 2)
    found: Array = (shifts[:, :, None] + base).reshape(1, -1, 4).astype(np.float32)
    return found


def _proposals(
    g: GraphBuilder, layer: Layer, scores: Value, deltas: Value, info: Value, grid: Array
) -> tuple[Value, Value]:
    """(boxes, scores) of one image, the best first."""
    total, plus = grid.shape[1], box.plus_one(layer)
    height, width = layer.sizes(scores, 2)
    before, after = layer.integer("pre_nms_topN", 6000), layer.integer("post_nms_topN", 300)
    best = total if before <= 0 else min(before, total)
    flat = g.Reshape(g.Transpose(scores, perm=[0, 2, 3, 1]), [1, total])
    split = g.Reshape(deltas, [1, total // (height * width), 4, height, width])
    moves = g.Reshape(g.Transpose(split, perm=[0, 3, 4, 1, 2]), [1, total, 4])
    values, places = g.ops("TopK", flat, [best], outputs=2, axis=1)
    spots = g.Unsqueeze(places, [2])
    start, moves = (g.GatherND(x, spots, batch_dims=1) for x in (g.constant(grid), moves))
    size = g.Gather(info, [1, 0, 1, 0], axis=1)
    limits = g.Unsqueeze(g.Sub(size, np.asarray(plus, np.float32)) if plus else size, [1])
    found = box.clipped(g, layer, box.moved(g, layer, start, moves, (1, 1, 1, 1), plus), limits)
    keep = _large_enough(g, layer, found, info, plus)
    found, values = box.compressed(g, found, keep, 1), box.compressed(g, values, keep, 1)
    limit: Value | int = after if after > 0 else best
    picked = box.survivors(g, found, g.Unsqueeze(values, [1]), plus, limit, layer.real("nms_thresh", 0.7), None)
    order = box.column(g, picked, 2)
    rows = g.Gather(g.Squeeze(found, [0]), order, axis=0)
    return rows, g.Gather(g.Squeeze(values, [0]), order, axis=0)


def _large_enough(g: GraphBuilder, layer: Layer, found: Value, info: Value, plus: int) -> Value:
    """[N]: sides of min_size (in pixels of the original image) or more, and a centre within the picture."""
    low, high = box.columns(g, found, 0, 2), box.columns(g, found, 2, 4)
    sides = g.Add(g.Sub(high, low), np.asarray(plus, np.float32)) if plus else g.Sub(high, low)
    smallest = g.Mul(box.columns(g, info, 2, 3), np.asarray(layer.real("min_size", 16.0), np.float32))
    centre = g.Add(low, g.Mul(sides, np.asarray(0.5, np.float32)))
    inside = g.Less(centre, g.Unsqueeze(g.Gather(info, [1, 0], axis=1), [1]))
    both = g.And(g.GreaterOrEqual(sides, g.Unsqueeze(smallest, [1])), inside)
    whole = g.ReduceMin(g.Cast(both, to=int(I32)), [0, 2], keepdims=0)
    return g.Cast(whole, to=9)


# --- boxes of classes ------------------------------------------------------------------------------------------------


@reads("BBoxTransform")
def bbox_transform(g: GraphBuilder, layer: Layer, rois: Value, deltas: Value, info: Value) -> list[Value]:
    """Offsets [R, 4C] applied to rois [R, 4 or 5] in the original image; then how many rois each image has."""
    layer.rank(rois, 2)
    box.refuse_rotated(layer, rois, (4, 5))
    classes, rest = divmod(layer.size(deltas, 1), 4)
    images = layer.size(info, 0)
    weights = layer.reals("weights") or [1.0] * 4
    if rest or len(weights) != 4 or any(weight == 0 for weight in weights):
        raise layer.malformed(f"its offsets have {layer.size(deltas, 1)} columns, its weights are {weights}")
    with_image = layer.size(rois, 1) == 5
    if not with_image and images != 1:
        raise layer.malformed("its rois do not say to which image they belong")
    image = g.Cast(box.column(g, rois, 0), to=int(I64)) if with_image else None
    mine = g.Gather(info, image, axis=0) if image is not None else info
    scale = box.columns(g, mine, 2, 3)
    corners = g.Div(box.columns(g, rois, 1, 5) if with_image else rois, scale)
    sizes = g.Floor(g.Add(g.Div(g.Gather(mine, [1, 0, 1, 0], axis=1), scale), np.asarray(0.5, np.float32)))
    plus = box.plus_one(layer)
    limits = g.Sub(sizes, np.asarray(plus, np.float32)) if plus else sizes
    moves = g.Reshape(deltas, [-1, classes, 4])
    found = box.moved(g, layer, g.Unsqueeze(corners, [1]), moves, weights, plus)
    found = box.clipped(g, layer, found, g.Unsqueeze(limits, [1]))
    if layer.flag("apply_scale", True):
        found = g.Mul(found, g.Unsqueeze(scale, [1]))
    results = [g.Reshape(found, [-1, 4 * classes])]
    if layer.outputs > 1:
        results.append(_counts(g, rois, image, images))
    return results


def _counts(g: GraphBuilder, rois: Value, image: Value | None, images: int) -> Value:
    """How many rois belong to each image, as floats."""
    if image is None:
        return g.Cast(g.Shape(rois, start=0, end=1), to=int(F32))
    hits = g.Equal(g.Unsqueeze(image, [1]), np.arange(images)[None])
    return g.ReduceSum(g.Cast(hits, to=int(F32)), [0], keepdims=0)


@reads("BoxWithNMSLimit")
def box_with_nms_limit(
    g: GraphBuilder, layer: Layer, scores: Value, found: Value, splits: Value | None = None
) -> list[Value]:
    """Of every class what no better box overlaps, of all classes the best detections_per_im: class by class.

    Outputs: scores, boxes, classes, how many each image has, the places kept, how many each class of an image has.
    """
    if layer.flag("soft_nms_enabled"):
        raise layer.unsupported("soft suppression lowers scores step by step; ONNX has no operator for it")
    images = _images(layer, splits) if splits is not None else 1
    columns = layer.size(scores, 1)
    each = 1 if layer.flag("cls_agnostic_bbox_reg") else columns
    if layer.flag("rotated") or layer.size(found, 1) not in (4 * columns, 4 * each, 4 * (columns - 1)):
        raise layer.unsupported("its boxes are rotated; ONNX knows upright ones only")
    parts: list[list[Value]] = []
    for index in range(images):
        rows = [_of_image(g, layer, x, splits, index, images) for x in (scores, found)]
        parts.append(_limited(g, layer, rows[0], rows[1]))
    joined = [group[0] if images == 1 else g.Concat(*group, axis=0) for group in zip(*parts, strict=True)]
    return joined[: layer.outputs]


def _of_image(g: GraphBuilder, layer: Layer, x: Value, splits: Value | None, index: int, images: int) -> Value:
    """The rows of one image, whose number the splits say."""
    if splits is None or images == 1:
        return x
    ends = g.Cast(g.CumSum(splits, np.asarray(0)), to=int(I64))
    stop = g.Slice(ends, [index], [index + 1], [0])
    start = g.Slice(ends, [index - 1], [index], [0]) if index else g.constant([0])
    y = g.Slice(x, start, stop, [0])
    y.shape = ir.Shape([None, *layer.shape(x)[1:]])
    return y


def _limited(g: GraphBuilder, layer: Layer, scores: Value, found: Value) -> list[Value]:
    columns, plus = layer.size(scores, 1), box.plus_one(layer)
    background = int(layer.flag("input_scores_include_bg_cls", True))
    classes = columns - background
    most, threshold = layer.integer("detections_per_im", 100), layer.real("score_thresh", 0.05)
    by_class = g.Slice(g.Transpose(scores, perm=[1, 0]), [background], [columns], [0])
    boxes = _by_class(g, layer, found, columns, classes)
    limit: Value | int = most if most > 0 else g.Shape(scores, start=0, end=1)
    picked = box.survivors(g, boxes, g.Unsqueeze(by_class, [1]), plus, limit, layer.real("nms", 0.3), threshold)
    groups, places = box.column(g, picked, 0), box.column(g, picked, 2)
    pairs = g.Concat(g.Unsqueeze(groups, [1]), g.Unsqueeze(places, [1]), axis=1)
    values = g.GatherND(by_class, pairs)
    kept = [values, g.GatherND(boxes, pairs), groups, places]
    if most > 0:
        # The last of the best scores, or nothing where there are fewer.
        check_constant(layer, most)
        filled = g.Concat(values, np.full(most, -np.inf, np.float32), axis=0)
        ranked, _ = g.ops("TopK", filled, [most], outputs=2, axis=0)
        enough = g.GreaterOrEqual(values, g.Gather(ranked, [most - 1], axis=0))
        kept = [box.compressed(g, x, enough, 0) for x in kept]
    first = int(layer.flag("output_classes_include_bg_cls", True))
    classes_found = g.Cast(g.Add(kept[2], np.asarray(first)) if first else kept[2], to=int(F32))
    count = g.Cast(g.Shape(kept[0]), to=int(F32))
    hits = g.Equal(g.Unsqueeze(kept[2], [1]), (np.arange(columns) - background)[None])
    sizes = g.ReduceSum(g.Cast(hits, to=int(I32)), [0], keepdims=0)
    return [kept[0], kept[1], classes_found, count, g.Cast(kept[3], to=int(I32)), g.Unsqueeze(sizes, [0])]


def _by_class(g: GraphBuilder, layer: Layer, found: Value, columns: int, classes: int) -> Value:
    """[classes, R, 4]; boxes that know no classes serve all of them, those of the background are left out."""
    have = layer.size(found, 1) // 4
    split = g.Transpose(g.Reshape(found, [-1, have, 4]), perm=[1, 0, 2])
    if layer.flag("cls_agnostic_bbox_reg"):
        first = have - 1
        return g.Gather(split, np.full(classes, first), axis=0)
    skip = have - classes
    return g.Slice(split, [skip], [have], [0]) if skip > 0 else split


# --- levels of a pyramid ---------------------------------------------------------------------------------------------


@reads("CollectRpnProposals")
def collect_rpn_proposals(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Of the rois of all levels those with the best scores."""
    return _collected(g, layer, xs)


def _collected(g: GraphBuilder, layer: Layer, xs: tuple[Value, ...]) -> Value:
    levels = layer.integer("rpn_max_level", 6) - layer.integer("rpn_min_level", 2) + 1
    if levels < 1 or len(xs) != 2 * levels:
        raise layer.malformed(f"it has {len(xs)} inputs for {levels} levels")
    most = layer.integer("rpn_post_nms_topN", 2000)
    rois, scores = g.Concat(*xs[:levels], axis=0), g.Concat(*xs[levels:], axis=0)
    if layer.rank(scores) > 1:
        scores = g.Reshape(scores, [-1])
    count = g.Min(g.Shape(scores), g.constant([max(most, 0)]))
    _, places = g.ops("TopK", scores, count, outputs=2, axis=0)
    return g.Gather(rois, places, axis=0)


@reads("DistributeFpnProposals")
def distribute_fpn_proposals(g: GraphBuilder, layer: Layer, rois: Value) -> list[Value]:
    """The rois of each level of a pyramid, and how to put what comes of them into order again."""
    return _distributed(g, layer, rois)


@reads("CollectAndDistributeFpnRpnProposals")
def collect_and_distribute(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """The best rois of all levels; those of each level; their order."""
    rois = _collected(g, layer, xs)
    return [rois, *_distributed(g, layer, rois)]


def _distributed(g: GraphBuilder, layer: Layer, rois: Value) -> list[Value]:
    low, high = layer.integer("roi_min_level", 2), layer.integer("roi_max_level", 5)
    if not 0 <= low <= high <= low + 32:
        raise layer.malformed(f"its levels run from {low} to {high}")
    levels = _levels(g, layer, rois, low, high)
    parts, order = [], []
    for level in range(low, high + 1):
        mine = g.Equal(levels, np.asarray(level, np.float32))
        places = g.Reshape(g.NonZero(mine), [-1])
        parts.append(g.Gather(rois, places, axis=0))
        order.append(places)
    shuffled = g.Concat(*order, axis=0) if len(order) > 1 else order[0]
    count = g.Shape(shuffled)
    _, restored = g.ops("TopK", shuffled, count, outputs=2, axis=0, largest=0)
    return [*parts, g.Cast(restored, to=int(I32))]


def _levels(g: GraphBuilder, layer: Layer, rois: Value, low: int, high: int) -> Value:
    """floor(canonical level + log2(side / canonical scale + 1e-6)), kept within the levels."""
    plus = np.asarray(box.plus_one(layer), np.float32)
    scale, start = layer.integer("roi_canonical_scale", 224), layer.integer("roi_canonical_level", 4)
    if scale <= 0:
        raise layer.malformed(f"its roi_canonical_scale is {scale}")
    sides = g.Add(g.Sub(box.columns(g, rois, 3, 5), box.columns(g, rois, 1, 3)), plus)
    area = g.Max(g.ReduceProd(sides, [1], keepdims=0), np.asarray(0, np.float32))
    ratio = g.Add(g.Div(g.Sqrt(area), np.asarray(scale, np.float32)), np.asarray(1e-6, np.float32))
    exact = g.Add(g.Div(g.Log(ratio), np.asarray(math.log(2), np.float32)), np.asarray(start, np.float32))
    return g.Clip(g.Floor(exact), np.asarray(low, np.float32), np.asarray(high, np.float32))
