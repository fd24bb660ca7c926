"""Dense layers and their relatives. One over the channels of a convolution's result stays a convolution."""

from __future__ import annotations

import numpy as np

from workers.formats.keras.read.activation import activate, function
from workers.formats.keras.read.layer import F32, Array, Layer, reads
from workers.formats.keras.read.quantized import dense_kernel, int8, rounded, rounds_inputs
from workers.formats.keras.read.tensor import Tensor, channels_first
from workers.formats.layer import FLOATS, cast
from workers.hub.graph import GraphBuilder, Value


def floating(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Integers as the type that the layer computes in."""
    if layer.element(x) in FLOATS:
        return x
    return x.like(cast(g, x.value, layer.compute if layer.has("dtype") else F32))


@reads("Dense")
def dense(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """x W + b over the last axis; a flattened map takes the rows of W in its own order instead of being turned."""
    x = floating(g, layer, x)
    if rounds_inputs(layer):
        return activate(g, layer, _rounding(g, layer, x), layer.config.get("activation"))
    kernel = dense_kernel(layer)
    if kernel.ndim != 2 or layer.size(x, -1) != kernel.shape[0]:
        raise layer.malformed(f"its kernel has the shape {list(kernel.shape)} for {layer.size(x, -1)} features")
    if x.rank == 2 and layer.compute == F32 and kernel.dtype == np.float32:
        y = Tensor(_gemm(g, layer, x, kernel), (0, 1), x.mask)
    elif x.rank > 2 and x.order == channels_first(x.rank) and x.rank < 6:
        y = _pointwise(g, layer, x, kernel)
    else:
        y = _matmul(g, layer, x, kernel)
    return activate(g, layer, y, layer.config.get("activation"))


def _bias(g: GraphBuilder, layer: Layer, x: Tensor, units: int) -> Value | None:
    if not layer.flag("use_bias", True):
        return None
    return layer.weight(g, "bias", layer.array("bias", units), layer.element(x))


def _gemm(g: GraphBuilder, layer: Layer, x: Tensor, kernel: Array) -> Value:
    label = "kernel"
    if x.flat is not None:
        sizes, order = x.flat
        label = "kernel_" + "_".join(map(str, [*sizes, *order]))
        logical = [sizes[order.index(axis)] for axis in range(1, len(sizes) + 1)]
        rows, turn = kernel.shape[0], [axis - 1 for axis in order]
        source, units = kernel, kernel.shape[1]
        weight = layer.lazy(
            g, label, [rows, units], lambda: source.reshape(*logical, units).transpose(*turn, len(turn))
        )
    else:
        weight = layer.weight(g, label, kernel, layer.element(x))
    value = x.value
    return g.Gemm(value, weight, _bias(g, layer, x, kernel.shape[1]), alpha=1.0, beta=1.0, transA=0, transB=0)


def _pointwise(g: GraphBuilder, layer: Layer, x: Tensor, kernel: Array) -> Tensor:
    axes = x.rank - 2
    array = kernel.T.reshape(kernel.shape[1], kernel.shape[0], *[1] * axes)
    y = g.Conv(
        x.value, layer.weight(g, "kernel_1x1", array, layer.element(x)), _bias(g, layer, x, kernel.shape[1]),
        kernel_shape=[1] * axes, strides=[1] * axes, dilations=[1] * axes, pads=[0] * (2 * axes), group=1,
    )  # fmt: skip
    return Tensor(y, x.order, x.mask)


def _matmul(g: GraphBuilder, layer: Layer, x: Tensor, kernel: Array) -> Tensor:
    """Any order that keeps the features last will do."""
    order = x.order if x.order[-1] == x.rank - 1 and x.flat is None else tuple(range(x.rank))
    y = g.MatMul(x.to(g, order), layer.weight(g, "kernel", kernel, layer.element(x)))
    bias = _bias(g, layer, x, kernel.shape[1])
    return Tensor(y if bias is None else g.Add(y, bias), order, x.mask)


def _rounding(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """int8 times int8: products of whole numbers, exact in floats, divided by both scales."""
    kernel, scale = int8(layer)
    if kernel.ndim != 2 or layer.size(x, -1) != kernel.shape[0]:
        raise layer.malformed(f"its kernel has the shape {list(kernel.shape)} for {layer.size(x, -1)} features")
    whole, inputs = rounded(g, layer, x.plain(g), [-1])
    products = g.MatMul(whole, layer.weight(g, "kernel", kernel, layer.element(x)))
    y = g.Div(products, g.Mul(inputs, layer.weight(g, "scale", scale.reshape(-1), layer.element(x))))
    bias = _bias(g, layer, x, kernel.shape[1])
    return Tensor(y if bias is None else g.Add(y, bias), tuple(range(x.rank)), x.mask)


def _rounding_einsum(g: GraphBuilder, layer: Layer, x: Tensor, weight: Value, terms: list[str], out: str) -> Value:
    """The same over any axes: the inputs' scales, without the summed axes, in the order of the result's."""
    if "." in out:
        raise layer.unsupported("its int8 equation has an ellipsis")
    summed = [place for place, letter in enumerate(terms[0]) if letter not in out]
    whole, scale = rounded(g, layer, x.plain(g), summed)
    kept = [letter for letter in terms[0] if letter in out]
    scale = g.Squeeze(scale, summed)
    scale = g.Transpose(scale, perm=[kept.index(letter) for letter in out if letter in kept])
    scale = g.Unsqueeze(scale, [place for place, letter in enumerate(out) if letter not in kept])
    products = g.Einsum(whole, weight, equation=f"{terms[0]},{terms[1]}->{out}")
    return g.Div(products, g.Mul(scale, layer.weight(g, "scale", int8(layer)[1], layer.element(x))))


@reads("MaxoutDense")
def maxout_dense(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Keras 1: the largest of several dense results; kernel [pieces, in, units], bias [pieces, units]."""
    layer.rank(x, 2)
    kernel = layer.array("kernel", None, layer.size(x, 1), None)
    pieces, rows, units = kernel.shape
    weight = layer.lazy(g, "kernel", [rows, pieces * units], lambda: kernel.transpose(1, 0, 2))
    y = g.MatMul(x.plain(g), weight)
    if layer.flag("use_bias", True):
        y = g.Add(y, layer.weight(g, "bias", layer.array("bias", pieces, units).reshape(-1)))
    return Tensor(g.ReduceMax(g.Reshape(y, [-1, pieces, units]), [1], keepdims=0), (0, 1))


@reads("Highway")
def highway(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Keras 1: t * f(x W + b) + (1 - t) * x with t = sigmoid(x W_carry + b_carry)."""
    layer.rank(x, 2)
    value, width = x.plain(g), layer.size(x, 1)

    def linear(kernel: str, bias: str) -> Value:
        y = g.MatMul(value, layer.weight(g, kernel, layer.array(kernel, width, width)))
        return g.Add(y, layer.weight(g, bias, layer.array(bias, width))) if layer.flag("use_bias", True) else y

    gate = g.Sigmoid(linear("carry_kernel", "carry_bias"))
    inner = function(g, layer, linear("kernel", "bias"), layer.config.get("activation"))
    rest = g.Mul(g.Sub(np.float32(1), gate), value)
    return Tensor(g.Add(g.Mul(gate, inner), rest), (0, 1), x.mask)


@reads("EinsumDense")
def einsum_dense(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """The equation's two terms are the input and the kernel; the bias lies along the axes that are named."""
    x = floating(g, layer, x)
    equation = layer.word("equation").replace(" ", "")
    ins, arrow, out = equation.partition("->")
    terms = ins.split(",")
    if not arrow or len(terms) != 2:
        raise layer.malformed(f"its equation is {equation!r}")
    kernel = int8(layer)[0] if rounds_inputs(layer) else dense_kernel(layer)
    if len(terms[1]) != kernel.ndim or not set(out.replace("...", "")) <= set(ins):
        raise layer.malformed(f"its kernel has {kernel.ndim} axes for the equation {equation!r}")
    weight = layer.weight(g, "kernel", kernel, layer.element(x))
    if rounds_inputs(layer):
        y = _rounding_einsum(g, layer, x, weight, terms, out)
    else:
        y = g.Einsum(x.plain(g), weight, equation=equation)
    if layer.has("bias_axes"):
        y = g.Add(y, layer.weight(g, "bias", layer.array("bias"), layer.element(x)))
    return activate(g, layer, Tensor(y, tuple(range(len(g.shape(y)))), x.mask), layer.config.get("activation"))
