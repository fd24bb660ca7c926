"""Region proposals, and pooling of regions."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.layer import cast
from workers.formats.mxnet.read.boxes import picked, ranked, survivors
from workers.formats.mxnet.read.layer import BOOL, F32, I64, Array, Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, reshaped
from workers.hub.graph import GraphBuilder


@reads("_contrib_Proposal", "_contrib_MultiProposal")
def proposal(g: GraphBuilder, layer: Layer, scores: Value, deltas: Value, info: Value) -> list[Value]:
    """RPN: scores [N, 2A, H, W], offsets [N, 4A, H, W], image sizes [N, 3]; rows (image, x1, y1, x2, y2).

    The best boxes are suppressed greedily; where too few are left they are repeated from the start.
    """
    batch = layer.size(scores, 0)
    if layer.type == "_contrib_Proposal" and batch != 1:
        raise layer.malformed(f"it takes one image, not {batch}")
    if layer.flag("iou_loss", False):
        raise layer.unsupported("its boxes are decoded for the IoU loss (iou_loss), which no known model uses")
    if batch > 64:
        raise layer.unsupported(f"a batch of {batch} images is written out image by image")
    found = []
    for index in range(batch):
        one, moves, size = (_image(g, x, index, batch) for x in (scores, deltas, info))
        found.append(_one_image(g, layer, one, moves, size, index))
    boxes, values = ([pair[part] for pair in found] for part in range(2))
    if batch == 1:
        return [boxes[0], values[0]]
    return [g.Concat(*boxes, axis=0), g.Concat(*values, axis=0)]


def _image(g: GraphBuilder, x: Value, index: int, batch: int) -> Value:
    return x if batch == 1 else g.Slice(x, [index], [index + 1], [0])


def _one_image(
    g: GraphBuilder, layer: Layer, scores: Value, deltas: Value, info: Value, image: int
) -> tuple[Value, Value]:
    """(rows, their scores) of one image, ``rpn_post_nms_top_n`` of them."""
    for x, rank in ((scores, 4), (deltas, 4), (info, 2)):
        layer.rank(x, rank)
    stride = layer.integer("feature_stride", 16)
    if not 1 <= stride <= 2**16:
        raise layer.malformed(f"its feature_stride is {stride}")
    base = _base_anchors(layer, stride)
    height, width = layer.sizes(scores, 2)
    layer.same(layer.size(scores, 1), 2 * len(base), "the number of scores at a place")
    layer.same(layer.size(deltas, 1), 4 * len(base), "the number of offsets at a place")
    total = height * width * len(base)
    check_constant(layer, total * 4)
    limits = g.Squeeze(info, [0])
    real = g.Cast(g.Div(limits, layer.number(info, stride)), to=int(I64))
    value, boxes = _boxes(g, layer, scores, deltas, limits, base, stride)
    value = g.Where(_inside(g, real, height, width, len(base)), value, layer.number(scores, -1))
    value, boxes = _not_small(g, layer, value, boxes, limits)
    before, after = layer.integer("rpn_pre_nms_top_n", 6000), layer.integer("rpn_post_nms_top_n", 300)
    before = min(before, total) if before > 0 else total
    after = after if after > 0 else before
    check_constant(layer, after)
    rows = g.Concat(boxes, g.Unsqueeze(value, [2]), axis=2)
    order = ranked(g, layer, rows, value, g.Expand(np.asarray(True), g.Shape(value)))
    best = g.Slice(order.rows, [0], [before], [1])
    return _kept(g, layer, best, before, after, image)


def _base_anchors(layer: Layer, stride: int) -> Array:
    """Boxes around the first cell: every ratio with every scale, sizes rounded in between as py-faster-rcnn does."""
    found = []
    middle = (stride - 1) / 2
    for ratio in layer.reals("ratios", (0.5, 1, 2)):
        if ratio <= 0:
            raise layer.malformed(f"a ratio is {ratio}")
        root = math.floor(math.sqrt(math.floor(stride * stride / ratio)) + 0.5)
        for scale in layer.reals("scales", (4, 8, 16, 32)):
            width, height = root * scale, math.floor(root * ratio + 0.5) * scale
            reach = ((width - 1) / 2, (height - 1) / 2)
            found.append([middle - reach[0], middle - reach[1], middle + reach[0], middle + reach[1]])
    return np.asarray(found)


def _boxes(
    g: GraphBuilder, layer: Layer, scores: Value, deltas: Value, limits: Value, base: Array, stride: int
) -> tuple[Value, Value]:
    """Scores [1, T] and decoded boxes [1, T, 4] inside the image; T counts rows, columns, then anchors."""
    height, width = layer.sizes(scores, 2)
    count = len(base)
    shifts = np.stack(np.meshgrid(np.arange(width) * stride, np.arange(height) * stride), -1)
    anchors = (np.tile(shifts, 2)[:, :, None] + base).reshape(1, -1, 4).astype(layer.element(scores).numpy())
    value = g.Reshape(g.Transpose(g.Slice(scores, [count], [2 * count], [1]), perm=[0, 2, 3, 1]), [1, -1])
    split = g.Reshape(deltas, [1, count, 4, height, width])
    moves = g.Reshape(g.Transpose(split, perm=[0, 3, 4, 1, 2]), [1, -1, 4])
    low, size = anchors[..., :2], anchors[..., 2:] - anchors[..., :2] + 1
    shift, growth = g.ops("Split", moves, [2, 2], outputs=2, axis=2)
    one, half = layer.number(scores, 1), layer.number(scores, 0.5)
    centre = g.Add(g.Mul(shift, size), (low + 0.5 * (size - 1)).astype(anchors.dtype))
    reach = g.Mul(g.Sub(g.Mul(g.Exp(growth), size), one), half)
    corners = g.Concat(g.Sub(centre, reach), g.Add(centre, reach), axis=2)
    edge = g.Sub(g.Gather(limits, [1, 0, 1, 0], axis=0), one)
    return value, g.Max(g.Min(corners, edge), layer.number(scores, 0))


def _inside(g: GraphBuilder, real: Value, height: int, width: int, count: int) -> Value:
    """[1, T]: whether a cell lies in the image, whose size in cells is ``real``."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    places = (np.repeat(part.ravel(), count)[None].astype(np.int64) for part in (rows, columns))
    within = [g.Less(g.constant(place), g.Gather(real, np.asarray(axis), axis=0)) for axis, place in enumerate(places)]
    return g.And(*within)


