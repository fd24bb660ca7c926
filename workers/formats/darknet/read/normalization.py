"""Batch normalisation in both dialects, and the normalisations over channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class Statistics:
    """As the file has them, one of each a channel."""

    scales: Array
    mean: Array
    variance: Array


def under_root(layer: Layer, variance: Array) -> Array:
    """What stands under the root in float64: AlexeyAB adds 1e-5 to the variance, pjreddie 1e-6 to its root.

    pjreddie's sqrt(v) + 1e-6 is the root of (sqrt(v) + 1e-6)^2.
    """
    wide = variance.astype(np.float64)
    return wide + 1e-5 if layer.variant.alexeyab else (np.sqrt(wide) + 1e-6) ** 2


@dataclass(frozen=True, slots=True)
class Norm:
    """The statistics as initialisers."""

    scales: Value
    mean: Value
    variance: Value
    epsilon: float


def norm(g: GraphBuilder, layer: Layer, found: Statistics, prefix: str = "") -> Norm:
    """The statistics under Darknet's names.

    In pjreddie's dialect the variance is replaced by the one that gives the same divisor with an epsilon of 0.
    """
    variance, epsilon = found.variance, 1e-5
    if not layer.variant.alexeyab:
        epsilon = 0.0
        variance = layer.computed(variance.shape, lambda: under_root(layer, found.variance))
    return Norm(
        layer.weight(g, f"{prefix}scales", found.scales), layer.weight(g, f"{prefix}rolling_mean", found.mean),
        layer.weight(g, f"{prefix}rolling_variance", variance), epsilon,
    )  # fmt: skip


def batch_normalize(g: GraphBuilder, x: Value, biases: Value, by: Norm) -> Value:
    """(x - mean) / deviation * scale + bias; x is [N, C, ...]."""
    return g.BatchNormalization(x, by.scales, biases, by.mean, by.variance, epsilon=by.epsilon)


@reads("batchnorm")
def batchnorm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """File: AlexeyAB biases, scales, mean, variance; pjreddie has no biases. One of each a channel."""
    x = layer.image(g, x)
    channels = layer.channels(x)
    biases = layer.take(channels) if layer.variant.alexeyab else np.broadcast_to(np.float32(0), (channels,))
    found = Statistics(layer.take(channels), layer.take(channels), layer.take(channels))
    return batch_normalize(g, x, layer.weight(g, "biases", biases), norm(g, layer, found))


@reads("normalization", "lrn")
def normalization(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x * (kappa + alpha * sum of squares)^-beta over ``size`` channels around each one.

    alpha is not divided by the size. The running sum never adds the square of channel size/2, but subtracts it when
    the window has passed: the sum of every channel lacks it.
    """
    x = layer.image(g, x)
    size, channels = layer.window("size", 5), layer.channels(x)
    alpha, beta, kappa = layer.number("alpha", 1e-4), layer.number("beta", 0.75), layer.number("kappa", 1.0)
    if size // 2 >= channels:
        raise layer.malformed(f"its window of {size} channels needs more than the {channels} that there are")
    square = g.Mul(x, x)
    sums = g.Squeeze(
        g.Mul(
            g.AveragePool(
                g.Unsqueeze(square, [1]), kernel_shape=[size, 1, 1], count_include_pad=1,
                pads=[(size - 1) // 2, 0, 0, size // 2, 0, 0],
            ), float(size),
        ), [1],
    )  # fmt: skip
    missing = g.Slice(square, [size // 2], [size // 2 + 1], [1])
    base = g.Add(g.Mul(g.Sub(sums, missing), np.float32(alpha)), np.float32(kappa))
    return g.Mul(x, g.Pow(base, np.float32(-beta)))


@reads("l2norm")
def l2norm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """x / sqrt(sum of squares over the channels), without an epsilon."""
    x = layer.image(g, x)
    return g.Div(x, g.ReduceL2(x, [1]))
