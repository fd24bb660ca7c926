"""Layers of the user's own classes that a function stands for: their inputs, then their weights, as Keras has them."""

from __future__ import annotations

from workers.formats.custom import Call
from workers.formats.keras.read.layer import Layer, Result, reads
from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder


@reads.by_users
def own(call: Call, g: GraphBuilder, layer: Layer, *xs: Tensor) -> Result:
    """Settings are the layer's configuration."""
    weights = [
        layer.weight(g, f"weight{index}", layer.stored(dataset)) for index, dataset in enumerate(layer.stock.raw)
    ]
    results = call(g, layer, [x.plain(g) for x in xs], weights, layer.config)
    tensors = [Tensor(value, tuple(range(GraphBuilder.rank(value)))) for value in results]
    return tensors[0] if len(tensors) == 1 else tensors
