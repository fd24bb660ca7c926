"""Quantised operators as pairs of QuantizeLinear and DequantizeLinear around the floating-point ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.read.convolution import convolve, convolve_transposed
from workers.formats.pytorch.read.dense import linear
from workers.formats.pytorch.read.dispatch import plain, requantised
from workers.formats.pytorch.read.layer import F32, RAW, Layer, Rule, reads
from workers.formats.pytorch.read.packed import Packed
from workers.formats.pytorch.read.values import Affine, Tensor
from workers.hub.graph import GraphBuilder, Value

_TYPES: dict[Any, Any] = {12: np.int8, 13: np.uint8, 14: np.int32}


def affine(g: GraphBuilder, layer: Layer, scale: Any, zero_point: Any, dtype: Any = 13) -> Affine:
    """One scale and zero point; the type is torch's number of quint8 (13), qint8 (12) or qint32 (14)."""
    scale = plain(g, scale) if isinstance(scale, Tensor) else scale
    zero_point = plain(g, zero_point) if isinstance(zero_point, Tensor) else zero_point
    if dtype not in _TYPES:
        raise layer.unsupported(f"the quantised type number {dtype} is not read")
    known = layer.known(zero_point)
    if known is None or layer.known(scale) is None:
        raise layer.unsupported("its scale is known only when the model runs")
    return Affine(
        g.constant(np.asarray(layer.real(scale), np.float32)), g.constant(known.reshape(()).astype(_TYPES[dtype]))
    )


def packed_of(layer: Layer, value: Any) -> Packed:
    found = getattr(value, "attrs", {}).get("packed") if not isinstance(value, Packed) else value
    if not isinstance(found, Packed):
        raise layer.malformed("its packed parameters are none")
    return found


def _raw(*names: str) -> Callable[[Rule], Rule]:
    RAW.update(names)
    return reads(*names)


@_raw("aten::quantize_per_tensor")
def quantize_per_tensor(
    g: GraphBuilder, layer: Layer, self: Tensor, scale: Any, zero_point: Any, dtype: Any = 13
) -> Tensor:
    return requantised(g, plain(g, self), affine(g, layer, scale, zero_point, dtype))


@_raw("aten::quantize_per_channel")
def quantize_per_channel(
    g: GraphBuilder, layer: Layer, self: Tensor, scales: Tensor, zero_points: Tensor, axis: Any, dtype: Any
) -> Tensor:
    zero = g.Cast(plain(g, zero_points), to=ir.DataType.from_numpy(np.dtype(_TYPES[dtype])))
    scale = g.Cast(plain(g, scales), to=F32)
    return requantised(g, plain(g, self), Affine(scale, zero, layer.integer(axis)))


@_raw("aten::dequantize")
def dequantize(g: GraphBuilder, layer: Layer, self: Any) -> Any:
    if isinstance(self, list | tuple):
        return [dequantize(g, layer, item) for item in self]
    return Tensor(plain(g, self))


@_raw("aten::int_repr")
def int_repr(g: GraphBuilder, layer: Layer, self: Tensor) -> Tensor:
    return Tensor(self.value)


@_raw("aten::q_scale", "aten::q_zero_point")
def q_parameter(g: GraphBuilder, layer: Layer, self: Tensor) -> Any:
    if self.affine is None:
        raise layer.malformed("its input is not quantised")
    value = self.affine.scale if layer.type.endswith("scale") else self.affine.zero_point
    return layer.real(value) if layer.type.endswith("scale") else layer.integer(value)


# --- packing ---------------------------------------------------------------------------------------------------------


@_raw("quantized::linear_prepack", "quantized::linear_prepack_fp16", "quantized::linear_dynamic_prepack")
def linear_prepack(g: GraphBuilder, layer: Layer, W: Tensor, B: Tensor | None = None) -> Packed:
    return Packed(W, B)


