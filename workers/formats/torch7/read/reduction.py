"""Modules that reduce an axis."""

from __future__ import annotations

from workers.formats.torch7.read.layer import Layer, Value, reads
from workers.formats.torch7.read.table import shifted
from workers.hub.graph import GraphBuilder


@reads("nn.Sum", "nn.Mean")
def sum_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Or the mean: new files of nn.Mean say so in sizeAverage, old ones have no such field and mean it as well."""
    rank = layer.rank(x)
    axis = shifted(layer, rank)
    keeps = rank == 1 or not layer.flag("squeeze", True)
    mean = layer.type == "nn.Mean" or layer.flag("sizeAverage")
    return g.op("ReduceMean" if mean else "ReduceSum", x, [axis], keepdims=int(keeps))


@reads("nn.Max", "nn.Min")
def extremum(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Without its axis; of a vector the only one is kept."""
    rank = layer.rank(x)
    operator = "ReduceMax" if layer.type == "nn.Max" else "ReduceMin"
    return g.op(operator, x, [shifted(layer, rank)], keepdims=int(rank == 1))


@reads("nn.ArgMax")
def arg_max(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """dpnn's: places from 1 on."""
    rank = layer.rank(x)
    number = layer.integer("dim", 1)
    if layer.has("nInputDim") and rank > layer.integer("nInputDim"):
        number += 1
    found = g.ArgMax(x, axis=layer.axis(number, rank), keepdims=0)
    return g.Add(layer.floats(g, found), 1.0)
