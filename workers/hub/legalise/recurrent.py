"""LSTM, GRU and RNN written out step by step, where the number of steps is known.

All inputs are projected at once, then every step adds its recurrent part. Without an initial state the first step has
no recurrent product, so that no block of zeros as large as the batch is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.hub.graph import Array, GraphBuilder, Value
from workers.hub.legalise.dims import float_constant, integers, reshape
from workers.hub.legalise.elementwise import number
from workers.hub.legalise.rule import Results, rule
from workers.hub.node import Dim, Node

STEPS = 256
# Activations by their names in ONNX's recurrent operators, with the parameters those use by default.
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Sigmoid": ("Sigmoid", {}),
    "Tanh": ("Tanh", {}),
    "Relu": ("Relu", {}),
    "Softsign": ("Softsign", {}),
    "Softplus": ("Softplus", {}),
    "HardSigmoid": ("HardSigmoid", {"alpha": 0.2, "beta": 0.5}),
    "Elu": ("Elu", {"alpha": 1.0}),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.01}),
    "ThresholdedRelu": ("ThresholdedRelu", {"alpha": 1.0}),
}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
Activation = Callable[[Value], Value]


@dataclass(frozen=True, slots=True)
class Cell:
    """One direction: ``w`` [gates*H, I], ``r`` [gates*H, H], ``bias`` [gates*H], peepholes ``p`` [3H].

    ``late`` [H] is the recurrent bias of a GRU's new value where the reset gate comes after the product; all other
    recurrent biases are part of ``bias``.
    """

    w: Array
    r: Array
    bias: Array
    late: Array
    p: Array | None
    activations: tuple[Activation, ...]

    @property
    def hidden(self) -> int:
        return int(self.r.shape[1])


@dataclass(slots=True)
class State:
    """Hidden (and, for LSTM, cell) state [N, H]; None stands for zeros."""

    h: Value | None
    c: Value | None = None


Step = Callable[[GraphBuilder, Node, Cell, Value, State], State]


def _plus(g: GraphBuilder, x: Value, vector: Array) -> Value:
    return g.Add(x, g.constant(vector)) if np.any(vector) else x


def _times(g: GraphBuilder, h: Value, matrix: Array) -> Value:
    return g.MatMul(h, g.constant(np.ascontiguousarray(matrix.T)))


def _split(g: GraphBuilder, x: Value, count: int, axis: int) -> list[Value]:
    size = g.shape(x)[axis]
    assert isinstance(size, int)
    return g.ops("Split", x, [size // count] * count, outputs=count, axis=axis) if count > 1 else [x]


def _from_one(g: GraphBuilder, x: Value) -> Value:
    """1 - x."""
    return g.Add(g.Mul(x, number(x, -1)), number(x, 1))


def lstm_step(g: GraphBuilder, node: Node, cell: Cell, x: Value, state: State) -> State:
    """i, o, f = f(Xt W + Ht-1 R + P (.) C + b); c = g(...); Ct = f (.) Ct-1 + i (.) c; Ht = o (.) h(Ct)."""
    f, squash, out = cell.activations
    a = x if state.h is None else g.Add(x, _times(g, state.h, cell.r))
    ai, ao, af, ac = _split(g, a, 4, 1)
    peepholes = [None] * 3 if cell.p is None else np.split(cell.p, 3)
    if state.c is not None:
        ai, af = _peep(g, ai, state.c, peepholes[0]), _peep(g, af, state.c, peepholes[2])
    i = f(ai)
    c = g.Mul(i, squash(ac))
    if state.c is not None:
        forget = _from_one(g, i) if node.i("input_forget") else f(af)
        c = g.Add(g.Mul(forget, state.c), c)
    return State(g.Mul(f(_peep(g, ao, c, peepholes[1])), out(c)), c)


def _peep(g: GraphBuilder, gate: Value, c: Value, peephole: Array | None) -> Value:
    return gate if peephole is None else g.Add(gate, g.Mul(c, g.constant(peephole)))


def gru_step(g: GraphBuilder, node: Node, cell: Cell, x: Value, state: State) -> State:
    """z, r = f(Xt W + Ht-1 R + b); n = g(...), the reset before or after the product; Ht = (1 - z) n + z Ht-1."""
    f, squash = cell.activations
    h = state.h
    xz, xr, xn = _split(g, x, 3, 1)
    rz, rr, rn = np.split(cell.r, 3)
    z = f(xz if h is None else g.Add(xz, _times(g, h, rz)))
    r = f(xr if h is None else g.Add(xr, _times(g, h, rr)))
    if h is None:
        n = squash(g.Add(xn, g.Mul(r, g.constant(cell.late))) if np.any(cell.late) else xn)
    elif node.i("linear_before_reset"):
        n = squash(g.Add(xn, g.Mul(r, _plus(g, _times(g, h, rn), cell.late))))
    else:
        n = squash(g.Add(xn, _times(g, g.Mul(r, h), rn)))
    new = g.Mul(_from_one(g, z), n)
    return State(new if h is None else g.Add(new, g.Mul(z, h)))


def rnn_step(g: GraphBuilder, node: Node, cell: Cell, x: Value, state: State) -> State:
    """Ht = f(Xt W + Ht-1 R + b)."""
    a = x if state.h is None else g.Add(x, _times(g, state.h, cell.r))
    return State(cell.activations[0](a))


STEP: dict[str, Step] = {"LSTM": lstm_step, "GRU": gru_step, "RNN": rnn_step}


def cells(g: GraphBuilder, node: Node) -> list[Cell] | None:
    """The directions' weights and activations; None when they are computed or use settings that are not unrolled."""
    weights = [float_constant(node, index) for index in (1, 2)]
    if any(weight is None for weight in weights) or node.has("clip") or node.has("activation_alpha"):
        return None
    w, r = (np.asarray(weight) for weight in weights)
    directions, rows = w.shape[:2]
    b = np.zeros((directions, 2 * rows), w.dtype) if node.input(3) is None else float_constant(node, 3)
    p = float_constant(node, 7)
    names = node.strings("activations") or DEFAULTS[node.op] * directions
    if b is None or (node.input(7) is not None and p is None) or not all(name in ACTIVATIONS for name in names):
        return None
    each = len(DEFAULTS[node.op])
    activations = [_activation(g, name) for name in names]
    cells = []
    for d in range(directions):
        mine, recurrent = b[d, :rows], b[d, rows:].copy()
        late = np.zeros(r.shape[2], b.dtype)
        if node.op == "GRU" and node.i("linear_before_reset"):
            late, recurrent[-len(late) :] = recurrent[-len(late) :].copy(), 0
        own = tuple(activations[d * each : (d + 1) * each])
        cells.append(Cell(w[d], r[d], mine + recurrent, late, None if p is None else p[d], own))
    return cells


