"""Cells moved between space, batch and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.convolution import layout_of, same_pads
from workers.formats.tensorflow.read.layer import Layer, Value, reads, whole
from workers.formats.tensorflow.read.shape import reshaped
from workers.hub.node import shape_of


@reads("DepthToSpace")
def depth_to_space(g: Builder, layer: Layer, x: Value) -> Value:
    """In the order of ONNX's DCR."""
    form = layout_of(layer, 2)
    return form.back(g, g.DepthToSpace(form.first(g, x), blocksize=layer.i("block_size"), mode="DCR"))


@reads("SpaceToDepth")
def space_to_depth(g: Builder, layer: Layer, x: Value) -> Value:
    form = layout_of(layer, 2)
    return form.back(g, g.SpaceToDepth(form.first(g, x), blocksize=layer.i("block_size")))


Edges = tuple[Value, Value]
"""What is put before, and behind, every spatial axis, or is cut off there; int64, one number an axis."""


def _blocks(layer: Layer, g: Builder, block: Value, pairs: Value) -> tuple[list[int], Edges]:
    sizes = layer.integers(g, block, "its block shape")
    if layer.sizes(pairs) != (len(sizes), 2) or any(size < 1 for size in sizes):
        raise layer.malformed("its block shape does not fit its paddings")
    return sizes, _edges(g, pairs)


def _edges(g: Builder, pairs: Value) -> Edges:
    before, behind = (g.Gather(whole(g, pairs), np.array(side, np.int64), axis=1) for side in (0, 1))
    return before, behind


@reads("SpaceToBatchND")
def space_to_batch_nd(g: Builder, layer: Layer, x: Value, block: Value, paddings: Value) -> Value:
    sizes, edges = _blocks(layer, g, block, paddings)
    return _space_to_batch(g, layer, x, sizes, edges)


@reads("SpaceToBatch")
def space_to_batch(g: Builder, layer: Layer, x: Value, paddings: Value) -> Value:
    return _space_to_batch(g, layer, x, [layer.i("block_size")] * 2, _edges(g, paddings))


def _space_to_batch(g: Builder, layer: Layer, x: Value, sizes: list[int], edges: Edges) -> Value:
    """Padded, every spatial axis split into [size / block, block], the blocks moved in front of the batch."""
    count, rank = len(sizes), len(layer.shape(x))
    rest = rank - 1 - count
    padded = g.Pad(x, g.Concat([0], edges[0], [0] * (rest + 1), edges[1], np.zeros(rest, np.int64), axis=0))
    dims = g.Shape(padded)
    parts: list[Value] = [g.Slice(dims, [0], [1])]
    for axis, size in enumerate(sizes):
        parts += [g.Div(g.Slice(dims, [axis + 1], [axis + 2]), [size]), g.constant([size])]
    tail = [g.Slice(dims, [count + 1], [rank])] if rest else []
    split = reshaped(g, layer, padded, g.Concat(*parts, *tail, axis=0))
    blocks = [2 + 2 * axis for axis in range(count)]
    cells = [1 + 2 * axis for axis in range(count)]
    turned = g.Transpose(split, perm=[*blocks, 0, *cells, *range(1 + 2 * count, 1 + 2 * count + rest)])
    batch = g.Mul(parts[0], [int(np.prod(sizes))])
    target = g.Concat(batch, *(parts[1 + 2 * axis] for axis in range(count)), *tail, axis=0)
    result = reshaped(g, layer, turned, target)
    _remember(g, result, padded, sizes)
    return result


def _remember(g: Builder, result: Value, padded: Value, sizes: list[int]) -> None:
    g.spread[result] = (padded, tuple(sizes))


@reads("BatchToSpaceND")
def batch_to_space_nd(g: Builder, layer: Layer, x: Value, block: Value, crops: Value) -> Value:
    sizes, edges = _blocks(layer, g, block, crops)
    return _batch_to_space(g, layer, x, sizes, edges)


@reads("BatchToSpace")
def batch_to_space(g: Builder, layer: Layer, x: Value, crops: Value) -> Value:
    return _batch_to_space(g, layer, x, [layer.i("block_size")] * 2, _edges(g, crops))


def _batch_to_space(g: Builder, layer: Layer, x: Value, sizes: list[int], edges: Edges) -> Value:
    dilated = _dilated(g, x, sizes)
    count, rank = len(sizes), len(layer.shape(x))
    rest = rank - 1 - count
    if dilated is None:
        dims = g.Shape(x)
        batch = g.Div(g.Slice(dims, [0], [1]), [int(np.prod(sizes))])
        split = reshaped(g, layer, x, g.Concat(np.array(sizes, np.int64), batch, g.Slice(dims, [1], [rank]), axis=0))
        order = [count]
        for axis in range(count):
            order += [count + 1 + axis, axis]
        turned = g.Transpose(split, perm=[*order, *range(2 * count + 1, 2 * count + 1 + rest)])
        grown = [g.Mul(g.Slice(dims, [axis + 1], [axis + 2]), [size]) for axis, size in enumerate(sizes)]
        tail = [g.Slice(dims, [count + 1], [rank])] if rest else []
        dilated = reshaped(g, layer, turned, g.Concat(batch, *grown, *tail, axis=0))
    if all(g.numbers(edge) == (0,) * count for edge in edges):
        return dilated
    ends = g.Where(g.Equal(edges[1], [0]), [2**31 - 1], g.Neg(edges[1]))
    return g.Slice(dilated, edges[0], ends, list(range(1, count + 1)))


