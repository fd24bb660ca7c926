"""Matrix products and look-ups in tables of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.convolution import bias
from workers.formats.tflite.read.held import Rows, dequantised, quantised
from workers.formats.tflite.read.layer import F32, I32, Layer, Out, Value, reads, whole
from workers.hub.graph import GraphBuilder


@reads("FULLY_CONNECTED")
def fully_connected(g: GraphBuilder, layer: Layer) -> Value | Out:
    """Weight [units, inputs]; the input is taken as rows of ``inputs`` numbers, its axes kept where asked for."""
    if layer.i("weights_format"):
        raise layer.unsupported("its weights are shuffled for one processor; convert the model without that")
    layer.rank(1, 2)
    units, size = layer.sizes(1)
    b = bias(g, layer, 2, 1, 0, units)
    flat = layer.held(0).flat
    if flat is not None and layer.held(1).is_constant and math.prod(flat.sizes) == size:
        rank = len(flat.sizes)
        weight = layer.kernel(g, 1, (0, rank, *range(1, rank)), shape=[units, size], view=[units, *flat.sizes])
        raw = layer.held(0).quantised and not flat.real
        x = dequantised(g, flat.value, layer.held(0).quantization, False) if raw else flat.value
        return layer.activated(g, g.Gemm(x, weight, b, transB=1))
    rows = layer.held(0).rows
    if rows is not None and layer.held(1).is_constant and layer.outs[0].quantization is None:
        layer.same(rows.sizes[-1], size, "the number of inputs")
        y = _by_pixel(g, layer, rows.value, b, units, size)
        return Out(rows=Rows(y, (*rows.sizes[:-1], units)))
    if layer.flag("keep_num_dims") and layer.rank(0) not in (0, 2):
        layer.same(layer.dims(0)[-1], size, "the number of inputs")
        if layer.rank(0) > 3 and layer.wants_first(0) and layer.held(1).is_constant:
            return Out(_by_pixel(g, layer, layer.x(g, 0, first=True), b, units, size), first=True)
        y = g.MatMul(layer.x(g, 0), layer.kernel(g, 1, (1, 0)))
        return layer.activated(g, y if b is None else g.Add(y, b))
    return layer.activated(g, g.Gemm(_rows(g, layer, size), layer.kernel(g, 1, (0, 1)), b, transB=1))


def _by_pixel(g: GraphBuilder, layer: Layer, x: Value, b: Value | None, units: int, size: int) -> Value:
    """Over the channels of a map that has them in axis 1: a convolution by a single pixel."""
    spatial = [1] * (g.rank(x) - 2)
    weight = layer.kernel(g, 1, list(range(len(spatial) + 2)), view=[units, size, *spatial])
    return layer.activated(g, g.Conv(x, weight, b, kernel_shape=spatial))


def _rows(g: GraphBuilder, layer: Layer, size: int) -> Value:
    shape = layer.dims(0)
    if len(shape) == 2 and shape[1] == size:
        return layer.x(g, 0)
    fixed = [dim for dim in shape if isinstance(dim, int)]
    if len(fixed) == len(shape) and (size < 1 or math.prod(fixed) % size):
        raise layer.malformed(f"its input of shape {list(shape)} cannot be taken as rows of {size} numbers")
    held = layer.held(0)
    x = layer.x(g, 0, first=held.prefers_first and held.either)
    batch = 0 if len(shape) > 1 and math.prod(fixed[len(fixed) - len(shape) + 1 :]) == size else -1
    return g.Reshape(x, [batch, size])


@reads("BATCH_MATMUL")
def batch_matmul(g: GraphBuilder, layer: Layer) -> Value:
    """The last two axes are a matrix, turned where ``adj`` says so; the others are broadcast."""
    sides = []
    for index, turned in enumerate((layer.flag("adj_x"), layer.flag("adj_y"))):
        rank = layer.rank(index)
        if rank < 2:
            raise layer.malformed(f"its input {index} has {rank} axes; it takes 2 or more")
        if layer.held(index).is_constant:
            order = [*range(rank)]
            order[-2:] = order[:-3:-1] if turned else order[-2:]
            sides.append(layer.kernel(g, index, order, data=0))
            continue
        if not turned:
            sides.append(layer.x(g, index))
            continue
        x, held = g.Transpose(layer.x(g, index), perm=[*range(rank - 2), rank - 1, rank - 2]), layer.held(index)
        if held.quantised and not layer.scope.dequantize:
            x = dequantised(g, quantised(g, x, held, False), held.quantization, False)
        sides.append(x)
    return g.MatMul(*sides)


@reads("HASHTABLE_LOOKUP")
def hashtable_lookup(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Inputs: what is looked up, keys, values. Rows of what is not found are 0; the second result says what was."""
    hit = g.Equal(g.Unsqueeze(layer.x(g, 0), [1]), layer.x(g, 1))
    found = g.ReduceMax(cast(g, hit, I32), [1], keepdims=0)
    rows = g.Gather(layer.x(g, 2), g.ArgMax(cast(g, hit, I32), axis=1, keepdims=0))
    shape = [-1, *[1] * (layer.rank(2) - 1)]
    return [g.Mul(rows, g.Reshape(cast(g, found, rows.dtype or F32), shape)), found]


@reads("EMBEDDING_LOOKUP_SPARSE")
def embedding_lookup_sparse(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: ids, their places [n, 2], the dense shape, weights, the table: weighted rows, added up by place."""
    if layer.rank(1, 2) and layer.size(1, 1) != 2:
        raise layer.unsupported("its ids lie in more than two axes")
    weights = g.Unsqueeze(layer.x(g, 3), [1])
    rows = g.Mul(g.Gather(layer.x(g, 4), layer.x(g, 0)), weights)
    place = whole(g, g.Slice(layer.x(g, 1), [0], [1], [1]))
    count = whole(g, g.Slice(layer.x(g, 2), [0], [1]))

    def summed(values: Value, width: Sequence[int]) -> Value:
        ground = g.Expand(np.float32(0), g.Concat(count, np.asarray(width, np.int64), axis=0))
        return g.ScatterND(ground, place, values, reduction="add")

    total = summed(rows, [layer.size(4, 1)])
    if layer.i("combiner") == 0:
        return total
    mean = layer.i("combiner") == 1
    scale = summed(weights if mean else g.Mul(weights, weights), [1])
    scale = scale if mean else g.Sqrt(scale)
    return g.Where(g.Equal(scale, np.float32(0)), total, g.Div(total, scale))


@reads("EMBEDDING_LOOKUP")
def embedding_lookup(g: GraphBuilder, layer: Layer) -> Value:
    """Rows of a table, by their numbers."""
    return g.Gather(layer.x(g, 1), layer.x(g, 0, real=False))
