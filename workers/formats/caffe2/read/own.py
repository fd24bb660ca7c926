"""Operators that a function of the user's stands for: all of its inputs, weights among them."""

from __future__ import annotations

from workers.formats.caffe2.read.layer import Layer, Value, reads
from workers.formats.custom import Call
from workers.hub.graph import GraphBuilder


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Settings are the operator's arguments, each of which holds one kind of value."""
    settings = {}
    for name, argument in layer.op.args.items():
        held = [value for entry, value in argument.fields() if entry.name != "name" and entry.kind != "message"]
        if held:
            settings[name] = held[0]
    return call(g, layer, xs, settings=settings)
