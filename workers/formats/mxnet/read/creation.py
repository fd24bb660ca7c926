"""Arrays made of nothing, or of another's shape."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import DTYPES, F32, I64, Array, Layer, Value, reads
from workers.formats.mxnet.read.shaping import check_constant, filled, filled_like, formed, reshaped, size_of
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@reads("_zeros", "_ones", "_full", "_npi_zeros", "_npi_ones", "_npi_full", "_zeros_without_dtype", "zeros", "ones")
def constant(g: GraphBuilder, layer: Layer) -> Value:
    """One number everywhere. A 0 in the shape means "to be found later", which is a state's batch: 1 stands for it.

    Sizes of 1 fit all that is computed with the state; a recurrent layer sees in ``zeros`` that it starts from nothing.
    """
    value = {"zeros": 0.0, "ones": 1.0}.get(layer.type.strip("_").removeprefix("npi_").split("_")[0])
    value = layer.real("value", 0) if value is None else value
    shape = list(layer.integers("shape"))
    if any(size < 0 for size in shape):
        raise layer.malformed(f"its shape is {shape}")
    later = 0 in shape and not layer.scope.np_shape
    sizes: list[Dim] = [size or 1 for size in shape] if later else [*shape]
    check_constant(layer, math.prod(size for size in sizes if isinstance(size, int)))
    dtype = F32 if layer.type == "_zeros_without_dtype" else layer.dtype()
    if not later:
        return filled(g, layer, sizes, value, dtype)
    array = np.full([size for size in sizes if isinstance(size, int)], value).astype(dtype.numpy())
    result = g.weight(f"{layer.name}.start", array)
    if value == 0:
        layer.scope.zeros.add(result)
    return result


@reads("zeros_like", "ones_like", "_npi_full_like", "_npi_zeros_like", "_npi_ones_like")
def constant_like(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """One number in the shape and type of the input."""
    value = layer.real("fill_value", 0) if "full" in layer.type else float("ones" in layer.type)
    return filled_like(g, layer, x, value, layer.dtype(layer.element(x)))


@reads("_arange", "_npi_arange")
def arange(g: GraphBuilder, layer: Layer) -> Value:
    """start, start + step, ... below stop (a lone start is the stop), each ``repeat`` times."""
    if layer.flag("infer_range", False) and not layer.has("stop"):
        raise layer.unsupported("its length is to be found from its consumers")
    start, step, again = layer.real("start", 0), layer.real("step", 1), layer.integer("repeat", 1)
    stop = layer.real("stop") if layer.has("stop") else start
    start = start if layer.has("stop") else 0.0
    if step == 0 or again < 1 or not math.isfinite((stop - start) / step):
        raise layer.malformed(f"it counts from {start} to {stop} by {step}")
    count = max(math.ceil((stop - start) / step), 0)
    check_constant(layer, count * again)
    return g.constant(np.repeat(start + step * np.arange(count), again).astype(layer.dtype().numpy()))


@reads("_contrib_arange_like", "_npx_arange_like")
def arange_like(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """As long as one axis of the input, or (without axis) as many as it has values, in its shape."""
    have, again = layer.shape(x), layer.integer("repeat", 1)
    whole = not layer.has("axis")
    axis = 0 if whole else layer.axis(layer.integer("axis"), len(have))
    count = times(have) if whole else have[axis]
    start, step = layer.real("start", 0), layer.real("step", 1)
    dtype = layer.element(x)
    if isinstance(count, int):
        if again < 1 or count % again:
            raise layer.malformed(f"{count} values cannot each stand {again} times")
        check_constant(layer, count)
        numbers = np.repeat(start + step * np.arange(count // again), again).astype(dtype.numpy())
        return g.constant(numbers.reshape([dim for dim in have if isinstance(dim, int)]) if whole else numbers)
    if again != 1:
        raise layer.free("it repeats numbers along a free axis")
    size = g.Size(x) if whole else g.Squeeze(size_of(g, layer, x, axis), [0])
    places = cast(g, g.Range(np.asarray(0), size, np.asarray(1)), dtype)
    places = places if step == 1 else g.Mul(places, layer.number(x, step))
    places = places if start == 0 else g.Add(places, layer.number(x, start))
    places = formed(places, [count])
    return reshaped(g, layer, places, have) if whole else places


@reads("_linspace", "_npi_linspace")
def linspace(g: GraphBuilder, layer: Layer) -> Value:
    """``step`` is the number of values here; both ends are among them unless ``endpoint`` is off."""
    asked = layer.real("step", 50) if not layer.has("num") else layer.integer("num")
    count = int(asked) if math.isfinite(asked) else -1
    return g.constant(_spaced(layer, count).astype(layer.dtype().numpy()))


@reads("_npi_logspace")
def logspace(g: GraphBuilder, layer: Layer) -> Value:
    """Powers of ``base`` with evenly spaced exponents."""
    numbers = layer.real("base", 10) ** _spaced(layer, layer.integer("num"))
    return g.constant(numbers.astype(layer.dtype().numpy()))


def _spaced(layer: Layer, count: int) -> Array:
    if count < 0:
        raise layer.malformed(f"it makes {count} values")
    check_constant(layer, count)
    return np.linspace(layer.real("start"), layer.real("stop"), count, endpoint=layer.flag("endpoint", True))


@reads("_eye", "_npi_eye", "_npi_identity")
def eye(g: GraphBuilder, layer: Layer) -> Value:
    """Ones on one diagonal."""
    if layer.type == "_npi_identity":
        rows = columns = (layer.integers("shape") or (0,))[0]
    else:
        rows = layer.integer("N")
        columns = layer.integer("M", 0) or rows
    if rows < 0 or columns < 0:
        raise layer.malformed(f"its shape is {rows}x{columns}")
    check_constant(layer, rows * columns)
    return g.constant(np.eye(rows, columns, layer.integer("k", 0)).astype(layer.dtype().numpy()))


@reads("_npi_hanning", "_npi_hamming", "_npi_blackman")
def window(g: GraphBuilder, layer: Layer) -> Value:
    """A window function of M values."""
    count = layer.integer("M", 0)
    check_constant(layer, max(count, 0))
    made = {"_npi_hanning": np.hanning, "_npi_hamming": np.hamming, "_npi_blackman": np.blackman}[layer.type](count)
    return g.constant(made.astype(layer.dtype().numpy()))


@reads("_npi_indices")
def indices(g: GraphBuilder, layer: Layer) -> Value:
    """The places of a grid, axis by axis."""
    sizes = layer.integers("dimensions")
    if any(size < 0 for size in sizes):
        raise layer.malformed(f"its dimensions are {sizes}")
    check_constant(layer, math.prod(sizes) * len(sizes))
    return g.constant(np.indices(sizes).astype(layer.dtype(DTYPES["int32"]).numpy()))


@reads("_contrib_index_array")
def index_array(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """[shape..., axes]: every value's own place, on all axes or on those named."""
    sizes = layer.sizes(x)
    axes = [layer.axis(axis, len(sizes)) for axis in layer.integers("axes", tuple(range(len(sizes))))]
    check_constant(layer, math.prod(sizes) * len(axes))
    return g.constant(np.stack([np.indices(sizes)[axis] for axis in axes], -1).astype(np.int64))


