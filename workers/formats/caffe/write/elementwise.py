"""Arithmetic of two blobs or of a blob and a constant.

Eltwise wants equal shapes. A smaller operand goes through Scale (a product) or Bias (a sum), which line it up with
consecutive axes of the larger one; a constant is a weight of Scale, a lone number goes through Power.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.write.net import Array, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.formats.caffe.write.shape import reshape_parameter
from workers.hub.node import Dim, Node, constant_of, shape_of

Span = tuple[int, int]


def span(shape: Sequence[Dim], small: Sequence[Dim]) -> Span | None:
    """The axes [first, stop) of ``shape`` that a broadcast operand of shape ``small`` has; None when it does not fit.

    All other axes of ``small`` are 1. A single number has no axes, (0, 0), or that of a batch of one.
    """
    if len(small) > len(shape):
        return None
    padded = (1,) * (len(shape) - len(small)) + tuple(small)
    real = [axis for axis, dim in enumerate(padded) if dim != 1]
    if not real:
        return (0, 1) if padded and shape[0] == 1 else (0, 0)
    first, stop = real[0], real[-1] + 1
    fits = all(padded[axis] == shape[axis] and padded[axis] is not None for axis in range(first, stop))
    return (first, stop) if fits else None


def constant_block(node: Node, index: int) -> tuple[Span, Array] | None:
    """A constant operand as the blob of a Scale layer: the axes it spans, and its values over exactly those."""
    array, shape = node.const(index), node.shape(1 - index)
    if array is None or shape is None or array.ndim > len(shape):
        return None
    padded = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    real = [axis for axis, dim in enumerate(padded.shape) if dim != 1]
    if not real:
        return (0, 0), padded.reshape(())
    first, stop = real[0], real[-1] + 1
    block = [dim for dim in shape[first:stop] if isinstance(dim, int)]
    inner = padded.reshape(padded.shape[first:stop])
    if len(block) < stop - first or any(have not in (1, want) for have, want in zip(inner.shape, block, strict=True)):
        return None
    return (first, stop), np.broadcast_to(inner, block)


def _operands(node: Node) -> tuple[int, int] | None:
    """Which input is the large one and which the small one: the large has the result's shape."""
    out = node.out_shape()
    for large in (0, 1):
        if out is not None and node.shape(large) == out and node.const(large) is None:
            return large, 1 - large
    return None


def _can_combine(node: Node) -> bool | str:
    shapes = [node.shape(0), node.shape(1)]
    order = _operands(node)
    if order is None or any(shape is None for shape in shapes):
        return "one operand must have the shape of the result"
    large, small = order
    if node.const(small) is not None:
        block = constant_block(node, small)
        return (
            block is not None and _finite(block[1])
        ) or "the constant does not line up with the other operand's axes"
    if shapes[0] == shapes[1] or span(shapes[large] or (), shapes[small] or ()) is not None:
        return True
    return "Caffe's Scale and Bias line the smaller operand up with consecutive axes only"


def _finite(array: Array) -> bool:
    return bool(np.all(np.isfinite(array)))


def scale(net: NetWriter, node: Node, axes: Span, weight: Array, bias: Array | None) -> None:
    """A Scale layer with constant blobs over these axes of the node's large operand."""
    first, stop = axes
    parameter: dict[str, int | bool] = {}
    if first != 1 or stop == first:
        parameter["axis"] = first
    if stop - first != 1:
        parameter["num_axes"] = stop - first
    if bias is not None:
        parameter["bias_term"] = True
    blobs = [weight] if bias is None else [weight, bias]
    large = _operands(node)
    net.layer("Scale", node, [node.x(large[0] if large else 0)], blobs=blobs, scale_param=parameter or None)


