"""InnerProduct and Embed."""

from __future__ import annotations

import numpy as np

from workers.formats.caffe.read.layer import Layer, Value, prod, reads
from workers.hub.graph import GraphBuilder


@reads("InnerProduct")
def inner_product(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Flattens the axes from ``axis`` on into K values and multiplies by the blob [N, K] ([K, N] with transpose).

    The axes before ``axis`` stay; with one of them this is ONNX's Gemm, with more a MatMul.
    """
    p = layer.inner_product_param
    rank = layer.rank(x)
    axis = layer.axis(p.axis, rank)
    if axis == 0:
        raise layer.unsupported("axis 0 makes one row of the whole batch")
    size, count = prod(layer.sizes(x, axis)), p.num_output
    if count < 1:
        raise layer.malformed("num_output must be given")
    shape = (size, count) if p.transpose else (count, size)
    bias = layer.weight(g, 1, (count,), "bias") if p.bias_term else None
    if axis == 1:
        flat = x if rank == 2 else g.Flatten(x, axis=1)
        return g.Gemm(flat, layer.weight(g, 0, shape, "weight"), bias, transB=0 if p.transpose else 1)
    rows = x if axis == rank - 1 else g.Reshape(x, [*[0] * axis, size])
    w = layer.weight(g, 0, shape, "weight", np.asarray if p.transpose else np.transpose)
    y = g.MatMul(rows, w)
    return y if bias is None else g.Add(y, bias)


@reads("Embed")
def embed(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """A row of the blob [input_dim, num_output] for every index, which Caffe keeps as a float."""
    p = layer.embed_param
    if p.num_output < 1 or p.input_dim < 1:
        raise layer.malformed("num_output and input_dim must be given")
    y = g.Gather(layer.weight(g, 0, (p.input_dim, p.num_output), "weight"), g.Cast(x, to=7), axis=0)
    return g.Add(y, layer.weight(g, 1, (p.num_output,), "bias")) if p.bias_term else y
