"""Activations: as the modules of ``torch.nn`` where their formula is the same."""

from __future__ import annotations

import numpy as np

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import rank_known, writes
from workers.formats.pytorch.write.types import FLOATS, INTEGERS, D
from workers.formats.pytorch.write.weights import weight_of
from workers.hub.node import Node, shape_of

PLAIN = {
    "Relu": "nn.ReLU", "Sigmoid": "nn.Sigmoid", "Tanh": "nn.Tanh", "Softsign": "nn.Softsign", "Mish": "nn.Mish",
    "HardSwish": "nn.Hardswish",
}  # fmt: skip


@writes(*PLAIN)
def plain(net: NetWriter, node: Node) -> None:
    net.layer(node, PLAIN[node.op])


@writes("LeakyRelu")
def leaky_relu(net: NetWriter, node: Node) -> None:
    net.layer(node, "nn.LeakyReLU", text.floating(node.f("alpha", 0.01)))


@writes("Elu")
def elu(net: NetWriter, node: Node) -> None:
    net.layer(node, "nn.ELU", text.floating(node.f("alpha", 1.0)))


@writes("Celu")
def celu(net: NetWriter, node: Node) -> None:
    net.layer(node, "nn.CELU", text.floating(node.f("alpha", 1.0)))


@writes("Selu")
def selu(net: NetWriter, node: Node) -> None:
    """nn.SELU has the usual constants built in; with others it is a scaled ELU."""
    alpha, gamma = node.f("alpha", 1.6732632), node.f("gamma", 1.0507010)
    if abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.0507010) < 1e-6:
        net.layer(node, "nn.SELU")
    else:
        net.set(node, f"{text.floating(gamma)} * F.elu({net.x(node)}, {text.floating(alpha)})")


@writes("HardSigmoid")
def hard_sigmoid(net: NetWriter, node: Node) -> None:
    """nn.Hardsigmoid is relu6(x + 3) / 6: slope 1/6, offset 1/2."""
    alpha, beta = node.f("alpha", 0.2), node.f("beta", 0.5)
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        net.layer(node, "nn.Hardsigmoid")
        return
    line = f"{text.floating(alpha)} * {net.x(node)} + {text.floating(beta)}"
    net.set(node, f"torch.clamp({line}, 0.0, 1.0)")


@writes("Softplus")
def softplus(net: NetWriter, node: Node) -> None:
    """nn.Softplus becomes the identity above 20: exact in single precision, not in double."""
    if node.dtype() is D.DOUBLE:
        net.set(node, f"torch.logaddexp({net.x(node)}, torch.zeros_like({net.x(node)}))")
    else:
        net.layer(node, "nn.Softplus")


@writes("Gelu")
def gelu(net: NetWriter, node: Node) -> None:
    tanh = node.s("approximate", "none") == "tanh"
    net.layer(node, "nn.GELU", approximate='"tanh"' if tanh else None)


@writes("ThresholdedRelu")
def thresholded_relu(net: NetWriter, node: Node) -> None:
    net.layer(node, "nn.Threshold", text.floating(node.f("alpha", 1.0)), "0.0")


@writes("Shrink")
def shrink(net: NetWriter, node: Node) -> None:
    bias, lambd = node.f("bias"), node.f("lambd", 0.5)
    if bias == lambd and node.dtype() in FLOATS:
        net.layer(node, "nn.Softshrink", text.floating(lambd))
        return
    call = text.call(net.helper("shrink"), net.x(node), text.floating(bias), text.floating(lambd))
    net.set(node, f"{call}.to({net.x(node)}.dtype)" if node.dtype() in INTEGERS else call)


@writes("Clip")
def clip(net: NetWriter, node: Node) -> None:
    low, high = node.input(1), node.input(2)
    bounds = [net.scalar(low, 1), net.scalar(high, 1)]
    numbers = [None if bound is None else float(bound.removeprefix('float("').removesuffix('")')) for bound in bounds]
    if numbers == [0.0, 6.0] and node.dtype() in FLOATS:
        net.layer(node, "nn.ReLU6")
        return
    if numbers == [0.0, None] and high is None:
        net.layer(node, "nn.ReLU")
        return
    literal = all(value is None or bound is not None for value, bound in zip((low, high), bounds, strict=True))
    given = bounds if literal else [None if value is None else net.tensor(value) for value in (low, high)]
    if given == [None, None]:
        net.alias_of(node.outputs[0], node.x(0))
        return
    if None not in given:
        net.set(node, text.call("torch.clamp", net.x(node), *given))
        return
    net.set(node, text.call("torch.clamp", net.x(node), min=given[0], max=given[1]))


@writes("PRelu", only_if=rank_known)
def prelu(net: NetWriter, node: Node) -> None:
    """nn.PReLU has one slope, or one a channel of axis 1; other shapes broadcast."""
    slope, rank = node.const(1), node.rank or 0
    if slope is not None and node.dtype() in FLOATS:
        shape = (1,) * (rank - slope.ndim) + slope.shape
        if slope.size == 1 or (rank >= 2 and shape[1] == slope.size):
            weight = weight_of(node.x(1), view=lambda array: array.reshape(-1), note="flat")
            count = None if slope.size == 1 else int(slope.size)
            net.layer(node, "nn.PReLU", *([] if count is None else [count]), state={"weight": weight})
            return
    x = net.x(node)
    net.set(node, f"torch.where({x} >= 0, {x}, {net.parameter(node, 1)} * {x})")


@writes("Softmax", "LogSoftmax")
def softmax(net: NetWriter, node: Node) -> None:
    function = "nn.Softmax" if node.op == "Softmax" else "nn.LogSoftmax"
    net.layer(node, function, dim=axis(node, -1))


@writes("Hardmax")
def hardmax(net: NetWriter, node: Node) -> None:
    net.set(node, text.call(net.helper("hardmax"), net.x(node), axis(node, -1)))


def axis(node: Node, default: int) -> int:
    """The axis counted from the front where the rank is known, as a reader expects ``dim=1``."""
    value, shape = node.i("axis", default), shape_of(node.x(0))
    if shape is None or value == -1:
        return value
    return value % len(shape) if shape else value
