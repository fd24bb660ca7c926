"""Shapes asked for, and tensors brought into other shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.dims import over, product
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole
from workers.hub.node import Dim, shape_of


@reads("Shape")
def shape(g: Builder, layer: Layer, x: Value) -> Value:
    return cast(g, g.Shape(x), layer.dtype("out_type", "DT_INT32"))


@reads("ShapeN")
def shape_n(g: Builder, layer: Layer, *xs: Value) -> list[Value]:
    return [shape(g, layer, x) for x in xs]


@reads("Size")
def size(g: Builder, layer: Layer, x: Value) -> Value:
    found = g.ReduceProd(g.Shape(x), keepdims=0) if layer.shape(x) else g.constant(np.array(1, np.int64))
    return cast(g, found, layer.dtype("out_type", "DT_INT32"))


@reads("Rank")
def rank(g: Builder, layer: Layer, x: Value) -> Value:
    return g.constant(np.array(len(layer.shape(x)), np.int32))


def reshaped(g: Builder, layer: Layer, x: Value, target: Value) -> Value:
    """A reshape whose target is a constant where at most one size is unknown, with all sizes that are known told."""
    known = g.contents(target)
    if known is None or known.scalar:
        return g.Reshape(x, whole(g, target))
    items = list(known.items)
    before = shape_of(x)
    solved = _solved(items, before)
    spec = [item if isinstance(item, int) else -1 for item in solved]
    picture = g.merged.get(x)
    if picture is not None and None not in solved and tuple(solved) == shape_of(picture):
        return picture
    if spec.count(-1) > 1:
        kept = [
            0 if before is not None and axis < len(before) and item is not None and item == before[axis] else number
            for axis, (item, number) in enumerate(zip(solved, spec, strict=True))
        ]
        spec = kept if kept.count(-1) <= 1 and 0 not in spec else spec
    if spec.count(-1) > 1:
        result = g.Reshape(x, whole(g, target))
    else:
        result = g.Reshape(x, np.array(spec, np.int64), allowzero=1 if 0 in items else None)
        _note_flat(g, x, result)
    if not g.is_const(result) and result is not x:
        inferred = shape_of(result)
        told = inferred if inferred is not None and len(inferred) == len(solved) else (None,) * len(solved)
        result.shape = ir.Shape([a if isinstance(a, int) else b if isinstance(b, int) else a if a is not None else b
                                 for a, b in zip(solved, told, strict=True)])  # fmt: skip
    return result


def _solved(items: Sequence[Dim], before: Sequence[Dim] | None) -> list[Dim]:
    """The target with its -1 worked out as far as names of free axes allow; what stays open is None."""
    if -1 not in items:
        return list(items)
    total = product(list(before)) if before is not None else None
    rest = product([item for item in items if item != -1])
    return [over(total, rest) if item == -1 else item for item in items]


def _note_flat(g: Builder, x: Value, result: Value) -> None:
    """A channels-last picture flattened to [batch, rest]: a dense layer behind it takes the picture as it was."""
    if x not in g.turned or result is x:
        return
    source, perm = g.turned[x]
    dims, before = shape_of(result), shape_of(x)
    if dims is not None and before is not None and len(dims) == 2 and perm[-1] == 1 and dims[1] == before[-1]:
        g.merged[result] = x
    if perm[0] == 0 and dims is not None and before is not None and len(dims) == 2 and len(perm) > 2:
        whole_rest = product(list(before[1:]))
        if isinstance(whole_rest, int) and (dims[1] == whole_rest or g.numbers(_target(result)) == (-1, whole_rest)):
            g.flat[result] = (source, perm)


def _target(result: Value) -> Value | None:
    node = result.producer()
    return node.inputs[1] if node is not None and node.op_type == "Reshape" else None


@reads("Reshape")
def reshape(g: Builder, layer: Layer, x: Value, target: Value) -> Value:
    return reshaped(g, layer, x, target)


@reads("Squeeze")
def squeeze(g: Builder, layer: Layer, x: Value) -> Value:
    axes = layer.ints("squeeze_dims") or layer.ints("axis")
    if axes:
        return g.Squeeze(x, sorted(layer.axis(axis, len(layer.shape(x))) for axis in axes))
    dims = layer.shape(x)
    ones = [axis for axis, dim in enumerate(dims) if dim == 1]
    if any(not isinstance(dim, int) for dim in dims):
        layer.note("free-axis-kept", "This squeeze drops the axes of size 1; axes of free size were kept.")
    return g.Squeeze(x, ones) if ones else x


@reads("ExpandDims")
def expand_dims(g: Builder, layer: Layer, x: Value, axis: Value) -> Value:
    (place,) = layer.integers(g, axis, "the axis")
    return g.Unsqueeze(x, [layer.axis(place, len(layer.shape(x)), extra=1)])


@reads("Transpose", "ConjugateTranspose")
def transpose(g: Builder, layer: Layer, x: Value, perm: Value) -> Value:
    order = layer.integers(g, perm, "the order of its axes")
    rank_ = len(layer.shape(x))
    order = [axis + rank_ if axis < 0 else axis for axis in order]
    if sorted(order) != list(range(rank_)):
        raise layer.malformed(f"its perm {order} does not fit {rank_} axes")
    if rank_ > 3 and order[0] == 0 and order[1:-1] == list(range(2, rank_)) and order[-1] == 1:
        return g.turn(x, order)
    return g.Transpose(x, perm=order)


@reads("InvertPermutation")
def invert_permutation(g: Builder, layer: Layer, x: Value) -> Value:
    numbers = g.numbers(x)
    if numbers is not None:
        return g.constant(np.argsort(numbers).astype(layer.element(x).numpy()))
    _, places = g.ops("TopK", whole(g, x), g.Shape(x), outputs=2, axis=0, largest=0)
    return cast(g, places, layer.element(x))


@reads("BroadcastTo")
def broadcast_to(g: Builder, layer: Layer, x: Value, target: Value) -> Value:
    known = g.contents(target)
    result = g.Expand(x, whole(g, target))
    if known is not None and not known.scalar and not g.is_const(result):
        result.shape = ir.Shape(known.items)
    return result


@reads("BroadcastArgs", "BroadcastDynamicShape")
def broadcast_args(g: Builder, layer: Layer, a: Value, b: Value) -> Value:
    """The shape that two shapes broadcast to, where their numbers of axes are known."""
    ranks = layer.size(a, 0), layer.size(b, 0)
    most = max(ranks)
    longer = [g.Concat([1] * (most - r), whole(g, v), axis=0) if r < most else whole(g, v)
              for r, v in zip(ranks, (a, b), strict=True)]  # fmt: skip
    return cast(g, g.Max(*longer), layer.element(a))


@reads("Tile")
def tile(g: Builder, layer: Layer, x: Value, multiples: Value) -> Value:
    return g.Tile(x, whole(g, multiples))


@reads("ConcatV2")
def concat_v2(g: Builder, layer: Layer, *xs: Value) -> Value:
    if len(xs) < 2:
        raise layer.malformed("it has no inputs")
    (axis,) = layer.integers(g, xs[-1], "the axis")
    return _concat(g, layer, xs[:-1], axis)


@reads("Concat")
def concat(g: Builder, layer: Layer, axis: Value, *xs: Value) -> Value:
    return _concat(g, layer, xs, layer.integers(g, axis, "the axis")[0])


def _concat(g: Builder, layer: Layer, xs: Sequence[Value], axis: int) -> Value:
    return xs[0] if len(xs) == 1 else g.Concat(*xs, axis=layer.axis(axis, len(layer.shape(xs[0]))))


@reads("Pack", "ParallelStack")
def pack(g: Builder, layer: Layer, *xs: Value) -> Value:
    if not xs:
        raise layer.malformed("it has no inputs")
    axis = layer.axis(layer.i("axis", 0), len(layer.shape(xs[0])), extra=1)
    rows = [g.Unsqueeze(x, [axis]) for x in xs]
    return rows[0] if len(rows) == 1 else g.Concat(*rows, axis=axis)


@reads("Unpack")
def unpack(g: Builder, layer: Layer, x: Value) -> list[Value]:
    axis = layer.axis(layer.i("axis", 0), len(layer.shape(x)))
    count = layer.i("num", 0)
    return [g.Gather(x, np.array(index, np.int64), axis=axis) for index in range(count)]


@reads("Split")
def split(g: Builder, layer: Layer, axis: Value, x: Value) -> list[Value]:
    return _split(g, layer, x, layer.integers(g, axis, "the axis")[0], None)


@reads("SplitV")
def split_v(g: Builder, layer: Layer, x: Value, sizes: Value, axis: Value) -> list[Value]:
    lengths = layer.integers(g, sizes, "the sizes of its parts")
    (place,) = layer.integers(g, axis, "the axis")
    if -1 in lengths:
        rest = layer.size(x, place) - sum(length for length in lengths if length != -1)
        lengths = [rest if length == -1 else length for length in lengths]
    return _split(g, layer, x, place, lengths)


def _split(g: Builder, layer: Layer, x: Value, axis: int, sizes: list[int] | None) -> list[Value]:
    axis = layer.axis(axis, len(layer.shape(x)))
    count = len(sizes) if sizes is not None else layer.i("num_split", 1)
    if count < 1 or count > 100_000:
        raise layer.malformed(f"it splits into {count} parts")
    if count == 1:
        return [x]
    length = layer.shape(x)[axis]
    if sizes is None and isinstance(length, int):
        if length % count:
            raise layer.malformed(f"{length} cannot be split into {count} equal parts")
        sizes = [length // count] * count
    if g.contents(x) is not None and sizes is not None:
        starts = np.cumsum([0, *sizes])
        return [g.Slice(x, [int(a)], [int(b)], [0]) for a, b in pairwise(starts)]
    if sizes is None:
        return g.ops("Split", x, outputs=count, axis=axis, num_outputs=count)
    return g.ops("Split", x, np.array(sizes, np.int64), outputs=count, axis=axis)
