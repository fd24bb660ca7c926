"""Convolutions. Filters are stored [H, W, in, out]; data are channels-last unless data_format says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.hub.node import Dim


@dataclass(frozen=True, slots=True)
class Layout:
    """``last``: channels stand last. ``spatial`` is the number of spatial axes."""

    last: bool
    spatial: int

    def first(self, g: Builder, x: Value) -> Value:
        """The tensor channels-first; of a sequence that was made a picture of one row, the sequence is transposed."""
        node = x.producer() if self.last and self.spatial == 2 and x not in g.turned else None
        axes = g.numbers(node.inputs[1]) if node is not None and node.op_type == "Unsqueeze" else None
        if node is not None and node.inputs[0] is not None and axes in ((1,), (2,)):
            return g.Unsqueeze(g.Transpose(node.inputs[0], perm=[0, 2, 1]), [axes[0] + 1])
        return g.Transpose(x, perm=[0, self.spatial + 1, *range(1, self.spatial + 1)]) if self.last else x

    def back(self, g: Builder, x: Value) -> Value:
        """A channels-first result in the layout of the node."""
        return g.turn(x, [0, *range(2, self.spatial + 2), 1]) if self.last else x

    def space(self, values: Sequence[int]) -> list[int]:
        """Of a list over all axes, the spatial ones."""
        return [int(v) for v in (values[1:-1] if self.last else values[2:])]

    def others(self, values: Sequence[int]) -> list[int]:
        return [int(values[0]), int(values[-1] if self.last else values[1])]


def layout_of(layer: Layer, spatial: int) -> Layout:
    default = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[spatial]
    word = layer.s("data_format", default)
    if word not in (default, default[0] + "C" + default[1:-1]):
        raise layer.unsupported(f"its data_format is {word!r}")
    return Layout(word.endswith("C"), spatial)


def same_pads(layer: Layer, sizes: Sequence[Dim], kernel: Sequence[int], strides: Sequence[int],
              dilations: Sequence[int]) -> list[int] | None:  # fmt: skip
    """SAME: ceil(in / stride) places; the odd cell of padding goes behind. None where a size is not known."""
    before, after = [], []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        if not isinstance(size, int):
            if stride != 1:
                return None
            total = reach - 1
        else:
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return [*before, *after]


def padding(layer: Layer, form: Layout, x: Value, kernel: Sequence[int], strides: Sequence[int],
            dilations: Sequence[int]) -> dict[str, Any]:  # fmt: skip
    """The attributes of ONNX that say it; ``x`` is channels-first."""
    word = layer.s("padding", "VALID")
    if word == "VALID":
        return {"pads": [0] * 2 * form.spatial}
    if word == "EXPLICIT":
        pairs = layer.ints("explicit_paddings")
        if len(pairs) != 2 * (form.spatial + 2):
            raise layer.malformed(f"its explicit_paddings has {len(pairs)} numbers")
        return {"pads": form.space(pairs[0::2]) + form.space(pairs[1::2])}
    if word != "SAME":
        raise layer.malformed(f"its padding is {word!r}")
    pads = same_pads(layer, layer.shape(x)[2:], kernel, strides, dilations)
    return {"auto_pad": "SAME_UPPER"} if pads is None else {"pads": pads}


def steps(layer: Layer, form: Layout, key: str) -> list[int]:
    values = layer.ints(key, [1] * (form.spatial + 2))
    if len(values) != form.spatial + 2 or form.others(values) != [1, 1] or any(v < 1 for v in values):
        raise layer.unsupported(f"its {key} are {values}")
    return form.space(values)


@reads("Conv2D", "Conv3D")
def conv(g: Builder, layer: Layer, x: Value, w: Value) -> Value:
    """The number of groups is what is left of the input's channels: in / filter.shape[-2]."""
    spatial = 2 if layer.type == "Conv2D" else 3
    form = layout_of(layer, spatial)
    layer.rank(x, spatial + 2)
    layer.rank(w, spatial + 2)
    source = form.first(g, x)
    inside = layer.size(w, spatial)
    channels = layer.shape(source)[1]
    groups = channels // inside if isinstance(channels, int) and inside else 1
    if not inside or (isinstance(channels, int) and channels % inside):
        raise layer.malformed(f"it has {channels} channels for a filter of {inside}")
    filters = g.Transpose(w, perm=[spatial + 1, spatial, *range(spatial)])
    return form.back(g, _conv(g, layer, form, source, filters, list(layer.sizes(w, 0, spatial)), groups))


