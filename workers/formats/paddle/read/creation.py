"""Tensors made from numbers alone, or in the likeness of others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.paddle.read.layer import F32, I64, Array, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import contents, integer, numbers, scalar
from workers.hub.graph import GraphBuilder


def filled(g: GraphBuilder, layer: Layer, shape: list[int] | Value, value: Array | Value) -> Value:
    """One number everywhere."""
    if isinstance(shape, list):
        if any(size < 0 for size in shape):
            raise layer.malformed(f"its shape is {shape}")
        if isinstance(value, np.ndarray) and math.prod(shape) <= 4096:
            return g.constant(np.full(shape, value, value.dtype))
        layer.bounded(math.prod(shape) >> 8)
    result = g.Expand(value, shape)
    known = contents(layer, shape) if isinstance(shape, ir.Value) else shape
    if known is not None:
        result.shape = ir.Shape(list(known))
    return result


def _number(layer: Layer, dtype: ir.DataType, value: object) -> Array:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            whole = isinstance(value, int) or (isinstance(value, str) and value.lstrip("-").isdecimal())
            return np.asarray(int(value) if whole else float(value)).astype(dtype.numpy())  # type: ignore[call-overload,arg-type]
    except (TypeError, ValueError, OverflowError):
        raise layer.malformed(f"its value is {str(value)[:80]!r}") from None


@reads("fill_constant", "fill")
def fill_constant(g: GraphBuilder, layer: Layer) -> Value:
    """``str_value`` is exact where ``value`` is a float32; a tensor wins over both."""
    dtype = layer.dtype("dtype", F32)
    shape = numbers(g, layer, "shape", "ShapeTensor", "ShapeTensorList", default=[])
    tensor = layer.maybe("ValueTensor")
    if tensor is not None:
        return filled(g, layer, shape, cast(g, scalar(g, tensor), dtype))
    default = 1 if layer.type.endswith(".ones") else 0
    return filled(g, layer, shape, _number(layer, dtype, layer.attr("str_value") or layer.attr("value", default)))


@reads("full_int_array")
def full_int_array(g: GraphBuilder, layer: Layer) -> Value:
    return g.constant(np.asarray(layer.integers("value"), np.int64))


@reads("fill_constant_batch_size_like", "uniform_random_batch_size_like", "gaussian_random_batch_size_like")
def fill_constant_batch_size_like(g: GraphBuilder, layer: Layer) -> Value:
    """A shape with one size taken from an input."""
    if layer.op.type != "fill_constant_batch_size_like":
        raise layer.unsupported("it draws random numbers, which no other framework would draw alike")
    x, shape = layer.x("Input"), layer.integers("shape")
    source = layer.axis(layer.integer("input_dim_idx", 0), layer.rank(x))
    place = layer.axis(layer.integer("output_dim_idx", 0), len(shape))
    value = _number(layer, layer.dtype("dtype", F32), layer.attr("str_value") or layer.attr("value", 0))
    size = layer.shape(x)[source]
    if isinstance(size, int):
        return filled(g, layer, [size if axis == place else other for axis, other in enumerate(shape)], value)
    front, behind = shape[:place], shape[place + 1 :]
    pieces = [g.constant(part) if isinstance(part, list) else part
              for part in (front, g.Shape(x, start=source, end=source + 1), behind) if part != []]  # fmt: skip
    vector = g.Concat(*pieces, axis=0) if len(pieces) > 1 else pieces[0]
    layer.scope.contents[vector] = (*front, size, *behind)
    return filled(g, layer, vector, value)


@reads("fill_any_like", "fill_zeros_like", "fill_zeros_like2", "ones_like", "empty_like")
def fill_any_like(g: GraphBuilder, layer: Layer) -> Value:
    x = layer.x()
    dtype = layer.dtype("dtype", layer.element(x))
    tensor = layer.maybe("Value")
    if tensor is not None:
        wide = cast(g, scalar(g, tensor), dtype)
        array = g.const(wide)
        value: Array | Value = array if array is not None else wide
    else:
        one = layer.op.type == "ones_like"
        value = _number(layer, dtype, layer.attr("value", int(one)) if layer.op.type == "fill_any_like" else int(one))
    dims = layer.shape(x)
    if all(isinstance(dim, int) for dim in dims):
        return filled(g, layer, [dim for dim in dims if isinstance(dim, int)], value)
    result = g.Expand(value, g.Shape(x))
    result.shape = ir.Shape(list(dims))
    return result


@reads("empty")
def empty(g: GraphBuilder, layer: Layer) -> Value:
    """Paddle promises nothing of its values; zeros are among what it may give."""
    shape = numbers(g, layer, "shape", "ShapeTensor", "ShapeTensorList", default=[])
    return filled(g, layer, shape, _number(layer, layer.dtype("dtype", F32), 0))


@reads("assign_value")
def assign_value(g: GraphBuilder, layer: Layer) -> Value:
    shape, dtype = layer.integers("shape"), layer.dtype("dtype")
    for key in ("values", "fp32_values", "fp64_values", "int32_values", "int64_values", "bool_values", "int8_values"):
        found = layer.op.attrs.get(key)
        if isinstance(found, list) and found:
            if len(found) != math.prod(shape) or not all(isinstance(item, int | float) for item in found):
                raise layer.malformed(f"it has {len(found)} values for the shape {shape}")
            with np.errstate(over="ignore", invalid="ignore"):
                return g.constant(np.asarray(found).astype(dtype.numpy()).reshape(shape))
    if math.prod(shape):
        raise layer.malformed("it has no values")
    return g.constant(np.zeros(shape, dtype.numpy()))


@reads("eye")
def eye(g: GraphBuilder, layer: Layer) -> Value:
    rows = integer(g, layer, "num_rows", "NumRows")
    columns = integer(g, layer, "num_columns", "NumColumns", -1)
    columns = rows if columns < 0 else columns
    layer.bounded(max(rows, 0) * columns)
    return g.constant(np.eye(max(rows, 0), columns, dtype=layer.dtype("dtype", F32).numpy()))


@reads("range")
def range_(g: GraphBuilder, layer: Layer) -> Value:
    """From Start up to before End."""
    ends = []
    for slot in ("Start", "End", "Step"):
        tensor = layer.maybe(slot)
        ends.append(tensor if tensor is not None else g.constant(np.asarray(layer.real(slot.lower()), np.float32)))
    dtype = layer.dtype("dtype", layer.element(ends[0]))
    known = [g.const(value) for value in ends]
    if all(array is not None and array.size == 1 for array in known):
        start, end, step = (layer.single(array) for array in known if array is not None)
        count = (end - start) / step if step and math.isfinite(step) and math.isfinite(end - start) else -1
        layer.bounded(max(math.ceil(count), 0) if step else -1)
        return g.constant(np.arange(start, end, step).astype(dtype.numpy()))
    result = g.Range(*(cast(g, scalar(g, value), dtype) for value in ends))
    symbols = [contents(layer, value) for value in ends]
    if symbols[0] == (0,) and symbols[2] == (1,) and symbols[1] is not None:
        result.shape = ir.Shape([symbols[1][0]])
    return result


@reads("linspace", "logspace")
def linspace(g: GraphBuilder, layer: Layer) -> Value:
    dtype = layer.dtype("dtype", layer.element(layer.x("Start")))
    count = integer(g, layer, "num", "Num")
    layer.bounded(count)
    ends = [g.const(layer.x(slot)) for slot in ("Start", "Stop")]
    base = layer.maybe("Base")
    known = g.const(base)
    if any(array is None for array in ends) or (base is not None and known is None):
        raise layer.unsupported("its ends are computed from the data")
    start, stop = (layer.single(array) for array in ends if array is not None)
    line = np.linspace(start, stop, max(count, 0))
    line = line if known is None else np.power(layer.single(known), line)
    return g.constant(line.astype(dtype.numpy()))


@reads("tril_indices", "triu_indices")
def tril_indices(g: GraphBuilder, layer: Layer) -> Value:
    rows = layer.integer("rows" if layer.op.type == "tril_indices" else "row")
    columns, offset = layer.integer("cols" if "cols" in layer.op.attrs else "col", rows), layer.integer("offset", 0)
    layer.bounded(max(rows, 0) * max(columns, 0))
    if rows < 0 or columns < 0:
        raise layer.malformed(f"it has {rows} rows and {columns} columns")
    take = np.tril_indices if layer.op.type == "tril_indices" else np.triu_indices
    return g.constant(np.stack(take(rows, offset, columns)).astype(layer.dtype("dtype", I64).numpy()))


@reads("gaussian_random", "uniform_random")
def random(g: GraphBuilder, layer: Layer) -> Value:
    """Drawn anew at every run, as in Paddle, though never the same numbers."""
    shape = numbers(g, layer, "shape", "ShapeTensor", "ShapeTensorList", default=[])
    dtype = layer.dtype("dtype", F32)
    layer.note("random-output", "The layer draws random numbers: no two runs and no two frameworks draw the same.")
    if isinstance(shape, list):
        base = filled(g, layer, shape, np.asarray(0, dtype.numpy()))
        if g.const(base) is not None:
            return _drawn_fixed(g, layer, shape, dtype)
    else:
        base = filled(g, layer, shape, np.asarray(0, dtype.numpy()))
    if layer.op.type == "gaussian_random":
        return g.RandomNormalLike(base, mean=layer.real("mean", 0.0), scale=layer.real("std", 1.0), dtype=int(dtype))
    return g.RandomUniformLike(base, low=layer.real("min", -1.0), high=layer.real("max", 1.0), dtype=int(dtype))


def _drawn_fixed(g: GraphBuilder, layer: Layer, shape: Sequence[int], dtype: ir.DataType) -> Value:
    if layer.op.type == "gaussian_random":
        return g.RandomNormal(
            shape=list(shape), mean=layer.real("mean", 0.0), scale=layer.real("std", 1.0), dtype=int(dtype)
        )
    bounds = []
    for slot, key, default in (("MinTensor", "min", -1.0), ("MaxTensor", "max", 1.0)):
        tensor = layer.maybe(slot)
        array = g.const(tensor)
        if tensor is not None and array is None:
            raise layer.unsupported("its bounds are computed from the data")
        bounds.append(layer.real(key, default) if array is None else layer.single(array))
    return g.RandomUniform(shape=list(shape), low=bounds[0], high=bounds[1], dtype=int(dtype))


@reads("sequence_mask")
def sequence_mask(g: GraphBuilder, layer: Layer) -> Value:
    """Ones in the first x places of each row."""
    x = cast(g, layer.x(), I64)
    tensor = layer.maybe("MaxLenTensor")
    most: Value | Array
    known = contents(layer, tensor) if tensor is not None else (layer.integer("maxlen", -1),)
    if known is None and tensor is not None:
        most = cast(g, scalar(g, tensor), I64)
    elif known is not None and isinstance(known[0], int) and known[0] >= 0:
        most = np.asarray(known[0])
    else:
        most = g.ReduceMax(x, keepdims=0)
    steps = g.Range(np.asarray(0), most, np.asarray(1))
    rank = layer.rank(x)
    return g.Cast(g.Less(steps, g.Unsqueeze(x, [rank])), to=int(layer.dtype("out_dtype", I64)))
