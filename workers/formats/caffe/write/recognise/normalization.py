"""MVN, LRN within a channel, and the SSD fork's Normalize."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.caffe.write.recognise.pattern import alone, caffe, ends_in, maker, number_and_other, square_of
from workers.hub.graph import GraphBuilder, Value
from workers.hub.legalise.dims import scalar
from workers.hub.legalise.reduction import reduced_axes
from workers.hub.node import Node

PLANE, ITEM = (2, 3), (1, 2, 3)


def _mean_of(value: Value | None) -> tuple[Value, tuple[int, ...]] | None:
    """What ``value`` is the mean of, and over which axes of a picture, which are kept as ones."""
    node = maker(value, "ReduceMean", "GlobalAveragePool")
    if node is None or node.rank != 4:
        return None
    axes = PLANE if node.op == "GlobalAveragePool" else reduced_axes(node)
    kept = node.op == "GlobalAveragePool" or node.i("keepdims", 1)
    return (node.x(), axes) if kept and axes in (PLANE, ITEM) else None


@ends_in("Sub")
def centred(g: GraphBuilder, node: Node) -> Value | None:
    """x - mean(x): MVN without the variance."""
    mean = _mean_of(node.input(1))
    if mean is None or mean[0] is not node.x(0):
        return None
    across = int(mean[1] == ITEM)
    return caffe(g, "MVN", node.x(0), like=node.outputs[0], normalize_variance=0, across_channels=across)


@ends_in("Div")
def mvn(g: GraphBuilder, node: Node) -> Value | None:
    """(x - mean) / (sqrt(variance) + eps)."""
    centre, total = maker(node.input(0), "caffe::MVN"), maker(node.input(1), "Add")
    found = None if total is None else number_and_other(total)
    if centre is None or found is None or centre.i("normalize_variance"):
        return None
    root = maker(found[1], "Sqrt")
    mean = None if root is None else _mean_of(root.input(0))
    wanted = ITEM if centre.i("across_channels") else PLANE
    if mean is None or mean[1] != wanted or square_of(mean[0]) is not centre.outputs[0]:
        return None
    across = centre.i("across_channels")
    return caffe(g, "MVN", centre.x(), like=node.outputs[0], normalize_variance=1, across_channels=across, eps=found[0])


@ends_in("Mul")
def lrn_within(g: GraphBuilder, node: Node) -> Value | None:
    """x * (1 + alpha * mean of squares around)^-beta."""
    for index in (0, 1):
        x, factor = node.x(1 - index), maker(node.input(index), "caffe::Power")
        pool = None if factor is None else maker(factor.input(0), "AveragePool")
        if factor is None or pool is None or square_of(pool.x()) is not x or factor.f("shift") != 1.0:
            continue
        size = pool.ints("kernel_shape")
        half = (size[0] - 1) // 2
        same = size[0] % 2 == 1 and size == (size[0],) * 2 and pool.ints("pads") == (half,) * 4
        if same and set(pool.ints("strides", (1, 1))) == {1} and (pool.i("count_include_pad") or not half):
            return caffe(
                g, "LRN", x, like=node.outputs[0], size=size[0], alpha=factor.f("scale"), beta=-factor.f("power")
            )
    return None


@ends_in("Div")
def normalize(g: GraphBuilder, node: Node) -> Value | None:
    """x / sqrt(sum of squares + eps), over channels or the whole item."""
    root = maker(node.input(1), "caffe::Power")
    if root is None or node.rank != 4 or root.f("power") != 0.5 or root.f("scale", 1.0) != 1.0:
        return None
    total = maker(root.input(0), "ReduceSumSquare", "ReduceSum")
    if total is None or not total.i("keepdims", 1) or reduced_axes(total) not in ((1,), ITEM):
        return None
    if node.x(0) is not (total.x() if total.op == "ReduceSumSquare" else square_of(total.x())):
        return None
    across = int(reduced_axes(total) == ITEM)
    one = g.weight(f"{node.layer}.scale", np.ones((), np.float32))
    return caffe(g, "Normalize", node.x(0), one, like=node.outputs[0], across_spatial=across, eps=root.f("shift"))


@ends_in("Mul")
def normalize_and_scale(g: GraphBuilder, node: Node) -> Value | None:
    """The same times one learned number, or one a channel."""
    for index in (1, 0):
        inner, array = maker(node.input(1 - index), "caffe::Normalize"), node.const(index)
        shape = node.shape(1 - index)
        if inner is None or array is None or shape is None or not alone(inner.outputs[0]):
            continue
        channels = array.shape[-3:] == (shape[1], 1, 1) and array.size == shape[1]
        if scalar(inner.input(1)) != 1.0 or not (channels or array.size == 1):
            continue
        scale = g.weight(f"{node.layer}.scale", array.reshape(-1) if channels else array.reshape(()))
        attributes: dict[str, Any] = {"across_spatial": inner.i("across_spatial"), "eps": inner.f("eps")}
        return caffe(g, "Normalize", inner.x(), scale, like=node.outputs[0], **attributes)
    return None
