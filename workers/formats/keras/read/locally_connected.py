"""Convolutions whose kernel differs from position to position."""

from __future__ import annotations

from workers.formats.keras.read.activation import activate
from workers.formats.keras.read.layer import Layer, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.read.windows import channels_last, spatial
from workers.hub.graph import GraphBuilder, Value

POSITIONS = 4096


@reads("LocallyConnected1D", "LocallyConnected2D")
def locally_connected(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Kernel [positions, window * channels, filters], rows in Keras' order of axes: one product for all positions."""
    axes = 1 if layer.kind.endswith("1D") else 2
    if layer.integer("implementation", 1) != 1:
        raise layer.unsupported("its implementation keeps one sparse matrix; build it with implementation=1")
    if layer.word("padding", "valid") != "valid":
        raise layer.unsupported("it is padded, which Keras itself refuses in this form")
    value, make = spatial(g, layer, x, axes)
    kernel, strides = layer.window("kernel_size", axes), layer.window("strides", axes, 1)
    channels, *sizes = layer.fixed(g.shape(value)[1:])
    out = [(size - span) // stride + 1 for size, span, stride in zip(sizes, kernel, strides, strict=True)]
    count, width = 1, channels
    for size, span in zip(out, kernel, strict=True):
        count, width = count * size, width * span
    if count > POSITIONS or min(out) < 1:
        raise layer.unsupported(f"it has {count} positions, more than the {POSITIONS} that onnxhub writes out")
    array = layer.array("kernel", count, width, None)
    filters = array.shape[2]
    patches = _patches(g, layer, value, kernel, strides, out, first=axes == 2 and not channels_last(layer))
    y = g.MatMul(patches, layer.weight(g, "kernel", array, layer.element(x)))
    y = g.Reshape(g.Transpose(y, perm=[1, 2, 0]), [-1, filters, *out])
    if layer.flag("use_bias", True):
        bias = layer.array("bias")
        last = channels_last(layer) or axes == 1
        want = [*out, filters]
        if list(bias.shape) not in ([want] if last else [want, [filters, *out]]):
            raise layer.malformed(f"its bias has the shape {list(bias.shape)}, the layer needs {want}")
        # Keras takes its numbers in their stored order where the channels come first.
        turned = bias.transpose(axes, *range(axes)) if last else bias.reshape(filters, *out)
        y = g.Add(y, layer.weight(g, "bias", turned, layer.element(x)))
    return activate(g, layer, make(y), layer.config.get("activation"))


def _patches(
    g: GraphBuilder, layer: Layer, x: Value, kernel: list[int], strides: list[int], out: list[int], *, first: bool
) -> Value:
    """[positions, batch, window * channels]: one strided slice for each place in the window."""
    places = [[]]  # type: list[list[int]]
    for span in kernel:
        places = [[*place, at] for place in places for at in range(span)]
    if len(places) > POSITIONS:
        raise layer.unsupported(f"its window has {len(places)} places")
    slices = []
    axes = list(range(2, 2 + len(kernel)))
    for place in places:
        stop = [at + (size - 1) * stride + 1 for at, size, stride in zip(place, out, strides, strict=True)]
        slices.append(g.Unsqueeze(g.Slice(x, place, stop, axes, strides), [1]))
    stacked = g.Concat(*slices, axis=1)
    count = 1
    for size in out:
        count *= size
    channels = layer.fixed(g.shape(x)[1:2])[0]
    flat = g.Reshape(stacked, [-1, len(places), channels, count])
    turned = g.Transpose(flat, perm=[3, 0, 2, 1] if first else [3, 0, 1, 2])
    return g.Reshape(turned, [count, -1, len(places) * channels])
