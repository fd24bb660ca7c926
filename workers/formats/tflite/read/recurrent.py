"""Recurrent layers over whole sequences: ONNX's LSTM and RNN where they are that, a Scan of their steps where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.formats.tflite.read.held import real_numbers
from workers.formats.tflite.read.layer import F32, Array, Layer, Value, activated, reads
from workers.hub.graph import GraphBuilder

# What the converter writes into every LSTM that it makes from Keras, which has no such bound itself.
KERAS_CLIP = 10.0
NAMES = {"TANH": "Tanh", "RELU": "Relu", "NONE": "Affine"}
GATES = "ifco"


def numbers(layer: Layer, index: int) -> Array | None:
    """A constant parameter in real numbers, None when it is left out. Biases have scales of their own."""
    if not layer.has(index):
        return None
    held = layer.held(index)
    if held.array is None:
        raise layer.unsupported(f"its parameter {held.tensor.name!r} is computed")
    data, quantization = held.array(), held.tensor.quantization
    if quantization is not None and data.dtype.kind in "iu" and quantization.scale.size:
        return real_numbers(data, quantization)
    return data.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Cell:
    """One direction's parameters by gate (i, f, c, o); without an input gate, i = 1 - f."""

    w: dict[str, Array]
    r: dict[str, Array]
    b: dict[str, Array]
    peephole: dict[str, Array]
    norm: dict[str, Array]
    projection: Array | None
    projection_bias: Array | None

    @property
    def units(self) -> int:
        return int(self.r["f"].shape[0])

    @property
    def outputs(self) -> int:
        return self.units if self.projection is None else int(self.projection.shape[0])


@dataclass(frozen=True, slots=True)
class Places:
    """The first index of each group of inputs."""

    w: int
    r: int
    peephole: int
    b: int
    projection: int
    norm: int | None = None
    extra: int | None = None


def _cell(layer: Layer, at: Places) -> Cell:
    def group(start: int, gates: str) -> dict[str, Array]:
        found = {gate: numbers(layer, start + place) for place, gate in enumerate(gates)}
        return {gate: array for gate, array in found.items() if array is not None}

    w, r, b = group(at.w, GATES), group(at.r, GATES), group(at.b, GATES)
    if at.extra is not None:
        more = group(at.extra, GATES)
        w = {gate: np.concatenate([array, more[gate]], 1) if gate in more else array for gate, array in w.items()}
    cell = Cell(
        w, r, b, group(at.peephole, "ifo"), {} if at.norm is None else group(at.norm, GATES),
        numbers(layer, at.projection), numbers(layer, at.projection + 1),
    )  # fmt: skip
    _check(layer, cell)
    return cell


def _check(layer: Layer, cell: Cell) -> None:
    gates = [gate for gate in GATES if gate in cell.w]
    if gates not in (list("ifco"), list("fco")) or any(gate not in cell.r or gate not in cell.b for gate in gates):
        raise layer.malformed("it lacks the weights of a gate")
    units, width = cell.w["f"].shape if cell.w["f"].ndim == 2 else (0, 0)
    for gate in gates:
        if cell.w[gate].shape != (units, width) or cell.b[gate].shape != (units,):
            raise layer.malformed("its weights contradict each other")
        if cell.r[gate].shape not in ((units, cell.outputs), (units,)):
            raise layer.malformed("its recurrent weights contradict each other")
    if any(array.shape != (units,) for array in (*cell.peephole.values(), *cell.norm.values())):
        raise layer.malformed("its peepholes or norms contradict its weights")


@dataclass(frozen=True, slots=True)
class Sequence_:
    """Data [time, batch, inputs] and what the layer says about time."""

    x: Value
    time_major: bool
    steps: int | None


