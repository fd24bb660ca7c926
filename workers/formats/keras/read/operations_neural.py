"""Operations of networks as functions: convolutions, pooling, normalisation, attention, losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.formats.keras.read.activation import sparse_maximum
from workers.formats.keras.read.arguments import Arguments, floats, operation, promoted, together
from workers.formats.keras.read.attention import causal
from workers.formats.keras.read.convolution_transpose import edges
from workers.formats.keras.read.layer import BOOL, F32, I64, MAX_WINDOW, Result
from workers.formats.keras.read.pooling import adaptive
from workers.formats.keras.read.tensor import Tensor, moved, plain
from workers.formats.keras.read.windows import Make, padding
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value

# --- windows ---------------------------------------------------------------------------------------------------------


def spatial(g: GraphBuilder, a: Arguments, *names: str) -> tuple[Value, Make, int]:
    """The value with its channels in axis 1, how a result becomes a tensor, and the number of spatial axes."""
    x = floats(g, a.tensor(0, *names))
    axes = a.layer.rank(x, 3, 4, 5) - 2
    if str(a.get(-1, "data_format", default="channels_last")) in ("channels_first", "NCHW", "NCW", "NCDHW"):
        return x.plain(g), plain, axes
    return x.first(g), moved, axes


def window(a: Arguments, axes: int, default: int | Sequence[int] | None, *names: str) -> list[int]:
    """A number for each spatial axis; TensorFlow's lists have ones for batch and channels, too."""
    found = a.layer.as_integers(a.plain(a.get(-1, *names, default=default)), names[0])
    found = found * axes if len(found) == 1 else found
    found = found[1:-1] if len(found) == axes + 2 else found
    if len(found) != axes or any(not 1 <= size <= MAX_WINDOW for size in found):
        raise a.layer.malformed(f"its {names[0]} is {found} for {axes} spatial axes")
    return found


