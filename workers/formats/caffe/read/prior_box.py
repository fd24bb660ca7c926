"""PriorBox: the default boxes of SSD, a constant of the shapes of its bottoms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from workers.formats.caffe.file import Array
from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("PriorBox")
def prior_box(g: GraphBuilder, layer: Layer, feature: Value, image: Value) -> Value:
    """[1, 2, H*W*P*4]: the boxes of every cell as corners relative to the image, then their variances."""
    p = layer.prior_box_param
    layer.rank(feature, 4)
    layer.rank(image, 4)
    height, width = layer.sizes(feature, 2)
    image_h, image_w = layer.sizes(image, 2)
    image_h, image_w = p.img_h or p.img_size or image_h, p.img_w or p.img_size or image_w
    step_h = p.step_h or p.step or image_h / height
    step_w = p.step_w or p.step or image_w / width
    boxes = np.asarray(list(_sizes(layer, p)), np.float32)
    if height * width * len(boxes) > 2**24:
        raise layer.malformed(f"{height}x{width} cells of {len(boxes)} boxes are absurdly many")
    x, y = np.meshgrid(
        (np.arange(width, dtype=np.float32) + np.float32(p.offset)) * np.float32(step_w),
        (np.arange(height, dtype=np.float32) + np.float32(p.offset)) * np.float32(step_h),
    )
    centre = np.stack([x, y], -1)[:, :, None]
    corners = np.concatenate([centre - boxes / 2, centre + boxes / 2], -1) / np.asarray(
        [image_w, image_h] * 2, np.float32
    )
    if p.clip:
        corners = corners.clip(0, 1)
    flat = corners.astype(np.float32).reshape(-1)
    return g.weight(f"{layer.name}.boxes", np.stack([flat, _variances(layer, p, flat.size)])[None])


def _sizes(layer: Layer, p: Any) -> Iterator[tuple[float, float]]:
    """(width, height) of a cell's boxes. The reference code holds min_size and max_size in integers: they truncate."""
    if not len(p.min_size) or (len(p.max_size) and len(p.max_size) != len(p.min_size)):
        raise layer.malformed("it needs a min_size, and no max_size or one for each")
    ratios = _ratios(layer, p)
    for index, value in enumerate(p.min_size):
        small = _whole(layer, value)
        yield small, small
        if len(p.max_size):
            large = _whole(layer, p.max_size[index])
            if large <= small:
                raise layer.malformed(f"max_size {large} is not larger than min_size {small}")
            side = math.sqrt(small * large)
            yield side, side
        for ratio in ratios:
            yield small * math.sqrt(ratio), small / math.sqrt(ratio)


def _whole(layer: Layer, size: float) -> int:
    if not 1 <= size < 2**24:
        raise layer.malformed(f"a box of size {size:g} makes no sense")
    return int(size)


def _ratios(layer: Layer, p: Any) -> list[float]:
    """The aspect ratios but 1, each followed by its reciprocal when flipped; ones already there are skipped."""
    ratios = [1.0]
    for value in p.aspect_ratio:
        ratio = float(value)
        if not 0 < ratio < 2**20:
            raise layer.malformed(f"an aspect ratio of {ratio:g} makes no sense")
        if any(abs(ratio - other) < 1e-6 for other in ratios):
            continue
        ratios.extend([ratio, 1 / ratio] if p.flip else [ratio])
    return ratios[1:]


def _variances(layer: Layer, p: Any, count: int) -> Array:
    """Four, one for all, or 0.1 when there is none."""
    given = [float(value) for value in p.variance] or [0.1]
    if len(given) not in (1, 4):
        raise layer.malformed(f"it has {len(given)} variances; one or four are possible")
    return np.resize(np.asarray(given, np.float32), count)


reads.refuse("the forks disagree on its parameters and on rounding", "PriorBoxClustered")
