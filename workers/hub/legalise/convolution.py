"""Convolutions in the forms that targets have: two spatial axes, even padding, constant weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.legalise.dims import reshape, spatial
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node

BOTH = ("Conv", "ConvTranspose")


def spread(values: Sequence[int], fill: int) -> list[int]:
    """A one-axis attribute with a leading axis added: [k] -> [fill, k], [begin, end] -> [fill, begin, fill, end]."""
    return [fill, values[0]] if len(values) == 1 else [fill, values[0], fill, values[1]]


def row(g: GraphBuilder, x: Value) -> Value | None:
    """[N, C, L] as [N, C, 1, L]."""
    n, c, length = g.shape(x)
    return reshape(g, x, (n, c, 1, length))


def line(g: GraphBuilder, y: Value) -> Value | None:
    """[N, C, 1, L] as [N, C, L]."""
    n, c, _, length = g.shape(y)
    return reshape(g, y, (n, c, length))


@rule(BOTH, "conv-1d-as-2d", "A one-dimensional convolution runs along the width of a picture one pixel high.")
def conv_1d_as_2d(g: GraphBuilder, node: Node) -> Results:
    w = node.const(1)
    if node.rank != 3 or w is None:
        return None
    x = row(g, node.x())
    if x is None:
        return None
    attributes: dict[str, Any] = {"group": node.i("group", 1)}
    for name, fill in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 0), ("output_padding", 0)):
        if node.has(name):
            attributes[name] = spread(node.ints(name), fill)
    if node.has("output_shape"):
        return None
    weight = g.weight(f"{node.x(1).name}.row", w.reshape(*w.shape[:2], 1, w.shape[2]))
    return line(g, g.op(node.op, x, weight, node.input(2), **attributes))


def taps_added(pads: Sequence[int], dilations: Sequence[int]) -> tuple[list[int], list[int]] | None:
    """How many zero taps in front of and behind the kernel make every axis's padding even; None when none do."""
    axes = len(pads) // 2
    front, back = [], []
    for axis in range(axes):
        lead = pads[axis + axes] - pads[axis]
        if lead % dilations[axis]:
            return None
        front.append(max(lead, 0) // dilations[axis])
        back.append(max(-lead, 0) // dilations[axis])
    return front, back


def _with_taps(w: Array, front: Sequence[int], back: Sequence[int]) -> Array:
    return np.pad(w, [(0, 0), (0, 0), *zip(front, back, strict=True)])


@rule("Conv", "conv-even-padding", "Uneven padding becomes even; the kernel gets zeros where the padding grew.")
def conv_even_padding(g: GraphBuilder, node: Node) -> Results:
    """With end - begin = t d (d the dilation), t zero taps in front and padding ``end`` on both sides: same windows."""
    w, pads = node.const(1), node.ints("pads")
    if w is None or not pads or min(pads) < 0:
        return None
    axes = len(pads) // 2
    dilations = node.ints("dilations", [1] * axes)
    taps = taps_added(pads, dilations)
    if taps is None or not any((*taps[0], *taps[1])):
        return None
    wide = _with_taps(w, *taps)
    even = [max(pads[axis], pads[axis + axes]) for axis in range(axes)]
    return g.Conv(
        node.x(), g.weight(f"{node.x(1).name}.padded", wide), node.input(2), kernel_shape=list(wide.shape[2:]),
        strides=node.ints("strides", [1] * axes), dilations=dilations, pads=[*even, *even], group=node.i("group", 1),
    )  # fmt: skip


@rule("Conv", "conv-pad-first", "The convolution's padding becomes a Pad of its own.")
def conv_pad_first(g: GraphBuilder, node: Node) -> Results:
    pads = node.ints("pads")
    if not any(pads):
        return None
    axes = len(pads) // 2
    padded = g.Pad(node.x(), [0, 0, *pads[:axes], 0, 0, *pads[axes:]])
    attributes = {name: attribute.value for name, attribute in node.raw.attributes.items()}
    attributes["pads"] = [0] * len(pads)
    return g.Conv(padded, node.x(1), node.input(2), **attributes)


@rule("ConvTranspose", "conv-transpose-even-padding", "Uneven cropping and output padding become zeros in the kernel.")
def conv_transpose_even_padding(g: GraphBuilder, node: Node) -> Results:
    """The full result is s(i-1) + d(k-1) + 1 long and cropped by the pads; output padding crops less at the end.

    Zero taps lengthen the full result, so that both sides can be cropped alike.
    """
    w, axes = node.const(1), (node.rank or 2) - 2
    if w is None or node.has("output_shape"):
        return None
    pads, extra = node.ints("pads", [0] * 2 * axes), node.ints("output_padding", [0] * axes)
    dilations = node.ints("dilations", [1] * axes)
    crops = [*pads[:axes], *(pads[axes + axis] - extra[axis] for axis in range(axes))]
    # A crop below zero asks for zeros beyond the full result.
    even = [max(crops[axis], crops[axes + axis], 0) for axis in range(axes)]
    lacks = [(even[axis] - crops[axis], even[axis] - crops[axes + axis]) for axis in range(axes)]
    if not any(any(pair) for pair in lacks) and not any(extra):
        return None
    if any(lack % dilations[axis] for axis, pair in enumerate(lacks) for lack in pair):
        return None
    taps = [[lack // dilations[axis] for lack in pair] for axis, pair in enumerate(lacks)]
    wide = _with_taps(w, [front for front, _ in taps], [back for _, back in taps])
    return g.ConvTranspose(
        node.x(), g.weight(f"{node.x(1).name}.padded", wide), node.input(2), kernel_shape=list(wide.shape[2:]),
        strides=node.ints("strides", [1] * axes), dilations=dilations, pads=[*even, *even], group=node.i("group", 1),
    )  # fmt: skip


@rule(BOTH, "conv-dilated-kernel", "The zeros between the taps of a dilated kernel are written out.")
def conv_dilated_kernel(g: GraphBuilder, node: Node) -> Results:
    w, dilations = node.const(1), node.ints("dilations")
    if w is None or not set(dilations) - {1}:
        return None
    sides = [d * (k - 1) + 1 for d, k in zip(dilations, w.shape[2:], strict=True)]
    wide = np.zeros((*w.shape[:2], *sides), w.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = w
    attributes = {name: attribute.value for name, attribute in node.raw.attributes.items()}
    attributes |= {"kernel_shape": sides, "dilations": [1] * len(sides)}
    return g.op(node.op, node.x(), g.weight(f"{node.x(1).name}.spread", wide), node.input(2), **attributes)


@rule(BOTH, "conv-bias-apart", "The bias is added after the convolution.")
def conv_bias_apart(g: GraphBuilder, node: Node) -> Results:
    bias = node.input(2)
    if bias is None or node.rank is None:
        return None
    attributes = {name: attribute.value for name, attribute in node.raw.attributes.items()}
    array, shape = node.const(2), [-1] + [1] * (node.rank - 2)
    column = g.Reshape(bias, shape) if array is None else g.constant(array.reshape(shape))
    return g.Add(g.op(node.op, node.x(), node.x(1), **attributes), column)


@rule("ConvTranspose", "conv-transpose-one-pixel", "A transposed convolution of a single pixel is a matrix product.")
def conv_transpose_one_pixel(g: GraphBuilder, node: Node) -> Results:
    w, n = node.const(1), (node.shape() or (None,))[0]
    attributes = (node.ints("pads"), node.ints("output_padding"))
    if w is None or spatial(node) is None or set(spatial(node) or ()) != {1} or node.i("group", 1) != 1:
        return None
    if any(any(values) for values in attributes) or set(node.ints("dilations")) - {1} or node.has("output_shape"):
        return None
    flat = g.weight(f"{node.x(1).name}.flat", w.reshape(w.shape[0], -1))
    y = reshape(g, g.MatMul(g.Flatten(node.x(), axis=1), flat), (n, *w.shape[1:]))
    if y is None or node.input(2) is None:
        return y
    return g.Add(y, g.Reshape(node.input(2), [-1] + [1] * (w.ndim - 2)))