def _padding(
    g: GraphBuilder, a: Arguments, x: Value, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> dict[str, Any]:
    word = a.get(-1, "padding", default="valid")
    if not isinstance(word, str):
        raise a.layer.unsupported("its padding is given in numbers")
    return padding(g, a.layer, x, kernel, strides, dilations, word.lower())


def _kernel(g: GraphBuilder, a: Arguments, place: int, axes: int, like: Value, *names: str) -> Value:
    """[*window, in, out], constant or computed, as [out, in, *window]."""
    found = floats(g, a.tensor(place, *names, like=a.layer.element(like)))
    a.layer.rank(found, axes + 2)
    value = cast(g, found.plain(g), a.layer.element(like))
    return g.Transpose(value, perm=[axes + 1, axes, *range(axes)])


@operation("conv", "convolution", "conv1d", "conv2d", "conv3d")
def conv(g: GraphBuilder, a: Arguments) -> Result:
    x, make, axes = spatial(g, a, "inputs", "input", "x")
    kernel = _kernel(g, a, 1, axes, x, "kernel", "filters", "filter")
    _, depth, *size = a.layer.fixed(g.shape(kernel))
    channels = a.layer.fixed(g.shape(x)[1:2])[0]
    if depth < 1 or channels % depth:
        raise a.layer.malformed(f"its kernel takes {depth} of {channels} channels")
    strides, dilations = window(a, axes, 1, "strides"), window(a, axes, 1, "dilation_rate", "dilations")
    pads = _padding(g, a, x, size, strides, dilations)
    return make(g.Conv(x, kernel, None, kernel_shape=size, strides=strides, dilations=dilations,
                       group=channels // depth, **pads))  # fmt: skip


def _depthwise(g: GraphBuilder, a: Arguments, x: Value, axes: int, *names: str) -> Value:
    """[*window, C, M]: output channel c * M + m comes from input channel c."""
    found = floats(g, a.tensor(1, *names))
    a.layer.rank(found, axes + 2)
    *size, channels, multiplier = a.layer.fixed(found.shape)
    if len(size) != axes or g.shape(x)[1] != channels:
        raise a.layer.malformed(f"its kernel has the shape {list(found.shape)}")
    turned = g.Transpose(found.plain(g), perm=[axes, axes + 1, *range(axes)])
    kernel = g.Reshape(turned, [channels * multiplier, 1, *size])
    strides, dilations = window(a, axes, 1, "strides"), window(a, axes, 1, "dilation_rate", "dilations", "rate")
    return g.Conv(x, kernel, None, kernel_shape=size, strides=strides, dilations=dilations, group=channels,
                  **_padding(g, a, x, size, strides, dilations))  # fmt: skip


@operation("depthwise_conv", "depthwise_conv2d", "depthwise_conv2d_native")
def depthwise_conv(g: GraphBuilder, a: Arguments) -> Result:
    x, make, axes = spatial(g, a, "inputs", "input", "x")
    return make(_depthwise(g, a, x, axes, "kernel", "filter", "depthwise_kernel"))


@operation("separable_conv", "separable_conv2d")
def separable_conv(g: GraphBuilder, a: Arguments) -> Result:
    x, make, axes = spatial(g, a, "inputs", "input", "x")
    y = _depthwise(g, a, x, axes, "depthwise_kernel", "depthwise_filter")
    points = _kernel(g, a, 2, axes, y, "pointwise_kernel", "pointwise_filter")
    ones = [1] * axes
    return make(g.Conv(y, points, None, kernel_shape=ones, strides=ones, dilations=ones, pads=[0] * (2 * axes),
                       group=1))  # fmt: skip


@operation("conv_transpose", "conv1d_transpose", "conv2d_transpose", "conv3d_transpose")
def conv_transpose(g: GraphBuilder, a: Arguments) -> Result:
    """Kernel [*window, out, in]."""
    x, make, axes = spatial(g, a, "inputs", "input", "x")
    found = floats(g, a.tensor(1, "kernel", "filters", "filter"))
    a.layer.rank(found, axes + 2)
    *size, _, channels = a.layer.fixed(found.shape)
    if len(size) != axes or g.shape(x)[1] != channels:
        raise a.layer.malformed(f"its kernel has the shape {list(found.shape)}")
    if a.get(-1, "output_padding") is not None:
        raise a.layer.unsupported("it has an output_padding")
    kernel = g.Transpose(found.plain(g), perm=[axes + 1, axes, *range(axes)])
    strides, dilations = window(a, axes, 1, "strides"), window(a, axes, 1, "dilation_rate", "dilations")
    same = str(a.get(-1, "padding", default="valid")).lower() == "same"
    begin, end, extra = edges(g, a.layer, x, size, strides, dilations, same)
    y = g.ConvTranspose(x, kernel, None, kernel_shape=size, strides=strides, dilations=dilations, pads=[*begin, *end],
                        output_padding=extra if any(extra) else None, group=1)  # fmt: skip
    wanted = a.get(-1, "output_shape")
    if isinstance(wanted, list) and list(make(y).shape)[1:-1] != wanted[1:-1]:
        raise a.layer.unsupported(f"its output shape {wanted} is not what its strides make of the input")
    return make(y)


@operation("max_pool", "average_pool", "avg_pool", "max_pool2d", "avg_pool2d", "max_pool1d", "avg_pool1d", "pool2d")
def pool(g: GraphBuilder, a: Arguments) -> Result:
    x, make, axes = spatial(g, a, "inputs", "input", "x", "value")
    size = window(a, axes, None, "pool_size", "ksize")
    strides = window(a, axes, size, "strides")
    pads = _padding(g, a, x, size, strides, [1] * axes)
    average = a.name.startswith("av") or str(a.get(-1, "pool_mode")) == "avg"
    more: dict[str, Any] = {"count_include_pad": 0} if average else {}
    return make(g.op("AveragePool" if average else "MaxPool", x, kernel_shape=size, strides=strides, **pads, **more))


@operation("adaptive_max_pool", "adaptive_average_pool")
def adaptive_pool(g: GraphBuilder, a: Arguments) -> Result:
    x, make, axes = spatial(g, a, "inputs")
    return make(adaptive(g, a.layer, x, window(a, axes, None, "output_size"), "average" in a.name))


# --- normalisation ---------------------------------------------------------------------------------------------------


@operation("batch_norm", "batch_normalization")
def batch_norm(g: GraphBuilder, a: Arguments) -> Result:
    """Statistics lie along one axis."""
    x = floats(g, a.tensor(0, "x"))
    dtype = a.layer.element(x)
    axis = a.layer.axis(a.integer(3, "axis", default=-1), x.rank)

    def row(place: int, *names: str) -> Value | None:
        if a.get(place, *names) is None:
            return None
        value = cast(g, a.tensor(place, *names, like=dtype).plain(g), dtype)
        shape = [1] * x.rank
        shape[x.place(axis)] = -1
        return g.Reshape(value, shape)

    mean, variance, beta, gamma = (
        row(1, "mean"), row(2, "variance"), row(3, "offset"), row(4, "scale"),
    )  # fmt: skip
    if mean is None or variance is None:
        raise a.layer.malformed("its statistics are missing")
    eps = a.layer.number(x, a.layer.as_real(a.get(-1, "epsilon", "variance_epsilon"), "epsilon", 1e-3))
    y = g.Div(g.Sub(x.value, mean), g.Sqrt(g.Add(variance, eps)))
    y = y if gamma is None else g.Mul(y, gamma)
    return x.like(y if beta is None else g.Add(y, beta))


@operation("rmsnorm", "rms_normalization", "layer_norm", "layer_normalization")
def layer_norm(g: GraphBuilder, a: Arguments) -> Result:
    """Over the given axes; scale and offset lie along these."""
    x = floats(g, a.tensor(0, "x"))
    x = Tensor(x.plain(g), tuple(range(x.rank)), x.mask)
    axes = a.axes(x, -1, "axis") or [x.rank - 1]
    rms = a.name.startswith("rms") or bool(a.get(-1, "rms_scaling"))
    eps = a.layer.number(x, a.layer.as_real(a.get(-1, "epsilon"), "epsilon", 1e-7))
    value = x.value
    if rms:
        square = g.ReduceMean(g.Mul(value, value), axes, keepdims=1)
        if not a.name.startswith("rms"):
            apart = g.Sub(value, g.ReduceMean(value, axes, keepdims=1))
            square = g.ReduceMean(g.Mul(apart, apart), axes, keepdims=1)
    else:
        value = g.Sub(value, g.ReduceMean(value, axes, keepdims=1))
        square = g.ReduceMean(g.Mul(value, value), axes, keepdims=1)
    y = g.Div(value, g.Sqrt(g.Add(square, eps)))
    for operator, place, names in (("Mul", 1, ("scale", "gamma")), ("Add", 2, ("beta",))):
        if a.get(place, *names) is not None:
            row = cast(g, a.tensor(place, *names, like=x.value.dtype).plain(g), a.layer.element(x))
            y = g.op(operator, y, row)
    return x.like(y)


# --- attention -------------------------------------------------------------------------------------------------------


@operation("dot_product_attention")
def dot_product_attention(g: GraphBuilder, a: Arguments) -> Result:
    """[batch, positions, heads, size]; fewer heads of keys serve groups of query heads that follow each other."""
    parts = [floats(g, a.tensor(place, name)) for place, name in enumerate(("query", "key", "value"))]
    for part in parts:
        a.layer.rank(part, 4)
    query, key, value = (part.plain(g) for part in parts)
    heads, size = a.layer.fixed(g.shape(query)[2:])
    q, k, v = (g.Transpose(item, perm=[0, 2, 1, 3]) for item in (query, key, value))
    k, v = (_spread(g, a, item, heads) for item in (k, v))
    scale = a.layer.as_real(a.get(5, "scale"), "scale", 1 / math.sqrt(size))
    scores = g.MatMul(g.Mul(q, a.layer.number(q, scale)), g.Transpose(k, perm=[0, 1, 3, 2]))
    bias = a.get(3, "bias")
    if bias is not None:
        scores = g.Add(scores, cast(g, a.as_tensor(bias, scores.dtype).plain(g), a.layer.element(scores)))
    cap = a.layer.as_real(a.get(-1, "attn_logits_soft_cap"), "attn_logits_soft_cap")
    if cap:
        bound = a.layer.number(scores, cap)
        scores = g.Mul(g.Tanh(g.Div(scores, bound)), bound)
    mask, low = a.get(4, "mask"), a.layer.number(scores, float(np.finfo(a.layer.element(scores).numpy()).min) * 0.7)
    if mask is not None:
        scores = g.Where(cast(g, a.as_tensor(mask).plain(g), BOOL), scores, low)
    if a.get(-1, "is_causal"):
        scores = g.Where(causal(g, scores), scores, low)
    return plain(g.Transpose(g.MatMul(g.Softmax(scores, axis=-1), v), perm=[0, 2, 1, 3]))


def _spread(g: GraphBuilder, a: Arguments, x: Value, wanted: int) -> Value:
    heads, size = a.layer.fixed([g.shape(x)[1], g.shape(x)[3]])
    if heads == wanted:
        return x
    if wanted % heads:
        raise a.layer.malformed(f"{wanted} query heads cannot share {heads} heads of keys")
    return g.Reshape(g.Concat(*[g.Unsqueeze(x, [2])] * (wanted // heads), axis=2), [0, wanted, -1, size])


# --- losses ----------------------------------------------------------------------------------------------------------

EPSILON = 1e-7


def _bounded(g: GraphBuilder, a: Arguments, x: Value) -> Value:
    return g.Clip(x, a.layer.number(x, EPSILON), a.layer.number(x, 1 - EPSILON))


@operation("binary_crossentropy")
def binary_crossentropy(g: GraphBuilder, a: Arguments) -> Result:
    xs = promoted(g, [floats(g, x) for x in a.pair(("target", "y_true"), ("output", "y_pred"))])
    (target, output), order = together(g, xs)
    one = a.layer.number(output, 1)
    if a.get(-1, "from_logits"):
        loss = g.Sub(g.Softplus(output), g.Mul(output, target))
        return Tensor(loss, order)
    output = _bounded(g, a, output)
    high, low = g.Mul(target, g.Log(output)), g.Mul(g.Sub(one, target), g.Log(g.Sub(one, output)))
    return Tensor(g.Neg(g.Add(high, low)), order)


@operation("categorical_crossentropy", "sparse_categorical_crossentropy")
def categorical_crossentropy(g: GraphBuilder, a: Arguments) -> Result:
    """The sparse kind takes class numbers; without logits both work on what sums to 1 (the sparse on any)."""
    sparse = a.name.startswith("sparse")
    target, output = a.tensor(0, "target", "y_true"), floats(g, a.tensor(1, "output", "y_pred"))
    axis = a.layer.axis(a.integer(2, "axis", default=-1), output.rank)
    value = output.plain(g)
    if a.get(-1, "from_logits"):
        logs = g.LogSoftmax(value, axis=axis)
    else:
        value = value if sparse else g.Div(value, g.ReduceSum(value, [axis], keepdims=1))
        logs = g.Log(_bounded(g, a, value))
        logs = g.LogSoftmax(logs, axis=axis) if sparse else logs
    if not sparse:
        return plain(g.Neg(g.ReduceSum(g.Mul(cast(g, target.plain(g), value.dtype or F32), logs), [axis], keepdims=0)))
    index = cast(g, target.plain(g), I64)
    index = g.Unsqueeze(index, [axis]) if target.rank < output.rank else index
    return plain(g.Neg(g.Squeeze(g.GatherElements(logs, index, axis=axis), [axis])))


@operation("sparsemax")
def sparsemax(g: GraphBuilder, a: Arguments) -> Result:
    x = floats(g, a.tensor(0, "x"))
    axis = a.layer.axis(a.integer(1, "axis", default=-1), x.rank)
    return x.like(sparse_maximum(g, a.layer, x.value, x.place(axis)))
