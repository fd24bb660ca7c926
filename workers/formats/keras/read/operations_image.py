"""Operations on images: colours, patches, borders, and filters that are the same for every channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.formats.keras.read.arguments import Arguments, floats, operation
from workers.formats.keras.read.layer import Array, Result
from workers.formats.keras.read.operations_neural import spatial, window
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.keras.read.windows import padding
from workers.hub.graph import GraphBuilder, Value

GREY = (0.2989, 0.587, 0.114)


def _channels(g: GraphBuilder, a: Arguments) -> tuple[Tensor, int, list[Value]]:
    """An image, where its channels lie in the value, and the three of them."""
    x = floats(g, a.tensor(0, "images", "x"))
    a.layer.rank(x, 3, 4)
    first = str(a.get(-1, "data_format", default="channels_last")) == "channels_first"
    axis = x.place(-3 if first else -1)
    if g.shape(x.value)[axis] != 3:
        raise a.layer.malformed("its images do not have three channels")
    return x, axis, g.ops("Split", x.value, [1, 1, 1], outputs=3, axis=axis)


@operation("rgb_to_grayscale")
def rgb_to_grayscale(g: GraphBuilder, a: Arguments) -> Result:
    x, axis, _ = _channels(g, a)
    shape = [1] * x.rank
    shape[axis] = 3
    weights = np.asarray(GREY).reshape(shape).astype(a.layer.element(x).numpy())
    return x.like(g.ReduceSum(g.Mul(x.value, weights), [axis], keepdims=1))


@operation("rgb_to_hsv")
def rgb_to_hsv(g: GraphBuilder, a: Arguments) -> Result:
    x, axis, (red, green, blue) = _channels(g, a)

    def number(value: float) -> Array:
        return a.layer.number(x, value)

    most = g.Max(red, green, blue)
    spread = g.Sub(most, g.Min(red, green, blue))
    some, one, none = g.Greater(spread, number(0)), number(1), number(0)
    saturation = g.Where(g.Greater(most, none), g.Div(spread, g.Where(g.Greater(most, none), most, one)), none)
    sixth = g.Div(number(1 / 6), g.Where(some, spread, one))
    hue = g.Where(g.Equal(green, most), g.Add(g.Mul(sixth, g.Sub(blue, red)), number(2 / 6)),
                  g.Add(g.Mul(sixth, g.Sub(red, green)), number(4 / 6)))  # fmt: skip
    hue = g.Where(g.Equal(red, most), g.Mul(sixth, g.Sub(green, blue)), hue)
    hue = g.Where(some, hue, none)
    hue = g.Where(g.Less(hue, none), g.Add(hue, one), hue)
    return x.like(g.Concat(hue, saturation, most, axis=axis))


@operation("hsv_to_rgb")
def hsv_to_rgb(g: GraphBuilder, a: Arguments) -> Result:
    x, axis, (hue, saturation, level) = _channels(g, a)

    def number(value: float) -> Array:
        return a.layer.number(x, value)

    six = g.Mul(hue, number(6))

    def ramp(centre: float, sign: float, shift: float) -> Value:
        distance = g.Mul(g.Abs(g.Sub(six, number(centre))), number(sign))
        return g.Clip(g.Add(distance, number(shift)), number(0), number(1))

    rest = g.Sub(number(1), saturation)
    ramps = (ramp(3, 1, -1), ramp(2, -1, 2), ramp(4, -1, 2))
    return x.like(g.Concat(*(g.Mul(g.Add(rest, g.Mul(saturation, part)), level) for part in ramps), axis=axis))


@operation("extract_patches", "extract_image_patches")
def extract_patches(g: GraphBuilder, a: Arguments) -> Result:
    """Rows of [row, column, channel] for every window."""
    x, make, axes = spatial(g, a, "images", "image", "x")
    size = window(a, axes, None, "size", "sizes", "ksizes")
    strides = window(a, axes, size, "strides")
    dilations = window(a, axes, 1, "dilation_rate", "rates")
    word = str(a.get(-1, "padding", default="valid")).lower()
    sizes = g.shape(x)[1:]
    whole = all(isinstance(dim, int) and dim % size[0] == 0 for dim in sizes[1:])
    if axes == 2 and whole and strides == size and len(set(size)) == 1 and set(dilations) == {1}:
        return make(g.SpaceToDepth(x, blocksize=size[0]))
    channels = a.layer.fixed(sizes[:1])[0]
    count = int(np.prod(size)) * channels
    if count > 4096:
        raise a.layer.unsupported(f"its patches have {count} values")
    kernel = np.eye(count).reshape(count, *size, channels).transpose(0, axes + 1, *range(1, axes + 1))
    weight = a.layer.weight(g, "patches", kernel.astype(np.float32), a.layer.element(x))
    pads = padding(g, a.layer, x, size, strides, dilations, word)
    return make(g.Conv(x, weight, None, kernel_shape=size, strides=strides, dilations=dilations, group=1, **pads))


def _sides(g: GraphBuilder, a: Arguments, x: Value, ending: str, sign: int) -> list[tuple[int, int]]:
    """What goes at both ends of the two axes; one of begin, end and target size is left out."""
    found = []
    for axis, names in ((2, ("top", "bottom", "height")), (3, ("left", "right", "width"))):
        keys = [f"{names[0]}_{ending}", f"{names[1]}_{ending}", f"target_{names[2]}"]
        first, last, target = (None if a.get(-1, key) is None else a.integer(-1, key) for key in keys)
        if target is not None:
            total = sign * (target - a.layer.fixed(g.shape(x)[axis : axis + 1])[0])
            first = total - last if first is None and last is not None else first or 0
            last = total - first if last is None else last
        pair = (first or 0, last or 0)
        if min(pair) < 0:
            raise a.layer.malformed(f"it takes {pair} at the ends of an axis")
        found.append(pair)
    return found


@operation("pad_images")
def pad_images(g: GraphBuilder, a: Arguments) -> Result:
    x, make, _ = spatial(g, a, "images")
    (top, bottom), (left, right) = _sides(g, a, x, "padding", 1)
    return make(g.Pad(x, [0, 0, top, left, 0, 0, bottom, right], a.layer.number(x, 0), mode="constant"))


@operation("crop_images")
def crop_images(g: GraphBuilder, a: Arguments) -> Result:
    x, make, _ = spatial(g, a, "images")
    pairs = _sides(g, a, x, "cropping", -1)
    stops = [-last if last else np.iinfo(np.int64).max for _, last in pairs]
    return make(g.Slice(x, [first for first, _ in pairs], stops, [2, 3]))


def _filtered(g: GraphBuilder, a: Arguments, x: Value, kernels: Sequence[Array], pads: Sequence[int]) -> Value:
    """Every channel through the same filters, those of one channel one after the other."""
    channels = a.layer.fixed(g.shape(x)[1:2])[0]
    array = np.tile(np.stack(kernels)[:, None], (channels, 1, 1, 1)).astype(np.float32)
    weight = a.layer.weight(g, "filter", array, a.layer.element(x))
    return g.Conv(x, weight, None, kernel_shape=list(array.shape[2:]), strides=[1, 1], dilations=[1, 1],
                  pads=list(pads), group=channels)  # fmt: skip


@operation("gaussian_blur")
def gaussian_blur(g: GraphBuilder, a: Arguments) -> Result:
    x, make, _ = spatial(g, a, "images")
    size = window(a, 2, [3, 3], "kernel_size")
    sigma = a.plain(a.get(2, "sigma", default=[1.0, 1.0]))
    spreads = [a.layer.as_real(value, "sigma") for value in (sigma if isinstance(sigma, list) else [sigma] * 2)]
    if len(spreads) != 2 or min(spreads) <= 0:
        raise a.layer.malformed(f"its sigma is {spreads}")
    rows = []
    for length, spread in zip(size, spreads, strict=True):
        row = np.exp(-0.5 * ((np.arange(length) - (length - 1) / 2) / spread) ** 2)
        rows.append(row / row.sum())
    kernel = np.outer(rows[1], rows[0]).reshape(size)
    pads = [*((length - 1) // 2 for length in size), *(length - 1 - (length - 1) // 2 for length in size)]
    return make(_filtered(g, a, x, [kernel], pads))


@operation("sobel_edges")
def sobel_edges(g: GraphBuilder, a: Arguments) -> Result:
    """Differences down and to the right, as a last axis; the border is mirrored."""
    x = floats(g, a.tensor(0, "images", "image"))
    a.layer.rank(x, 4)
    first = str(a.get(-1, "data_format", default="channels_last")) == "channels_first"
    value = x.plain(g) if first else x.first(g)
    down = np.asarray([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    wide = g.Pad(value, [0, 0, 1, 1, 0, 0, 1, 1], mode="reflect")
    y = _filtered(g, a, wide, [down, down.T], [0] * 4)
    parts = [g.Unsqueeze(g.Slice(y, [at], [np.iinfo(np.int64).max], [1], [2]), [4]) for at in (0, 1)]
    both = g.Concat(*parts, axis=4)
    return plain(both) if first else Tensor(both, (0, 3, 1, 2, 4))
