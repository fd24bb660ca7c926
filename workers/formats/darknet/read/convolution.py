"""Convolutions: shared, deconvolutional, untied, and the blur against aliasing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.activation import activate
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.formats.darknet.read.normalization import Norm, Statistics, batch_normalize, norm
from workers.hub.graph import GraphBuilder

# Elements of the one-hot kernels that gather the patches of an untied convolution.
PATCHES = 1 << 24

# Options that change what is computed, in ways that differ between the builds of Darknet.
_REFUSED = {
    "xnor": "binary convolutions are computed otherwise with and without a GPU",
    "binary": "binary convolutions are computed otherwise with and without a GPU",
    "bin_output": "binary convolutions are computed otherwise with and without a GPU",
    "sway": "its kernels are deformed at run time, with a GPU only",
    "rotate": "its kernels are deformed at run time, with a GPU only",
    "stretch": "its kernels are deformed at run time, with a GPU only",
    "stretch_sway": "its kernels are deformed at run time, with a GPU only",
    "coordconv": "it adds coordinates to its input with a GPU only",
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """The parameters of a convolution as initialisers."""

    weights: Value
    biases: Value
    norm: Norm | None


def padding_of(layer: Layer, size: int) -> int:
    """``pad=1`` is a flag for size/2, rounded down; else ``padding`` pixels on each side."""
    return size // 2 if layer.whole("pad") else layer.window("padding", 0, least=0)


@reads("convolutional", "conv")
def convolutional(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """File: biases [n], (scales, mean, variance [n]), weights [n, c/groups, k, k]; output (i + 2p - k)/stride + 1.

    With dilation the true padding is padding * dilation while the output's size is computed without it.
    """
    for key, reason in _REFUSED.items():
        if layer.number(key, 0):
            raise layer.unsupported(f"{key}={layer.options[key]}: {reason}")
    if layer.whole("dontload"):
        raise layer.unsupported("dontload=1: its weights are not in the file, Darknet leaves them random")
    x = layer.image(g, x)
    size = layer.window("size")
    padding = padding_of(layer, size)
    dilation = 1 if size == 1 else layer.window("dilation")
    if dilation > 1 and 2 * padding != size - 1:
        raise layer.malformed(f"with dilation={dilation} its padding must be (size - 1)/2, it is {padding}")
    strides = _strides(layer)
    blur = layer.whole("antialiasing")
    y = _convolve(g, layer, x, size, padding, [1, 1] if blur else strides, dilation)
    y = activate(g, layer, y)
    return blurred(g, layer, y, strides) if blur else y


def _strides(layer: Layer) -> list[int]:
    """Vertical and horizontal: ``stride_y``/``stride_x`` where they are positive, else ``stride``."""
    both = layer.window("stride")
    given = [layer.whole(key, -1) for key in ("stride_y", "stride_x")]
    return [layer.window(key) if value >= 1 else both
            for key, value in zip(("stride_y", "stride_x"), given, strict=True)]  # fmt: skip


def _convolve(
    g: GraphBuilder, layer: Layer, x: Value, size: int, padding: int, strides: list[int], dilation: int
) -> Value:
    filters, groups, channels = layer.positive("filters"), layer.positive("groups"), layer.channels(x)
    if channels % groups or filters % groups:
        raise layer.malformed(f"{channels} channels and {filters} filters do not make {groups} groups")
    out = [layer.out(side, 2 * padding, size, stride) for side, stride in zip(layer.plane(x), strides, strict=True)]
    layer.budget(filters, *(side for side in out if isinstance(side, int)))
    kernel = (filters, channels // groups, size, size)
    normalized = bool(layer.whole("batch_normalize") or layer.whole("cbn"))
    return convolve(g, x, _kernel(g, layer, kernel, normalized), strides, padding, groups, dilation)


def convolve(
    g: GraphBuilder, x: Value, by: Kernel, strides: list[int], padding: int, groups: int = 1, dilation: int = 1
) -> Value:
    """The convolution and its batch normalisation, without the activation."""
    y = g.Conv(
        x, by.weights, None if by.norm else by.biases, kernel_shape=list(g.shape(by.weights)[2:]), strides=strides,
        group=groups, pads=[padding * dilation] * 4, dilations=[dilation, dilation],
    )  # fmt: skip
    return batch_normalize(g, y, by.biases, by.norm) if by.norm else y


def _kernel(g: GraphBuilder, layer: Layer, kernel: tuple[int, ...], normalized: bool) -> Kernel:
    """The layer's own, or with ``share_index`` those of an earlier convolution of the same form."""
    if "share_index" in layer.options:
        source = layer.step.sources[0]
        found = layer.scope.shared.get(source)
        if found is None:
            raise layer.malformed(f"share_index names layer {source}, which is no convolution")
        if g.shape(found.weights) != kernel or normalized != (found.norm is not None):
            raise layer.malformed(f"it shares the weights of layer {source}, which is of another form")
    else:
        found = kernel_of(g, layer, kernel, normalized)
    layer.scope.shared[layer.index] = found
    return found


