"""Reductions, and sums along an axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.layer import FLOATS, cast
from workers.formats.pytorch.read.dtypes import floating, operand
from workers.formats.pytorch.read.elementwise import maximum, minimum
from workers.formats.pytorch.read.layer import BOOL, F32, I64, Layer, reads
from workers.formats.pytorch.read.logic import truth
from workers.formats.pytorch.read.shape import diagonal
from workers.hub.graph import GraphBuilder, Value


def _arguments(layer: Layer, x: Value, dim: Any) -> list[int]:
    if isinstance(dim, ir.Value):
        dim = layer.integer(dim)
    return list(range(layer.rank(x))) if dim is None or dim == [] else layer.axes(x, dim)


def _reduced(g: GraphBuilder, layer: Layer, op: str, x: Value, axes: list[int], keep: Any) -> Value:
    if not axes:
        return g.Identity(x)
    return g.op(op, x, axes, keepdims=int(bool(keep)))


def _typed(args: tuple[Any, ...], dtype: Any) -> tuple[Any, Any, Any]:
    """(dim, keepdim, dtype) of the forms sum(x, dtype) and sum(x, dim, keepdim, dtype)."""
    if len(args) == 1 and isinstance(args[0], int) and not isinstance(args[0], bool):
        return args[0], False, dtype
    dim, keep, code = (*args, None, None, None)[:3]
    return dim, keep, dtype if dtype is not None else code


@reads("aten::sum", "aten::nansum")
def sum(
    g: GraphBuilder, layer: Layer, self: Value, *args: Any, dim: Any = None, keepdim: Any = None, dtype: Any = None
) -> Value:
    d, k, code = _typed(args, dtype)
    axes = _arguments(layer, self, dim if dim is not None else d)
    target = layer.dtype(code, I64 if self.dtype not in FLOATS else self.dtype or F32)
    x = cast(g, self, target)
    if layer.type.endswith("nansum"):
        x = g.Where(g.IsNaN(x), operand(g, 0.0, target), x)
    return _reduced(g, layer, "ReduceSum", x, axes, keepdim if keepdim is not None else k)


@reads("aten::mean", "aten::nanmean")
def mean(
    g: GraphBuilder, layer: Layer, self: Value, *args: Any, dim: Any = None, keepdim: Any = None, dtype: Any = None
) -> Value:
    d, k, code = _typed(args, dtype)
    axes = _arguments(layer, self, dim if dim is not None else d)
    x = cast(g, self, layer.dtype(code, self.dtype or F32))
    return _reduced(g, layer, "ReduceMean", floating(g, x), axes, keepdim if keepdim is not None else k)


@reads("aten::prod")
def prod(
    g: GraphBuilder, layer: Layer, self: Value, *args: Any, dim: Any = None, keepdim: Any = None, dtype: Any = None
) -> Value:
    d, k, code = _typed(args, dtype)
    axes = _arguments(layer, self, dim if dim is not None else d)
    target = layer.dtype(code, I64 if self.dtype not in FLOATS else self.dtype or F32)
    return _reduced(g, layer, "ReduceProd", cast(g, self, target), axes, keepdim if keepdim is not None else k)


@reads("aten::amax", "aten::amin")
def amax(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False) -> Value:
    op = "ReduceMax" if layer.type.endswith("amax") else "ReduceMin"
    return _reduced(g, layer, op, self, _arguments(layer, self, dim), keepdim)


@reads("aten::aminmax")
def aminmax(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False) -> tuple[Value, Value]:
    axes = _arguments(layer, self, dim)
    return _reduced(g, layer, "ReduceMin", self, axes, keepdim), _reduced(g, layer, "ReduceMax", self, axes, keepdim)


@reads("aten::max", "aten::min")
def extreme(
    g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False, other: Any = None
) -> Any:
    """Of all elements; of two tensors; or along an axis, with the positions."""
    word = layer.type.rpartition("::")[2].title()
    second = other if other is not None else dim if isinstance(dim, ir.Value) else None
    if second is not None:
        return (maximum if word == "Max" else minimum)(g, layer, self, second)
    if dim is None:
        return _reduced(g, layer, f"Reduce{word}", self, list(range(layer.rank(self))), False)
    axis = layer.axis(self, dim)
    if not layer.rank(self):
        return self, g.constant(0)
    values = g.op(f"Reduce{word}", self, [axis], keepdims=int(bool(keepdim)))
    return values, g.op(f"Arg{word}", self, axis=axis, keepdims=int(bool(keepdim)))


@reads("aten::argmax", "aten::argmin")
def argmax(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False) -> Value:
    op = "ArgMax" if layer.type.endswith("argmax") else "ArgMin"
    x = self if self.dtype != BOOL else g.Cast(self, to=I64)
    if dim is None:
        found = g.op(op, g.Reshape(x, [-1]), axis=0, keepdims=0)
        return g.Reshape(found, [1] * layer.rank(self)) if keepdim else found
    return g.op(op, x, axis=layer.axis(self, dim), keepdims=int(bool(keepdim)))


@reads("aten::all", "aten::any")
def all_any(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None, keepdim: Any = False) -> Value:
    op = "ReduceMin" if layer.type.endswith("all") else "ReduceMax"
    x = g.Cast(truth(g, self), to=ir.DataType.INT32)
    return g.Cast(_reduced(g, layer, op, x, _arguments(layer, self, dim), keepdim), to=BOOL)


@reads("aten::logsumexp", "aten::special_logsumexp")
def logsumexp(g: GraphBuilder, layer: Layer, self: Value, dim: Any, keepdim: Any = False) -> Value:
    return _reduced(g, layer, "ReduceLogSumExp", floating(g, self), _arguments(layer, self, dim), keepdim)


def _variance(
    g: GraphBuilder, layer: Layer, x: Value, args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Value, Value]:
    """Divided by N - correction (1 unless told), and the mean."""
    dim, correction, keep = named.get("dim"), named.get("correction", 1), named.get("keepdim", False)
    if named.get("unbiased") is not None:
        correction = int(named["unbiased"])
    if len(args) == 1 and isinstance(args[0], bool):
        correction = int(args[0])
    elif args:
        dim = args[0]
        if len(args) > 1:
            correction = int(args[1]) if isinstance(args[1], bool) else 1 if args[1] is None else args[1]
        keep = args[2] if len(args) > 2 else keep
    correction = 1 if correction is None else correction
    axes = _arguments(layer, x, dim)
    mean = g.ReduceMean(x, axes, keepdims=1)
    centred = g.Sub(x, mean)
    found = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=int(bool(keep)))
    if correction:
        sizes = [layer.dim(x, axis) for axis in axes]
        if all(isinstance(size, int) for size in sizes):
            count = math.prod(int(s) for s in sizes if isinstance(s, int))
            if count == correction:
                raise layer.malformed("it divides by no degree of freedom")
            found = g.Mul(found, operand(g, count / (count - correction), x.dtype or F32))
        else:
            count_value = g.Cast(g.ReduceProd(g.Gather(g.Shape(x), g.constant(axes)), keepdims=0), to=x.dtype)
            found = g.Mul(found, g.Div(count_value, g.Sub(count_value, operand(g, correction, x.dtype or F32))))
    return found, mean if keep else g.Squeeze(mean, axes)


@reads("aten::var", "aten::std", "aten::var_mean", "aten::std_mean")
def var(g: GraphBuilder, layer: Layer, self: Value, *args: Any, **named: Any) -> Any:
    found, mean_ = _variance(g, layer, self, args, named)
    found = g.Sqrt(found) if "std" in layer.type else found
    return (found, mean_) if layer.type.endswith("_mean") else found


@reads(
    "aten::norm", "aten::linalg_vector_norm", "aten::linalg_norm", "aten::frobenius_norm", "aten::linalg_matrix_norm"
)
def norm(
    g: GraphBuilder, layer: Layer, self: Value, p: Any = 2, dim: Any = None, keepdim: Any = False, dtype: Any = None,
    ord: Any = None,
) -> Value:  # fmt: skip
    if layer.type.endswith("frobenius_norm"):
        dim, keepdim, p = p, bool(dim), 2
    order: Any = ord if ord is not None else p
    order = 2 if order in (None, "fro") else order
    if isinstance(order, str) or (layer.type.endswith("matrix_norm") and ord not in (None, "fro")):
        raise layer.unsupported(f"the matrix norm {order!r} has no counterpart in ONNX")
    x, axes, keep = (
        floating(g, cast(g, self, layer.dtype(dtype, self.dtype or F32))),
        _arguments(layer, self, dim),
        keepdim,
    )
    power = layer.real(order)
    if power in (1, 2):
        return _reduced(g, layer, f"ReduceL{int(power)}", x, axes, keep)
    if math.isinf(power):
        return _reduced(g, layer, "ReduceMax" if power > 0 else "ReduceMin", g.Abs(x), axes, keep)
    if power == 0:
        zero = operand(g, 0.0, x.dtype or F32)
        return _reduced(g, layer, "ReduceSum", cast(g, g.Not(g.Equal(x, zero)), x.dtype or F32), axes, keep)
    total = _reduced(g, layer, "ReduceSum", g.Pow(g.Abs(x), operand(g, power, x.dtype or F32)), axes, keep)
    return g.Pow(total, operand(g, 1 / power, x.dtype or F32))


@reads("aten::dist")
def dist(g: GraphBuilder, layer: Layer, self: Value, other: Value, p: Any = 2) -> Value:
    found: Value = norm(g, layer, g.Sub(self, other), p)
    return found


@reads("aten::cumsum")
def cumsum(g: GraphBuilder, layer: Layer, self: Value, dim: Any, dtype: Any = None) -> Value:
    target = layer.dtype(dtype, I64 if self.dtype not in FLOATS else self.dtype or F32)
    return g.CumSum(cast(g, self, target), layer.axis(self, dim))


@reads("aten::cumprod")
def cumprod(g: GraphBuilder, layer: Layer, self: Value, dim: Any, dtype: Any = None) -> Value:
    """Products of the first one, two, three... rows: each row under a triangle of ones."""
    return _cumulated(g, layer, self, dim, "ReduceProd", 1)


@reads("aten::logcumsumexp")
def logcumsumexp(g: GraphBuilder, layer: Layer, self: Value, dim: Any) -> Value:
    axis = layer.axis(self, dim)
    high = g.ReduceMax(self, [axis], keepdims=1)
    return g.Add(g.Log(g.CumSum(g.Exp(g.Sub(self, high)), axis)), high)


@reads("aten::cummax", "aten::cummin")
def cummax(g: GraphBuilder, layer: Layer, self: Value, dim: Any) -> Any:
    """The largest of the first one, two, three... rows, and the last row that holds it."""
    word = "Max" if layer.type.endswith("max") else "Min"
    wide, axis = _triangle(g, layer, self, dim, _lowest(self) if word == "Max" else _highest(self))
    places = g.op(f"Arg{word}", wide, axis=axis + 1, keepdims=0, select_last_index=1)
    return g.op(f"Reduce{word}", wide, [axis + 1], keepdims=0), places


def _lowest(x: Value) -> float:
    dtype = (x.dtype or F32).numpy()
    return float("-inf") if dtype.kind not in "iu" else int(np.iinfo(dtype).min)


def _highest(x: Value) -> float:
    dtype = (x.dtype or F32).numpy()
    return float("inf") if dtype.kind not in "iu" else int(np.iinfo(dtype).max)


def _cumulated(g: GraphBuilder, layer: Layer, x: Value, dim: Any, op: str, neutral: float) -> Value:
    wide, axis = _triangle(g, layer, x, dim, neutral)
    return g.op(op, wide, [axis + 1], keepdims=0)


def _triangle(g: GraphBuilder, layer: Layer, x: Value, dim: Any, neutral: float) -> tuple[Value, int]:
    """Row k holds the first k rows along ``dim``, the others ``neutral``; and the axis."""
    axis = layer.axis(x, dim)
    size = layer.static(x, axis, "the size of the axis that it runs along")
    if size > 1024:
        raise layer.unsupported(f"it runs along {size} elements; 1024 are read")
    rank = layer.rank(x)
    mask = np.tril(np.ones((size, size), np.bool_)).reshape(*[1] * axis, size, size, *[1] * (rank - axis - 1))
    return g.Where(g.constant(mask), g.Unsqueeze(x, [axis]), operand(g, neutral, x.dtype or F32)), axis


@reads("aten::count_nonzero")
def count_nonzero(g: GraphBuilder, layer: Layer, self: Value, dim: Any = None) -> Value:
    return _reduced(g, layer, "ReduceSum", g.Cast(truth(g, self), to=I64), _arguments(layer, self, dim), False)


@reads("aten::diff")
def diff(
    g: GraphBuilder, layer: Layer, self: Value, n: Any = 1, dim: Any = -1, prepend: Any = None, append: Any = None
) -> Value:
    axis = layer.axis(self, dim)
    parts = [part for part in (prepend, self, append) if part is not None]
    x = g.Concat(*parts, axis=axis) if len(parts) > 1 else self
    for _ in range(layer.integer(n)):
        x = g.Sub(g.Slice(x, [1], [(1 << 63) - 1], [axis]), g.Slice(x, [0], [-1], [axis]))
    return x


@reads("aten::trace")
def trace(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.ReduceSum(diagonal(g, layer, self), keepdims=0)


@reads("aten::mse_loss", "aten::l1_loss", "aten::smooth_l1_loss", "aten::huber_loss")
def loss(
    g: GraphBuilder, layer: Layer, self: Value, target: Value, reduction: Any = 1, beta: Any = 1.0, delta: Any = None
) -> Value:
    d = g.Abs(g.Sub(self, target))
    word = layer.type.rpartition("::")[2]
    if word == "mse_loss":
        d = g.Mul(d, d)
    elif word in ("smooth_l1_loss", "huber_loss"):
        limit = layer.real(beta if delta is None else delta)
        dtype, half = d.dtype or F32, operand(g, 0.5, d.dtype or F32)
        square, line = g.Mul(half, g.Mul(d, d)), g.Sub(d, operand(g, 0.5 * limit, dtype))
        if word == "smooth_l1_loss":
            square = g.Div(square, operand(g, limit, dtype))
        else:
            line = g.Mul(line, operand(g, limit, dtype))
        d = g.Where(g.Less(d, operand(g, limit, dtype)), square, line)
    how = layer.integer(reduction)
    return d if how == 0 else g.ReduceMean(d, keepdims=0) if how == 1 else g.ReduceSum(d, keepdims=0)
