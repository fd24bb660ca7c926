"""Convolutions, plain, transposed and deformable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workers.formats.dims import times, whole
from workers.formats.paddle.read.activation import activated
from workers.formats.paddle.read.layer import Layer, Value, reads
from workers.formats.paddle.read.vectors import fixed, numbers, reshaped
from workers.hub.graph import GraphBuilder

LARGEST = 2**20


@dataclass(frozen=True, slots=True)
class Windows:
    """Strides, dilations, and pads as ONNX has them: all begins, then all ends; ``same`` means computed by size."""

    strides: list[int]
    dilations: list[int]
    pads: list[int]
    same: bool

    def attributes(self) -> dict[str, object]:
        pads: dict[str, object] = {"auto_pad": "SAME_UPPER"} if self.same else {"pads": self.pads}
        return {"strides": self.strides, "dilations": self.dilations, **pads}


def is_last(layer: Layer, key: str = "data_format") -> bool:
    """Whether channels come last."""
    return layer.word(key, "NCHW") in ("NHWC", "NDHWC", "NLC")


def first(g: GraphBuilder, layer: Layer, x: Value, last: bool) -> Value:
    """``x`` with channels first."""
    rank = layer.rank(x)
    return g.Transpose(x, perm=[0, rank - 1, *range(1, rank - 1)]) if last else x


def back(g: GraphBuilder, layer: Layer, x: Value, last: bool) -> Value:
    """The result in the layer's own layout."""
    rank = layer.rank(x)
    return g.Transpose(x, perm=[0, *range(2, rank), 1]) if last else x


def spread(layer: Layer, key: str, found: Sequence[int], axes: int, low: int) -> list[int]:
    """A number for each axis; one counts for all."""
    values = list(found) * axes if len(found) == 1 else list(found)
    if len(values) != axes or any(not low <= value <= LARGEST for value in values):
        raise layer.malformed(f"its {key} is {list(found)}")
    return values


def pads_of(layer: Layer, axes: int, found: Sequence[int]) -> list[int]:
    """[h, w] or [top, bottom, left, right] -> all begins, then all ends."""
    values = list(found) * axes if len(found) == 1 else list(found)
    if len(values) == axes:
        values = [value for value in values for _ in range(2)]
    if len(values) == 2 * axes + 4 and not any(values[:4]):
        values = values[4:]
    if len(values) != 2 * axes or any(not 0 <= value <= LARGEST for value in values):
        raise layer.malformed(f"its paddings are {list(found)}")
    return values[::2] + values[1::2]


def windows(layer: Layer, axes: int) -> Windows:
    """SAME and VALID override the paddings; SAME knows no dilation."""
    strides = spread(layer, "strides", layer.integers("strides", [1]), axes, 1)
    dilations = spread(layer, "dilations", layer.integers("dilations", [1]), axes, 1)
    rule = layer.choice("padding_algorithm", "EXPLICIT", "EXPLICIT", "SAME", "VALID")
    if rule == "EXPLICIT":
        return Windows(strides, dilations, pads_of(layer, axes, layer.integers("paddings", [0])), False)
    return Windows(strides, [1] * axes if rule == "SAME" else dilations, [0] * (2 * axes), rule == "SAME")


def vector_of(g: GraphBuilder, layer: Layer, x: Value | None, size: int) -> Value | None:
    """A bias as [size]."""
    return None if x is None else reshaped(g, layer, x, [size])


def _ended(g: GraphBuilder, layer: Layer, y: Value) -> Value:
    """What inference passes fuse behind a convolution: a sum and an activation."""
    residual = layer.maybe("ResidualData")
    if residual is not None:
        y = g.Add(y, residual)
    word = str(layer.attr("activation", "") or layer.attr("fuse_activation", "") or "")
    if not word and layer.attr("fuse_relu", False):
        word = "relu"
    if not word:
        return y
    return activated(g, layer, y, word, layer.real("fuse_alpha", 0.0), layer.real("fuse_beta", 0.0))


@reads("conv2d", "depthwise_conv2d", "conv3d", "depthwise_conv3d", "conv2d_fusion", "fused_conv2d_add_act",
       "fused_conv2d", "fused_conv3d")  # fmt: skip
def convolution(g: GraphBuilder, layer: Layer) -> Value:
    """Filters are [out, in / groups, ...] in every layout of the data."""
    x, w = layer.x("Input"), layer.x("Filter")
    axes = layer.rank(w, 4, 5) - 2
    layer.rank(x, axes + 2)
    last = is_last(layer)
    groups = layer.integer("groups", 1)
    if len(layer.integers("split_channels")) > 1:
        raise layer.unsupported("its output is split in several; convert the program as it was before optimisation")
    if layer.attr("mkldnn_data_type", "float32") == "int8" or layer.attr("force_fp32_output", False):
        raise layer.unsupported("it was quantised for one processor; convert the model as it was before")
    bias = vector_of(g, layer, layer.maybe("Bias"), layer.size(w, 0))
    y = g.Conv(first(g, layer, x, last), w, bias, group=groups, kernel_shape=layer.sizes(w, 2),
               **windows(layer, axes).attributes())  # fmt: skip
    return _ended(g, layer, back(g, layer, y, last))


