"""Operations that order, count and average: medians and quantiles, histograms by bins, and reductions that skip NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from workers.formats.keras.read.arguments import Arguments, floats, operation, together
from workers.formats.keras.read.layer import BOOL, F32, I32, I64, Result
from workers.formats.keras.read.operations_reduce import reduced
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value


@operation("average")
def average(g: GraphBuilder, a: Arguments) -> Result:
    """Weights of one axis lie along it."""
    x = floats(g, a.tensor(0, "x"))
    given = a.get(2, "weights")
    if given is None:
        return reduced(g, a, x, "ReduceMean")
    axes = a.axes(x, 1, "axis")
    weights = a.as_tensor(given, x.value.dtype).plain(g)
    if axes is not None and len(g.shape(weights)) == 1 and x.rank > 1:
        weights = g.Unsqueeze(weights, [axis for axis in range(x.rank) if axis != axes[0]])
    weights = cast(g, weights, x.value.dtype or F32)
    x = Tensor(x.plain(g), tuple(range(x.rank)))
    spread = x.like(g.Mul(weights, a.layer.number(x, 1)))
    if g.shape(spread.value) != g.shape(x.value):
        spread = x.like(g.Expand(weights, g.Shape(x.value)))
    above, below = (reduced(g, a, item, "ReduceSum") for item in (x.like(g.Mul(x.value, weights)), spread))
    return above.like(g.Div(above.value, below.value))


@operation("ptp")
def ptp(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    high, low = (reduced(g, a, x, operator) for operator in ("ReduceMax", "ReduceMin"))
    return high.like(g.Sub(high.value, low.value))


@operation("moments")
def moments(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    axes = a.axes(x, 1, "axes", "axis") or []
    x = Tensor(x.plain(g), tuple(range(x.rank)))
    keep = int(bool(a.get(-1, "keepdims", "keep_dims", default=False)))
    apart = g.Sub(x.value, g.ReduceMean(x.value, axes, keepdims=1))
    return [plain(g.ReduceMean(value, axes, keepdims=keep)) for value in (x.value, g.Mul(apart, apart))]


@operation("count_nonzero")
def count_nonzero(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x")
    return reduced(g, a, x.like(cast(g, cast(g, x.value, BOOL), I32)), "ReduceSum")


# --- quantiles -------------------------------------------------------------------------------------------------------


@operation("median", "quantile", "percentile")
def quantile(g: GraphBuilder, a: Arguments) -> Result:
    """Sorted along the axes, then between the two that lie around (size - 1) * q.

    Keras' operation forgets its ``method`` as it runs, and always interpolates.
    """
    x = floats(g, a.tensor(0, "x"))
    asked: Any = 0.5 if a.name == "median" else a.get(1, "q")
    asked = a.array(a.plain(asked)).astype(np.float64) / (100 if a.name == "percentile" else 1)
    axes = a.axes(x, 2 if a.name != "median" else 1, "axis")
    keep = bool(a.get(-1, "keepdims", default=False))
    gone = list(range(x.rank)) if axes is None else sorted(axes)
    kept = [axis for axis in range(x.rank) if axis not in gone]
    value, size = _last(g, a, x, kept, gone)
    if isinstance(size, int):
        parts = [_between(g, a, value, size, float(q)) for q in asked.reshape(-1)]
    else:
        parts = [_between_free(g, a, value, size, float(q)) for q in asked.reshape(-1)]
    shaped = [g.Unsqueeze(part, gone) if keep and gone else part for part in parts]
    if not asked.ndim:
        return plain(shaped[0])
    return plain(g.Concat(*(g.Unsqueeze(part, [0]) for part in shaped), axis=0))


def _last(g: GraphBuilder, a: Arguments, x: Tensor, kept: list[int], gone: list[int]) -> tuple[Value, int | Value]:
    """The reduced axes as one last axis, sorted upwards, and its size."""
    value = g.Transpose(x.plain(g), perm=[*kept, *gone]) if [*kept, *gone] != list(range(x.rank)) else x.plain(g)
    if len(gone) != 1:
        heads = [dim if isinstance(dim, int) else 0 for dim in g.shape(value)[: len(kept)]]
        value = g.Reshape(value, [*heads, -1])
    last = g.shape(value)[-1]
    size: int | Value = last if isinstance(last, int) else g.Shape(value, start=len(kept), end=len(kept) + 1)
    count = [size] if isinstance(size, int) else size
    return g.ops("TopK", value, count, outputs=2, axis=-1, largest=0, sorted=1)[0], size


def _between(g: GraphBuilder, a: Arguments, value: Value, size: int, q: float) -> Value:
    place = (size - 1) * q
    low, high = math.floor(place), math.ceil(place)
    rank = len(g.shape(value))

    def at(index: int) -> Value:
        return g.Squeeze(g.Slice(value, [index], [index + 1], [rank - 1]), [rank - 1])

    share = place - low
    if low == high or not share:
        return at(low)
    return g.Add(g.Mul(at(low), a.layer.number(value, 1 - share)), g.Mul(at(high), a.layer.number(value, share)))


def _between_free(g: GraphBuilder, a: Arguments, value: Value, size: Value, q: float) -> Value:
    """The same where the number of values is known only as the model runs."""
    place = g.Mul(cast(g, g.Sub(size, [1]), F32), np.float32(q))
    low = g.Floor(place)
    one, two = (g.Squeeze(g.Gather(value, cast(g, at, I64), axis=-1), [-1]) for at in (low, g.Ceil(place)))
    share = cast(g, g.Squeeze(g.Sub(place, low)), a.layer.element(value))
    return g.Add(one, g.Mul(g.Sub(two, one), share))


# --- bins ------------------------------------------------------------------------------------------------------------


@operation("digitize", "search_sorted", "searchsorted")
def digitize(g: GraphBuilder, a: Arguments) -> Result:
    """How many bounds lie below (or not above) each value."""
    if a.name == "digitize":
        x, bounds, right = a.tensor(0, "x"), a.get(1, "bins"), True
    else:
        bounds, x = a.get(0, "sorted_sequence"), a.tensor(1, "values")
        right = str(a.get(2, "side", default="left")) == "right"
    x = floats(g, x)
    row = cast(g, a.as_tensor(bounds, x.value.dtype).plain(g), a.layer.element(x))
    a.layer.rank(plain(row), 1)
    wide = g.Unsqueeze(x.plain(g), [x.rank])
    below = g.GreaterOrEqual(wide, row) if right else g.Greater(wide, row)
    return plain(g.ReduceSum(cast(g, below, I32), [x.rank], keepdims=0))


@operation("bincount")
def bincount(g: GraphBuilder, a: Arguments) -> Result:
    """As many columns as the largest number asks for, at least ``minlength``."""
    x = a.tensor(0, "x")
    if a.get(-1, "sparse"):
        raise a.layer.unsupported("its result is sparse")
    value = cast(g, x.plain(g), I64)
    least = a.integer(-1, "minlength", default=0)
    depth = g.Max(g.Add(g.ReduceMax(value, keepdims=0), np.asarray(1)), np.asarray(least))
    weights = a.get(1, "weights")
    hot = g.OneHot(value, depth, np.asarray([0, 1], np.float32 if weights is not None else np.int64), axis=-1)
    if weights is None:
        return plain(cast(g, g.ReduceSum(hot, [x.rank - 1], keepdims=0), I32))
    given = cast(g, a.as_tensor(weights, F32).plain(g), F32)
    return plain(g.ReduceSum(g.Mul(hot, g.Unsqueeze(given, [len(g.shape(given))])), [x.rank - 1], keepdims=0))


@operation("multi_hot")
def multi_hot(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "inputs", "x")
    count = a.integer(1, "num_classes", "num_tokens")
    dtype = a.dtype(3, "dtype") or F32
    if a.get(-1, "sparse"):
        raise a.layer.unsupported("its result is sparse")
    if a.integer(2, "axis", default=-1) not in (-1, x.rank):
        raise a.layer.unsupported("its classes are not the last axis")
    hot = g.OneHot(cast(g, x.plain(g), I64), np.asarray(count), np.asarray([0, 1], np.float32), axis=-1)
    return plain(cast(g, g.ReduceMax(hot, [max(x.rank - 1, 0)], keepdims=0) if x.rank > 1 else hot, dtype))


@operation("in_top_k")
def in_top_k(g: GraphBuilder, a: Arguments) -> Result:
    """Whether fewer than k predictions are larger than that of the target."""
    targets, predictions = a.tensor(0, "targets").plain(g), floats(g, a.tensor(1, "predictions")).plain(g)
    own = g.GatherElements(predictions, g.Unsqueeze(cast(g, targets, I64), [1]), axis=1)
    above = g.ReduceSum(cast(g, g.Greater(predictions, own), I32), [1], keepdims=0)
    return plain(g.Less(above, np.asarray(a.integer(2, "k"), np.int32)))


@operation("segment_sum", "segment_max", "segment_min", "segment_prod")
def segment(g: GraphBuilder, a: Arguments) -> Result:
    """Rows with one number are joined; a number that does not occur gives the neutral element."""
    x, ids = a.tensor(0, "data"), a.tensor(1, "segment_ids")
    count = a.get(2, "num_segments")
    if count is None:
        raise a.layer.unsupported("it does not say how many segments there are")
    value = x.plain(g)
    dtype = a.layer.element(x).numpy()
    info: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    start = {"segment_sum": 0, "segment_max": info.min, "segment_min": info.max, "segment_prod": 1}[a.name]
    if dtype.kind == "f" and a.name in ("segment_max", "segment_min"):
        start = -math.inf if a.name == "segment_max" else math.inf
    shape = g.Concat([a.integer(2, "num_segments")], g.Shape(value, start=1), axis=0)
    base = g.Expand(np.asarray(start).astype(dtype), shape)
    reduction = {"segment_sum": "add", "segment_max": "max", "segment_min": "min", "segment_prod": "mul"}[a.name]
    return plain(g.ScatterND(base, g.Unsqueeze(cast(g, ids.plain(g), I64), [1]), value, reduction=reduction))


# --- without what is not a number ------------------------------------------------------------------------------------

_NEUTRAL = {"nansum": 0.0, "nanprod": 1.0, "nanmax": -math.inf, "nanmin": math.inf}
_REDUCE = {"nansum": "ReduceSum", "nanprod": "ReduceProd", "nanmax": "ReduceMax", "nanmin": "ReduceMin"}


def _numbers(g: GraphBuilder, a: Arguments, value: float) -> tuple[Tensor, Tensor]:
    """The input with ``value`` where it is no number, and 1 where it is one."""
    x = floats(g, a.tensor(0, "x"))
    lost = g.IsNaN(x.value)
    filled = x.like(g.Where(lost, a.layer.number(x, value), x.value))
    return filled, x.like(cast(g, g.Not(lost), a.layer.element(x)))


@operation("nansum", "nanprod", "nanmax", "nanmin")
def nan_reduction(g: GraphBuilder, a: Arguments) -> Result:
    filled, there = _numbers(g, a, _NEUTRAL[a.name])
    y = reduced(g, a, filled, _REDUCE[a.name])
    if a.name in ("nansum", "nanprod"):
        return y
    some = reduced(g, a, there, "ReduceMax")
    return y.like(g.Where(cast(g, some.value, BOOL), y.value, a.layer.number(y, math.nan)))


@operation("nanmean", "nanvar", "nanstd")
def nan_moment(g: GraphBuilder, a: Arguments) -> Result:
    filled, there = _numbers(g, a, 0.0)
    count = reduced(g, a, there, "ReduceSum")
    if a.name == "nanmean":
        return count.like(g.Div(reduced(g, a, filled, "ReduceSum").value, count.value))
    axes = a.axes(filled, 1, "axis")
    places = None if axes is None else [filled.place(axis) for axis in axes]
    centre = g.Div(g.ReduceSum(filled.value, places, keepdims=1), g.ReduceSum(there.value, places, keepdims=1))
    apart = g.Mul(g.Sub(filled.value, centre), there.value)
    y = g.Div(reduced(g, a, filled.like(g.Mul(apart, apart)), "ReduceSum").value, count.value)
    return count.like(g.Sqrt(y) if a.name == "nanstd" else y)


@operation("nanargmax", "nanargmin")
def nan_arg(g: GraphBuilder, a: Arguments) -> Result:
    """-1 where there is no number at all."""
    filled, there = _numbers(g, a, -math.inf if a.name == "nanargmax" else math.inf)
    axes = a.axes(filled, 1, "axis")
    values = [filled.plain(g), there.plain(g)]
    if axes is None:
        values, axes = [g.Reshape(value, [-1]) for value in values], [0]
    keep = int(bool(a.get(-1, "keepdims", default=False)))
    y = g.op("ArgMax" if a.name == "nanargmax" else "ArgMin", values[0], axis=axes[0], keepdims=keep)
    some = cast(g, g.ReduceMax(values[1], axes[:1], keepdims=keep), BOOL)
    return plain(g.Where(some, cast(g, y, I32), np.asarray(-1, np.int32)))


# --- running ---------------------------------------------------------------------------------------------------------


@operation("cumsum", "nancumsum", "cumprod", "nancumprod")
def running(g: GraphBuilder, a: Arguments) -> Result:
    """Over all elements in a row where no axis is given."""
    product = a.name.endswith("prod")
    x = _numbers(g, a, float(product))[0] if a.name.startswith("nan") else a.tensor(0, "x")
    axes = a.axes(x, 1, "axis")
    value = x.plain(g)
    if axes is None and a.layer.kind.startswith("ops."):
        value = g.Reshape(value, [-1])
    axis = (axes or [0])[0]
    dtype = a.dtype(2, "dtype")
    value = value if dtype is None else cast(g, value, dtype)
    if value.dtype == BOOL:
        value = cast(g, value, I32)
    flags = {key: int(bool(a.get(-1, key))) for key in ("exclusive", "reverse")}
    if not product:
        return plain(g.CumSum(value, np.asarray(axis), **flags))
    if any(flags.values()):
        raise a.layer.unsupported("it is exclusive or runs backwards")
    return plain(_products(g, a, value, axis))


def _products(g: GraphBuilder, a: Arguments, value: Value, axis: int) -> Value:
    """ONNX has no running product: each round multiplies by what lies twice as far in front."""
    size = a.layer.fixed(g.shape(value)[axis : axis + 1])[0]
    rank, reach = len(g.shape(value)), 1
    while reach < size:
        pads = [0] * (2 * rank)
        pads[axis], pads[rank + axis] = reach, -reach
        value = g.Mul(value, g.Pad(value, pads, a.layer.number(value, 1), mode="constant"))
        reach *= 2
    return value


@operation("diff")
def diff(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "a", "x")
    axis = a.layer.axis(a.integer(2, "axis", default=-1), x.rank)
    value = x.plain(g)
    end = np.iinfo(np.int64).max
    for _ in range(min(a.integer(1, "n", default=1), 64)):
        value = g.Sub(g.Slice(value, [1], [end], [axis]), g.Slice(value, [0], [-1], [axis]))
    return plain(value)


@operation("trapezoid")
def trapezoid(g: GraphBuilder, a: Arguments) -> Result:
    y = floats(g, a.tensor(0, "y"))
    if a.get(1, "x") is not None:
        raise a.layer.unsupported("its points are given one by one")
    axis = a.layer.axis(a.integer(3, "axis", default=-1), y.rank)
    value, end = y.plain(g), np.iinfo(np.int64).max
    pair = g.Add(g.Slice(value, [1], [end], [axis]), g.Slice(value, [0], [-1], [axis]))
    half = a.layer.as_real(a.get(2, "dx"), "dx", 1.0) / 2
    return plain(g.ReduceSum(g.Mul(pair, a.layer.number(pair, half)), [axis], keepdims=0))


@operation("cdist")
def cdist(g: GraphBuilder, a: Arguments) -> Result:
    one, two = a.pair()
    if min(one.rank, two.rank) < 2:
        raise a.layer.malformed("its inputs have no rows")
    x, y = one.plain(g), two.plain(g)
    apart = g.Sub(g.Unsqueeze(x, [-2]), g.Unsqueeze(y, [-3]))
    return plain(g.ReduceL2(apart, [-1], keepdims=0))


@operation("psnr")
def psnr(g: GraphBuilder, a: Arguments) -> Result:
    values, _ = together(g, a.pair())
    apart = g.Sub(*values)
    error = g.ReduceMean(g.Mul(apart, apart), keepdims=0)
    most = a.layer.as_real(a.get(2, "max_val"), "max_val")
    level = a.layer.number(error, 20 * math.log10(most) if most > 0 else 0.0)
    return plain(g.Sub(level, g.Mul(g.Log(error), a.layer.number(error, 10 / math.log(10)))))
