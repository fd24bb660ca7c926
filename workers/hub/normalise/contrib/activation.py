"""Activations that onnxruntime fuses with a bias."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.rule import is_read, plus, refuse, says


def number(like: Value, value: float) -> np.ndarray[tuple[()], np.dtype[np.generic]]:
    """A scalar of the element type of ``like``."""
    return np.asarray(value, np.float32 if like.dtype is None else like.dtype.numpy())


@says("Gelu")
def gelu(g: GraphBuilder, node: Node) -> Value:
    return g.Gelu(node.x())


@says("BiasGelu")
def bias_gelu(g: GraphBuilder, node: Node) -> Value:
    return g.Gelu(g.Add(node.x(), node.x(1)))


@says("FastGelu")
def fast_gelu(g: GraphBuilder, node: Node) -> Value:
    return g.Gelu(plus(g, node.x(), node.input(1)), approximate="tanh")


@says("QuickGelu")
def quick_gelu(g: GraphBuilder, node: Node) -> Value:
    """``x * sigmoid(alpha * x)``"""
    x = node.x()
    return g.Mul(x, g.Sigmoid(g.Mul(x, number(x, node.f("alpha", 1.702)))))


@says("BiasSoftmax")
def bias_softmax(g: GraphBuilder, node: Node) -> Value:
    """Whichever axes the bias is broadcast over: it was an operand of Add before it was fused."""
    axis, rank = node.i("axis", 1), node.rank
    if rank is None or axis % rank != rank - 1:
        raise refuse(node, "it joins several axes")
    return g.Softmax(g.Add(node.x(), node.x(1)), axis=-1)


@says("BiasDropout")
def bias_dropout(g: GraphBuilder, node: Node) -> Sequence[Value]:
    """At inference nothing is dropped."""
    training = node.const(4)
    if node.input(4) is not None and (training is None or bool(np.any(training))):
        raise refuse(node, "it drops elements, as in training")
    if len(node.outputs) > 1 and is_read(node.outputs[1]):
        raise refuse(node, "its mask is read")
    return [plus(g, node.x(), node.x(1), node.input(2))]


def activated(g: GraphBuilder, node: Node, x: Value, parameters: Sequence[float]) -> Value:
    """``x`` through the activation that a fused operator names; ``parameters`` in onnxruntime's order."""
    name = node.s("activation")
    if not name:
        return x
    if name in ("Relu", "Sigmoid", "Tanh"):
        return g.op(name, x)
    if name == "LeakyRelu":
        return g.LeakyRelu(x, alpha=parameters[0] if parameters else 0.01)
    if name == "Clip" and len(parameters) == 2:
        return g.Clip(x, number(x, parameters[0]), number(x, parameters[1]))
    if name == "HardSigmoid" and len(parameters) == 2:
        return g.HardSigmoid(x, alpha=parameters[0], beta=parameters[1])
    raise refuse(node, f"its activation {name!r} is not known")