def _sequence(g: GraphBuilder, layer: Layer, index: int, time_major: bool) -> Sequence_:
    layer.rank(index, 3)
    steps = layer.dims(index)[0 if time_major else 1]
    x = layer.x(g, index)
    return Sequence_(
        x if time_major else g.Transpose(x, perm=[1, 0, 2]), time_major, steps if isinstance(steps, int) else None
    )


def _state(g: GraphBuilder, layer: Layer, index: int) -> Value | None:
    """A state that begins with something else than zeros."""
    if not layer.has(index) or layer.held(index).tensor.is_variable:
        return None
    return layer.x(g, index)


# --- LSTM ------------------------------------------------------------------------------------------------------------


def lstm(
    g: GraphBuilder, layer: Layer, cell: Cell, x: Sequence_, states: tuple[Value | None, Value | None], reverse: bool
) -> Value:
    """[time, batch, outputs]."""
    clip, kind = layer.f("cell_clip"), layer.activation
    harmless = clip == 0 or (x.steps is not None and states[1] is None and x.steps <= clip)
    if not harmless and clip == KERAS_CLIP:
        layer.note("cell-clip", f"TensorFlow Lite bounds the cell's state to {clip:g}; ONNX's LSTM does not. The "
                   "converter writes this bound into every Keras LSTM, which has none itself.")  # fmt: skip
    plain = cell.projection is None and not cell.norm and all(array.ndim == 2 for array in cell.r.values())
    if plain and (harmless or clip == KERAS_CLIP) and kind in NAMES:
        return _onnx_lstm(g, layer, cell, x, states, reverse, kind)
    return _scanned(g, layer, x.x, states, [cell.outputs, cell.units], _step(layer, cell), reverse)


def _gate(cell: Cell, part: dict[str, Array], gate: str) -> Array:
    """Without an input gate i = 1 - f, and 1 - sigmoid(z) = sigmoid(-z)."""
    return part[gate] if gate in part else -part["f"]


def _onnx_lstm(
    g: GraphBuilder, layer: Layer, cell: Cell, x: Sequence_, states: tuple[Value | None, Value | None], reverse: bool,
    kind: str,
) -> Value:  # fmt: skip
    """ONNX's gates stand in the order i, o, f, c; its peepholes in i, o, f."""
    order = ("i", "o", "f", "c")
    w, r = (np.concatenate([_gate(cell, part, gate) for gate in order])[None] for part in (cell.w, cell.r))
    b = np.concatenate([_gate(cell, cell.b, gate) for gate in order])
    b = np.concatenate([b, np.zeros_like(b)])[None]
    p = None
    if cell.peephole:
        p = g.weight(f"{layer.name}.peephole", np.concatenate([_gate(cell, cell.peephole, k) for k in "iof"])[None])
    h, c = (None if state is None else g.Unsqueeze(state, [0]) for state in states)
    activations = None if kind == "TANH" else ["Sigmoid", NAMES[kind], NAMES[kind]]
    y = g.ops(
        "LSTM", x.x, g.weight(f"{layer.name}.weight", w), g.weight(f"{layer.name}.recurrent", r),
        g.weight(f"{layer.name}.bias", b), None, h, c, p, outputs=1, hidden_size=cell.units, activations=activations,
        activation_alpha=[1.0, 1.0] if kind == "NONE" else None, activation_beta=[0.0, 0.0] if kind == "NONE" else None,
        direction="reverse" if reverse else "forward",
    )[0]  # fmt: skip
    return g.Squeeze(y, [1])


Step = Callable[[GraphBuilder, Value, list[Value]], list[Value]]


