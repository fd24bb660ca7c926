"""Places found among sorted numbers, and numbers counted in bins."""

from __future__ import annotations

import numpy as np

from workers.formats.tensorflow.dtypes import I64
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads


@reads("LowerBound", "UpperBound")
def bound(g: Builder, layer: Layer, ordered: Value, x: Value) -> Value:
    """Row by row, how many of the sorted numbers are smaller than x; or not larger."""
    rows, columns = g.Unsqueeze(ordered, [1]), g.Unsqueeze(x, [2])
    before = g.Less(rows, columns) if layer.type == "LowerBound" else g.LessOrEqual(rows, columns)
    return cast(g, g.ReduceSum(cast(g, before, I64), [2], keepdims=0), layer.dtype("out_type", "DT_INT32"))


@reads("HistogramFixedWidth")
def histogram_fixed_width(g: Builder, layer: Layer, x: Value, ends: Value, bins: Value) -> Value:
    """Equal bins between the two ends; what lies outside counts in the outermost bins."""
    (count,) = layer.integers(g, bins, "the number of bins")
    if not 0 < count <= 1 << 16:
        raise layer.malformed(f"it has {count} bins")
    low, high = (g.Gather(ends, np.array(side, np.int64), axis=0) for side in (0, 1))
    step = g.Div(g.Sub(high, low), layer.number(ends, count))
    place = g.Floor(g.Div(g.Sub(g.Reshape(x, [-1]), low), step))
    place = cast(g, g.Clip(place, layer.number(place, 0), layer.number(place, count - 1)), I64)
    hits = g.Equal(g.Unsqueeze(place, [1]), np.arange(count, dtype=np.int64))
    return cast(g, g.ReduceSum(cast(g, hits, I64), [0], keepdims=0), layer.dtype("dtype", "DT_INT32"))