def _not_small(g: GraphBuilder, layer: Layer, value: Value, boxes: Value, limits: Value) -> tuple[Value, Value]:
    """Boxes with a side under ``rpn_min_size`` (in pixels of the original image) lose their score and grow by that."""
    one = layer.number(value, 1)
    smallest = g.Mul(g.Gather(limits, np.asarray(2), axis=0), layer.number(value, layer.integer("rpn_min_size", 16)))
    low, high = g.ops("Split", boxes, [2, 2], outputs=2, axis=2)
    sides = g.Add(g.Sub(high, low), one)
    small = cast(g, g.ReduceMax(g.Cast(g.Less(sides, smallest), to=int(F32)), [2], keepdims=0), BOOL)
    half = g.Mul(smallest, layer.number(value, 0.5))
    grown = g.Concat(g.Sub(low, half), g.Add(high, half), axis=2)
    return g.Where(small, layer.number(value, -1), value), g.Where(g.Unsqueeze(small, [2]), grown, boxes)


def _kept(g: GraphBuilder, layer: Layer, rows: Value, before: int, after: int, image: int) -> tuple[Value, Value]:
    """Greedy suppression with widths that count both ends; the rows left, repeated to ``after``."""
    boxes = g.Slice(rows, [0], [4], [2])
    ends = g.Add(boxes, np.asarray([0, 0, 1, 1]).astype(layer.element(rows).numpy()))
    everyone = g.Expand(np.asarray(True), g.constant(np.asarray([1, before])))
    kept = survivors(g, layer, ends, everyone, None, layer.real("threshold", 0.7), [before], limit=min(after, before))
    places = g.Squeeze(g.NonZero(g.Squeeze(kept, [0])), [0])
    turn = g.Mod(g.constant(np.arange(after)), g.Shape(places))
    chosen = picked(g, layer, rows, g.Unsqueeze(g.Gather(places, turn, axis=0), [0]))
    found = reshaped(g, layer, chosen, [after, 5])
    box, score = g.ops("Split", found, [4, 1], outputs=2, axis=1)
    number = g.constant(np.full((after, 1), image).astype(layer.element(rows).numpy()))
    return g.Concat(number, box, axis=1), score


# --- pooling of regions ----------------------------------------------------------------------------------------------


def _pooled_size(layer: Layer) -> list[int]:
    size = list(layer.integers("pooled_size"))
    size = size * 2 if len(size) == 1 else size
    if len(size) != 2 or any(not 1 <= side <= 4096 for side in size):
        raise layer.malformed(f"its pooled_size is {size}")
    return size


@reads("ROIPooling", "_npx_roi_pooling")
def roi_pooling(g: GraphBuilder, layer: Layer, x: Value, rois: Value) -> Value:
    """Maxima over the cells of regions (image, x1, y1, x2, y2), whose ends are rounded and count."""
    layer.rank(x, 4)
    layer.rank(rois, 2)
    layer.same(layer.size(rois, 1), 5, "the number of columns of a region")
    return g.MaxRoiPool(x, rois, pooled_shape=_pooled_size(layer), spatial_scale=layer.real("spatial_scale"))


@reads("_contrib_ROIAlign")
def roi_align(g: GraphBuilder, layer: Layer, x: Value, rois: Value) -> Value:
    """Averages of bilinear samples; without ``aligned`` a region is at least one cell large and not shifted by half."""
    if layer.flag("position_sensitive", False):
        raise layer.unsupported("ONNX's RoiAlign is not position-sensitive")
    layer.rank(x, 4)
    layer.rank(rois, 2)
    layer.same(layer.size(rois, 1), 5, "the number of columns of a region")
    size = _pooled_size(layer)
    number, boxes = g.ops("Split", rois, [1, 4], outputs=2, axis=1)
    return g.RoiAlign(
        x, boxes, g.Cast(g.Squeeze(number, [1]), to=int(I64)), output_height=size[0], output_width=size[1],
        sampling_ratio=max(layer.integer("sample_ratio", -1), 0), spatial_scale=layer.real("spatial_scale"), mode="avg",
        coordinate_transformation_mode="half_pixel" if layer.flag("aligned", False) else "output_half_pixel",
    )  # fmt: skip


reads.refuse(
    "ONNX has no position-sensitive pooling of regions", "_contrib_PSROIPooling", "_contrib_DeformablePSROIPooling"
)
reads.refuse("ONNX has no pooling of rotated regions", "_contrib_RROIAlign")
