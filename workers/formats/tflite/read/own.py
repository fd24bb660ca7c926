"""Operators that a function of the user's stands for: all of their inputs, constants among them."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.tflite.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder
from workers.inspect.flexbuffer import flex_map


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer) -> list[Value]:
    """Settings are a custom operator's options, as TensorFlow writes them, or those of a built-in one."""
    xs = [layer.x(g, index) for index in range(len(layer.inputs)) if layer.has(index)]
    options = flex_map(layer.op.custom_options, f"{layer.name!r}") if layer.op.custom_options else {}
    return call(g, layer, xs, settings={**layer.op.options, **options})
