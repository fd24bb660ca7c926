"""Convolutions of all kinds: plain, transposed, locally connected, deformable, and pictures as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workers.formats.caffe2.read.layer import Layer, Value, prod, reads
from workers.formats.caffe2.read.windows import Side, attributes, back, check_room, first, window
from workers.hub.graph import GraphBuilder

LIMIT = 1 << 20


def turned_weight(g: GraphBuilder, layer: Layer, weight: Value, label: str = "weight") -> Value:
    """A weight with its channels in axis 1; one from a file is only viewed in another order."""
    rank = layer.rank(weight, *range(2, 33))
    if not layer.last or rank == 2:
        return weight
    if weight.const_value is None:
        return g.Transpose(weight, perm=[0, rank - 1, *range(1, rank - 1)])
    array = g.const(weight)
    assert array is not None
    return g.weight(f"{layer.name}.{label}", np.moveaxis(array, -1, 1))


def bias_of(g: GraphBuilder, layer: Layer, bias: Value | None, filters: int) -> Value | None:
    """A bias as the vector that it must be."""
    if bias is None:
        return None
    if prod(layer.sizes(bias)) != filters:
        raise layer.malformed(f"its bias has the shape {list(layer.shape(bias))} for {filters} filters")
    return bias if len(layer.shape(bias)) == 1 else g.Reshape(bias, [filters])


def check_weight(layer: Layer, weight: Value, channels: int, groups: int, kernel: Sequence[int]) -> int:
    """The number of filters of [filters, channels/groups, kernel...]."""
    have = list(layer.sizes(weight))
    if groups < 1 or channels % groups or have[1:] != [channels // groups, *kernel] or have[0] % groups:
        wanted = ["filters", channels // max(groups, 1), *kernel]
        raise layer.malformed(f"its weight has the shape {have}, with {groups} groups it must be {wanted}")
    return have[0]


@reads("Conv", "Conv1D", "Conv2D", "Conv3D", "ConvRelu")
def conv(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """Sizes round down; the weight of an NHWC layer is [filters, kernel..., channels/groups]."""
    y = convolved(g, layer, first(g, layer, x), turned_weight(g, layer, weight), bias)
    return back(g, layer, g.Relu(y) if layer.type == "ConvRelu" else y)


def convolved(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None) -> Value:
    """A convolution of channels-first data."""
    sides = window(layer, x)
    check_room(layer, sides)
    groups = layer.integer("group", 1)
    filters = check_weight(layer, weight, layer.size(x, 1), groups, [side.kernel for side in sides])
    return g.Conv(
        x, weight, bias_of(g, layer, bias, filters), group=groups, dilations=[side.dilation for side in sides],
        **attributes(sides),
    )  # fmt: skip


@reads("ConvTranspose")
def conv_transpose(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """Size (n-1) s + k - pads + adj; a dilation is not looked at. Weight [channels, filters/groups, kernel...]."""
    x, weight = first(g, layer, x), turned_weight(g, layer, weight)
    if layer.flag("no_bias"):
        bias = None
    y = transposed(g, layer, x, weight, bias)
    return back(g, layer, y)


def transposed(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None) -> Value:
    sides = window(layer, x, legacy=False)
    count, groups = len(sides), layer.integer("group", 1)
    have = list(layer.sizes(weight))
    if len(have) != count + 2 or have[0] != layer.size(x, 1) or have[2:] != [side.kernel for side in sides]:
        raise layer.malformed(f"its weight has the shape {have}, which fits neither its channels nor its kernel")
    if groups < 1 or have[0] % groups:
        raise layer.malformed(f"{have[0]} channels cannot be taken in {groups} groups")
    adj = _adj(layer, count)
    if any(not 0 <= extra < side.stride for extra, side in zip(adj, sides, strict=True)):
        raise layer.malformed(f"its adj {adj} is not smaller than its stride")
    spans = [side.stride * ((side.size or 1) - 1) + side.kernel - side.begin - side.end for side in sides]
    if any(side.size is not None and span < 1 for side, span in zip(sides, spans, strict=True)):
        raise layer.malformed("its pads leave nothing of the result")
    return g.ConvTranspose(
        x, weight, bias_of(g, layer, bias, have[1] * groups), group=groups,
        output_padding=adj if any(adj) else None, **attributes(sides),
    )  # fmt: skip


def _adj(layer: Layer, count: int) -> list[int]:
    if layer.has("adj"):
        return [layer.integer("adj")] * count
    if count == 2 and layer.has("adj_h") and layer.has("adj_w"):
        return [layer.integer("adj_h"), layer.integer("adj_w")]
    found = layer.integers("adjs") or [0] * count
    if len(found) != count:
        raise layer.malformed(f"its adjs are {found} for {count} spatial axes")
    return found


@reads("LC", "LC1D", "LC2D", "LC3D")
def locally_connected(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """A filter of its own for every place: weight [places..., filters, channels/groups, kernel...], bias alike."""
    x = first(g, layer, x)
    sides = window(layer, x)
    check_room(layer, sides)
    groups, channels, count = layer.integer("group", 1), layer.size(x, 1), len(sides)
    shape = layer.sizes(weight)
    if groups < 1 or channels % groups or len(shape) != 2 * count + 2 or shape[count] % groups:
        raise layer.malformed(f"its weight has the shape {list(shape)} for {channels} channels in {groups} groups")
    filters, kernel = shape[count], [side.kernel for side in sides]
    inner = [*kernel, channels // groups] if layer.last else [channels // groups, *kernel]
    if list(shape[count + 1 :]) != inner:
        raise layer.malformed(f"its weight has the shape {list(shape)}, behind the filters it must be {inner}")
    places, depth = prod(shape[:count]), prod(inner)
    columns = _columns(g, layer, x, sides)
    out = layer.sizes(columns, 2)
    if out != shape[:count]:
        raise layer.malformed(f"it has filters for {list(shape[:count])} places and {list(out)} windows")
    # [N, groups, depth, places] times [places, groups, filters, depth], place by place.
    flat = g.Transpose(g.Reshape(columns, [0, groups, depth, places]), perm=[3, 1, 0, 2])
    if layer.last:
        order = [*range(count + 1), 2 * count + 1, *range(count + 1, 2 * count + 1)]
        weight = g.Transpose(weight, perm=order)
    rows = g.Transpose(g.Reshape(weight, [places, groups, filters // groups, depth]), perm=[0, 1, 3, 2])
    y = g.Transpose(g.MatMul(flat, rows), perm=[2, 1, 3, 0])
    y = g.Reshape(y, [0, filters, *out])
    if bias is not None:
        if layer.sizes(bias) != (*shape[:count], filters):
            raise layer.malformed(f"its bias has the shape {list(layer.shape(bias))}")
        y = g.Add(y, g.Transpose(bias, perm=[count, *range(count)]))
    return back(g, layer, y)


def _columns(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[Side]) -> Value:
    """[N, channels * kernel, windows...]: every place of the kernel by a convolution that picks one value."""
    channels, kernel = layer.size(x, 1), [side.kernel for side in sides]
    count = prod(kernel)
    if channels * count * count > LIMIT:
        raise layer.unsupported("its kernel is too large to be written as a convolution")
    picks = np.tile(np.eye(count), (channels, 1)).reshape(channels * count, 1, *kernel)
    return g.Conv(
        x, layer.array(x, picks), group=channels, dilations=[side.dilation for side in sides], **attributes(sides)
    )


@reads("Im2Col")
def im2col(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, channels * kernel, rows, columns]."""
    layer.rank(x, 4)
    if layer.last:
        raise layer.unsupported("its columns of NHWC pictures have an order of their own")
    sides = window(layer, x)
    check_room(layer, sides)
    return _columns(g, layer, x, sides)