def _conv(
    g: Builder, layer: Layer, form: Layout, x: Value, w: Value, kernel: list[int], groups: int
) -> Value:  # fmt: skip
    strides, dilations = steps(layer, form, "strides"), steps(layer, form, "dilations")
    pads = padding(layer, form, x, kernel, strides, dilations)
    return g.Conv(x, w, kernel_shape=kernel, strides=strides, dilations=dilations, group=groups, **pads)


@reads("DepthwiseConv2dNative")
def depthwise_conv(g: Builder, layer: Layer, x: Value, w: Value) -> Value:
    """A filter [H, W, C, M]: channel c * M + m of the output is channel c with filter m."""
    form = layout_of(layer, 2)
    layer.rank(x, 4)
    height, width, channels, many = layer.sizes(w)
    filters = g.Reshape(g.Transpose(w, perm=[2, 3, 0, 1]), [channels * many, 1, height, width])
    return form.back(g, _conv(g, layer, form, form.first(g, x), filters, [height, width], channels))


@reads("Conv2DBackpropInput", "Conv3DBackpropInput", "Conv3DBackpropInputV2")
def conv_backprop_input(g: Builder, layer: Layer, size: Value, w: Value, x: Value) -> Value:
    """A transposed convolution: its output's size is an input, SAME is the padding of the convolution it reverses."""
    spatial = 2 if layer.type == "Conv2DBackpropInput" else 3
    form = layout_of(layer, spatial)
    layer.rank(x, spatial + 2)
    source = form.first(g, x)
    kernel, channels = list(layer.sizes(w, 0, spatial)), layer.size(w, spatial)
    strides, dilations = steps(layer, form, "strides"), steps(layer, form, "dilations")
    filters = g.Transpose(w, perm=[spatial + 1, spatial, *range(spatial)])
    known = g.contents(size)
    if known is None or known.scalar:
        raise layer.free("the size of its output is computed from data")
    items = known.items if len(known.items) == spatial + 2 else (None, *known.items, None)
    sizes = items[1:-1] if form.last else items[2:]
    wanted = [item for item in sizes if isinstance(item, int)]
    ins = layer.shape(source)[2:]
    if len(wanted) != spatial:
        return form.back(g, _free_size(g, layer, source, filters, kernel, strides, dilations, ins))
    before = _forward_pads(layer, form, wanted, kernel, strides, dilations)
    pads, extra = [0] * 2 * spatial, [0] * spatial
    for axis in range(spatial):
        if not isinstance(ins[axis], int):
            raise layer.free("it needs the size of its input")
        full = (int(ins[axis] or 0) - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        pads[axis] = before[axis]
        behind = full - wanted[axis] - before[axis]
        pads[spatial + axis], extra[axis] = max(behind, 0), max(-behind, 0)
    result = g.ConvTranspose(source, filters, kernel_shape=kernel, strides=strides, dilations=dilations,
                             pads=pads, output_padding=extra)  # fmt: skip
    if channels and result.shape is None:
        raise layer.malformed("its filter does not fit")
    return form.back(g, result)


def _forward_pads(layer: Layer, form: Layout, out: Sequence[int], kernel: Sequence[int], strides: Sequence[int],
                  dilations: Sequence[int]) -> list[int]:  # fmt: skip
    """What the forward convolution put in front of its input, which is our output."""
    word = layer.s("padding", "VALID")
    if word == "EXPLICIT":
        return form.space(layer.ints("explicit_paddings")[0::2])
    if word == "SAME":
        return (same_pads(layer, out, kernel, strides, dilations) or [0])[: form.spatial]
    return [0] * form.spatial


def _free_size(g: Builder, layer: Layer, x: Value, w: Value, kernel: list[int], strides: list[int],
               dilations: list[int], ins: Sequence[Dim]) -> Value:  # fmt: skip
    """Free spatial axes: the usual sizes, input times stride for SAME, the smallest one for VALID."""
    if any(dilation != 1 for dilation in dilations) or layer.s("padding") == "EXPLICIT":
        raise layer.free("the size of its output is not known")
    if layer.s("padding", "VALID") == "VALID":
        extra = [max(stride - k, 0) for k, stride in zip(kernel, strides, strict=True)]
        return g.ConvTranspose(x, w, kernel_shape=kernel, strides=strides, output_padding=extra)
    totals = [max(k - stride, 0) for k, stride in zip(kernel, strides, strict=True)]
    pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    extra = [max(stride - k, 0) for k, stride in zip(kernel, strides, strict=True)]
    return g.ConvTranspose(x, w, kernel_shape=kernel, strides=strides, pads=pads, output_padding=extra)


@reads("BiasAdd", "BiasAddV1")
def bias_add(g: Builder, layer: Layer, x: Value, bias: Value) -> Value:
    """On the channels, the last axis unless data_format says NCHW; it joins a convolution that has no bias yet."""
    rank = len(layer.shape(x))
    first = layer.s("data_format", "NHWC") == "NCHW" and rank > 2
    joined = _with_bias(g, layer, x, bias)
    if joined is not None:
        return joined
    shaped = g.Unsqueeze(bias, list(range(1, rank - 1))) if first else bias
    return g.Add(x, shaped)


def _with_bias(g: Builder, layer: Layer, x: Value, bias: Value) -> Value | None:
    """The convolution itself with its bias, where nobody else reads it without."""
    source, perm = g.turned.get(x, (x, None))
    node = source.producer()
    channels_last = perm is not None and perm[-1] == 1
    channels_first = perm is None and layer.s("data_format", "NHWC") == "NCHW"
    if node is None or node.op_type not in ("Conv", "ConvTranspose") or not (channels_last or channels_first):
        return None
    readers = [use for use in source.uses() if use.node is not x.producer()]
    if len(node.inputs) != 2 or not g.is_const(bias) or node.graph is not g.graph or readers or x.uses():
        return None
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    fresh = g.op(node.op_type, node.inputs[0], node.inputs[1], bias, **attributes)
    producer = fresh.producer()
    if producer is not None:
        producer.metadata_props.update(node.metadata_props)
    return fresh if perm is None else g.turn(fresh, perm)


@reads("Dilation2D")
def dilation_2d(g: Builder, layer: Layer, x: Value, w: Value) -> Value:
    """max over the window of x + w: one shifted sum a place of the filter."""
    height, width, channels = layer.sizes(w)
    if height * width > 64:
        raise layer.unsupported(f"its filter has {height} x {width} places; up to 64 are unrolled")
    form = Layout(True, 2)
    strides, rates = form.space(layer.ints("strides")), form.space(layer.ints("rates"))
    source = form.first(g, x)
    rows, columns = layer.sizes(source, 2)
    pads = [0] * 4
    if layer.s("padding") == "SAME":
        pads = same_pads(layer, (rows, columns), (height, width), strides, rates) or pads
    low = layer.number(x, float(np.finfo(np.float32).min))
    source = g.Pad(source, [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]], low)
    outs = [(size + pads[i] + pads[i + 2] - ((k - 1) * rate + 1)) // stride + 1
            for i, (size, k, rate, stride) in enumerate(zip((rows, columns), (height, width), rates, strides,
                                                            strict=True))]  # fmt: skip
    found = None
    for i in range(height):
        for j in range(width):
            starts = [i * rates[0], j * rates[1]]
            ends = [start + (out - 1) * stride + 1 for start, out, stride in zip(starts, outs, strides, strict=True)]
            part = g.Slice(source, starts, ends, [2, 3], strides)
            weight = g.Reshape(g.Slice(w, [i, j], [i + 1, j + 1], [0, 1]), [1, channels, 1, 1])
            term = g.Add(part, weight)
            found = term if found is None else g.Max(found, term)
    assert found is not None
    return form.back(g, found)
