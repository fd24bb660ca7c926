"""MediaPipe's custom operators. Their options are plain structures of 32-bit integers."""

from __future__ import annotations

import struct

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.convolution import bias
from workers.formats.tflite.read.layer import F32, I64, Layer, Out, activated, reads
from workers.formats.tflite.read.spatial import LIMIT
from workers.hub.graph import GraphBuilder

SAME, VALID = 1, 2


def _numbers(layer: Layer, count: int) -> list[int]:
    """The first words of the options: the padding, then strides and what else there is, width before height."""
    if len(layer.op.custom_options) < 4 * count:
        raise layer.malformed(f"its options have {len(layer.op.custom_options)} bytes of {4 * count}")
    kind, *found = struct.unpack_from(f"<{count}i", layer.op.custom_options)
    if kind not in (SAME, VALID) or any(not 1 <= size <= LIMIT for size in found[:4]):
        raise layer.malformed(f"its padding is {kind}, its sizes are {found}")
    return [kind, *found]


@reads("MaxPoolingWithArgmax2D")
def max_pooling_with_argmax_2d(g: GraphBuilder, layer: Layer) -> list[Out]:
    """The second result is the place of the maximum within its window, row by row, plus 0.1."""
    layer.rank(0, 4)
    kind, stride_w, stride_h, width, height, activation = _numbers(layer, 6)
    if not 0 <= activation < 4:
        raise layer.malformed(f"its activation {activation} does not exist")
    rows, columns = layer.sizes(0)[1:3]
    made, before, pads = [], [], []
    for size, kernel, stride in ((rows, height, stride_h), (columns, width, stride_w)):
        count = -(-size // stride) if kind == SAME else (size - kernel + stride) // stride
        if count < 1:
            raise layer.malformed("its window is larger than its input")
        total = max((count - 1) * stride + kernel - size, 0)
        made.append(count)
        before.append(total // 2)
        pads.append(total - total // 2)
    x = layer.x(g, 0, first=True)
    y, indices = g.ops("MaxPool", x, outputs=2, kernel_shape=[height, width], strides=[stride_h, stride_w],
                       pads=[*before, *pads])  # fmt: skip
    place = g.Mod(indices, np.asarray(rows * columns))
    row, column = g.Div(place, np.asarray(columns)), g.Mod(place, np.asarray(columns))
    top = (np.arange(made[0]) * stride_h - before[0]).reshape(1, 1, -1, 1)
    left = (np.arange(made[1]) * stride_w - before[1]).reshape(1, 1, 1, -1)
    local = g.Add(g.Mul(g.Sub(row, top), np.asarray(width)), g.Sub(column, left))
    names = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")
    return [
        Out(activated(g, y, names[activation]), first=True),
        Out(g.Add(cast(g, local, F32), np.float32(0.1)), first=True),
    ]


@reads("MaxUnpooling2D")
def max_unpooling_2d(g: GraphBuilder, layer: Layer) -> Out:
    """Every value to its place in a window of its own, zeros around it."""
    layer.rank(0, 4)
    _, stride_w, stride_h, width, height = _numbers(layer, 5)
    if (stride_w, stride_h) != (width, height):
        raise layer.unsupported("its windows overlap or leave gaps")
    rows, columns, channels = layer.sizes(0)[1:]
    x, local = layer.x(g, 0, first=True), cast(g, layer.x(g, 1, first=True), I64)
    shape = [0, channels, rows, 1, columns, 1]
    place = (np.arange(height)[:, None] * width + np.arange(width)).reshape(1, 1, 1, height, 1, width)
    y = g.Where(g.Equal(g.Reshape(local, shape), place), g.Reshape(x, shape), np.float32(0))
    return Out(g.Reshape(y, [0, channels, rows * height, columns * width]), first=True)


@reads("Convolution2DTransposeBias")
def convolution_2d_transpose_bias(g: GraphBuilder, layer: Layer) -> Out:
    """SAME cuts max(0, kernel - 1 - (size - 1) % stride), the smaller half of it at the beginning."""
    layer.rank(0, 4)
    layer.rank(1, 4)
    kind, stride_w, stride_h = _numbers(layer, 3)
    filters, *kernel, _ = layer.sizes(1)
    cut = [0, 0]
    strides = [stride_h, stride_w]
    if kind == SAME:
        cut = [max(0, k - (layer.size(0, axis + 1) - 1) % s - 1) for axis, (k, s) in
               enumerate(zip(kernel, strides, strict=True))]  # fmt: skip
    before = [total // 2 for total in cut]
    y = g.ConvTranspose(
        layer.x(g, 0, first=True), layer.kernel(g, 1, (3, 0, 1, 2)), bias(g, layer, 2, 1, 0, filters),
        kernel_shape=kernel, strides=strides, pads=[*before, *(t - b for t, b in zip(cut, before, strict=True))],
    )  # fmt: skip
    return Out(y, first=True)
