"""Element-wise functions of one bottom."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.caffe.file import Array
from workers.formats.caffe.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@reads("ReLU")
def relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    slope = layer.relu_param.negative_slope
    return g.Relu(x) if slope == 0 else g.LeakyRelu(x, alpha=slope)


@reads("ReLU6")
def relu6(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """min(max(x, 0), n), n = 6 unless the fork's parameter says otherwise."""
    return g.Clip(x, 0.0, float(layer.relu6_param.n))


@reads("PReLU")
def prelu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """One slope a channel, or a single one whose blob is () or, in old files, (1)."""
    rank, channels = layer.rank(x), layer.channels(x)
    if not layer.prelu_param.channel_shared:
        return g.PRelu(x, layer.weight(g, 0, (channels,), "slope", lambda a: _trailing(a, rank - 2)))
    if layer.array(0).size != 1:
        raise layer.malformed(f"its slope is shared by all channels, but the file has {layer.array(0).size}")
    shape = layer.array(0).shape
    return g.PRelu(x, layer.weight(g, 0, shape, "slope", lambda a: a.reshape(1)))


def _trailing(array: Array, count: int) -> Array:
    """The array with ``count`` axes of one behind its own."""
    return array.reshape((*array.shape, *[1] * max(count, 0)))


@reads("ELU")
def elu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Elu(x, alpha=layer.elu_param.alpha)


@reads("Sigmoid")
def sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Sigmoid(x)


@reads("TanH")
def tanh(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Tanh(x)


@reads("BNLL")
def bnll(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Binomial normal log likelihood: log(1 + exp(x))."""
    return g.Softplus(x)


@reads("Swish")
def swish(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x * sigmoid(beta * x)"""
    beta = layer.swish_param.beta
    return g.Mul(x, g.Sigmoid(x if beta == 1 else g.Mul(x, float(beta))))


@reads("Mish")
def mish(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x * tanh(log(1 + exp(x))), as in the YOLOv4 forks."""
    return g.Mish(x)


@reads("Clip")
def clip(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    p = layer.clip_param
    if not (p.has("min") and p.has("max")):
        raise layer.malformed("clip_param must give min and max")
    return g.Clip(x, float(p.min), float(p.max))


@reads("Threshold")
def threshold(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """1 where x is strictly above the threshold, else 0."""
    return g.Cast(g.Greater(x, float(layer.threshold_param.threshold)), to=1)


@reads("AbsVal")
def abs_val(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Abs(x)


@reads("Power")
def power(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """(shift + scale * x) ^ power; when scale or power is 0 the constant shift ^ power, whatever x is."""
    p = layer.power_param
    if p.scale * p.power == 0:
        with np.errstate(all="ignore"):
            value = np.power(np.float32(p.shift), np.float32(p.power)) if p.power else np.float32(1)
        return g.Expand(np.asarray(value, np.float32), g.Shape(x))
    y = _affine(g, x, p.scale, p.shift)
    if p.power == 1:
        return y
    if p.power == 2:
        return g.Mul(y, y)
    return g.Sqrt(y) if p.power == 0.5 else g.Pow(y, float(p.power))


def _affine(g: GraphBuilder, x: Value, scale: float, shift: float) -> Value:
    y = x if scale == 1 else g.Mul(x, float(scale))
    return y if shift == 0 else g.Add(y, float(shift))


@reads("Exp")
def exp(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """base ^ (shift + scale * x); base -1 stands for e."""
    p = layer.exp_param
    ln = _ln_base(layer, p.base)
    return g.Exp(_affine(g, x, p.scale * ln, p.shift * ln))


@reads("Log")
def log(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """log(shift + scale * x) to the base; base -1 stands for e."""
    p = layer.log_param
    ln = _ln_base(layer, p.base)
    if ln == 0:
        raise layer.malformed("there is no logarithm to the base 1")
    y = g.Log(_affine(g, x, p.scale, p.shift))
    return y if ln == 1 else g.Mul(y, 1.0 / ln)


def _ln_base(layer: Layer, base: float) -> float:
    if base == -1:
        return 1.0
    if not base > 0:
        raise layer.malformed(f"the base {base} is neither positive nor -1 (e)")
    return math.log(base)


@reads("Dropout")
def dropout(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The identity at test time: Caffe scales while training."""
    return x


@reads("Softmax")
def softmax(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over one axis, by default the second, whatever the rank."""
    return g.Softmax(x, axis=layer.axis(layer.softmax_param.axis, layer.rank(x)))
