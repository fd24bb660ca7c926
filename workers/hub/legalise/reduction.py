"""Reductions: each by others, over other axes, and by pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import axes_of, fixed, reshape
from workers.hub.legalise.elementwise import is_float, number
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Dim, Node

REDUCE = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp",
)  # fmt: skip


def reduced_axes(node: Node) -> tuple[int, ...] | None:
    """The axes that ``node`` reduces (all, when none are given), or None when they are computed or unknown."""
    axes = axes_of(node)
    if axes == () and node.rank is not None and not node.i("noop_with_empty_axes"):
        return tuple(range(node.rank))
    return axes


def kept_shape(shape: Sequence[Dim], axes: Sequence[int]) -> tuple[Dim, ...]:
    """The result's shape with the reduced axes kept as ones."""
    return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))


def _again(g: GraphBuilder, node: Node, op: str, x: Value) -> Value:
    """The same reduction by another operator."""
    empty = node.i("noop_with_empty_axes")
    return g.op(op, x, node.input(1), keepdims=node.i("keepdims", 1), noop_with_empty_axes=empty)


@rule(REDUCE, "reduce-nothing", "A reduction over axes of size one is a Reshape.")
def reduce_nothing(g: GraphBuilder, node: Node) -> Results:
    axes, shape, out = reduced_axes(node), node.shape(), node.out_shape()
    if not axes or shape is None or out is None or any(shape[axis] != 1 for axis in axes):
        return None
    return reshape(g, node.x(), out) if node.op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin") else None


@rule("ReduceMean", "reduce-mean-to-global-pool", "The mean over all spatial axes is a global pooling.")
def reduce_mean_to_global_pool(g: GraphBuilder, node: Node) -> Results:
    return _to_global_pool(g, node, "GlobalAveragePool")


@rule("ReduceMax", "reduce-max-to-global-pool", "The maximum over all spatial axes is a global pooling.")
def reduce_max_to_global_pool(g: GraphBuilder, node: Node) -> Results:
    return _to_global_pool(g, node, "GlobalMaxPool")


def _to_global_pool(g: GraphBuilder, node: Node, op: str) -> Results:
    rank, out = node.rank, node.out_shape()
    if rank is None or rank < 3 or out is None or reduced_axes(node) != tuple(range(2, rank)):
        return None
    y = g.op(op, node.x())
    return y if node.i("keepdims", 1) else reshape(g, y, out)


@rule(REDUCE, "reduce-keeping-axes", "The reduced axes are kept as ones first, and removed by a Reshape.")
def reduce_keeping_axes(g: GraphBuilder, node: Node) -> Results:
    out = node.out_shape()
    if node.i("keepdims", 1) or out is None or not reduced_axes(node):
        return None
    return reshape(g, g.op(node.op, node.x(), node.input(1), keepdims=1), out)


@rule(REDUCE, "reduce-dropping-axes", "The reduced axes are dropped first, and brought back by a Reshape.")
def reduce_dropping_axes(g: GraphBuilder, node: Node) -> Results:
    out = node.out_shape()
    if not node.i("keepdims", 1) or out is None or not reduced_axes(node):
        return None
    return reshape(g, g.op(node.op, node.x(), node.input(1), keepdims=0), out)


@rule(("ReduceMean", "ReduceMax"), "reduce-by-pooling", "Neighbouring axes are reduced by one pooling window as long.")
def reduce_by_pooling(g: GraphBuilder, node: Node) -> Results:
    """[N, before..., reduced..., after...] is pooled as [N, before, reduced, after]."""
    axes, shape, out = reduced_axes(node), node.shape(), node.out_shape()
    if not axes or shape is None or out is None or axes[0] == 0 or axes != tuple(range(axes[0], axes[-1] + 1)):
        return None
    first, stop = axes[0], axes[-1] + 1
    before, middle, after = fixed(shape[1:first]), fixed(shape[first:stop]), fixed(shape[stop:])
    if before is None or middle is None or after is None or not is_float(node.x()):
        return None
    length = int(np.prod(middle))
    planes = reshape(g, node.x(), (shape[0], int(np.prod(before)), length, int(np.prod(after))))
    if planes is None:
        return None
    op = "AveragePool" if node.op == "ReduceMean" else "MaxPool"
    return reshape(g, g.op(op, planes, kernel_shape=[length, 1], strides=[1, 1], pads=[0] * 4), out)