@dataclass(frozen=True, slots=True)
class _Spread:
    """A convolution of what SpaceToBatch spread, with what was moved along behind it."""

    conv: ir.Node
    padded: Value
    blocks: tuple[int, ...]
    chain: list[tuple[str, list[Value | None], dict[str, Any]]]


def _dilated(g: Builder, x: Value, sizes: list[int]) -> Value | None:
    """SpaceToBatch, a convolution of stride 1 without padding, BatchToSpace: a dilated convolution.

    What stands between the convolution and here (its bias) has been moved along; the blocks are its dilations.
    Sequences are pictures of one row on the way.
    """
    found = _spread(g, x)
    if found is None or list(found.blocks) != sizes or len(sizes) not in (1, 2):
        return None
    attributes = {key: attribute.value for key, attribute in found.conv.attributes.items()}
    if attributes.get("auto_pad") or any(attributes["pads"]) or set(attributes["strides"]) != {1}:
        return None
    if set(attributes["dilations"]) != {1}:
        return None
    line = len(sizes) == 1 and len(shape_of(found.padded) or ()) == 3
    if line:
        image, full = g.Unsqueeze(g.Transpose(found.padded, perm=[0, 2, 1]), [2]), [1, *sizes]
    else:
        image, full = g.Transpose(found.padded, perm=[0, 3, 1, 2]), [*sizes, 1][:2]
    result = _over_pads(g, image, found.conv.inputs[1:], {**attributes, "dilations": full})
    for op_type, others, more in reversed(found.chain):
        result = g.op(op_type, result, *others, **more)
    return g.turn(result, [0, 2, 1] if line else [0, 2, 3, 1])


def _spread(g: Builder, x: Value) -> _Spread | None:
    chain: list[tuple[str, list[Value | None], dict[str, Any]]] = []
    source, perm = g.turned.get(x, (x, ()))
    node = source.producer()
    while node is not None and node.op_type in ("Add", "Relu", "BatchNormalization", "Clip", "Elu", "Squeeze"):
        first = node.inputs[0]
        if first is None or any(value is not None and not g.is_const(value) for value in node.inputs[1:]):
            return None
        chain.append((node.op_type, list(node.inputs[1:]), {k: a.value for k, a in node.attributes.items()}))
        node = first.producer()
    rows = [g.numbers(others[0]) for op_type, others, _ in chain if op_type == "Squeeze"]
    if node is None or node.op_type != "Conv" or rows not in ([], [(2,)]):
        return None
    if perm != ((0, 2, 1) if rows else (0, 2, 3, 1)):
        return None
    spread = _behind(node.inputs[0], ("Unsqueeze", "Transpose") if rows else ("Transpose",))
    if spread is None or spread not in g.spread:
        return None
    padded, blocks = g.spread[spread]
    return _Spread(node, padded, blocks, chain)


def _behind(value: Value | None, steps: Sequence[str]) -> Value | None:
    """What stands behind nodes of these types."""
    for op_type in steps:
        node = value.producer() if value is not None else None
        if node is None or node.op_type != op_type:
            return None
        value = node.inputs[0]
    return value


def _over_pads(g: Builder, image: Value, weights: object, attributes: dict[str, Any]) -> Value:
    """A convolution takes over zeros that were padded in front of it."""
    node = image.producer()
    pads = g.numbers(node.inputs[1]) if node is not None and node.op_type == "Pad" else None
    source = node.inputs[0] if node is not None else None
    plain = node is not None and node.op_type == "Pad" and len(node.inputs) == 2 and "mode" not in node.attributes
    if source is not None and pads is not None and plain and not any((*pads[:2], *pads[4:6])) and min(pads) >= 0:
        image, attributes = source, {**attributes, "pads": [*pads[2:4], *pads[6:8]]}
    return g.Conv(image, *weights, **attributes)  # type: ignore[misc]


@reads("ExtractImagePatches")
def extract_image_patches(g: Builder, layer: Layer, x: Value) -> Value:
    """Every patch in [row, column, channel] order: a convolution with filters that each pick one cell."""
    height, width = layer.ints("ksizes")[1:3]
    strides, rates = layer.ints("strides")[1:3], layer.ints("rates")[1:3]
    channels = layer.size(x, 3)
    cells = height * width * channels
    if cells * cells > 1 << 24:
        raise layer.unsupported(f"its patches have {cells} values, which is too many to pick one by one")
    picks = np.eye(cells, dtype=layer.element(x).numpy()).reshape(cells, height, width, channels).transpose(0, 3, 1, 2)
    source = g.Transpose(x, perm=[0, 3, 1, 2])
    pads = [0] * 4
    if layer.s("padding", "VALID") == "SAME":
        pads = same_pads(layer, layer.sizes(source, 2), [height, width], strides, rates) or pads
    result = g.Conv(source, np.ascontiguousarray(picks), kernel_shape=[height, width], strides=strides,
                    dilations=rates, pads=pads)  # fmt: skip
    return g.turn(result, [0, 2, 3, 1])
