"""StableHLO's products, convolutions and reductions, and the windows that reduce along any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from string import ascii_lowercase

import numpy as np

from workers.formats.layer import cast
from workers.formats.tflite.read.layer import BOOL, I32, Layer, Value, reads
from workers.hub.graph import GraphBuilder

# What the body of a reduction may be, by the one operator in it.
COMBINE = {
    "STABLEHLO_ADD": "Add", "ADD": "Add", "STABLEHLO_MULTIPLY": "Mul", "MUL": "Mul", "STABLEHLO_MAXIMUM": "Max",
    "MAXIMUM": "Max", "STABLEHLO_MINIMUM": "Min", "MINIMUM": "Min",
}  # fmt: skip
REDUCE = {"Add": "ReduceSum", "Mul": "ReduceProd", "Max": "ReduceMax", "Min": "ReduceMin"}
WINDOW_FUNCTIONS = {1: "Add", 2: "Mul", 3: "Min", 4: "Max", 5: "Min", 6: "Max"}
WINDOW_LIMIT = 1024
GENERAL = "its general form has no counterpart in ONNX; convert the model to TensorFlow Lite's own operators"

reads.refuse(GENERAL, "STABLEHLO_GATHER", "STABLEHLO_SCATTER")


@reads("STABLEHLO_DOT_GENERAL")
def dot_general(g: GraphBuilder, layer: Layer) -> Value:
    """Batch axes first, then what is left of the one side and of the other."""
    batch_a, batch_b = layer.ints("lhs_batching_dimensions"), layer.ints("rhs_batching_dimensions")
    inner_a, inner_b = layer.ints("lhs_contracting_dimensions"), layer.ints("rhs_contracting_dimensions")
    ranks = layer.rank(0), layer.rank(1)
    if len(batch_a) != len(batch_b) or len(inner_a) != len(inner_b) or sum(ranks) > len(ascii_lowercase):
        raise layer.malformed("its dimensions do not fit together")
    letters = iter(ascii_lowercase)
    sides = [[""] * rank for rank in ranks]
    for pairs in (zip(batch_a, batch_b, strict=True), zip(inner_a, inner_b, strict=True)):
        for a, b in pairs:
            sides[0][layer.axis(a, ranks[0])] = sides[1][layer.axis(b, ranks[1])] = next(letters)
    batch = [sides[0][axis] for axis in batch_a]
    left = []
    for side in sides:
        for axis, letter in enumerate(side):
            if not letter:
                side[axis] = next(letters)
                left.append(side[axis])
    equation = f"{''.join(sides[0])},{''.join(sides[1])}->{''.join([*batch, *left])}"
    return g.Einsum(layer.x(g, 0), layer.x(g, 1), equation=equation)


@reads("STABLEHLO_CONVOLUTION")
def convolution(g: GraphBuilder, layer: Layer) -> Value:
    """Axes in any order; they are brought into ONNX's and back."""
    spatial = [layer.ints(f"{side}_spatial_dimensions") for side in ("input", "kernel", "output")]
    count = len(spatial[0])
    if any(len(axes) != count for axes in spatial) or layer.rank(0) != count + 2 or layer.rank(1) != count + 2:
        raise layer.malformed("its dimensions do not fit its inputs")
    if any(size != 1 for size in layer.ints("lhs_dilation")) or any(layer.ints("window_reversal")):
        raise layer.unsupported("it puts zeros between its input's elements, or reverses its kernel")
    if layer.i("batch_group_count", 1) != 1:
        raise layer.unsupported("it groups the batch")
    source = [layer.i("input_batch_dimension"), layer.i("input_feature_dimension"), *spatial[0]]
    kernel = [layer.i("kernel_output_feature_dimension"), layer.i("kernel_input_feature_dimension"), *spatial[1]]
    target = [layer.i("output_batch_dimension"), layer.i("output_feature_dimension"), *spatial[2]]
    if any(sorted(order) != list(range(count + 2)) for order in (source, kernel, target)):
        raise layer.malformed("its dimensions name an axis twice")
    pads = layer.ints("padding") or [0] * (2 * count)
    if len(pads) != 2 * count or min(pads, default=0) < 0:
        raise layer.unsupported("its padding is negative")
    weight = layer.kernel(g, 1, kernel)
    y = g.Conv(
        g.Transpose(layer.x(g, 0), perm=source), weight, strides=layer.ints("window_strides") or [1] * count,
        dilations=layer.ints("rhs_dilation") or [1] * count, pads=[*pads[::2], *pads[1::2]],
        group=max(layer.i("feature_group_count", 1), 1),
    )  # fmt: skip
    return g.Transpose(y, perm=[target.index(axis) for axis in range(count + 2)])


