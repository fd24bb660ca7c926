"""Operators that a function of the user's stands for: the tensors of all slots, in the program's order."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.paddle.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer) -> list[Value]:
    """Settings are the operator's attributes."""
    xs = [value for slot in layer.op.inputs for value in layer.all(slot)]
    return call(g, layer, xs, settings=layer.op.attrs)
