"""Cutting pieces out of tensors and putting borders around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.formats.tflite.read.align import is_batch, place, single, sized
from workers.formats.tflite.read.held import to_first
from workers.formats.tflite.read.layer import Array, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

END = np.iinfo(np.int64).max
START = np.iinfo(np.int64).min


@dataclass(slots=True)
class Cut:
    """What a strided slice does: per axis (begin, end, step), axes to be dropped by a single index, axes to be made."""

    spans: dict[int, tuple[int | None, int | None, int]] = field(default_factory=dict)
    single: dict[int, int] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)


@reads("STRIDED_SLICE")
def strided_slice(g: GraphBuilder, layer: Layer) -> Out:
    """begin, end and strides an axis, with masks: begin or end left out, an ellipsis, new axes, axes by one index."""
    cut = _cut(layer)
    real = not layer.moves(0)
    known = layer.known(0)
    result = None
    if known is not None and known.ndim == 1 and layer.const(1) is not None and layer.const(2) is not None:
        result = _known(cut, layer, known)
    if (layer.const(1) is None and layer.known(1) is None) or (layer.const(2) is None and layer.known(2) is None):
        return Out(_dynamic(g, layer, cut, real), real=real, known=result)
    plain = bool(cut.single or cut.made)
    rank = layer.rank(0)
    x, first = (layer.x(g, 0, real=real), False) if plain else single(g, layer, real=real)
    spans = {place(axis, rank, first): span for axis, span in cut.spans.items()}
    spans |= {axis: (index, index + 1 if index != -1 else None, 1) for axis, index in cut.single.items()}
    if spans:
        order = sorted(spans)
        begin = [_or(spans[axis][0], START if spans[axis][2] > 0 else END) for axis in order]
        begin = [0 if value == START else value for value in begin]
        end = [_or(spans[axis][1], END if spans[axis][2] > 0 else START) for axis in order]
        x = g.Slice(x, begin, end, order, [spans[axis][2] for axis in order])
    if cut.single:
        x = g.Squeeze(x, sorted(cut.single))
    if cut.made:
        x = g.Unsqueeze(x, cut.made)
    if not (spans or cut.made):
        x = g.Identity(x)
    return Out(x, first=first, real=real, known=result)


def _or(value: int | None, default: int) -> int:
    return int(default) if value is None else value


def _known(cut: Cut, layer: Layer, known: Array) -> Array | None:
    if cut.made:
        return None
    if 0 in cut.single:
        index = cut.single[0]
        return np.asarray(known[index], object) if -known.size <= index < known.size else None
    begin, end, step = cut.spans.get(0, (None, None, 1))
    return known[slice(begin, end, step)]


def _numbers(layer: Layer, index: int, count: int) -> list[int]:
    """Constants, or zeros in place of what is computed."""
    known = layer.known(index)
    if known is None or any(isinstance(item, str) for item in known.flat):
        return [0] * count
    if known.size != count:
        raise layer.malformed(f"its begin, end and strides have {known.size} and {count} entries")
    return [int(item) for item in known.flat]


def _cut(layer: Layer) -> Cut:
    """The masks resolved to the input's axes."""
    shape = layer.dims(0)
    strides = layer.integers(3, "strides")
    count = len(strides)
    begin, end = _numbers(layer, 1, count), _numbers(layer, 2, count)
    if layer.flag("offset"):
        end = [b + e for b, e in zip(begin, end, strict=True)]
    masks = {name: layer.i(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    new = sum(1 for i in range(count) if masks["new_axis"] >> i & 1 and not masks["ellipsis"] >> i & 1)
    skipped = len(shape) - (count - new - (1 if masks["ellipsis"] & (1 << count) - 1 else 0))
    if 0 in strides or skipped < 0 or bin(masks["ellipsis"] & (1 << count) - 1).count("1") > 1:
        raise layer.malformed(f"its {count} entries do not fit an input of {len(shape)} axes")
    cut, axis, made = Cut(), 0, 0
    for i in range(count):
        if masks["ellipsis"] >> i & 1:
            axis, made = axis + skipped, made + skipped
        elif masks["new_axis"] >> i & 1:
            cut.made.append(made)
            made += 1
        elif masks["shrink_axis"] >> i & 1:
            _check_single(layer, shape[axis], begin[i])
            cut.single[axis] = begin[i]
            axis += 1
        else:
            span = (
                None if masks["begin"] >> i & 1 else begin[i],
                None if masks["end"] >> i & 1 else end[i],
                strides[i],
            )
            if not _is_all(layer, shape[axis], span):
                cut.spans[axis] = span
            axis, made = axis + 1, made + 1
    return cut


def _check_single(layer: Layer, size: Dim, index: int) -> None:
    if size == "batch" and layer.scope.batch is not None:
        raise layer.free("it takes one item of the batch")
    if isinstance(size, int) and not -size <= index < size:
        raise layer.malformed(f"its index {index} lies outside of an axis of size {size}")


def _is_all(layer: Layer, size: Dim, span: tuple[int | None, int | None, int]) -> bool:
    begin, end, step = span
    if step != 1 or begin not in (None, 0):
        return False
    if is_batch(layer, size, layer.scope.batch) and end is not None:
        if end != layer.scope.batch:
            raise layer.free("it takes a part of the batch")
        return True
    return end is None or (isinstance(size, int) and end >= size)


def _dynamic(g: GraphBuilder, layer: Layer, cut: Cut, real: bool) -> Value:
    """With begin or end computed: single indices by Gather, the others by Slice, left out ends at the axis' own."""
    if layer.i("ellipsis_mask") or layer.i("new_axis_mask") or layer.flag("offset"):
        raise layer.unsupported("its begin or end are computed, and it makes new axes")
    x = layer.x(g, 0, real=real)
    strides = layer.integers(3, "strides")
    begin, end = whole(g, layer.x(g, 1)), whole(g, layer.x(g, 2))
    kept = [axis for axis in range(len(strides)) if axis not in cut.single]
    if kept:
        up = np.asarray([strides[axis] > 0 for axis in kept])
        starts = _masked(g, begin, kept, layer.i("begin_mask"), np.where(up, 0, END))
        ends = _masked(g, end, kept, layer.i("end_mask"), np.where(up, END, START))
        x = g.Slice(x, starts, ends, kept, [strides[axis] for axis in kept])
    for axis in sorted(cut.single, reverse=True):
        x = g.Gather(x, g.Squeeze(g.Gather(begin, [axis]), [0]), axis=axis)
    return x


def _masked(g: GraphBuilder, value: Value, kept: Sequence[int], mask: int, default: Array) -> Value:
    chosen = g.Gather(value, list(kept))
    free = np.asarray([bool(mask >> axis & 1) for axis in kept])
    return g.Where(free, default.astype(np.int64), chosen) if free.any() else chosen


@reads("SLICE")
def slice_(g: GraphBuilder, layer: Layer) -> Out:
    """begin and size an axis; a size of -1 means all that follow."""
    shape = layer.dims(0)
    rank = len(shape)
    real = not layer.moves(0)
    begin, size = layer.known(1), layer.known(2)
    if begin is None or size is None or any(isinstance(item, str) for item in begin.flat):
        return Out(_computed(g, layer, real), real=real)
    if begin.size != rank or size.size != rank:
        raise layer.malformed(f"its begin and size do not fit an input of {rank} axes")
    x, first = single(g, layer, real=real)
    spans = {}
    for axis, (start, count) in enumerate(zip(begin.flat, size.flat, strict=True)):
        if start == 0 and (count == shape[axis] or count == -1 or is_batch(layer, shape[axis], count)):
            continue
        if isinstance(count, str) or (shape[axis] == "batch" and layer.scope.batch is not None):
            raise layer.free("it cuts the batch axis")
        spans[place(axis, rank, first)] = (int(start), END if count == -1 else int(start) + int(count))
    if not spans:
        return Out(g.Identity(x), first=first, real=real)
    order = sorted(spans)
    y = g.Slice(x, [spans[axis][0] for axis in order], [int(spans[axis][1]) for axis in order], order)
    return Out(y, first=first, real=real)


def _computed(g: GraphBuilder, layer: Layer, real: bool) -> Value:
    begin, size = whole(g, layer.x(g, 1)), whole(g, layer.x(g, 2))
    end = g.Where(g.Less(size, np.asarray(0, np.int64)), np.asarray(END, np.int64), g.Add(begin, size))
    return g.Slice(layer.x(g, 0, real=real), begin, end, list(range(layer.rank(0))))


@reads("STABLEHLO_SLICE")
def stablehlo_slice(g: GraphBuilder, layer: Layer) -> Value:
    starts, limits, strides = (layer.ints(name) for name in ("start_indices", "limit_indices", "strides"))
    rank = layer.rank(0)
    if not len(starts) == len(limits) == len(strides) == rank or min(strides, default=1) < 1:
        raise layer.malformed(f"its indices do not fit an input of {rank} axes")
    return g.Slice(layer.x(g, 0), starts, limits, list(range(rank)), strides)


@reads("STABLEHLO_DYNAMIC_SLICE")
def stablehlo_dynamic_slice(g: GraphBuilder, layer: Layer) -> Value:
    """A piece of fixed size from computed places, which are moved until it fits."""
    sizes, shape = layer.ints("slice_sizes"), layer.sizes(0)
    if len(sizes) != len(shape) or len(layer.inputs) != len(shape) + 1:
        raise layer.malformed(f"its sizes {sizes} do not fit an input of {len(shape)} axes")
    starts = g.Concat(*(g.Reshape(whole(g, layer.x(g, i + 1)), [1]) for i in range(len(shape))), axis=0)
    last = np.asarray([have - size for have, size in zip(shape, sizes, strict=True)], np.int64)
    begin = g.Max(g.Min(starts, last), np.zeros(len(shape), np.int64))
    y = g.Slice(layer.x(g, 0), begin, g.Add(begin, np.asarray(sizes, np.int64)), list(range(len(shape))))
    return g.Reshape(y, sizes)


# --- borders ---------------------------------------------------------------------------------------------------------


@reads("PAD", "PADV2")
def pad(g: GraphBuilder, layer: Layer) -> Out:
    """With zeros, or a given value; quantised data with what stands for it."""
    fill: Value | Array = layer.as_type(0, 0)
    if layer.type == "PADV2":
        fill = layer.x(g, 2)
        if layer.rank(2):
            fill = g.Reshape(fill, np.zeros(0, np.int64))
    rank = layer.rank(0)
    if layer.known(1) is None:
        turned = g.Reshape(g.Transpose(whole(g, layer.x(g, 1)), perm=[1, 0]), [-1])
        return Out(g.Pad(layer.x(g, 0), turned, fill))
    begin, end = _borders(layer, rank)
    x, first = single(g, layer)
    order = to_first(rank) if first else list(range(rank))
    y = g.Pad(x, [*(begin[axis] for axis in order), *(end[axis] for axis in order)], fill)
    shape = [size if begin[axis] == end[axis] == 0 else None for axis, size in enumerate(layer.dims(0))]
    return Out(sized(y, [shape[axis] for axis in order]), first=first)


def _borders(layer: Layer, rank: int) -> tuple[list[int], list[int]]:
    found = layer.integers(1, "paddings")
    if len(found) != 2 * rank:
        raise layer.malformed(f"its {len(found)} paddings do not fit an input of {rank} axes")
    if min(found, default=0) < 0:
        raise layer.malformed("its paddings are negative")
    return found[::2], found[1::2]


@reads("MIRROR_PAD")
def mirror_pad(g: GraphBuilder, layer: Layer) -> Out:
    """REFLECT leaves the outermost row out, SYMMETRIC repeats it: the latter is gathered, for ONNX lacks it."""
    rank = layer.rank(0)
    begin, end = _borders(layer, rank)
    x, first = single(g, layer)
    order = to_first(rank) if first else list(range(rank))
    if layer.i("mode") == 0:
        pads = [*(begin[axis] for axis in order), *(end[axis] for axis in order)]
        return Out(g.Pad(x, pads, mode="reflect"), first=first)
    for axis in range(rank):
        if begin[axis] or end[axis]:
            size = layer.size(0, axis)
            if max(begin[axis], end[axis]) > size:
                raise layer.malformed(f"its border is wider than axis {axis}")
            indices = np.pad(np.arange(size), (begin[axis], end[axis]), "symmetric")
            x = g.Gather(x, indices, axis=order.index(axis))
    return Out(x, first=first)


@reads("STABLEHLO_PAD")
def stablehlo_pad(g: GraphBuilder, layer: Layer) -> Value:
    """Negative borders cut."""
    low, high, inner = (layer.ints(name) for name in ("edge_padding_low", "edge_padding_high", "interior_padding"))
    if not len(low) == len(high) == layer.rank(0):
        raise layer.malformed(f"its borders do not fit an input of {layer.rank(0)} axes")
    if any(inner):
        raise layer.unsupported("ONNX puts nothing between elements")
    return g.Pad(layer.x(g, 0), [*low, *high], layer.x(g, 1))
