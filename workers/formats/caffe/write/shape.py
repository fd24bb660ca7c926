"""Rearranging a blob: Reshape, Flatten, Permute, Concat, Tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.formats.caffe.write.net import SSD, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.legalise.dims import integers, target_shape
from workers.hub.legalise.shape import permutation
from workers.hub.node import Dim, Node


def reshape_parameter(source: Sequence[Dim], target: Sequence[Dim]) -> dict[str, Any]:
    """What Caffe's Reshape is told; the batch is copied (0) wherever it stays in front, so that it may change."""
    told = target_shape(source, target)
    assert told is not None
    if told and source and source[0] == target[0]:
        told[0] = 0
    return {"shape": {"dim": told}}


def _can_reshape(node: Node) -> bool | str:
    shape, out = node.shape(), node.out_shape()
    if integers(node.input(1)) is None:
        return "Caffe's Reshape takes a constant shape"
    if shape is None or out is None or target_shape(shape, out) is None:
        return "more than one axis of the result is unknown"
    return not node.i("allowzero") or 0 not in out or "Caffe's blobs are never empty"


@writes("Reshape", only_if=_can_reshape)
def reshape(net: NetWriter, node: Node) -> None:
    shape, out = node.shape() or (), node.out_shape() or ()
    if len(shape) > 2 and len(out) == 2 and shape[0] == out[0] and shape[0] is not None:
        net.layer("Flatten", node)
    else:
        net.layer("Reshape", node, reshape_param=reshape_parameter(shape, out))


@writes("Flatten", only_if=lambda n: n.i("axis", 1) == 1 or "Caffe's Flatten keeps the axes before the first one")
def flatten(net: NetWriter, node: Node) -> None:
    net.layer("Flatten", node)


@writes("Transpose", only_if=lambda n: n.rank is not None or "the rank must be known")
def transpose(net: NetWriter, node: Node) -> None:
    net.needs(SSD, "Permute")
    net.layer("Permute", node, permute_param={"order": permutation(node)})


def _same_rank(node: Node) -> bool | str:
    if any(value is None or value.shape is None for value in node.inputs):
        return "the rank must be known"
    return len(node.inputs) > 1 or "there is nothing to concatenate"


@writes("Concat", only_if=_same_rank)
def concat(net: NetWriter, node: Node) -> None:
    axis = node.i("axis") % (node.rank or 1)
    bottoms = [node.x(index) for index in range(len(node.inputs))]
    net.layer("Concat", node, bottoms, concat_param={"axis": axis} if axis != 1 else None)


def _can_tile(node: Node) -> bool | str:
    counts, shape = integers(node.input(1)), node.shape()
    if counts is None or shape is None or min(counts, default=0) < 1:
        return "Caffe's Tile repeats a constant number of times"
    free = any(count > 1 and not isinstance(dim, int) for count, dim in zip(counts, shape, strict=True))
    return not free or "a free axis cannot be repeated"


@writes("Tile", only_if=_can_tile)
def tile(net: NetWriter, node: Node) -> None:
    """Caffe repeats along one axis a layer."""
    counts = [(axis, count) for axis, count in enumerate(integers(node.input(1)) or ()) if count > 1]
    bottom = net.blob(node.x())
    for axis, count in counts[:-1]:
        bottom = net.inner("Tile", node, [bottom], f"axis{axis}", tile_param={"axis": axis, "tiles": count})
    if not counts:
        net.layer("Power", node)
        return
    axis, count = counts[-1]
    net.layer("Tile", node, [bottom], tile_param={"axis": axis, "tiles": count})
