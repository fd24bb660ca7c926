"""Functions of one tensor, element by element, and the softmax."""

from __future__ import annotations

import math

from workers.formats.caffe2.read.layer import FLOATS, Layer, Value, reads
from workers.formats.caffe2.read.sizes import reshape, times
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

PLAIN = {
    "Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Softplus": "Softplus", "Softsign": "Softsign", "Abs": "Abs",
    "Negative": "Neg", "Exp": "Exp", "Log": "Log", "Sqrt": "Sqrt", "Floor": "Floor", "Ceil": "Ceil", "Sign": "Sign",
    "Erf": "Erf", "Reciprocal": "Reciprocal", "Sin": "Sin", "Cos": "Cos", "Tan": "Tan", "Asin": "Asin", "Acos": "Acos",
    "Atan": "Atan", "Sinh": "Sinh", "Cosh": "Cosh", "Neg": "Neg", "Mish": "Mish",
}  # fmt: skip


@reads(*PLAIN)
def plain(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.op(PLAIN[layer.type], x)


@reads(
    "Copy", "Alias", "AliasWithName", "StopGradient", "EnsureDense", "EnsureCPUOutput", "CopyFromCPUInput", "NanCheck",
    "CopyCPUToGPU", "CopyGPUToCPU", "CopyCPUToMKL", "CopyMKLToCPU", "CopyCPUToIDEEP", "CopyIDEEPToCPU", "Identity",
    "ScaleGradient", "FbGemmPack", "EnsureClipped",
)  # fmt: skip
def copy(g: GraphBuilder, layer: Layer, x: Value, *rest: Value) -> Value:
    """The value itself: what moves between devices or holds gradients back. Of NanCheck further inputs are printed."""
    if layer.type == "EnsureClipped":
        return _clipped(g, layer, x)
    return g.Identity(x)


@reads("CopyOnDeviceLike")
def copy_on_device_like(g: GraphBuilder, layer: Layer, x: Value, like: Value) -> Value:
    return g.Identity(x)


@reads("Dropout")
def dropout(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Lets everything through; the mask is made in training only."""
    if not layer.flag("is_test") and not layer.scope.training:
        layer.note(
            "dropout-in-training", "The layer is in training mode (is_test is not set); at inference it drops nothing."
        )
    return g.Identity(x)


@reads("LeakyRelu")
def leaky_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.LeakyRelu(x, alpha=layer.real("alpha", 0.01))


@reads("ReluN")
def relu_n(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Between 0 and n."""
    return g.Clip(x, layer.number(x, 0), layer.number(x, layer.real("n", 6.0)))


@reads("PRelu")
def p_relu(g: GraphBuilder, layer: Layer, x: Value, slope: Value) -> Value:
    """One slope for all, or one for every channel."""
    rank, sizes = layer.rank(x, *range(1, 33)), layer.sizes(slope)
    count = math.prod(sizes)
    if count == 1:
        return g.PRelu(x, slope if len(sizes) <= 1 else g.Reshape(slope, [1]))
    axis = layer.channel(x)
    layer.same(layer.shape(x)[axis], count, "the number of channels")
    behind = rank - 1 - axis
    return g.PRelu(x, g.Reshape(slope, [count] + [1] * behind) if behind or len(sizes) != 1 else slope)


@reads("Elu")
def elu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Elu(x, alpha=layer.real("alpha", 1.0))


@reads("Selu")
def selu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    alpha = layer.real("alpha", 1.6732632423543772848170429916717)
    return g.Selu(x, alpha=alpha, gamma=layer.real("scale", 1.0507009873554804934193349852946))


@reads("HardSigmoid")
def hard_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.HardSigmoid(x, alpha=layer.real("alpha", 0.2), beta=layer.real("beta", 0.5))


@reads("ThresholdedRelu")
def thresholded_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.ThresholdedRelu(x, alpha=layer.real("alpha", 1.0))


@reads("Swish")
def swish(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x * sigmoid(x)."""
    return g.Mul(x, g.Sigmoid(x))


@reads("Gelu")
def gelu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Gelu(x, approximate="tanh" if layer.flag("fast_gelu") else "none")


@reads("Clip")
def clip(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return _clipped(g, layer, x)


def _clipped(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    low = layer.number(x, layer.real("min")) if layer.has("min") else None
    high = layer.number(x, layer.real("max")) if layer.has("max") else None
    return g.Clip(x, low, high) if low is not None or high is not None else g.Identity(x)


@reads("Sqr")
def sqr(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, x)


@reads("Cube")
def cube(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(g.Mul(x, x), x)


@reads("Cbrt")
def cbrt(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(g.Sign(x), g.Pow(g.Abs(x), layer.number(x, 1 / 3)))


@reads("Rsqrt")
def rsqrt(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Reciprocal(g.Sqrt(x))


@reads("Log1p")
def log1p(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Log(g.Add(x, layer.number(x, 1)))


@reads("Scale")
def scale(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, layer.number(x, layer.real("scale", 1.0)))


@reads("Logit")
def logit(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """ln(x / (1 - x)) with x kept eps away from 0 and 1."""
    eps = layer.real("eps", 1e-6)
    kept = g.Clip(x, layer.number(x, eps), layer.number(x, 1 - eps))
    return g.Log(g.Div(kept, g.Sub(layer.number(x, 1), kept)))


@reads("Glu")
def glu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The first half of the axis times the sigmoid of the second."""
    axis = layer.axis(layer.integer("dim", -1), layer.rank(x, *range(1, 33)))
    if layer.sizes(x, axis, axis + 1)[0] % 2:
        raise layer.malformed("the axis that it halves is odd")
    a, b = g.ops("Split", x, outputs=2, axis=axis, num_outputs=2)
    return g.Mul(a, g.Sigmoid(b))


# --- softmax ---------------------------------------------------------------------------------------------------------


@reads("Softmax")
def softmax(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over all axes from ``axis`` on, taken together."""
    return flat_softmax(g, layer, x, layer.integer("axis", 1))


@reads("SoftmaxWithLoss")
def softmax_with_loss(g: GraphBuilder, layer: Layer, x: Value, *labels: Value) -> Value:
    """At inference only the probabilities."""
    return flat_softmax(g, layer, x, layer.integer("axis", 1))


@reads("SpatialSoftmaxWithLoss")
def spatial_softmax_with_loss(g: GraphBuilder, layer: Layer, x: Value, *labels: Value) -> Value:
    """Over the channels of every place; at inference only the probabilities."""
    layer.rank(x, 4)
    return g.Softmax(x, axis=1)


def flat_softmax(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value:
    rank = layer.rank(x, *range(1, 33))
    if layer.element(x) not in FLOATS:
        raise layer.malformed("it takes floats")
    place = layer.axis(axis, rank, extra=int(rank == 1))
    if place >= rank - 1:
        return g.Softmax(x, axis=rank - 1)
    shape = layer.shape(x)
    outer, inner = shape[:place], shape[place:]
    if all(dim == 1 for dim in inner[1:]):
        return g.Softmax(x, axis=place)
    flat: list[Dim] = [*outer, times(inner)]
    return reshape(g, layer, g.Softmax(reshape(g, layer, x, flat), axis=place), shape)
