"""What all layers with windows share: where the channels are, TensorFlow's padding, the order of kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workers.formats.keras.read.layer import Array, Layer
from workers.formats.keras.read.tensor import Tensor, moved, plain
from workers.hub.graph import GraphBuilder, Value

Make = Callable[[Value], Tensor]


def channels_last(layer: Layer) -> bool:
    """``data_format``; Keras' own default where the file leaves it open."""
    word = layer.word("data_format", "channels_last")
    if word in ("default", "channels_last"):
        return True
    if word != "channels_first":
        raise layer.malformed(f"its data_format is {word!r}")
    return False


def spatial(g: GraphBuilder, layer: Layer, x: Tensor, axes: int) -> tuple[Value, Make]:
    """The value with channels in axis 1, and how a result in that order becomes a tensor."""
    layer.rank(x, axes + 2)
    if channels_last(layer):
        return x.first(g), moved
    return x.plain(g), plain


def spatial_sizes(g: GraphBuilder, x: Value) -> list[int] | None:
    """Sizes of the spatial axes of a value with channels in axis 1, None when one is free."""
    sizes = g.shape(x)[2:]
    fixed = [size for size in sizes if isinstance(size, int)]
    return fixed if len(fixed) == len(sizes) else None


def padding(
    g: GraphBuilder, layer: Layer, x: Value, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int],
    word: str,
) -> dict[str, Any]:  # fmt: skip
    """ONNX's padding attributes. ``same``: ceil(in / stride) results, the odd element at the end; ``causal``: in front.

    Where the size is free, ONNX's SAME_UPPER says the same; with stride 1 the size does not matter.
    """
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    if word == "valid":
        return {"pads": [0] * (2 * len(kernel))}
    if word == "causal":
        return {"pads": [reach[0] - 1, 0]}
    if word != "same":
        raise layer.malformed(f"its padding is {word!r}")
    sizes = spatial_sizes(g, x)
    if sizes is None and all(stride == 1 for stride in strides):
        sizes = [1] * len(kernel)
    if sizes is None:
        return {"auto_pad": "SAME_UPPER"}
    total = [
        max((-(-size // stride) - 1) * stride + span - size, 0)
        for size, stride, span in zip(sizes, strides, reach, strict=True)
    ]
    begin = [pad // 2 for pad in total]
    return {"pads": [*begin, *(pad - first for pad, first in zip(total, begin, strict=True))]}


def oihw(layer: Layer, array: Array, axes: int) -> Array:
    """A kernel [*window, in, out] as a view [out, in, *window]; Theano's are flipped, Keras 1's ``th`` lie so."""
    if layer.generation == 1:
        if axes == 1 and array.ndim == 4:
            array = array[:, 0]
        if axes > 1 and not channels_last(layer):
            return _flipped(layer, array, range(2, axes + 2))
    if array.ndim != axes + 2:
        raise layer.malformed(f"its kernel has {array.ndim} axes, the layer needs {axes + 2}")
    return _flipped(layer, array, range(axes)).transpose(axes + 1, axes, *range(axes))


def _flipped(layer: Layer, array: Array, axes: Sequence[int]) -> Array:
    return np.flip(array, tuple(axes)) if layer.scope.flip else array
