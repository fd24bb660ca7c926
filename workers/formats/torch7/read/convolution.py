"""Convolutions and their kin: fields name widths before heights, kernels are [.., kT, kH, kW] and never flipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workers.formats.torch7.objects import Array
from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder

PLANE, VOLUME = ("H", "W"), ("T", "H", "W")


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, strides, pads and dilations, axis by axis."""

    kernel: list[int]
    strides: list[int]
    pads: list[int]
    dilations: list[int]

    def attributes(self) -> dict[str, list[int]]:
        return {"kernel_shape": self.kernel, "strides": self.strides, "pads": self.pads * 2,
                "dilations": self.dilations}  # fmt: skip


def window(layer: Layer, axes: Sequence[str], *, dilated: bool = False) -> Window:
    """Old files have one ``padding`` for all axes, or none at all."""
    pad = layer.integer("padding", 0)
    return Window(
        [layer.positive(f"k{axis}") for axis in axes],
        [layer.positive(f"d{axis}", 1) for axis in axes],
        [layer.integer(f"pad{axis}", pad) for axis in axes],
        [layer.positive(f"dilation{axis}", 1) if dilated else 1 for axis in axes],
    )


def batched(g: GraphBuilder, layer: Layer, x: Value, rank: int, rule: Callable[[Value], Value]) -> Value:
    """``rule`` on a batch: a single sample, of one axis less, becomes a batch of one for it."""
    if layer.rank(x, rank - 1, rank) == rank:
        return rule(x)
    return g.Squeeze(rule(g.Unsqueeze(x, [0])), [0])


def padded(g: GraphBuilder, x: Value, win: Window) -> tuple[Value, list[int]]:
    """Negative pads crop: they are made part of the input, ONNX's convolutions take none."""
    if min(win.pads) >= 0:
        return x, win.pads * 2
    return g.Pad(x, [0, 0, *win.pads] * 2), [0] * (2 * len(win.pads))


def channels(layer: Layer, x: Value, wanted: int) -> None:
    size = layer.shape(x)[1]
    if isinstance(size, int) and size != wanted:
        raise layer.malformed(f"it takes {wanted} channels, its input has {size}")


def bias(g: GraphBuilder, layer: Layer, count: int) -> Value | None:
    return layer.weight(g, "bias", (count,)) if layer.tensor("bias") is not None else None


@reads("SpatialConvolution", "SpatialConvolutionMM", "nn.SpatialDilatedConvolution", "nn.SpatialConvolutionCUDA")
def spatial_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """weight [out, in / groups, kH, kW], or flat in its last three axes."""
    return _convolution(g, layer, x, window(layer, PLANE, dilated=True))


@reads("VolumetricConvolution", "nn.VolumetricDilatedConvolution")
def volumetric_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """weight [out, in, kT, kH, kW]."""
    return _convolution(g, layer, x, window(layer, VOLUME, dilated=True))


