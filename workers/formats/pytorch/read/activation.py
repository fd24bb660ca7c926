"""Activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.layer import FLOATS, cast
from workers.formats.pytorch.read.dtypes import floating, operand
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.hub.graph import GraphBuilder, Value


@reads("aten::relu")
def relu(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Relu(self)


@reads("aten::relu6")
def relu6(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    found: Value = hardtanh(g, layer, self, 0.0, 6.0)
    return found


@reads("aten::sigmoid", "aten::special_expit")
def sigmoid(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Sigmoid(floating(g, self))


@reads("aten::tanh")
def tanh(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Tanh(floating(g, self))


@reads("aten::hardtanh")
def hardtanh(g: GraphBuilder, layer: Layer, self: Value, min_val: Any = -1, max_val: Any = 1) -> Value:
    dtype = self.dtype or F32
    return g.Clip(self, operand(g, min_val, dtype), operand(g, max_val, dtype))


@reads("aten::leaky_relu")
def leaky_relu(g: GraphBuilder, layer: Layer, self: Value, negative_slope: Any = 0.01) -> Value:
    return g.LeakyRelu(self, alpha=layer.real(negative_slope))


@reads("aten::rrelu")
def rrelu(
    g: GraphBuilder, layer: Layer, self: Value, lower: Any = 0.125, upper: Any = 1 / 3, training: Any = False,
    generator: Any = None,
) -> Value:  # fmt: skip
    """In evaluation the slope is the mean of both bounds."""
    return g.LeakyRelu(self, alpha=(layer.real(lower) + layer.real(upper)) / 2)


@reads("aten::prelu", "aten::_prelu_kernel")
def prelu(g: GraphBuilder, layer: Layer, self: Value, weight: Value) -> Value:
    """One slope a channel (axis 1), or one for all."""
    rank = layer.rank(self)
    slopes = layer.dim(weight, 0) if layer.rank(weight) == 1 else 1
    if layer.rank(weight) <= 1 and slopes != 1 and rank > 2:
        weight = g.Reshape(weight, [-1, *[1] * (rank - 2)])
    elif layer.rank(weight) == 0:
        weight = g.Reshape(weight, [1])
    return g.PRelu(self, weight)


@reads("aten::elu")
def elu(
    g: GraphBuilder, layer: Layer, self: Value, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1
) -> Value:  # fmt: skip
    a, s, i = (layer.real(x) for x in (alpha, scale, input_scale))
    if s == 1 and i == 1:
        return g.Elu(self, alpha=a)
    if i == 1:
        return g.Mul(g.Elu(self, alpha=a), operand(g, s, self.dtype or F32))
    low = g.Mul(g.Sub(g.Exp(g.Mul(self, operand(g, i, self.dtype or F32))), operand(g, 1.0, self.dtype or F32)),
                operand(g, a * s, self.dtype or F32))  # fmt: skip
    return g.Where(
        g.Greater(self, operand(g, 0.0, self.dtype or F32)), g.Mul(self, operand(g, s, self.dtype or F32)), low
    )


@reads("aten::selu")
def selu(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Selu(self, alpha=1.6732632423543772, gamma=1.0507009873554805)


@reads("aten::celu")
def celu(g: GraphBuilder, layer: Layer, self: Value, alpha: Any = 1.0) -> Value:
    return g.Celu(self, alpha=layer.real(alpha))


@reads("aten::gelu")
def gelu(g: GraphBuilder, layer: Layer, self: Value, approximate: str = "none") -> Value:
    return g.Gelu(self, approximate=approximate)


@reads("aten::silu")
def silu(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Mul(self, g.Sigmoid(self))


@reads("aten::mish")
def mish(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Mish(self)


@reads("aten::hardsigmoid")
def hardsigmoid(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.HardSigmoid(self, alpha=1 / 6, beta=0.5)


@reads("aten::hardswish")
def hardswish(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.HardSwish(self)


@reads("aten::softplus")
def softplus(g: GraphBuilder, layer: Layer, self: Value, beta: Any = 1, threshold: Any = 20) -> Value:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    b, limit, dtype = layer.real(beta), layer.real(threshold), self.dtype or F32
    scaled = self if b == 1 else g.Mul(self, operand(g, b, dtype))
    soft = g.Softplus(scaled)
    soft = soft if b == 1 else g.Div(soft, operand(g, b, dtype))
    # Above 20 both forms agree to the last bit of a float.
    return soft if limit >= 20 else g.Where(g.Greater(scaled, operand(g, limit, dtype)), self, soft)


@reads("aten::softsign")
def softsign(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Softsign(self)


@reads("aten::log_sigmoid", "aten::log_sigmoid_forward")
def log_sigmoid(g: GraphBuilder, layer: Layer, self: Value) -> Any:
    made = g.Neg(g.Softplus(g.Neg(self)))
    return (made, made) if layer.type.endswith("forward") else made


@reads("aten::hardshrink")
def hardshrink(g: GraphBuilder, layer: Layer, self: Value, lambd: Any = 0.5) -> Value:
    return g.Shrink(self, lambd=layer.real(lambd), bias=0.0)


@reads("aten::softshrink")
def softshrink(g: GraphBuilder, layer: Layer, self: Value, lambd: Any = 0.5) -> Value:
    return g.Shrink(self, lambd=layer.real(lambd), bias=layer.real(lambd))


@reads("aten::tanhshrink")
def tanhshrink(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    return g.Sub(self, g.Tanh(self))


@reads("aten::threshold")
def threshold(g: GraphBuilder, layer: Layer, self: Value, threshold: Any, value: Any) -> Value:
    dtype = self.dtype or F32
    return g.Where(g.Greater(self, operand(g, threshold, dtype)), self, operand(g, value, dtype))


@reads("aten::glu")
def glu(g: GraphBuilder, layer: Layer, self: Value, dim: Any = -1) -> Value:
    a, b = g.ops("Split", self, outputs=2, axis=layer.axis(self, dim), num_outputs=2)
    return g.Mul(a, g.Sigmoid(b))


@reads("aten::softmax", "aten::_softmax", "aten::special_softmax", "aten::_safe_softmax")
def softmax(g: GraphBuilder, layer: Layer, self: Value, dim: Any, dtype: Any = None) -> Value:
    x = _widened(g, layer, self, dtype)
    return g.Softmax(x, axis=layer.axis(x, dim)) if layer.rank(x) else g.Div(x, x)


@reads("aten::log_softmax", "aten::_log_softmax", "aten::special_log_softmax")
def log_softmax(g: GraphBuilder, layer: Layer, self: Value, dim: Any, dtype: Any = None) -> Value:
    x = _widened(g, layer, self, dtype)
    return g.LogSoftmax(x, axis=layer.axis(x, dim))


def _widened(g: GraphBuilder, layer: Layer, x: Value, dtype: Any) -> Value:
    """``dtype`` is a type, or, in the forms with an underscore, whether half precision becomes single."""
    if isinstance(dtype, bool) or dtype is None:
        return floating(g, x)
    return cast(g, x, layer.dtype(dtype, x.dtype or F32))


@reads("aten::dropout", "aten::feature_dropout", "aten::alpha_dropout", "aten::feature_alpha_dropout")
def dropout(g: GraphBuilder, layer: Layer, input: Value, p: Any = 0.5, train: Any = False) -> Value:
    """Nothing in evaluation; a model saved in training mode is read as if it was not."""
    if train is True:
        layer.note("training-mode", "The model was saved in training mode: dropout is left out.")
    return input


@reads("aten::native_dropout")
def native_dropout(g: GraphBuilder, layer: Layer, input: Value, p: Any = 0.5, train: Any = False) -> Any:
    return input, g.Equal(input, input)


@reads("aten::sinc", "aten::special_sinc")
def sinc(g: GraphBuilder, layer: Layer, self: Value) -> Value:
    """sin(pi x) / (pi x), 1 at 0."""
    x = floating(g, self)
    dtype = x.dtype if x.dtype in FLOATS else F32
    scaled = g.Mul(x, operand(g, float(np.pi), dtype or F32))
    return g.Where(
        g.Equal(x, operand(g, 0.0, dtype or F32)), operand(g, 1.0, dtype or F32), g.Div(g.Sin(scaled), scaled)
    )
