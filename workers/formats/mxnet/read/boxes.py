"""What detectors do with boxes: default boxes, decoding, overlaps, suppression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import BOOL, F32, I64, Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, reshaped, size_of
from workers.hub.graph import GraphBuilder

LOWEST = float(np.finfo(np.float32).min)


# --- default boxes ---------------------------------------------------------------------------------------------------


@reads("_contrib_MultiBoxPrior", "_npx_multibox_prior")
def multibox_prior(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[1, H*W*k, 4] corners: every size with the first ratio, then the first size with the other ratios.

    Widths are size * H/W * sqrt(ratio), heights size / sqrt(ratio), relative to the image.
    """
    layer.rank(x, 4)
    height, width = layer.sizes(x, 2)
    sizes, ratios = layer.reals("sizes", (1.0,)), layer.reals("ratios", (1.0,))
    steps, offsets = layer.reals("steps", (-1.0, -1.0)), layer.reals("offsets", (0.5, 0.5))
    if len(steps) != 2 or len(offsets) != 2 or any(ratio <= 0 for ratio in ratios) or min(height, width) < 1:
        raise layer.malformed("its sizes, ratios, steps or offsets make no sense")
    step_y, step_x = (step if step > 0 else 1 / side for step, side in zip(steps, (height, width), strict=True))
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    check_constant(layer, height * width * len(shapes) * 4)
    halves = np.asarray(
        [(size * height / width * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2) for size, ratio in shapes]
    )
    across, down = (np.arange(width) + offsets[1]) * step_x, (np.arange(height) + offsets[0]) * step_y
    centre_x, centre_y = np.meshgrid(across, down)
    centre = np.stack([centre_x, centre_y], -1)[:, :, None]
    corners = np.concatenate([centre - halves, centre + halves], -1).reshape(1, -1, 4)
    corners = corners.clip(0, 1) if layer.flag("clip", False) else corners
    return g.weight(f"{layer.name}.boxes", corners.astype(layer.element(x).numpy()))


# --- decoding and overlaps -------------------------------------------------------------------------------------------


def _split4(g: GraphBuilder, x: Value) -> list[Value]:
    return g.ops("Split", x, [1, 1, 1, 1], outputs=4, axis=-1)


def to_center(g: GraphBuilder, layer: Layer, boxes: Value) -> Value:
    """Corners to centre and size."""
    x1, y1, x2, y2 = _split4(g, boxes)
    half = layer.number(boxes, 0.5)
    return g.Concat(g.Mul(g.Add(x1, x2), half), g.Mul(g.Add(y1, y2), half), g.Sub(x2, x1), g.Sub(y2, y1), axis=-1)


def to_corner(g: GraphBuilder, layer: Layer, boxes: Value) -> Value:
    """Centre and size to corners."""
    centre, size = g.ops("Split", boxes, [2, 2], outputs=2, axis=-1)
    half = g.Mul(size, layer.number(boxes, 0.5))
    return g.Concat(g.Sub(centre, half), g.Add(centre, half), axis=-1)


def _format(layer: Layer, key: str) -> str:
    found = layer.word(key, "corner")
    if found not in ("corner", "center"):
        raise layer.malformed(f"its {key} is {found!r}")
    return found


@reads("_contrib_box_decode")
def box_decode(g: GraphBuilder, layer: Layer, x: Value, anchors: Value) -> Value:
    """Offsets times their standard deviations, applied to anchors in centre form; corners."""
    stds = g.constant(np.asarray([layer.real(f"std{place}", 1) for place in range(4)]).astype(layer.element(x).numpy()))
    if layer.word("format", "center") == "corner":
        anchors = to_center(g, layer, anchors)
    shift, growth = g.ops("Split", g.Mul(x, stds), [2, 2], outputs=2, axis=-1)
    centre, size = g.ops("Split", anchors, [2, 2], outputs=2, axis=-1)
    limit = layer.real("clip", -1)
    if limit > 0:
        growth = g.Min(growth, layer.number(x, limit))
    half = g.Mul(g.Mul(g.Exp(growth), size), layer.number(x, 0.5))
    middle = g.Add(g.Mul(shift, size), centre)
    return g.Concat(g.Sub(middle, half), g.Add(middle, half), axis=-1)


