"""Pooling and spatial pyramid pooling, with Caffe's own output sizes and divisors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class _Side:
    """One spatial axis: input size, kernel, stride, pad and number of windows."""

    size: int
    kernel: int
    stride: int
    pad: int
    out: int

    @property
    def end(self) -> int:
        """What must be added behind the axis for the last window: pad and overhang, never less than nothing."""
        return max((self.out - 1) * self.stride + self.kernel - self.size - self.pad, 0)

    @property
    def overhang(self) -> int:
        """How far the last window reaches beyond the padding."""
        return max(self.end - self.pad, 0)


def _side(layer: Layer, size: int, kernel: int, stride: int, pad: int, *, padded: bool, floor: bool) -> _Side:
    """Caffe rounds the number of windows up and, when anything is padded, drops a last one that starts in the pad."""
    if kernel < 1 or stride < 1:
        raise layer.malformed("kernel and stride must be given and positive")
    if pad >= kernel:
        raise layer.malformed(f"pad {pad} is not smaller than the kernel {kernel}")
    room = size + 2 * pad - kernel
    if room < 0 and floor:
        raise layer.malformed(f"a kernel of {kernel} does not fit a side of {size} with pad {pad}")
    out = (room // stride if floor else -(-room // stride)) + 1
    if padded and (out - 1) * stride >= size + pad:
        out -= 1
    if out < 1 or (out - 1) * stride >= size + pad:
        raise layer.malformed(f"a window of {kernel} with stride {stride} starts outside a side of {size}")
    return _Side(size, kernel, stride, pad, out)


def _sides(layer: Layer, x: Value, floor: bool) -> list[_Side]:
    p = layer.pooling_param
    kernel = [p.kernel_h, p.kernel_w] if p.has("kernel_h") or p.has("kernel_w") else [p.kernel_size] * 2
    stride = [p.stride_h, p.stride_w] if p.has("stride_h") or p.has("stride_w") else [p.stride] * 2
    pad = [p.pad_h, p.pad_w] if p.has("pad_h") or p.has("pad_w") else [p.pad] * 2
    return [
        _side(layer, size, k, s, q, padded=any(pad), floor=floor)
        for size, k, s, q in zip(layer.sizes(x, 2), kernel, stride, pad, strict=True)
    ]


@reads("Pooling")
def pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value | list[Value]:
    """MAX, AVE or (as at test time) STOCHASTIC pooling over two axes; a second top of MAX holds the winners' places.

    A negative-infinite or clipped window never appears: end pads are made exactly as long as the last window needs.
    """
    layer.rank(x, 4)
    p = layer.pooling_param
    if layer.tops > 1 and p.pool != "MAX":
        raise layer.malformed("only MAX pooling has a second top")
    if p.global_pooling:
        return _global(g, layer, x)
    sides = _sides(layer, x, p.round_mode == "FLOOR")
    if p.pool == "MAX":
        return _max(g, layer, x, sides) if layer.tops == 1 else _max_with_places(g, layer, x, sides)
    if p.pool == "AVE":
        return average(g, x, sides)
    if p.pool == "STOCHASTIC":
        return _stochastic(g, layer, x, sides)
    raise layer.unsupported(f"pooling method {p.pool!r} is not known")


def _global(g: GraphBuilder, layer: Layer, x: Value) -> Value | list[Value]:
    p = layer.pooling_param
    pads = (p.pad, p.pad_h, p.pad_w)
    if any(pads) or p.stride != 1 or p.stride_h > 1 or p.stride_w > 1:
        raise layer.malformed("global pooling takes neither pad nor stride")
    if p.pool == "AVE":
        return g.GlobalAveragePool(x)
    if p.pool == "MAX" and layer.tops == 1:
        return g.GlobalMaxPool(x)
    whole = [_Side(size, size, 1, 0, 1) for size in layer.sizes(x, 2)]
    return _max_with_places(g, layer, x, whole) if p.pool == "MAX" else _stochastic(g, layer, x, whole)


def _window(sides: Sequence[_Side], end: str = "end") -> dict[str, list[int]]:
    return {
        "kernel_shape": [side.kernel for side in sides],
        "strides": [side.stride for side in sides],
        "pads": [side.pad for side in sides] + [getattr(side, end) for side in sides],
    }


def _max(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    _check_ends(layer, sides)
    return g.MaxPool(x, **_window(sides))


def _max_with_places(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> list[Value]:
    """ONNX counts places through the whole tensor, Caffe (as floats) through each plane: y * W + x."""
    _check_ends(layer, sides)
    window: dict[str, Any] = _window(sides)
    top, places = g.ops("MaxPool", x, outputs=2, **window)
    plane = sides[0].size * sides[1].size
    return [top, g.Cast(g.Mod(places, plane), to=1)]


def _check_ends(layer: Layer, sides: Sequence[_Side]) -> None:
    """ONNX runtimes take no pad as long as the kernel; such a window would hold nothing but overhang."""
    if any(side.end >= side.kernel for side in sides):
        raise layer.malformed("a window lies wholly outside its plane")


def average(g: GraphBuilder, x: Value, sides: Sequence[_Side]) -> Value:
    """Caffe divides by the window clipped at size + pad: the padding counts, what hangs over beyond it does not.

    Without overhang that is ``count_include_pad``; otherwise the zeros of the padding are made part of the plane.
    """
    if not any(side.overhang for side in sides):
        return g.AveragePool(x, count_include_pad=1, **_window(sides))
    if any(side.pad for side in sides):
        pads = [0, 0, *(side.pad for side in sides), 0, 0, *(side.pad for side in sides)]
        x = g.Pad(x, pads, 0.0)
        sides = [_Side(side.size + 2 * side.pad, side.kernel, side.stride, 0, side.out) for side in sides]
    return g.AveragePool(x, count_include_pad=0, **_window(sides))


def _stochastic(g: GraphBuilder, layer: Layer, x: Value, sides: Sequence[_Side]) -> Value:
    """At test time the expectation sum(x^2) / sum(x) of each window, 0 where the sum is not positive."""
    if any(side.pad for side in sides):
        raise layer.malformed("STOCHASTIC pooling takes no pad")
    squares, sums = average(g, g.Mul(x, x), sides), average(g, x, sides)
    positive = g.Greater(sums, 0.0)
    return g.Where(positive, g.Div(squares, g.Where(positive, sums, 1.0)), 0.0)


@reads("SPP")
def spp(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Levels of 1, 2, 4 ... bins a side, each flattened: kernel = stride = ceil(side/bins), pad (remainder+1)/2."""
    layer.rank(x, 4)
    p = layer.spp_param
    if not 1 <= p.pyramid_height <= 16:
        raise layer.malformed(f"a pyramid of height {p.pyramid_height} makes no sense")
    tops = []
    for level in range(p.pyramid_height):
        bins = 2**level
        sides = []
        for size in layer.sizes(x, 2):
            kernel = -(-size // bins)
            pad = (kernel * bins - size + 1) // 2
            sides.append((size, kernel, pad))
        padded = any(pad for _, _, pad in sides)
        made = [_side(layer, size, k, k, pad, padded=padded, floor=False) for size, k, pad in sides]
        if p.pool == "AVE":
            tops.append(average(g, x, made))
        elif p.pool == "MAX":
            tops.append(_max(g, layer, x, made))
        else:
            tops.append(_stochastic(g, layer, x, made))
    if len(tops) == 1:
        return tops[0]
    return g.Concat(*(g.Flatten(top, axis=1) for top in tops), axis=1)


@reads("Upsample")
def upsample(g: GraphBuilder, layer: Layer, x: Value, mask: Value | None = None) -> Value:
    """With one bottom the nearest-neighbour enlargement of the YOLO forks, with a mask SegNet's unpooling."""
    layer.rank(x, 4)
    p = layer.upsample_param
    scale = [p.scale_h or p.scale, p.scale_w or p.scale]
    if mask is None:
        if min(scale) < 1 or max(scale) > 1024:
            raise layer.unsupported("its upsample_param has no 'scale', so this is a fork's variant that is not known")
        layer.note("assumed-variant", "Upsample with one bottom repeats pixels, as in the YOLO forks of Caffe.")
        return g.Resize(
            x, None, np.asarray([1, 1, *scale], np.float32),
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
    height, width = layer.sizes(x, 2)
    scale = [each or 2 for each in scale]
    size = (
        p.upsample_h or height * scale[0] - int(p.pad_out_h),
        p.upsample_w or width * scale[1] - int(p.pad_out_w),
    )
    return _unpool(g, layer, x, mask, size)


def _unpool(g: GraphBuilder, layer: Layer, x: Value, mask: Value, size: tuple[int, int]) -> Value:
    """Every value goes to the place that ``mask`` (y * W + x of the large plane, as floats) names; 0 elsewhere."""
    channels, height, width = layer.sizes(x, 1)
    if layer.shape(mask)[1:] != layer.shape(x)[1:]:
        raise layer.malformed("the mask must have the shape of what is unpooled")
    plane = size[0] * size[1]
    if plane > 1 << 24:
        raise layer.malformed(f"a plane of {size[0]}x{size[1]} is absurdly large")
    batch = g.Shape(x, start=0, end=1)
    empty = g.Expand(0.0, g.Concat(batch, [channels, plane], axis=0))
    values = g.Reshape(x, [0, channels, height * width])
    places = g.Cast(g.Reshape(mask, [0, channels, height * width]), to=7)
    return g.Reshape(g.ScatterElements(empty, places, values, axis=2), [0, channels, *size])


reads.refuse(
    "forks give this type different parameters, and the file does not say whose it is", "MaxUnpool", "Unpooling"
)
