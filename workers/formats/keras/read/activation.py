"""Activations: the functions that layers name, and the layers that are nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from workers.formats.keras.read.layer import Layer, Rule, reads
from workers.formats.keras.read.tensor import Tensor
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

Function = Callable[[GraphBuilder, Layer, Value], Value]


def hard_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Keras 3: relu6(x + 3) / 6; before: clip(0.2 x + 0.5, 0, 1)."""
    alpha = 1 / 6 if layer.generation >= 3 else 0.2
    return g.HardSigmoid(x, alpha=alpha, beta=0.5)


def _hard_silu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.HardSwish(x)


def _relu6(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Clip(x, layer.number(x, 0), layer.number(x, 6))


def _silu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Mul(x, g.Sigmoid(x))


def _linear(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return x


def _log_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """-softplus(-x), which loses nothing where the sigmoid is next to 0."""
    return g.Neg(g.Softplus(g.Neg(x)))


def _celu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Celu(x, alpha=1.0)


def _squareplus(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    root = g.Sqrt(g.Add(g.Mul(x, x), layer.number(x, 4)))
    return g.Mul(g.Add(x, root), layer.number(x, 0.5))


def _sparse_plus(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """0 below -1, (x + 1)^2 / 4 between, x above 1."""
    edge = g.Add(x, layer.number(x, 1))
    middle = g.Mul(g.Mul(edge, edge), layer.number(x, 0.25))
    low = g.Where(g.LessOrEqual(x, layer.number(x, -1)), layer.number(x, 0), middle)
    return g.Where(g.GreaterOrEqual(x, layer.number(x, 1)), x, low)


def _sparse_sigmoid(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Clip(g.Mul(g.Add(x, layer.number(x, 1)), layer.number(x, 0.5)), layer.number(x, 0), layer.number(x, 1))


def _squared_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    positive = g.Relu(x)
    return g.Mul(positive, positive)


def _tanh_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Sub(x, g.Tanh(x))


def _hard_tanh(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Clip(x, layer.number(x, -1), layer.number(x, 1))


def _hard_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Shrink(x, lambd=0.5, bias=0.0)


def _soft_shrink(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return g.Shrink(x, lambd=0.5, bias=0.5)


def _leaky_relu(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """As an activation the slope is 0.2, not the layer's 0.3."""
    return g.LeakyRelu(x, alpha=0.2)


def _plain(operator: str, **attributes: Any) -> Function:
    def function(g: GraphBuilder, layer: Layer, x: Value) -> Value:
        return g.op(operator, x, **attributes)

    return function


SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
FUNCTIONS: dict[str, Function] = {
    "linear": _linear, "relu": _plain("Relu"), "sigmoid": _plain("Sigmoid"), "tanh": _plain("Tanh"),
    "softplus": _plain("Softplus"), "softsign": _plain("Softsign"), "elu": _plain("Elu", alpha=1.0),
    "selu": _plain("Selu", **SELU), "exponential": _plain("Exp"), "exp": _plain("Exp"),
    "gelu": _plain("Gelu"), "mish": _plain("Mish"), "hard_sigmoid": hard_sigmoid, "hard_silu": _hard_silu,
    "hard_swish": _hard_silu, "relu6": _relu6, "silu": _silu, "swish": _silu, "leaky_relu": _leaky_relu,
    "log_sigmoid": _log_sigmoid, "celu": _celu, "squareplus": _squareplus, "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid, "squared_relu": _squared_relu, "tanh_shrink": _tanh_shrink,
    "hard_shrink": _hard_shrink, "soft_shrink": _soft_shrink,
    "hard_tanh": _hard_tanh,
}  # fmt: skip


def name_of(layer: Layer, value: Any) -> str:
    """The name of an activation as the file has it; records of functions hold it in their configuration."""
    if value is None:
        return "linear"
    if isinstance(value, dict):
        kind, config = value.get("class_name"), value.get("config")
        if kind == "function" and isinstance(config, str):
            value = config
        elif isinstance(kind, str):
            return kind
    if not isinstance(value, str):
        raise layer.malformed(f"its activation is {str(value)[:40]!r}")
    return value.rsplit(">", 1)[-1].removesuffix("_v2")


def activate(g: GraphBuilder, layer: Layer, x: Tensor, value: Any) -> Tensor:
    """``x`` through the activation that ``value`` names; softmax runs over Keras' last axis."""
    name = name_of(layer, value)
    if name in ("softmax", "log_softmax"):
        operator = "Softmax" if name == "softmax" else "LogSoftmax"
        x = settled(g, x)
        return x.like(g.op(operator, x.value, axis=x.place(-1)))
    if name == "sparsemax":
        x = settled(g, x)
        return x.like(sparse_maximum(g, layer, x.value, x.place(-1)))
    if name == "glu":
        x = settled(g, x)
        parts = g.ops("Split", x.value, outputs=2, axis=x.place(-1), num_outputs=2)
        return x.like(g.Mul(parts[0], g.Sigmoid(parts[1])))
    function = FUNCTIONS.get(name)
    if function is None and isinstance(value, dict):
        return as_layer(g, layer, x, value)
    if function is None:
        raise layer.unsupported(f"its activation {name!r} is none of Keras' own; no code of the file's is run")
    return x.like(function(g, layer, x.value))


def sparse_maximum(g: GraphBuilder, layer: Layer, x: Value, axis: int) -> Value:
    """max(x - threshold, 0), the threshold from the sorted values that stay above it.

    The sparsemax of the literature takes the last of their running sums; Keras adds all of them up.
    """
    size = layer.fixed(g.shape(x)[axis : axis + 1])[0]
    falling = g.ops("TopK", x, [size], outputs=2, axis=axis, largest=1, sorted=1)[0]
    sums = g.CumSum(falling, np.asarray(axis), exclusive=0, reverse=0)
    shape = [1] * len(g.shape(x))
    shape[axis] = size
    counts = np.arange(1, size + 1).reshape(shape).astype(layer.element(x).numpy())
    one, zero = layer.number(x, 1), layer.number(x, 0)
    above = g.Greater(g.Sub(falling, g.Div(g.Sub(sums, one), counts)), zero)
    support = g.ReduceSum(cast(g, above, layer.element(x)), [axis], keepdims=1)
    total = g.ReduceSum(g.Where(above, sums, zero), [axis], keepdims=1)
    bound = g.Div(g.Sub(total, one), support)
    return g.Max(g.Sub(x, bound), layer.number(x, 0))


def as_layer(g: GraphBuilder, layer: Layer, x: Tensor, value: dict[str, Any]) -> Tensor:
    """An activation that is given as a layer."""
    config = value.get("config")
    rule = ADVANCED.get(str(value.get("class_name")))
    if rule is None or not isinstance(config, dict):
        raise layer.unsupported(f"its activation {value.get('class_name')!r} is none of Keras' own")
    spec = layer.spec.__class__(
        layer.name, str(value["class_name"]), str(value["class_name"]), config, layer.generation
    )
    result = rule(g, Layer(spec, layer.stock, layer.scope, layer.name), x)
    assert isinstance(result, Tensor)
    return result


def settled(g: GraphBuilder, x: Tensor) -> Tensor:
    """A flattened row in Keras' order of elements; anything else as it is."""
    return x if x.flat is None else Tensor(x.plain(g), (0, 1), x.mask)


def function(g: GraphBuilder, layer: Layer, x: Value, value: Any) -> Value:
    """One of the element-wise activations on a bare value, as inside recurrent cells."""
    name = name_of(layer, value)
    if name in ("softmax", "log_softmax"):
        return g.op("Softmax" if name == "softmax" else "LogSoftmax", x, axis=-1)
    if name not in FUNCTIONS:
        raise layer.unsupported(f"its activation {name!r} is none of Keras' own; no code of the file's is run")
    return FUNCTIONS[name](g, layer, x)


# --- layers ----------------------------------------------------------------------------------------------------------


@reads("Activation")
def activation(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    return activate(g, layer, x, layer.config.get("activation"))


@reads("ReLU")
def relu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """max_value from there on, x from the threshold on, slope * (x - threshold) below."""
    most = layer.config.get("max_value")
    slope, threshold = layer.real("negative_slope", 0.0), layer.real("threshold", 0.0)
    v = x.value
    if threshold:
        below = g.Mul(g.Sub(v, layer.number(v, threshold)), layer.number(v, slope))
        y = g.Where(g.GreaterOrEqual(v, layer.number(v, threshold)), v, below)
    else:
        y = g.LeakyRelu(v, alpha=slope) if slope else g.Relu(v)
    if most is not None:
        y = g.Min(y, layer.number(v, layer.as_real(most, "max_value")))
    return x.like(y)


@reads("LeakyReLU")
def leaky_re_lu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    slope = layer.real("negative_slope", layer.real("alpha", 0.3))
    return x.like(g.LeakyRelu(x.value, alpha=slope))


@reads("ELU")
def elu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    return x.like(g.Elu(x.value, alpha=layer.real("alpha", 1.0)))


@reads("ThresholdedReLU")
def thresholded_re_lu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    return x.like(g.ThresholdedRelu(x.value, alpha=layer.real("theta", 1.0)))


@reads("Softmax")
def softmax(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Over one axis or several; a mask takes 1e9 (30000 in half precision) off what does not count."""
    axes = [layer.axis(axis, x.rank) for axis in layer.integers("axis", [-1])]
    mask = layer.kwargs.get("mask")
    x = settled(g, x)
    if isinstance(mask, Tensor):
        low = layer.number(x, -3e4 if layer.element(x).itemsize == 2 else -1e9)
        out = g.Sub(layer.number(x, 1), cast(g, mask.to(g, x.order), layer.element(x)))
        x = x.like(g.Add(x.value, g.Mul(out, low)))
    if len(axes) == 1:
        return x.like(g.Softmax(x.value, axis=x.place(axes[0])))
    over = sorted(x.place(axis) for axis in axes)
    return x.like(g.Exp(g.Sub(x.value, g.ReduceLogSumExp(x.value, over, keepdims=1))))


@reads("PReLU")
def p_re_lu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """One slope an element of the input, 1 on shared axes."""
    x = settled(g, x)
    slope = layer.array("alpha")
    fits = slope.ndim == x.rank - 1 and all(
        size in (1, dim) or not isinstance(dim, int) for dim, size in zip(x.shape[1:], slope.shape, strict=True)
    )
    if not fits:
        raise layer.malformed(f"its slopes have the shape {list(slope.shape)}, its input {list(x.shape)}")
    return x.like(g.PRelu(x.value, per_element(g, layer, "alpha", slope, x)))


def per_element(g: GraphBuilder, layer: Layer, label: str, array: np.ndarray[Any, Any], x: Tensor) -> Value:
    """A weight without the batch axis, its axes in the order of the value of ``x``."""
    turned = array[None].transpose(x.order)[0] if x.order[0] == 0 else array[None].transpose(x.order)
    suffix = "" if x.order == tuple(range(x.rank)) else "_" + "".join(map(str, x.order))
    return layer.weight(g, f"{label}{suffix}", turned, layer.element(x))


@reads("SReLU")
def s_re_lu(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Keras 1: linear between two thresholds, with other slopes outside; t_right is measured from t_left."""
    x = settled(g, x)
    t_left, a_left, t_right, a_right = (
        per_element(g, layer, name, layer.array(name), x) for name in ("t_left", "a_left", "t_right", "a_right")
    )
    right = g.Add(t_left, g.Abs(t_right))
    v = x.value
    below = g.Mul(a_left, g.Sub(v, t_left))
    # Theano bounds what lies on the left, too, which matters where the slope is negative.
    low = g.Add(t_left, g.Min(below, g.Abs(t_right)) if layer.scope.flip else below)
    high = g.Add(right, g.Mul(a_right, g.Sub(v, right)))
    inner = g.Where(g.GreaterOrEqual(v, right), high, v)
    return x.like(g.Where(g.Less(v, t_left), low, inner))


@reads("ParametricSoftplus")
def parametric_softplus(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """alpha * softplus(beta * x)."""
    x = settled(g, x)
    alpha, beta = (per_element(g, layer, name, layer.array(name), x) for name in ("alpha", "beta"))
    return x.like(g.Mul(alpha, g.Softplus(g.Mul(beta, x.value))))


@reads(
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout",
    "GaussianNoise", "ActivityRegularization", "Identity", "StochasticDepth",
)  # fmt: skip
def identity(g: GraphBuilder, layer: Layer, x: Tensor) -> Tensor:
    """Nothing at inference."""
    return x


ADVANCED: dict[str, Rule] = {
    "ReLU": relu, "LeakyReLU": leaky_re_lu, "ELU": elu, "ThresholdedReLU": thresholded_re_lu, "Softmax": softmax,
}  # fmt: skip
