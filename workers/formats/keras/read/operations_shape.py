"""Operations that move, take and repeat elements, and ask for shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.keras.read.arguments import Arguments, operation, promoted
from workers.formats.keras.read.elementwise import common
from workers.formats.keras.read.layer import F32, I32, I64, MAX_WINDOW, Result
from workers.formats.keras.read.resize import resized, to_aspect, to_computed
from workers.formats.keras.read.tensor import Tensor, channels_first, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

END = np.iinfo(np.int64).max


def source(a: Arguments) -> Tensor:
    """What is moved, under the many names that it has."""
    return a.tensor(0, "x", "input", "tensor", "value", "params", "reference", "image", "images", "a", "input_tensor")


def target(g: GraphBuilder, a: Arguments, found: Any) -> Value | list[int]:
    """A shape: constants, a tensor, or a list in which tensors stand."""
    if isinstance(found, Tensor):
        return cast(g, found.plain(g), I64)
    if isinstance(found, list) and any(isinstance(item, Tensor) for item in found):
        parts: list[Value] = []
        for item in found:
            if isinstance(item, Tensor):
                parts.append(g.Reshape(cast(g, item.plain(g), I64), [1]))
            else:
                parts.append(g.constant([a.layer.as_integers(item, "shape")[0]]))
        return g.Concat(*parts, axis=0)
    sizes = [-1 if size is None else size for size in (found if isinstance(found, list) else [found])]
    return a.layer.as_integers(sizes, "shape") if sizes else []


@operation("reshape")
def reshape(g: GraphBuilder, a: Arguments) -> Result:
    """A batch that is free and stands first, as None, is what is left over."""
    x = source(a)
    shape = target(g, a, a.get(1, "newshape", "shape"))
    if isinstance(shape, list):
        if shape.count(-1) > 1:
            shape = [0 if axis == 0 and size == -1 else size for axis, size in enumerate(shape)]
        return plain(g.Reshape(x.plain(g), g.constant(np.asarray(shape, np.int64))))
    y = g.Reshape(x.plain(g), shape)
    if y.shape is None:
        raise a.layer.free("it needs the rank of its result, which depends on the data")
    return plain(y)


@operation("transpose", "permute_dimensions")
def transpose(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    perm = a.axes(x, 1, "axes", "perm", "pattern") or list(reversed(range(x.rank)))
    if sorted(perm) != list(range(x.rank)):
        raise a.layer.malformed(f"its axes {perm} do not permute {x.rank} axes")
    return Tensor(x.value, tuple(perm.index(axis) for axis in x.order))


@operation("swapaxes", "moveaxis")
def moveaxis(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    perm = list(range(x.rank))
    if a.name == "swapaxes":
        one, two = (a.layer.axis(a.integer(place, f"axis{place}"), x.rank) for place in (1, 2))
        perm[one], perm[two] = perm[two], perm[one]
    else:
        begin, to = a.axes(x, 1, "source") or [], a.axes(x, 2, "destination") or []
        rest = [axis for axis in perm if axis not in begin]
        for place, axis in sorted(zip(to, begin, strict=True)):
            rest.insert(place, axis)
        perm = rest
    return Tensor(x.value, tuple(perm.index(axis) for axis in x.order))


@operation("expand_dims")
def expand_dims(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    found = a.layer.as_integers(a.plain(a.get(1, "axis")), "axis")
    rank = x.rank + len(found)
    return plain(g.Unsqueeze(x.plain(g), sorted(a.layer.axis(axis, rank) for axis in found)))


@operation("squeeze")
def squeeze(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    axes = a.axes(x, 1, "axis")
    if axes is None:
        axes = [axis for axis, size in enumerate(x.shape) if size == 1]
    return plain(g.Squeeze(x.plain(g), axes)) if axes else x


@operation("concatenate", "concat")
def concatenate(g: GraphBuilder, a: Arguments) -> Result:
    xs = promoted(g, a.tensors(0, "xs", "values", "tensors"))
    axis = a.layer.axis(a.integer(1, "axis", default=-1), xs[0].rank)
    values, order = common(g, xs)
    return Tensor(values[0] if len(xs) == 1 else g.Concat(*values, axis=order.index(axis)), order)


@operation("stack")
def stack(g: GraphBuilder, a: Arguments) -> Result:
    xs = promoted(g, a.tensors(0, "x", "values", "xs"))
    axis = a.layer.axis(a.integer(1, "axis", default=0), xs[0].rank + 1)
    return plain(g.Concat(*(g.Unsqueeze(x.plain(g), [axis]) for x in xs), axis=axis))


@operation("unstack")
def unstack(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    axis = a.layer.axis(a.integer(2, "axis", default=0), x.rank)
    count = a.layer.size(x, axis)
    if count > 4096:
        raise a.layer.unsupported(f"it has {count} results")
    parts = g.ops("Split", x.plain(g), [1] * count, outputs=count, axis=axis)
    return [plain(g.Squeeze(part, [axis])) for part in parts]


@operation("split")
def split(g: GraphBuilder, a: Arguments) -> Result:
    """Into equal parts; at places (Keras) or in sizes (TensorFlow)."""
    x = source(a)
    found = a.plain(a.get(1, "indices_or_sections", "num_or_size_splits"))
    axis = a.layer.axis(a.integer(2, "axis", default=0), x.rank)
    size = a.layer.size(x, axis)
    numbers = a.layer.as_integers(found, "indices_or_sections")
    if not isinstance(found, list):
        if not 1 <= numbers[0] <= 4096 or size % numbers[0]:
            raise a.layer.malformed(f"{size} cannot be split in {numbers[0]}")
        sizes = [size // numbers[0]] * numbers[0]
    elif a.layer.kind.startswith("ops."):
        sizes = [b - c for b, c in zip([*numbers, size], [0, *numbers], strict=True)]
    else:
        sizes = [n if n >= 0 else size - sum(m for m in numbers if m >= 0) for n in numbers]
    if any(n < 0 for n in sizes) or sum(sizes) != size:
        raise a.layer.malformed(f"{size} cannot be split in {sizes[:20]}")
    value = x.plain(g)
    if len(sizes) == 1:
        return [plain(value)]
    return [plain(part) for part in g.ops("Split", value, sizes, outputs=len(sizes), axis=axis)]


@operation("flip", "reverse")
def flip(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    axes = a.axes(x, 1, "axis")
    axes = list(range(x.rank)) if axes is None else axes
    count = len(axes)
    return plain(g.Slice(x.plain(g), [-1] * count, [np.iinfo(np.int64).min] * count, axes, [-1] * count))


# --- repeating, padding ----------------------------------------------------------------------------------------------


@operation("tile")
def tile(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    repeats = target(g, a, a.get(1, "repeats", "multiples"))
    value = x.plain(g)
    if isinstance(repeats, list):
        if len(repeats) > x.rank:
            value = g.Unsqueeze(value, list(range(len(repeats) - x.rank)))
        repeats = [*[1] * (x.rank - len(repeats)), *repeats]
    return plain(g.Tile(value, repeats))


@operation("repeat")
def repeat(g: GraphBuilder, a: Arguments) -> Result:
    """Every element so many times after itself."""
    x = source(a)
    counts = a.layer.as_integers(a.plain(a.get(1, "repeats", "rep")), "repeats")
    axes = a.axes(x, 2, "axis")
    value = x.plain(g)
    if axes is None:
        value, axes = g.Reshape(value, [-1]), [0]
    if len(counts) > 1:
        size = a.layer.fixed([g.shape(value)[axes[0]]])[0]
        if len(counts) != size or min(counts) < 0 or sum(counts) > MAX_WINDOW:
            raise a.layer.malformed(f"it repeats {size} elements {str(counts)[:60]} times")
        return plain(g.Gather(value, g.constant(np.repeat(np.arange(size), counts)), axis=axes[0]))
    count = counts[0]
    if not 1 <= count <= 4096:
        raise a.layer.malformed(f"it repeats {count} times")
    rank = len(g.shape(value))
    spread = g.Concat(*[g.Unsqueeze(value, [axes[0] + 1])] * count, axis=axes[0] + 1)
    sizes = [size if isinstance(size, int) else -1 for size in g.shape(value)]
    sizes[axes[0]] = sizes[axes[0]] * count if sizes[axes[0]] > 0 else -1
    if sizes.count(-1) > 1:
        sizes = [0 if size == -1 and axis < axes[0] else size for axis, size in enumerate(sizes)]
    if sizes.count(-1) > 1 or rank > 8:
        raise a.layer.free("it repeats along one of several free axes")
    return plain(g.Reshape(spread, sizes))


@operation("broadcast_to")
def broadcast_to(g: GraphBuilder, a: Arguments) -> Result:
    shape = target(g, a, a.get(1, "shape"))
    return plain(g.Expand(source(a).plain(g), shape))


@operation("pad")
def pad(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    pairs = a.plain(a.get(1, "pad_width", "paddings"))
    mode = str(a.get(2, "mode", default="constant")).lower()
    modes = {"constant": "constant", "reflect": "reflect", "symmetric": "", "edge": "edge", "wrap": "wrap"}
    if mode not in modes:
        raise a.layer.unsupported(f"its mode is {mode!r}")
    items = pairs if isinstance(pairs, list) else [pairs]
    rows = [a.layer.as_integers(item, "pad_width") for item in items]
    rows = [row * 2 if len(row) == 1 else row for row in (rows * x.rank if len(rows) == 1 else rows)]
    if len(rows) != x.rank or any(len(row) != 2 or min(row) < 0 for row in rows):
        raise a.layer.malformed(f"its widths are {str(pairs)[:60]} for {x.rank} axes")
    if mode == "symmetric":
        return _mirrored(g, a, x, rows)
    turned = [rows[axis] for axis in x.order]
    pads = [*(row[0] for row in turned), *(row[1] for row in turned)]
    value = a.layer.number(x, a.layer.as_real(a.get(3, "constant_values"), "constant_values"))
    return x.like(g.Pad(x.value, pads, value if mode == "constant" else None, mode=modes[mode]))


def _mirrored(g: GraphBuilder, a: Arguments, x: Tensor, rows: list[list[int]]) -> Tensor:
    """The edge itself is mirrored, too: ONNX's reflection leaves it out, so the places are picked one by one."""
    value = x.value
    for axis, (first, last) in enumerate(rows):
        if first or last:
            places = np.pad(np.arange(a.layer.size(x, axis)), (first, last), mode="symmetric")
            value = g.Gather(value, g.constant(places), axis=x.place(axis))
    return x.like(value)


