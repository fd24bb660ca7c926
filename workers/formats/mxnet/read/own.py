"""Nodes that a function of the user's stands for: all of their inputs, parameters among them."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Settings are the node's attributes. A ``Custom`` node goes by its ``op_type``."""
    return call(g, layer, xs, settings=layer.node.attrs)
