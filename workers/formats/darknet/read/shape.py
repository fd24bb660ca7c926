"""Layers that move data: routes, reorganisation, upsampling, cropping; and those that do nothing at inference."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("route")
def route(g: GraphBuilder, layer: Layer, x: Value | None, *sources: Value) -> Value:
    """The channels of all sources, one after the other; with ``groups`` the ``group_id``-th part of each."""
    groups, part = layer.positive("groups"), layer.whole("group_id")
    if not 0 <= part < groups:
        raise layer.malformed(f"group_id={part} is none of its {groups} groups")
    if len(sources) > 1:
        images = [layer.image(g, source) for source in sources]
        if any(g.shape(image)[2:] != g.shape(images[0])[2:] for image in images):
            images = [layer.flat(g, image) for image in images]
    else:
        images = [layer.image(g, source) if groups > 1 else source for source in sources]
    parts = [_group(g, layer, image, groups, part) for image in images]
    return g.Concat(*parts, axis=1) if len(parts) > 1 else parts[0]


def _group(g: GraphBuilder, layer: Layer, x: Value, groups: int, part: int) -> Value:
    if groups == 1:
        return x
    channels = layer.channels(x)
    if channels % groups:
        raise layer.malformed(f"{channels} channels do not make {groups} groups")
    width = channels // groups
    return g.Slice(x, [part * width], [(part + 1) * width], [1])


@reads("upsample")
def upsample(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Every pixel ``stride`` times in both directions, times ``scale``; a negative stride sums blocks up instead."""
    x = layer.image(g, x)
    stride, scale = layer.whole("stride", 2), np.float32(layer.number("scale", 1.0))
    if stride < 0:
        return _summed(g, layer, x, -stride, scale)
    stride = layer.window("stride", 2)
    layer.budget(layer.channels(x), *(side * stride for side in layer.plane(x) if isinstance(side, int)))
    y = g.Resize(
        x, None, np.asarray([1, 1, stride, stride], np.float32), mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    return y if scale == 1 else g.Mul(y, scale)


def _summed(g: GraphBuilder, layer: Layer, x: Value, stride: int, scale: np.float32) -> Value:
    if any(side % stride for side in layer.sizes(x)[1:]):
        raise layer.malformed(f"its input {list(layer.sizes(x)[1:])} does not divide by {stride}")
    mean = g.AveragePool(x, kernel_shape=[stride] * 2, strides=[stride] * 2)
    return g.Mul(mean, np.float32(scale * stride * stride))


@reads("reorg")
def reorg(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[C, H, W] -> [C*s*s, H/s, W/s], but no space-to-depth of the image.

    Darknet's loop takes the buffer for one of C/(s*s) channels of H*s by W*s pixels, which is turned depth-wise;
    ``reverse`` is the way back. ``flatten`` puts the channels last, ``extra`` appends zeros.
    """
    x = layer.image(g, x)
    stride = layer.window("stride")
    channels, height, width = layer.sizes(x)
    square = stride * stride
    if layer.whole("flatten"):
        return _flattened(g, layer, x, stride)
    if layer.whole("extra"):
        extra = layer.window("extra")
        return g.Pad(layer.flat(g, x), [0, 0, 0, extra])
    if channels % square:
        raise layer.malformed(f"its {channels} channels do not divide by {square}, the square of its stride")
    if layer.whole("reverse"):
        return g.DepthToSpace(x, blocksize=stride, mode="DCR")
    if height % stride or width % stride:
        raise layer.malformed(f"its input of {height}x{width} does not divide by its stride of {stride}")
    wide = g.Reshape(x, [0, channels // square, height * stride, width * stride])
    return g.Reshape(g.SpaceToDepth(wide, blocksize=stride), [0, channels * square, height // stride, width // stride])


def _flattened(g: GraphBuilder, layer: Layer, x: Value, stride: int) -> Value:
    """Pixels first, channels last; the buffer is then taken for [C*s*s, H/s, W/s], or back with ``reverse``."""
    channels, height, width = layer.sizes(x)
    square = stride * stride
    reverse = bool(layer.whole("reverse"))
    divided = (channels % square,) if reverse else (height % stride, width % stride)
    if any(divided):
        raise layer.malformed(f"its input [{channels}, {height}, {width}] does not divide by its stride of {stride}")
    rows = [channels, height * width]
    turned = g.Transpose(g.Reshape(x, [0, *(rows[::-1] if reverse else rows)]), perm=[0, 2, 1])
    if reverse:
        return g.Reshape(turned, [0, channels // square, height * stride, width * stride])
    return g.Reshape(turned, [0, channels * square, height // stride, width // stride])


@reads("reorg3d")
def reorg3d(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Space-to-depth: output channel (dy*s + dx)*C + c.

    ``reverse`` is no way back: the buffer is taken for [C/(s*s), H*s, W*s] before depth becomes space, and after.
    """
    x = layer.image(g, x)
    stride = layer.window("stride")
    channels, height, width = layer.sizes(x)
    square = stride * stride
    if layer.whole("reverse"):
        if channels % (square * square):
            raise layer.malformed(f"its {channels} channels do not divide by {square * square}, its stride to the 4th")
        outer = [0, channels // square, height * stride, width * stride]
        return g.Reshape(g.DepthToSpace(g.Reshape(x, outer), blocksize=stride, mode="DCR"), outer)
    if height % stride or width % stride:
        raise layer.malformed(f"its input of {height}x{width} does not divide by its stride of {stride}")
    return g.SpaceToDepth(x, blocksize=stride)


@reads("crop")
def crop(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The middle of the image, and 2x - 1 of it unless ``noadjust=1``; flips and colours are training's."""
    x = layer.image(g, x)
    height, width = layer.sizes(x)[1:]
    wanted = layer.positive("crop_height"), layer.positive("crop_width")
    if wanted[0] > height or wanted[1] > width:
        raise layer.malformed(f"it crops {wanted[0]}x{wanted[1]} out of {height}x{width}")
    top, left = (height - wanted[0]) // 2, (width - wanted[1]) // 2
    if wanted != (height, width):
        x = g.Slice(x, [top, left], [top + wanted[0], left + wanted[1]], [2, 3])
    return x if layer.whole("noadjust") else g.Sub(g.Mul(x, 2.0), 1.0)


@reads("dropout", "cost", "empty", "silence", "contrastive")
def dropout(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """What serves training only passes its input on, and still counts as a layer."""
    return x


@reads("implicit")
def implicit(g: GraphBuilder, layer: Layer, x: Value | None) -> Value:
    """A learnt constant [filters, atoms, 1], the same for every image."""
    filters, atoms = layer.positive("filters", 128), layer.positive("atoms")
    constant = layer.weight(g, "weights", layer.take(1, filters, atoms, 1))
    batch = g.Shape(layer.scope.data, start=0, end=1)
    y = g.Expand(constant, g.Concat(batch, [1, 1, 1], axis=0))
    y.shape = ir.Shape([g.shape(layer.scope.data)[0], filters, atoms, 1])
    return y
