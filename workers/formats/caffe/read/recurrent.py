"""LSTM, RNN and LSTMUnit: time-major, with ``cont`` telling where in a stream a sequence begins.

State is multiplied by ``cont`` (0 or 1) before each step, in the middle of a stream as well, which no recurrent
operator of ONNX can do. A known number of steps is written out; a free time axis becomes a Scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.formats.caffe.read.layer import Layer, Value, prod, reads
from workers.hub.graph import GraphBuilder

# So many steps are written out before a Scan is the smaller evil.
STEPS = 100
# (builder, projected input, cont or None at a start from nothing, states) -> states; the first state is the output.
_Step = Callable[[GraphBuilder, Value, Value | None, Sequence[Value]], list[Value]]


@dataclass(frozen=True, slots=True)
class _Bottoms:
    """x [T, N, I], cont [T, N, 1], static input [N, S] or None, initial states [1, N, D] or none."""

    x: Value
    cont: Value
    static: Value | None
    states: tuple[Value, ...]


def _bottoms(g: GraphBuilder, layer: Layer, xs: Sequence[Value], states: int) -> _Bottoms:
    expose = bool(layer.recurrent_param.expose_hidden)
    given = states if expose else 0
    if len(xs) - given not in (2, 3):
        raise layer.malformed(f"it has {len(xs)} bottoms where it takes x, cont, a static input and {given} states")
    if layer.tops != 1 + given:
        raise layer.malformed(f"it has {layer.tops} tops where expose_hidden makes it {1 + given}")
    x, cont = xs[0], xs[1]
    layer.rank(cont, 2)
    rank = layer.rank(x)
    if rank < 2:
        raise layer.malformed("its first bottom must be [T, N, ...]")
    if rank != 3:
        x = g.Reshape(x, [0, 0, prod(layer.sizes(x, 2))])
    static = xs[2] if len(xs) - given == 3 else None
    if static is not None and layer.rank(static) != 2:
        static = g.Reshape(static, [0, prod(layer.sizes(static, 1))])
    return _Bottoms(x, g.Unsqueeze(cont, [2]), static, tuple(xs[len(xs) - given :]) if given else ())


def _width(layer: Layer) -> int:
    width = int(layer.recurrent_param.num_output)
    if not 1 <= width <= 2**20:
        raise layer.malformed("num_output must be given")
    return width


def _projected(g: GraphBuilder, layer: Layer, bottoms: _Bottoms, rows: int) -> tuple[Value, int]:
    """W_x x + b (+ W_static s) for all steps at once, [T, N, rows]; and the index of the next blob."""
    size = layer.sizes(bottoms.x, 2)[0]
    y = g.Add(
        g.MatMul(bottoms.x, layer.weight(g, 0, (rows, size), "weight_x", np.transpose)),
        layer.weight(g, 1, (rows,), "bias"),
    )
    if bottoms.static is None:
        return y, 2
    size = layer.sizes(bottoms.static, 1)[0]
    static = g.MatMul(bottoms.static, layer.weight(g, 2, (rows, size), "weight_static", np.transpose))
    return g.Add(y, static), 3


@reads("LSTM")
def lstm(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Gates stacked i, f, o, g; c = cont*f*c + i*g, h = o*tanh(c); blobs W_x [4D, I], b [4D], (W_static), W_h [4D, D].

    With expose_hidden h and c (each [1, N, D]) come in as bottoms and go out as tops.
    """
    width = _width(layer)
    bottoms = _bottoms(g, layer, xs, 2)
    projected, index = _projected(g, layer, bottoms, 4 * width)
    recurrent = layer.weight(g, index, (4 * width, width), "weight_h", np.transpose)

    def step(b: GraphBuilder, a: Value, cont: Value | None, states: Sequence[Value]) -> list[Value]:
        if states:
            a = b.Add(a, b.MatMul(states[0] if cont is None else b.Mul(states[0], cont), recurrent))
        return _lstm_cell(b, a, cont, states[1] if states else None)

    hidden, last = _run(g, layer, step, projected, bottoms, width, states=2)
    return [hidden, *last] if bottoms.states else [hidden]


def _lstm_cell(g: GraphBuilder, a: Value, cont: Value | None, c: Value | None) -> list[Value]:
    """[h, c] from the gates' sums ``a`` and the old ``c`` (None: nothing)."""
    i, f, o, candidate = g.ops("Split", a, outputs=4, axis=-1, num_outputs=4)
    fresh = g.Mul(g.Sigmoid(i), g.Tanh(candidate))
    if c is not None:
        forget = g.Sigmoid(f)
        fresh = g.Add(g.Mul(forget if cont is None else g.Mul(forget, cont), c), fresh)
    return [g.Mul(g.Sigmoid(o), g.Tanh(fresh)), fresh]


