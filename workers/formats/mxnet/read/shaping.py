"""Making ONNX shapes of sizes that may be free: Reshape, Expand and constants of a shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.errors import LimitExceeded
from workers.formats.dims import coefficient, symbols_of, times
from workers.formats.mxnet.read.layer import Layer, Value
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

# Constants that an attribute alone asks for, in elements: a file of some bytes must not fill the memory.
CONSTANT = 1 << 24
# Beyond this an expanded scalar is smaller than its constant.
SPELT_OUT = 1 << 16


def reshaped(g: GraphBuilder, layer: Layer, x: Value, want: Sequence[Dim]) -> Value:
    """``x`` in the shape ``want``, which may hold free axes; constants become views without a node.

    Raises MalformedModel when the values do not fit, FreeAxis when a free axis would have to be a number.
    """
    have = layer.shape(x)
    _check_count(layer, have, want)
    if tuple(have) == tuple(want) and None not in want:
        return x
    array = g.const(x)
    if array is not None and not any(value is x for value in layer.scope.packed):
        return g.weight(f"{layer.name}.reshaped", np.reshape(array, [int(dim) for dim in want if isinstance(dim, int)]))
    return formed(g.Reshape(x, _target(g, layer, have, want)), want)


def _check_count(layer: Layer, have: Sequence[Dim], want: Sequence[Dim]) -> None:
    before, after = times(have), times(want)
    if before is None or after is None or before == after:
        return
    if isinstance(before, int) and isinstance(after, int):
        raise layer.malformed(f"{before} values of shape {list(have)} do not fill the shape {list(want)}")
    raise layer.free(f"it makes the shape {list(want)} of {list(have)}")


def _target(g: GraphBuilder, layer: Layer, have: Sequence[Dim], want: Sequence[Dim]) -> Value | list[int]:
    """Numbers where they are; 0 for an axis that keeps its place; -1 for one more; else computed at run time."""
    target: list[int] = []
    for axis, dim in enumerate(want):
        if isinstance(dim, int):
            target.append(dim)
        elif dim is not None and axis < len(have) and have[axis] == dim:
            target.append(0)
        else:
            target.append(-1)
    zero = any(dim == 0 for dim in want)
    if target.count(-1) <= 1 and not (zero and (target.count(0) > want.count(0) or -1 in target)):
        return target
    return shape_value(g, layer, want)


def shape_value(g: GraphBuilder, layer: Layer, dims: Sequence[Dim]) -> Value | list[int]:
    """A shape for an operator's input: plain numbers, or put together from the sizes of the graph's inputs."""
    numbers = [dim for dim in dims if isinstance(dim, int)]
    if len(numbers) == len(dims):
        return numbers
    return g.Concat(*(_size(g, layer, dim) for dim in dims), axis=0)


def _size(g: GraphBuilder, layer: Layer, dim: Dim) -> Value | list[int]:
    if isinstance(dim, int):
        return [dim]
    if dim is None or any(symbol not in layer.scope.symbols for symbol in symbols_of(dim)):
        raise layer.free("it needs a size that only the run tells")
    size: Value | None = None
    for symbol in symbols_of(dim):
        value, axis = layer.scope.symbols[symbol]
        one = g.Shape(value, start=axis, end=axis + 1)
        size = one if size is None else g.Mul(size, one)
    assert size is not None
    return size if coefficient(dim) == 1 else g.Mul(size, [coefficient(dim)])


def size_of(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value | list[int]:
    """The size of one axis of ``x`` as a vector of one, known or found at run time."""
    dim = layer.shape(x)[axis]
    return [dim] if isinstance(dim, int) else g.Shape(x, start=axis, end=axis + 1)


def filled(g: GraphBuilder, layer: Layer, dims: Sequence[Dim], value: float, dtype: ir.DataType) -> Value:
    """A tensor of one value. Raises LimitExceeded for an absurd shape."""
    scalar = np.asarray(value).astype(dtype.numpy())
    count = times(dims)
    if isinstance(count, int):
        check_constant(layer, count)
        if count <= SPELT_OUT:
            return g.constant(np.full([dim for dim in dims if isinstance(dim, int)], scalar))
    return formed(g.Expand(g.constant(scalar), shape_value(g, layer, dims)), dims)


def filled_like(g: GraphBuilder, layer: Layer, x: Value, value: float, dtype: ir.DataType | None = None) -> Value:
    """A tensor of one value in the shape of ``x``, and of its type unless ``dtype`` says otherwise."""
    dims, kind = layer.shape(x), dtype if dtype is not None else layer.element(x)
    count = times(dims)
    if isinstance(count, int) and count <= SPELT_OUT:
        return filled(g, layer, dims, value, kind)
    return formed(g.Expand(g.constant(np.asarray(value).astype(kind.numpy())), g.Shape(x)), dims)


def formed(x: Value, dims: Sequence[Dim], dtype: ir.DataType | None = None) -> Value:
    """``x`` with a shape (and type) that inference did not find."""
    x.shape = ir.Shape(list(dims))
    if dtype is not None:
        x.type = ir.TensorType(dtype)
    return x


def check_constant(layer: Layer, count: int) -> None:
    if count > CONSTANT:
        raise LimitExceeded(
            "memory", f"layer {layer.name!r} ({layer.type}) makes a constant of {count} elements", limit=CONSTANT,
            layer=layer.name,
        )  # fmt: skip