def _two_bottoms(net: NetWriter, node: Node, type: str, large: ir.Value, small: ir.Value) -> None:
    """Scale or Bias of two blobs; the small one loses its axes of size one first."""
    shape, own = shape_of(large) or (), shape_of(small) or ()
    axes = span(shape, own)
    assert axes is not None  # the condition saw to it
    second: str | ir.Value = small
    wanted = shape[axes[0] : axes[1]]
    if tuple(own) != tuple(wanted):
        second = net.inner("Reshape", node, [small], "gate", reshape_param=reshape_parameter(own, wanted))
    parameter = {"axis": axes[0]} if axes[0] != 1 else None
    named: dict[str, Any] = {f"{type.lower()}_param": parameter}
    net.layer(type, node, [large, second], **named)


@writes("Mul", only_if=_can_combine)
def mul(net: NetWriter, node: Node) -> None:
    large, small = _operands(node) or (0, 1)
    if node.const(small) is None:
        if node.shape(0) == node.shape(1):
            net.layer("Eltwise", node, [node.x(0), node.x(1)], eltwise_param={"operation": "PROD"})
        else:
            _two_bottoms(net, node, "Scale", node.x(large), node.x(small))
        return
    axes, block = constant_block(node, small) or ((0, 0), np.ones(()))
    if block.ndim == 0:
        net.layer("Power", node, [node.x(large)], power_param={"scale": float(block)})
    else:
        scale(net, node, axes, block, None)


@writes("Add", only_if=_can_combine)
def add(net: NetWriter, node: Node) -> None:
    """A constant is added by a Scale with weights of one: OpenCV, and Caffe before 2016, have no Bias layer."""
    large, small = _operands(node) or (0, 1)
    if node.const(small) is None:
        if node.shape(0) == node.shape(1):
            net.layer("Eltwise", node, [node.x(0), node.x(1)])
        else:
            _two_bottoms(net, node, "Bias", node.x(large), node.x(small))
        return
    axes, block = constant_block(node, small) or ((0, 0), np.zeros(()))
    if block.ndim == 0:
        net.layer("Power", node, [node.x(large)], power_param={"shift": float(block)})
    else:
        scale(net, node, axes, np.ones_like(block), block)


@writes("caffe::Scale")
def scale_and_shift(net: NetWriter, node: Node) -> None:
    """x * weight + bias, both constants over the same axes."""
    first, weight, bias = node.i("axis"), node.const(1), node.const(2)
    assert weight is not None and bias is not None
    scale(net, node, (first, first + weight.ndim), weight, bias)


def _equal_shapes(node: Node) -> bool | str:
    shapes = [shape_of(value) for value in node.inputs if value is not None]
    if any(constant_of(value) is not None for value in node.inputs):
        return "the operands of Caffe's Eltwise are computed"
    return (
        shapes[0] is not None and all(shape == shapes[0] for shape in shapes)
    ) or "Caffe's Eltwise does not broadcast"


def _several(node: Node) -> bool | str:
    return _equal_shapes(node) if len(node.inputs) > 1 else "Caffe's Eltwise takes two blobs or more"


@writes("Sub", only_if=_equal_shapes)
def sub(net: NetWriter, node: Node) -> None:
    net.layer("Eltwise", node, [node.x(0), node.x(1)], eltwise_param={"operation": "SUM", "coeff": [1, -1]})


@writes("Sum", only_if=_several)
def sum_(net: NetWriter, node: Node) -> None:
    net.layer("Eltwise", node, [node.x(index) for index in range(len(node.inputs))])


@writes("Max", only_if=_several)
def max_(net: NetWriter, node: Node) -> None:
    bottoms = [node.x(index) for index in range(len(node.inputs))]
    net.layer("Eltwise", node, bottoms, eltwise_param={"operation": "MAX"})


@writes("caffe::Eltwise")
def weighted_sum(net: NetWriter, node: Node) -> None:
    """A sum or product of any number of blobs, a sum with a coefficient each."""
    bottoms = [node.x(index) for index in range(len(node.inputs))]
    parameter: dict[str, object] = {"operation": node.s("operation", "SUM")}
    if node.floats("coeff"):
        parameter["coeff"] = node.floats("coeff")
    net.layer("Eltwise", node, bottoms, eltwise_param=parameter)
