"""ConvLSTM: an LSTM whose products are convolutions, run step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read.activation import function
from workers.formats.keras.read.dense import floating
from workers.formats.keras.read.layer import Array, Layer, Result, reads
from workers.formats.keras.read.network import tensors
from workers.formats.keras.read.sequences import Step, reversed_steps, scanned, zeros
from workers.formats.keras.read.tensor import Order, Tensor
from workers.formats.keras.read.windows import channels_last, oihw, padding
from workers.hub.graph import GraphBuilder, Value


@reads("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "ConvRNN2D")
def conv_lstm(g: GraphBuilder, layer: Layer, x: Tensor, *more: Tensor) -> Result:
    """Gates i, f, c, o along the last axis of the kernel; the state's convolution is ``same``, of stride 1."""
    if layer.kind == "ConvRNN2D":
        raise layer.unsupported("its cell is given apart; build a ConvLSTM2D layer")
    axes = int(layer.kind[-2])
    x = floating(g, layer, x)
    layer.rank(x, axes + 3)
    last = channels_last(layer)
    # [time, batch, channels, window...]
    order: Order = (1, 0, axes + 2, *range(2, axes + 2)) if last else (1, 0, *range(2, axes + 3))
    series = x.to(g, order)
    kernel, recurrent, bias = _weights(layer, axes)
    filters = kernel.shape[0] // 4
    # All steps' products with the input at once: the time goes into the batch.
    shape = layer.fixed(g.shape(series)[2:])
    folded = g.Reshape(series, [-1, *shape])
    strides, dilations = layer.window("strides", axes, 1), layer.window("dilation_rate", axes, 1)
    pads = padding(g, layer, folded, kernel.shape[2:], strides, dilations, layer.word("padding", "valid"))
    products = g.Conv(
        folded, layer.weight(g, "kernel", kernel, layer.element(x)),
        None if bias is None else layer.weight(g, "bias", bias, layer.element(x)), kernel_shape=list(kernel.shape[2:]),
        strides=strides, dilations=dilations, group=1, **pads,
    )  # fmt: skip
    sizes = layer.fixed(g.shape(products)[2:])
    inputs = _unfolded(g, products, series, [4 * filters, *sizes])
    weight = layer.weight(g, "recurrent_kernel", recurrent, layer.element(x))

    def step(body: GraphBuilder, value: Value, states: Sequence[Value]) -> tuple[Value, list[Value]]:
        around = padding(body, layer, states[0], recurrent.shape[2:], [1] * axes, [1] * axes, "same")
        hidden = body.Conv(states[0], weight, kernel_shape=list(recurrent.shape[2:]), strides=[1] * axes,
                           dilations=[1] * axes, group=1, **around)  # fmt: skip
        i, f, c, o = body.ops("Split", body.Add(value, hidden), [filters] * 4, outputs=4, axis=1)
        gate, act = layer.config.get("recurrent_activation", "hard_sigmoid"), layer.config.get("activation", "tanh")
        i, f, o = (function(body, layer, part, gate) for part in (i, f, o))
        kept = body.Add(body.Mul(f, states[1]), body.Mul(i, function(body, layer, c, act)))
        after = body.Mul(o, function(body, layer, kept, act))
        return after, [after, kept]

    return _results(g, layer, x, inputs, step, [filters, *sizes], more, last)


def _results(
    g: GraphBuilder, layer: Layer, x: Tensor, inputs: Value, step: Step, tail: Sequence[int], more: Sequence[Tensor],
    last: bool,
) -> Result:  # fmt: skip
    rank = x.rank - 1
    inner: Order = (0, rank - 1, *range(1, rank - 1)) if last else tuple(range(rank))
    given = [*more, *tensors(list(layer.args[1:])), *tensors(layer.kwargs.get("initial_state"))]
    if given and len(given) != 2:
        raise layer.malformed(f"it is given {len(given)} states and has 2")
    states = [state.to(g, inner) for state in given] or [zeros(g, layer, inputs, tail)] * 2
    backwards = layer.flag("go_backwards", False)
    mask = x.mask
    if mask is not None and backwards:
        inputs, mask, backwards = reversed_steps(g, inputs), reversed_steps(g, mask, 1), False
    y, ends = scanned(g, layer, step, inputs, mask, states, backwards)
    if layer.flag("return_sequences", False):
        order: Order = (1, 0, *(axis + 1 for axis in inner[1:]))
        first = Tensor(y, order, x.mask)
    else:
        first = Tensor(ends[0], inner)
    return [first, *(Tensor(end, inner) for end in ends)] if layer.flag("return_state", False) else first


def _unfolded(g: GraphBuilder, y: Value, like: Value, tail: Sequence[int]) -> Value:
    """[time * batch, ...] as [time, batch, ...]."""
    time, batch = g.shape(like)[:2]
    if isinstance(time, int) or isinstance(batch, int):
        return g.Reshape(y, [time, -1, *tail] if isinstance(time, int) else [-1, batch, *tail])
    steps = g.Reshape(y, g.Concat(g.Shape(like, start=0, end=2), list(tail), axis=0))
    steps.shape = ir.Shape([time, batch, *tail])
    return steps


def _weights(layer: Layer, axes: int) -> tuple[Array, Array, Array | None]:
    """Kernels [4 * filters, in, window...]; Keras 1 keeps the gates apart."""
    inner = layer.stock.inner.get("cell")
    cell = Layer(layer.spec, inner if inner is not None and inner.own else layer.stock, layer.scope, layer.name)
    if layer.generation == 1:
        parts = [[cell.array(f"{name}_{gate}") for gate in "ifco"] for name in ("kernel", "recurrent_kernel", "bias")]
        if any(len({item.shape for item in part}) != 1 for part in parts):
            raise layer.malformed("its gates have weights of different shapes")
        kernel, recurrent = (np.concatenate([oihw(layer, item, axes) for item in part]) for part in parts[:2])
        return kernel, recurrent, np.concatenate(parts[2])
    kernel, recurrent = (oihw(layer, cell.array(name), axes) for name in ("kernel", "recurrent_kernel"))
    bias = cell.array("bias", kernel.shape[0]) if layer.flag("use_bias", True) else None
    if kernel.shape[0] != recurrent.shape[0] or kernel.shape[0] != 4 * recurrent.shape[1]:
        raise layer.malformed(f"its kernels have the shapes {list(kernel.shape)} and {list(recurrent.shape)}")
    return kernel, recurrent, bias
