"""Activations, and arithmetic on one tensor without parameters."""

from __future__ import annotations

import numpy as np

from workers.formats.torch7.read.layer import Layer, Value, flows, reads
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.hub.graph import GraphBuilder

SIMPLE = {
    "Tanh": "Tanh", "Sigmoid": "Sigmoid", "Exp": "Exp", "Log": "Log", "Abs": "Abs", "SoftSign": "Softsign",
    "Sqrt": "Sqrt", "nn.Sin": "Sin", "nn.Cos": "Cos",
}  # fmt: skip


def _simple(operator: str) -> None:
    def rule(g: GraphBuilder, layer: Layer, x: Value) -> Value:
        return g.op(operator, x)

    rule.__name__ = operator.lower()
    reads(*[name for name, meant in SIMPLE.items() if meant == operator])(rule)


for _operator in sorted(set(SIMPLE.values())):
    _simple(_operator)


@reads("Square")
def square(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, x)


@reads("ReLU", "Threshold")
def threshold(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x > threshold ? x : val."""
    limit, value = layer.real("threshold", 0), layer.real("val", 0)
    if limit == value:
        return g.Relu(x) if limit == 0 else g.Max(x, np.float32(limit))
    return g.Where(g.Greater(x, np.float32(limit)), x, np.float32(value))


@reads("ReLU6")
def relu6(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Clip(x, np.float32(0), np.float32(6))


@reads("HardTanh", "Clamp")
def hard_tanh(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Old files have no limits: -1 and 1."""
    return g.Clip(x, np.float32(layer.real("min_val", -1)), np.float32(layer.real("max_val", 1)))


@reads("ClippedReLU")
def clipped_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Clip(x, np.float32(0), np.float32(layer.real("ceiling", 1)))


@reads("LeakyReLU")
def leaky_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.LeakyRelu(x, alpha=layer.real("negval", 0.01))


@reads("RReLU")
def randomized_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """At inference the slope is the mean of its bounds."""
    return g.LeakyRelu(x, alpha=(layer.real("lower", 1 / 8) + layer.real("upper", 1 / 3)) / 2)


@reads("ELU")
def elu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Elu(x, alpha=layer.real("alpha", 1))


@reads("PReLU")
def prelu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """One slope for all, or one a channel: axis 2 of a batch, axis 1 of a vector, of an image or a clip alone."""
    slopes = layer.needed("weight").size
    if slopes == 1:
        return g.PRelu(x, layer.weight(g, "weight", (1,)))
    rank = layer.rank(x)
    axis = 0 if rank in (1, 3) else 1
    size = layer.shape(x)[axis]
    if size != slopes:
        raise layer.malformed(f"it has {slopes} slopes for {size} channels")
    return g.PRelu(x, layer.weight(g, "weight", (slopes, *[1] * (rank - axis - 1)), label="by channel"))


@reads("SoftPlus")
def soft_plus(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold, 20, where both agree."""
    beta, limit = layer.real("beta", 1), layer.real("threshold", 20)
    if beta == 0:
        raise layer.malformed("its beta is 0")
    scaled = g.Mul(x, np.float32(beta)) if beta != 1 else x
    soft = g.Softplus(scaled)
    soft = g.Div(soft, np.float32(beta)) if beta != 1 else soft
    return soft if limit >= 20 else g.Where(g.Greater(scaled, np.float32(limit)), x, soft)


@reads("LogSigmoid")
def log_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Neg(g.Softplus(g.Neg(x)))


@reads("SoftShrink")
def soft_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    limit = layer.real("lambda", 0.5)
    return g.Shrink(x, lambd=limit, bias=limit)


@reads("HardShrink")
def hard_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Shrink(x, lambd=layer.real("lambda", 0.5), bias=0.0)


@reads("TanhShrink")
def tanh_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Sub(x, g.Tanh(x))


@reads("Power")
def power(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Pow(x, np.float32(layer.real("pow")))


@reads("Clip", "nn.ClipValue")
def clip(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """dpnn's clamp between minval and maxval."""
    return g.Clip(x, np.float32(layer.real("minval")), np.float32(layer.real("maxval")))


@reads("GatedLinearUnit")
def gated_linear_unit(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first half of an axis, the last one unless ``dim`` says otherwise, by the sigmoid of the second."""
    axis = layer.axis(layer.integer("dim", -1), layer.rank(x))
    size = layer.size(x, axis)
    if size % 2:
        raise layer.malformed(f"its axis of {size} has no halves")
    first, second = g.ops("Split", x, outputs=2, axis=axis, num_outputs=2)
    return g.Mul(first, g.Sigmoid(second))


# --- soft maxima ----------------------------------------------------------------------------------------------------


def _classes_axis(layer: Layer, x: Value) -> int:
    """1-d and 3-d are single samples, 2-d and 4-d batches: the first, or the second axis."""
    return 0 if layer.rank(x, 1, 2, 3, 4) in (1, 3) else 1


def _channel_axis(layer: Layer, x: Value) -> int:
    """SpatialSoftMax: the channels of an image or of a batch of images; cudnn takes matrices as well."""
    return _classes_axis(layer, x)


@flows("nn.SoftMax", "nn.SoftMin", "nn.LogSoftMax", "nn.SpatialSoftMax", "nn.SpatialLogSoftMax",
       "cudnn.SpatialSoftMax", "cudnn.SpatialLogSoftMax")  # fmt: skip
def soft_max(run: Run, layer: Layer, data: Data) -> Data:
    """Over the axis of classes."""
    x = layer.floats(run.g, layer.one(data).read())
    axis = _channel_axis(layer, x)
    if layer.type.endswith("SoftMin"):
        return Ref(run.g.Softmax(run.g.Neg(x), axis=axis))
    operator = "LogSoftmax" if "Log" in layer.type else "Softmax"
    return Ref(run.g.op(operator, x, axis=axis))


@flows("cudnn.SoftMax", "cudnn.LogSoftMax")
def cudnn_soft_max(run: Run, layer: Layer, data: Data) -> Data:
    """Over all of a sample, whatever its shape; a vector, or a volume of three axes, is one sample."""
    x = layer.floats(run.g, layer.one(data).read())
    shape = layer.shape(x)
    operator = "LogSoftmax" if "Log" in layer.type else "Softmax"
    if len(shape) in (1, 2):
        return Ref(run.g.op(operator, x, axis=len(shape) - 1))
    if layer.module.text("mode").endswith("CHANNEL"):
        return Ref(run.g.op(operator, x, axis=0 if len(shape) == 3 else 1))
    flat = run.g.Flatten(x, axis=0 if len(shape) == 3 else 1)
    return Ref(layer.reshape(run.g, run.g.op(operator, flat, axis=1), shape))


# --- dropouts -------------------------------------------------------------------------------------------------------


@flows("nn.Dropout", "nn.SpatialDropout", "nn.VolumetricDropout")
def dropout(run: Run, layer: Layer, data: Data) -> Data:
    """Dropout of version 2 changes nothing; version 1, and the spatial ones always, scale by 1 - p."""
    ref = layer.one(data)
    p = layer.real("p", 0.5)
    if layer.flag("stochastic_inference"):
        layer.note("stochastic-inference", "The module drops at random at inference as well: that was left out.")
    if p == 0 or (layer.type == "nn.Dropout" and layer.flag("v2")):
        return ref if layer.flag("inplace") else Ref(ref.read())
    scaled = run.g.Mul(layer.floats(run.g, ref.read()), np.float32(1 - p))
    if not layer.flag("inplace"):
        return Ref(scaled)
    ref.write(scaled)
    return ref


@reads("MulConstant")
def mul_constant(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, np.float32(layer.real("constant_scalar")))
