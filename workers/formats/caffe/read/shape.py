"""Layers that move, cut and join values without computing."""

from __future__ import annotations

from workers.formats.caffe.read.layer import Layer, Value, prod, reads
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("Reshape")
def reshape(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Replaces the axes [axis, axis + num_axes) by ``shape``: 0 copies the axis at its place, one -1 takes the rest.

    A negative ``axis`` counts from behind the last axis: -1 means after the end.
    """
    p = layer.reshape_param
    sizes = layer.shape(x)
    first = layer.axis(p.axis, len(sizes), extra=1)
    stop = len(sizes) if p.num_axes == -1 else first + p.num_axes
    if p.num_axes < -1 or stop > len(sizes):
        raise layer.malformed(f"axis {p.axis} and num_axes {p.num_axes} do not fit a bottom of {len(sizes)} axes")
    asked = [int(dim) for dim in p.shape.dim]
    if asked.count(-1) > 1 or any(dim < -1 for dim in asked):
        raise layer.malformed(f"its shape {asked} is none: one -1 at most")
    if any(dim == 0 and first + i >= len(sizes) for i, dim in enumerate(asked)):
        raise layer.malformed(f"its shape {asked} copies an axis that the bottom does not have")
    dims: list[Dim] = [*sizes[:first], *(sizes[first + i] if d == 0 else d for i, d in enumerate(asked))]
    return _reshaped(g, layer, x, [*dims, *sizes[stop:]], first, len(asked))


def _reshaped(g: GraphBuilder, layer: Layer, x: Value, dims: list[Dim], first: int, count: int) -> Value:
    """``dims`` as ONNX takes them: a free axis is copied (0) where it keeps its place, or is the one that is computed.

    A free batch that the file fixes to a number, or merges, would be baked in: the reader falls back.
    """
    sizes = layer.shape(x)
    target: list[int] = []
    for axis, dim in enumerate(dims):
        if isinstance(dim, int):
            if axis == 0 and first == 0 and count and dim > 0 and sizes and not isinstance(sizes[0], int):
                if not _same_rows(sizes, dims):
                    raise layer.free(f"it fixes the first axis to {dim}")
                dim = 0
            target.append(dim)
        elif axis < len(sizes) and sizes[axis] == dim:
            target.append(0)
        else:
            target.append(-1)
    if target.count(-1) > 1:
        raise layer.free("it moves a free axis")
    _check_count(layer, sizes, target)
    return g.Reshape(x, target)


def _same_rows(sizes: tuple[Dim, ...], dims: list[Dim]) -> bool:
    """Whether every row keeps its values: then the number in front can only be the file's own batch size."""
    rows = [[dim for dim in shape[1:] if isinstance(dim, int) and dim > 0] for shape in (sizes, dims)]
    return len(rows[0]) == len(sizes) - 1 and len(rows[1]) == len(dims) - 1 and prod(rows[0]) == prod(rows[1])


def _check_count(layer: Layer, sizes: tuple[Dim, ...], target: list[int]) -> None:
    """Refuse a shape that cannot hold the bottom's values; axes that are copied (0) count on neither side."""
    copied = {axis for axis, dim in enumerate(target) if dim == 0}
    rest = [size for axis, size in enumerate(sizes) if axis not in copied]
    fixed = [size for size in rest if isinstance(size, int)]
    known, have = prod([dim for dim in target if dim > 0]), prod(fixed)
    partly = len(fixed) < len(rest)
    fits = (partly or have % known == 0) if -1 in target else (not partly and have == known)
    if not fits and partly:
        raise layer.free("its shape spells out the size of a free axis")
    if not fits:
        raise layer.malformed(f"its shape {target} does not hold the values of its bottom {list(sizes)}")


@reads("Flatten")
def flatten(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Joins the axes from ``axis`` to ``end_axis`` (inclusive)."""
    p = layer.flatten_param
    sizes = layer.shape(x)
    first, last = layer.axis(p.axis, len(sizes)), layer.axis(p.end_axis, len(sizes))
    if last < first:
        raise layer.malformed(f"its end_axis {p.end_axis} lies before its axis {p.axis}")
    if first == last:
        return x
    if first == 1 and last == len(sizes) - 1:
        return g.Flatten(x, axis=1)
    return g.Reshape(x, [*[0] * first, -1, *layer.sizes(x, last + 1)])


@reads("Concat")
def concat(g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Along ``axis``, which may be negative; ``concat_dim`` is its older name."""
    p = layer.concat_param
    if not xs:
        raise layer.malformed("it needs a bottom")
    if p.has("axis") and p.has("concat_dim"):
        raise layer.malformed("it has both axis and concat_dim")
    rank = layer.rank(xs[0])
    axis = layer.axis(p.concat_dim if p.has("concat_dim") else p.axis, rank)
    first = layer.shape(xs[0])
    for x in xs[1:]:
        for index, (a, b) in enumerate(zip(first, layer.shape(x), strict=False)):
            if index != axis and isinstance(a, int) and isinstance(b, int) and a != b:
                raise layer.malformed(f"its bottoms have {a} and {b} on axis {index}")
        layer.rank(x, rank)
    return xs[0] if len(xs) == 1 else g.Concat(*xs, axis=axis)


@reads("Slice")
def slice_(g: GraphBuilder, layer: Layer, x: Value) -> list[Value]:
    """Cuts one axis at ``slice_point``, or into equal parts; ``slice_dim`` is the older name of ``axis``."""
    p = layer.slice_param
    axis = layer.axis(p.slice_dim if p.has("slice_dim") else p.axis, layer.rank(x))
    if layer.tops == 1:
        return [x]
    size = layer.sizes(x, axis, axis + 1)[0]
    points = [int(point) for point in p.slice_point]
    if points:
        if len(points) != layer.tops - 1 or points != sorted(set(points)) or not 0 < points[0] <= points[-1] < size:
            raise layer.malformed(f"slice points {points} do not cut {size} into {layer.tops} parts")
        parts = [b - a for a, b in zip([0, *points], [*points, size], strict=True)]
    elif size % layer.tops:
        raise layer.malformed(f"{size} cannot be cut into {layer.tops} equal parts")
    else:
        parts = [size // layer.tops] * layer.tops
    return g.ops("Split", x, parts, outputs=layer.tops, axis=axis)


@reads("Tile")
def tile(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Repeats the whole axis ``tiles`` times, block behind block."""
    p = layer.tile_param
    rank = layer.rank(x)
    if not 1 <= p.tiles < 2**24:
        raise layer.malformed(f"tiles is {p.tiles}")
    repeats = [1] * rank
    repeats[layer.axis(p.axis, rank)] = p.tiles
    return g.Tile(x, repeats)


@reads("Crop")
def crop(g: GraphBuilder, layer: Layer, x: Value, reference: Value) -> Value:
    """To the sizes of the second bottom on the axes from ``axis`` on, from one offset for all or one an axis."""
    p = layer.crop_param
    rank = layer.rank(x)
    first = layer.axis(p.axis, rank)
    layer.rank(reference, rank)
    offsets = [int(offset) for offset in p.offset]
    if len(offsets) not in (0, 1, rank - first):
        raise layer.malformed(f"{len(offsets)} offsets for {rank - first} axes")
    offsets = offsets * (rank - first) if len(offsets) == 1 else offsets or [0] * (rank - first)
    axes = [
        axis for axis in range(first, rank)
        if layer.shape(x)[axis] != layer.shape(reference)[axis] or offsets[axis - first]
    ]  # fmt: skip
    starts, ends = [], []
    for axis in axes:
        start, length = offsets[axis - first], layer.sizes(reference, axis, axis + 1)[0]
        if start + length > layer.sizes(x, axis, axis + 1)[0]:
            raise layer.malformed(f"offset {start} and length {length} reach beyond axis {axis} of its bottom")
        starts.append(start)
        ends.append(start + length)
    return g.Slice(x, starts, ends, axes) if axes else x


@reads("Permute")
def permute(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """SSD's transpose; axes that ``order`` leaves out follow in their own order."""
    rank = layer.rank(x)
    order = [int(axis) for axis in layer.permute_param.order]
    if len(set(order)) != len(order) or any(axis >= rank for axis in order):
        raise layer.malformed(f"order {order} does not fit a bottom of {rank} axes")
    order += [axis for axis in range(rank) if axis not in order]
    return x if order == sorted(order) else g.Transpose(x, perm=order)


@reads("ShuffleChannel")
def shuffle_channel(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[N, g, C/g, ...] -> [N, C/g, g, ...], as in ShuffleNet."""
    rank, channels = layer.rank(x, 4), layer.channels(x)
    group = layer.shuffle_channel_param.group
    if group < 1 or channels % group:
        raise layer.malformed(f"{channels} channels cannot be shuffled in {group} groups")
    height, width = layer.sizes(x, 2, rank)
    split = g.Reshape(x, [0, group, channels // group, height, width])
    return g.Reshape(g.Transpose(split, perm=[0, 2, 1, 3, 4]), [0, channels, height, width])


@reads("Reorg")
def reorg(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Darknet's reorganisation: reads the bottom as [C/s^2, H*s, W*s] and gathers s x s blocks into channels.

    Without ``reverse`` y[(oy*s + ox)*C/s^2 + c, j, i] = x'[c, j*s + oy, i*s + ox], the result then read as
    [C*s^2, H/s, W/s]; with it the other way round, read as [C/s^2, H*s, W*s].
    """
    p = layer.reorg_param
    layer.rank(x, 4)
    channels, height, width = layer.sizes(x, 1)
    s, depth = p.stride, channels // max(p.stride**2, 1)
    if s < 1 or channels % (s * s) or (not p.reverse and (height % s or width % s)):
        raise layer.malformed(f"a stride of {s} does not divide {channels}x{height}x{width}")
    layer.note("assumed-variant", "Reorg orders its values as Darknet's layer does, from which the forks took it.")
    if p.reverse:
        blocks = g.Reshape(x, [0, s, s, depth, height, width])
        return g.Reshape(g.Transpose(blocks, perm=[0, 3, 4, 1, 5, 2]), [0, depth, height * s, width * s])
    blocks = g.Reshape(x, [0, depth, height, s, width, s])
    gathered = g.Transpose(blocks, perm=[0, 3, 5, 1, 2, 4])
    return g.Reshape(gathered, [0, channels * s * s, height // s, width // s])


@reads("BatchReindex")
def batch_reindex(g: GraphBuilder, layer: Layer, x: Value, places: Value) -> Value:
    """The rows of the first bottom that the second names, as floats."""
    layer.rank(places, 1)
    return g.Gather(x, g.Cast(places, to=7), axis=0)


@reads("Filter")
def filter_(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """The rows of every bottom but the last for which that one, the selector, is not 0: as many as the data says."""
    if len(xs) < 2:
        raise layer.malformed("it needs a bottom and a selector")
    selector = xs[-1]
    if any(size != 1 for size in layer.shape(selector)[1:]):
        raise layer.malformed("its selector must have one value a row")
    keep = g.Cast(g.Reshape(selector, [-1]), to=9)
    return [g.Compress(x, keep, axis=0) for x in xs[:-1]]