@reads("Col2Im")
def col2im(g: GraphBuilder, layer: Layer, columns: Value, like: Value) -> Value:
    """The windows added up to a picture of the size of ``like``."""
    if layer.last:
        raise layer.unsupported("its columns of NHWC pictures have an order of their own")
    layer.rank(columns, 4)
    sides = window(layer, like)
    height, width = layer.sizes(like, 2)
    flat = g.Reshape(columns, [0, layer.size(columns, 1), prod(layer.sizes(columns, 2))])
    return g.Col2Im(
        flat, [height, width], [side.kernel for side in sides], strides=[side.stride for side in sides],
        pads=[side.begin for side in sides] + [side.end for side in sides],
        dilations=[side.dilation for side in sides],
    )  # fmt: skip


@reads("DeformConv")
def deform_conv(
    g: GraphBuilder, layer: Layer, x: Value, offset: Value, weight: Value, bias: Value | None = None
) -> Value:
    """Offsets [N, 2 * groups * kernel, H, W] in the order y, x; samples from outside the picture are zeros."""
    layer.rank(x, 4)
    if layer.last:
        raise layer.malformed("deformed convolutions exist for NCHW only")
    sides = window(layer, x)
    check_room(layer, sides)
    groups, offsets = layer.integer("group", 1), layer.integer("deformable_group", 1)
    kernel = [side.kernel for side in sides]
    filters = check_weight(layer, weight, layer.size(x, 1), groups, kernel)
    layer.same(layer.shape(offset)[1], 2 * offsets * math.prod(kernel), "the number of offsets")
    return g.DeformConv(
        x, weight, offset, bias_of(g, layer, bias, filters), group=groups, offset_group=offsets,
        dilations=[side.dilation for side in sides], **attributes(sides),
    )  # fmt: skip
