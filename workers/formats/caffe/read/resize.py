"""Interp, the bilinear resizing of DeepLab's and PSPNet's forks."""

from __future__ import annotations

from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("Interp")
def interp(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Bilinear with aligned corners, to a size given by factors or outright; negative pads crop first.

    shrink: (side - 1) / shrink + 1, then zoom: side + (side - 1)(zoom - 1); height and width when there is no factor.
    """
    layer.rank(x, 4)
    p = layer.interp_param
    begin, end = p.pad_beg, p.pad_end
    if begin > 0 or end > 0:
        raise layer.malformed("pad_beg and pad_end can only crop: they must not be positive")
    height, width = (size + begin + end for size in layer.sizes(x, 2))
    if begin or end:
        x = g.Slice(x, [-begin, -begin], [-begin + height, -begin + width], [2, 3])
    if p.has("shrink_factor") or p.has("zoom_factor"):
        if p.shrink_factor < 1 or p.zoom_factor < 1:
            raise layer.malformed("shrink_factor and zoom_factor must be positive")
        target = []
        for side in (height, width):
            small = (side - 1) // p.shrink_factor + 1
            target.append(small + (small - 1) * (p.zoom_factor - 1))
    else:
        target = [p.height, p.width]
    if min(height, width, *target) < 1 or max(target) > 2**16:
        raise layer.malformed(f"a plane of {height}x{width} cannot become {target[0]}x{target[1]}")
    if [height, width] == target:
        return x
    return g.Resize(x, None, None, target, mode="linear", coordinate_transformation_mode="align_corners", axes=[2, 3])


reads.refuse(
    "the forks' resizing layers differ in how they place pixels, and the file does not say which one this is",
    "Resize", "ResizeNearest", "ResizeBilinear", "Resample", "Accum",
)  # fmt: skip
