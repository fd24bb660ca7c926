"""Poolings over height and width. Caffe rounds the number of windows up, pads evenly and divides by its own rule.

Windows that Caffe has beyond ONNX's are cut off by a Slice: a layer setting that rounds down exists only since 2018.
Where the divisors of a mean differ, a Scale over height and width makes up for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.caffe.write.convolution import sizes
from workers.formats.caffe.write.net import Array, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.legalise.pooling import Windows, windows
from workers.hub.node import Node


def caffe_windows(axis: Windows, padded: bool) -> int:
    """How many windows Caffe's Pooling has: rounded up, less one that would start in the end padding."""
    count = -(-(axis.size + 2 * axis.begin - axis.kernel) // axis.stride) + 1
    if padded and (count - 1) * axis.stride >= axis.size + axis.begin:
        count -= 1
    return count


def caffe_counts(axis: Windows) -> Array:
    """Caffe's divisors: a window counts from its start, in the padding or not, to at most the padded end."""
    starts = np.arange(axis.out) * axis.stride - axis.begin
    return np.asarray(np.minimum(starts + axis.kernel, axis.size + axis.begin) - starts)


def _windows(node: Node) -> tuple[Windows, Windows] | None:
    axes = windows(node) if node.rank == 4 else None
    return None if axes is None else (axes[0], axes[1])


def _can_pool(node: Node) -> bool | str:
    axes = _windows(node)
    if axes is None:
        return "Caffe pools over two axes, whose sizes must be known"
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        return "Caffe numbers the places of maxima otherwise"
    padded = any(axis.begin for axis in axes)
    for axis in axes:
        if axis.dilation != 1:
            return "Caffe's Pooling has no dilation"
        if axis.begin >= axis.kernel or caffe_windows(axis, padded) < axis.out:
            return "Caffe pads the same at both ends, by less than the kernel"
    return True


def _can_average(node: Node) -> bool | str:
    verdict = _can_pool(node)
    if verdict is not True:
        return verdict
    axes = _windows(node)
    assert axes is not None
    if node.i("count_include_pad") and node.i("ceil_mode") and any(axis.overhang > 0 for axis in axes):
        return "what a window beyond the padding is divided by differs from runtime to runtime"
    return all(np.all(_counts(axis, node)) for axis in axes) or "a window lies wholly in the padding"


def _counts(axis: Windows, node: Node) -> Array:
    return axis.counts(bool(node.i("count_include_pad")))


def _write(net: NetWriter, node: Node, pool: str, axes: Sequence[Windows], factors: Array | None) -> None:
    parameter = {"pool": pool, **_single(sizes([axis.kernel for axis in axes], "kernel", 0))}
    parameter |= _single(sizes([axis.stride for axis in axes], "stride", 1))
    parameter |= _single(sizes([axis.begin for axis in axes], "pad", 0))
    padded = any(axis.begin for axis in axes)
    cuts = [(2 + place, axis.out) for place, axis in enumerate(axes) if caffe_windows(axis, padded) > axis.out]
    if not cuts and factors is None:
        net.layer("Pooling", node, pooling_param=parameter)
        return
    bottom = net.inner("Pooling", node, [node.x()], "pool", pooling_param=parameter)
    for place, (axis_index, size) in enumerate(cuts):
        last = place == len(cuts) - 1 and factors is None
        slice_parameter = {"axis": axis_index, "slice_point": [size]}
        rest = net.temporary(f"{node.outputs[0].name}_beyond")
        top = net.blob(node.outputs[0]) if last else net.temporary(f"{node.outputs[0].name}_cut")
        bottom = net.layer("Slice", node, [bottom], [top, rest], slice_param=slice_parameter)
    if factors is not None:
        net.layer("Scale", node, [bottom], blobs=[factors], scale_param={"axis": 2, "num_axes": 2})


def _single(given: dict[str, Any]) -> dict[str, Any]:
    """Pooling's sizes are single numbers where Convolution's are lists."""
    return {name: value[0] if isinstance(value, list) else value for name, value in given.items()}


@writes("MaxPool", only_if=_can_pool)
def max_pool(net: NetWriter, node: Node) -> None:
    axes = _windows(node)
    assert axes is not None
    _write(net, node, "MAX", axes, None)


@writes("AveragePool", only_if=_can_average)
def average_pool(net: NetWriter, node: Node) -> None:
    axes = _windows(node)
    assert axes is not None
    mine = np.multiply.outer(*(_counts(axis, node) for axis in axes))
    theirs = np.multiply.outer(*(caffe_counts(axis) for axis in axes))
    factors = None if np.array_equal(mine, theirs) else (theirs / mine).astype(np.float32)
    _write(net, node, "AVE", axes, factors)


@writes("GlobalAveragePool", "GlobalMaxPool", only_if=lambda n: n.rank == 4 or "Caffe pools over two axes")
def global_pool(net: NetWriter, node: Node) -> None:
    pool = "AVE" if node.op == "GlobalAveragePool" else "MAX"
    net.layer("Pooling", node, pooling_param={"pool": pool, "global_pooling": True})


@writes("caffe::AveragePool")
def average_of_padded(net: NetWriter, node: Node) -> None:
    """A mean that was recognised as Caffe's own, divisor and all."""
    net.layer("Pooling", node, pooling_param={"pool": "AVE", **_sizes_of(node)})


@writes("caffe::MaxPoolWithPlaces")
def max_with_places(net: NetWriter, node: Node) -> None:
    """Maxima, and their places y * W + x as floats."""
    net.layer("Pooling", node, pooling_param={"pool": "MAX", **_sizes_of(node)})


def _sizes_of(node: Node) -> dict[str, Any]:
    parameter = _single(sizes(node.ints("kernel_shape"), "kernel", 0))
    return parameter | _single(sizes(node.ints("strides"), "stride", 1)) | _single(sizes(node.ints("pads"), "pad", 0))
