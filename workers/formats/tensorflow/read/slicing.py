"""Parts of tensors: slices, strided slices, padding, reversal."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads, vector, whole

FAR = 2**31 - 1


@reads("Slice")
def slice_(g: Builder, layer: Layer, x: Value, begin: Value, size: Value) -> Value:
    """A size of -1 goes to the end."""
    rank = len(layer.shape(x))
    starts, sizes = g.contents(begin), g.contents(size)
    axes = list(range(rank))
    if starts is not None and starts.numbers is not None and sizes is not None and sizes.numbers is not None:
        ends = [FAR if n == -1 else s + n for s, n in zip(starts.numbers, sizes.numbers, strict=True)]
        dims = layer.shape(x)
        kept = [a for a in axes if (starts.numbers[a], ends[a]) not in ((0, FAR), (0, dims[a]))]
        if not kept:
            return x
        return g.Slice(x, [starts.numbers[a] for a in kept], [ends[a] for a in kept], kept)
    begins, lengths = whole(g, begin), whole(g, size)
    stops = g.Where(g.Equal(lengths, np.array(-1, np.int64)), np.array(FAR, np.int64), g.Add(begins, lengths))
    return g.Slice(x, begins, stops, axes)


@dataclass(slots=True)
class _Spec:
    """What a strided slice does to the axes of its input, and to those of the slice."""

    axes: list[int] = field(default_factory=list)
    starts: list[Value | int] = field(default_factory=list)
    ends: list[Value | int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    picked: list[tuple[int, Value | int]] = field(default_factory=list)
    added: list[int] = field(default_factory=list)


@reads("StridedSlice")
def strided_slice(g: Builder, layer: Layer, x: Value, begin: Value, end: Value, strides: Value) -> Value:
    """The masks are sets of places in the sparse specification, not of axes."""
    spec = _spec(g, layer, x, begin, end, strides)
    result = x
    if spec.axes:
        steps = spec.steps if any(step != 1 for step in spec.steps) else None
        result = g.Slice(x, _list(g, spec.starts), _list(g, spec.ends), spec.axes, steps)
    for axis, start in sorted(spec.picked, key=lambda item: -item[0]):
        place = start if isinstance(start, int) else g.Squeeze(vector(g, start), [0])
        result = g.Gather(result, np.array(place, np.int64) if isinstance(place, int) else place, axis=axis)
    if spec.added:
        result = g.Unsqueeze(result, spec.added)
    return result


def _list(g: Builder, items: list[Value | int]) -> Value:
    if all(isinstance(item, int) for item in items):
        return g.constant(np.array(items, np.int64))
    parts = [g.constant(np.array([item], np.int64)) if isinstance(item, int) else vector(g, item) for item in items]
    return parts[0] if len(parts) == 1 else g.Concat(*parts, axis=0)


def _spec(g: Builder, layer: Layer, x: Value, begin: Value, end: Value, strides: Value) -> _Spec:
    count = layer.size(begin, 0)
    masks = {key: layer.i(f"{key}_mask", 0) for key in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    steps = layer.integers(g, strides, "its strides")
    if len(steps) != count or layer.size(end, 0) != count or masks["ellipsis"].bit_count() > 1:
        raise layer.malformed("its begin, end and strides do not fit each other")
    starts, ends = _elements(g, begin, count), _elements(g, end, count)
    rank = len(layer.shape(x))
    dense = [p for p in range(count) if not (masks["new_axis"] | masks["ellipsis"]) >> p & 1]
    if len(dense) > rank:
        raise layer.malformed(f"it slices {len(dense)} axes of {rank}")
    spec, axis, out = _Spec(), 0, 0
    for p in range(count):
        if masks["ellipsis"] >> p & 1:
            skipped = rank - len(dense)
            axis, out = axis + skipped, out + skipped
        elif masks["new_axis"] >> p & 1:
            spec.added.append(out)
            out += 1
        elif masks["shrink_axis"] >> p & 1:
            spec.picked.append((axis, starts[p]))
            axis += 1
        else:
            _range(layer, spec, axis, None if masks["begin"] >> p & 1 else starts[p],
                   None if masks["end"] >> p & 1 else ends[p], steps[p], layer.shape(x)[axis])  # fmt: skip
            axis, out = axis + 1, out + 1
    return spec


def _elements(g: Builder, x: Value, count: int) -> list[Value | int]:
    known = g.contents(x)
    found: list[Value | int] = []
    for place in range(count):
        item = known.items[place] if known is not None and place < len(known.items) else None
        found.append(item if isinstance(item, int) else g.Gather(x, np.array(place, np.int64), axis=0))
    return found


def _range(
    layer: Layer, spec: _Spec, axis: int, start: Value | int | None, end: Value | int | None, step: int, size: object
) -> None:
    if step == 0:
        raise layer.malformed("one of its strides is 0")
    if start is None:
        start = 0 if step > 0 else FAR
    if end is None:
        end = FAR if step > 0 else -FAR
    if step == 1 and start == 0 and isinstance(end, int) and (end in (FAR, size)):
        return
    spec.axes.append(axis)
    spec.starts.append(start)
    spec.ends.append(end)
    spec.steps.append(step)


@reads("Pad", "PadV2")
def pad(g: Builder, layer: Layer, x: Value, paddings: Value, *fill: Value) -> Value:
    return g.Pad(x, _pads(g, layer, paddings), fill[0] if fill else None)


@reads("MirrorPad")
def mirror_pad(g: Builder, layer: Layer, x: Value, paddings: Value) -> Value:
    """REFLECT leaves out the edge; SYMMETRIC repeats it: a mirrored strip of each side is put there."""
    if layer.s("mode") == "REFLECT":
        return g.Pad(x, _pads(g, layer, paddings), mode="reflect")
    pairs = layer.constant(g, paddings, "its padding").reshape(-1, 2).tolist()
    for axis, (before, after) in enumerate(pairs):
        parts = [x]
        if before:
            parts.insert(0, g.Slice(x, [before - 1], [-FAR], [axis], [-1]))
        if after:
            parts.append(g.Slice(x, [-1], [-after - 1], [axis], [-1]))
        x = g.Concat(*parts, axis=axis) if len(parts) > 1 else x
    return x


def _pads(g: Builder, layer: Layer, paddings: Value) -> Value:
    """[n, 2] pairs -> all befores, then all afters."""
    if g.is_const(paddings):
        pairs = layer.constant(g, paddings, "its padding").reshape(-1, 2)
        return g.constant(pairs.T.reshape(-1).astype(np.int64))
    return g.Reshape(g.Transpose(whole(g, paddings), perm=[1, 0]), [-1])


@reads("ReverseV2", "Reverse")
def reverse(g: Builder, layer: Layer, x: Value, axes: Value) -> Value:
    """The axes by number, or, in the first version, by a truth value each."""
    places = layer.constant(g, axes, "its axes").reshape(-1)
    numbers = np.flatnonzero(places) if layer.type == "Reverse" else places
    found = [layer.axis(int(axis), len(layer.shape(x))) for axis in numbers]
    count = len(found)
    return g.reshaped(g.Slice(x, [-1] * count, [-FAR] * count, found, [-1] * count), layer.shape(x)) if found else x


@reads("ReverseSequence")
def reverse_sequence(g: Builder, layer: Layer, x: Value, lengths: Value) -> Value:
    rank = len(layer.shape(x))
    time, batch = layer.axis(layer.i("seq_dim", 0), rank), layer.axis(layer.i("batch_dim", 0), rank)
    if {time, batch} == {0, 1}:
        return g.ReverseSequence(x, whole(g, lengths), time_axis=time, batch_axis=batch)
    order = [batch, time, *(axis for axis in range(rank) if axis not in (time, batch))]
    turned = g.ReverseSequence(g.Transpose(x, perm=order), whole(g, lengths), time_axis=1, batch_axis=0)
    return g.Transpose(turned, perm=np.argsort(order).tolist())


@reads("Roll")
def roll(g: Builder, layer: Layer, x: Value, shifts: Value, axes: Value) -> Value:
    places, numbers = layer.integers(g, axes, "its axis"), g.numbers(shifts)
    if numbers is None or not all(isinstance(layer.shape(x)[place], int) for place in places):
        return _rolled(g, layer, x, whole(g, shifts), places)
    for shift, place in zip(numbers, places, strict=True):
        axis = layer.axis(place, len(layer.shape(x)))
        size = layer.size(x, axis)
        cut = -shift % size if size else 0
        if cut:
            x = g.Concat(g.Slice(x, [cut], [FAR], [axis]), g.Slice(x, [0], [cut], [axis]), axis=axis)
    return x


def _rolled(g: Builder, layer: Layer, x: Value, shifts: Value, places: list[int]) -> Value:
    """Axes of free sizes, or by shifts that are computed; ONNX's Mod has the sign of the divisor."""
    flat = g.Reshape(shifts, [-1])
    for index, place in enumerate(places):
        axis = layer.axis(place, len(layer.shape(x)))
        size = g.Shape(x, start=axis, end=axis + 1)
        cut = g.Mod(g.Neg(g.Slice(flat, [index], [index + 1])), size)
        turned = g.Concat(g.Slice(x, cut, [FAR], [axis]), g.Slice(x, [0], cut, [axis]), axis=axis)
        x = g.reshaped(turned, layer.shape(x))
    return x
