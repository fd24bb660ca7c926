"""Functions of TensorFlow and of tf.keras' backend that have no counterpart among Keras' operations."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.arguments import Arguments, floats, operation, together
from workers.formats.keras.read.layer import BOOL, F32, I64, Result
from workers.formats.keras.read.operations_arrange import diagonal_of
from workers.formats.keras.read.operations_neural import spatial
from workers.formats.keras.read.operations_shape import source, target
from workers.formats.keras.read.resize import resized
from workers.formats.keras.read.tensor import Tensor, moved, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder

END = np.iinfo(np.int64).max


@operation("crelu")
def crelu(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "features"))
    axis = x.place(a.layer.axis(a.integer(-1, "axis", default=-1), x.rank))
    return x.like(g.Relu(g.Concat(x.value, g.Neg(x.value), axis=axis)))


@operation("band_part")
def band_part(g: GraphBuilder, a: Arguments) -> Result:
    """Negative counts keep the whole triangle."""
    value = a.tensor(0, "input").plain(g)
    low, high = a.integer(1, "num_lower"), a.integer(2, "num_upper")
    value = g.Trilu(value, np.asarray(high), upper=0) if high >= 0 else value
    return plain(g.Trilu(value, np.asarray(-low), upper=1) if low >= 0 else value)


@operation("boolean_mask")
def boolean_mask(g: GraphBuilder, a: Arguments) -> Result:
    """A constant mask of one axis takes what it marks; a computed one of the first axes compresses."""
    x, mask = source(a), a.tensor(1, "mask")
    axis = a.integer(-1, "axis", default=0)
    constant = g.const(mask.value)
    if mask.rank == 1 and constant is not None:
        return plain(g.Gather(x.plain(g), np.flatnonzero(constant), axis=a.layer.axis(axis, x.rank)))
    if mask.rank == 1:
        return plain(g.Compress(x.plain(g), cast(g, mask.plain(g), BOOL), axis=a.layer.axis(axis, x.rank)))
    if axis or mask.rank > x.rank:
        raise a.layer.unsupported("its mask has several axes that are not the first")
    places = g.Transpose(g.NonZero(cast(g, mask.plain(g), BOOL)), perm=[1, 0])
    return plain(g.GatherND(x.plain(g), places, batch_dims=0))


@operation("fill")
def fill(g: GraphBuilder, a: Arguments) -> Result:
    value = a.tensor(1, "value")
    dims = target(g, a, a.get(0, "dims"))
    return plain(g.Expand(value.plain(g), dims if isinstance(dims, list) else g.Reshape(dims, [-1])))


@operation("matrix_diag")
def matrix_diag(g: GraphBuilder, a: Arguments) -> Result:
    """The last axis on the diagonal of two."""
    x = a.tensor(0, "diagonal")
    size = a.layer.size(x, -1)
    if a.get(-1, "k") not in (None, 0) or size > 4096:
        raise a.layer.unsupported("it writes another diagonal than the main one, or a long one")
    return plain(g.Mul(g.Unsqueeze(x.plain(g), [x.rank]), np.eye(size).astype(a.layer.element(x).numpy())))


@operation("matrix_diag_part", "matrix_trace")
def matrix_diag_part(g: GraphBuilder, a: Arguments) -> Result:
    """The main diagonal of the two last axes."""
    x = a.tensor(0, "input", "x")
    if a.get(-1, "k") not in (None, 0):
        raise a.layer.unsupported("it takes another diagonal than the main one")
    y = diagonal_of(g, a, x, 0, x.rank - 2, x.rank - 1)
    return plain(g.ReduceSum(y, [-1], keepdims=0) if a.name == "matrix_trace" else y)


@operation("dropout")
def dropout(g: GraphBuilder, a: Arguments) -> Result:
    """tf.nn.dropout drops at inference, too, unless its rate is 0."""
    rate = a.layer.as_real(a.get(1, "rate", "level"), "rate")
    if rate:
        raise a.layer.unsupported(f"it drops {rate:g} of its elements at random at inference, too")
    return source(a)


@operation("embedding_lookup")
def embedding_lookup(g: GraphBuilder, a: Arguments) -> Result:
    table, ids = a.tensor(0, "params"), a.tensor(1, "ids")
    return plain(g.Gather(table.plain(g), cast(g, ids.plain(g), I64), axis=0))


@operation("local_response_normalization", "lrn")
def local_response_normalization(g: GraphBuilder, a: Arguments) -> Result:
    """TensorFlow sums; ONNX averages alpha over the window."""
    x = floats(g, a.tensor(0, "input"))
    size = 2 * a.integer(1, "depth_radius", default=5) + 1
    names = (("bias", 1.0), ("alpha", 1.0), ("beta", 0.5))
    bias, alpha, beta = (
        a.layer.as_real(a.get(place, key), key, default) for place, (key, default) in enumerate(names, 2)
    )
    return moved(g.LRN(x.first(g), size=size, alpha=alpha * size, beta=beta, bias=bias))


@operation("xlogy", "xdivy", "multiply_no_nan")
def no_nan(g: GraphBuilder, a: Arguments) -> Result:
    """0 where the first factor (of multiply_no_nan the second) is 0, whatever the other is."""
    (x, y), order = together(g, [floats(g, item) for item in a.pair()])
    zero = a.layer.number(x, 0)
    first, second = (y, x) if a.name == "multiply_no_nan" else (x, y)
    made = {"xlogy": lambda: g.Mul(x, g.Log(y)), "xdivy": lambda: g.Div(x, y), "multiply_no_nan": lambda: g.Mul(x, y)}
    return Tensor(g.Where(g.Equal(first, zero), zero, made[a.name]()), order) if second is not None else plain(x)


@operation("sequence_mask")
def sequence_mask(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "lengths")
    count = a.integer(1, "maxlen")
    steps = np.arange(count).astype(a.layer.element(x).numpy())
    y = g.Less(steps, g.Unsqueeze(x.plain(g), [x.rank]))
    dtype = a.dtype(2, "dtype")
    return plain(y if dtype is None else cast(g, y, dtype))


@operation("batch_flatten")
def batch_flatten(g: GraphBuilder, a: Arguments) -> Result:
    return plain(g.Flatten(source(a).plain(g), axis=1))


@operation("batch_dot")
def batch_dot(g: GraphBuilder, a: Arguments) -> Result:
    """Sums over one axis of each, the batch apart."""
    x, y = a.pair()
    found = a.plain(a.get(2, "axes"))
    axes = [x.rank - 1, max(y.rank - 2, 1)] if found is None else a.layer.as_integers(found, "axes")
    axes = axes * 2 if len(axes) == 1 else axes
    left, right = a.layer.axis(axes[0], x.rank), a.layer.axis(axes[1], y.rank)
    if x.rank + y.rank > 20 or 0 in (left, right):
        raise a.layer.malformed(f"its axes are {axes}")
    letters = iter("cdefghijklmnopqrstuvw")
    first = ["a", *("b" if axis == left else next(letters) for axis in range(1, x.rank))]
    second = ["a", *("b" if axis == right else next(letters) for axis in range(1, y.rank))]
    kept = "".join(letter for letter in (*first[1:], *second[1:]) if letter != "b")
    y_ = g.Einsum(x.plain(g), y.plain(g), equation=f"{''.join(first)},{''.join(second)}->a{kept}")
    return plain(y_ if kept else g.Unsqueeze(y_, [1]))


@operation("switch")
def switch(g: GraphBuilder, a: Arguments) -> Result:
    """Keras' operation of this name chooses among functions of Python's."""
    if a.layer.kind.startswith("ops."):
        raise a.layer.unsupported("it holds functions of Python's, which are never run")
    condition = a.tensor(0, "condition")
    one, two = a.tensor(1, "then_expression"), a.tensor(2, "else_expression")
    while condition.rank < one.rank:
        condition = plain(g.Unsqueeze(condition.plain(g), [condition.rank]))
    values, order = together(g, [condition.like(cast(g, condition.value, BOOL)), one, two])
    return Tensor(g.Where(*values), order)


# --- images ----------------------------------------------------------------------------------------------------------


@operation("resize_bilinear", "resize_nearest_neighbor", "resize_images")
def resize_old(g: GraphBuilder, a: Arguments) -> Result:
    """TensorFlow 1 measures from the corners of pixels unless told otherwise; Keras' backend resizes by factors."""
    x, make, _ = spatial(g, a, "images", "x")
    word = "bilinear" if a.name == "resize_bilinear" else "nearest"
    if a.name == "resize_images" and a.get(-1, "height_factor") is not None:
        factors = [a.integer(1, "height_factor"), a.integer(2, "width_factor")]
        word = str(a.get(4, "interpolation", default="nearest"))
        return make(resized(g, a.layer, x, word, None, factors))
    size = a.layer.as_integers(a.plain(a.get(1, "size")), "size")
    if len(size) != 2 or min(size) < 1:
        raise a.layer.malformed(f"its size is {size}")
    corners = a.get(-1, "align_corners")
    mode = "align_corners" if corners else "half_pixel" if a.get(-1, "half_pixel_centers") else "asymmetric"
    nearest = "round_prefer_ceil" if corners else "floor"
    channels = a.layer.fixed(g.shape(x)[1:2])[0]
    sizes = g.Concat(g.Shape(x, start=0, end=1), [channels, *size], axis=0)
    return make(g.op("Resize", x, None, None, sizes, coordinate_transformation_mode=mode,
                     mode="linear" if word == "bilinear" else "nearest",
                     **({"nearest_mode": nearest} if word == "nearest" else {})))  # fmt: skip