def _step(layer: Layer, cell: Cell) -> Step:
    """One step of the general cell: x, [h, c] -> [h, c]."""
    clip, proj_clip, kind = layer.f("cell_clip"), layer.f("proj_clip"), layer.activation

    def pre(g: GraphBuilder, gate: str, x: Value, h: Value, c: Value) -> Value:
        r = cell.r[gate]
        own = g.MatMul(h, np.ascontiguousarray(r.T)) if r.ndim == 2 else g.Mul(h, r)
        z = g.Add(g.MatMul(x, np.ascontiguousarray(cell.w[gate].T)), own)
        if gate in cell.peephole:
            z = g.Add(z, g.Mul(c, cell.peephole[gate]))
        if gate in cell.norm:
            z = g.LayerNormalization(z, cell.norm[gate], axis=-1, epsilon=1e-8)
        return g.Add(z, cell.b[gate])

    def step(g: GraphBuilder, x: Value, states: list[Value]) -> list[Value]:
        h, c = states
        f = g.Sigmoid(pre(g, "f", x, h, c))
        i = g.Sigmoid(pre(g, "i", x, h, c)) if "i" in cell.w else g.Sub(np.float32(1), f)
        c = g.Add(g.Mul(f, c), g.Mul(i, activated(g, pre(g, "c", x, h, c), kind)))
        if clip > 0:
            c = g.Clip(c, np.float32(-clip), np.float32(clip))
        h = g.Mul(g.Sigmoid(pre(g, "o", x, h, c)), activated(g, c, kind))
        if cell.projection is not None:
            h = g.MatMul(h, np.ascontiguousarray(cell.projection.T))
            h = h if cell.projection_bias is None else g.Add(h, cell.projection_bias)
            if proj_clip > 0:
                h = g.Clip(h, np.float32(-proj_clip), np.float32(proj_clip))
        return [h, c]

    return step


def _scanned(
    g: GraphBuilder, layer: Layer, x: Value, states: Sequence[Value | None], sizes: Sequence[int], step: Step,
    reverse: bool,
) -> Value:  # fmt: skip
    """The first state of every step, [time, batch, size]."""
    batch = g.Shape(x, start=1, end=2)
    begin = [
        g.Expand(np.float32(0), g.Concat(batch, [size], axis=0)) if state is None else state
        for state, size in zip(states, sizes, strict=True)
    ]
    inner = g.inner(f"{layer.name}_step")
    dims = g.shape(x)
    inside = [inner.input(f"{layer.name}_state", [dims[1], size], F32) for size in sizes]
    current = inner.input(f"{layer.name}_x", list(dims[1:]), F32)
    after = step(inner, current, inside)
    for value in [*after, inner.Identity(after[0])]:
        inner.output(value)
    outputs = g.ops(
        "Scan", *begin, x, outputs=len(begin) + 1, body=inner.graph, num_scan_inputs=1,
        scan_input_directions=[int(reverse)], scan_output_directions=[int(reverse)],
    )  # fmt: skip
    y = outputs[-1]
    if y.shape is None:
        y.shape = ir.Shape([dims[0], dims[1], sizes[0]])
    return y


def _finished(g: GraphBuilder, y: Value, x: Sequence_) -> Value:
    return y if x.time_major else g.Transpose(y, perm=[1, 0, 2])


@reads("UNIDIRECTIONAL_SEQUENCE_LSTM")
def unidirectional_sequence_lstm(g: GraphBuilder, layer: Layer) -> Value:
    """24 inputs: data, weights, recurrent weights, peepholes, biases, projection, states, coefficients of norms."""
    cell = _cell(layer, Places(1, 5, 9, 12, 16, 20))
    x = _sequence(g, layer, 0, layer.flag("time_major"))
    return _finished(g, lstm(g, layer, cell, x, (_state(g, layer, 18), _state(g, layer, 19)), False), x)


