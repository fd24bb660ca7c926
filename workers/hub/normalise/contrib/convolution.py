"""Convolutions with what onnxruntime fused behind them."""

from __future__ import annotations

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.contrib.activation import activated
from workers.hub.normalise.contrib.rule import plus, says

OWN = ("activation", "activation_params")


@says("FusedConv")
def fused_conv(g: GraphBuilder, node: Node) -> Value:
    """``activation(conv(x) + z)``"""
    attributes = {name: each.value for name, each in node.raw.attributes.items() if name not in OWN}
    y = plus(g, g.Conv(node.x(), node.x(1), node.input(2), **attributes), node.input(3))
    return activated(g, node, y, node.floats("activation_params"))
