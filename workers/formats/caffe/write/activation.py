"""Activations and other functions of single elements."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe.write.net import RECENT, NetWriter
from workers.formats.caffe.write.registry import writes
from workers.hub.legalise.dims import scalar
from workers.hub.node import Node

PLAIN = {"Sigmoid": "Sigmoid", "Tanh": "TanH", "Abs": "AbsVal", "Exp": "Exp", "Log": "Log", "Softplus": "BNLL"}


@writes(*PLAIN)
def plain(net: NetWriter, node: Node) -> None:
    """Caffe's Exp and Log are to the base e unless told otherwise; BNLL is Softplus."""
    net.layer(PLAIN[node.op], node)


@writes("Relu", "LeakyRelu")
def relu(net: NetWriter, node: Node) -> None:
    slope = node.f("alpha", 0.01) if node.op == "LeakyRelu" else 0.0
    net.layer("ReLU", node, relu_param={"negative_slope": slope} if slope else None)


@writes("Elu")
def elu(net: NetWriter, node: Node) -> None:
    net.layer("ELU", node, elu_param={"alpha": node.f("alpha", 1.0)})


def _per_channel(node: Node) -> bool | str:
    slope, shape = node.const(1), node.shape()
    if slope is None or shape is None or len(shape) < 2 or not isinstance(shape[1], int):
        return "Caffe's PReLU has learned slopes, one a channel"
    if slope.size == 1:
        return True
    aligned = (1,) * (len(shape) - slope.ndim) + slope.shape
    if aligned != (1, shape[1], *[1] * (len(shape) - 2)):
        return "Caffe's PReLU has one slope a channel, or one for all"
    return True


@writes("PRelu", only_if=_per_channel)
def prelu(net: NetWriter, node: Node) -> None:
    slope, shape = node.const(1), node.shape()
    assert slope is not None and shape is not None
    if slope.size == 1:
        net.layer("ReLU", node, relu_param={"negative_slope": float(slope.reshape(()))})
    else:
        net.layer("PReLU", node, blobs=[slope.reshape(-1)], prelu_param={"channel_shared": False})


def _bounded(node: Node) -> bool | str:
    given = scalar(node.input(1)) is not None and scalar(node.input(2)) is not None
    return given or "Caffe's Clip has two constant bounds"


@writes("Clip", only_if=_bounded)
def clip(net: NetWriter, node: Node) -> None:
    net.needs(RECENT, "Clip")
    net.layer("Clip", node, clip_param={"min": scalar(node.input(1)), "max": scalar(node.input(2))})


@writes("Softmax", only_if=lambda n: n.rank is not None or "the rank must be known")
def softmax(net: NetWriter, node: Node) -> None:
    axis = node.i("axis", -1) % (node.rank or 1)
    net.layer("Softmax", node, softmax_param={"axis": axis} if axis != 1 else None)


# --- powers -----------------------------------------------------------------------------------------------------------


@writes("Neg")
def neg(net: NetWriter, node: Node) -> None:
    net.layer("Power", node, power_param={"scale": -1.0})


@writes("Sqrt")
def sqrt(net: NetWriter, node: Node) -> None:
    net.layer("Power", node, power_param={"power": 0.5})


@writes("Reciprocal")
def reciprocal(net: NetWriter, node: Node) -> None:
    net.layer("Power", node, power_param={"power": -1.0})


def _constant_exponent(node: Node) -> bool | str:
    exponent = scalar(node.input(1))
    if exponent is None or node.const(0) is not None or len(node.shape(1) or ()) > (node.rank or 0):
        return "Caffe's Power has one constant exponent"
    return bool(np.isfinite(exponent)) or "the exponent is not a number"


@writes("Pow", only_if=_constant_exponent)
def power(net: NetWriter, node: Node) -> None:
    net.layer("Power", node, power_param={"power": scalar(node.input(1))})


@writes("caffe::Power")
def affine_power(net: NetWriter, node: Node) -> None:
    """(shift + scale * x) ^ power."""
    defaults = {"power": 1.0, "scale": 1.0, "shift": 0.0}
    given = {name: node.f(name, default) for name, default in defaults.items()}
    net.layer("Power", node, power_param={name: value for name, value in given.items() if value != defaults[name]})


@writes("caffe::Swish")
def swish(net: NetWriter, node: Node) -> None:
    """x * sigmoid(x)."""
    net.needs(RECENT, "Swish")
    net.layer("Swish", node)


@writes("caffe::Threshold")
def threshold(net: NetWriter, node: Node) -> None:
    """1 where x > threshold, else 0."""
    net.layer("Threshold", node, threshold_param={"threshold": node.f("threshold")})


@writes("Identity")
def identity(net: NetWriter, node: Node) -> None:
    """Caffe's Power without parameters hands a blob on; a constant is a Parameter."""
    array = node.const(0)
    if array is None:
        net.layer("Power", node)
    else:
        net.layer("Parameter", node, [], blobs=[array], parameter_param={"shape": {"dim": array.shape}})
