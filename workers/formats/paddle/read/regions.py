"""Region proposals, and pooling of regions."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.paddle.read.boxes import centred, survivors, widened
from workers.formats.paddle.read.layer import F32, I32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.recurrent import one_sequence
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

GROWTH = math.log(1000.0 / 16.0)


# --- pooling ----------------------------------------------------------------------------------------------------------


def pictures_of(g: GraphBuilder, layer: Layer, rois: Value, counts: Value | None) -> Value:
    """Which picture every region belongs to, [R]: counts say how many each picture has."""
    size = g.Shape(rois, start=0, end=1)
    if counts is None:
        one_sequence(layer)
        return g.Expand(np.asarray(0, np.int64), size)
    ends = g.CumSum(cast(g, counts, I64), np.asarray(0))
    steps = g.Range(np.asarray(0), g.Squeeze(size, [0]), np.asarray(1))
    past = g.GreaterOrEqual(g.Unsqueeze(steps, [1]), g.Unsqueeze(ends, [0]))
    return g.ReduceSum(g.Cast(past, to=int(I64)), [1], keepdims=0)


def _pooled(layer: Layer) -> tuple[int, int]:
    size = layer.integer("pooled_height", 1), layer.integer("pooled_width", 1)
    if any(not 1 <= side <= 4096 for side in size):
        raise layer.malformed(f"its regions become {size[0]}x{size[1]}")
    return size


@reads("roi_align")
def roi_align(g: GraphBuilder, layer: Layer) -> Value:
    """Averages of bilinear samples; without ``aligned`` a region is at least one cell large and not shifted."""
    x, rois = layer.x(), layer.x("ROIs")
    layer.rank(x, 4)
    height, width = _pooled(layer)
    return g.RoiAlign(
        x, rois, pictures_of(g, layer, rois, layer.maybe("RoisNum")), output_height=height, output_width=width,
        sampling_ratio=max(layer.integer("sampling_ratio", -1), 0), spatial_scale=layer.real("spatial_scale", 1.0),
        mode="avg", coordinate_transformation_mode="half_pixel" if layer.flag("aligned") else "output_half_pixel",
    )  # fmt: skip


@reads("roi_pool")
def roi_pool(g: GraphBuilder, layer: Layer) -> Value:
    """Maxima over the cells of regions whose ends are rounded and count."""
    x, rois = layer.x(), layer.x("ROIs")
    layer.rank(x, 4)
    number = g.Unsqueeze(g.Cast(pictures_of(g, layer, rois, layer.maybe("RoisNum")), to=int(layer.element(rois))), [1])
    return g.MaxRoiPool(x, g.Concat(number, rois, axis=1), pooled_shape=list(_pooled(layer)),
                        spatial_scale=layer.real("spatial_scale", 1.0))  # fmt: skip


# --- proposals --------------------------------------------------------------------------------------------------------


@reads("generate_proposals", "generate_proposals_v2")
def generate_proposals(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The best boxes of every picture, decoded, clipped, freed of small and of overlapping ones.

    Where nothing is left of a picture Paddle gives one empty box, here none.
    """
    if layer.real("eta", 1.0) < 1:
        raise layer.unsupported("its threshold adapts (eta), which ONNX's NonMaxSuppression does not do")
    boxes, value, fits = _candidates(g, layer)
    limit, after = layer.real("nms_thresh", 0.5), layer.integer("post_nms_topN", 1000)
    if limit > 0:
        worst = layer.number(value, -np.inf)
        best = survivors(g, widened(g, layer, boxes, not _offset(layer)), g.Unsqueeze(g.Where(fits, value, worst), [1]),
                         limit, float(np.finfo(np.float32).min), after if after > 0 else 2**31 - 1)  # fmt: skip
        kept = g.Gather(best, [0, 2], axis=1)
    else:
        kept = g.Transpose(g.NonZero(fits), perm=[1, 0])
    pictures = g.Range(np.asarray(0), g.Squeeze(g.Shape(value, start=0, end=1), [0]), np.asarray(1))
    mine = g.Equal(g.Slice(kept, [0], [1], [1]), g.Unsqueeze(pictures, [0]))
    counts = g.ReduceSum(g.Cast(mine, to=int(I32)), [0], keepdims=0)
    return {"RpnRois": g.GatherND(boxes, kept), "RpnRoiProbs": g.Unsqueeze(g.GatherND(value, kept), [1]),
            "RpnRoisNum": counts}  # fmt: skip