# --- reductions ------------------------------------------------------------------------------------------------------


def _combiner(layer: Layer, index: int) -> str:
    """The operator that a graph of one node applies to its two inputs."""
    graphs = layer.scope.graphs
    if not 0 <= index < len(graphs):
        raise layer.malformed(f"its graph {index} does not exist")
    found = [op.type for op in graphs[index].operators]
    if len(found) != 1 or found[0] not in COMBINE:
        raise layer.unsupported(f"it combines elements by {', '.join(found) or 'nothing'}, which ONNX cannot reduce by")
    return COMBINE[found[0]]


@reads("STABLEHLO_REDUCE")
def reduce(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: data and the value to begin with."""
    if len(layer.inputs) != 2:
        raise layer.unsupported("it reduces several tensors at once")
    how = _combiner(layer, layer.i("body_subgraph_index"))
    axes = [layer.axis(axis, layer.rank(0)) for axis in layer.ints("dimensions")]
    y = g.op(REDUCE[how], layer.x(g, 0), axes, keepdims=0)
    return g.op(how, y, layer.x(g, 1))


@reads("REDUCE_WINDOW")
def reduce_window(g: GraphBuilder, layer: Layer) -> Value:
    """Inputs: data, the value to begin with, window, strides, dilations of the window."""
    how = WINDOW_FUNCTIONS.get(layer.i("reduce_function"))
    if how is None:
        raise layer.malformed(f"its function {layer.i('reduce_function')} does not exist")
    window, strides, dilations = (layer.integers(i, "sizes") for i in range(2, 5))
    return _windows(g, layer, how, window, strides, [1] * len(window), dilations, [0] * (2 * len(window)))


@reads("STABLEHLO_REDUCE_WINDOW")
def stablehlo_reduce_window(g: GraphBuilder, layer: Layer) -> Value:
    if len(layer.inputs) != 2:
        raise layer.unsupported("it reduces several tensors at once")
    rank = layer.rank(0)
    window, strides, base, dilations = (
        layer.ints(name) or [1] * rank
        for name in ("window_dimensions", "window_strides", "base_dilations", "window_dilations")
    )
    how = _combiner(layer, layer.i("body_subgraph_index"))
    return _windows(g, layer, how, window, strides, base, dilations, layer.ints("padding") or [0] * (2 * rank))


def _windows(
    g: GraphBuilder, layer: Layer, how: str, window: Sequence[int], strides: Sequence[int], base: Sequence[int],
    dilations: Sequence[int], pads: Sequence[int],
) -> Value:  # fmt: skip
    """Every place of the window as a strided slice, all of them combined with the value to begin with."""
    sizes = layer.sizes(0)
    rank = len(sizes)
    if any(len(part) != rank or min(part, default=1) < 1 for part in (window, strides, base, dilations)):
        raise layer.malformed(f"its windows do not fit an input of {rank} axes")
    if any(step != 1 for step in base) or len(pads) != 2 * rank or min(pads, default=0) < 0:
        raise layer.unsupported("it puts elements between those of its input, or cuts its borders")
    if math.prod(window) > WINDOW_LIMIT:
        raise layer.unsupported(f"its window has more than {WINDOW_LIMIT} places")
    logical = layer.dtype(0) == BOOL
    x, start = (cast(g, layer.x(g, i), I32) if logical else layer.x(g, i) for i in (0, 1))
    if layer.rank(1):
        start = g.Reshape(start, np.zeros(0, np.int64))
    if any(pads):
        x = g.Pad(x, [*pads[::2], *pads[1::2]], start)
    full = [size + low + high for size, low, high in zip(sizes, pads[::2], pads[1::2], strict=True)]
    counts = [(size - (w - 1) * d - 1) // s + 1 for size, w, d, s in zip(full, window, dilations, strides, strict=True)]
    if min(counts, default=1) < 1:
        raise layer.malformed("its window is larger than its input")
    result = start
    for place in product(*(range(size) for size in window)):
        begin = [at * d for at, d in zip(place, dilations, strict=True)]
        end = [b + (n - 1) * s + 1 for b, n, s in zip(begin, counts, strides, strict=True)]
        result = g.op(how, result, g.Slice(x, begin, end, list(range(rank)), list(strides)))
    return result