@operation("roll")
def roll(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    shifts = a.layer.as_integers(a.plain(a.get(1, "shift")), "shift")
    axes = a.axes(x, 2, "axis")
    value = x.plain(g)
    if axes is None:
        row = g.Reshape(value, [-1])
        cut = g.Mod(g.constant([-sum(shifts)]), g.Shape(row))
        turned = g.Concat(g.Slice(row, cut, [END], [0]), g.Slice(row, [0], cut, [0]), axis=0)
        y = g.Reshape(turned, g.Shape(value))
        y.shape = value.shape
        return plain(y)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    if len(axes) != len(shifts):
        raise a.layer.malformed(f"it rolls {len(axes)} axes by {shifts}")
    for shift, axis in zip(shifts, axes, strict=True):
        front = -shift % a.layer.size(x, axis)
        if front:
            parts = [g.Slice(value, [front], [END], [axis]), g.Slice(value, [0], [front], [axis])]
            value = g.Concat(*parts, axis=axis)
    return plain(value)


@operation("one_hot")
def one_hot(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "indices")
    depth = a.integer(1, "num_classes", "depth")
    dtype = a.dtype(-1, "dtype") or F32
    hot = np.asarray([a.layer.as_real(a.get(place, key), key, default)
                      for place, key, default in ((-1, "off_value", 0.0), (-1, "on_value", 1.0))])  # fmt: skip
    hot = hot.astype(dtype.numpy())
    axis = a.integer(2, "axis", default=-1)
    return plain(g.OneHot(cast(g, x.plain(g), I64), np.asarray(depth), hot, axis=axis))


@operation("shape")
def shape(g: GraphBuilder, a: Arguments) -> Result:
    found = g.Shape(source(a).plain(g))
    return plain(cast(g, found, a.dtype(-1, "out_type") or I32))


@operation("tril", "triu")
def triangle(g: GraphBuilder, a: Arguments) -> Result:
    return plain(g.Trilu(source(a).plain(g), np.asarray(a.integer(1, "k", default=0)), upper=int(a.name == "triu")))


@operation("ravel")
def ravel(g: GraphBuilder, a: Arguments) -> Result:
    return plain(g.Reshape(source(a).plain(g), [-1]))


@operation("depth_to_space", "space_to_depth")
def depth_to_space(g: GraphBuilder, a: Arguments) -> Result:
    """Blocks of channels as pixels, the channels innermost (DCR)."""
    x = source(a)
    if str(a.get(-1, "data_format", default="channels_last")) not in ("channels_last", "NHWC", "None"):
        raise a.layer.unsupported("it is channels-first")
    block = a.integer(1, "block_size")
    value = x.first(g)
    if a.name == "depth_to_space":
        return Tensor(g.DepthToSpace(value, blocksize=block, mode="DCR"), channels_first(4))
    return Tensor(g.SpaceToDepth(value, blocksize=block), channels_first(4))


@operation("resize")
def resize(g: GraphBuilder, a: Arguments) -> Result:
    """Images to a size, between the centres of pixels."""
    x = source(a)
    a.layer.rank(x, 4)
    if a.get(-1, "preserve_aspect_ratio"):
        raise a.layer.unsupported("it keeps the aspect ratio")
    last = str(a.get(-1, "data_format", default="channels_last")) != "channels_first"
    value = x.first(g) if last else x.plain(g)
    order = channels_first(4) if last else (0, 1, 2, 3)
    word = str(a.get(2, "interpolation", "method", default="bilinear")).lower().rsplit(".", 1)[-1]
    wanted = a.get(1, "size")
    if isinstance(wanted, Tensor) and a.constant(wanted) is None:
        return Tensor(to_computed(g, a.layer, value, word, cast(g, wanted.plain(g), I64)), order)
    size = a.layer.as_integers(a.plain(wanted), "size")
    if len(size) != 2 or min(size) < 1:
        raise a.layer.malformed(f"its size is {size}")
    crop, pad, wide = (bool(a.get(-1, key)) for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"))
    value = to_aspect(g, a.layer, value, size, crop, pad, a.layer.as_real(a.get(-1, "fill_value"), "fill_value"))
    return Tensor(resized(g, a.layer, value, word, size, [1, 1], wide), order)
