"""Operations that reduce, order and count along axes, and products of tensors."""

from __future__ import annotations

import math

from workers.formats.keras.read.arguments import Arguments, floats, operation, promoted
from workers.formats.keras.read.layer import BOOL, F32, I32, I64, Result
from workers.formats.keras.read.tensor import Tensor, plain
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder, Value

REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
    "amax": "ReduceMax", "amin": "ReduceMin", "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


def _kept(a: Arguments) -> bool:
    return bool(a.get(-1, "keepdims", "keep_dims", default=False))


def reduced(g: GraphBuilder, a: Arguments, x: Tensor, operator: str) -> Tensor:
    """A reduction where the value lies; kept axes leave the order as it is."""
    axes = a.axes(x, 1, "axis", "reduction_indices")
    if axes is not None and not axes:
        return x
    places = None if axes is None else sorted(x.place(axis) for axis in axes)
    keep = _kept(a)
    y = g.op(operator, x.value, None if places is None else places, keepdims=int(keep))
    if keep:
        return Tensor(y, x.order)
    gone = set(range(x.rank) if axes is None else axes)
    left = [axis for axis in x.order if axis not in gone]
    ranks = {axis: place for place, axis in enumerate(sorted(left))}
    return Tensor(y, tuple(ranks[axis] for axis in left))


