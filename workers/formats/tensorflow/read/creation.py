"""Tensors made from nothing but sizes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, cast, reads, whole


@reads("Fill")
def fill(g: Builder, layer: Layer, dims: Value, value: Value) -> Value:
    known = g.contents(dims)
    result = g.Expand(value, whole(g, dims))
    if known is not None and not known.scalar and not g.is_const(result):
        result.shape = ir.Shape(known.items)
    return result


@reads("Empty")
def empty(g: Builder, layer: Layer, dims: Value) -> Value:
    return g.Expand(np.zeros((), layer.dtype("dtype").numpy()), whole(g, dims))


@reads("Range")
def range_(g: Builder, layer: Layer, start: Value, limit: Value, delta: Value) -> Value:
    return g.Range(start, limit, delta)


@reads("LinSpace")
def lin_space(g: Builder, layer: Layer, start: Value, stop: Value, count: Value) -> Value:
    (number,) = layer.integers(g, count, "the number of its points")
    if not 1 <= number <= 1 << 24:
        raise layer.malformed(f"it makes {number} points")
    steps = np.arange(number).astype(layer.element(start).numpy())
    last = max(number - 1, 1)
    return g.Add(start, g.Mul(steps, g.Div(g.Sub(stop, start), layer.number(start, last))))


@reads("RandomUniform", "RandomStandardNormal", "TruncatedNormal")
def random(g: Builder, layer: Layer, dims: Value) -> Value:
    """Numbers of the same distribution; another generator makes other numbers."""
    layer.note("random", "This node draws random numbers; ONNX runtimes draw others of the same distribution.")
    zeros = g.Expand(np.zeros((), np.float32), whole(g, dims))
    if layer.type == "RandomUniform":
        drawn = g.RandomUniformLike(zeros, dtype=1, low=0.0, high=1.0)
    else:
        drawn = g.RandomNormalLike(zeros, dtype=1, mean=0.0, scale=1.0)
    known = g.contents(dims)
    if known is not None and not known.scalar:
        drawn = g.reshaped(drawn, known.items)
    if layer.type == "TruncatedNormal":
        drawn = g.Clip(drawn, np.float32(-2), np.float32(2))
    return cast(g, drawn, layer.dtype("dtype"))


@reads("RandomUniformInt")
def random_uniform_int(g: Builder, layer: Layer, dims: Value, low: Value, high: Value) -> Value:
    layer.note("random", "This node draws random numbers; ONNX runtimes draw others of the same distribution.")
    zeros = g.Expand(np.zeros((), np.float32), whole(g, dims))
    unit = g.RandomUniformLike(zeros, dtype=1, low=0.0, high=1.0)
    span = cast(g, g.Sub(high, low), ir.DataType.FLOAT)
    return g.Add(cast(g, g.Floor(g.Mul(unit, span)), layer.element(low)), low)


@reads("Multinomial")
def multinomial(g: Builder, layer: Layer, logits: Value, count: Value) -> Value:
    layer.note("random", "This node draws random numbers; ONNX runtimes draw others of the same distribution.")
    (number,) = layer.integers(g, count, "the number of its samples")
    drawn = g.Multinomial(logits, sample_size=number, dtype=7)
    return cast(g, drawn, layer.dtype("output_dtype", "DT_INT64"))
