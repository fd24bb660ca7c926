"""Transposed convolutions: TensorFlow's gradient of a convolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.keras.read.activation import activate
from workers.formats.keras.read.convolution import biases
from workers.formats.keras.read.layer import Array, Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import channels_last, spatial, spatial_sizes
from workers.hub.graph import GraphBuilder, Value

AXES = {"Conv1DTranspose": 1, "Conv2DTranspose": 2, "Conv3DTranspose": 3}


@reads("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def convolution_transpose(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Kernel [*window, filters, in]. ``same`` gives in * stride, ``valid`` in * stride + max(window - stride, 0)."""
    axes = AXES[layer.kind]
    value, make = spatial(g, layer, x, axes)
    array = _kernel(layer, axes)
    kernel = layer.window("kernel_size", axes)
    channels = layer.fixed(g.shape(value)[1:2])[0]
    if list(array.shape) != [channels, array.shape[1], *kernel]:
        raise layer.malformed(f"its kernel is {list(array.shape)} [in, out, window] for {channels} channels")
    strides, dilations = layer.window("strides", axes, 1), layer.window("dilation_rate", axes, 1)
    same = layer.word("padding", "valid") == "same"
    begin, end, extra = edges(g, layer, value, kernel, strides, dilations, same)
    y = g.ConvTranspose(
        value, layer.weight(g, "kernel", array, layer.element(value)), biases(g, layer, value, array.shape[1]),
        kernel_shape=kernel, strides=strides, dilations=dilations, pads=[*begin, *end],
        output_padding=extra if any(extra) else None, group=1,
    )  # fmt: skip
    return activate(g, layer, make(y), layer.config.get("activation"))


def _kernel(layer: Layer, axes: int) -> Array:
    """The kernel as [in, out, *window]; Keras 1 keeps those of convolutions."""
    array = layer.array("kernel")
    if array.ndim != axes + 2:
        raise layer.malformed(f"its kernel has {array.ndim} axes, the layer needs {axes + 2}")
    first = layer.generation == 1 and not channels_last(layer)
    window = tuple(range(2, axes + 2)) if first else tuple(range(axes))
    if layer.scope.flip:
        array = np.flip(array, window)
    if first:
        return array.swapaxes(0, 1)
    if layer.generation == 1:
        return array.transpose(axes, axes + 1, *range(axes))
    return array.transpose(axes + 1, axes, *range(axes))


def edges(
    g: GraphBuilder, layer: Layer, x: Value, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int],
    same: bool,
) -> tuple[list[int], list[int], list[int]]:  # fmt: skip
    """Pads in front, behind, and the output padding, from the size that Keras gives the result."""
    axes = len(kernel)
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    sizes = spatial_sizes(g, x) or [1] * axes
    wanted = _result(layer, sizes, reach, strides, same)
    begin, end, extra = [], [], []
    for size, span, stride, want in zip(sizes, reach, strides, wanted, strict=True):
        whole = (size - 1) * stride + span
        total = max(whole - want, 0) if same else 0
        if not same and want < whole:
            raise layer.malformed(f"its result of {want} is smaller than the {whole} that its window covers")
        begin.append(total // 2)
        end.append(total - total // 2)
        extra.append(max(want - (whole - total), 0))
    if any(pad >= max(stride, dilation) for pad, stride, dilation in zip(extra, strides, dilations, strict=True)):
        raise layer.unsupported(f"its output padding {extra} is not smaller than its strides {list(strides)}")
    return begin, end, extra


def _result(layer: Layer, sizes: Sequence[int], reach: Sequence[int], strides: Sequence[int], same: bool) -> list[int]:
    axes = len(sizes)
    if layer.generation == 1 and isinstance(layer.config.get("output_shape"), list):
        shape = layer.config["output_shape"]
        last = channels_last(layer)
        found = layer.as_integers(shape[1:-1] if last else shape[2:], "output_shape")
        if len(found) == axes:
            return found
    if layer.config.get("output_padding") is None:
        return [
            size * stride if same else size * stride + max(span - stride, 0)
            for size, span, stride in zip(sizes, reach, strides, strict=True)
        ]
    padding = layer.window("output_padding", axes, 0, low=0)
    cut = [span // 2 if same else 0 for span in reach]
    return [
        (size - 1) * stride + span - 2 * pad + more
        for size, stride, span, pad, more in zip(sizes, strides, reach, cut, padding, strict=True)
    ]
