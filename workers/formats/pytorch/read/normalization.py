"""Normalisation layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from workers.formats.layer import cast
from workers.formats.pytorch.read.dtypes import operand
from workers.formats.pytorch.read.layer import F32, Layer, reads
from workers.formats.pytorch.read.shaping import reshape
from workers.hub.graph import GraphBuilder, Value


def _ones_zeros(
    g: GraphBuilder, layer: Layer, x: Value, weight: Value | None, bias: Value | None, channels: int
) -> tuple[Value, Value]:
    dtype = (x.dtype or F32).numpy()
    return (
        weight if weight is not None else g.constant(np.ones(channels, dtype)),
        bias if bias is not None else g.constant(np.zeros(channels, dtype)),
    )


@reads(
    "aten::batch_norm", "aten::native_batch_norm", "aten::_native_batch_norm_legit_no_training",
    "aten::_native_batch_norm_legit", "aten::cudnn_batch_norm",
)  # fmt: skip
def batch_norm(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value | None, bias: Value | None, running_mean: Value | None,
    running_var: Value | None, *rest: Any, training: Any = False, momentum: Any = 0.1, eps: Any = None,
    cudnn_enabled: Any = False,
) -> Any:  # fmt: skip
    if isinstance(running_mean, bool):  # the form without statistics: (x, weight, bias, training, momentum, eps)
        rest, running_mean, running_var = (running_mean, running_var, *rest), None, None
    if eps is None:
        eps = next(reversed([item for item in rest if isinstance(item, float)]), 1e-5)
    if rest and isinstance(rest[0], bool):
        training = rest[0]
    if running_mean is None or running_var is None:
        made = _over_batch(g, layer, input, weight, bias, layer.real(eps))
    else:
        if training is True:
            layer.note("training-mode", "The model was saved in training mode: batch norm uses its running statistics.")
        channels = layer.static(running_mean, 0)
        scale, shift = _ones_zeros(g, layer, input, weight, bias, channels)
        made = g.BatchNormalization(input, scale, shift, running_mean, running_var, epsilon=layer.real(eps))
    return made if layer.type == "aten::batch_norm" else (made, made, made)


def _over_batch(g: GraphBuilder, layer: Layer, x: Value, weight: Value | None, bias: Value | None, eps: float) -> Value:
    """Without running statistics: mean and variance over everything but the channels."""
    rank = layer.rank(x)
    axes = [axis for axis in range(rank) if axis != 1]
    centred = g.Sub(x, g.ReduceMean(x, axes, keepdims=1))
    variance = g.ReduceMean(g.Mul(centred, centred), axes, keepdims=1)
    made = g.Div(centred, g.Sqrt(g.Add(variance, operand(g, eps, x.dtype or F32))))
    shape = [-1, *[1] * (rank - 2)]
    made = made if weight is None else g.Mul(made, g.Reshape(weight, shape))
    return made if bias is None else g.Add(made, g.Reshape(bias, shape))


@reads("aten::instance_norm")
def instance_norm(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value | None, bias: Value | None, running_mean: Value | None,
    running_var: Value | None, use_input_stats: Any, momentum: Any, eps: Any, cudnn_enabled: Any = False,
) -> Value:  # fmt: skip
    if not use_input_stats and running_mean is not None and running_var is not None:
        scale, shift = _ones_zeros(g, layer, input, weight, bias, layer.static(running_mean, 0))
        return g.BatchNormalization(input, scale, shift, running_mean, running_var, epsilon=layer.real(eps))
    scale, shift = _ones_zeros(g, layer, input, weight, bias, layer.static(input, 1, "the number of channels"))
    return g.InstanceNormalization(input, scale, shift, epsilon=layer.real(eps))


@reads("aten::layer_norm", "aten::native_layer_norm")
def layer_norm(
    g: GraphBuilder, layer: Layer, input: Value, normalized_shape: Any, weight: Value | None = None,
    bias: Value | None = None, eps: Any = 1e-5, cudnn_enable: Any = True,
) -> Any:  # fmt: skip
    sizes = layer.integers(normalized_shape)
    dtype = (input.dtype or F32).numpy()
    scale = weight if weight is not None else g.constant(np.ones(sizes, dtype))
    made = g.ops("LayerNormalization", input, scale, bias, outputs=1, axis=-len(sizes), epsilon=layer.real(eps))[0]
    layer.shaped(made, layer.dims(input))
    return made if layer.type == "aten::layer_norm" else (made, made, made)


@reads("aten::rms_norm", "aten::_fused_rms_norm")
def rms_norm(
    g: GraphBuilder, layer: Layer, input: Value, normalized_shape: Any, weight: Value | None = None, eps: Any = None
) -> Any:
    """Without an eps it is the type's smallest step."""
    axes = list(range(-len(layer.integers(normalized_shape)), 0))
    dtype = input.dtype or F32
    small = float(np.finfo(dtype.numpy()).eps) if eps is None else layer.real(eps)
    mean = g.ReduceMean(g.Mul(input, input), axes, keepdims=1)
    made = g.Div(input, g.Sqrt(g.Add(mean, operand(g, small, dtype))))
    made = made if weight is None else g.Mul(made, weight)
    return made if layer.type == "aten::rms_norm" else (made, made)