def _candidates(g: GraphBuilder, layer: Layer) -> tuple[Value, Value, Value]:
    """The boxes with the best scores [N, R, 4], their scores [N, R], and whether they are large enough."""
    scores, deltas = layer.x("Scores"), layer.x("BboxDeltas")
    info = layer.x("ImShape") if layer.op.inputs.get("ImShape") else layer.x("ImInfo")
    layer.rank(scores, 4)
    batch = layer.shape(scores)[0]
    anchors, height, width = layer.sizes(scores, 1)
    total = anchors * height * width
    value = reshaped(g, layer, g.Transpose(scores, perm=[0, 2, 3, 1]), [batch, total])
    offsets = reshaped(g, layer, deltas, [batch, anchors, 4, height, width])
    offsets = reshaped(g, layer, g.Transpose(offsets, perm=[0, 3, 4, 1, 2]), [batch, total, 4])
    priors = reshaped(g, layer, layer.x("Anchors"), [total, 4])
    variances = layer.maybe("Variances")
    if variances is not None:
        offsets = g.Mul(offsets, reshaped(g, layer, variances, [total, 4]))
    before = layer.integer("pre_nms_topN", 6000)
    before = min(before, total) if before > 0 else total
    value, places = g.ops("TopK", value, [before], outputs=2, axis=1)
    wide = g.Expand(g.Unsqueeze(places, [2]), [1, 1, 4])
    rows: list[Dim] = [times([batch, before]), 4]
    chosen = reshaped(g, layer, g.GatherElements(offsets, wide, axis=1), rows)
    info = g.Expand(g.Unsqueeze(info, [1]), [1, before, 1])
    info = reshaped(g, layer, info, [rows[0], layer.size(info, 2)])
    anchor = reshaped(g, layer, g.Gather(priors, places, axis=0), rows)
    boxes = _decoded(g, layer, chosen, anchor, info)
    fits = _large_enough(g, layer, boxes, info)
    return reshaped(g, layer, boxes, [batch, before, 4]), value, reshaped(g, layer, fits, [batch, before])


def _offset(layer: Layer) -> float:
    """1 where both ends of a box count: in the first version always."""
    return 1.0 if layer.flag("pixel_offset", True) else 0.0


def _decoded(g: GraphBuilder, layer: Layer, offsets: Value, priors: Value, info: Value) -> Value:
    """Corners inside of the picture."""
    more = _offset(layer)
    centre, size = centred(g, layer, priors, more)
    shift, growth = g.ops("Split", offsets, [2, 2], outputs=2, axis=1)
    middle = g.Add(g.Mul(shift, size), centre)
    half = g.Mul(g.Mul(g.Exp(g.Min(growth, layer.number(priors, GROWTH))), size), layer.number(priors, 0.5))
    high = g.Add(middle, half)
    high = g.Sub(high, layer.number(priors, more)) if more else high
    corners = g.Concat(g.Sub(middle, half), high, axis=1)
    edge = g.Gather(cast(g, info, F32), [1, 0, 1, 0], axis=1)
    edge = g.Sub(edge, layer.number(priors, more)) if more else edge
    return g.Max(g.Min(corners, edge), layer.number(priors, 0))


def _large_enough(g: GraphBuilder, layer: Layer, boxes: Value, info: Value) -> Value:
    """[R]: sides of at least ``min_size``, in pixels of the original picture in the first version."""
    more = _offset(layer)
    low, high = g.ops("Split", boxes, [2, 2], outputs=2, axis=1)
    sides = g.Sub(high, low)
    smallest = layer.number(boxes, max(layer.real("min_size", 0.1), 1.0))
    wide = g.Add(sides, layer.number(boxes, more)) if more else sides
    tested = wide
    if layer.op.type == "generate_proposals":
        tested = g.Add(g.Div(sides, g.Slice(info, [2], [3], [1])), layer.number(boxes, 1))
    fits = g.GreaterOrEqual(tested, smallest)
    if more:
        middle = g.Add(low, g.Mul(wide, layer.number(boxes, 0.5)))
        fits = g.And(fits, g.LessOrEqual(middle, g.Gather(cast(g, info, F32), [1, 0], axis=1)))
    both = g.ReduceMin(g.Cast(fits, to=int(I32)), [1], keepdims=0)
    return g.Cast(both, to=9)