@operation("flip_left_right", "flip_up_down")
def flip_image(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    axis = x.place(-2 if a.name == "flip_left_right" else -3)
    return x.like(g.Slice(x.value, [-1], [np.iinfo(np.int64).min], [axis], [-1]))


@operation("central_crop")
def central_crop(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    share = a.layer.as_real(a.get(1, "central_fraction"), "central_fraction")
    value = x.plain(g)
    for axis in (x.rank - 3, x.rank - 2):
        size = a.layer.size(x, axis)
        first = int((size - size * share) / 2)
        value = g.Slice(value, [first], [size - first], [axis])
    return plain(value)


@operation("adjust_brightness", "per_image_standardization", "adjust_contrast")
def adjust(g: GraphBuilder, a: Arguments) -> Result:
    x = source(a)
    if x.value.dtype != F32:
        raise a.layer.unsupported("its images are no floats")
    if a.name == "adjust_brightness":
        return x.like(g.Add(x.value, a.layer.number(x, a.layer.as_real(a.get(1, "delta"), "delta"))))
    axes = [x.rank - 3, x.rank - 2] if a.name == "adjust_contrast" else [x.rank - 3, x.rank - 2, x.rank - 1]
    places = sorted(x.place(axis) for axis in axes)
    mean = g.ReduceMean(x.value, places, keepdims=1)
    apart = g.Sub(x.value, mean)
    if a.name == "adjust_contrast":
        factor = a.layer.number(x, a.layer.as_real(a.get(1, "contrast_factor"), "contrast_factor"))
        return x.like(g.Add(g.Mul(apart, factor), mean))
    count = int(np.prod([a.layer.size(x, axis) for axis in axes]))
    spread = g.Sqrt(g.ReduceMean(g.Mul(apart, apart), places, keepdims=1))
    return x.like(g.Div(apart, g.Max(spread, a.layer.number(x, count**-0.5))))


# --- blocks ----------------------------------------------------------------------------------------------------------


def _pairs(a: Arguments, place: int, key: str) -> list[list[int]]:
    found = a.plain(a.get(place, key))
    rows = [a.layer.as_integers(row, key) for row in found] if isinstance(found, list) else []
    if len(rows) != 2 or any(len(row) != 2 or min(row) < 0 for row in rows):
        raise a.layer.unsupported(f"its {key} are {str(found)[:60]}; onnxhub reads two axes")
    return rows


@operation("space_to_batch_nd", "batch_to_space_nd")
def blocks(g: GraphBuilder, a: Arguments) -> Result:
    """Blocks of pixels as samples of their own: a dilated convolution in TensorFlow's words."""
    x = source(a)
    a.layer.rank(x, 4)
    size = a.layer.as_integers(a.plain(a.get(1, "block_shape")), "block_shape")
    if len(size) != 2 or min(size) < 1:
        raise a.layer.unsupported(f"its blocks are {size}")
    one, two = size
    if a.name == "space_to_batch_nd":
        (top, bottom), (left, right) = _pairs(a, 2, "paddings")
        value = g.Pad(x.plain(g), [0, top, left, 0, 0, bottom, right, 0], a.layer.number(x, 0), mode="constant")
        height, width, channels = a.layer.fixed(g.shape(value)[1:])
        split = g.Reshape(value, [-1, height // one, one, width // two, two, channels])
        turned = g.Transpose(split, perm=[2, 4, 0, 1, 3, 5])
        return plain(g.Reshape(turned, [-1, height // one, width // two, channels]))
    rows = _pairs(a, 2, "crops")
    value = x.plain(g)
    height, width, channels = a.layer.fixed(g.shape(value)[1:])
    split = g.Reshape(value, [one, two, -1, height, width, channels])
    turned = g.Transpose(split, perm=[2, 3, 0, 4, 1, 5])
    whole = g.Reshape(turned, [-1, height * one, width * two, channels])
    starts, stops = [row[0] for row in rows], [-row[1] if row[1] else END for row in rows]
    return plain(g.Slice(whole, starts, stops, [1, 2]))