@reads("_contrib_box_iou")
def box_iou(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """Every box of the first with every box of the second: [..., ...]."""
    if _format(layer, "format") == "center":
        a, b = to_corner(g, layer, a), to_corner(g, layer, b)
    ra, rb = layer.rank(a, *range(1, 9)), layer.rank(b, *range(1, 9))
    zero = layer.number(a, 0)
    areas = [_area(g, layer, box) for box in (a, b)]
    a = g.Unsqueeze(a, list(range(ra - 1, ra - 1 + rb - 1))) if rb > 1 else a
    areas[0] = g.Unsqueeze(areas[0], list(range(ra - 1, ra - 1 + rb - 1))) if rb > 1 else areas[0]
    low = g.Max(*(_half(g, box, 0) for box in (a, b)))
    high = g.Min(*(_half(g, box, 1) for box in (a, b)))
    sides = g.Max(g.Sub(high, low), zero)
    common = g.ReduceProd(sides, [-1], keepdims=0)
    union = g.Sub(g.Add(areas[0], areas[1]), common)
    real = g.Greater(union, zero)
    return g.Where(real, g.Div(common, g.Where(real, union, layer.number(a, 1))), zero)


def _half(g: GraphBuilder, boxes: Value, which: int) -> Value:
    return g.Slice(boxes, [2 * which], [2 * which + 2], [-1])


def _area(g: GraphBuilder, layer: Layer, boxes: Value) -> Value:
    sides = g.Max(g.Sub(_half(g, boxes, 1), _half(g, boxes, 0)), layer.number(boxes, 0))
    return g.ReduceProd(sides, [-1], keepdims=0)


# --- suppression -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows in falling order of their scores. ``valid``: those that take part; ``count``: how many rows an image has."""

    rows: Value
    valid: Value
    count: Value | list[int]


def ranked(g: GraphBuilder, layer: Layer, rows: Value, scores: Value, valid: Value) -> Ranked:
    """``rows`` [B, N, K] in the order of ``scores`` [B, N]; rows that are not valid come last."""
    count = size_of(g, layer, scores, 1)
    key = g.Where(valid, scores, layer.number(scores, -math.inf))
    _, places = g.ops("TopK", key, count, outputs=2, axis=1)
    return Ranked(picked(g, layer, rows, places), g.GatherElements(valid, places, axis=1), count)


def picked(g: GraphBuilder, layer: Layer, rows: Value, places: Value) -> Value:
    """Rows [B, N, K] at ``places`` [B, M]."""
    return g.GatherND(rows, g.Unsqueeze(places, [2]), batch_dims=1)


def leading(g: GraphBuilder, count: Value | list[int], limit: int) -> Value:
    """[1, N]: whether a row is among the first ``limit``."""
    places = g.Unsqueeze(_counting(g, count), [0])
    return g.Less(places, np.asarray(limit))


def _counting(g: GraphBuilder, count: Value | list[int]) -> Value:
    if isinstance(count, list):
        return g.constant(np.arange(count[0]))
    return g.Range(np.asarray(0), g.Squeeze(count, [0]), np.asarray(1))


def survivors(
    g: GraphBuilder, layer: Layer, boxes: Value, taking_part: Value, classes: Value | None, threshold: float,
    count: Value | list[int], limit: int | None = None,
) -> Value:  # fmt: skip
    """Which of the ranked boxes [B, N, 4] greedy suppression keeps, as booleans [B, N].

    Scores are replaced by falling whole numbers, so that equal ones stay in order; with ``classes`` [B, N] boxes
    suppress those of their own class only.
    """
    falling = g.Cast(g.Sub(g.Squeeze(count, [0]) if not isinstance(count, list) else np.asarray(count[0]),
                           _counting(g, count)), to=int(F32))  # fmt: skip
    marks = g.Where(taking_part, g.Unsqueeze(falling, [0]), np.asarray(0, np.float32))
    scores = g.Unsqueeze(marks, [1]) if classes is None else _by_class(g, marks, taking_part, classes)
    most = np.asarray(limit if limit is not None else 2**31 - 1)
    chosen = g.NonMaxSuppression(
        cast(g, boxes, F32), scores, most, np.asarray(threshold, np.float32), np.asarray(0, np.float32)
    )
    image, _, place = g.ops("Split", chosen, [1, 1, 1], outputs=3, axis=1)
    none = g.Cast(g.Mul(marks, np.asarray(0, np.float32)), to=int(I64))
    ones = g.Expand(1, g.Shape(chosen, end=1))
    return cast(g, g.ScatterND(none, g.Concat(image, place, axis=1), ones), BOOL)


def _by_class(g: GraphBuilder, marks: Value, taking_part: Value, classes: Value) -> Value:
    """[B, C, N]: every row's mark in the line of its class, as many lines as the data has classes."""
    whole = g.Cast(g.Where(taking_part, g.Cast(classes, to=int(F32)), np.asarray(0, np.float32)), to=int(I64))
    first = g.ReduceMin(whole, keepdims=0)
    lines = g.Range(first, g.Add(g.ReduceMax(whole, keepdims=0), np.asarray(1)), np.asarray(1))
    mine = g.Equal(g.Unsqueeze(whole, [1]), g.Unsqueeze(lines, [0, 2]))
    return g.Where(mine, g.Unsqueeze(marks, [1]), np.asarray(0, np.float32))


def below(threshold: float) -> float:
    """The largest float32 under ``threshold``: ``overlap >= threshold`` in terms of ``overlap > x``."""
    return float(np.nextafter(np.float32(threshold), np.float32(-1)))


@reads("_contrib_box_nms", "_contrib_box_non_maximum_suppression")
def box_nms(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[..., N, K] rows; those that survive come first, by score, all others become -1."""
    have = layer.shape(x)
    layer.rank(x, *range(2, 9))
    width = layer.sizes(x, -1)[0]
    start, score = layer.integer("coord_start", 2), layer.integer("score_index", 1)
    label = layer.integer("id_index", -1)
    if not 0 <= start <= width - 4 or not 0 <= score < width or label >= width:
        raise layer.malformed(f"its columns lie outside rows of {width}")
    rows = reshaped(g, layer, x, [times(have[:-2]), have[-2], width])
    scores = _column(g, rows, score)
    valid = g.Greater(scores, layer.number(x, layer.real("valid_thresh", 0)))
    background = layer.integer("background_id", -1)
    if label >= 0 and background >= 0:
        valid = g.And(valid, g.Not(g.Equal(_column(g, rows, label), layer.number(x, background))))
    order = ranked(g, layer, rows, scores, valid)
    taking_part, top = order.valid, layer.integer("topk", -1)
    if top > 0:
        taking_part = g.And(taking_part, leading(g, order.count, top))
    boxes = g.Slice(order.rows, [start], [start + 4], [2])
    if _format(layer, "in_format") == "center":
        boxes = to_corner(g, layer, boxes)
    by_class = label >= 0 and not layer.flag("force_suppress", False)
    kept = survivors(
        g, layer, boxes, taking_part, _column(g, order.rows, label) if by_class else None,
        layer.real("overlap_thresh", 0.5), order.count,
    )  # fmt: skip
    return reshaped(g, layer, _front(g, layer, _converted(g, layer, order.rows, start), kept, order.count), have)


def _column(g: GraphBuilder, rows: Value, place: int) -> Value:
    return g.Gather(rows, np.asarray(place), axis=2)


def _converted(g: GraphBuilder, layer: Layer, rows: Value, start: int) -> Value:
    """Boxes in the form that is asked for."""
    source, target = _format(layer, "in_format"), _format(layer, "out_format")
    if source == target:
        return rows
    width = layer.sizes(rows, 2)[0]
    boxes = g.Slice(rows, [start], [start + 4], [2])
    boxes = to_corner(g, layer, boxes) if target == "corner" else to_center(g, layer, boxes)
    parts = [g.Slice(rows, [0], [start], [2])] if start else []
    tail = [g.Slice(rows, [start + 4], [width], [2])] if start + 4 < width else []
    return g.Concat(*parts, boxes, *tail, axis=2)


def _front(g: GraphBuilder, layer: Layer, rows: Value, kept: Value, count: Value | list[int]) -> Value:
    """The kept rows first, in their order, then rows of -1."""
    number = g.Sub(g.Squeeze(count, [0]) if not isinstance(count, list) else np.asarray(count[0]), _counting(g, count))
    key = g.Where(kept, g.Unsqueeze(number, [0]), np.asarray(0))
    _, places = g.ops("TopK", key, count, outputs=2, axis=1)
    first = g.GatherElements(kept, places, axis=1)
    return g.Where(g.Unsqueeze(first, [2]), picked(g, layer, rows, places), layer.number(rows, -1))
