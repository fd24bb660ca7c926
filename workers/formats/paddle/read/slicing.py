"""Parts of tensors: slices, crops, padding, and values written into slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.layer import Array, Layer, Result, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, fixed, numbers, reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

END = np.iinfo(np.int64).max
LOWEST = np.iinfo(np.int64).min
MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap"}


@reads("slice")
def slice_(g: GraphBuilder, layer: Layer) -> Result:
    """Axes named in ``decrease_axis`` go, as an index would let them."""
    held = layer.held("Input")
    if len(held) == 1 and isinstance(held[0], list):
        return _of_list(g, layer, held[0])
    x = layer.x("Input")
    axes = [layer.axis(axis, layer.rank(x)) for axis in layer.integers("axes")]
    starts = numbers(g, layer, "starts", "StartsTensor", "StartsTensorList")
    ends = numbers(g, layer, "ends", "EndsTensor", "EndsTensorList")
    y = _sliced(g, layer, x, axes, starts, ends, None)
    return _without(g, layer, y, layer.integers("decrease_axis"))


def _of_list(g: GraphBuilder, layer: Layer, items: Sequence[Value]) -> Result:
    """A part of an array of tensors."""
    starts = fixed(layer, numbers(g, layer, "starts", "StartsTensor", "StartsTensorList"), "its start")
    ends = fixed(layer, numbers(g, layer, "ends", "EndsTensor", "EndsTensorList"), "its end")
    if len(starts) != 1 or len(ends) != 1 or not -len(items) <= starts[0] < len(items):
        raise layer.malformed(f"it takes {starts} to {ends} of an array of {len(items)}")
    start, end = starts[0], ends[0]
    if layer.integers("decrease_axis"):
        return items[start]
    return {"Out": [list(items[start:end])]}


def _sliced(
    g: GraphBuilder, layer: Layer, x: Value, axes: Sequence[int], starts: list[int] | Value, ends: list[int] | Value,
    steps: list[int] | Value | None,
) -> Value:  # fmt: skip
    """The end -1 of a turned slice is before the beginning, where Python says None."""
    for bounds in (starts, ends, steps):
        if isinstance(bounds, list) and len(bounds) != len(axes):
            raise layer.malformed(f"it has the bounds {bounds} for {len(axes)} axes")
    if isinstance(ends, list):
        ends = [END if end >= 2**31 - 1 else end for end in ends]
    if isinstance(ends, list) and isinstance(steps, list):
        ends = [LOWEST if step < 0 and end == -1 else end for end, step in zip(ends, steps, strict=True)]
    if isinstance(steps, list) and 0 in steps:
        raise layer.malformed("a step is 0")
    y = g.Slice(x, starts, ends, list(axes), steps)
    _sized(layer, x, y, axes, starts, ends, steps)
    return y


def _sized(
    layer: Layer, x: Value, y: Value, axes: Sequence[int], starts: list[int] | Value, ends: list[int] | Value,
    steps: list[int] | Value | None,
) -> None:  # fmt: skip
    """Sizes that inference does not find: bounds that are sizes themselves, free axes kept whole."""
    have = layer.shape(x)
    dims: list[Dim] = [*have]
    known = [bounds if isinstance(bounds, list) else contents(layer, bounds) for bounds in (starts, ends)]
    if known[0] is None or known[1] is None or not (steps is None or isinstance(steps, list)):
        return
    found = list(layer.shape(y))
    for place, axis in enumerate(axes):
        low, high = known[0][place], known[1][place]
        whole_axis = low == 0 and (high == have[axis] or high == END) and (steps is None or steps[place] == 1)
        dims[axis] = have[axis] if whole_axis else high if low == 0 and isinstance(high, str) else found[axis]
        if isinstance(low, int) and low >= 0 and isinstance(high, int) and isinstance(have[axis], str):
            dims[axis] = found[axis] if not (low == 0 and high == END) else have[axis]
    if any(a is None and b is not None for a, b in zip(found, dims, strict=True)) or dims != found:
        y.shape = ir.Shape([b if b is not None else a for a, b in zip(found, dims, strict=True)])


def _without(g: GraphBuilder, layer: Layer, y: Value, decrease: Sequence[int]) -> Value:
    rank = layer.rank(y)
    axes = sorted({layer.axis(axis, rank) for axis in decrease})
    return g.Squeeze(y, axes) if axes else y


@reads("strided_slice")
def strided_slice(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x("Input")
    axes = [layer.axis(axis, layer.rank(x)) for axis in layer.integers("axes")]
    bounds = [
        numbers(g, layer, key, f"{key.capitalize()}Tensor", f"{key.capitalize()}TensorList")
        for key in ("starts", "ends", "strides")
    ]
    y = _sliced(g, layer, x, axes, bounds[0], bounds[1], bounds[2])
    return _without(g, layer, y, layer.integers("decrease_axis"))


@reads("crop", "crop_tensor")
def crop(g: GraphBuilder, layer: Layer) -> Value:
    """A box of a shape (-1: to the end) at offsets."""
    x, like = layer.x(), layer.maybe("Y")
    rank = layer.rank(x)
    if like is not None:
        shape: list[int] | Value = list(layer.sizes(like))
    else:
        shape = numbers(g, layer, "shape", "Shape", "ShapeTensor", default=[-1] * rank)
    offsets = fixed(layer, numbers(g, layer, "offsets", "Offsets", "OffsetsTensor", default=[0] * rank), "its offsets")
    sizes = fixed(layer, shape, "its shape")
    if len(sizes) != rank or len(offsets) != rank or min(offsets, default=0) < 0:
        raise layer.malformed(f"its box {sizes} at {offsets} does not fit {rank} axes")
    ends = [END if size == -1 else start + size for start, size in zip(offsets, sizes, strict=True)]
    y = g.Slice(x, offsets, ends, list(range(rank)))
    dims = [have if size == -1 and start == 0 else size if size != -1 else found for have, size, start, found in
            zip(layer.shape(x), sizes, offsets, layer.shape(y), strict=True)]  # fmt: skip
    y.shape = ir.Shape(dims)
    return y


# --- padding ----------------------------------------------------------------------------------------------------------


def _padded(g: GraphBuilder, layer: Layer, x: Value, pads: Sequence[int], mode: str, value: float) -> Value:
    return g.Pad(x, list(pads), layer.number(x, value) if mode == "constant" else None, mode=mode)


@reads("pad")
def pad(g: GraphBuilder, layer: Layer) -> Value:
    """[before, after] of every axis."""
    x, tensor = layer.x(), layer.maybe("PadValue")
    pads = layer.integers("paddings")
    if len(pads) != 2 * layer.rank(x):
        raise layer.malformed(f"its paddings are {pads}")
    array = g.const(tensor)
    value = layer.real("pad_value", 0.0) if array is None else layer.single(array)
    if tensor is not None and array is None:
        return g.Pad(x, pads[::2] + pads[1::2], g.Reshape(cast(g, tensor, layer.element(x)), g.constant(
            np.zeros(0, np.int64))))  # fmt: skip
    return _padded(g, layer, x, pads[::2] + pads[1::2], "constant", value)


@reads("pad2d", "pad3d", "pad1d")
def pad_planes(g: GraphBuilder, layer: Layer) -> Value:
    """pad2d has (top, bottom, left, right), pad3d (left, right, top, bottom, front, back): the last axis first."""
    x = layer.x()
    rank = layer.rank(x, 3, 4, 5)
    axes = rank - 2
    mode = MODES.get(layer.word("mode", "constant"))
    if mode is None:
        raise layer.malformed(f"its mode is {layer.word('mode')!r}")
    last = layer.word("data_format", "NCHW") in ("NHWC", "NDHWC", "NLC")
    value = layer.real("pad_value", layer.real("value", 0.0))
    found = numbers(g, layer, "paddings", "Paddings")
    count = len(found) if isinstance(found, list) else layer.size(found, 0)
    if count != 2 * axes:
        raise layer.malformed(f"it has {count} paddings for {axes} axes")
    order = range(axes) if layer.op.type == "pad2d" else range(axes - 1, -1, -1)
    if not isinstance(found, list):
        ends = (g.Gather(found, [2 * place + end for place in order], axis=0) for end in (0, 1))
        pads = [part for end in ends for part in (([0], end, [0]) if last else ([0, 0], end))]
        result = g.Pad(x, g.Concat(*pads, axis=0), layer.number(x, value) if value else None, mode=mode)
        known = contents(layer, found) or (None,) * count
        still = [known[2 * place] == known[2 * place + 1] == 0 for place in order]
        still = [True, *still, True] if last else [True, True, *still]
        result.shape = ir.Shape([dim if same else None for dim, same in zip(layer.shape(x), still, strict=True)])
        return result
    pairs = [(found[2 * place], found[2 * place + 1]) for place in order]
    whole_pairs = [(0, 0), *pairs, (0, 0)] if last else [(0, 0), (0, 0), *pairs]
    return _padded(g, layer, x, [low for low, _ in whole_pairs] + [high for _, high in whole_pairs], mode, value)


@reads("pad_constant_like")
def pad_constant_like(g: GraphBuilder, layer: Layer) -> Value:
    """Y, filled up behind to the shape of X."""
    x, y = layer.x("X"), layer.x("Y")
    layer.rank(y, layer.rank(x))
    ends = [a - b for a, b in zip(layer.sizes(x), layer.sizes(y), strict=True)]
    return _padded(g, layer, y, [*([0] * len(ends)), *ends], "constant", layer.real("pad_value", 0.0))


# --- writing into slices ----------------------------------------------------------------------------------------------


@reads("set_value")
def set_value(g: GraphBuilder, layer: Layer) -> Value:
    """A value, broadcast, takes the place of a slice; the rest stays."""
    x = layer.x("Input")
    rank = layer.rank(x)
    axes = [layer.axis(axis, rank) for axis in layer.integers("axes")]
    found = {
        key: numbers(g, layer, key, f"{key.capitalize()}Tensor", f"{key.capitalize()}TensorList",
                     default=[default] * len(axes))
        for key, default in (("starts", 0), ("ends", 2**31 - 1), ("steps", 1))
    }  # fmt: skip
    bounds = {key: one for key, one in found.items() if isinstance(one, list)}
    if any(len(one) != len(axes) for one in bounds.values()) or 0 in bounds.get("steps", []):
        raise layer.malformed(f"its bounds {bounds} do not fit {len(axes)} axes")
    value = _written(g, layer, x)
    decrease = sorted({layer.axis(axis, rank) for axis in layer.integers("decrease_axes")})
    if len(bounds) < len(found):
        return _put_anywhere(g, layer, x, value, axes, found, decrease)
    index: dict[int, Array] = {}
    for place, axis in enumerate(axes):
        size = layer.shape(x)[axis]
        picked = slice(*(bounds[key][place] for key in ("starts", "ends", "steps")))
        if axis in decrease and picked.start == -1:
            picked = slice(-1, None)
            bounds["ends"][place] = 2**31 - 1
        if picked.start == 0 and picked.step == 1 and (picked.stop >= 2**31 - 1 or picked.stop == size):
            continue
        index[axis] = np.arange(size if isinstance(size, int) else 0)[picked]
    if any(not isinstance(layer.shape(x)[axis], int) for axis in index):
        return _put_anywhere(g, layer, x, value, axes, found, decrease)
    return _put(g, layer, x, value, index, decrease)


def _put_anywhere(
    g: GraphBuilder, layer: Layer, x: Value, value: Value, axes: Sequence[int],
    bounds: Mapping[str, list[int] | Value], decrease: Sequence[int],
) -> Value:  # fmt: skip
    """Where sizes or bounds are not known: the places of the slice in the flat tensor are cut out like the slice."""
    rank, count = layer.rank(x), g.Size(x)
    places = g.Reshape(g.Range(np.asarray(0), count, np.asarray(1)), g.Shape(x))
    cut = g.Slice(places, bounds["starts"], bounds["ends"], list(axes), bounds["steps"])
    filled = g.Expand(_axes_back(g, layer, value, rank, decrease), g.Shape(cut))
    flat = [g.Reshape(part, [-1]) for part in (x, cut, filled)]
    y = g.Reshape(g.ScatterElements(*flat, axis=0), g.Shape(x))
    y.shape = ir.Shape(list(layer.shape(x)))
    return y


def _written(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The values: a tensor, or numbers in an attribute that is named after their type before 2.4."""
    tensor = layer.maybe("ValueTensor")
    if tensor is not None:
        return cast(g, tensor, layer.element(x))
    for key in ("values", "fp32_values", "fp64_values", "int32_values", "int64_values", "bool_values", "fp16_values"):
        found = layer.op.attrs.get(key)
        if isinstance(found, list) and found:
            shape = layer.integers("shape", [1])
            array = layer.number(x, found)
            if array.size != np.prod(shape):
                raise layer.malformed(f"it writes {array.size} values of the shape {shape}")
            return g.constant(array.reshape(shape))
    raise layer.malformed("it has no values to write")