@reads("shape_array", "_npx_shape_array")
def shape_array(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The shape as int64."""
    return g.Shape(x)


@reads("size_array")
def size_array(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The number of values, as a vector of one."""
    return g.Reshape(g.Size(x), [1])


@reads("Cast", "cast", "_npi_cast", "_npx_cast", "amp_cast")
def cast_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """To another type; fractions are cut off, and uint8 wraps around."""
    dtype = layer.dtype(F32)
    layer.need("dtype")
    if dtype == ir.DataType.BFLOAT16:
        layer.note("kept-precision", "It rounds to bfloat16; the converted model keeps the precision it has.")
        return x
    if dtype in (ir.DataType.UINT8, ir.DataType.INT8) and layer.is_float(x):
        return g.Cast(g.Cast(x, to=int(I64)), to=int(dtype))
    return cast(g, x, dtype)


@reads("amp_multicast")
def amp_multicast(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """All inputs in the widest of their types, or the narrowest."""
    order = [DTYPES["float16"], DTYPES["bfloat16"], F32, DTYPES["float64"]]
    present = sorted((layer.element(x) for x in xs), key=lambda dtype: order.index(dtype) if dtype in order else 9)
    if not present:
        raise layer.malformed("it has no inputs")
    wanted = present[0] if layer.flag("cast_narrow", False) else present[-1]
    return [cast(g, x, wanted) for x in xs]
