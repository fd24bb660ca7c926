"""Convolutions of all kinds: plain, transposed, deformable, and the correlation of two maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, reshaped
from workers.hub.graph import GraphBuilder

LIMIT = 1 << 20
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def window(layer: Layer, key: str, count: int, default: int) -> list[int]:
    """``kernel``, ``stride``, ``pad`` or ``dilate`` for ``count`` spatial axes."""
    found = list(layer.integers(key)) or [default] * count
    low = 0 if default == 0 else 1
    if len(found) != count or any(not low <= size <= LIMIT for size in found):
        raise layer.malformed(f"its {key} is {found} for {count} spatial axes")
    return found


def kernel_of(layer: Layer, x: Value) -> list[int]:
    """The kernel, which must have an entry for every spatial axis."""
    layer.need("kernel")
    rank = layer.rank(x, 3, 4, 5)
    return window(layer, "kernel", rank - 2, 1)


def channels_last(layer: Layer, rank: int) -> bool:
    """Whether the layout puts the channels behind the spatial axes."""
    layout = layer.word("layout", "None")
    first, last = LAYOUTS.get(rank - 2, ("", ""))
    if layout in ("None", "", first):
        return False
    if layout != last:
        raise layer.malformed(f"its layout {layout!r} does not fit an input of {rank} axes")
    return True


def moved(g: GraphBuilder, x: Value, rank: int, *, back: bool = False) -> Value:
    """Channels from the end to axis 1, or back."""
    order = [0, *range(2, rank), 1] if back else [0, rank - 1, *range(1, rank - 1)]
    return g.Transpose(x, perm=order)


def _weight(g: GraphBuilder, layer: Layer, weight: Value, last: bool) -> Value:
    """The weight with its channels in axis 1; a parameter is only viewed in another order."""
    if not last:
        return weight
    rank = len(layer.shape(weight))
    array = g.const(weight)
    if array is None:
        return moved(g, weight, rank)
    return g.weight(f"{layer.name}.weight", np.moveaxis(array, -1, 1))


@reads("Convolution", "Convolution_v1", "_npx_convolution")
def convolution(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """Symmetric padding; weight [filters, channels/groups, kernel...], behind the kernel in channels-last layouts."""
    if layer.flag("no_bias", False):
        bias = None
    kernel = kernel_of(layer, x)
    rank = len(kernel) + 2
    last = channels_last(layer, rank)
    x, weight = (moved(g, x, rank) if last else x), _weight(g, layer, weight, last)
    filters, groups = _filters(layer)
    pad = window(layer, "pad", len(kernel), 0)
    channels = layer.size(x, 1)
    if channels % groups:
        raise layer.malformed(f"{channels} channels cannot be taken in {groups} groups")
    _check(layer, weight, bias, [filters, channels // groups, *kernel], filters)
    y = g.Conv(
        x, cast(g, weight, layer.element(x)), _bias(g, layer, bias, x),
        kernel_shape=kernel, strides=window(layer, "stride", len(kernel), 1), pads=pad * 2,
        dilations=window(layer, "dilate", len(kernel), 1), group=groups,
    )  # fmt: skip
    return moved(g, y, rank, back=True) if last else y


def _filters(layer: Layer) -> tuple[int, int]:
    filters, groups = layer.integer("num_filter"), layer.integer("num_group", 1)
    if filters < 1 or groups < 1 or filters % groups:
        raise layer.malformed(f"it has {filters} filters in {groups} groups")
    return filters, groups


def _check(layer: Layer, weight: Value, bias: Value | None, shape: Sequence[int], filters: int) -> None:
    have = list(layer.shape(weight))
    if have != list(shape):
        raise layer.malformed(f"its weight has the shape {have}, the layer needs {list(shape)}")
    if bias is not None and math.prod(layer.sizes(bias)) != filters:
        raise layer.malformed(f"its bias has the shape {list(layer.shape(bias))}, the layer needs [{filters}]")


def _bias(g: GraphBuilder, layer: Layer, bias: Value | None, x: Value) -> Value | None:
    if bias is None:
        return None
    return cast(g, reshaped(g, layer, bias, [math.prod(layer.sizes(bias))]), layer.element(x))


@reads("Deconvolution", "_npx_deconvolution")
def deconvolution(g: GraphBuilder, layer: Layer, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """Without bias by default; weight [channels, filters/groups, kernel...]; ``adj`` is added at the end.

    ``target_shape`` overrides pad and adj: what is too much is cut, the odd one at the beginning.
    """
    if layer.flag("no_bias", True):
        bias = None
    kernel = kernel_of(layer, x)
    count = len(kernel)
    last = channels_last(layer, count + 2)
    x, weight = (moved(g, x, count + 2) if last else x), _weight(g, layer, weight, last)
    filters, groups = _filters(layer)
    _check(layer, weight, bias, [layer.size(x, 1), filters // groups, *kernel], filters)
    stride, dilate = window(layer, "stride", count, 1), window(layer, "dilate", count, 1)
    begin, end, adj = _cut(layer, x, kernel, stride, dilate)
    y = g.ConvTranspose(
        x, cast(g, weight, layer.element(x)), _bias(g, layer, bias, x), kernel_shape=kernel, strides=stride,
        dilations=dilate, pads=[*begin, *end], output_padding=adj if any(adj) else None, group=groups,
    )  # fmt: skip
    return moved(g, y, count + 2, back=True) if last else y


def _cut(
    layer: Layer, x: Value, kernel: list[int], stride: list[int], dilate: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """Pads at the beginning and at the end; ``adj`` lessens the latter, and is output padding where there is none."""
    count = len(kernel)
    target = layer.integers("target_shape")
    if not any(target):
        pad, adj = window(layer, "pad", count, 0), window(layer, "adj", count, 0)
        if any(a >= max(s, d) for a, s, d in zip(adj, stride, dilate, strict=True)):
            raise layer.malformed(f"its adj {adj} is not smaller than its stride {stride}")
        rest = [p - a for p, a in zip(pad, adj, strict=True)]
        return pad, [max(r, 0) for r in rest], [max(-r, 0) for r in rest]
    if len(target) != count:
        raise layer.malformed(f"its target_shape is {list(target)} for {count} spatial axes")
    totals = [
        s * (size - 1) + d * (k - 1) + 1 - wanted
        for size, k, s, d, wanted in zip(layer.sizes(x, 2), kernel, stride, dilate, target, strict=True)
    ]
    if any(total < 0 for total in totals):
        raise layer.malformed(f"its target_shape {list(target)} is larger than what the kernel reaches")
    return [(total + 1) // 2 for total in totals], [total // 2 for total in totals], [0] * count


@reads("_contrib_DeformableConvolution")
def deformable_convolution(
    g: GraphBuilder, layer: Layer, x: Value, offset: Value, weight: Value, bias: Value | None = None
) -> Value:
    """Offsets [N, 2 * groups * kernel, H, W] in the order y, x.

    A sample outside the plane is 0, one between the last row and the plane's edge the last row's: samples are moved
    onto the plane, and those from outside masked, for ONNX would blend both with zeros.
    """
    layer.rank(x, 4)
    return _deformed(g, layer, x, *_onto_plane(g, layer, x, offset), weight, bias)


def _onto_plane(g: GraphBuilder, layer: Layer, x: Value, offset: Value) -> tuple[Value, Value]:
    """Offsets that lead onto the plane, and which of them did before."""
    kernel, stride, pad, dilate = (
        window(layer, key, 2, int(key != "pad")) for key in ("kernel", "stride", "pad", "dilate")
    )
    sizes, (rows, columns) = layer.sizes(x, 2), layer.sizes(offset, 2)
    groups = layer.integer("num_deformable_group", 1)
    check_constant(layer, 2 * groups * math.prod(kernel) * rows * columns)
    dtype = layer.element(offset).numpy()
    grids = [np.arange(count) * s - p for count, s, p in zip((rows, columns), stride, pad, strict=True)]
    taps = np.stack(np.meshgrid(*(np.arange(k) * d for k, d in zip(kernel, dilate, strict=True)), indexing="ij"), -1)
    base = taps.reshape(-1, 2, 1, 1) + np.stack(np.meshgrid(*grids, indexing="ij"))
    start = g.constant(np.tile(base.reshape(-1, rows, columns), (groups, 1, 1))[None].astype(dtype))
    last = np.tile(np.asarray(sizes) - 1, groups * math.prod(kernel)).reshape(1, -1, 1, 1).astype(dtype)
    place, zero = g.Add(offset, start), layer.number(offset, 0)
    inside = g.And(g.GreaterOrEqual(place, zero), g.Less(place, g.constant(last + 1)))
    moved_onto = g.Sub(g.Max(g.Min(place, g.constant(last)), zero), start)
    pairs = reshaped(g, layer, cast(g, inside, layer.element(offset)),
                     [layer.shape(offset)[0], groups * math.prod(kernel), 2, rows, columns])  # fmt: skip
    return moved_onto, g.ReduceMin(pairs, [2], keepdims=0)


@reads("_contrib_ModulatedDeformableConvolution")
def modulated_deformable_convolution(
    g: GraphBuilder, layer: Layer, x: Value, offset: Value, mask: Value, weight: Value, bias: Value | None = None
) -> Value:
    """With a factor for every sample, taken as it is."""
    return _deformed(g, layer, x, offset, mask, weight, bias)


def _deformed(
    g: GraphBuilder, layer: Layer, x: Value, offset: Value, mask: Value | None, weight: Value, bias: Value | None
) -> Value:
    if layer.flag("no_bias", False):
        bias = None
    layer.rank(x, 4)
    if channels_last(layer, 4):
        raise layer.unsupported("ONNX deforms convolutions of channels-first arrays only")
    kernel = kernel_of(layer, x)
    filters, groups = _filters(layer)
    offsets = layer.integer("num_deformable_group", 1)
    _check(layer, weight, bias, [filters, layer.size(x, 1) // groups, *kernel], filters)
    layer.same(layer.shape(offset)[1], 2 * offsets * math.prod(kernel), "the number of offsets")
    attributes: dict[str, Any] = {
        "kernel_shape": kernel, "strides": window(layer, "stride", 2, 1), "pads": window(layer, "pad", 2, 0) * 2,
        "dilations": window(layer, "dilate", 2, 1), "group": groups, "offset_group": offsets,
    }  # fmt: skip
    return g.DeformConv(x, weight, offset, _bias(g, layer, bias, x), mask, **attributes)


@reads("Correlation")
def correlation(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    """FlowNet's: for every displacement the mean over channels and kernel of a(p) * b(p + d), or of |a(p) - b(p + d)|.

    Centres keep ``max_displacement`` and half a kernel away from the padded border; rows of displacements come first.
    """
    channels, height, width = (layer.rank(a, 4), *layer.sizes(a, 1))[1:]
    kernel, reach = layer.integer("kernel_size", 1), layer.integer("max_displacement", 1)
    stride, step, pad = layer.integer("stride1", 1), layer.integer("stride2", 1), layer.integer("pad_size", 0)
    if kernel < 1 or kernel % 2 == 0 or reach < 0 or min(stride, step) < 1 or pad < 0 or reach // step > 24:
        raise layer.malformed("its kernel, strides and displacement make no sense")
    border = reach + kernel // 2
    rows, columns = (-(-(size + 2 * pad - 2 * border) // stride) for size in (height, width))
    if rows < 1 or columns < 1 or channels < 1:
        raise layer.malformed("its maps are smaller than the border that the displacements need")
    pads = [0, 0, pad, pad] * 2
    a, b = (g.Pad(x, pads, layer.number(x, 0)) if pad else x for x in (a, b))
    spans = [(count - 1) * stride + kernel for count in (rows, columns)]
    centre = _cut_out(g, a, reach, reach, spans)
    moves = [reach + step * place for place in range(-(reach // step), reach // step + 1)]
    found = [_match(g, layer, centre, _cut_out(g, b, top, left, spans)) for top in moves for left in moves]
    joined = g.Concat(*found, axis=1)
    return g.AveragePool(joined, kernel_shape=[kernel] * 2, strides=[stride] * 2) if kernel * stride > 1 else joined


def _cut_out(g: GraphBuilder, x: Value, top: int, left: int, spans: list[int]) -> Value:
    return g.Slice(x, [top, left], [top + spans[0], left + spans[1]], [2, 3])


def _match(g: GraphBuilder, layer: Layer, a: Value, b: Value) -> Value:
    single = g.Mul(a, b) if layer.flag("is_multiply", True) else g.Abs(g.Sub(a, b))
    return g.ReduceMean(single, [1], keepdims=1)


@reads("im2col")
def im2col(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, channels * kernel, windows]: every place of the kernel as a convolution that picks one value."""
    kernel = kernel_of(layer, x)
    channels, count = layer.size(x, 1), math.prod(kernel)
    if channels * count * count > LIMIT:
        raise layer.unsupported("its kernel is too large to be written as a convolution")
    picks = np.tile(np.eye(count), (channels, 1)).reshape(channels * count, 1, *kernel)
    y = g.Conv(
        x, picks.astype(layer.element(x).numpy()), kernel_shape=kernel,
        strides=window(layer, "stride", len(kernel), 1), pads=window(layer, "pad", len(kernel), 0) * 2,
        dilations=window(layer, "dilate", len(kernel), 1), group=channels,
    )  # fmt: skip
    return reshaped(g, layer, y, [layer.shape(y)[0], channels * count, math.prod(layer.sizes(y, 2))])


@reads("col2im")
def col2im(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The windows added up again."""
    kernel, size = list(layer.integers("kernel")), list(layer.integers("output_size"))
    count = len(kernel)
    if not kernel or len(size) != count or any(part < 1 for part in [*kernel, *size]):
        raise layer.malformed(f"its kernel {kernel} does not fit its output_size {size}")
    return g.Col2Im(
        x, size, kernel, strides=window(layer, "stride", count, 1), pads=window(layer, "pad", count, 0) * 2,
        dilations=window(layer, "dilate", count, 1),
    )  # fmt: skip
