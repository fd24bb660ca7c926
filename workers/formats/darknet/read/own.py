"""Layers that a function of the user's stands for: their inputs. What the weights file has next is another layer's."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *xs: Value) -> Value:
    """Settings are the section's options."""
    results = call(g, layer, xs, settings=dict(layer.options))
    if len(results) != 1:
        raise layer.malformed(f"a layer has one result, the function for it gives {len(results)}")
    return results[0]
