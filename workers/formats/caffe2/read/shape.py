"""Shapes: reshaping, transposing, joining, cutting and repeating."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.caffe2.read.layer import I32, I64, Layer, Value, prod, reads
from workers.formats.caffe2.read.sizes import check_constant, reshape, times
from workers.formats.caffe2.read.windows import back, first, moved
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder


@reads("Reshape")
def reshape_(g: GraphBuilder, layer: Layer, x: Value, new: Value | None = None) -> list[Value]:
    """0 keeps a size, -1 takes what is left; the second output is the old shape."""
    y = _to_shape(g, layer, x, layer.integers("shape")) if new is None else _to_value(g, layer, x, new)
    if layer.outputs < 2:
        return [y]
    shape = layer.shape(x)
    known = all(isinstance(dim, int) for dim in shape)
    return [y, g.constant(np.asarray(shape, np.int64)) if known else g.Shape(x)]


def _to_value(g: GraphBuilder, layer: Layer, x: Value, new: Value) -> Value:
    if layer.rank(new) != 1:
        raise layer.malformed("its shape is no vector")
    found = g.const(new)
    if found is not None:
        return _to_shape(g, layer, x, [int(size) for size in found])
    return g.Reshape(x, cast(g, new, I64))


def _to_shape(g: GraphBuilder, layer: Layer, x: Value, wanted: list[int]) -> Value:
    _check(layer, x, wanted)
    return g.Reshape(x, g.constant(np.asarray(wanted, np.int64)))


def _check(layer: Layer, x: Value, wanted: list[int]) -> None:
    have = layer.shape(x)
    if wanted.count(-1) > 1 or min(wanted, default=0) < -1 or any(
        size == 0 and place >= len(have) for place, size in enumerate(wanted)
    ):  # fmt: skip
        raise layer.malformed(f"its shape {wanted} does not fit an input of {len(have)} axes")
    sizes = [have[place] if size == 0 else size for place, size in enumerate(wanted)]
    if all(isinstance(dim, int) for dim in (*have, *sizes)):
        total = prod(layer.sizes(x))
        known = prod([size for size in sizes if isinstance(size, int) and size != -1])
        fits = total == known if -1 not in sizes else known != 0 and total % known == 0
        if not fits:
            raise layer.malformed(f"its input of the shape {list(have)} cannot become {wanted}")
    elif -1 not in sizes:
        # A batch written out in the shape: the free axis must stay where it is.
        free = [dim for dim in have if not isinstance(dim, int)]
        if [dim for dim in sizes if not isinstance(dim, int)] != free:
            raise layer.free(f"its shape {wanted} spells out the sizes of free axes")


@reads("ResizeLike")
def resize_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """In the shape of another tensor."""
    shape = layer.shape(like)
    return g.Reshape(x, list(layer.sizes(like)) if all(isinstance(d, int) for d in shape) else g.Shape(like))


@reads("Flatten")
def flatten(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """To a matrix, divided at the axis."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis", 1), rank, extra=1) if layer.integer("axis", 1) >= 0 else layer.axis(
        layer.integer("axis", 1), rank
    )  # fmt: skip
    return g.Flatten(x, axis=axis)


