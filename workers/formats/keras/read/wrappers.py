"""Layers around other layers."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.keras.read.layer import Layer, Result, reads
from workers.formats.keras.read.network import listed
from workers.formats.keras.read.tensor import Tensor
from workers.hub.graph import GraphBuilder, Value

# Layers that do the same to every step whether the time is folded into the batch or not.
POINTWISE = frozenset({
    "Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Dropout", "GaussianNoise",
    "GaussianDropout", "AlphaDropout", "Rescaling", "Identity",
})  # fmt: skip


@reads("TimeDistributed")
def time_distributed(g: GraphBuilder, layer: Layer, x: Tensor) -> Result:
    """The inner layer on every step: the time is folded into the batch, the inner axes stay as they lie."""
    spec = layer.spec.inner.get("layer")
    if spec is None:
        raise layer.malformed("it holds no layer")
    layer.rank(x, *range(3, 9))
    if spec.kind in POINTWISE and not (spec.kind == "Activation" and x.rank < 3):
        return layer.inner(g, "layer", x)
    natural = tuple(range(x.rank))
    order = x.order if x.order[:2] == (0, 1) and x.flat is None else natural
    value = x.to(g, order)
    tail = [size if isinstance(size, int) else -1 for size in g.shape(value)[2:]]
    if tail.count(-1):
        raise layer.free("it folds the time into the batch and needs all sizes behind it")
    folded = Tensor(g.Reshape(value, [-1, *tail]), (0, *(axis - 1 for axis in order[2:])))
    results = [_unfolded(g, layer, item, value) for item in listed(layer.inner(g, "layer", folded))]
    for result in results:
        result.mask = x.mask
    return results[0] if len(results) == 1 else results


def _unfolded(g: GraphBuilder, layer: Layer, y: Tensor, like: Value) -> Tensor:
    if y.flat is not None or y.order[0] != 0:
        y = Tensor(y.plain(g), tuple(range(y.rank)))
    tail = layer.fixed(g.shape(y.value)[1:])
    batch, time = g.shape(like)[:2]
    order = (0, 1, *(axis + 1 for axis in y.order[1:]))
    if isinstance(time, int) or isinstance(batch, int):
        head = [-1, time] if isinstance(time, int) else [batch, -1]
        return Tensor(g.Reshape(y.value, [*head, *tail]), order)
    target = g.Concat(g.Shape(like, start=0, end=2), tail, axis=0) if tail else g.Shape(like, start=0, end=2)
    value = g.Reshape(y.value, target)
    value.shape = ir.Shape([batch, time, *tail])
    return Tensor(value, order)


@reads("SpectralNormalization", "WeightNormalization")
def normalized(g: GraphBuilder, layer: Layer, x: Tensor) -> Result:
    """The stored kernel is the normalised one; it is renewed in training only."""
    return layer.inner(g, "layer", x)


@reads("Pipeline")
def pipeline(g: GraphBuilder, layer: Layer, x: Tensor) -> Result:
    """Layers one after the other."""
    result: Result = x
    for key in layer.spec.inner:
        result = layer.inner(g, key, result)
    return result
