"""Fills, which make parameters, and changes of the element type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.operators import GIVEN
from workers.formats.caffe2.read.layer import BOOL, DTYPES, F16, F32, I64, Array, Layer, Scale, Value, prod, reads
from workers.formats.caffe2.read.sizes import check_constant
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder
from workers.inspect.budget import check_declared


def _shape(layer: Layer) -> list[int]:
    """The ``shape`` of a fill. Raises MalformedModel."""
    shape = layer.integers("shape")
    check_declared(layer.name, shape, layer.scope.file)
    return shape


def _made(g: GraphBuilder, layer: Layer, array: Array) -> Value:
    return g.weight(_name(layer), array)


def _name(layer: Layer) -> str:
    return next((name for name in layer.op.outputs if name), layer.name)


@reads(*GIVEN)
def given_tensor_fill(g: GraphBuilder, layer: Layer, like: Value | None = None) -> Value:
    """The numbers of ``values`` in the shape of ``shape``, or of the input."""
    arg = layer.op.args.get("values")
    kind = layer.dtype("dtype", GIVEN[layer.type]) if layer.type == "GivenTensorFill" else DTYPES[GIVEN[layer.type]]
    dtype = kind.numpy()
    if arg is None:
        raise layer.malformed("its argument values is missing")
    raw: Array = np.asarray(arg.floats) if dtype.kind == "f" and len(arg.floats) else np.asarray(arg.ints, np.int64)
    values = raw if raw.dtype == dtype else raw.astype(dtype)
    shape = list(layer.sizes(like)) if like is not None else _shape(layer)
    if prod(shape) != values.size:
        raise layer.malformed(f"it has {values.size:,} values for the shape {shape}")
    return _made(g, layer, values.reshape(shape))


@reads("GivenTensorByteStringToUInt8Fill")
def given_tensor_byte_string_fill(g: GraphBuilder, layer: Layer) -> Value:
    """Bytes of one text as uint8."""
    return _made(g, layer, _bytes(layer).reshape(_shape(layer)))


def _bytes(layer: Layer) -> Array:
    arg = layer.op.args.get("values")
    if arg is None:
        raise layer.malformed("its argument values is missing")
    text = arg.s if arg.has("s") else arg.strings[0] if arg.strings else b""
    values: Array = np.frombuffer(text, np.uint8)
    if values.size != prod(_shape(layer)):
        raise layer.malformed(f"it has {values.size:,} values for the shape {_shape(layer)}")
    return values


@reads("Int8GivenTensorFill")
def int8_given_tensor_fill(g: GraphBuilder, layer: Layer) -> Value:
    """uint8 numbers that mean Y_scale * (q - Y_zero_point)."""
    zero = layer.integer("Y_zero_point", 0)
    if not 0 <= zero <= 255:
        raise layer.malformed(f"its Y_zero_point is {zero}")
    made = _made(g, layer, _bytes(layer).reshape(_shape(layer)))
    layer.scope.quantised[made] = Scale(layer.real("Y_scale", 1.0), zero)
    return made


@reads("Int8GivenIntTensorFill")
def int8_given_int_tensor_fill(g: GraphBuilder, layer: Layer) -> Value:
    """int32 numbers, the bias of a quantised layer."""
    values = np.asarray(layer.integers("values"), np.int64).astype(np.int32)
    if values.size != prod(_shape(layer)):
        raise layer.malformed(f"it has {values.size:,} values for the shape {_shape(layer)}")
    made = _made(g, layer, values.reshape(_shape(layer)))
    layer.scope.quantised[made] = Scale(layer.real("Y_scale", 1.0), layer.integer("Y_zero_point", 0))
    return made


# --- one number ------------------------------------------------------------------------------------------------------


@reads("ConstantFill", "Float16ConstantFill")
def constant_fill(g: GraphBuilder, layer: Layer, like: Value | None = None) -> Value:
    """``value`` in ``shape``; with an input in its shape, or (input_as_shape) in the shape that it says."""
    value = _constant(layer)
    extra = layer.integers("extra_shape")
    if like is None:
        shape = _shape(layer)
        check_constant(layer, prod(shape))
        return _made(g, layer, np.full(shape, value, value.dtype))
    if layer.flag("input_as_shape"):
        sizes = _concat(g, cast(g, like, I64), extra)
        wanted, rank = g.const(like), layer.size(like, 0) + len(extra)
        if wanted is not None:
            check_constant(layer, prod([*(int(size) for size in wanted.ravel()), *extra]))
        y = g.Expand(value, sizes)
        y.shape = y.shape or ir.Shape([None] * rank)
        return y
    else:
        if all(isinstance(dim, int) for dim in layer.shape(like)):
            check_constant(layer, prod([*layer.sizes(like), *extra]))
            return _made(g, layer, np.full([*layer.sizes(like), *extra], value, value.dtype))
        sizes = _concat(g, g.Shape(like), extra)
    return g.Expand(value, sizes)


def _concat(g: GraphBuilder, sizes: Value, extra: Sequence[int]) -> Value:
    return g.Concat(sizes, g.constant(list(extra)), axis=0) if extra else sizes


def _constant(layer: Layer) -> Array:
    """The value, whose kind of argument must fit the element type; without one, zero."""
    dtype = F16 if layer.type == "Float16ConstantFill" else layer.dtype("dtype", _value_type(layer))
    arg = layer.op.args.get("value")
    number = 0.0 if arg is None else arg.f if arg.has("f") else float(arg.i) if arg.has("i") else None
    if number is None:
        raise layer.malformed("its argument value is no number")
    with np.errstate(over="ignore", invalid="ignore"):
        exact = arg is not None and arg.has("i") and dtype.numpy().kind in "iu"
        return np.asarray(arg.i if exact and arg is not None else number).astype(dtype.numpy())


def _value_type(layer: Layer) -> str:
    """Without ``dtype`` the type follows the value: a float, or int64 for an integer."""
    arg = layer.op.args.get("value")
    return "INT64" if arg is not None and arg.has("i") else "FLOAT"


@reads("DiagonalFill")
def diagonal_fill(g: GraphBuilder, layer: Layer) -> Value:
    """``value`` on the diagonal."""
    shape = _shape(layer)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise layer.malformed(f"the shape {shape} has no diagonal")
    check_constant(layer, prod(shape))
    value = _constant(layer)
    array = np.zeros(shape, value.dtype)
    array[tuple(np.arange(min(shape)) for _ in shape)] = value
    return _made(g, layer, array)


@reads("RangeFill")
def range_fill(g: GraphBuilder, layer: Layer, like: Value | None = None) -> Value:
    """0, 1, 2, ... as floats."""
    shape = list(layer.sizes(like)) if like is not None else _shape(layer)
    check_constant(layer, prod(shape))
    return _made(g, layer, np.arange(prod(shape), dtype=np.float32).reshape(shape))


# --- drawn at random -------------------------------------------------------------------------------------------------


@reads("GaussianFill", "UniformFill", "Float16UniformFill")
def random_fill(
    g: GraphBuilder, layer: Layer, like: Value | None = None, low: Value | None = None, high: Value | None = None
) -> Value:
    """Noise with a mean and deviation or limits, of the shape of the input or of ``shape``, never twice the same.

    A parameter drawn like this was never trained; that is for the user to know.
    """
    if low is not None or high is not None:
        raise layer.unsupported("its limits are computed while the net runs")
    layer.note("random", "The layer draws its values at random: no two runs are the same.")
    shape = _shape(layer) if like is None else list(layer.sizes(like))
    if like is not None and layer.flag("input_as_shape"):
        wanted = g.const(like)
        if wanted is None:
            raise layer.free("the shape of its noise depends on the data")
        shape = [int(size) for size in wanted.ravel()]
    check_constant(layer, prod(shape))
    if layer.type == "GaussianFill":
        return g.RandomNormal(mean=layer.real("mean", 0.0), scale=layer.real("std", 1.0), shape=shape, dtype=int(F32))
    dtype = F16 if layer.type == "Float16UniformFill" else F32
    return g.RandomUniform(low=layer.real("min", 0.0), high=layer.real("max", 1.0), shape=shape, dtype=int(dtype))


# --- element types ---------------------------------------------------------------------------------------------------


@reads("Cast")
def cast_(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Floats lose their fraction; whatever is not 0 is true."""
    if not layer.has("to"):
        raise layer.malformed("its argument to is missing")
    return converted(g, layer, x, layer.dtype("to", "FLOAT"))


@reads("HalfToFloat")
def half_to_float(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return converted(g, layer, x, F32)


@reads("FloatToHalf")
def float_to_half(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return converted(g, layer, x, F16)


def converted(g: GraphBuilder, layer: Layer, x: Value, dtype: ir.DataType) -> Value:
    """``x`` as ``dtype``; a parameter is converted when it is written."""
    if layer.element(x) == dtype:
        return g.Identity(x)
    tensor = x.const_value
    if tensor is None or dtype == BOOL or not x.is_initializer():
        return g.Cast(x, to=int(dtype))

    def make() -> ir.TensorProtocol:
        with np.errstate(all="ignore"):
            return ir.Tensor(tensor.numpy().astype(dtype.numpy()))

    lazy = ir.LazyTensor(make, dtype=dtype, shape=ir.Shape(layer.sizes(x)))
    return g.weight(_name(layer), lazy)
