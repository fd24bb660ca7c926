"""MultiBoxDetection, the last layer of SSD."""

from __future__ import annotations

import numpy as np

from workers.formats.layer import cast
from workers.formats.mxnet.read.boxes import below, leading, picked, ranked, survivors
from workers.formats.mxnet.read.layer import F32, Layer, Value, reads
from workers.formats.mxnet.read.shaping import reshaped
from workers.hub.graph import GraphBuilder


@reads("_contrib_MultiBoxDetection", "_npx_multibox_detection")
def multibox_detection(g: GraphBuilder, layer: Layer, scores: Value, loc: Value, anchors: Value) -> Value:
    """Rows (class, score, x1, y1, x2, y2) [N, A, 6] from scores [N, C, A], offsets [N, 4A] and anchors [1, A, 4].

    A box has the best class but the first; below the threshold it is dropped. Rows are in the order of scores; those
    suppressed have class -1, those behind ``nms_topk`` keep the order of anchors with class -1, the rest are all -1.
    """
    layer.rank(scores, 3)
    count = layer.size(anchors, 1)
    layer.same(layer.shape(scores)[2], count, "the number of anchors")
    if layer.size(scores, 1) < 2:
        raise layer.malformed("there is no class but the background")
    rows, valid = _rows(g, layer, scores, loc, anchors, count)
    best = g.Gather(rows, np.asarray(1), axis=2)
    threshold, top = layer.real("nms_threshold", 0.5), layer.integer("nms_topk", -1)
    if not 0 < threshold <= 1:
        return _compact(g, layer, rows, valid, count)
    order = ranked(g, layer, rows, best, valid)
    taking_part = order.valid
    limited = 0 < top < count
    if limited:
        taking_part = g.And(taking_part, leading(g, order.count, top))
    classes = None if layer.flag("force_suppress", False) else g.Gather(order.rows, np.asarray(0), axis=2)
    boxes = g.Slice(order.rows, [2], [6], [2])
    kept = survivors(g, layer, boxes, taking_part, classes, below(threshold), order.count)
    shown = _without_class(g, layer, order.rows, kept)
    if limited:
        behind = _without_class(g, layer, _compact(g, layer, rows, valid, count), None)
        shown = g.Where(g.Unsqueeze(leading(g, order.count, top), [2]), shown, behind)
    return g.Where(g.Unsqueeze(order.valid, [2]), shown, layer.number(rows, -1))


def _rows(g: GraphBuilder, layer: Layer, scores: Value, loc: Value, anchors: Value, count: int) -> tuple[Value, Value]:
    """All rows in the order of anchors, and which of them count."""
    classes = g.Slice(scores, [1], [layer.size(scores, 1)], [1])
    best, label = g.ops("TopK", classes, [1], outputs=2, axis=1)
    best, label = (g.Transpose(part, perm=[0, 2, 1]) for part in (best, label))
    valid = g.Squeeze(g.Not(g.Less(best, layer.number(best, layer.real("threshold", 0.01)))), [2])
    rows = g.Concat(cast(g, label, layer.element(best)), best, _decoded(g, layer, loc, anchors, count), axis=2)
    return rows, valid


def _decoded(g: GraphBuilder, layer: Layer, loc: Value, anchors: Value, count: int) -> Value:
    """Corners [N, A, 4]: offsets times variances, in units of the anchors."""
    variances = layer.reals("variances", (0.1, 0.1, 0.2, 0.2))
    if len(variances) != 4:
        raise layer.malformed(f"it has {len(variances)} variances; four are needed")
    moves = reshaped(g, layer, loc, [layer.shape(loc)[0], count, 4])
    moves = g.Mul(moves, g.constant(np.asarray(variances).astype(layer.element(loc).numpy())))
    shift, growth = g.ops("Split", moves, [2, 2], outputs=2, axis=2)
    low, high = g.ops("Split", anchors, [2, 2], outputs=2, axis=2)
    size = g.Sub(high, low)
    half = layer.number(loc, 0.5)
    centre = g.Add(g.Mul(shift, size), g.Mul(g.Add(low, high), half))
    reach = g.Mul(g.Mul(g.Exp(growth), size), half)
    corners = g.Concat(g.Sub(centre, reach), g.Add(centre, reach), axis=2)
    return g.Clip(corners, layer.number(loc, 0), layer.number(loc, 1)) if layer.flag("clip", True) else corners


def _without_class(g: GraphBuilder, layer: Layer, rows: Value, kept: Value | None) -> Value:
    """Class -1 where a row was not kept; with None everywhere."""
    label, rest = g.ops("Split", rows, [1, 5], outputs=2, axis=2)
    none = layer.number(rows, -1)
    label = g.Where(g.Unsqueeze(kept, [2]), label, none) if kept is not None else g.Expand(none, g.Shape(label))
    return g.Concat(label, rest, axis=2)


def _compact(g: GraphBuilder, layer: Layer, rows: Value, valid: Value, count: int) -> Value:
    """The rows that count, in the order of anchors, then rows of -1."""
    key = g.Mul(g.Cast(valid, to=int(F32)), g.constant((count - np.arange(count, dtype=np.float32))[None]))
    _, places = g.ops("TopK", key, [count], outputs=2, axis=1)
    there = g.GatherElements(valid, places, axis=1)
    return g.Where(g.Unsqueeze(there, [2]), picked(g, layer, rows, places), layer.number(rows, -1))


reads.refuse(
    "it assigns targets to anchors and serves training only: name the outputs for inference in the option 'outputs'",
    "_contrib_MultiBoxTarget", "_npx_multibox_target", "_contrib_bipartite_matching", "_contrib_box_encode",
)  # fmt: skip
