"""Tensors made of nothing but numbers and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.pytorch.read.dtypes import operand, result_type
from workers.formats.pytorch.read.layer import BOOL, F32, I64, RAW, Layer, reads
from workers.formats.pytorch.read.shaping import as_vector, size_list, sound
from workers.formats.pytorch.read.symbols import Sym, kind_of
from workers.formats.pytorch.read.values import Tensor
from workers.hub.graph import GraphBuilder, Value


def filled(g: GraphBuilder, layer: Layer, sizes: Any, number: Any, dtype: ir.DataType) -> Value:
    dims = sound(layer, size_list(layer, sizes))
    made = operand(g, number, dtype)
    if not dims:
        return g.Identity(made)
    return layer.shaped(g.Expand(made, as_vector(g, dims)), dims)


@reads("aten::zeros", "aten::ones", "aten::empty", "aten::empty_permuted")
def constant_of_size(g: GraphBuilder, layer: Layer, size: Any, dtype: Any = None, *_: Any, **__: Any) -> Value:
    """What torch leaves uninitialised is zero here."""
    return filled(g, layer, size, int(layer.type.endswith("ones")), layer.dtype(_code(dtype), F32))


def _code(dtype: Any) -> Any:
    return dtype if isinstance(dtype, int) and not isinstance(dtype, bool) else None


@reads("aten::full")
def full(g: GraphBuilder, layer: Layer, size: Any, fill_value: Any, dtype: Any = None, *_: Any, **__: Any) -> Value:
    return filled(g, layer, size, fill_value, layer.dtype(_code(dtype), result_type(fill_value)))


@reads("aten::zeros_like", "aten::ones_like", "aten::empty_like")
def constant_like(g: GraphBuilder, layer: Layer, self: Value, dtype: Any = None, *_: Any, **__: Any) -> Value:
    one = int(layer.type.endswith("ones_like"))
    return filled(g, layer, layer.dims(self), one, layer.dtype(_code(dtype), self.dtype or F32))


@reads("aten::full_like")
def full_like(
    g: GraphBuilder, layer: Layer, self: Value, fill_value: Any, dtype: Any = None, *_: Any, **__: Any
) -> Value:
    return filled(g, layer, layer.dims(self), fill_value, layer.dtype(_code(dtype), self.dtype or F32))


@reads("aten::new_zeros", "aten::new_ones", "aten::new_empty", "aten::new_empty_strided")
def new_constant(g: GraphBuilder, layer: Layer, self: Value, size: Any, dtype: Any = None, *_: Any, **__: Any) -> Value:
    return filled(g, layer, size, int(layer.type.endswith("ones")), layer.dtype(_code(dtype), self.dtype or F32))


@reads("aten::new_full")
def new_full(
    g: GraphBuilder, layer: Layer, self: Value, size: Any, fill_value: Any, dtype: Any = None, *_: Any, **__: Any
) -> Value:
    return filled(g, layer, size, fill_value, layer.dtype(_code(dtype), self.dtype or F32))


@reads("aten::fill", "aten::zero")
def fill(g: GraphBuilder, layer: Layer, self: Value, value: Any = 0) -> Value:
    return filled(g, layer, layer.dims(self), value, self.dtype or F32)


@reads("aten::scalar_tensor")
def scalar_tensor(g: GraphBuilder, layer: Layer, s: Any, dtype: Any = None, *_: Any, **__: Any) -> Value:
    return operand(g, s, layer.dtype(_code(dtype), F32))


@reads("aten::tensor", "aten::as_tensor")
def tensor(g: GraphBuilder, layer: Layer, data: Any, dtype: Any = None, *_: Any, **__: Any) -> Value:
    if isinstance(data, ir.Value):
        return cast(g, data, layer.dtype(_code(dtype), data.dtype or F32))
    wanted = layer.dtype(_code(dtype), _type_of(data))
    return _nested(g, data, wanted)


def _type_of(data: Any) -> ir.DataType:
    while isinstance(data, list | tuple):
        if not data:
            return F32
        data = data[0]
    return {"bool": BOOL, "int": I64, "float": F32}[kind_of(data)]


def _nested(g: GraphBuilder, data: Any, dtype: ir.DataType) -> Value:
    if not isinstance(data, list | tuple):
        return operand(g, data, dtype)
    if not _has_symbol(data):
        return g.constant(np.asarray(data).astype(dtype.numpy()))
    return g.Concat(*(g.Unsqueeze(_nested(g, item, dtype), [0]) for item in data), axis=0)


def _has_symbol(data: Any) -> bool:
    return any(_has_symbol(item) for item in data) if isinstance(data, list | tuple) else isinstance(data, Sym)


@reads("aten::arange")
def arange(g: GraphBuilder, layer: Layer, *numbers: Any, dtype: Any = None, **named: Any) -> Value:
    """arange(end), arange(start, end), arange(start, end, step), then perhaps the type and three things of devices."""
    found = list(numbers)
    found = found[: len(found) - 4] if (len(found) >= 5 and (found[-4] is None or isinstance(found[-4], int)) and \
        not isinstance(found[-1], int | float)) or len(found) > 4 else found  # fmt: skip
    if len(numbers) > 4 and dtype is None:
        dtype = numbers[-4]
    start, end, step = named.get("start", 0), named.get("end"), named.get("step", 1)
    if len(found) == 1:
        end = found[0]
    elif len(found) >= 2:
        start, end, step = found[0], found[1], found[2] if len(found) > 2 else step
    wanted = layer.dtype(_code(dtype), result_type(start, end, step))
    if all(isinstance(x, int | float) for x in (start, end, step)):
        if step == 0:
            raise layer.malformed("its step is 0")
        layer.bounded(int(abs((end - start) / step)))
        return g.Identity(g.constant(np.arange(start, end, step).astype(wanted.numpy())))
    made = g.Range(*(operand(g, x, wanted) for x in (start, end, step)))
    if step == 1 and start == 0 and isinstance(end, Sym):
        layer.shaped(made, [end])
    return made


@reads("aten::linspace")
def linspace(
    g: GraphBuilder, layer: Layer, start: Any, end: Any, steps: Any, dtype: Any = None, *_: Any, **__: Any
) -> Value:
    low, high, count = layer.real(start), layer.real(end), layer.bounded(layer.integer(steps))
    wanted = layer.dtype(_code(dtype), F32)
    return g.Identity(g.constant(np.linspace(low, high, count, dtype=np.float32).astype(wanted.numpy())))


@reads("aten::eye")
def eye(g: GraphBuilder, layer: Layer, n: Any, m: Any = None, dtype: Any = None, *_: Any, **__: Any) -> Value:
    layer.bounded(layer.integer(n) ** 2)
    columns = layer.integer(m) if isinstance(m, int) and not isinstance(m, bool) else layer.integer(n)
    return g.Identity(g.constant(np.eye(layer.integer(n), columns).astype(layer.dtype(_code(dtype), F32).numpy())))


@reads("aten::tril_indices", "aten::triu_indices")
def triangle_indices(g: GraphBuilder, layer: Layer, row: Any, col: Any, offset: Any = 0, *_: Any, **__: Any) -> Value:
    function = np.tril_indices if layer.type.endswith("tril_indices") else np.triu_indices
    layer.bounded(layer.integer(row) * layer.integer(col))
    found = function(layer.integer(row), layer.integer(offset), layer.integer(col))
    return g.Identity(g.constant(np.stack(found).astype(np.int64)))


_WINDOWS = {"hann_window": (0.5, 0.5), "hamming_window": (0.54, 0.46)}


@reads("aten::hann_window", "aten::hamming_window", "aten::blackman_window", "aten::bartlett_window")
def window(g: GraphBuilder, layer: Layer, window_length: Any, periodic: Any = True, *_: Any, **__: Any) -> Value:
    size, word = layer.bounded(layer.integer(window_length)), layer.type.rpartition("::")[2]
    count = size + 1 if periodic is not False else size
    t = np.arange(count) / max(count - 1, 1)
    if word in _WINDOWS:
        a, b = _WINDOWS[word]
        found = a - b * np.cos(2 * np.pi * t)
    else:
        found = np.blackman(count) if word == "blackman_window" else np.bartlett(count)
    return g.Identity(g.constant(found[:size].astype(np.float32)))


@reads("aten::complex", "aten::polar")
def complex_(g: GraphBuilder, layer: Layer, *_: Any) -> Value:
    raise layer.unsupported("ONNX has no complex numbers; keep real and imaginary parts as two tensors")


RAW.add("aten::_shape_as_tensor")


@reads("aten::_shape_as_tensor")
def shape_as_tensor(g: GraphBuilder, layer: Layer, self: Tensor) -> Tensor:
    return Tensor(g.Shape(self.value))


@reads("aten::one_hot")
def one_hot(g: GraphBuilder, layer: Layer, self: Value, num_classes: Any = -1) -> Value:
    layer.expects(self, I64, ir.DataType.INT32)
    count = layer.integer(num_classes)
    if count < 0:
        raise layer.unsupported("the number of classes depends on the data; give num_classes")
    return g.OneHot(self, g.constant([count]), g.constant([0, 1]), axis=-1)
