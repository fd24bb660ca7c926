"""Activations, softmax in its forms, dropout, and the losses, which at inference are their activation."""

from __future__ import annotations

import math

import numpy as np

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import Layer, Value, reads, whole
from workers.formats.mxnet.read.shaping import reshaped, size_of
from workers.hub.graph import GraphBuilder


@reads("Activation", "_npx_activation")
def activation(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    kind = layer.word("act_type", "")
    simple = {
        "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softrelu": "Softplus", "softsign": "Softsign",
        "mish": "Mish",
    }  # fmt: skip
    if kind in simple:
        return g.op(simple[kind], x)
    if kind == "log_sigmoid":
        return g.Neg(g.Softplus(g.Neg(x)))
    raise layer.malformed(f"its act_type is {kind!r}")


@reads("LeakyReLU", "_npx_leaky_relu")
def leaky_relu(g: GraphBuilder, layer: Layer, x: Value, gamma: Value | None = None) -> Value:
    """A family by act_type; slope is 0.25 by default, also as alpha of elu; rrelu takes the mean of its bounds."""
    kind = layer.word("act_type", "leaky")
    slope = layer.real("slope", 0.25)
    if kind == "leaky":
        return g.LeakyRelu(x, alpha=slope)
    if kind == "rrelu":
        return g.LeakyRelu(x, alpha=(layer.real("lower_bound", 0.125) + layer.real("upper_bound", 0.334)) / 2)
    if kind == "elu":
        return g.Elu(x, alpha=slope)
    if kind == "selu":
        return g.Selu(x)
    if kind == "gelu":
        return g.Gelu(x)
    if kind == "prelu" and gamma is not None:
        return _prelu(g, layer, x, gamma)
    raise layer.malformed(f"its act_type is {kind!r} with {1 if gamma is None else 2} inputs")


def _prelu(g: GraphBuilder, layer: Layer, x: Value, gamma: Value) -> Value:
    """One slope for all, or one a channel (axis 1)."""
    have, count = layer.shape(x), times(layer.shape(gamma))
    if len(layer.shape(gamma)) == len(have) > 1:
        return g.PRelu(x, cast(g, gamma, layer.element(x)))
    if count != 1:
        layer.same(count, have[1] if len(have) > 1 else have[0], "the number of channels")
    wide = [count, *[1] * (len(have) - 2)] if count != 1 else [1]
    return g.PRelu(x, cast(g, reshaped(g, layer, gamma, wide), layer.element(x)))


@reads("hard_sigmoid")
def hard_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """max(0, min(1, alpha x + beta))."""
    return g.HardSigmoid(x, alpha=layer.real("alpha", 0.2), beta=layer.real("beta", 0.5))


@reads("smooth_l1", "_npx_smooth_l1")
def smooth_l1(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """0.5 (s x)^2 where |x| < 1/s^2, else |x| - 0.5/s^2."""
    square = layer.real("scalar", 1) ** 2
    if square == 0:
        raise layer.malformed("its scalar is 0")
    size = g.Abs(x)
    small = g.Mul(g.Mul(x, x), layer.number(x, 0.5 * square))
    return g.Where(g.Less(size, layer.number(x, 1 / square)), small, g.Sub(size, layer.number(x, 0.5 / square)))


@reads("Dropout", "_npx_dropout")
def dropout(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Nothing at inference."""
    if layer.word("mode", "training") == "always":
        raise layer.unsupported("it drops values at inference, too (mode=always), at random")
    return x


# --- softmax ---------------------------------------------------------------------------------------------------------


@reads("softmax", "log_softmax", "softmin", "_npx_softmax", "_npx_log_softmax")
def softmax(g: GraphBuilder, layer: Layer, x: Value, length: Value | None = None) -> Value:
    """Over ``axis`` of x / temperature; with ``use_length`` what lies behind the length gets 0."""
    rank = layer.rank(x, *range(1, 33))
    axis = layer.axis(layer.integer("axis", -1), rank)
    temperature = layer.real("temperature", 1)
    if temperature == 0:
        raise layer.malformed("its temperature is 0")
    x = cast(g, x, layer.dtype(layer.element(x)))
    if layer.type == "softmin":
        temperature = -temperature
    if temperature != 1:
        x = g.Div(x, layer.number(x, temperature)) if temperature != -1 else g.Neg(x)
    operator = "LogSoftmax" if "log" in layer.type else "Softmax"
    if not layer.flag("use_length", False):
        return g.op(operator, x, axis=axis)
    if length is None:
        raise layer.malformed("it uses lengths but has no second input")
    mask = g.Less(_places(g, layer, x, axis), g.Unsqueeze(whole(g, length), [axis]))
    hidden = g.Where(mask, x, layer.number(x, -math.inf))
    return g.Where(mask, g.op(operator, hidden, axis=axis), layer.number(x, 0))


def _places(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value:
    """0, 1, 2 ... along ``axis``, one everywhere else."""
    rank = len(layer.shape(x))
    size = size_of(g, layer, x, axis)
    if isinstance(size, list):
        return g.constant(np.arange(size[0]).reshape([-1 if place == axis else 1 for place in range(rank)]))
    places = g.Range(np.asarray(0), g.Squeeze(size, [0]), np.asarray(1))
    others = [place for place in range(rank) if place != axis]
    return g.Unsqueeze(places, others) if others else places


@reads("SoftmaxActivation")
def softmax_activation(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over the last axis, or (mode=channel) over axis 1."""
    mode = layer.word("mode", "instance")
    if mode not in ("instance", "channel"):
        raise layer.malformed(f"its mode is {mode!r}")
    layer.rank(x, *range(2 if mode == "channel" else 1, 33))
    return g.Softmax(x, axis=1 if mode == "channel" else -1)


@reads("SoftmaxOutput", "Softmax")
def softmax_output(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over all but the batch flattened; ``multi_output`` over axis 1; ``preserve_shape`` over the last."""
    have = layer.shape(x)
    layer.rank(x, *range(2, 33))
    if layer.flag("multi_output", False):
        return g.Softmax(x, axis=1)
    if layer.flag("preserve_shape", False) or len(have) == 2:
        return g.Softmax(x, axis=-1)
    flat = reshaped(g, layer, x, [have[0], times(have[1:])])
    return reshaped(g, layer, g.Softmax(flat, axis=1), have)


@reads("LogisticRegressionOutput")
def logistic_regression_output(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Sigmoid(x)


@reads(
    "LinearRegressionOutput", "MAERegressionOutput", "SVMOutput", "MakeLoss", "make_loss", "BlockGrad",
    "stop_gradient", "IdentityAttachKLSparseReg", "_copy", "identity", "_np_copy", "_CrossDeviceCopy", "_NoGradient",
    "_copyto", "_npi_copyto", "_contrib_gradientmultiplier", "_npi_copy", "cast_storage",
)  # fmt: skip
def identity(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """What matters in training only: the value itself."""
    if layer.type == "cast_storage" and layer.word("stype", "default") != "default":
        raise layer.unsupported("ONNX runtimes compute with dense arrays only")
    return x


@reads("_identity_with_attr_like_rhs")
def identity_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    """The first; the second lends its shape while shapes are inferred."""
    return x
