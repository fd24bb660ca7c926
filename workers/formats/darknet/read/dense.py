"""Fully connected layers."""

from __future__ import annotations

import numpy as np

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.activation import activate
from workers.formats.darknet.read.convolution import batch_statistics
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.formats.darknet.read.normalization import Norm, Statistics, batch_normalize, norm, under_root
from workers.hub.graph import GraphBuilder


class Dense:
    """One block of the file: biases [o], weights [o, i], then (scales, mean, variance [o])."""

    def __init__(self, layer: Layer, inputs: int, outputs: int, label: str = "") -> None:
        self.layer = layer
        self.prefix = f"{label}." if label else ""
        self.outputs = outputs
        self.biases = layer.take(outputs)
        self.weights = _weights(layer, inputs, outputs)
        self.statistics: Statistics | None = None
        if layer.whole("batch_normalize"):
            self.statistics = batch_statistics(layer, outputs)

    def values(self, g: GraphBuilder) -> DenseValues:
        """The parameters as initialisers."""
        layer, prefix = self.layer, self.prefix
        return DenseValues(
            layer.weight(g, f"{prefix}weights", self.weights), layer.weight(g, f"{prefix}biases", self.biases),
            norm(g, layer, self.statistics, prefix) if self.statistics else None,
        )  # fmt: skip

    def folded(self) -> tuple[Array, Array]:
        """Weights [o, i] and biases [o] with the batch normalisation in them, computed in float64."""
        found = self.statistics
        if found is None:
            return self.weights, self.biases
        layer = self.layer

        def factor() -> Array:
            ratio: Array = found.scales / np.sqrt(under_root(layer, found.variance))
            return ratio

        weights = layer.computed(self.weights.shape, lambda: self.weights * factor()[:, None])
        return weights, layer.computed(self.biases.shape, lambda: self.biases - found.mean * factor())


class DenseValues:
    """``call`` computes the block, without its activation, for [N, i]."""

    def __init__(self, weights: Value, biases: Value, by: Norm | None) -> None:
        self.weights = weights
        self.biases = biases
        self.norm = by

    def call(self, g: GraphBuilder, x: Value) -> Value:
        if self.norm is None:
            return g.Gemm(x, self.weights, self.biases, transB=1)
        return batch_normalize(g, g.Gemm(x, self.weights, transB=1), self.biases, self.norm)


def _weights(layer: Layer, inputs: int, outputs: int) -> Array:
    """Ancient files (a version beyond 1000) store them as [inputs][outputs]."""
    if not layer.scope.cursor.weights.header.transposed:
        return layer.take(outputs, inputs)
    return layer.take(inputs, outputs).T


@reads("connected", "conn")
def connected(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """W x + b of the flattened input; the statistics of batch normalisation follow the weights in the file."""
    if layer.whole("dontload"):
        raise layer.unsupported("dontload=1: its weights are not in the file, Darknet leaves them random")
    flat = layer.flat(g, x)
    block = Dense(layer, layer.sizes(flat)[0], layer.positive("output"))
    return activate(g, layer, block.values(g).call(g, flat))
