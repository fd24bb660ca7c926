"""``decode=true``: boxes and scores of all heads, and non-maximum suppression over them.

Boxes are (centre x, centre y, width, height) relative to the net's input, in Darknet's order: row, column, anchor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.errors import InvalidOptions, LimitExceeded, Unsupported, UnsupportedOperators
from workers.formats.darknet.net import Net
from workers.formats.darknet.read.layer import Layer, Scope, Value
from workers.hub.graph import GraphBuilder

# Overlap beyond which Darknet's detector drops a box, and the score below which each fork's does not show one.
OVERLAP, PJREDDIE_THRESHOLD, ALEXEYAB_THRESHOLD = 0.45, 0.5, 0.25
CELLS = 1 << 22
OUTPUTS = ("boxes", "scores", "selected")


@dataclass(frozen=True, slots=True)
class Boxes:
    """``centres`` and ``sides`` [N, anchors, 2, H, W] relative to the image, ``scores`` [N, anchors, classes, H, W]."""

    centres: Value
    sides: Value
    scores: Value


def grid(g: GraphBuilder, layer: Layer, xy: Value) -> Value:
    """(x + column) / W and (y + row) / H of [N, anchors, 2, H, W]."""
    anchors, _, height, width = layer.sizes(xy)
    if anchors * height * width > CELLS:
        raise LimitExceeded("memory", f"layer {layer.name!r} has {anchors * height * width:,} boxes", limit=CELLS)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    corners = np.stack([columns, rows])[None, None]
    return g.Div(g.Add(xy, corners), np.asarray([width, height], np.float32).reshape(1, 1, 2, 1, 1))


def decoded(g: GraphBuilder, layer: Layer, found: Boxes) -> None:
    """Keep the head's boxes as [N, M, 4] and its scores as [N, M, classes]."""
    for parts, kept in (([found.centres, found.sides], layer.scope.boxes), ([found.scores], layer.scope.scores)):
        joined = g.Concat(*parts, axis=2) if len(parts) > 1 else parts[0]
        anchors, values, height, width = layer.sizes(joined)
        rows = g.Transpose(joined, perm=[0, 3, 4, 1, 2])
        kept.append(g.Reshape(rows, [0, height * width * anchors, values]))


def suppressed(g: GraphBuilder, net: Net, scope: Scope) -> list[tuple[Value, str]]:
    """The outputs: boxes [N, M, 4], scores [N, classes, M], and what suppression keeps: [K, 3] of image, class, box.

    Raises InvalidOptions for a net without boxes, UnsupportedOperators for heads of different classes.
    """
    if not scope.boxes:
        raise InvalidOptions("the option 'decode' is for detectors: this net has no head with boxes")
    classes = {GraphBuilder.shape(scores)[2] for scores in scope.scores}
    last = net.steps[net.outputs[-1]]
    if len(classes) > 1:
        reason = f"decode: the heads have different numbers of classes ({sorted(map(str, classes))})"
        raise UnsupportedOperators("darknet", [Unsupported(last.name, last.type, reason)])
    with g.layer(last.name, last.type):
        boxes = g.Concat(*scope.boxes, axis=1) if len(scope.boxes) > 1 else scope.boxes[0]
        scores = g.Concat(*scope.scores, axis=1) if len(scope.scores) > 1 else scope.scores[0]
        scores = g.Transpose(scores, perm=[0, 2, 1])
        threshold = ALEXEYAB_THRESHOLD if scope.variant.alexeyab else PJREDDIE_THRESHOLD
        count = GraphBuilder.shape(scores)[2]
        assert isinstance(count, int)
        kept = g.NonMaxSuppression(
            boxes, scores, np.asarray([count], np.int64), np.asarray([OVERLAP], np.float32),
            np.asarray([threshold], np.float32), center_point_box=1,
        )  # fmt: skip
    return list(zip((boxes, scores, kept), OUTPUTS, strict=True))