def kernel_of(g: GraphBuilder, layer: Layer, shape: tuple[int, ...], normalized: bool, prefix: str = "") -> Kernel:
    """Biases, statistics and weights in this order; ``flipped=1`` stores the weights as [c*k*k][n]."""
    filters = shape[0]
    biases = layer.weight(g, f"{prefix}biases", layer.take(filters))
    by = norm(g, layer, batch_statistics(layer, filters), prefix) if normalized else None
    weights = layer.take(*shape)
    if layer.whole("flipped"):
        rows = weights.reshape(-1, filters)
        weights = layer.computed(shape, lambda: rows.T.reshape(shape))
    return Kernel(layer.weight(g, f"{prefix}weights", weights), biases, by)


def batch_statistics(layer: Layer, filters: int) -> Statistics:
    """``dontloadscales=1``: they are not in the file and keep Darknet's initial values."""
    if layer.whole("dontloadscales"):
        one, zero = (np.broadcast_to(np.float32(value), (filters,)) for value in (1, 0))
        return Statistics(one, zero, zero)
    return Statistics(layer.take(filters), layer.take(filters), layer.take(filters))


def blurred(g: GraphBuilder, layer: Layer, x: Value, strides: list[int]) -> Value:
    """``antialiasing=1``: the stride is that of a fixed blur of 3x3 (1 2 1); ``=2``: of a mean of 2x2, unpadded."""
    kernel: Array = np.outer([1, 2, 1], [1, 2, 1]) / 16 if layer.whole("antialiasing") != 2 else np.full((2, 2), 0.25)
    padding = 1 if len(kernel) == 3 else 0
    for side, stride in zip(layer.plane(x), strides, strict=True):
        layer.out(side, 2 * padding, len(kernel), stride)
    channels = layer.channels(x)
    weights = np.broadcast_to(kernel.astype(np.float32), (channels, 1, *kernel.shape))
    return g.Conv(
        x, layer.weight(g, "blur", weights), kernel_shape=list(kernel.shape), strides=strides, pads=[padding] * 4,
        group=channels,
    )  # fmt: skip


@reads("deconvolutional", "deconv")
def deconvolutional(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """File: biases [n], (scales, mean, variance [n]), weights [c, n, k, k]; output (i - 1) * stride + k - 2p."""
    if layer.whole("dontload"):
        raise layer.unsupported("dontload=1: its weights are not in the file, Darknet leaves them random")
    x = layer.image(g, x)
    filters, size, stride = layer.positive("filters"), layer.window("size"), layer.window("stride")
    padding = padding_of(layer, size)
    sides = [(side - 1) * stride + size - 2 * padding for side in layer.plane(x) if isinstance(side, int)]
    if min(sides, default=1) < 1:
        raise layer.malformed(f"its padding of {padding} leaves nothing of its output")
    layer.budget(filters, *sides)
    biases = layer.weight(g, "biases", layer.take(filters))
    by = norm(g, layer, batch_statistics(layer, filters)) if layer.whole("batch_normalize") else None
    weights = layer.weight(g, "weights", layer.take(layer.channels(x), filters, size, size))
    y = g.ConvTranspose(
        x, weights, None if by else biases, kernel_shape=[size, size], strides=[stride, stride], pads=[padding] * 4
    )
    return activate(g, layer, batch_normalize(g, y, biases, by) if by else y)


@reads("local")
def local(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A kernel of its own for every position. File: biases [n, oh, ow], weights [oh*ow, n, c, k, k].

    ``pad=1`` pads one pixel whatever the size, and the output is (i - 1)/stride + 1 then, (i - k)/stride + 1 without.
    """
    if layer.whole("dontload"):
        raise layer.unsupported("dontload=1: its weights are not in the file, Darknet leaves them random")
    x = layer.image(g, x)
    channels, *plane = layer.sizes(x)
    filters, size, stride = layer.positive("filters"), layer.window("size"), layer.window("stride")
    pad = layer.whole("pad")
    if pad not in (0, 1) or (pad and size != 3):
        raise layer.unsupported(f"with pad={pad} and size={size} Darknet mixes up the positions of its patches")
    out = [layer.out(side, 2 * pad, size, stride) for side in plane]
    height, width = (side for side in out if isinstance(side, int))
    rows, places = channels * size * size, height * width
    layer.budget(rows, places)
    if rows * size * size > PATCHES:
        raise layer.unsupported(f"kernels of {size}x{size} over {channels} channels of their own have too many patches")
    biases = layer.weight(g, "biases", layer.take(filters, height, width))
    weights = layer.weight(g, "weights", layer.take(places, filters, rows))
    one_hot = np.broadcast_to(np.eye(size * size, dtype=np.float32).reshape(-1, 1, size, size),
                              (channels, size * size, 1, size, size)).reshape(rows, 1, size, size)  # fmt: skip
    patches = g.Conv(
        x, layer.weight(g, "patches", one_hot), kernel_shape=[size, size], strides=[stride, stride], pads=[pad] * 4,
        group=channels,
    )  # fmt: skip
    columns = g.Transpose(g.Reshape(patches, [0, rows, places]), perm=[2, 1, 0])
    y = g.Reshape(g.Transpose(g.MatMul(weights, columns), perm=[2, 1, 0]), [0, filters, height, width])
    return activate(g, layer, g.Add(y, biases))
