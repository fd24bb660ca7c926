"""Taking parts of a tensor: Split, Slice and Gather by each other."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.legalise.dims import integers, reshape
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node

END = int(np.iinfo(np.int64).max)
# A Gather by more separate pieces than this is better refused than written as a hundred layers.
PIECES = 64


def split_sizes(node: Node) -> list[int] | None:
    """The lengths of a Split's parts, given or equal (the last one shorter)."""
    given = integers(node.input(1))
    if given is not None:
        return list(given)
    shape = node.shape()
    axis = node.i("axis")
    size = None if shape is None else shape[axis % len(shape)]
    if node.input(1) is not None or not isinstance(size, int):
        return None
    count = node.i("num_outputs", len(node.outputs))
    part = -(-size // count)
    return [min(part, size - index * part) for index in range(count)]


@rule("Split", "split-of-one", "A Split into one part is that tensor.")
def split_of_one(g: GraphBuilder, node: Node) -> Results:
    return node.x() if len(node.outputs) == 1 else None


@rule("Split", "split-sizes-given", "The lengths of the parts are written out.")
def split_sizes_given(g: GraphBuilder, node: Node) -> Results:
    sizes = split_sizes(node)
    if sizes is None or node.input(1) is not None or min(sizes) < 0:
        return None
    return g.ops("Split", node.x(), sizes, outputs=len(sizes), axis=node.i("axis"))


@rule("Split", "split-to-slices", "Every part is a Slice.")
def split_to_slices(g: GraphBuilder, node: Node) -> Results:
    sizes = split_sizes(node)
    if sizes is None:
        return None
    ends = np.cumsum(sizes).tolist()
    axis = node.i("axis")
    return [g.Slice(node.x(), [end - size], [end], [axis]) for size, end in zip(sizes, ends, strict=True)]


def slices(node: Node) -> list[tuple[int, int, int, int]] | None:
    """(axis, start, end, step) of every sliced axis, all constant and counted from the front within bounds.

    An end beyond the axis is cut back where the size is known.
    """
    shape, starts, ends = node.shape(), integers(node.input(1)), integers(node.input(2))
    if shape is None or starts is None or ends is None:
        return None
    axes = integers(node.input(3)) if node.input(3) is not None else tuple(range(len(starts)))
    steps = integers(node.input(4)) if node.input(4) is not None else (1,) * len(starts)
    if axes is None or steps is None:
        return None
    parts = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis % len(shape)]
        if not isinstance(size, int):
            if start < 0 or end < 0 or step < 1:
                return None
            parts.append((axis % len(shape), start, end, step))
            continue
        begin, stop, stride = slice(start, end if abs(end) < END else (END if end > 0 else None), step).indices(size)
        parts.append((axis % len(shape), begin, stop, stride))
    return parts


@rule("Slice", "slice-nothing", "A Slice that takes everything is left out.")
def slice_nothing(g: GraphBuilder, node: Node) -> Results:
    parts, shape = slices(node), node.shape()
    if parts is None or shape is None:
        return None
    whole = all(start == 0 and step == 1 and stop == shape[axis] for axis, start, stop, step in parts)
    return node.x() if whole else None


@rule("Slice", "slice-one-axis", "Axes are sliced one after the other.")
def slice_one_axis(g: GraphBuilder, node: Node) -> Results:
    parts = slices(node)
    if parts is None or len(parts) < 2 or any(step < 0 for *_, step in parts):
        return None
    x = node.x()
    for axis, start, stop, step in parts:
        x = g.Slice(x, [start], [stop], [axis], [step])
    return x


@rule("Slice", "slice-to-split", "A Slice of one axis is the middle part of a Split.")
def slice_to_split(g: GraphBuilder, node: Node) -> Results:
    parts, shape = slices(node), node.shape()
    if parts is None or len(parts) != 1 or shape is None:
        return None
    axis, start, stop, step = parts[0]
    size = shape[axis]
    if step != 1 or not isinstance(size, int) or not start < stop:
        return None
    sizes = [length for length in (start, stop - start, size - stop) if length]
    if len(sizes) == 1:
        return node.x()
    return g.ops("Split", node.x(), sizes, outputs=len(sizes), axis=axis)[1 if start else 0]


@rule("Slice", "slice-step-to-gather", "A Slice with a step gathers positions.")
def slice_step_to_gather(g: GraphBuilder, node: Node) -> Results:
    parts, shape = slices(node), node.shape()
    if parts is None or len(parts) != 1 or shape is None or not isinstance(shape[parts[0][0]], int):
        return None
    axis, start, stop, step = parts[0]
    if step == 1:
        return None
    return g.Gather(node.x(), np.arange(start, stop, step, dtype=np.int64), axis=axis)


def runs(indices: list[int]) -> list[tuple[int, int]]:
    """Maximal stretches of consecutive rising indices as (start, stop)."""
    found: list[tuple[int, int]] = []
    for index in indices:
        if found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


@rule("Gather", "gather-to-slices", "Gathering at constant positions is slicing and concatenating.")
def gather_to_slices(g: GraphBuilder, node: Node) -> Results:
    shape, indices, out = node.shape(), node.const(1), node.out_shape()
    if shape is None or indices is None or out is None or node.const(0) is not None:
        return None
    axis = node.i("axis") % len(shape)
    size = shape[axis]
    if not isinstance(size, int) or indices.size == 0:
        return None
    stretches = runs([int(index) % size for index in indices.reshape(-1)])
    if len(stretches) > PIECES:
        return None
    parts = [g.Slice(node.x(), [start], [stop], [axis]) for start, stop in stretches]
    y = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=axis)
    return y if indices.ndim == 1 else reshape(g, y, out)


@rule("Gather", "gather-to-matmul", "Gathering at constant positions is a product with zeros and ones.")
def gather_to_matmul(g: GraphBuilder, node: Node) -> Results:
    shape, indices, kind = node.shape(), node.const(1), node.dtype()
    if shape is None or indices is None or indices.ndim != 1 or kind != ir.DataType.FLOAT:
        return None
    axis, size = node.i("axis") % len(shape), shape[node.i("axis") % len(shape)]
    if not isinstance(size, int) or axis == 0 or size * indices.size > 1 << 22:
        return None
    pick = np.zeros((size, indices.size), np.float32)
    pick[indices % size, np.arange(indices.size)] = 1
    order = [*(other for other in range(len(shape)) if other != axis), axis]
    x = node.x() if axis == len(shape) - 1 else g.Transpose(node.x(), perm=order)
    y = g.MatMul(x, g.constant(pick))
    return y if axis == len(shape) - 1 else g.Transpose(y, perm=[order.index(other) for other in range(len(shape))])
