"""Normalisations by means, products and sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import float_constant, reshape
from workers.hub.legalise.elementwise import number
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Node, constant_of


def standardised(g: GraphBuilder, x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """``(x - mean) / sqrt(variance + epsilon)`` over ``axes``, with the biased variance."""
    centred = g.Sub(x, g.ReduceMean(x, list(axes), keepdims=1))
    variance = g.ReduceMean(g.Mul(centred, centred), list(axes), keepdims=1)
    deviation = g.Sqrt(g.Add(variance, number(x, epsilon)))
    return g.Mul(centred, g.Reciprocal(deviation))


def _column(g: GraphBuilder, vector: Value, rank: int) -> Value:
    """A per-channel vector [C] as [C, 1, ...] so that it broadcasts over axis 1."""
    array, shape = constant_of(vector), [-1] + [1] * (rank - 2)
    return g.Reshape(vector, shape) if array is None else g.constant(array.reshape(shape))


def _scaled(g: GraphBuilder, x: Value, scale: Value | None, shift: Value | None) -> Value:
    if scale is not None:
        x = g.Mul(x, scale)
    return x if shift is None else g.Add(x, shift)


@rule(
    "BatchNormalization", "batch-norm-to-mul-add", "With known statistics, batch normalisation is one Mul and one Add."
)
def batch_norm(g: GraphBuilder, node: Node) -> Results:
    constants = [float_constant(node, index) for index in range(1, 5)]
    if any(array is None for array in constants) or node.rank is None or node.i("training_mode"):
        return None
    scale, shift, mean, variance = (np.asarray(array, np.float64) for array in constants)
    factor = scale / np.sqrt(variance + node.f("epsilon", 1e-5))
    shape, dtype = [-1] + [1] * (node.rank - 2), constants[0].dtype  # type: ignore[union-attr]
    y = g.Mul(node.x(), g.constant(factor.reshape(shape).astype(dtype)))
    return g.Add(y, g.constant((shift - mean * factor).reshape(shape).astype(dtype)))


@rule(
    "BatchNormalization", "batch-norm-to-conv", "With known statistics, batch normalisation is a depthwise convolution."
)
def batch_norm_to_conv(g: GraphBuilder, node: Node) -> Results:
    constants = [float_constant(node, index) for index in range(1, 5)]
    if any(array is None for array in constants) or (node.rank or 0) < 3 or node.i("training_mode"):
        return None
    scale, shift, mean, variance = (np.asarray(array, np.float64) for array in constants)
    factor = scale / np.sqrt(variance + node.f("epsilon", 1e-5))
    axes, dtype = (node.rank or 2) - 2, constants[0].dtype  # type: ignore[union-attr]
    weight = factor.reshape(-1, 1, *[1] * axes).astype(dtype)
    bias = (shift - mean * factor).astype(dtype)
    return g.Conv(
        node.x(), g.constant(weight), g.constant(bias), kernel_shape=[1] * axes, strides=[1] * axes,
        dilations=[1] * axes, pads=[0] * 2 * axes, group=len(bias),
    )  # fmt: skip


@rule("InstanceNormalization", "instance-norm-of-a-picture", "Any spatial axes are normalised as one column of pixels.")
def instance_norm_of_a_picture(g: GraphBuilder, node: Node) -> Results:
    shape = node.shape()
    if shape is None or len(shape) in (2, 4) or not all(isinstance(dim, int) for dim in shape[1:]):
        return None
    column = g.Reshape(node.x(), [0, shape[1], -1, 1])
    y = g.InstanceNormalization(column, node.x(1), node.x(2), epsilon=node.f("epsilon", 1e-5))
    return reshape(g, y, shape)


@rule("InstanceNormalization", "instance-norm-to-primitives", "Mean and variance are taken over the spatial axes.")
def instance_norm(g: GraphBuilder, node: Node) -> Results:
    rank = node.rank
    if rank is None or rank < 3:
        return None
    y = standardised(g, node.x(), range(2, rank), node.f("epsilon", 1e-5))
    return _scaled(g, y, _column(g, node.x(1), rank), _column(g, node.x(2), rank))


@rule("GroupNormalization", "group-norm-to-instance-norm", "A group is normalised as one channel.")
def group_norm(g: GraphBuilder, node: Node) -> Results:
    shape, groups = node.shape(), node.i("num_groups", 1)
    if shape is None or len(shape) < 3:
        return None
    grouped = g.Reshape(node.x(), [0, groups, -1, 1])
    ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
    y = g.InstanceNormalization(grouped, ones, zeros, epsilon=node.f("epsilon", 1e-5))
    back = reshape(g, y, shape)
    if back is None:
        return None
    return _scaled(g, back, _column(g, node.x(1), len(shape)), _column(g, node.x(2), len(shape)))


def _unused(node: Node, index: int) -> bool:
    if index >= len(node.outputs):
        return True
    return not (node.outputs[index].uses() or node.outputs[index].is_graph_output())


@rule("LayerNormalization", "layer-norm-to-primitives", "Mean and variance are taken over the last axes.")
def layer_norm(g: GraphBuilder, node: Node) -> Results:
    rank = node.rank
    if rank is None or not _unused(node, 1) or not _unused(node, 2):
        return None
    axis = node.i("axis", -1) % rank
    y = standardised(g, node.x(), range(axis, rank), node.f("epsilon", 1e-5))
    return _scaled(g, y, node.input(1), node.input(2))


@rule("LpNormalization", "lp-norm-to-div", "x divided by its norm.")
def lp_norm(g: GraphBuilder, node: Node) -> Results:
    if node.rank is None:
        return None
    axis = [node.i("axis", -1) % node.rank]
    norm = "ReduceL1" if node.i("p", 2) == 1 else "ReduceL2"
    return g.Div(node.x(), g.op(norm, node.x(), axis, keepdims=1))


@rule("MeanVarianceNormalization", "mvn-to-primitives", "(x - mean) / (sqrt(variance) + 1e-9).")
def mvn(g: GraphBuilder, node: Node) -> Results:
    x, axes = node.x(), list(node.ints("axes", [0, 2, 3]))
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    deviation = g.Sqrt(g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1))
    return g.Div(centred, g.Add(deviation, number(x, 1e-9)))


@rule("LRN", "lrn-to-primitives", "x * (bias + alpha/size * sum over neighbouring channels of x^2)^-beta.")
def lrn(g: GraphBuilder, node: Node) -> Results:
    """The sum over ``size`` channels is a 3-D mean pooling of the squares seen as [N, 1, C, H*W]."""
    shape, size, x = node.shape(), node.i("size"), node.x()
    if shape is None or len(shape) < 3 or not isinstance(shape[1], int):
        return None
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    planes = g.Reshape(g.Mul(x, x), [0, 1, shape[1], -1])
    mean = g.AveragePool(
        planes, kernel_shape=[size, 1], strides=[1, 1], pads=[before, 0, after, 0], count_include_pad=1
    )
    back = reshape(g, mean, shape)
    if back is None:
        return None
    base = g.Add(g.Mul(back, number(x, node.f("alpha", 1e-4))), number(x, node.f("bias", 1.0)))
    return g.Mul(x, g.Pow(base, number(x, -node.f("beta", 0.75))))
