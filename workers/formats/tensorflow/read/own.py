"""Nodes that a function of the user's stands for: all of their inputs."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.inspect.schema import Message


@reads.by_users
def own(call: Call, g: Builder, layer: Layer, *xs: Value) -> list[Value]:
    """Settings are the node's attributes that are numbers, words, or lists of them."""
    settings = {name: _plain(attribute) for name, attribute in layer.node.attrs.items()}
    return call(g, layer, xs, settings=settings)


def _plain(attribute: Message) -> object:
    for entry, value in attribute.fields():
        if entry.name == "list":
            return next((list(items) for inner, items in value.fields() if inner.kind != "message"), None)
        if entry.kind != "message":
            return value
    return None
