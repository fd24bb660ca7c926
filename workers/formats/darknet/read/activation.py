"""The activation functions, and the layers that are nothing but one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workers.errors import MissingFile
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder

Function = Callable[[GraphBuilder, Value], Value]


def _loggy(g: GraphBuilder, x: Value) -> Value:
    """2 / (1 + exp(-x)) - 1"""
    return g.Sub(g.Mul(g.Sigmoid(x), 2.0), 1.0)


def _ramp(g: GraphBuilder, x: Value) -> Value:
    """x * (x > 0) + 0.1 x"""
    return g.Add(g.Relu(x), g.Mul(x, 0.1))


def _plse(g: GraphBuilder, x: Value) -> Value:
    """x / 8 + 1/2 between -4 and 4, slope 0.01 beyond."""
    middle = g.Clip(x, -4.0, 4.0)
    return g.Add(g.Add(g.Mul(middle, 0.125), 0.5), g.Mul(g.Sub(x, middle), 0.01))


def _lhtan(g: GraphBuilder, x: Value) -> Value:
    """x between 0 and 1, slope 0.001 beyond."""
    middle = g.Clip(x, 0.0, 1.0)
    return g.Add(middle, g.Mul(g.Sub(x, middle), 0.001))


def _stair(g: GraphBuilder, x: Value) -> Value:
    """With n = floor(x): floor(x/2) where n is even, (x - n) + floor(x/2) where it is odd."""
    floor, half = g.Floor(x), g.Floor(g.Mul(x, 0.5))
    odd = g.Sub(floor, g.Mul(half, 2.0))
    return g.Add(half, g.Mul(odd, g.Sub(x, floor)))


def _swish(g: GraphBuilder, x: Value) -> Value:
    return g.Mul(x, g.Sigmoid(x))


def _hard_mish(g: GraphBuilder, x: Value) -> Value:
    """x from 0 on, x*x/2 + x down to -2, 0 below: x * clip(x/2 + 1, 0, 1)."""
    return g.Mul(x, g.HardSigmoid(x, alpha=0.5, beta=1.0))


def _normalize_channels(g: GraphBuilder, x: Value) -> Value:
    """relu(x) / (0.0001 + sum of relu(x) over the channels)"""
    positive = g.Relu(x)
    return g.Div(positive, g.Add(g.ReduceSum(positive, [1]), 1e-4))


def _normalize_channels_softmax(g: GraphBuilder, x: Value) -> Value:
    """exp(x) / (0.0001 + sum of exp(x) over the channels)"""
    power = g.Exp(x)
    return g.Div(power, g.Add(g.ReduceSum(power, [1]), 1e-4))


def _normalize_channels_softmax_maxval(g: GraphBuilder, x: Value) -> Value:
    """The same with the largest channel subtracted first."""
    return _normalize_channels_softmax(g, g.Sub(x, g.ReduceMax(x, [1])))


ACTIVATIONS: dict[str, Function] = {
    "linear": lambda g, x: x,
    "logistic": lambda g, x: g.Sigmoid(x),
    "loggy": _loggy,
    "relu": lambda g, x: g.Relu(x),
    "relu6": lambda g, x: g.Clip(x, 0.0, 6.0),
    "elu": lambda g, x: g.Elu(x, alpha=1.0),
    "selu": lambda g, x: g.Selu(x, alpha=1.6732, gamma=1.0507),
    "gelu": lambda g, x: g.Gelu(x, approximate="tanh"),
    "relie": lambda g, x: g.LeakyRelu(x, alpha=0.01),
    "ramp": _ramp,
    "tanh": lambda g, x: g.Tanh(x),
    "plse": _plse,
    "leaky": lambda g, x: g.LeakyRelu(x, alpha=0.1),
    "revleaky": lambda g, x: g.LeakyRelu(x, alpha=0.1),
    "stair": _stair,
    "hardtan": lambda g, x: g.Clip(x, -1.0, 1.0),
    "lhtan": _lhtan,
    "swish": _swish,
    "mish": lambda g, x: g.Mish(x),
    "hard_mish": _hard_mish,
    "normalize_channels": _normalize_channels,
    "normalize_channels_softmax": _normalize_channels_softmax,
    "normalize_channels_softmax_maxval": _normalize_channels_softmax_maxval,
}


def function(layer: Layer, key: str, default: str) -> Function:
    """The function that ``key`` names. Darknet takes an unknown name for relu, and says so; so does this."""
    name = layer.word(key, default)
    found = ACTIVATIONS.get(name)
    if found is None:
        layer.note("unknown-activation", f"The activation {name[:40]!r} is not known; Darknet computes relu instead.")
        return ACTIVATIONS["relu"]
    if name == "relu6":
        layer.note("relu6", "AlexeyAB's build without a GPU computes 0 for relu6; this model clips to 0..6.")
    return found


def activate(g: GraphBuilder, layer: Layer, x: Value, default: str = "logistic") -> Value:
    """The layer's own ``activation=``; a layer without the key has ``default``, which is logistic for most."""
    return function(layer, "activation", default)(g, x)


@reads("activation")
def activation(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    return activate(g, layer, x, "linear")


@reads("logistic")
def logistic(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Cross entropy in training; the logistic function is what remains of it."""
    return g.Sigmoid(x)


@reads("softmax", "soft")
def softmax(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """Over each of ``groups`` parts of the flattened input, of logits divided by ``temperature``.

    With ``tree=`` over each group of a class tree. ``spatial`` and ``noloss`` change nothing at inference.
    """
    flat = layer.flat(g, x)
    inputs = layer.sizes(flat)[0]
    temperature = layer.number("temperature", 1.0)
    if temperature == 0:
        raise layer.malformed("its temperature is 0")
    if temperature != 1:
        flat = g.Div(flat, np.float32(temperature))
    if "tree" in layer.options:
        return tree_softmax(g, layer, flat, inputs)
    groups = layer.positive("groups")
    if inputs % groups:
        raise layer.malformed(f"its {inputs} inputs do not make {groups} equal groups")
    if groups == 1:
        return g.Softmax(flat, axis=1)
    return g.Reshape(g.Softmax(g.Reshape(flat, [0, groups, inputs // groups]), axis=2), [0, inputs])


def tree_softmax(g: GraphBuilder, layer: Layer, x: Value, classes: int) -> Value:
    """Softmax over axis 1 of [N, classes] or [N, classes, M], within each group of the layer's class tree.

    Groups of one size that follow each other are computed together.
    """
    path = layer.options["tree"]
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    if name not in layer.scope.trees:
        raise MissingFile(
            f"layer {layer.name!r} needs the class tree {path!r}", file=layer.scope.file, layer=layer.name,
            hint=f"Add the file {name}.",
        )  # fmt: skip
    sizes = layer.scope.trees[name]
    if sum(sizes) != classes:
        raise layer.malformed(f"the class tree {name!r} has {sum(sizes)} classes, the layer {classes}")
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    lengths = [size * repeated for size, repeated in runs]
    parts = g.ops("Split", x, lengths, outputs=len(runs), axis=1) if len(runs) > 1 else [x]
    done = []
    for part, (size, repeated) in zip(parts, runs, strict=True):
        if repeated == 1:
            done.append(g.Softmax(part, axis=1))
            continue
        tail = layer.sizes(part)[1:]
        grouped = g.Softmax(g.Reshape(part, [0, repeated, size, *tail]), axis=2)
        done.append(g.Reshape(grouped, [0, size * repeated, *tail]))
    return g.Concat(*done, axis=1) if len(done) > 1 else done[0]
