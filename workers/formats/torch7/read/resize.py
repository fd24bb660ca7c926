"""Padding, cropping and upsampling of images and volumes."""

from __future__ import annotations

from collections.abc import Sequence

from workers.formats.torch7.read.convolution import batched
from workers.formats.torch7.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder

PLANE_KEYS = (("pad_t", "pad_b"), ("pad_l", "pad_r"))
VOLUME_KEYS = (("pfront", "pback"), ("ptop", "pbottom"), ("pleft", "pright"))


def _padded(g: GraphBuilder, layer: Layer, x: Value, keys: Sequence[tuple[str, str]], mode: str) -> Value:
    """Crops come first, then the pads: for a reflection the cropped image is the mirror."""
    rank = layer.rank(x, len(keys) + 1, len(keys) + 2)
    lead = [0] * (rank - len(keys))
    before = lead + [layer.integer(first, 0) for first, _ in keys]
    after = lead + [layer.integer(last, 0) for _, last in keys]
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        size = layer.shape(x)[axis]
        if isinstance(size, int) and (size + low + high < 1 or (mode == "reflect" and max(low, high) >= size)):
            raise layer.malformed(f"pads of {low} and {high} do not fit an axis of {size}")
    crops = [min(pad, 0) for pad in before + after]
    if any(crops):
        x = g.Pad(x, crops)
    pads = [max(pad, 0) for pad in before + after]
    return g.Pad(x, pads, mode=mode) if any(pads) else x


@reads("nn.SpatialZeroPadding", "nn.SpatialZeroPaddingC")
def spatial_zero_padding(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _padded(g, layer, x, PLANE_KEYS, "constant")


@reads("nn.SpatialReflectionPadding")
def spatial_reflection_padding(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The border itself is not repeated."""
    return _padded(g, layer, x, PLANE_KEYS, "reflect")


@reads("nn.SpatialReplicationPadding")
def spatial_replication_padding(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _padded(g, layer, x, PLANE_KEYS, "edge")


@reads("nn.VolumetricReplicationPadding")
def volumetric_replication_padding(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _padded(g, layer, x, VOLUME_KEYS, "edge")


# --- larger ---------------------------------------------------------------------------------------------------------


def _nearest(g: GraphBuilder, layer: Layer, x: Value, axes: int) -> Value:
    scale = layer.positive("scale_factor")

    def rule(x: Value) -> Value:
        return g.Resize(x, None, [1.0, 1.0, *[float(scale)] * axes], mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip

    return batched(g, layer, x, axes + 2, rule)


def _linear(g: GraphBuilder, layer: Layer, x: Value, axes: int) -> Value:
    """The corners of both images coincide."""
    sizes = [layer.get(key) for key in ("otime", "oheight", "owidth")][-axes:]

    def rule(x: Value) -> Value:
        if all(isinstance(size, int) and 0 < size < 1 << 20 for size in sizes):
            wanted = [int(size) for size in sizes]
        else:
            scale = layer.positive("scale_factor")
            wanted = [layer.size(x, axis + 2) * scale for axis in range(axes)]
        if [layer.size(x, axis + 2) for axis in range(axes)] == wanted:
            return x
        target = g.Concat(g.Shape(x, start=0, end=2), wanted, axis=0)
        result = g.Resize(x, None, None, target, mode="linear", coordinate_transformation_mode="align_corners")
        return layer.reshape(g, result, [*layer.shape(x)[:2], *wanted]) if None in layer.shape(result) else result

    return batched(g, layer, x, axes + 2, rule)


@reads("nn.SpatialUpSamplingNearest", "cudnn.SpatialUpSamplingNearest")
def spatial_up_sampling_nearest(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _nearest(g, layer, x, 2)


@reads("nn.SpatialUpSamplingBilinear")
def spatial_up_sampling_bilinear(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _linear(g, layer, x, 2)


@reads("nn.UpSampling")
def up_sampling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Images of four axes, volumes of five."""
    axes = layer.rank(x, 4, 5) - 2
    if layer.module.text("mode") == "nearest":
        return _nearest(g, layer, x, axes)
    return _linear(g, layer, x, axes)


@reads("nn.PixelShuffle")
def pixel_shuffle(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Channel c r^2 + i r + j goes to row i, column j of a block of channel c."""
    factor = layer.positive("upscaleFactor")

    def rule(x: Value) -> Value:
        if layer.size(x, 1) % factor**2:
            raise layer.malformed(f"{layer.size(x, 1)} channels are no multiple of {factor**2}")
        return g.DepthToSpace(x, blocksize=factor, mode="CRD")

    return batched(g, layer, x, 4, rule)