def _activation(g: GraphBuilder, name: str) -> Activation:
    op, attributes = ACTIVATIONS[name]
    return lambda x: g.op(op, x, **attributes)


def _steps(node: Node) -> int | None:
    """The number of time steps, when known and every sequence of the batch has them all."""
    shape = node.shape()
    steps = None if shape is None else shape[node.i("layout")]
    lengths = integers(node.input(4))
    if not isinstance(steps, int) or steps > STEPS or (node.input(4) is not None and lengths is None):
        return None
    return steps if lengths is None or set(lengths) == {steps} else None


@rule(tuple(STEP), "recurrent-unrolled", "The recurrent layer is written out, one group of layers a time step.")
def unroll(g: GraphBuilder, node: Node) -> Results:
    steps, directions = _steps(node), cells(g, node)
    if steps is None or directions is None or node.rank != 3:
        return None
    ys, hs, cs = [], [], []
    for index, cell in enumerate(directions):
        backward = node.s("direction", "forward") == "reverse" or index == 1
        states = _run(g, node, cell, steps, backward, _initial(g, node, index, len(directions)))
        if states is None:
            return None
        ys.append(_sequence(g, node, states[::-1] if backward else states))
        hs.append(_last(g, node, states[-1].h))
        cs.append(_last(g, node, states[-1].c) if node.op == "LSTM" else None)
    axis = node.i("layout")
    results = [_joined(g, ys, 2 if axis else 1), _joined(g, hs, axis), _joined(g, cs, axis)]
    return results[: len(node.outputs)]


def _run(
    g: GraphBuilder, node: Node, cell: Cell, steps: int, backward: bool, start: State | None
) -> list[State] | None:
    """The states after every step, in the order in which they are computed."""
    if start is None:
        return None
    time = node.i("layout")
    projected = _plus(g, _times(g, node.x(), cell.w), cell.bias)
    batch = (node.shape() or ())[1 - time]
    slices = [reshape(g, part, (batch, g.shape(part)[2])) for part in _split(g, projected, steps, time)]
    states, state = [], start
    for x in reversed(slices) if backward else slices:
        if x is None:
            return None
        state = STEP[node.op](g, node, cell, x, state)
        states.append(state)
    return states


def _initial(g: GraphBuilder, node: Node, index: int, directions: int) -> State | None:
    """The given initial states of one direction; None when they cannot be reshaped."""
    given: list[Value | None] = []
    for position in (5, 6) if node.op == "LSTM" else (5,):
        value, constant = node.input(position), node.const(position)
        if value is None or (constant is not None and not np.any(constant)):
            given.append(None)
            continue
        axis = node.i("layout")
        part = _split(g, value, directions, axis)[index]
        shape = [dim for other, dim in enumerate(g.shape(part)) if other != axis]
        flat = reshape(g, part, shape)
        if flat is None:
            return None
        given.append(flat)
    return State(*given)


def _sequence(g: GraphBuilder, node: Node, states: Sequence[State]) -> Value | None:
    """All hidden states as [T, 1, N, H], or [N, T, 1, H] when the batch comes first."""
    if not node.outputs[0].uses() and not node.outputs[0].is_graph_output():
        return None
    time = node.i("layout")
    parts = []
    for state in states:
        assert state.h is not None
        n, hidden = g.shape(state.h)
        shape: tuple[Dim, ...] = (n, 1, 1, hidden) if time else (1, 1, n, hidden)
        parts.append(reshape(g, state.h, shape))
    return parts[0] if len(parts) == 1 else g.Concat(*parts, axis=time)


def _last(g: GraphBuilder, node: Node, value: Value | None) -> Value | None:
    """The final state as [1, N, H], or [N, 1, H] when the batch comes first."""
    if value is None:
        return None
    n, hidden = g.shape(value)
    return reshape(g, value, (n, 1, hidden) if node.i("layout") else (1, n, hidden))


def _joined(g: GraphBuilder, parts: Sequence[Value | None], axis: int) -> Value | None:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    return present[0] if len(present) == 1 else g.Concat(*present, axis=axis)
