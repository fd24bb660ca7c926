"""Pooling of regions."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read import boxes as box
from workers.formats.caffe2.read.layer import I64, Layer, Value, reads
from workers.formats.caffe2.read.windows import back, first
from workers.hub.graph import GraphBuilder


def _size(layer: Layer) -> tuple[int, int]:
    height, width = layer.integer("pooled_h", 1), layer.integer("pooled_w", 1)
    if not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise layer.malformed(f"it pools to {height} by {width}")
    return height, width


@reads("RoIAlign")
def roi_align(g: GraphBuilder, layer: Layer, x: Value, rois: Value) -> Value:
    """Means of samples between pixels; rois [R, 5] (image, corners) or, of one image, [R, 4]."""
    x = first(g, layer, x)
    layer.rank(x, 4)
    layer.rank(rois, 2)
    box.refuse_rotated(layer, rois, (4, 5))
    height, width = _size(layer)
    if layer.size(rois, 1) == 5:
        image = g.Cast(box.column(g, rois, 0), to=int(I64))
        corners = box.columns(g, rois, 1, 5)
    else:
        image, corners = g.Expand(np.asarray(0), g.Shape(rois, start=0, end=1)), rois
    ratio = layer.integer("sampling_ratio", -1)
    y = g.RoiAlign(
        x, corners, image, output_height=height, output_width=width, sampling_ratio=max(ratio, 0), mode="avg",
        spatial_scale=layer.real("spatial_scale", 1.0),
        coordinate_transformation_mode="half_pixel" if layer.flag("aligned") else "output_half_pixel",
    )  # fmt: skip
    return back(g, layer, y)


@reads("RoIPool")
def roi_pool(g: GraphBuilder, layer: Layer, x: Value, rois: Value) -> Value:
    """The largest pixel of every cell, whose corners are rounded as Caffe rounds them."""
    layer.rank(x, 4)
    layer.rank(rois, 2)
    if layer.last or layer.size(rois, 1) != 5:
        raise layer.malformed("it takes NCHW pictures and rois of five columns")
    height, width = _size(layer)
    return g.MaxRoiPool(x, rois, pooled_shape=[height, width], spatial_scale=layer.real("spatial_scale", 1.0))
