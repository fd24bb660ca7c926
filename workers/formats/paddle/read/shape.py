"""Layers that change a shape or the order of axes and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.convolution import back, first, is_last
from workers.formats.paddle.read.dims import over, times, whole
from workers.formats.paddle.read.elementwise import alike
from workers.formats.paddle.read.layer import I32, I64, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, fixed, integer, numbers, reshaped, sizes_of
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("reshape", "reshape2", "view_shape")
def reshape(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """0 keeps a size, -1 takes what is left; a tensor, or one for each axis, wins over the attribute."""
    x = layer.x()
    key = "dims" if layer.op.type == "view_shape" else "shape"
    found = numbers(g, layer, key, "Shape", "ShapeTensor")
    known = found if isinstance(found, list) else contents(layer, found)
    if known is None:
        result = g.Reshape(x, cast(g, found, I64) if isinstance(found, ir.Value) else found)
        return {"Out": result}
    have = layer.shape(x)
    target: list[Dim] = []
    for place, dim in enumerate(known):
        if dim == 0 and times(have) != 0:
            if place >= len(have):
                raise layer.malformed(f"its shape {list(known)} keeps axis {place} of {len(have)}")
            dim = have[place]
            dim = dim if dim is not None else -1
        target.append(dim)
    if target.count(-1) + target.count(None) > 1 or any(isinstance(dim, int) and dim < -1 for dim in target):
        if isinstance(found, list):
            return {"Out": g.Reshape(x, found)} if found.count(-1) < 2 else _bad(layer, found)
        return {"Out": g.Reshape(x, found)}
    return {"Out": g.Identity(x) if tuple(target) == tuple(have) else
            reshaped(g, layer, x, [None if dim == -1 else dim for dim in target])}  # fmt: skip


def _bad(layer: Layer, found: Sequence[int]) -> dict[str, Value]:
    raise layer.malformed(f"its shape is {list(found)}")


@reads("transpose", "transpose2", "trans_layout")
def transpose(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    x = layer.x()
    rank = layer.rank(x)
    perm = [layer.axis(axis, rank) for axis in layer.integers("axis")]
    if sorted(perm) != list(range(rank)):
        raise layer.malformed(f"its axis {perm} is no order of {rank} axes")
    return {"Out": g.Transpose(x, perm=perm) if rank else g.Identity(x)}


@reads("flatten", "flatten2", "flatten_contiguous_range")
def flatten(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """A range of axes becomes one; fluid's makes a matrix of the axes before and behind ``axis``."""
    x = layer.x()
    have = layer.shape(x)
    if layer.op.type == "flatten_contiguous_range":
        if not have:
            return {"Out": g.Reshape(x, [1])}
        start = layer.axis(layer.integer("start_axis", 1), len(have))
        stop = layer.axis(layer.integer("stop_axis", 1), len(have))
        if start > stop:
            raise layer.malformed(f"it flattens the axes from {start} to {stop}")
        return {"Out": _flat(g, layer, x, [*have[:start], times(have[start : stop + 1]), *have[stop + 1 :]])}
    axis = layer.axis(layer.integer("axis", 1), len(have), extra=1)
    return {"Out": _flat(g, layer, x, [times(have[:axis]), times(have[axis:])])}


def _flat(g: GraphBuilder, layer: Layer, x: Value, target: Sequence[Dim]) -> Value:
    return g.Identity(x) if tuple(target) == layer.shape(x) else reshaped(g, layer, x, target)


