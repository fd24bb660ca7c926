"""Planes in other sizes, and blocks of pixels between channels, batch and plane."""

from __future__ import annotations

import numpy as np

from workers.formats.tflite.read.align import sized
from workers.formats.tflite.read.layer import Layer, Out, Value, reads, whole
from workers.formats.tflite.read.spatial import LIMIT
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
def resize(g: GraphBuilder, layer: Layer) -> Out:
    """Pixels are placed by their centres, by the corners, or both from 0; the nearest rounds half up, or down."""
    layer.rank(0, 4)
    nearest = layer.type == "RESIZE_NEAREST_NEIGHBOR"
    corners, centres = layer.flag("align_corners"), layer.flag("half_pixel_centers")
    if corners and centres and not nearest:
        raise layer.malformed("it aligns both corners and centres")
    known = layer.known(1)
    x = layer.x(g, 0, first=True)
    made: list[Dim] = [None, None]
    if known is None or any(isinstance(item, str) for item in known.flat):
        plane = whole(g, layer.x(g, 1))
    else:
        height, width = layer.integers(1, "sizes")
        if not (1 <= height <= LIMIT and 1 <= width <= LIMIT):
            raise layer.malformed(f"it would make a plane of {height} x {width}")
        plane, made = g.constant([height, width]), [height, width]
    y = g.Resize(
        x, None, None, _sizes(g, layer, x, plane), mode="nearest" if nearest else "linear",
        coordinate_transformation_mode="align_corners" if corners else "half_pixel" if centres else "asymmetric",
        nearest_mode=("round_prefer_ceil" if corners or centres else "floor") if nearest else None,
    )  # fmt: skip
    batch, *_, channels = layer.dims(0)
    return Out(sized(y, [batch, channels, *made]), first=True)


def _sizes(g: GraphBuilder, layer: Layer, x: Value, plane: Value) -> Value:
    """All four sizes: given for the two axes alone, or as factors, onnxruntime loses them beside a Transpose."""
    batch, *_, channels = layer.dims(0)
    known = g.const(plane)
    if known is not None and isinstance(batch, int) and isinstance(channels, int):
        return g.constant([batch, channels, *known.tolist()])
    return g.Concat(g.Shape(x, start=0, end=2), plane, axis=0)


@reads("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def blocks(g: GraphBuilder, layer: Layer) -> Out:
    """A block's pixels lie before the channels in the new channels, as in ONNX."""
    layer.rank(0, 4)
    size = layer.i("block_size")
    if not 1 <= size <= LIMIT:
        raise layer.malformed(f"its block size is {size}")
    real = not layer.moves(0)
    x = layer.x(g, 0, first=True, real=real)
    if layer.type == "SPACE_TO_DEPTH":
        return Out(g.SpaceToDepth(x, blocksize=size), first=True, real=real)
    return Out(g.DepthToSpace(x, blocksize=size, mode="DCR"), first=True, real=real)


@reads("SPACE_TO_BATCH_ND")
def space_to_batch_nd(g: GraphBuilder, layer: Layer) -> Out:
    """Pad, then the places within a block become the outermost part of the batch."""
    shape = layer.dims(0)
    block, pads = layer.integers(1, "block shape"), layer.integers(2, "paddings")
    count = len(block)
    if len(pads) != 2 * count or count > len(shape) - 1 or min([*block, 1]) < 1 or min([*pads, 0]) < 0:
        raise layer.malformed("its block and paddings do not fit its input")
    rest = len(shape) - 1 - count
    x = layer.x(g, 0)
    if any(pads):
        x = g.Pad(x, [0, *pads[::2], *[0] * rest, 0, *pads[1::2], *[0] * rest], layer.as_type(0, 0))
    sizes = [layer.size(0, axis + 1) + pads[2 * axis] + pads[2 * axis + 1] for axis in range(count)]
    if any(size % by for size, by in zip(sizes, block, strict=True)):
        raise layer.malformed(f"its plane of {sizes} is no multiple of its block {block}")
    tail = [layer.size(0, axis) for axis in range(count + 1, len(shape))]
    split = [part for size, by in zip(sizes, block, strict=True) for part in (size // by, by)]
    batch = shape[0] if isinstance(shape[0], int) else -1
    x = g.Reshape(x, [batch, *split, *tail])
    inner, outer = [2 * axis + 2 for axis in range(count)], [2 * axis + 1 for axis in range(count)]
    x = g.Transpose(x, perm=[*inner, 0, *outer, *range(2 * count + 1, 2 * count + 1 + rest)])
    total = batch * int(np.prod(block)) if batch != -1 else -1
    return Out(g.Reshape(x, [total, *(size // by for size, by in zip(sizes, block, strict=True)), *tail]))


@reads("BATCH_TO_SPACE_ND")
def batch_to_space_nd(g: GraphBuilder, layer: Layer) -> Out:
    """The way back, then a crop."""
    shape = layer.dims(0)
    block, crops = layer.integers(1, "block shape"), layer.integers(2, "crops")
    count = len(block)
    if len(crops) != 2 * count or count > len(shape) - 1 or min([*block, 1]) < 1 or min([*crops, 0]) < 0:
        raise layer.malformed("its block and crops do not fit its input")
    inner = [layer.size(0, axis + 1) for axis in range(count)]
    tail = [layer.size(0, axis) for axis in range(count + 1, len(shape))]
    total = int(np.prod(block))
    if isinstance(shape[0], int) and shape[0] % total:
        raise layer.malformed(f"its batch of {shape[0]} is no multiple of its block {block}")
    batch = shape[0] // total if isinstance(shape[0], int) else -1
    x = g.Reshape(layer.x(g, 0), [*block, batch, *inner, *tail])
    pairs = [part for axis in range(count) for part in (count + 1 + axis, axis)]
    x = g.Transpose(x, perm=[count, *pairs, *range(2 * count + 1, 2 * count + 1 + len(tail))])
    sizes = [size * by for size, by in zip(inner, block, strict=True)]
    x = g.Reshape(x, [batch, *sizes, *tail])
    if any(crops):
        ends = [size - crop for size, crop in zip(sizes, crops[1::2], strict=True)]
        x = g.Slice(x, crops[::2], ends, list(range(1, count + 1)))
    return Out(x)