def _put(
    g: GraphBuilder, layer: Layer, x: Value, value: Value, index: dict[int, Array],
    decrease: Sequence[int],
) -> Value:  # fmt: skip
    """By a mask where everything is one number; else slice by slice along the axes that are cut."""
    rank = layer.rank(x)
    if any(not len(places) for places in index.values()):
        return g.Identity(x)
    wide = _axes_back(g, layer, value, rank, decrease)
    mask: Value | None = None
    gathered = wide
    for axis, places in index.items():
        size = layer.size(x, axis)
        inside = np.zeros(size, bool)
        inside[places] = True
        shape = [size if place == axis else 1 for place in range(rank)]
        line = g.constant(inside.reshape(shape))
        mask = line if mask is None else g.And(mask, line)
        if layer.shape(gathered)[axis] != 1:
            source = np.zeros(size, np.int64)
            source[places] = np.arange(len(places))
            gathered = g.Gather(gathered, source, axis=axis)
    if mask is None:
        return g.Expand(gathered, g.Shape(x)) if layer.shape(gathered) != layer.shape(x) else g.Identity(gathered)
    y = g.Where(mask, gathered, x)
    y.shape = ir.Shape(list(layer.shape(x)))
    return y


def _axes_back(g: GraphBuilder, layer: Layer, value: Value, rank: int, decrease: Sequence[int]) -> Value:
    """The value with all axes of the target: those that an index took away have size 1."""
    have = list(layer.shape(value))
    if len(have) + len(decrease) <= rank and decrease:
        kept = [axis for axis in range(rank) if axis not in decrease]
        lead: list[Dim] = [1] * (len(kept) - len(have))
        by_axis = dict(zip(kept, [*lead, *have], strict=True))
        return reshaped(g, layer, value, [by_axis.get(axis, 1) for axis in range(rank)])
    while len(have) > rank and have[0] == 1:
        have = have[1:]
    if len(have) > rank:
        raise layer.malformed(f"a value of {len(have)} axes does not fit {rank}")
    return reshaped(g, layer, value, [*([1] * (rank - len(have))), *have])


@reads("fill_diagonal")
def fill_diagonal(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    rows, columns = layer.sizes(x)[:2] if layer.rank(x) == 2 else (0, 0)
    if layer.rank(x) != 2:
        raise layer.unsupported("it fills the diagonal of a tensor of more than two axes")
    layer.bounded(rows * columns)
    offset = layer.integer("offset", 0)
    mask = np.eye(rows, columns, offset, dtype=bool)
    if layer.flag("wrap") and rows > columns:
        flat = np.zeros(rows * columns, bool)
        flat[max(offset, 0) :: columns + 1] = True
        mask = flat.reshape(rows, columns)
    return g.Where(mask, layer.number(x, layer.real("value", 0.0)), x)