def _convolution(g: GraphBuilder, layer: Layer, x: Value, win: Window) -> Value:
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    groups = layer.positive("groups", 1)
    if ins % groups or outs % groups:
        raise layer.malformed(f"{groups} groups do not divide {ins} and {outs} channels")
    weight = layer.weight(g, "weight", (outs, ins // groups, *win.kernel))

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        source, pads = padded(g, x, win)
        return g.Conv(source, weight, bias(g, layer, outs), group=groups, **{**win.attributes(), "pads": pads})

    return batched(g, layer, x, len(win.kernel) + 2, run)


# --- transposed -----------------------------------------------------------------------------------------------------


@flows("nn.SpatialFullConvolution", "cudnn.SpatialFullConvolution")
def spatial_full_convolution(run: Run, layer: Layer, data: Data) -> Data:
    """weight [in, out, kH, kW]; {x, ref} takes the size of the output from ref."""
    return _full(run, layer, data, PLANE)


@flows("nn.VolumetricFullConvolution", "cudnn.VolumetricFullConvolution")
def volumetric_full_convolution(run: Run, layer: Layer, data: Data) -> Data:
    """weight [in, out, kT, kH, kW]; files without adjW have the first two axes the other way round."""
    return _full(run, layer, data, VOLUME)


def _full(run: Run, layer: Layer, data: Data, axes: tuple[str, ...]) -> Data:
    g, win = run.g, window(layer, axes)
    refs = layer.table(data, 2, 2) if isinstance(data, list) else [layer.one(data)]
    adjust = [layer.positive(f"adj{axis}", 0, least=0) for axis in axes]
    if len(refs) == 2:
        reference = refs[1].read()
        first = layer.rank(reference) - len(axes)
        sizes = [layer.size(reference, first + place) for place in range(len(axes))]
        axiswise = zip(sizes, win.pads, win.kernel, win.strides, strict=True)
        adjust = [(size + 2 * pad - kernel) % stride for size, pad, kernel, stride in axiswise]
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    groups = layer.positive("groups", 1)
    shape = (ins, outs // groups, *win.kernel)
    old = len(axes) == 3 and not layer.has("adjW") and layer.needed("weight").shape[:2] == (outs, ins)
    weight = (layer.weight(g, "weight", shape, lambda w: w.swapaxes(0, 1), "swapped") if old
              else layer.weight(g, "weight", shape))  # fmt: skip

    def rule(x: Value) -> Value:
        channels(layer, x, ins)
        if any(a >= d for a, d in zip(adjust, win.strides, strict=True)):
            raise layer.malformed(f"its adj {adjust} is not smaller than its stride {win.strides}")
        return g.ConvTranspose(
            x, weight, bias(g, layer, outs), kernel_shape=win.kernel, strides=win.strides, pads=win.pads * 2,
            output_padding=adjust, group=groups, dilations=win.dilations,
        )  # fmt: skip

    return Ref(batched(g, layer, layer.floats(g, refs[0].read()), len(axes) + 2, rule))


# --- grouped, mapped, local -----------------------------------------------------------------------------------------


@reads("nn.SpatialDepthWiseConvolution")
def spatial_depth_wise_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """weight [m, in, kH, kW], bias [m, in]; channel c gives the channels c * m ... c * m + m - 1."""
    win = window(layer, PLANE)
    ins, many = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    shape = (ins * many, 1, *win.kernel)
    weight = layer.weight(
        g, "weight", shape, lambda w: w.reshape(many, ins, *win.kernel).swapaxes(0, 1), "channels first"
    )
    offset = None
    if layer.tensor("bias"):
        offset = layer.weight(g, "bias", (ins * many,), lambda b: b.reshape(many, ins).T, "channels first")

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        source, pads = padded(g, x, win)
        return g.Conv(source, weight, offset, group=ins, **{**win.attributes(), "pads": pads})

    return batched(g, layer, x, 4, run)


def _connections(layer: Layer) -> Array:
    """[n, 2]: from which input to which output, from 0 on."""
    table = layer.array("connTable")
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    if table.ndim != 2 or table.shape[1] != 2 or table.shape[0] != layer.needed("weight").shape[0]:
        raise layer.malformed(f"its connection table has the shape {list(table.shape)}")
    if not np.isfinite(table).all():
        raise layer.malformed("its connection table names channels that do not exist")
    pairs = table.astype(np.int64) - 1
    if pairs.min() < 0 or pairs[:, 0].max() >= ins or pairs[:, 1].max() >= outs:
        raise layer.malformed("its connection table names channels that do not exist")
    if ins * outs > 1 << 22:
        raise layer.unsupported(f"{ins} by {outs} channels are too many to be connected one by one")
    return pairs


def _dense(layer: Layer, pairs: Array, kernel: Sequence[int], *, outputs_first: bool) -> Callable[[Array], Array]:
    """The kernels of connected channels among zeros; a pair that stands twice adds up."""
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")

    def make(w: Array) -> Array:
        full = np.zeros((outs, ins, *kernel) if outputs_first else (ins, outs, *kernel), np.float64)
        places = (pairs[:, 1], pairs[:, 0]) if outputs_first else (pairs[:, 0], pairs[:, 1])
        np.add.at(full, places, w.reshape(len(pairs), *kernel))
        return full

    return make


@reads("nn.SpatialConvolutionMap")
def spatial_convolution_map(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Only the channels that a table connects: a kernel [kH, kW] each."""
    win = window(layer, PLANE)
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    weight = _mapped(g, layer, (outs, ins, *win.kernel), win, outputs_first=True)

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        return g.Conv(x, weight, bias(g, layer, outs), **win.attributes())

    return batched(g, layer, x, 4, run)


@reads("nn.SpatialFullConvolutionMap")
def spatial_full_convolution_map(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    win = window(layer, PLANE)
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    weight = _mapped(g, layer, (ins, outs, *win.kernel), win, outputs_first=False)

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        return g.ConvTranspose(x, weight, bias(g, layer, outs), kernel_shape=win.kernel, strides=win.strides)

    return batched(g, layer, x, 4, run)


def _mapped(g: GraphBuilder, layer: Layer, shape: Sequence[int], win: Window, *, outputs_first: bool) -> Value:
    pairs = _connections(layer)
    if layer.needed("weight").size != len(pairs) * math.prod(win.kernel):
        raise layer.malformed(f"its weight has the shape {list(layer.needed('weight').shape)}")
    make = _dense(layer, pairs, win.kernel, outputs_first=outputs_first)
    return layer.made(g, f"{layer.name}.weight", shape, lambda: make(layer.array("weight")))


@reads("nn.SpatialConvolutionLocal")
def spatial_convolution_local(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A kernel of its own at every place: weight [oH, oW, out, in, kH, kW], bias [out, oH, oW].

    Every offset in the kernel is a strided slice [N, in, oH * oW], multiplied place by place with [oH * oW, in, out].
    """
    win = window(layer, PLANE)
    ins, outs = layer.positive("nInputPlane"), layer.positive("nOutputPlane")
    rows, columns = layer.positive("oH"), layer.positive("oW")
    places, area = rows * columns, math.prod(win.kernel)
    if area > 1024:
        raise layer.unsupported(f"a kernel of {win.kernel} is too large to be taken apart")

    def ordered(w: Array) -> Array:
        return w.reshape(places, outs, ins, area).transpose(0, 3, 2, 1)

    weight = layer.weight(g, "weight", (places, area * ins, outs), ordered, "by place")

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        wide = g.Pad(x, [0, 0, *win.pads] * 2) if any(win.pads) else x
        taken = []
        for row in range(win.kernel[0]):
            for column in range(win.kernel[1]):
                ends = [row + (rows - 1) * win.strides[0] + 1, column + (columns - 1) * win.strides[1] + 1]
                taken.append(g.Slice(wide, [row, column], ends, [2, 3], win.strides))
        joined = g.Concat(*taken, axis=1) if len(taken) > 1 else taken[0]
        batch = layer.shape(x)[0]
        flat = g.Transpose(layer.reshape(g, joined, [batch, area * ins, places]), perm=[2, 0, 1])
        product = g.Transpose(g.MatMul(flat, weight), perm=[1, 2, 0])
        result = layer.reshape(g, product, [batch, outs, rows, columns])
        return g.Add(result, layer.weight(g, "bias", (outs, rows, columns))) if layer.tensor("bias") else result

    return batched(g, layer, x, 4, run)


# --- over time ------------------------------------------------------------------------------------------------------


@reads("nn.TemporalConvolution")
def temporal_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, T, in] -> [N, T', out]; weight [out, kW * in], time before channels."""
    ins, outs = layer.positive("inputFrameSize"), layer.positive("outputFrameSize")
    kernel, stride = layer.positive("kW"), layer.positive("dW", 1)
    weight = layer.weight(
        g, "weight", (outs, ins, kernel), lambda w: w.reshape(outs, kernel, ins).swapaxes(1, 2), "channels first"
    )
    return _over_time(g, layer, x, ins, lambda turned: g.Conv(turned, weight, bias(g, layer, outs), strides=[stride]))


@reads("cudnn.TemporalConvolution")
def cudnn_temporal_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """As nn's, in the fields of an image one frame wide: kH, dH and padH are those of time."""
    ins, outs = layer.positive("inputFrameSize"), layer.positive("outputFrameSize")
    kernel, stride = layer.positive("kH"), layer.positive("dH", 1)
    pad = layer.positive("padH", 0, least=0)
    weight = layer.weight(
        g, "weight", (outs, ins, kernel), lambda w: w.reshape(outs, kernel, ins).swapaxes(1, 2), "channels first"
    )
    return _over_time(
        g, layer, x, ins,
        lambda turned: g.Conv(turned, weight, bias(g, layer, outs), strides=[stride], pads=[pad, pad]),
    )  # fmt: skip


@reads("nn.TemporalSubSampling")
def temporal_sub_sampling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """y = w_c * (sum of the window) + b_c."""
    ins, kernel, stride = layer.positive("inputFrameSize"), layer.positive("kW"), layer.positive("dW", 1)
    weight = _spread(g, layer, ins, [kernel])
    return _over_time(
        g, layer, x, ins, lambda turned: g.Conv(turned, weight, bias(g, layer, ins), strides=[stride], group=ins)
    )


@reads("nn.TemporalRowConvolution")
def temporal_row_convolution(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Every feature on its own over time: weight [in, 1, kW]; with featFirst the input is [N, in, T]."""
    ins, kernel, stride = layer.positive("inputFrameSize"), layer.positive("kW"), layer.positive("dW", 1)
    weight = layer.weight(g, "weight", (ins, 1, kernel))

    def run(x: Value) -> Value:
        return g.Conv(x, weight, bias(g, layer, ins), strides=[stride], group=ins)

    if layer.flag("featFirst"):
        return batched(g, layer, x, 3, run)
    return _over_time(g, layer, x, ins, run)


def _over_time(g: GraphBuilder, layer: Layer, x: Value, ins: int, rule: Callable[[Value], Value]) -> Value:
    def run(x: Value) -> Value:
        turned = g.Transpose(x, perm=[0, 2, 1])
        channels(layer, turned, ins)
        return g.Transpose(rule(turned), perm=[0, 2, 1])

    return batched(g, layer, x, 3, run)


def _spread(g: GraphBuilder, layer: Layer, ins: int, kernel: Sequence[int]) -> Value:
    """weight [in] as a kernel that is the same everywhere."""
    if layer.needed("weight").size != ins:
        raise layer.malformed(f"its weight has the shape {list(layer.needed('weight').shape)}")
    shape = (ins, 1, *kernel)
    return layer.made(
        g, f"{layer.name}.weight", shape,
        lambda: np.broadcast_to(layer.array("weight").reshape(ins, *[1] * (len(kernel) + 1)), shape),
    )  # fmt: skip


@reads("nn.SpatialSubSampling")
def spatial_sub_sampling(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """y = w_c * (sum of the window) + b_c."""
    win, ins = window(layer, PLANE), layer.positive("nInputPlane")
    weight = _spread(g, layer, ins, win.kernel)

    def run(x: Value) -> Value:
        channels(layer, x, ins)
        return g.Conv(x, weight, bias(g, layer, ins), group=ins, **win.attributes())

    return batched(g, layer, x, 4, run)