@reads("FlattenToVec")
def flatten_to_vec(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Reshape(x, [-1])


@reads("Squeeze")
def squeeze(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    axes = sorted(set(layer.integers("dims")))
    rank = layer.rank(x)
    if any(not 0 <= axis < rank for axis in axes):
        raise layer.malformed(f"its dims are {axes} for an input of {rank} axes")
    for axis in axes:
        layer.same(layer.shape(x)[axis], 1, f"the size of axis {axis}")
    return g.Squeeze(x, axes) if axes else g.Identity(x)


@reads("ExpandDims")
def expand_dims(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """New axes at these places of the result."""
    axes = sorted(set(layer.integers("dims")))
    if any(not 0 <= axis < layer.rank(x) + len(axes) for axis in axes):
        raise layer.malformed(f"its dims are {axes} for an input of {layer.rank(x)} axes")
    return g.Unsqueeze(x, axes) if axes else g.Identity(x)


@reads("Transpose")
def transpose(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Without axes all are reversed."""
    rank = layer.rank(x)
    axes = layer.integers("axes") or list(range(rank))[::-1]
    if sorted(axes) != list(range(rank)):
        raise layer.malformed(f"its axes are {axes} for an input of {rank} axes")
    return g.Transpose(x, perm=axes)


@reads("NHWC2NCHW")
def nhwc_to_nchw(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return moved(g, x, layer.rank(x, *range(3, 33)))


@reads("NCHW2NHWC")
def nchw_to_nhwc(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return moved(g, x, layer.rank(x, *range(3, 33)), back=True)


@reads("MergeDim")
def merge_dim(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first two axes become one, whatever num_dims says."""
    layer.rank(x, *range(2, 33))
    shape = layer.shape(x)
    return reshape(g, layer, x, [times(shape[:2]), *shape[2:]])


@reads("PrependDim")
def prepend_dim(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first axis is divided: dim_size, then what is left."""
    size = layer.integer("dim_size", 0)
    layer.rank(x, *range(1, 33))
    rest = layer.sizes(x, 1)
    lead = layer.shape(x)[0]
    if size < 1 or (isinstance(lead, int) and lead % size):
        raise layer.malformed(f"an axis of {lead} cannot be divided by {size}")
    return g.Reshape(x, [size, lead // size if isinstance(lead, int) else -1, *rest])


@reads("Shape")
def shape_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """int64, of all axes or of some."""
    sizes = g.Shape(x)
    axes = [layer.axis(axis, layer.rank(x)) for axis in layer.integers("axes")]
    have = layer.shape(x)
    if all(isinstance(have[axis], int) for axis in axes or range(len(have))):
        return g.constant(np.asarray([have[axis] for axis in axes or range(len(have))], np.int64))
    return g.Gather(sizes, g.constant(axes), axis=0) if axes else sizes


@reads("Size")
def size(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """How many numbers: an int64 scalar."""
    return g.Size(x)


@reads("HasElements", "IsEmpty")
def has_elements(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Whether there are any numbers, or none."""
    some = g.Greater(g.Size(x), np.asarray(0))
    return some if layer.type == "HasElements" else g.Not(some)


# --- joining and cutting ---------------------------------------------------------------------------------------------


@reads("Concat", "DepthConcat")
def concat(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Along the channels unless an axis is given, or on a new axis; the second output is the sizes."""
    if not xs:
        raise layer.malformed("it has no inputs")
    extra = int(layer.flag("add_axis"))
    place = layer.integer("axis") if layer.has("axis") else layer.word("order", "NCHW").find("C")
    axis = layer.axis(place, layer.rank(xs[0]) + extra)
    y = concatenated(g, layer, xs, axis)
    if layer.outputs < 2:
        return [y]
    lengths = [1 if extra else layer.shape(x)[axis] for x in xs]
    if all(isinstance(length, int) for length in lengths):
        return [y, g.constant(np.asarray(lengths, np.int32))]
    return [y, g.Cast(g.Concat(*(g.Shape(x, start=axis, end=axis + 1) for x in xs), axis=0), to=int(I32))]


def concatenated(g: GraphBuilder, layer: Layer, xs: Sequence[Value], axis: int) -> Value:
    """Along one axis of the inputs, or (add_axis) along a new one."""
    extra = int(layer.flag("add_axis"))
    axis = layer.axis(axis, layer.rank(xs[0]) + extra)
    if extra:
        xs = [g.Unsqueeze(x, [axis]) for x in xs]
    return g.Concat(*xs, axis=axis) if len(xs) > 1 else g.Identity(xs[0])


@reads("Split", "DepthSplit")
def split(g: GraphBuilder, layer: Layer, x: Value, sizes: Value | None = None) -> list[Value]:
    """Along the channels unless an axis is given, in equal parts unless sizes are."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis") if layer.has("axis") else layer.word("order", "NCHW").find("C"), rank)
    count = layer.outputs
    if sizes is not None:
        found = g.const(sizes)
        if found is None:
            raise layer.free("the sizes of its parts depend on the data")
        parts = [int(part) for part in found.ravel()]
    else:
        parts = layer.integers("split")
    if not parts:
        whole = layer.sizes(x, axis, axis + 1)[0]
        if whole % count:
            raise layer.malformed(f"an axis of {whole} cannot be cut in {count} equal parts")
        parts = [whole // count] * count
    layer.same(layer.shape(x)[axis], sum(parts), "the sum of its parts")
    if len(parts) != count or min(parts) < 0:
        raise layer.malformed(f"it has {count} outputs and parts of {parts}")
    found_parts = g.ops("Split", x, parts, outputs=count, axis=axis) if count > 1 else [g.Identity(x)]
    return [g.Squeeze(part, [axis]) for part in found_parts] if layer.flag("add_axis") else found_parts


@reads("SplitByLengths")
def split_by_lengths(g: GraphBuilder, layer: Layer, x: Value, lengths: Value) -> list[Value]:
    """Lengths are shared out evenly among the outputs; each gets as much as its lengths say."""
    found, count = g.const(lengths), layer.outputs
    if found is None:
        raise layer.free("the sizes of its parts depend on the data")
    place = layer.integer("axis") if layer.has("axis") else layer.word("order", "NCHW").find("C")
    axis = layer.axis(place, layer.rank(x, *range(1, 33)))
    if found.size % count:
        raise layer.malformed(f"{found.size} lengths cannot be shared out among {count} outputs")
    parts = [int(part) for part in found.reshape(count, -1).sum(axis=1)]
    layer.same(layer.shape(x)[axis], sum(parts), "the sum of its parts")
    return g.ops("Split", x, parts, outputs=count, axis=axis) if count > 1 else [g.Identity(x)]


@reads("Slice")
def slice_(g: GraphBuilder, layer: Layer, x: Value, starts: Value | None = None, ends: Value | None = None) -> Value:
    """From start to end on every axis; a negative bound b stands for size + 1 + b, so that -1 is the end."""
    if starts is None or ends is None:
        return cut(g, layer, x, layer.integers("starts"), layer.integers("ends"))
    known = [g.const(bound) for bound in (starts, ends)]
    if known[0] is not None and known[1] is not None:
        return cut(g, layer, x, *([int(part) for part in bound.ravel()] for bound in known if bound is not None))
    rank = layer.rank(x)
    for bound in (starts, ends):
        if layer.rank(bound, 1) and layer.size(bound, 0) != rank:
            raise layer.malformed(f"it has {layer.size(bound, 0)} bounds for {rank} axes")
    sizes = g.Add(g.Shape(x), np.asarray(1))
    bounds = []
    for bound in (starts, ends):
        bound = cast(g, bound, I64)
        bounds.append(g.Where(g.Less(bound, np.asarray(0)), g.Add(bound, sizes), bound))
    return g.Slice(x, *bounds, list(range(rank)))


def cut(g: GraphBuilder, layer: Layer, x: Value, starts: Sequence[int], ends: Sequence[int]) -> Value:
    rank, shape = layer.rank(x), layer.shape(x)
    if len(starts) != len(ends) or len(starts) > rank:
        raise layer.malformed(f"it has {len(starts)} starts and {len(ends)} ends for {rank} axes")
    bounds: list[tuple[int, int, int]] = []
    for axis, (start, end) in enumerate(zip(starts, ends, strict=True)):
        dim = shape[axis]
        if start == 0 and (end == -1 or (isinstance(dim, int) and end == dim)):
            continue
        if isinstance(dim, int):
            start, end = (bound + dim + 1 if bound < 0 else bound for bound in (start, end))
            if not 0 <= start <= end or start > dim:
                raise layer.malformed(f"its bounds {start} and {end} do not fit an axis of {dim}")
        elif start < 0:
            raise layer.free("it counts from the end of a free axis")
        bounds.append((axis, start, _open_end(dim, end)))
    if not bounds:
        return g.Identity(x)
    axes, low, high = (list(part) for part in zip(*bounds, strict=True))
    return g.Slice(x, low, high, axes)


def _open_end(dim: object, end: int) -> int:
    """ONNX's bound: on a free axis -1 is far away, -2 drops one."""
    if isinstance(dim, int) or end >= 0:
        return end
    return end + 1 if end < -1 else 2**31 - 1


# --- repeating and moving --------------------------------------------------------------------------------------------


@reads("Tile")
def tile(g: GraphBuilder, layer: Layer, x: Value, tiles: Value | None = None, axis: Value | None = None) -> Value:
    """The whole, several times behind one another on one axis."""
    count, place = layer.integer("tiles", 1), layer.integer("axis", 0)
    for value, which in ((tiles, "tiles"), (axis, "axis")):
        if value is None:
            continue
        found = g.const(value)
        if found is None or found.size != 1:
            raise layer.free("how often it repeats depends on the data")
        if which == "tiles":
            count = int(found.ravel()[0])
        else:
            place = int(found.ravel()[0])
    if not 0 <= count <= 1 << 24:
        raise layer.malformed(f"its tiles are {count}")
    rank = layer.rank(x, *range(1, 33))
    repeats = [1] * rank
    repeats[layer.axis(place, rank)] = count
    return g.Tile(x, repeats)


@reads("NumpyTile")
def numpy_tile(g: GraphBuilder, layer: Layer, x: Value, repeats: Value) -> Value:
    if layer.rank(repeats, 1) and layer.size(repeats, 0) != layer.rank(x):
        raise layer.malformed(f"it has {layer.size(repeats, 0)} repeats for {layer.rank(x)} axes")
    found = g.const(repeats)
    if found is not None and (found.min(initial=1) < 0 or found.max(initial=1) > 1 << 24):
        raise layer.malformed(f"its repeats are {found.tolist()}")
    return g.Tile(x, cast(g, repeats, I64))


@reads("Expand")
def expand(g: GraphBuilder, layer: Layer, x: Value, shape: Value) -> Value:
    """numpy's broadcasting to a shape; -1 keeps a size."""
    found = g.const(shape)
    if found is None:
        return g.Expand(x, cast(g, shape, I64))
    sizes = [1 if size == -1 else int(size) for size in found.ravel()]
    if min(sizes, default=1) < 0:
        raise layer.malformed(f"its shape is {sizes}")
    check_constant(layer, prod(sizes))
    return g.Expand(x, g.constant(np.asarray(sizes, np.int64)))


@reads("ChannelShuffle")
def channel_shuffle(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Channels in groups are dealt out in turn."""
    x = first(g, layer, x)
    return back(g, layer, shuffled(g, layer, x))


def shuffled(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    layer.rank(x, *range(2, 33))
    shape, groups = layer.shape(x), layer.integer("group", 1)
    channels = layer.size(x, 1)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels cannot be taken in {groups} groups")
    inner = layer.sizes(x, 2) if len(shape) > 2 else ()
    split_ = reshape(g, layer, x, [shape[0], groups, channels // groups, *inner])
    turned = g.Transpose(split_, perm=[0, 2, 1, *range(3, 3 + len(inner))])
    return reshape(g, layer, turned, [shape[0], channels, *inner])


@reads("Range")
def range_(g: GraphBuilder, layer: Layer, *bounds: Value) -> Value:
    """From start (0) to stop by step (1), each one number."""
    if not 1 <= len(bounds) <= 3:
        raise layer.malformed(f"it has {len(bounds)} inputs")
    scalars = [g.Reshape(bound, g.constant(np.empty(0, np.int64))) if layer.rank(bound) else bound for bound in bounds]
    zero, one = layer.number(bounds[0], 0), layer.number(bounds[0], 1)
    start, stop = (scalars[0], scalars[1]) if len(bounds) > 1 else (zero, scalars[0])
    return g.Range(start, stop, scalars[2] if len(bounds) > 2 else one)


@reads("BatchPermutation")
def batch_permutation(g: GraphBuilder, layer: Layer, x: Value, indices: Value) -> Value:
    return g.Gather(x, indices, axis=0)
