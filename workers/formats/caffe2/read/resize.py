"""Pictures made larger or smaller, padded, and dealt out into batches."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe2.read.layer import Layer, Value, reads
from workers.formats.caffe2.read.sizes import reshape
from workers.formats.caffe2.read.windows import back, first
from workers.hub.graph import GraphBuilder

LIMIT = 4096.0


def _scales(g: GraphBuilder, layer: Layer, given: Value | None, *keys: str) -> list[float]:
    """The factors of the spatial axes, by argument or (height, width) by a second input."""
    found = [layer.real(key, 1.0) for key in keys]
    if given is not None:
        array = g.const(given)
        if array is None:
            raise layer.free("its scales are computed while the net runs")
        if array.size != len(keys):
            raise layer.malformed(f"its scales are {array.tolist()}")
        found = [float(scale) for scale in array.ravel()]
    if any(not 0 < scale <= LIMIT for scale in found):
        raise layer.malformed(f"its scales are {found}")
    return found


def _check_sizes(layer: Layer, x: Value, scales: list[float]) -> None:
    for dim, scale in zip(layer.shape(x)[2:], scales, strict=True):
        if isinstance(dim, int) and int(np.float32(dim) * np.float32(scale)) < 1:
            raise layer.malformed(f"nothing is left of an axis of {dim} times {scale:g}")


@reads("ResizeNearest", "ResizeNearest3D")
def resize_nearest(g: GraphBuilder, layer: Layer, x: Value, scales: Value | None = None) -> Value:
    """Size int(n * scale); a place i takes its value from int(i / scale)."""
    x = first(g, layer, x)
    keys = ["height_scale", "width_scale"]
    if layer.type == "ResizeNearest3D":
        keys.insert(0, "temporal_scale")
    layer.rank(x, len(keys) + 2)
    return back(g, layer, nearest(g, layer, x, _scales(g, layer, scales, *keys)))


def nearest(g: GraphBuilder, layer: Layer, x: Value, factors: list[float]) -> Value:
    _check_sizes(layer, x, factors)
    return g.Resize(
        x, None, np.asarray([1, 1, *factors], np.float32), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


@reads("UpsampleBilinear", "ResizeBilinear")
def upsample_bilinear(g: GraphBuilder, layer: Layer, x: Value, scales: Value | None = None) -> Value:
    """Size int(n * scale); the corners lie on the corners."""
    x = first(g, layer, x)
    layer.rank(x, 4)
    factors = _scales(g, layer, scales, "height_scale", "width_scale")
    _check_sizes(layer, x, factors)
    y = g.Resize(
        x, None, np.asarray([1, 1, *factors], np.float32), mode="linear",
        coordinate_transformation_mode="align_corners",
    )  # fmt: skip
    return back(g, layer, y)


@reads("PadImage")
def pad_image(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """constant (with value), reflect or edge."""
    x = first(g, layer, x)
    layer.rank(x, 4)
    mode = layer.word("mode", "constant")
    if mode not in ("constant", "reflect", "edge"):
        raise layer.malformed(f"its mode is {mode!r}")
    letters = ("pad_t", "pad_l", "pad_b", "pad_r")
    if layer.has("pad"):
        top, left, bottom, right = [layer.integer("pad")] * 4
    elif all(layer.has(key) for key in letters):
        top, left, bottom, right = (layer.integer(key) for key in letters)
    else:
        found = layer.integers("pads") or [0] * 4
        if len(found) != 4:
            raise layer.malformed(f"its pads are {found}")
        top, left, bottom, right = found
    if max(abs(top), abs(left), abs(bottom), abs(right)) > 1 << 20 or min(top, left, bottom, right) < 0:
        raise layer.malformed(f"its pads are {[top, left, bottom, right]}")
    if mode == "reflect":
        for dim, pads in zip(layer.shape(x)[2:], ((top, bottom), (left, right)), strict=True):
            if isinstance(dim, int) and max(pads) >= dim:
                raise layer.malformed(f"an axis of {dim} cannot be reflected {max(pads)} places")
    value = layer.number(x, layer.real("value", 0.0)) if mode == "constant" else None
    return back(g, layer, g.Pad(x, [0, 0, top, left, 0, 0, bottom, right], value, mode=mode))


# --- space and batch -------------------------------------------------------------------------------------------------


def _block(layer: Layer, x: Value) -> tuple[int, int]:
    layer.rank(x, 4)
    block, pad = layer.integer("block_size", 2), layer.integer("pad", 0)
    if not 1 <= block <= 1 << 16 or not 0 <= pad <= 1 << 16:
        raise layer.malformed(f"its block_size is {block}, its pad {pad}")
    return block, pad


@reads("SpaceToBatch")
def space_to_batch(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The places of a block become images: offset by offset, all images of the batch each."""
    x = first(g, layer, x)
    block, pad = _block(layer, x)
    if pad:
        x = g.Pad(x, [0, 0, pad, pad] * 2, layer.number(x, 0))
    batch, (channels, height, width) = layer.shape(x)[0], layer.sizes(x, 1)
    if height % block or width % block:
        raise layer.malformed(f"a picture of {height} by {width} cannot be cut in blocks of {block}")
    cut = reshape(g, layer, x, [batch, channels, height // block, block, width // block, block])
    turned = g.Transpose(cut, perm=[3, 5, 0, 1, 2, 4])
    y = g.Reshape(turned, [-1 if not isinstance(batch, int) else batch * block * block, channels, height // block,
                           width // block])  # fmt: skip
    return back(g, layer, y)


@reads("BatchToSpace")
def batch_to_space(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The way back; the pad is cut off."""
    x = first(g, layer, x)
    block, pad = _block(layer, x)
    batch, (channels, height, width) = layer.shape(x)[0], layer.sizes(x, 1)
    if isinstance(batch, int) and batch % (block * block):
        raise layer.malformed(f"{batch} images cannot be put together in blocks of {block}")
    cut = g.Reshape(x, [block, block, batch // (block * block) if isinstance(batch, int) else -1, channels, height,
                        width])  # fmt: skip
    turned = g.Transpose(cut, perm=[2, 3, 4, 0, 5, 1])
    y = reshape(g, layer, turned, [layer.shape(turned)[0], channels, height * block, width * block])
    if pad:
        if 2 * pad >= min(height, width) * block:
            raise layer.malformed("its pad leaves nothing of the picture")
        y = g.Slice(y, [pad, pad], [height * block - pad, width * block - pad], [2, 3])
    return back(g, layer, y)


@reads("IntegralImage")
def integral_image(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Sums of all pixels above and to the left, one row and column larger."""
    layer.rank(x, 4)
    padded = g.Pad(x, [0, 0, 1, 1, 0, 0, 0, 0], layer.number(x, 0))
    return g.CumSum(g.CumSum(padded, np.asarray(2)), np.asarray(3))