# --- levels -----------------------------------------------------------------------------------------------------------


@reads("distribute_fpn_proposals")
def distribute_fpn_proposals(g: GraphBuilder, layer: Layer) -> dict[str, Value | list[Value]]:
    """Regions to the levels of a pyramid by their size, and the way back into their order."""
    rois, counts = layer.x("FpnRois"), layer.maybe("RoisNum")
    low, high = layer.integer("min_level"), layer.integer("max_level")
    if not 0 <= low <= high < low + 64:
        raise layer.malformed(f"its levels go from {low} to {high}")
    more = 1.0 if layer.flag("pixel_offset", True) else 0.0
    _, size = centred(g, layer, rois, more)
    side = g.Sqrt(g.ReduceProd(size, [1], keepdims=0))
    scale = layer.number(rois, max(layer.integer("refer_scale"), 1))
    ratio = g.Add(g.Div(side, scale), layer.number(rois, 1e-6))
    level = g.Add(
        g.Div(g.Log(ratio), layer.number(rois, math.log(2))), layer.number(rois, layer.integer("refer_level"))
    )
    level = g.Clip(g.Floor(level), layer.number(rois, low), layer.number(rois, high))
    pictures = pictures_of(g, layer, rois, counts)
    number = g.Shape(counts) if counts is not None else g.constant([1])
    parts, orders, many = [], [], []
    for step in range(low, high + 1):
        here = g.Equal(level, layer.number(rois, step))
        places = g.Squeeze(g.NonZero(here), [0])
        parts.append(g.Gather(rois, places, axis=0))
        orders.append(places)
        mine = g.Gather(pictures, places, axis=0)
        lines = g.Range(np.asarray(0), g.Squeeze(number, [0]), np.asarray(1))
        same = g.Equal(g.Unsqueeze(mine, [1]), g.Unsqueeze(lines, [0]))
        many.append(g.ReduceSum(g.Cast(same, to=int(I32)), [0], keepdims=0))
    order = orders[0] if len(orders) == 1 else g.Concat(*orders, axis=0)
    steps = g.Range(np.asarray(0), g.Squeeze(g.Shape(order), [0]), np.asarray(1))
    back = g.ScatterElements(g.Mul(order, np.asarray(0)), order, steps, axis=0)
    found: dict[str, Value | list[Value]] = {
        "MultiFpnRois": parts, "RestoreIndex": g.Cast(g.Unsqueeze(back, [1]), to=int(I32)), "MultiLevelRoIsNum": many,
    }  # fmt: skip
    return {slot: values for slot, values in found.items() if layer.wants(slot)}


@reads("collect_fpn_proposals")
def collect_fpn_proposals(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """The best regions of all levels, in the order of their pictures."""
    rois, scores, counts = layer.all("MultiLevelRois"), layer.all("MultiLevelScores"), layer.all("MultiLevelRoIsNum")
    if not rois or len(rois) != len(scores) or (counts and len(counts) != len(rois)):
        raise layer.malformed(f"it has {len(rois)} lists of regions for {len(scores)} of scores")
    known: list[Value | None] = [*counts] if counts else [None for _ in rois]
    owners = [pictures_of(g, layer, x, count) for x, count in zip(rois, known, strict=True)]
    boxes, value, owner = (parts[0] if len(parts) == 1 else g.Concat(*parts, axis=0) for parts in
                           (rois, [g.Reshape(x, [-1]) for x in scores], owners))  # fmt: skip
    count = g.Min(g.Shape(value), [max(layer.integer("post_nms_topN"), 0)])
    _, places = g.ops("TopK", value, count, outputs=2, axis=0)
    mine = g.Gather(owner, places, axis=0)
    ranks = g.Range(np.asarray(0), g.Squeeze(count, [0]), np.asarray(1))
    _, order = g.ops("TopK", g.Add(g.Mul(mine, count), ranks), count, outputs=2, axis=0, largest=0)
    result = {"FpnRois": g.Gather(boxes, g.Gather(places, order, axis=0), axis=0)}
    if counts:
        lines = g.Range(np.asarray(0), g.Squeeze(g.Shape(counts[0]), [0]), np.asarray(1))
        same = g.Equal(g.Unsqueeze(mine, [1]), g.Unsqueeze(lines, [0]))
        result["RoisNum"] = g.ReduceSum(g.Cast(same, to=int(I32)), [0], keepdims=0)
    return result
