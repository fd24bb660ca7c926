"""Conv and ConvTranspose: Caffe's weights are laid out as ONNX's; padding is the same at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.formats.caffe.write.net import NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.node import Node


def _can(node: Node) -> bool | str:
    if node.const(1) is None or (node.input(2) is not None and node.const(2) is None):
        return "Caffe convolves with learned weights, not with computed ones"
    if node.rank not in (4, 5):
        return "onnxhub writes Caffe convolutions over two or three axes"
    axes = node.rank - 2
    pads = node.ints("pads", [0] * 2 * axes)
    if pads[:axes] != pads[axes:] or min(pads) < 0:
        return "Caffe pads the same at both ends of an axis"
    if node.s("auto_pad", "NOTSET") != "NOTSET":
        return "padding must be given in numbers"
    return True


def _can_transposed(node: Node) -> bool | str:
    if any(node.ints("output_padding")) or node.has("output_shape"):
        return "Caffe's Deconvolution has no output padding"
    if set(node.ints("dilations")) - {1}:
        return "the zeros of a dilated kernel are written out: OpenCV leaves a Deconvolution's dilation out"
    return _can(node)


def sizes(values: Sequence[int], field: str, default: int) -> dict[str, Any]:
    """A size per axis as Caffe writes it: once when equal, ``*_h``/``*_w`` for two, a list for more."""
    if set(values) == {default} and field != "kernel":
        return {}
    name = {"kernel": "kernel_size"}.get(field, field)
    if len(set(values)) == 1 and len(values) <= 2:
        return {name: [values[0]]}
    if len(values) == 2:
        return {f"{field}_h": values[0], f"{field}_w": values[1]}
    return {name: list(values)}


def _write(net: NetWriter, node: Node, type: str, outputs: int) -> None:
    weight, bias = node.const(1), node.const(2)
    assert weight is not None  # the condition saw to it
    axes = weight.ndim - 2
    dilations = node.ints("dilations", [1] * axes)
    parameter = {
        "num_output": outputs,
        **sizes(weight.shape[2:], "kernel", 0),
        **sizes(node.ints("pads", [0] * axes)[:axes], "pad", 0),
        **sizes(node.ints("strides", [1] * axes), "stride", 1),
    }
    if set(dilations) != {1}:
        parameter["dilation"] = list(dilations) if len(set(dilations)) > 1 or axes > 2 else [dilations[0]]
    if node.i("group", 1) != 1:
        parameter["group"] = node.i("group", 1)
    if bias is None:
        parameter["bias_term"] = False
    net.layer(type, node, blobs=[weight] if bias is None else [weight, bias], convolution_param=parameter)


@writes("Conv", only_if=_can)
def conv(net: NetWriter, node: Node) -> None:
    """[O, I/group, k...]; cross-correlation in both."""
    shape = node.shape(1)
    assert shape is not None
    _write(net, node, "Convolution", int(shape[0] or 0))


@writes("ConvTranspose", only_if=_can_transposed)
def conv_transpose(net: NetWriter, node: Node) -> None:
    """[I, O/group, k...]; Caffe's ``pad`` crops the result as ONNX's ``pads`` do."""
    shape = node.shape(1)
    assert shape is not None
    _write(net, node, "Deconvolution", int(shape[1] or 0) * node.i("group", 1))