@reads("squeeze", "squeeze2")
def squeeze(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Axes of another size than 1 stay; none named means all of size 1."""
    x = layer.x()
    dims = layer.shape(x)
    named = fixed(layer, numbers(g, layer, "axes", "AxesTensor", default=[]), "its axes")
    axes = sorted({layer.axis(axis, max(len(dims), 1)) for axis in named} if named else
                  {axis for axis, dim in enumerate(dims) if dim == 1})  # fmt: skip
    if any(axis < len(dims) and not isinstance(dims[axis], int) for axis in axes):
        raise layer.free("whether an axis goes depends on its size")
    axes = [axis for axis in axes if axis < len(dims) and dims[axis] == 1]
    return {"Out": g.Squeeze(x, axes) if axes else g.Identity(x)}


@reads("unsqueeze", "unsqueeze2")
def unsqueeze(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Axis by axis in the order given."""
    x = layer.x()
    for axis in fixed(layer, numbers(g, layer, "axes", "AxesTensor", "AxesTensorList"), "its axes"):
        x = g.Unsqueeze(x, [layer.axis(axis, layer.rank(x), extra=1)])
    return {"Out": x if x is not layer.x() else g.Identity(x)}


# --- joining and taking apart ----------------------------------------------------------------------------------------


@reads("concat")
def concat(g: GraphBuilder, layer: Layer) -> Value:
    xs = layer.all("X")
    if not xs:
        raise layer.malformed("it joins nothing")
    axis = integer(g, layer, "axis", "AxisTensor", 0)
    rank = max(layer.rank(x) for x in xs)
    if len(xs) == 1:
        return g.Identity(xs[0])
    for place, x in enumerate(xs):
        xs[place] = alike(g, layer, x, xs[0])[0] if x.dtype != xs[0].dtype else x
    xs = [x for x in xs if layer.shape(x) != (0,) or rank == 1]
    return g.Concat(*xs, axis=layer.axis(axis, rank))


@reads("stack")
def stack(g: GraphBuilder, layer: Layer) -> Value:
    xs = layer.all("X")
    if not xs:
        raise layer.malformed("it stacks nothing")
    axis = layer.axis(layer.integer("axis", 0), layer.rank(xs[0]), extra=1)
    return g.Concat(*(g.Unsqueeze(x, [axis]) for x in xs), axis=axis)


@reads("split")
def split(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Into ``num`` equal parts or ``sections``, of which one may be -1."""
    x = layer.x()
    axis = layer.axis(integer(g, layer, "axis", "AxisTensor", 0), layer.rank(x))
    sections = fixed(
        layer, numbers(g, layer, "sections", "SectionsTensor", "SectionsTensorList", default=[]), "its sections"
    )
    count = len(layer.op.outputs.get("Out", [])) or len(sections) or layer.integer("num", 0)
    if not 1 <= count <= 65536:
        raise layer.malformed(f"it makes {count} parts")
    if not sections:
        dim = layer.shape(x)[axis]
        if isinstance(dim, int) and dim % count:
            raise layer.malformed(f"axis {axis} of size {dim} is no {count} equal parts")
        if count == 1:
            return [g.Identity(x)]
        if not isinstance(dim, int):
            return g.ops("Split", x, outputs=count, axis=axis, num_outputs=count)
        sections = [dim // count] * count
    if sections.count(-1) == 1:
        rest = layer.size(x, axis) - sum(size for size in sections if size != -1)
        sections = [rest if size == -1 else size for size in sections]
    if len(sections) != count or any(size < 0 for size in sections):
        raise layer.malformed(f"its sections are {sections}")
    return [g.Identity(x)] if count == 1 else g.ops("Split", x, sections, outputs=count, axis=axis)


@reads("unstack", "unbind")
def unstack(g: GraphBuilder, layer: Layer) -> list[Value]:
    x = layer.x()
    axis = layer.axis(layer.integer("axis", 0), layer.rank(x))
    count = len(next(iter(layer.op.outputs.values()), ())) or layer.size(x, axis)
    if layer.size(x, axis) != count or not 1 <= count <= 65536:
        raise layer.malformed(f"it makes {count} parts of an axis of size {layer.size(x, axis)}")
    parts = [x] if count == 1 else g.ops("Split", x, [1] * count, outputs=count, axis=axis)
    return [g.Squeeze(part, [axis]) for part in parts]


@reads("partial_concat", "partial_sum")
def partial(g: GraphBuilder, layer: Layer) -> Value:
    """The same columns of all inputs, side by side or summed."""
    start, length = layer.integer("start_index", 0), layer.integer("length", -1)
    parts = []
    for x in layer.all("X"):
        width = layer.size(x, 1)
        begin = start + width if start < 0 else start
        parts.append(g.Slice(x, [begin], [width if length < 0 else begin + length], [1]))
    if not parts:
        raise layer.malformed("it has no inputs")
    return g.Concat(*parts, axis=1) if layer.op.type == "partial_concat" else g.Sum(*parts)


# --- repeating --------------------------------------------------------------------------------------------------------


@reads("tile")
def tile(g: GraphBuilder, layer: Layer) -> Value:
    return _tiled(g, layer, numbers(g, layer, "repeat_times", "RepeatTimes", "repeat_times_tensor"))


@reads("expand")
def expand(g: GraphBuilder, layer: Layer) -> Value:
    """Fluid's expand is a tile."""
    return _tiled(g, layer, numbers(g, layer, "expand_times", "ExpandTimes", "expand_times_tensor"))


def _tiled(g: GraphBuilder, layer: Layer, repeats: list[int] | Value) -> Value:
    x = layer.x()
    rank = layer.rank(x)
    if isinstance(repeats, ir.Value):
        return g.Tile(x, repeats)
    if any(count < 0 or count > 2**31 for count in repeats):
        raise layer.malformed(f"its repetitions are {repeats}")
    if len(repeats) > rank:
        x = reshaped(g, layer, x, [*([1] * (len(repeats) - rank)), *layer.shape(x)])
    repeats = [1] * (layer.rank(x) - len(repeats)) + repeats
    return g.Tile(x, repeats) if repeats else g.Identity(x)


@reads("expand_v2")
def expand_v2(g: GraphBuilder, layer: Layer) -> Value:
    """To a shape in which -1 (and 0) keeps a size."""
    x = layer.x()
    found = numbers(g, layer, "shape", "Shape", "expand_shapes_tensor")
    have = layer.shape(x)
    if isinstance(found, ir.Value):
        known = contents(layer, found)
        one = g.Where(g.Less(found, [0]), [1], found)
        result = g.Expand(x, one)
        if known is not None and None not in known and not any(dim == -1 for dim in known):
            result.shape = ir.Shape(list(known))
        return result
    if len(found) < len(have) or any(size < -1 for size in found):
        raise layer.malformed(f"its shape is {found} for an input of {len(have)} axes")
    lead = len(found) - len(have)
    result = g.Expand(x, [1 if size == -1 else size for size in found])
    dims: list[Dim] = [*found[:lead], *(h if size == -1 else size for size, h in zip(found[lead:], have, strict=True))]
    result.shape = ir.Shape(dims)
    return result


@reads("expand_as", "expand_as_v2")
def expand_as(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    like = layer.maybe("Y") or layer.maybe("target_tensor")
    if like is None:
        return g.Expand(x, layer.integers("target_shape"))
    if layer.op.type == "expand_as":
        pairs = zip(layer.sizes(x), layer.sizes(like), strict=False)
        return g.Tile(x, [b // a if a else 1 for a, b in pairs])
    result = g.Expand(x, sizes_of(g, layer, like, range(layer.rank(like))))
    result.shape = ir.Shape(list(layer.shape(like)))
    return result


@reads("broadcast_tensors")
def broadcast_tensors(g: GraphBuilder, layer: Layer) -> list[Value]:
    xs = layer.all("X")
    results = []
    for x in xs:
        for other in xs:
            if other is not x:
                x = g.Expand(x, g.Shape(other))
        results.append(x if x is not xs[len(results)] else g.Identity(x))
    return results


@reads("meshgrid")
def meshgrid(g: GraphBuilder, layer: Layer) -> list[Value]:
    xs = layer.all("X")
    rank = len(xs)
    sizes = [times(layer.shape(x)) for x in xs]
    shapes = [g.Shape(x) if layer.rank(x) else g.constant([1]) for x in xs]
    whole_shape = g.Concat(*shapes, axis=0)
    results = []
    for place, x in enumerate(xs):
        axis: list[Dim] = [1] * rank
        axis[place] = sizes[place]
        wide = g.Expand(reshaped(g, layer, x, axis), whole_shape)
        wide.shape = ir.Shape(list(sizes))
        results.append(wide)
    return results


@reads("repeat_interleave")
def repeat_interleave(g: GraphBuilder, layer: Layer) -> Value:
    """Every slice several times; as many as a tensor says, one number for each."""
    x, tensor = layer.x(), layer.maybe("RepeatsTensor")
    axis = layer.axis(layer.integer("dim", 0), layer.rank(x))
    dims = list(layer.shape(x))
    if tensor is None:
        count = layer.integer("Repeats", 1)
        if not 1 <= count <= 2**20:
            raise layer.malformed(f"it repeats {count} times")
        wide = g.Unsqueeze(x, [axis + 1])
        wide = g.Tile(wide, [count if place == axis + 1 else 1 for place in range(len(dims) + 1)])
        return reshaped(g, layer, wide, [*dims[:axis], times([dims[axis], count]), *dims[axis + 1 :]])
    known = contents(layer, tensor)
    counts = whole(known) if known is not None else None
    if counts is None:
        ends = g.CumSum(cast(g, tensor, I64), np.asarray(0))
        steps = g.Range(np.asarray(0), g.ReduceMax(ends, keepdims=0), np.asarray(1))
        past = g.GreaterOrEqual(g.Unsqueeze(steps, [1]), g.Unsqueeze(ends, [0]))
        return g.Gather(x, g.ReduceSum(g.Cast(past, to=int(I64)), [1], keepdims=0), axis=axis)
    if any(count < 0 for count in counts) or (len(counts) != 1 and len(counts) != layer.size(x, axis)):
        raise layer.malformed(f"it repeats {counts[:20]} times")
    counts = counts * layer.size(x, axis) if len(counts) == 1 else counts
    layer.bounded(sum(counts))
    return g.Gather(x, np.repeat(np.arange(len(counts)), counts), axis=axis)


# --- turning ----------------------------------------------------------------------------------------------------------


@reads("flip", "reverse")
def flip(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    axes = fixed(layer, numbers(g, layer, "axis", "AxisTensor"), "its axis")
    axes = sorted({layer.axis(axis, layer.rank(x)) for axis in axes})
    if not axes:
        return g.Identity(x)
    lowest = np.iinfo(np.int64).min
    return g.Slice(x, [-1] * len(axes), [lowest] * len(axes), axes, [-1] * len(axes))


@reads("roll")
def roll(g: GraphBuilder, layer: Layer) -> Value:
    """What leaves at one end comes in at the other; without axes over the flattened tensor."""
    x = layer.x()
    shifts = fixed(layer, numbers(g, layer, "shifts", "ShiftsTensor"), "its shifts")
    axes = layer.integers("axis")
    dims = layer.shape(x)
    if not axes:
        flat = reshaped(g, layer, x, [times(dims)])
        return reshaped(g, layer, _rolled(g, layer, flat, 0, shifts[0] if shifts else 0), dims)
    if len(axes) != len(shifts):
        raise layer.malformed(f"it has {len(shifts)} shifts for {len(axes)} axes")
    for axis, shift in zip(axes, shifts, strict=True):
        x = _rolled(g, layer, x, layer.axis(axis, len(dims)), shift)
    return x


def _rolled(g: GraphBuilder, layer: Layer, x: Value, axis: int, shift: int) -> Value:
    size = layer.size(x, axis)
    shift = shift % size if size else 0
    if not shift:
        return x
    head, tail = g.Slice(x, [size - shift], [size], [axis]), g.Slice(x, [0], [size - shift], [axis])
    return g.Concat(head, tail, axis=axis)


@reads("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(g: GraphBuilder, layer: Layer) -> Value:
    x, last = layer.x(), is_last(layer)
    layer.rank(x, 4)
    x = first(g, layer, x, last)
    if layer.op.type == "pixel_shuffle":
        y = g.DepthToSpace(x, blocksize=_factor(layer, "upscale_factor"), mode="CRD")
        return back(g, layer, y, last)
    size = _factor(layer, "downscale_factor")
    batch, channels, height, width = layer.shape(x)
    rows, columns = over(height, size), over(width, size)
    split = reshaped(g, layer, x, [batch, channels, rows, size, columns, size])
    turned = g.Transpose(split, perm=[0, 1, 3, 5, 2, 4])
    return back(g, layer, reshaped(g, layer, turned, [batch, times([channels, size * size]), rows, columns]), last)


def _factor(layer: Layer, key: str) -> int:
    size = layer.integer(key, 1)
    if not 1 <= size <= 4096:
        raise layer.malformed(f"its {key} is {size}")
    return size


@reads("space_to_depth")
def space_to_depth(g: GraphBuilder, layer: Layer) -> Value:
    """Darknet's reorg as fluid has it: channels of the picture come in groups of blocks."""
    x, size = layer.x(), _factor(layer, "blocksize")
    batch = layer.shape(x)[0]
    layer.rank(x, 4)
    channels, height, width = layer.sizes(x, 1)
    if channels % (size * size) or height % size or width % size:
        raise layer.malformed(f"{channels}x{height}x{width} does not divide by {size}")
    out = channels // (size * size)
    split = reshaped(g, layer, x, [batch, out, height, size, width, size])
    turned = g.Transpose(split, perm=[0, 3, 5, 1, 2, 4])
    return reshaped(g, layer, turned, [batch, channels * size * size, height // size, width // size])


@reads("shuffle_channel", "channel_shuffle")
def shuffle_channel(g: GraphBuilder, layer: Layer) -> Value:
    x, last = layer.x(), is_last(layer)
    groups = layer.integer("group", layer.integer("groups", 1))
    x = first(g, layer, x, last)
    layer.rank(x, 4)
    batch, _, height, width = layer.shape(x)
    channels = layer.size(x, 1)
    if groups < 1 or channels % groups:
        raise layer.malformed(f"{channels} channels are no {groups} groups")
    split = g.Transpose(reshaped(g, layer, x, [batch, groups, channels // groups, height, width]), perm=[0, 2, 1, 3, 4])
    return back(g, layer, reshaped(g, layer, split, [batch, channels, height, width]), last)


@reads("temporal_shift")
def temporal_shift(g: GraphBuilder, layer: Layer) -> Value:
    """Of the frames of a clip some channels come from the one before, some from the one behind."""
    x, last, frames = layer.x(), is_last(layer), layer.integer("seg_num", 1)
    ratio = layer.real("shift_ratio", 0.25)
    x = first(g, layer, x, last)
    layer.rank(x, 4)
    count, channels, height, width = layer.shape(x)
    size = layer.size(x, 1)
    clips = over(count, frames)
    if frames < 1 or not 0 <= ratio <= 0.5:
        raise layer.malformed(f"it shifts {ratio} of {frames} frames")
    one, two = int(size * ratio), int(size * 2 * ratio)
    split = reshaped(g, layer, x, [clips, frames, size, height, width])
    padded = g.Pad(split, [0, 1, 0, 0, 0, 0, 1, 0, 0, 0], layer.number(x, 0))
    bounds = [(0, 0, one), (2, one, two), (1, two, size)]
    parts = [g.Slice(padded, [time, low], [time + frames, high], [1, 2]) for time, low, high in bounds if low < high]
    joined = parts[0] if len(parts) == 1 else g.Concat(*parts, axis=2)
    return back(g, layer, reshaped(g, layer, joined, [count, channels, height, width]), last)


# --- copies and sizes -------------------------------------------------------------------------------------------------


@reads("assign", "share_data", "memcpy", "memcpy_d2h", "memcpy_h2d", "lod_reset", "npu_identity", "builtin.shadow_output",
       "transfer_layout", "print", "depend")  # fmt: skip
def assign(g: GraphBuilder, layer: Layer) -> object:
    slot = "X" if layer.op.inputs.get("X") else next(iter(layer.op.inputs), "X")
    held = layer.held(slot)
    if len(held) == 1 and not isinstance(held[0], ir.Value):
        return {"Out": [held[0]]}
    return g.Identity(layer.x(slot))


@reads("shape", "shape64")
def shape(g: GraphBuilder, layer: Layer) -> Value:
    """32-bit numbers in the old operator."""
    x = layer.x("Input")
    known = whole(layer.shape(x))
    dtype = I64 if layer.op.type == "shape64" else I32
    if known is not None:
        return g.constant(np.asarray(known, dtype.numpy()))
    sizes = g.Shape(x)
    return sizes if dtype == I64 else g.Cast(sizes, to=int(I32))


@reads("size")
def size(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("Input")
    count = times(layer.shape(x))
    return g.constant(np.asarray(count, np.int64)) if isinstance(count, int) else g.Size(x)


@reads("is_empty")
def is_empty(g: GraphBuilder, layer: Layer) -> Value:
    return g.Equal(g.Size(layer.x()), np.asarray(0, np.int64))