@rule("ReduceL2", "reduce-l2-to-sum-square", "The Euclidean norm is the root of the sum of squares.")
def reduce_l2(g: GraphBuilder, node: Node) -> Results:
    return g.Sqrt(_again(g, node, "ReduceSumSquare", node.x()))


@rule("ReduceSumSquare", "reduce-sum-square-to-sum", "Squares are summed.")
def reduce_sum_square(g: GraphBuilder, node: Node) -> Results:
    return _again(g, node, "ReduceSum", g.Mul(node.x(), node.x()))


@rule("ReduceL1", "reduce-l1-to-sum", "Absolute values are summed.")
def reduce_l1(g: GraphBuilder, node: Node) -> Results:
    return _again(g, node, "ReduceSum", g.Abs(node.x()))


@rule("ReduceLogSum", "reduce-log-sum", "The logarithm of the sum.")
def reduce_log_sum(g: GraphBuilder, node: Node) -> Results:
    return g.Log(_again(g, node, "ReduceSum", node.x()))


@rule("ReduceLogSumExp", "reduce-log-sum-exp", "max + Log(Sum(Exp(x - max))), which never overflows.")
def reduce_log_sum_exp(g: GraphBuilder, node: Node) -> Results:
    axes, out = reduced_axes(node), node.out_shape()
    if not axes or out is None:
        return None
    top = g.ReduceMax(node.x(), list(axes), keepdims=1)
    y = g.Add(g.Log(g.ReduceSum(g.Exp(g.Sub(node.x(), top)), list(axes), keepdims=1)), top)
    return y if node.i("keepdims", 1) else reshape(g, y, out)


@rule("ReduceMin", "reduce-min-to-max", "The minimum is the negative of the maximum of the negatives.")
def reduce_min(g: GraphBuilder, node: Node) -> Results:
    return g.Neg(_again(g, node, "ReduceMax", g.Neg(node.x()))) if is_float(node.x()) else None


def _count(node: Node) -> int | None:
    """How many elements are reduced to one."""
    axes, shape = reduced_axes(node), node.shape()
    sizes = None if axes is None or shape is None else fixed([shape[axis] for axis in axes])
    return None if sizes is None else int(np.prod(sizes))


@rule("ReduceMean", "reduce-mean-to-sum", "The mean is the sum times 1/n.")
def reduce_mean_to_sum(g: GraphBuilder, node: Node) -> Results:
    count = _count(node)
    return None if not count else g.Mul(_again(g, node, "ReduceSum", node.x()), number(node.x(), 1 / count))


@rule("ReduceSum", "reduce-sum-to-mean", "The sum is the mean times n.")
def reduce_sum_to_mean(g: GraphBuilder, node: Node) -> Results:
    count = _count(node)
    if not count or not is_float(node.x()):
        return None
    return g.Mul(_again(g, node, "ReduceMean", node.x()), number(node.x(), count))


@rule(REDUCE, "reduce-last-axes", "The reduced axes are moved to the end by a Transpose.")
def reduce_last_axes(g: GraphBuilder, node: Node) -> Results:
    axes, rank, out = reduced_axes(node), node.rank, node.out_shape()
    if not axes or rank is None or out is None or axes == tuple(range(rank - len(axes), rank)):
        return None
    rest = [axis for axis in range(rank) if axis not in axes]
    moved = g.Transpose(node.x(), perm=[*rest, *axes])
    y = g.op(node.op, moved, list(range(len(rest), rank)), keepdims=0)
    return y if not node.i("keepdims", 1) else reshape(g, y, out)


@rule(REDUCE, "reduce-one-axis", "Axes are reduced one after the other.")
def reduce_one_axis(g: GraphBuilder, node: Node) -> Results:
    axes, out = reduced_axes(node), node.out_shape()
    if axes is None or len(axes) < 2 or out is None or node.op in ("ReduceL2", "ReduceSumSquare", "ReduceLogSum"):
        return None
    if node.op == "ReduceLogSumExp":
        return None
    x = node.x()
    for axis in axes:
        x = g.op(node.op, x, [axis], keepdims=1)
    return x if node.i("keepdims", 1) else reshape(g, x, out)


@rule("ArgMin", "arg-min-to-arg-max", "The place of the minimum is that of the negatives' maximum.")
def arg_min(g: GraphBuilder, node: Node) -> Results:
    if not is_float(node.x()):
        return None
    return g.ArgMax(
        g.Neg(node.x()),
        axis=node.i("axis"),
        keepdims=node.i("keepdims", 1),
        select_last_index=node.i("select_last_index"),
    )