@reads("RNN")
def rnn(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """h = tanh(W_h (cont*h) + W_x x + b); the top is tanh(W_o h + b_o), an exposed state h itself."""
    width = _width(layer)
    bottoms = _bottoms(g, layer, xs, 1)
    projected, index = _projected(g, layer, bottoms, width)
    recurrent = layer.weight(g, index, (width, width), "weight_h", np.transpose)

    def step(b: GraphBuilder, a: Value, cont: Value | None, states: Sequence[Value]) -> list[Value]:
        if states:
            a = b.Add(a, b.MatMul(states[0] if cont is None else b.Mul(states[0], cont), recurrent))
        return [b.Tanh(a)]

    hidden, last = _run(g, layer, step, projected, bottoms, width, states=1)
    out = layer.weight(g, index + 1, (width, width), "weight_o", np.transpose)
    top = g.Tanh(g.Add(g.MatMul(hidden, out), layer.weight(g, index + 2, (width,), "bias_o")))
    return [top, *last] if bottoms.states else [top]


@reads("LSTMUnit")
def lstm_unit(g: GraphBuilder, layer: Layer, c: Value, gates: Value, cont: Value) -> list[Value]:
    """One step: bottoms c [1, N, D], gate sums [1, N, 4D], cont [1, N]; tops c and h."""
    layer.rank(c, 3)
    layer.rank(gates, 3)
    layer.rank(cont, 2)
    if layer.sizes(gates, 2)[0] != 4 * layer.sizes(c, 2)[0]:
        raise layer.malformed("its second bottom must be four times as wide as its first")
    h, fresh = _lstm_cell(g, gates, g.Unsqueeze(cont, [2]), c)
    return [fresh, h]


# --- over time --------------------------------------------------------------------------------------------------------


def _run(
    g: GraphBuilder, layer: Layer, step: _Step, a: Value, bottoms: _Bottoms, width: int, *, states: int
) -> tuple[Value, list[Value]]:
    """All outputs [T, N, D] and the last states [1, N, D]."""
    if not bottoms.states:
        layer.note(
            "state-starts-at-zero",
            "Caffe carries the state of this layer from one call to the next unless cont is 0 at the first step; "
            "the converted model starts every call from zero.",
        )
    steps = layer.shape(a)[0]
    if not isinstance(steps, int) or steps > STEPS:
        return _scanned(g, layer, step, a, bottoms, width, states)
    if steps > 1:
        layer.note(
            "unrolled",
            f"The {steps} steps are written out; a time axis named in input_shapes becomes a loop instead.",
        )
    inputs = g.ops("Split", a, outputs=steps, axis=0, num_outputs=steps) if steps > 1 else [a]
    conts = g.ops("Split", bottoms.cont, outputs=steps, axis=0, num_outputs=steps) if steps > 1 else [bottoms.cont]
    state: list[Value] = list(bottoms.states)
    outputs = []
    for one, cont in zip(inputs, conts, strict=True):
        state = step(g, one, cont, state)
        outputs.append(state[0])
    return (g.Concat(*outputs, axis=0) if steps > 1 else outputs[0]), state


def _scanned(
    g: GraphBuilder, layer: Layer, step: _Step, a: Value, bottoms: _Bottoms, width: int, states: int
) -> tuple[Value, list[Value]]:
    """The same as a Scan over the time axis; the body sees [N, ...] and reads the weights from around it."""
    time, batch, rows = layer.shape(a)
    if bottoms.states:
        initial = [g.Squeeze(state, [0]) for state in bottoms.states]
    else:
        size = g.Concat(g.Shape(a, start=1, end=2), [width], axis=0)
        initial = [g.Expand(0.0, size)] * states
    body = g.inner(f"{layer.name}_step")
    inner = [body.input(f"{layer.name}_state_{i}", [batch, width]) for i in range(states)]
    one = body.input(f"{layer.name}_x", [batch, rows])
    cont = body.input(f"{layer.name}_cont", [batch, 1])
    fresh = step(body, one, cont, inner)
    for value in (*fresh, fresh[0]):
        body.output(value)
    outputs = g.ops(
        "Scan", *initial, a, bottoms.cont, outputs=states + 1, body=body.graph, num_scan_inputs=2
    )  # fmt: skip
    for value, shape in zip(outputs, [*[(batch, width)] * states, (time, batch, width)], strict=True):
        value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
    return outputs[-1], [g.Unsqueeze(value, [0]) for value in outputs[:-1]] if bottoms.states else []