@operation(*REDUCTIONS)
def reduction(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input_tensor", "a")
    if a.name in ("mean", "logsumexp") and x.value.dtype not in FLOATS:
        x = x.like(cast(g, x.value, F32))
    if x.value.dtype == BOOL:
        x = x.like(cast(g, x.value, I32))
    y = reduced(g, a, x, REDUCTIONS[a.name])
    initial, operator = a.get(-1, "initial"), {"max": "Max", "min": "Min", "amax": "Max", "amin": "Min"}.get(a.name)
    if initial is None or operator is None:
        return y
    return y.like(g.op(operator, y.value, a.layer.number(y, a.layer.as_real(initial, "initial"))))


@operation("any", "all")
def truth(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input_tensor")
    y = reduced(g, a, x.like(cast(g, cast(g, x.value, BOOL), I32)), "ReduceMax" if a.name == "any" else "ReduceMin")
    return y.like(cast(g, y.value, BOOL))


@operation("var", "std")
def spread(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input_tensor")
    axes = a.axes(x, 1, "axis")
    places = None if axes is None else [x.place(axis) for axis in axes]
    centred = g.Sub(x.value, g.ReduceMean(x.value, places, keepdims=1))
    y = reduced(g, a, x.like(g.Mul(centred, centred)), "ReduceMean")
    return y.like(g.Sqrt(y.value)) if a.name == "std" else y


@operation("norm")
def norm(g: GraphBuilder, a: Arguments) -> Result:
    """Of vectors along one axis (or all of it); of matrices in two."""
    order = a.get(-1, "ord")
    x = floats(g, a.tensor(0, "x", "tensor"))
    axes = a.axes(x, 2 if a.layer.kind.startswith("ops.") else -1, "axis")
    if order in (None, "euclidean", "fro") or (order == 2 and (axes is None or len(axes) == 1)):
        return reduced(g, a, x, "ReduceL2")
    if isinstance(order, str | float | int) and str(order).lower() in ("inf", "-inf", "infinity", "-infinity"):
        order = math.inf if not str(order).startswith("-") else -math.inf
    matrix = len(axes) == 2 if axes is not None else x.rank == 2
    if isinstance(order, bool | str) or not isinstance(order, int | float):
        raise a.layer.unsupported(f"its order is {str(order)[:20]!r}")
    if not matrix:
        return _vector_norm(g, a, x, order)
    if abs(order) not in (1, math.inf):
        raise a.layer.unsupported(f"its order is {order} of matrices, which needs their singular values")
    rows, columns = axes or [0, 1]
    summed, other = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = g.ReduceSum(g.Abs(x.plain(g)), [summed], keepdims=1)
    y = g.op("ReduceMax" if order > 0 else "ReduceMin", sums, [other], keepdims=1)
    return plain(y if _kept(a) else g.Squeeze(y, sorted([rows, columns])))


def _vector_norm(g: GraphBuilder, a: Arguments, x: Tensor, order: float) -> Tensor:
    size = x.like(g.Abs(x.value))
    if math.isinf(order):
        return reduced(g, a, size, "ReduceMax" if order > 0 else "ReduceMin")
    if order == 0:
        return reduced(g, a, x.like(cast(g, cast(g, x.value, BOOL), x.value.dtype or F32)), "ReduceSum")
    if order == 1:
        return reduced(g, a, size, "ReduceSum")
    total = reduced(g, a, x.like(g.Pow(size.value, a.layer.number(x, order))), "ReduceSum")
    return total.like(g.Pow(total.value, a.layer.number(x, 1 / order)))


@operation("argmax", "argmin")
def arg(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input")
    axes = a.axes(x, 1, "axis", "dimension")
    value = x.plain(g)
    if axes is None:
        value, axes = g.Reshape(value, [-1]), [0]
    keep = _kept(a)
    y = g.op("ArgMax" if a.name == "argmax" else "ArgMin", value, axis=axes[0], keepdims=int(keep))
    dtype = a.dtype(-1, "output_type") or (I32 if a.layer.kind.startswith("ops.") else I64)
    return plain(cast(g, y, dtype))


@operation("top_k")
def top_k(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "input")
    values, places = g.ops("TopK", x.plain(g), [a.integer(1, "k", default=1)], outputs=2, axis=-1, largest=1, sorted=1)
    return [plain(values), plain(cast(g, places, I32))]


@operation("sort", "argsort")
def sort(g: GraphBuilder, a: Arguments) -> Result:
    x = a.tensor(0, "x", "values")
    axes = a.axes(x, 1, "axis") or [x.rank - 1]
    value = x.plain(g)
    size = g.Shape(value, start=axes[0], end=axes[0] + 1)
    down = str(a.get(-1, "direction", default="ASCENDING")) == "DESCENDING"
    values, places = g.ops("TopK", value, size, outputs=2, axis=axes[0], largest=int(down), sorted=1)
    return plain(values) if a.name == "sort" else plain(cast(g, places, I32))


# --- products --------------------------------------------------------------------------------------------------------


@operation("matmul")
def matmul(g: GraphBuilder, a: Arguments) -> Result:
    xs = [x.plain(g) for x in a.pair()]
    for place, key in enumerate(("transpose_a", "transpose_b")):
        if a.get(-1, key):
            rank = len(g.shape(xs[place]))
            xs[place] = g.Transpose(xs[place], perm=[*range(rank - 2), rank - 1, rank - 2])
    return plain(g.MatMul(*xs))


@operation("dot")
def dot(g: GraphBuilder, a: Arguments) -> Result:
    """As numpy: a scalar multiplies; two matrices, or a tensor and a vector or a matrix, are multiplied."""
    x, y = a.pair()
    if 0 in (x.rank, y.rank):
        return plain(g.Mul(x.plain(g), y.plain(g)))
    if y.rank > 2:
        letters = "abcdefghijklmnopqrst"
        first, second = letters[: x.rank], letters[x.rank : x.rank + y.rank]
        second = f"{second[:-2]}{first[-1]}{second[-1]}"
        rest = first[:-1] + second.replace(first[-1], "")
        return plain(g.Einsum(x.plain(g), y.plain(g), equation=f"{first},{second}->{rest}"))
    return plain(g.MatMul(x.plain(g), y.plain(g)))


@operation("einsum")
def einsum(g: GraphBuilder, a: Arguments) -> Result:
    equation = a.get(-1, "subscripts", "equation")
    operands = [item for item in a.layer.args if isinstance(item, Tensor)]
    if isinstance(a.get(0, "inputs"), list):
        operands = a.tensors(0, "inputs")
    if equation is None and a.layer.args and isinstance(a.layer.args[0], str):
        equation = a.layer.args[0]
    if not isinstance(equation, str) or not operands:
        raise a.layer.malformed("it has no equation")
    values = [x.plain(g) for x in promoted(g, list(operands))]
    return plain(g.Einsum(*values, equation=equation.replace(" ", "")))


@operation("tensordot")
def tensordot(g: GraphBuilder, a: Arguments) -> Result:
    x, y = a.pair()
    axes = a.plain(a.get(2, "axes", default=2))
    if isinstance(axes, int):
        pairs = [list(range(x.rank - axes, x.rank)), list(range(axes))]
    else:
        pairs = [[a.layer.axis(axis, t.rank) for axis in a.layer.as_integers(item, "axes")]
                 for item, t in zip(axes, (x, y), strict=True)]  # fmt: skip
    if x.rank + y.rank > 20 or len(pairs[0]) != len(pairs[1]):
        raise a.layer.malformed(f"its axes are {str(axes)[:60]}")
    first = [chr(97 + axis) for axis in range(x.rank)]
    second = [chr(97 + x.rank + axis) for axis in range(y.rank)]
    for left, right in zip(*pairs, strict=True):
        second[right] = first[left]
    kept = [letter for axis, letter in enumerate(first) if axis not in pairs[0]]
    kept += [letter for axis, letter in enumerate(second) if axis not in pairs[1]]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(kept)}"
    return plain(g.Einsum(x.plain(g), y.plain(g), equation=equation))


@operation("normalize", "l2_normalize")
def normalize(g: GraphBuilder, a: Arguments) -> Result:
    """x / sqrt(max(sum(x^2), epsilon)); Keras' operation bounds the norm itself, of any order."""
    x = floats(g, a.tensor(0, "x"))
    axes = a.axes(x, 1, "axis", "dim") or [x.rank - 1]
    order = a.layer.as_real(a.get(2, "order") if a.name == "normalize" else None, "order", 2.0)
    eps = a.layer.as_real(a.get(-1, "epsilon"), "epsilon", 1e-12)
    places = [x.place(axis) for axis in axes]
    if order != 2:
        sums = g.ReduceSum(g.Pow(g.Abs(x.value), a.layer.number(x, order)), places, keepdims=1)
        size = g.Pow(sums, a.layer.number(x, 1 / order))
        return x.like(g.Div(x.value, g.Max(size, a.layer.number(x, eps))))
    total: Value = g.ReduceSum(g.Mul(x.value, x.value), places, keepdims=1)
    if a.name == "normalize":
        return x.like(g.Div(x.value, g.Max(g.Sqrt(total), a.layer.number(x, eps))))
    return x.like(g.Div(x.value, g.Sqrt(g.Max(total, a.layer.number(x, eps)))))
