"""Pooling with Torch's own output sizes and divisors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.torch7.objects import Array
from workers.formats.torch7.read.convolution import PLANE, VOLUME, Window, batched, window
from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder

# What a maximum begins with: a window that lies wholly outside keeps it.
LOWEST = -3.4028234663852886e38
BINS = 512


@dataclass(frozen=True, slots=True)
class Side:
    """One axis: its size (None when free), the window's extent, stride and pad, and the number of windows."""

    size: int | None
    extent: int
    stride: int
    pad: int
    out: int

    @property
    def end(self) -> int:
        """What must be added behind the axis for the last window."""
        if self.size is None:
            return self.pad
        return max((self.out - 1) * self.stride + self.extent - self.size - self.pad, 0)


def _is_ceil(layer: Layer) -> bool:
    """inn's pooling rounds up always."""
    return layer.type.startswith("inn.") or layer.flag("ceil_mode")


def sides(layer: Layer, x: Value, win: Window) -> list[Side]:
    """floor, or ceil, of (in + 2 pad - extent) / stride, + 1; with padding no last window begins in it."""
    ceil, any_pad = _is_ceil(layer), any(win.pads)
    found = []
    for dim, kernel, stride, pad, dilation in zip(
        layer.shape(x)[2:], win.kernel, win.strides, win.pads, win.dilations, strict=True
    ):
        extent = dilation * (kernel - 1) + 1
        if pad < 0 or 2 * pad > kernel:
            raise layer.malformed(f"its pad {pad} is more than half of its kernel {kernel}")
        if not isinstance(dim, int):
            if ceil:
                raise layer.free("it rounds the number of windows up")
            found.append(Side(None, extent, stride, pad, 0))
            continue
        room = dim + 2 * pad - extent
        if room < 0:
            raise layer.malformed(f"a kernel of {extent} does not fit an axis of {dim} with a pad of {pad}")
        out = (-(-room // stride) if ceil else room // stride) + 1
        if any_pad and (out - 1) * stride >= dim + pad:
            out -= 1
        found.append(Side(dim, extent, stride, pad, out))
    return found


def _attributes(win: Window, found: Sequence[Side]) -> dict[str, list[int]]:
    return {
        "kernel_shape": win.kernel, "strides": win.strides,
        "pads": [side.pad for side in found] + [side.end for side in found],
    }  # fmt: skip


# --- maxima ---------------------------------------------------------------------------------------------------------


@flows("nn.SpatialMaxPooling", "cudnn.SpatialMaxPooling", "inn.SpatialMaxPooling", "nn.SpatialDilatedMaxPooling",
       "nn.SpatialMaxPoolingCUDA")  # fmt: skip
def spatial_max_pooling(run: Run, layer: Layer, data: Data) -> Data:
    return _max(run, layer, data, PLANE)


@flows("nn.VolumetricMaxPooling", "cudnn.VolumetricMaxPooling", "nn.VolumetricDilatedMaxPooling")
def volumetric_max_pooling(run: Run, layer: Layer, data: Data) -> Data:
    return _max(run, layer, data, VOLUME)


def _max(run: Run, layer: Layer, data: Data, axes: Sequence[str]) -> Data:
    """Where an unpooling module refers to this one, the places of the maxima are kept for it."""
    win = window(layer, axes, dilated=True)
    g, x = run.g, layer.floats(run.g, layer.one(data).read())

    def rule(x: Value) -> Value:
        found = sides(layer, x, win)
        attributes = {**_attributes(win, found), "dilations": win.dilations}
        if any(side.end >= side.extent for side in found):
            pads = [0, 0, *(side.pad for side in found), 0, 0, *(side.end for side in found)]
            return g.MaxPool(g.Pad(x, pads, np.float32(LOWEST)), **{**attributes, "pads": [0] * (2 * len(found))})
        if id(layer.module) not in run.unpooled:
            return g.MaxPool(x, **attributes)
        pair: Any = attributes
        result, places = g.ops("MaxPool", x, outputs=2, **pair)
        run.pools[id(layer.module)] = (x, places)
        return result

    return Ref(batched(g, layer, x, len(axes) + 2, rule))


@flows("nn.SpatialMaxUnpooling", "nn.VolumetricMaxUnpooling")
def max_unpooling(run: Run, layer: Layer, data: Data) -> Data:
    """Values to the places of the pooling module's maxima, among zeros, in the size of that module's input.

    MaxUnpool would do only where the pooling left out no row: of indices into a larger plane the specification and
    onnxruntime think differently.
    """
    g, x = run.g, layer.floats(run.g, layer.one(data).read())
    pooling = layer.inner("pooling")
    if id(pooling) not in run.pools:
        raise layer.malformed("the pooling module it refers to did not run before it")
    source, places = run.pools[id(pooling)]

    def rule(x: Value) -> Value:
        if layer.shape(x)[1:] != layer.shape(places)[1:]:
            raise layer.malformed("its input has another shape than the output of its pooling module")
        shape = g.Shape(source)
        zeros = g.ConstantOfShape(g.ReduceProd(shape, keepdims=1), value=ir.tensor(np.zeros(1, np.float32)))
        result = g.ScatterElements(zeros, g.Reshape(places, [-1]), g.Reshape(x, [-1]), axis=0)
        result = g.Reshape(result, shape)
        result.shape = source.shape
        return result

    return Ref(batched(g, layer, x, layer.rank(source), rule))


@reads("nn.TemporalMaxPooling")
def temporal_max_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over time of [N, T, F]."""
    kernel, stride = layer.positive("kW"), layer.positive("dW", 1)

    def rule(x: Value) -> Value:
        turned = g.Transpose(x, perm=[0, 2, 1])
        return g.Transpose(g.MaxPool(turned, kernel_shape=[kernel], strides=[stride]), perm=[0, 2, 1])

    return batched(g, layer, x, 3, rule)


@reads("nn.TemporalDynamicKMaxPooling")
def temporal_dynamic_k_max_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The largest k values of every feature over time, in their order; k = ceil(factor * T), minK at least."""
    axis = layer.rank(x, 2, 3) - 2
    size = layer.size(x, axis)
    count = max(layer.positive("minK"), math.ceil(size * layer.real("factor", 0)))
    if count > size:
        raise layer.malformed(f"it takes {count} of {size} frames")
    _, places = g.ops("TopK", x, [count], outputs=2, axis=axis)
    _, ranks = g.ops("TopK", places, [count], outputs=2, axis=axis, largest=0)
    return g.GatherElements(x, g.GatherElements(places, ranks, axis=axis), axis=axis)


# --- averages -------------------------------------------------------------------------------------------------------


@reads("nn.SpatialAveragePooling", "cudnn.SpatialAveragePooling", "inn.SpatialAveragePooling")
def spatial_average_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """nn's without the field ``divide``, from before 2014, sums: the average times the window's area."""
    win = window(layer, PLANE)
    plain = layer.type.startswith("nn.")
    if plain and not layer.has("ceil_mode"):
        win = Window(win.kernel, win.strides, [0, 0], win.dilations)
    result = _average(g, layer, x, win, _counts_padding(layer))
    if not plain or layer.flag("divide"):
        return result
    return g.Mul(result, np.float32(math.prod(win.kernel)))


def _counts_padding(layer: Layer) -> bool:
    """cudnn keeps it in a word for its mode."""
    if layer.type.startswith("cudnn."):
        return "EXCLUDE" not in layer.module.text("mode")
    return layer.flag("count_include_pad", True)


@reads("VolumetricAveragePooling")
def volumetric_average_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _average(g, layer, x, window(layer, VOLUME), _counts_padding(layer))


def _average(g: GraphBuilder, layer: Layer, x: Value, win: Window, include: bool) -> Value:
    """The divisor: the window inside the padded input, or (not ``include``) inside the input."""

    def rule(x: Value) -> Value:
        found = sides(layer, x, win)
        if any(side.end >= side.extent for side in found):
            raise layer.unsupported("a window lies wholly outside of its input")
        if not include or not any(side.end > side.pad for side in found):
            return g.AveragePool(x, count_include_pad=int(include), **_attributes(win, found))
        area = math.prod(win.kernel)
        total = g.AveragePool(x, count_include_pad=1, **_attributes(win, found))
        return g.Mul(total, (area / _counts(found)).astype(np.float32))

    return batched(g, layer, x, len(win.kernel) + 2, rule)


def _counts(found: Sequence[Side]) -> Array:
    """[1, 1, windows...]: the cells of every window inside the padded input."""
    counts = np.ones((1, 1), np.float64)
    for side in found:
        start = np.arange(side.out) * side.stride - side.pad
        counts = counts[..., None] * (np.minimum(start + side.extent, (side.size or 0) + side.pad) - start)
    return counts


# --- fitted to a size -----------------------------------------------------------------------------------------------


@reads("nn.SpatialAdaptiveMaxPooling", "nn.SpatialAdaptiveAveragePooling")
def spatial_adaptive_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Bin i of o covers [floor(i n / o), ceil((i + 1) n / o)): rows, then columns."""
    operator = "ReduceMax" if "Max" in layer.type else "ReduceMean"
    first = layer.rank(x, 3, 4) - 2
    for axis, key in ((first, "H"), (first + 1, "W")):
        count = layer.get(key) is not None and layer.positive(key)
        if count:
            x = _bins(g, layer, x, axis, count, operator)
    return x


def _bins(g: GraphBuilder, layer: Layer, x: Value, axis: int, count: int, operator: str) -> Value:
    if count == 1:
        return g.op(operator, x, [axis], keepdims=1)
    size = layer.size(x, axis)
    if count > BINS:
        raise layer.unsupported(f"{count} bins are too many to be cut out one by one")
    if size == count:
        return x
    spans = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
    cut = [g.op(operator, g.Slice(x, [low], [high], [axis]), [axis], keepdims=1) for low, high in spans]
    return g.Concat(*cut, axis=axis)


@reads("nn.FeatureLPPooling")
def feature_lp_pooling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(sum x^p)^(1/p) over ``width`` neighbouring features, the first axis, or the second of a batch."""
    power, width = layer.real("power"), layer.positive("width")
    axis = int(layer.flag("batch_mode"))
    shape = layer.shape(x)
    if not axis < len(shape) <= 3 + axis:
        raise layer.malformed(f"its input has {len(shape)} axes")
    flat = layer.reshape(g, x, [shape[0] if axis else 1, 1, shape[axis], _rest(shape[axis + 1 :])])
    pooled = _lp(g, flat, power, [width, 1], [layer.positive("stride", 1), 1])
    size = layer.size(pooled, 2)
    return layer.reshape(g, pooled, [*shape[:axis], size, *shape[axis + 1 :]])


def _rest(dims: Sequence[int | str | None]) -> int:
    return math.prod(dim for dim in dims if isinstance(dim, int))


def _lp(g: GraphBuilder, x: Value, power: float, kernel: list[int], strides: list[int]) -> Value:
    """The root keeps the sign of nothing: Torch takes powers of the values as they are."""
    raised = g.Mul(x, x) if power == 2 else x if power == 1 else g.Pow(x, np.float32(power))
    area = np.float32(math.prod(kernel))
    total = g.Mul(g.AveragePool(raised, kernel_shape=kernel, strides=strides), area)
    return g.Sqrt(total) if power == 2 else total if power == 1 else g.Pow(total, np.float32(1 / power))
