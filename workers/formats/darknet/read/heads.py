"""Detection heads: the layer's tensor after its activations, and what ``decode`` makes of it."""

from __future__ import annotations

import numpy as np

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.activation import tree_softmax
from workers.formats.darknet.read.decode import Boxes, decoded, grid
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


def _planes(g: GraphBuilder, layer: Layer, x: Value, anchors: int, entries: int) -> Value:
    """The input as [N, anchors, entries, H, W]."""
    x = layer.image(g, x)
    channels, height, width = layer.sizes(x)
    if channels != anchors * entries:
        raise layer.malformed(
            f"its input has {channels} channels where {anchors} anchors of {entries} values need {anchors * entries}"
        )
    return g.Reshape(x, [0, anchors, entries, height, width])


def _back(g: GraphBuilder, layer: Layer, parts: list[Value]) -> Value:
    """Parts of [N, anchors, entries, H, W] joined again into [N, C, H, W]."""
    joined = g.Concat(*parts, axis=2) if len(parts) > 1 else parts[0]
    anchors, entries, height, width = layer.sizes(joined)
    return g.Reshape(joined, [0, anchors * entries, height, width])


def _mask(layer: Layer) -> list[int]:
    """Which of the ``num`` anchors the head has: ``mask``, or all of them."""
    total = layer.positive("num")
    mask = layer.indices("mask") or list(range(min(total, 10_000)))
    if any(not 0 <= index < total for index in mask):
        raise layer.malformed(f"its mask names anchors beyond the {total} that num gives")
    return mask