@reads("aten::group_norm")
def group_norm(
    g: GraphBuilder, layer: Layer, input: Value, num_groups: Any, weight: Value | None = None,
    bias: Value | None = None, eps: Any = 1e-5, cudnn_enabled: Any = True,
) -> Value:  # fmt: skip
    channels = layer.static(input, 1, "the number of channels")
    scale, shift = _ones_zeros(g, layer, input, weight, bias, channels)
    made = g.GroupNormalization(input, scale, shift, num_groups=layer.integer(num_groups), epsilon=layer.real(eps))
    return layer.shaped(made, layer.dims(input))


@reads("aten::native_group_norm")
def native_group_norm(
    g: GraphBuilder, layer: Layer, input: Value, weight: Value | None, bias: Value | None, N: Any, C: Any, HxW: Any,
    group: Any, eps: Any,
) -> Any:  # fmt: skip
    made = group_norm(g, layer, input, group, weight, bias, eps)
    return made, made, made


@reads("aten::local_response_norm")
def local_response_norm(
    g: GraphBuilder, layer: Layer, input: Value, size: Any, alpha: Any = 1e-4, beta: Any = 0.75, k: Any = 1.0
) -> Value:
    return g.LRN(input, size=layer.integer(size), alpha=layer.real(alpha), beta=layer.real(beta), bias=layer.real(k))


@reads("aten::_weight_norm", "aten::_weight_norm_interface")
def weight_norm(g: GraphBuilder, layer: Layer, v: Value, g_: Value, dim: Any = 0) -> Any:
    """v * g / |v|, the norm over all axes but ``dim``."""
    axis = layer.integer(dim)
    axes = [a for a in range(layer.rank(v)) if axis == -1 or a != axis % layer.rank(v)]
    made = g.Mul(v, g.Div(g_, g.ReduceL2(v, axes, keepdims=1)))
    return made if layer.type == "aten::_weight_norm" else (made, made)


@reads("aten::renorm")
def renorm(g: GraphBuilder, layer: Layer, self: Value, p: Any, dim: Any, maxnorm: Any) -> Value:
    """Sub-tensors along ``dim`` whose norm is larger are scaled down to it."""
    if layer.real(p) != 2:
        raise layer.unsupported("only the Euclidean norm is read")
    axes = [axis for axis in range(layer.rank(self)) if axis != layer.axis(self, dim)]
    norm = g.ReduceL2(self, axes, keepdims=1)
    limit = operand(g, maxnorm, self.dtype or F32)
    factor = g.Div(limit, g.Add(norm, operand(g, 1e-7, self.dtype or F32)))
    return g.Where(g.Greater(norm, limit), g.Mul(self, factor), self)


@reads("aten::pixel_shuffle", "aten::pixel_unshuffle", "aten::channel_shuffle", "aten::native_channel_shuffle")
def shuffle(
    g: GraphBuilder, layer: Layer, self: Value, upscale_factor: Any = None, downscale_factor: Any = None,
    groups: Any = None,
) -> Value:  # fmt: skip
    word = layer.type.rpartition("::")[2]
    factor = layer.integer(next(x for x in (upscale_factor, downscale_factor, groups) if x is not None))
    if word == "pixel_shuffle":
        return g.DepthToSpace(self, blocksize=factor, mode="CRD")
    n, _, *space = layer.dims(self)
    if word.endswith("channel_shuffle"):
        channels = layer.static(self, 1)
        rows = reshape(g, layer, self, [n, factor, channels // factor, *space])
        turned = g.Transpose(rows, perm=[0, 2, 1, *range(3, 3 + len(space))])
        return reshape(g, layer, turned, [n, channels, *space])
    h, w, depth = layer.static(self, 2), layer.static(self, 3), layer.static(self, 1)
    rows = reshape(g, layer, self, [n, depth, h // factor, factor, w // factor, factor])
    turned = g.Transpose(rows, perm=[0, 1, 3, 5, 2, 4])
    return reshape(g, layer, turned, [n, depth * factor * factor, h // factor, w // factor])


@reads("aten::normalize")
def normalize(g: GraphBuilder, layer: Layer, input: Value, p: Any = 2, dim: Any = 1, eps: Any = 1e-12) -> Value:
    norm = g.ReduceL2(input, [layer.axis(input, dim)], keepdims=1)
    return g.Div(input, g.Max(norm, cast(g, g.constant(layer.real(eps)), input.dtype or F32)))
