"""Operations that lay out arrays: grids, diagonals, stacks and parts, values written to places, products of vectors."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.arguments import Arguments, floats, operation, promoted, together
from workers.formats.keras.read.layer import F32, I32, I64, Result
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

END = np.iinfo(np.int64).max


# --- stacks and parts ------------------------------------------------------------------------------------------------


@operation("append")
def append(g: GraphBuilder, a: Arguments) -> Result:
    x, y = (item.plain(g) for item in a.pair())
    if a.get(2, "axis") is None:
        return plain(g.Concat(g.Reshape(x, [-1]), g.Reshape(y, [-1]), axis=0))
    return plain(g.Concat(x, y, axis=a.layer.axis(a.integer(2, "axis"), len(g.shape(x)))))


@operation("hstack", "vstack", "dstack")
def stacks(g: GraphBuilder, a: Arguments) -> Result:
    xs = promoted(g, a.tensors(0, "xs", "x"))
    rank = {"hstack": 1, "vstack": 2, "dstack": 3}[a.name]
    values = []
    for x in xs:
        value, have = x.plain(g), x.rank
        new = list(range(rank - have)) if a.name != "dstack" else {0: [0, 1, 2], 1: [0, 2], 2: [2]}.get(have, [])
        values.append(g.Unsqueeze(value, new) if have < rank else value)
    axis = {"hstack": 0 if len(g.shape(values[0])) == 1 else 1, "vstack": 0, "dstack": 2}[a.name]
    return plain(g.Concat(*values, axis=axis))


@operation("array_split", "hsplit", "vsplit", "dsplit")
def parts(g: GraphBuilder, a: Arguments) -> Result:
    """So many parts, the first ones longer by one where they are not equal; or cuts at places."""
    x = a.tensor(0, "x")
    fixed = {"hsplit": 0 if x.rank == 1 else 1, "vsplit": 0, "dsplit": 2}.get(a.name)
    axis = a.layer.axis(a.integer(2, "axis", default=0) if fixed is None else fixed, x.rank)
    found = a.plain(a.get(1, "indices_or_sections"))
    numbers = a.layer.as_integers(found, "indices_or_sections")
    value = x.plain(g)
    if not isinstance(found, list) and numbers == [1]:
        return [plain(value)]
    size = a.layer.size(x, axis)
    if isinstance(found, list):
        sizes = [b - c for b, c in zip([*numbers, size], [0, *numbers], strict=True)]
    else:
        count = numbers[0]
        if not 1 <= count <= 4096:
            raise a.layer.malformed(f"it makes {count} parts")
        sizes = [size // count + int(place < size % count) for place in range(count)]
    if min(sizes) < 0 or sum(sizes) != size:
        raise a.layer.malformed(f"{size} cannot be split in {sizes[:20]}")
    return [plain(part) for part in g.ops("Split", value, sizes, outputs=len(sizes), axis=axis)]


@operation("rot90")
def rot90(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "array", "m", "x")
    axes = a.axes(x, 2, "axes") or [0, 1]
    if len(axes) != 2 or axes[0] == axes[1]:
        raise a.layer.malformed(f"it turns the axes {axes}")
    value, turns = x.plain(g), a.integer(1, "k", default=1) % 4
    flips = {0: [], 1: axes[1:], 2: axes, 3: axes[:1]}[turns]
    if flips:
        count = len(flips)
        value = g.Slice(value, [-1] * count, [np.iinfo(np.int64).min] * count, flips, [-1] * count)
    if turns % 2:
        perm = list(range(x.rank))
        perm[axes[0]], perm[axes[1]] = perm[axes[1]], perm[axes[0]]
        value = g.Transpose(value, perm=perm)
    return plain(value)


# --- diagonals -------------------------------------------------------------------------------------------------------


def diagonal_of(g: GraphBuilder, a: Arguments, x: Tensor, offset: int, one: int, two: int) -> Value:
    """Elements [i, i + offset] of two axes, as a last axis."""
    rest = [axis for axis in range(x.rank) if axis not in (one, two)]
    value = g.Transpose(x.plain(g), perm=[one, two, *rest])
    rows, columns = a.layer.size(x, one), a.layer.size(x, two)
    count = min(rows + min(offset, 0), columns - max(offset, 0))
    if count < 1:
        raise a.layer.malformed(f"its diagonal {offset} does not exist in {rows} x {columns}")
    places = np.stack([np.arange(count) - min(offset, 0), np.arange(count) + max(offset, 0)], axis=1)
    picked = g.GatherND(value, g.constant(places), batch_dims=0)
    return g.Transpose(picked, perm=[*range(1, len(rest) + 1), 0]) if rest else picked


@operation("diagonal", "trace")
def diagonal(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    one, two = (a.layer.axis(a.integer(place, f"axis{place - 1}", default=place - 2), x.rank) for place in (2, 3))
    y = diagonal_of(g, a, x, a.integer(1, "offset", default=0), one, two)
    return plain(g.ReduceSum(y, [-1], keepdims=0) if a.name == "trace" else y)


@operation("diag", "diagflat")
def diag(g: GraphBuilder, a: Arguments) -> Result:
    """A matrix out of a vector, the diagonal out of a matrix."""
    x, k = a.tensor(0, "x", "v"), a.integer(1, "k", default=0)
    if x.rank == 2 and a.name == "diag":
        return plain(diagonal_of(g, a, x, k, 0, 1))
    row = g.Reshape(x.plain(g), [-1])
    count = g.Add(g.Shape(row), [abs(k)])
    hot = cast(g, g.EyeLike(g.ConstantOfShape(g.Concat(count, count, axis=0)), k=k), a.layer.element(x))
    pads = [max(-k, 0), max(k, 0)]
    return plain(g.Mul(hot, g.Unsqueeze(g.Pad(row, pads, a.layer.number(x, 0), mode="constant"), [1])))


# --- grids -----------------------------------------------------------------------------------------------------------


@operation("meshgrid")
def meshgrid(g: GraphBuilder, a: Arguments) -> Result:
    xs = [item for item in a.layer.args if isinstance(item, Tensor)] or a.tensors(0, "x")
    count = len(xs)
    places = list(range(count))
    if str(a.get(-1, "indexing", default="xy")) == "xy" and count > 1:
        places[0], places[1] = 1, 0
    rows = []
    for x, place in zip(xs, places, strict=True):
        shape = [1] * count
        shape[place] = -1
        rows.append(g.Reshape(x.plain(g), shape))
    sizes = [g.Shape(rows[places.index(place)], start=place, end=place + 1) for place in range(count)]
    shape_of_all = g.Concat(*sizes, axis=0)
    return [plain(g.Expand(row, shape_of_all)) for row in rows]


@operation("linspace", "logspace", "geomspace")
def linspace(g: GraphBuilder, a: Arguments) -> Result:
    """Equal steps from start to stop, of the numbers themselves or of exponents."""
    xs = promoted(g, [floats(g, x) for x in a.pair(("start",), ("stop",))])
    (start, stop), order = together(g, xs)
    rank = len(order)
    num, ends = a.integer(2, "num", default=50), bool(a.get(3, "endpoint", default=True))
    if not 1 <= num <= 1 << 16 or a.get(-1, "retstep"):
        raise a.layer.unsupported(f"it makes {num} steps, or gives the size of a step")
    axis = a.layer.axis(a.integer(-1, "axis", default=0), rank + 1)
    if a.name == "geomspace":
        start, stop = g.Log(start), g.Log(stop)
    shape = [1] * (rank + 1)
    shape[axis] = num
    steps = (np.arange(num) / max(num - 1 if ends else num, 1)).reshape(shape).astype(a.layer.element(start).numpy())
    first = g.Unsqueeze(start, [axis])
    y = g.Add(first, g.Mul(g.Unsqueeze(g.Sub(stop, start), [axis]), steps))
    if a.name == "logspace":
        y = g.Pow(a.layer.number(y, a.layer.as_real(a.get(-1, "base"), "base", 10.0)), y)
    y = g.Exp(y) if a.name == "geomspace" else y
    dtype = a.dtype(-1, "dtype")
    return plain(y if dtype is None else cast(g, y, dtype))


@operation("vander")
def vander(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    columns = a.integer(1, "N", default=a.layer.size(x, 0) if a.get(1, "N") is None else 1)
    powers = np.arange(columns) if a.get(2, "increasing") else np.arange(columns)[::-1]
    return plain(g.Pow(g.Unsqueeze(x.plain(g), [1]), powers.astype(a.layer.element(x).numpy())))


# --- values at places ------------------------------------------------------------------------------------------------


@operation("scatter", "scatter_nd")
def scatter(g: GraphBuilder, a: Arguments) -> Result:
    """Values added up at their places in zeros."""
    indices, values = a.tensor(0, "indices"), a.tensor(1, "values", "updates")
    shape = a.get(2, "shape")
    sizes = shape.plain(g) if isinstance(shape, Tensor) else g.constant(a.layer.as_integers(a.plain(shape), "shape"))
    zeros = g.Expand(a.layer.number(values, 0), cast(g, sizes, I64))
    return plain(g.ScatterND(zeros, cast(g, indices.plain(g), I64), values.plain(g), reduction="add"))


@operation("scatter_update", "tensor_scatter_nd_update")
def scatter_update(g: GraphBuilder, a: Arguments) -> Result:
    x, indices = a.tensor(0, "inputs", "tensor"), a.tensor(1, "indices")
    updates = a.tensor(2, "updates", like=x.value.dtype)
    word = a.get(-1, "reduction")
    reduction = {None: "none", "add": "add", "max": "max", "min": "min", "mul": "mul"}.get(word)
    if reduction is None:
        raise a.layer.unsupported(f"its reduction is {word!r}")
    value = cast(g, updates.plain(g), a.layer.element(x))
    return plain(g.ScatterND(x.plain(g), cast(g, indices.plain(g), I64), value, reduction=reduction))


@operation("slice_update")
def slice_update(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "inputs")
    starts = a.layer.as_integers(a.plain(a.get(1, "start_indices")), "start_indices")
    updates = a.tensor(2, "updates", like=x.value.dtype)
    sizes = a.layer.sizes(updates)
    if len(starts) != x.rank or len(sizes) != x.rank or min(starts) < 0:
        raise a.layer.malformed(f"it writes {sizes} at {starts}")
    grid = np.stack(np.meshgrid(*(np.arange(s, s + n) for s, n in zip(starts, sizes, strict=True)), indexing="ij"), -1)
    return plain(g.ScatterND(x.plain(g), g.constant(grid), cast(g, updates.plain(g), a.layer.element(x))))


@operation("nonzero")
def nonzero(g: GraphBuilder, a: Arguments) -> Result:
    """The places of what is not zero, one tensor an axis: as many as there happen to be."""
    x = a.tensor(0, "x", "condition")
    found = cast(g, g.NonZero(x.plain(g)), I32 if a.layer.kind.startswith("ops.") else I64)
    rows = g.ops("Split", found, [1] * x.rank, outputs=x.rank, axis=0)
    return [plain(g.Squeeze(row, [0])) for row in rows]


@operation("unravel_index")
def unravel_index(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "indices")
    found, rest = [], x.value
    sizes = a.layer.as_integers(a.plain(a.get(1, "shape")), "shape")
    # Of indices in several axes Keras takes the sizes from the front.
    for size in reversed(sizes) if x.rank == 1 else sizes:
        count = a.layer.number(x, size)
        place = g.Mod(rest, count)
        found.append(x.like(place))
        rest = g.Div(g.Sub(rest, place), count)
    return list(reversed(found))


@operation("is_in", "isin")
def is_in(g: GraphBuilder, a: Arguments) -> Result:
    x, y = a.pair()
    same = g.Equal(g.Unsqueeze(x.plain(g), [x.rank]), g.Reshape(y.plain(g), [-1]))
    found = g.Greater(g.ReduceMax(cast(g, same, I32), [x.rank], keepdims=0), np.asarray(0, np.int32))
    return plain(g.Not(found) if a.get(-1, "invert") else found)


# --- products of vectors ---------------------------------------------------------------------------------------------


@operation("outer", "inner", "vdot")
def vector_product(g: GraphBuilder, a: Arguments) -> Result:
    x, y = a.pair()
    if a.name == "outer":
        return plain(g.Mul(g.Reshape(x.plain(g), [-1, 1]), g.Reshape(y.plain(g), [1, -1])))
    if a.name == "vdot":
        product = g.Mul(g.Reshape(x.plain(g), [-1]), g.Reshape(y.plain(g), [-1]))
        return plain(g.ReduceSum(product, [0], keepdims=0))
    if 0 in (x.rank, y.rank):
        return plain(g.Mul(x.plain(g), y.plain(g)))
    if x.rank + y.rank > 20:
        raise a.layer.malformed("its operands have too many axes")
    first, second = ("".join(chr(98 + place) for place in range(start, stop))
                     for start, stop in ((0, x.rank - 1), (x.rank - 1, x.rank + y.rank - 2)))  # fmt: skip
    return plain(g.Einsum(x.plain(g), y.plain(g), equation=f"{first}a,{second}a->{first}{second}"))


@operation("cross")
def cross(g: GraphBuilder, a: Arguments) -> Result:
    xs = a.pair()
    axes = [a.integer(-1, key, default=-1) for key in ("axisa", "axisb", "axisc")]
    if a.get(-1, "axis") is not None:
        axes = [a.integer(-1, "axis")] * 3
    if any(axis not in (-1, x.rank - 1) for axis, x in zip([*axes, axes[2]], [*xs, *xs], strict=True)):
        raise a.layer.unsupported("it multiplies along axes that are not the last")
    if any(a.layer.size(x, -1) != 3 for x in xs):
        raise a.layer.unsupported("its vectors do not have three components")
    (x, y), _ = together(g, xs)
    next_, after = np.asarray([1, 2, 0]), np.asarray([2, 0, 1])
    one = g.Mul(g.Gather(x, next_, axis=-1), g.Gather(y, after, axis=-1))
    return plain(g.Sub(one, g.Mul(g.Gather(x, after, axis=-1), g.Gather(y, next_, axis=-1))))


@operation("kron")
def kron(g: GraphBuilder, a: Arguments) -> Result:
    x, y = a.pair()
    rank = max(x.rank, y.rank)
    values, sizes = [], []
    for item in (x, y):
        value = item.plain(g)
        value = g.Unsqueeze(value, list(range(rank - item.rank))) if item.rank < rank else value
        values.append(value)
        sizes.append(a.layer.fixed(g.shape(value)[1:]))
    one = g.Unsqueeze(values[0], list(range(1, 2 * rank, 2)))
    two = g.Unsqueeze(values[1], list(range(0, 2 * rank, 2)))
    return plain(g.Reshape(g.Mul(one, two), [-1, *(m * n for m, n in zip(*sizes, strict=True))]))


@operation("det")
def det(g: GraphBuilder, a: Arguments) -> Result:
    return plain(g.Det(floats(g, a.tensor(0, "x", "a")).plain(g)))


@operation("logdet", "slogdet")
def logdet(g: GraphBuilder, a: Arguments) -> Result:
    found = g.Det(floats(g, a.tensor(0, "x")).plain(g))
    logs = g.Log(g.Abs(found))
    return [plain(g.Sign(found)), plain(logs)] if a.name == "slogdet" else plain(logs)


# --- the rest --------------------------------------------------------------------------------------------------------


@operation("array", "asarray")
def array(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    dtype = a.dtype(1, "dtype")
    return x if dtype is None else x.like(cast(g, x.value, dtype))


@operation("view")
def view(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    if a.dtype(1, "dtype") not in (None, x.value.dtype):
        raise a.layer.unsupported("ONNX cannot look at the bits of a number")
    return x


@operation("size", "ndim", "rank")
def size(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input")
    if a.name != "size":
        return plain(g.constant(np.asarray(x.rank, np.int32)))
    return plain(cast(g, g.Size(x.value), a.dtype(-1, "out_type") or I32))


@operation("full", "zeros", "ones")
def full(g: GraphBuilder, a: Arguments) -> Result:
    """A shape may be computed."""
    shape = a.get(0, "shape", "dims")
    dtype = a.dtype(-1, "dtype")
    fill = {"zeros": 0, "ones": 1}.get(a.name, a.get(0 if a.get(-1, "shape") is not None else 1, "fill_value", "value"))
    value = a.as_tensor(fill, dtype or F32)
    value = value if dtype is None else value.like(cast(g, value.value, dtype))
    parts_ = shape if isinstance(shape, list) else [shape]
    rows = [g.Reshape(cast(g, a.as_tensor(item).plain(g), I64), [-1]) for item in parts_]
    return plain(g.Expand(value.plain(g), rows[0] if len(rows) == 1 else g.Concat(*rows, axis=0)))


@operation("arange", "range")
def arange(g: GraphBuilder, a: Arguments) -> Result:
    """One number counts from 0 up to it."""
    start, stop, step = a.get(0, "start"), a.get(1, "stop", "limit"), a.get(2, "step", "delta", default=1)
    if stop is None:
        start, stop = 0, start
    like = next((item.value.dtype for item in (start, stop, step) if isinstance(item, Tensor)), None)
    xs = promoted(g, [a.as_tensor(item, like) for item in (start, stop, step)])
    y = g.Range(*(g.Reshape(x.plain(g), []) if x.rank else x.value for x in xs))
    dtype = a.dtype(-1, "dtype")
    return plain(y if dtype is None else cast(g, y, dtype))