def anchors_of(layer: Layer, mask: list[int]) -> Array:
    """Widths and heights [len(mask), 2]; anchors that the cfg does not list are 0.5, as Darknet's."""
    given = layer.numbers("anchors")
    total = max(layer.positive("num"), 1)
    table: Array = np.full(2 * min(total, 10_000), 0.5, np.float32)
    table[: len(given)] = given[: len(table)]
    return table.reshape(-1, 2)[[min(index, len(table) // 2 - 1) for index in mask]]


def _scaled_xy(g: GraphBuilder, layer: Layer, xy: Value) -> Value:
    """v * scale_x_y - 0.5 * (scale_x_y - 1)"""
    scale = layer.number("scale_x_y", 1.0)
    return xy if scale == 1 else g.Sub(g.Mul(xy, np.float32(scale)), np.float32(0.5 * (scale - 1)))


@reads("yolo")
def yolo(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Planes x, y, w, h, objectness, classes an anchor. Logistic but for w and h; with ``new_coords`` nowhere."""
    mask, classes = _mask(layer), layer.positive("classes", 20)
    planes = _planes(g, layer, x, len(mask), 5 + classes)
    xy, wh, rest = g.ops("Split", planes, [2, 2, 1 + classes], outputs=3, axis=2)
    new = bool(layer.whole("new_coords"))
    xy = _scaled_xy(g, layer, xy if new else g.Sigmoid(xy))
    rest = rest if new else g.Sigmoid(rest)
    if layer.scope.decode:
        height, width = layer.scope.image
        if not isinstance(height, int) or not isinstance(width, int):
            raise layer.free("boxes need the size of the image")
        anchors = anchors_of(layer, mask) / np.asarray([width, height], np.float32)
        objectness, scores = g.ops("Split", rest, [1, classes], outputs=2, axis=2)
        sides = g.Mul(g.Mul(wh, wh), 4.0) if new else g.Exp(wh)
        decoded(g, layer, Boxes(grid(g, layer, xy), g.Mul(sides, _per_anchor(anchors)), g.Mul(scores, objectness)))
    return _back(g, layer, [xy, wh, rest])


def _per_anchor(anchors: Array) -> Array:
    """[anchors, 2] for [N, anchors, 2, H, W]."""
    return anchors.reshape(1, -1, 2, 1, 1)


@reads("Gaussian_yolo")
def gaussian_yolo(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Planes x, sigma x, y, sigma y, w, sigma w, h, sigma h, objectness, classes: logistic but for w and h.

    ``scale_x_y`` applies to x and y. A score is objectness * class * (1 - mean of the four sigmas).
    """
    mask, classes = _mask(layer), layer.positive("classes", 20)
    planes = _planes(g, layer, x, len(mask), 9 + classes)
    lengths = [1, 1, 1, 1, 1, 1, 1, 1, 1 + classes]
    px, sx, py, sy, w, sw, h, sh, rest = g.ops("Split", planes, lengths, outputs=9, axis=2)
    px, py = (_scaled_xy(g, layer, g.Sigmoid(part)) for part in (px, py))
    sx, sy, sw, sh, rest = (g.Sigmoid(part) for part in (sx, sy, sw, sh, rest))
    if layer.scope.decode:
        height, width = layer.scope.image
        if not isinstance(height, int) or not isinstance(width, int):
            raise layer.free("boxes need the size of the image")
        anchors = anchors_of(layer, mask) / np.asarray([width, height], np.float32)
        sides = g.Mul(g.Exp(g.Concat(w, h, axis=2)), _per_anchor(anchors))
        centres = _from_point(g, layer, grid(g, layer, g.Concat(px, py, axis=2)), sides)
        objectness, scores = g.ops("Split", rest, [1, classes], outputs=2, axis=2)
        sure = g.Sub(1.0, g.Mul(g.Add(g.Add(sx, sy), g.Add(sw, sh)), 0.25))
        decoded(g, layer, Boxes(centres, sides, g.Mul(g.Mul(scores, objectness), sure)))
    return _back(g, layer, [px, sx, py, sy, w, sw, h, sh, rest])


def _from_point(g: GraphBuilder, layer: Layer, points: Value, sides: Value) -> Value:
    """The centre, from the point of the box that ``yolo_point`` says is predicted."""
    point = layer.word("yolo_point", "center")
    if point not in ("left_top", "right_bottom"):
        return points
    return g.Add(points, g.Mul(sides, 0.5 if point == "left_top" else -0.5))


@reads("region")
def region(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """YOLOv2: x, y, w, h (and more ``coords``), objectness, classes an anchor; softmax over the classes of a cell.

    pjreddie keeps the planes [N, C, H, W] and takes the logistic of x and y; AlexeyAB leaves these raw until decoding
    and turns the tensor into [N, H, W, anchors, values].
    """
    anchors, classes, coords = layer.positive("num"), layer.positive("classes", 20), layer.whole("coords", 4)
    if not 4 <= coords <= 10_000:
        raise layer.malformed(f"coords={coords} is less than the four of a box")
    planes = _planes(g, layer, x, anchors, coords + 1 + classes)
    lengths = [2, coords - 2, 1, classes]
    xy, wh, objectness, scores = g.ops("Split", planes, lengths, outputs=4, axis=2)
    raw = xy
    xy = g.Sigmoid(xy)
    objectness, scores = _region_scores(g, layer, objectness, scores)
    if layer.scope.decode:
        _region_boxes(g, layer, xy, wh, objectness, scores)
    if not layer.variant.alexeyab:
        return _back(g, layer, [xy, wh, objectness, scores])
    return g.Transpose(g.Concat(raw, wh, objectness, scores, axis=2), perm=[0, 3, 4, 1, 2])


def _region_scores(g: GraphBuilder, layer: Layer, objectness: Value, scores: Value) -> tuple[Value, Value]:
    """Objectness is logistic; with ``background=1`` (pjreddie) it is one more class of the softmax."""
    softmax, tree = bool(layer.whole("softmax")), "tree" in layer.options
    background = bool(layer.whole("background")) and not layer.variant.alexeyab
    if softmax and background and not tree:
        classes = layer.sizes(scores)[1]
        every = g.Softmax(g.Concat(objectness, scores, axis=2), axis=2)
        first, rest = g.ops("Split", every, [1, classes], outputs=2, axis=2)
        return first, rest
    objectness = objectness if background else g.Sigmoid(objectness)
    if tree:
        return objectness, _tree_scores(g, layer, scores)
    if softmax:
        return objectness, g.Softmax(scores, axis=2)
    return objectness, scores if layer.variant.alexeyab else g.Sigmoid(scores)


def _tree_scores(g: GraphBuilder, layer: Layer, scores: Value) -> Value:
    """Softmax within each group of the tree, for every anchor and cell."""
    anchors, classes, height, width = layer.sizes(scores)
    rows = g.Reshape(g.Transpose(scores, perm=[0, 2, 1, 3, 4]), [0, classes, anchors * height * width])
    done = g.Reshape(tree_softmax(g, layer, rows, classes), [0, classes, anchors, height, width])
    return g.Transpose(done, perm=[0, 2, 1, 3, 4])


def _region_boxes(g: GraphBuilder, layer: Layer, xy: Value, wh: Value, objectness: Value, scores: Value) -> None:
    """Anchors count in cells of the grid."""
    if "tree" in layer.options:
        raise layer.unsupported("decode: scores along a class tree are not written out; read the head without decode")
    if layer.whole("background"):
        raise layer.unsupported("decode: with background=1 the head has no objectness to multiply the classes by")
    anchors, _, height, width = layer.sizes(xy)
    sizes = anchors_of(layer, list(range(anchors))) / np.asarray([width, height], np.float32)
    if layer.sizes(wh)[1] != 2:
        wh = g.Slice(wh, [0], [2], [2])
    decoded(g, layer, Boxes(grid(g, layer, xy), g.Mul(g.Exp(wh), _per_anchor(sizes)), g.Mul(scores, objectness)))


@reads("detection")
def detection(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """YOLOv1, [N, values]: classes of every cell, then confidences of every box, then all boxes (x, y, w, h)."""
    flat = layer.flat(g, x)
    side, number, classes = layer.positive("side", 7), layer.positive("num"), layer.positive("classes")
    coords = layer.whole("coords", 1)
    cells = side * side
    wanted = cells * ((1 + coords) * number + classes)
    if layer.sizes(flat)[0] != wanted:
        raise layer.malformed(f"its input has {layer.sizes(flat)[0]} values where its cells need {wanted}")
    if not layer.whole("softmax") and not layer.scope.decode:
        return flat
    lengths = [cells * classes, cells * number, cells * number * coords]
    scores, confidence, boxes = g.ops("Split", flat, lengths, outputs=3, axis=1)
    grouped = g.Reshape(scores, [0, cells, classes])
    if layer.whole("softmax"):
        grouped = g.Softmax(grouped, axis=2)
    if layer.scope.decode:
        _cell_boxes(g, layer, grouped, g.Reshape(confidence, [0, cells, number, 1]), boxes)
    return g.Concat(g.Reshape(grouped, [0, cells * classes]), confidence, boxes, axis=1)


def _cell_boxes(g: GraphBuilder, layer: Layer, scores: Value, confidence: Value, boxes: Value) -> None:
    """x and y within the cell, w and h (squared with ``sqrt=1``) of the image; [N, cells, boxes, values] as planes."""
    if layer.whole("coords", 1) != 4:
        raise layer.unsupported("decode: boxes have four coordinates")
    side, number = layer.positive("side", 7), layer.positive("num")
    planes = g.Transpose(g.Reshape(boxes, [0, side, side, number, 4]), perm=[0, 3, 4, 1, 2])
    xy, wh = g.ops("Split", planes, [2, 2], outputs=2, axis=2)
    if layer.whole("sqrt"):
        wh = g.Mul(wh, wh)
    every = g.Mul(g.Unsqueeze(scores, [2]), confidence)
    classes = layer.sizes(scores)[1]
    turned = g.Transpose(g.Reshape(every, [0, side, side, number, classes]), perm=[0, 3, 4, 1, 2])
    decoded(g, layer, Boxes(grid(g, layer, xy), wh, turned))


@reads("iseg")
def iseg(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Instance segmentation: logistic class planes, then ``ids`` raw planes of an embedding."""
    x = layer.image(g, x)
    classes, ids = layer.positive("classes", 20), layer.whole("ids", 32)
    if ids < 0 or layer.channels(x) != classes + ids:
        raise layer.malformed(f"its input has {layer.channels(x)} channels where {classes} classes and {ids} ids are")
    if ids == 0:
        return g.Sigmoid(x)
    scores, embedding = g.ops("Split", x, [classes, ids], outputs=2, axis=1)
    return g.Concat(g.Sigmoid(scores), embedding, axis=1)