@reads("conv2d_transpose", "depthwise_conv2d_transpose", "conv3d_transpose", "conv2d_transpose_bias")
def conv_transpose(g: GraphBuilder, layer: Layer) -> Value:
    """Filters are [in, out / groups, ...]. ``output_size`` tells how much is added behind."""
    x = layer.x("Input") if layer.op.inputs.get("Input") else layer.x("X")
    w = layer.x("Filter")
    axes = layer.rank(w, 4, 5) - 2
    layer.rank(x, axes + 2)
    last = is_last(layer)
    x = first(g, layer, x, last)
    groups, kernel, form = layer.integer("groups", 1), layer.sizes(w, 2), windows(layer, axes)
    pads = _same_pads(layer, x, kernel, form) if form.same else form.pads
    wanted = fixed(layer, numbers(g, layer, "output_size", "OutputSizeTensor", default=[]), "its output_size")
    wanted = spread(layer, "output_size", wanted, axes, 1) if wanted else []
    added = layer.integers("output_padding")
    added = spread(layer, "output_padding", added, axes, 0) if added else [0] * axes
    crop = False
    if wanted:
        smallest = _transposed_size(layer, x, kernel, form, pads)
        crop = smallest is None
        added = [s - 1 for s in form.strides] if smallest is None else [
            want - size for want, size in zip(wanted, smallest, strict=True)]  # fmt: skip
        if any(not 0 <= extra < max(stride, 2) for extra, stride in zip(added, form.strides, strict=True)):
            raise layer.malformed(f"its output_size {wanted} is not within a stride of {smallest}")
    bias = vector_of(g, layer, layer.maybe("Bias"), layer.size(w, 1) * groups)
    y = g.ConvTranspose(x, w, bias, group=groups, kernel_shape=kernel, strides=form.strides, dilations=form.dilations,
                        pads=pads, output_padding=added if any(added) else None)  # fmt: skip
    if crop:
        y = g.Slice(y, [0] * axes, wanted, list(range(2, axes + 2)))
    return _ended(g, layer, back(g, layer, y, last))


def _same_pads(layer: Layer, x: Value, kernel: Sequence[int], form: Windows) -> list[int]:
    """As for the convolution of this input, whose size must be known."""
    begins, ends = [], []
    for size, k, stride in zip(layer.sizes(x, 2), kernel, form.strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + k - size, 0)
        begins.append(total // 2)
        ends.append(total - total // 2)
    return begins + ends


def _transposed_size(
    layer: Layer, x: Value, kernel: Sequence[int], form: Windows, pads: Sequence[int]
) -> list[int] | None:
    """The size without anything added; None where the input's is not known."""
    sizes = whole(layer.shape(x)[2:])
    if sizes is None:
        return None
    axes = len(sizes)
    return [
        (sizes[i] - 1) * form.strides[i] - pads[i] - pads[axes + i] + form.dilations[i] * (kernel[i] - 1) + 1
        for i in range(axes)
    ]


@reads("deformable_conv", "deformable_conv_v1")
def deformable_conv(g: GraphBuilder, layer: Layer) -> Value:
    """ONNX's DeformConv (opset 19), which has the same offsets (y, x) and masks."""
    w = layer.x("Filter")
    layer.rank(w, 4)
    form = windows(layer, 2)
    return g.DeformConv(
        layer.x("Input"), w, layer.x("Offset"), None, layer.maybe("Mask"), group=layer.integer("groups", 1),
        kernel_shape=layer.sizes(w, 2), strides=form.strides, dilations=form.dilations, pads=form.pads,
        offset_group=layer.integer("deformable_groups", 1),
    )  # fmt: skip


@reads("row_conv")
def row_conv(g: GraphBuilder, layer: Layer) -> Value:
    """Every feature with the steps that follow it: x [B, T, D], filter [steps, D]."""
    x, w = layer.x(), layer.x("Filter")
    layer.rank(x, 3)
    steps, features = layer.sizes(w)
    kernel = reshaped(g, layer, g.Transpose(w, perm=[1, 0]), [features, 1, steps])
    y = g.Conv(g.Transpose(x, perm=[0, 2, 1]), kernel, group=features, kernel_shape=[steps], pads=[0, steps - 1])
    return g.Transpose(y, perm=[0, 2, 1])


@reads("unfold")
def unfold(g: GraphBuilder, layer: Layer) -> Value:
    """Windows as columns [N, C * kh * kw, places], by a convolution with a filter for every place of the window."""
    x = layer.x()
    layer.rank(x, 4)
    kernel = spread(layer, "kernel_sizes", layer.integers("kernel_sizes"), 2, 1)
    channels, area = layer.size(x, 1), math.prod(kernel)
    layer.bounded(channels * area * area)
    pads = layer.integers("paddings", [0])
    pads = pads * 4 if len(pads) == 1 else [*pads, *pads] if len(pads) == 2 else pads
    filters = np.tile(np.eye(area).reshape(area, 1, *kernel), (channels, 1, 1, 1))
    y = g.Conv(
        x, layer.number(x, filters), group=channels, kernel_shape=kernel, pads=pads,
        strides=spread(layer, "strides", layer.integers("strides", [1]), 2, 1),
        dilations=spread(layer, "dilations", layer.integers("dilations", [1]), 2, 1),
    )  # fmt: skip
    dims = layer.shape(y)
    return reshaped(g, layer, y, [dims[0], channels * area, times(dims[2:])])


@reads("fold")
def fold(g: GraphBuilder, layer: Layer) -> Value:
    """Columns summed back into a picture: ONNX's Col2Im."""
    x = layer.x()
    pads = layer.integers("paddings", [0])
    pads = pads * 4 if len(pads) == 1 else [*pads, *pads] if len(pads) == 2 else pads
    return g.Col2Im(
        x, layer.integers("output_sizes"), layer.integers("kernel_sizes"), pads=pads,
        strides=spread(layer, "strides", layer.integers("strides", [1]), 2, 1),
        dilations=spread(layer, "dilations", layer.integers("dilations", [1]), 2, 1),
    )  # fmt: skip