@_raw("quantized::conv1d_prepack", "quantized::conv2d_prepack", "quantized::conv3d_prepack", "quantized::conv_prepack")
def conv_prepack(
    g: GraphBuilder,
    layer: Layer,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Packed:
    return Packed(weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups)


@_raw("quantized::conv_transpose1d_prepack", "quantized::conv_transpose2d_prepack",
      "quantized::conv_transpose3d_prepack")  # fmt: skip
def conv_transpose_prepack(
    g: GraphBuilder, layer: Layer, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, output_padding: Any,
    dilation: Any, groups: Any,
) -> Packed:  # fmt: skip
    return Packed(weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups, tuple(output_padding), True)


@_raw("quantized::linear_unpack", "quantized::conv2d_unpack", "quantized::conv1d_unpack", "quantized::conv3d_unpack")
def unpack(g: GraphBuilder, layer: Layer, packed: Any) -> Any:
    found = packed_of(layer, packed)
    return found.weight, found.bias


# --- layers ----------------------------------------------------------------------------------------------------------


def _floats(g: GraphBuilder, packed: Packed) -> tuple[Value, Value | None]:
    return plain(g, packed.weight), None if packed.bias is None else plain(g, packed.bias)


def _conv(g: GraphBuilder, layer: Layer, x: Value, packed: Packed) -> Value:
    weight, bias = _floats(g, packed)
    s, p, d = (list(part) for part in (packed.stride, packed.padding, packed.dilation))
    if packed.transpose:
        return convolve_transposed(g, layer, x, weight, bias, s, p, list(packed.output_padding), packed.groups, d)
    n = layer.rank(weight) - 2
    return convolve(g, layer, x, weight, bias, s[-n:], p[-n:], d[-n:], packed.groups)


_CONVS = tuple(
    f"quantized::{name}{suffix}" for suffix in ("", "_relu") for name in ("conv1d", "conv2d", "conv3d")
) + tuple(f"quantized::conv_transpose{n}d" for n in (1, 2, 3))


@_raw(*_CONVS)
def conv(
    g: GraphBuilder, layer: Layer, qx: Tensor, packed_weight: Any, output_scale: Any, output_zero_point: Any
) -> Tensor:
    made = _conv(g, layer, plain(g, qx), packed_of(layer, packed_weight))
    made = g.Relu(made) if layer.type.endswith("relu") else made
    return requantised(g, made, affine(g, layer, output_scale, output_zero_point))


@_raw("quantized::linear", "quantized::linear_relu")
def quantized_linear(
    g: GraphBuilder, layer: Layer, X: Tensor, W_prepack: Any, Y_scale_i: Any, Y_zero_point_i: Any
) -> Tensor:
    weight, bias = _floats(g, packed_of(layer, W_prepack))
    made = linear(g, layer, plain(g, X), weight, bias)
    made = g.Relu(made) if layer.type.endswith("relu") else made
    return requantised(g, made, affine(g, layer, Y_scale_i, Y_zero_point_i))


@_raw("quantized::linear_dynamic", "quantized::linear_relu_dynamic", "quantized::linear_dynamic_fp16")
def linear_dynamic(g: GraphBuilder, layer: Layer, X: Tensor, W_prepack: Any, reduce_range: Any = False) -> Tensor:
    """The input is quantised by its own range at run time: 8 bits, or 7 where ``reduce_range`` is on."""
    weight, bias = _floats(g, packed_of(layer, W_prepack))
    x = plain(g, X)
    if not layer.type.endswith("fp16"):
        x = _dynamically(g, x, 127.0 if reduce_range else 255.0)
    made = linear(g, layer, x, weight, bias)
    return Tensor(g.Relu(made) if "relu" in layer.type else made)


def _dynamically(g: GraphBuilder, x: Value, steps: float) -> Value:
    """Rounded to the steps of its own range, which always holds 0."""
    axes = g.constant(np.zeros(0, np.int64))
    low = g.Min(g.ReduceMin(x, axes, keepdims=0, noop_with_empty_axes=0), g.constant(0.0))
    high = g.Max(g.ReduceMax(x, axes, keepdims=0, noop_with_empty_axes=0), g.constant(0.0))
    scale = g.Div(g.Sub(high, low), g.constant(steps))
    scale = g.Where(g.Equal(scale, g.constant(0.0)), g.constant(0.1), scale)
    zero = g.Clip(g.Round(g.Div(g.Neg(low), scale)), g.constant(0.0), g.constant(steps))
    rounded = g.Clip(g.Add(g.Round(g.Div(x, scale)), zero), g.constant(0.0), g.constant(steps))
    return g.Mul(g.Sub(rounded, zero), scale)


_BINARY = {"add": "Add", "mul": "Mul", "matmul": "MatMul", "sub": "Sub"}


@_raw(*(f"quantized::{name}{suffix}" for name in _BINARY for suffix in ("", "_relu")))
def binary(g: GraphBuilder, layer: Layer, qa: Tensor, qb: Any, scale: Any = None, zero_point: Any = None) -> Tensor:
    word = layer.type.rpartition("::")[2].removesuffix("_relu")
    second = plain(g, qb) if isinstance(qb, Tensor) else g.constant(np.asarray(layer.real(qb), np.float32))
    made = g.op(_BINARY[word], plain(g, qa), second)
    made = g.Relu(made) if layer.type.endswith("relu") else made
    target = affine(g, layer, scale, zero_point) if scale is not None else qa.affine
    assert target is not None
    return requantised(g, made, target)


@_raw("quantized::add_scalar", "quantized::mul_scalar", "quantized::add_scalar_relu", "quantized::mul_scalar_relu")
def binary_scalar(g: GraphBuilder, layer: Layer, qa: Tensor, b: Any) -> Tensor:
    """Multiplying scales the scale itself; adding moves the zero point, so that no precision is lost."""
    source = qa.affine
    if source is None:
        raise layer.malformed("its input is not quantised")
    number = layer.real(b)
    scale, zero = layer.real(source.scale), layer.integer(source.zero_point)
    value = plain(g, qa)
    made = g.op("Add" if "add" in layer.type else "Mul", value, g.constant(np.asarray(number, np.float32)))
    made = g.Relu(made) if layer.type.endswith("relu") else made
    kind = 13 if qa.value.dtype == ir.DataType.UINT8 else 12
    if "mul" in layer.type:
        low, high = (0, 255) if kind == 13 else (-128, 127)
        target = (abs(number) * scale or scale, zero if number >= 0 else high - (zero - low))
    else:
        target = (scale, min(max(zero - round(number / scale), 0 if kind == 13 else -128), 255 if kind == 13 else 127))
    return requantised(g, made, affine(g, layer, *target, kind))


@_raw("quantized::cat", "quantized::cat_relu")
def cat(g: GraphBuilder, layer: Layer, qx: Any, dim: Any, scale: Any, zero_point: Any) -> Tensor:
    parts = [plain(g, item) for item in qx]
    made = g.Concat(*parts, axis=layer.axis(parts[0], dim))
    made = g.Relu(made) if layer.type.endswith("relu") else made
    first = qx[0].affine
    target = first if scale is None and first is not None else affine(g, layer, scale, zero_point)
    return requantised(g, made, target)


@_raw("quantized::batch_norm2d", "quantized::batch_norm2d_relu", "quantized::batch_norm3d", "quantized::batch_norm",
      "quantized::batch_norm1d")  # fmt: skip
def batch_norm(
    g: GraphBuilder, layer: Layer, qx: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, eps: Any,
    output_scale: Any, output_zero_point: Any,
) -> Tensor:  # fmt: skip
    made = g.BatchNormalization(
        plain(g, qx), plain(g, weight), plain(g, bias), plain(g, mean), plain(g, var), epsilon=layer.real(eps)
    )
    made = g.Relu(made) if layer.type.endswith("relu") else made
    return requantised(g, made, affine(g, layer, output_scale, output_zero_point))


@_raw("quantized::hardswish", "quantized::leaky_relu", "quantized::elu", "quantized::sigmoid", "quantized::relu6",
      "quantized::celu", "quantized::prelu")  # fmt: skip
def activation(
    g: GraphBuilder, layer: Layer, qx: Tensor, *rest: Any, output_scale: Any = None, output_zero_point: Any = None,
    **settings: Any,
) -> Tensor:  # fmt: skip
    word = layer.type.rpartition("::")[2]
    values = list(rest)
    extra = [plain(g, item) if isinstance(item, Tensor) else item for item in values]
    x = plain(g, qx)
    if word == "relu6":
        assert qx.affine is not None
        return requantised(g, g.Clip(x, g.constant(0.0), g.constant(6.0)), qx.affine)
    if word in ("hardswish", "sigmoid"):
        scale, zero = values[0] if values else output_scale, values[1] if len(values) > 1 else output_zero_point
        made = g.HardSwish(x) if word == "hardswish" else g.Sigmoid(x)
    elif word == "leaky_relu":
        made, scale, zero = g.LeakyRelu(x, alpha=layer.real(extra[0])), extra[2], extra[3]
    elif word == "prelu":
        weight = extra[0]
        if layer.rank(weight) == 1 and layer.rank(x) > 2 and layer.static(weight, 0) > 1:
            weight = g.Reshape(weight, [-1, *[1] * (layer.rank(x) - 2)])
        made, scale, zero = g.PRelu(x, weight), extra[1], extra[2]
    else:
        scale, zero, alpha = extra[0], extra[1], layer.real(extra[2]) if len(extra) > 2 else 1.0
        made = g.Elu(x, alpha=alpha) if word == "elu" else g.Celu(x, alpha=alpha)
    return requantised(g, made, affine(g, layer, scale, zero))


@_raw("quantized::layer_norm", "quantized::group_norm", "quantized::instance_norm")
def normalised(
    g: GraphBuilder, layer: Layer, input: Tensor, shape: Any, weight: Any = None, bias: Any = None, eps: Any = 1e-5,
    output_scale: Any = None, output_zero_point: Any = None,
) -> Tensor:  # fmt: skip
    if not layer.type.endswith("layer_norm"):
        raise layer.unsupported("it is not read in quantised form; dequantise the model before saving it")
    x = plain(g, input)
    w, b = (plain(g, item) if isinstance(item, Tensor) else None for item in (weight, bias))
    w = w if w is not None else g.constant(np.ones(layer.integers(shape), np.float32))
    made = g.LayerNormalization(x, w, b, axis=-len(layer.integers(shape)), epsilon=layer.real(eps))
    return requantised(g, made, affine(g, layer, output_scale, output_zero_point))