@reads("BIDIRECTIONAL_SEQUENCE_LSTM")
def bidirectional_sequence_lstm(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Two cells; a second sequence either goes to the backward cell alone, or with weights of its own to both."""
    x = _sequence(g, layer, 0, layer.flag("time_major", True))
    back, forward_extra, backward_extra = x, None, None
    if layer.has(39):
        aux = _sequence(g, layer, 39, layer.flag("time_major", True))
        if layer.has(41):
            x = back = Sequence_(g.Concat(x.x, aux.x, axis=2), x.time_major, x.steps)
            forward_extra, backward_extra = 40, 44
        else:
            back = aux
    there = _cell(layer, Places(1, 5, 9, 12, 16, None, forward_extra))
    back_cell = _cell(layer, Places(18, 22, 26, 29, 33, None, backward_extra))
    a = lstm(g, layer, there, x, (_state(g, layer, 35), _state(g, layer, 36)), False)
    b = lstm(g, layer, back_cell, back, (_state(g, layer, 37), _state(g, layer, 38)), True)
    return _both(g, layer, a, b, x)


def _both(g: GraphBuilder, layer: Layer, a: Value, b: Value, x: Sequence_) -> list[Value]:
    if layer.flag("merge_outputs"):
        return [_finished(g, g.Concat(a, b, axis=2), x)]
    return [_finished(g, a, x), _finished(g, b, x)]


@reads("LSTM")
def lstm_step(g: GraphBuilder, layer: Layer) -> list[Value]:
    """One step: the full cell with the inputs of a sequence's, or the basic one with a single matrix."""
    _state_note(layer)
    if layer.i("kernel_type") == 1:
        return _basic(g, layer)
    cell = _cell(layer, Places(1, 5, 9, 12, 16, 20))
    layer.rank(0, 2)
    x = Sequence_(g.Unsqueeze(layer.x(g, 0), [0]), True, 1)
    y = lstm(g, layer, cell, x, (_state(g, layer, 18), _state(g, layer, 19)), False)
    return [g.Squeeze(y, [0])]


def _basic(g: GraphBuilder, layer: Layer) -> list[Value]:
    """Inputs: x, h, weight [4 * units, inputs + units], bias, c; gates i, c, f, o. Outputs: h, c."""
    weight, bias_ = numbers(layer, 2), numbers(layer, 3)
    if weight is None or bias_ is None or weight.ndim != 2 or bias_.shape != weight.shape[:1] or len(bias_) % 4:
        raise layer.malformed("its weights contradict each other")
    both = g.Concat(layer.x(g, 0), layer.x(g, 1), axis=1)
    z = g.Gemm(both, g.weight(f"{layer.name}.weight", weight), g.weight(f"{layer.name}.bias", bias_), transB=1)
    i, c, f, o = g.ops("Split", z, axis=1, num_outputs=4, outputs=4)
    state = g.Add(g.Mul(g.Sigmoid(f), layer.x(g, 4)), g.Mul(g.Sigmoid(i), g.Tanh(c)))
    h = g.Mul(g.Sigmoid(o), g.Tanh(state))
    return [h, state, both, z]


def _state_note(layer: Layer) -> None:
    layer.note("state", "TensorFlow Lite keeps this layer's state from one run to the next; here it begins with zeros "
               "each time.")  # fmt: skip


# --- RNN -------------------------------------------------------------------------------------------------------------


def rnn(
    g: GraphBuilder, layer: Layer, x: Sequence_, at: Sequence[int], state: int, reverse: bool, extra: int = -1
) -> Value:
    """h = activation(W x + R h + b), [time, batch, units]; ``at``: the places of W, R and b."""
    w, r, b = (numbers(layer, index) for index in at)
    more = None if extra < 0 else numbers(layer, extra)
    if w is None or r is None or b is None or w.ndim != 2 or r.shape != (len(w), len(w)) or b.shape != (len(w),):
        raise layer.malformed("its weights contradict each other")
    w = w if more is None else np.concatenate([w, more], 1)
    kind, begin = layer.activation, _state(g, layer, state)
    if kind in NAMES:
        both = np.concatenate([b, np.zeros_like(b)])[None]
        affine = [1.0] if kind == "NONE" else None
        y = g.ops(
            "RNN", x.x, g.weight(f"{layer.name}.weight", w[None]), g.weight(f"{layer.name}.recurrent", r[None]),
            g.weight(f"{layer.name}.bias", both), None, None if begin is None else g.Unsqueeze(begin, [0]), outputs=1,
            hidden_size=len(w), activations=[NAMES[kind]], activation_alpha=affine,
            activation_beta=[0.0] if affine else None, direction="reverse" if reverse else "forward",
        )[0]  # fmt: skip
        return g.Squeeze(y, [1])

    def step(g: GraphBuilder, x: Value, states: list[Value]) -> list[Value]:
        z = g.Add(g.MatMul(x, np.ascontiguousarray(w.T)), g.MatMul(states[0], np.ascontiguousarray(r.T)))
        return [activated(g, g.Add(z, b), kind)]

    return _scanned(g, layer, x.x, [begin], [len(w)], step, reverse)


@reads("UNIDIRECTIONAL_SEQUENCE_RNN")
def unidirectional_sequence_rnn(g: GraphBuilder, layer: Layer) -> Value:
    x = _sequence(g, layer, 0, layer.flag("time_major"))
    return _finished(g, rnn(g, layer, x, (1, 2, 3), 4, False), x)


@reads("BIDIRECTIONAL_SEQUENCE_RNN")
def bidirectional_sequence_rnn(g: GraphBuilder, layer: Layer) -> list[Value]:
    x = _sequence(g, layer, 0, layer.flag("time_major"))
    back, extra = x, (-1, -1)
    if layer.has(9):
        aux = _sequence(g, layer, 9, layer.flag("time_major"))
        if layer.has(10):
            x = back = Sequence_(g.Concat(x.x, aux.x, axis=2), x.time_major, x.steps)
            extra = (10, 11)
        else:
            back = aux
    a = rnn(g, layer, x, (1, 2, 3), 4, False, extra[0])
    b = rnn(g, layer, back, (5, 6, 7), 8, True, extra[1])
    return _both(g, layer, a, b, x)


@reads("RNN")
def rnn_step(g: GraphBuilder, layer: Layer) -> Value:
    """One step."""
    _state_note(layer)
    layer.rank(0, 2)
    x = Sequence_(g.Unsqueeze(layer.x(g, 0), [0]), True, 1)
    return g.Squeeze(rnn(g, layer, x, (1, 2, 3), 4, False), [0])


@reads("SVDF")
def svdf(g: GraphBuilder, layer: Layer) -> Value:
    """A filter over features, then one over the last ``memory`` frames; ``rank`` filters make a unit.

    Inputs: x [batch, inputs], features [filters, inputs], time [filters, memory], bias, state [batch, filters *
    memory]. The state moves one frame on and takes the new one at its end.
    """
    rank = layer.i("rank")
    features, time, bias_ = numbers(layer, 1), numbers(layer, 2), numbers(layer, 3)
    if features is None or time is None or features.ndim != 2 or time.ndim != 2 or len(time) != len(features):
        raise layer.malformed("its weights contradict each other")
    if rank < 1 or len(features) % rank:
        raise layer.malformed(f"its {len(features)} filters make no units of {rank}")
    _state_note(layer)
    filters, memory = time.shape
    frame = g.MatMul(layer.x(g, 0), g.weight(f"{layer.name}.features", np.ascontiguousarray(features.T)))
    state = _state(g, layer, 4)
    if state is None:
        y = g.Mul(frame, np.ascontiguousarray(time[:, -1]))
    else:
        past = g.Slice(g.Reshape(state, [-1, filters, memory]), [1], [memory], [2])
        frames = g.Concat(past, g.Unsqueeze(frame, [2]), axis=2)
        y = g.ReduceSum(g.Mul(frames, g.weight(f"{layer.name}.time", time)), [2], keepdims=0)
    if rank > 1:
        y = g.ReduceSum(g.Reshape(y, [0, filters // rank, rank]), [2], keepdims=0)
    if bias_ is not None:
        y = g.Add(y, bias_)
    return layer.activated(g, y)
