"""The recurrent operators that are one node: LSTM and GRU block cells, whole-sequence block LSTMs, cuDNN's layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Layer, Value, reads
from workers.formats.tensorflow.tensors import Array


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of a block LSTM: kernel [in + hidden, 4 * hidden], peepholes, bias; ``order`` of the gates i, c, f, o."""

    kernel: Value
    peepholes: tuple[Value, Value, Value]
    bias: Value
    order: tuple[int, int, int, int]
    forget_bias: float


def _step(g: Builder, layer: Layer, x: Value, c: Value, h: Value, weights: _Weights) -> list[Value]:
    """One step: i, cs, f, o, ci, co, h."""
    peephole, clip = layer.flag("use_peephole"), layer.f("cell_clip", 3.0 if layer.type != "BlockLSTMV2" else 0.0)
    product = g.Add(g.MatMul(g.Concat(x, h, axis=1), weights.kernel), weights.bias)
    hidden = layer.size(weights.bias, 0) // 4
    parts = g.ops("Split", product, np.array([hidden] * 4, np.int64), outputs=4, axis=1)
    i, ci, f, o = (parts[place] for place in weights.order)
    wci, wcf, wco = weights.peepholes
    if peephole:
        i, f = g.Add(i, g.Mul(c, wci)), g.Add(f, g.Mul(c, wcf))
    if weights.forget_bias:
        f = g.Add(f, layer.number(x, weights.forget_bias))
    i, f, ci = g.Sigmoid(i), g.Sigmoid(f), g.Tanh(ci)
    cs = g.Add(g.Mul(f, c), g.Mul(i, ci))
    if clip > 0:
        cs = g.Clip(cs, layer.number(x, -clip), layer.number(x, clip))
    o = g.Sigmoid(g.Add(o, g.Mul(cs, wco)) if peephole else o)
    co = g.Tanh(cs)
    return [i, cs, f, o, ci, co, g.Mul(o, co)]


@reads("LSTMBlockCell")
def lstm_block_cell(g: Builder, layer: Layer, x: Value, c: Value, h: Value, w: Value, *more: Value) -> list[Value]:
    wci, wcf, wco, b = more
    weights = _Weights(w, (wci, wcf, wco), b, (0, 1, 2, 3), layer.f("forget_bias", 1.0))
    return _step(g, layer, x, c, h, weights)


@reads("BlockLSTM", "BlockLSTMV2")
def block_lstm(
    g: Builder, layer: Layer, length: Value, x: Value, c: Value, h: Value, w: Value, *more: Value
) -> list[Value]:  # fmt: skip
    """Over time-major x. Gates stand i, c, f, o in the first version and i, f, c, o in the second."""
    wci, wcf, wco, b = more
    first = layer.type == "BlockLSTM"
    bias = layer.f("forget_bias", 1.0) if first else 0.0
    weights = _Weights(w, (wci, wcf, wco), b, (0, 1, 2, 3) if first else (0, 2, 1, 3), bias)
    outputs = _scan(g, layer, x, c, h, weights)
    if not layer.flag("use_peephole") and layer.f("cell_clip", 3.0 if first else 0.0) <= 0:
        outputs[6] = _lstm(g, layer, x, c, h, weights)
    return outputs


def _scan(g: Builder, layer: Layer, x: Value, c: Value, h: Value, weights: _Weights) -> list[Value]:
    body = g.inner(f"{layer.name}_body")
    element = layer.element(x)
    state = [body.input(f"{layer.name}_{word}", layer.shape(v), element) for word, v in (("cs", c), ("h", h))]
    item = body.input(f"{layer.name}_x", layer.shape(x)[1:], element)
    made = _step(body, layer, item, state[0], state[1], weights)
    body.graph.outputs.extend([body.op("Identity", made[1]), body.op("Identity", made[6]), *made])
    found = g.ops("Scan", c, h, x, outputs=9, body=body.graph, num_scan_inputs=1)
    return found[2:]


def _lstm(g: Builder, layer: Layer, x: Value, c: Value, h: Value, weights: _Weights) -> Value:
    """The outputs h by ONNX's own LSTM, in its order i, o, f, c."""
    hidden, features = layer.size(weights.bias, 0) // 4, layer.size(x, 2)
    kernel, bias = (
        layer.constant(g, v, what) for v, what in ((weights.kernel, "the kernel"), (weights.bias, "the bias"))
    )
    i, ci, f, o = (slice(place * hidden, (place + 1) * hidden) for place in weights.order)
    gates = (i, o, f, ci)

    def rows(first: int, last: int) -> Callable[[], Array]:
        return lambda: np.concatenate([kernel[first:last, gate].T for gate in gates])[None]

    def biases() -> Array:
        extra = [np.float32(weights.forget_bias if gate is f else 0) for gate in gates]
        own = [bias[gate] + more for gate, more in zip(gates, extra, strict=True)]
        return np.concatenate([*own, np.zeros(4 * hidden, bias.dtype)])[None]

    dtype = layer.element(x)
    w = g.lazy(f"{layer.name}.W", rows(0, features), dtype, [1, 4 * hidden, features])
    r = g.lazy(f"{layer.name}.R", rows(features, features + hidden), dtype, [1, 4 * hidden, hidden])
    b = g.lazy(f"{layer.name}.B", biases, dtype, [1, 8 * hidden])
    first_h, first_c = g.Unsqueeze(h, [0]), g.Unsqueeze(c, [0])
    found = g.ops("LSTM", x, w, r, b, None, first_h, first_c, outputs=3, hidden_size=hidden)
    return g.Squeeze(found[0], [1])


@reads("GRUBlockCell")
def gru_block_cell(g: Builder, layer: Layer, x: Value, h: Value, *weights: Value) -> list[Value]:
    """r, u, c, h of one step; the reset gate meets h before the product."""
    w_ru, w_c, b_ru, b_c = weights
    hidden = layer.size(b_c, 0)
    both = g.Sigmoid(g.Add(g.MatMul(g.Concat(x, h, axis=1), w_ru), b_ru))
    r, u = g.ops("Split", both, np.array([hidden, hidden], np.int64), outputs=2, axis=1)
    c = g.Tanh(g.Add(g.MatMul(g.Concat(x, g.Mul(r, h), axis=1), w_c), b_c))
    return [r, u, c, g.Add(g.Mul(u, h), g.Mul(g.Sub(layer.number(x, 1), u), c))]


# --- cuDNN ------------------------------------------------------------------------------------------------------------

# Where ONNX's gates (i, o, f, c and z, r, h) stand among cuDNN's (i, f, c, o and r, z, h).
MODES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}), "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "rnn_tanh": ("RNN", (0,), {}), "rnn_relu": ("RNN", (0,), {"activations": ["Relu"]}),
}  # fmt: skip


class _Packed:
    """cuDNN's one vector: the matrices of every layer and direction in order, then all biases in the same order."""

    def __init__(self, layer: Layer, values: Array) -> None:
        self.layer, self.values, self.at = layer, values.reshape(-1), 0

    def take(self, *shape: int) -> Array:
        size = int(np.prod(shape))
        if self.at + size > self.values.size:
            raise self.layer.malformed(f"its parameters have {self.values.size} values, which are too few")
        self.at += size
        return self.values[self.at - size : self.at].reshape(shape)


@reads("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3")
def cudnn_rnn(g: Builder, layer: Layer, x: Value, h: Value, c: Value, params: Value, *lengths: Value) -> list[Value]:
    """Layers of one or two directions; states stand [layers * directions, batch, hidden]."""
    mode = layer.s("rnn_mode", "lstm")
    if mode not in MODES or layer.s("input_mode", "linear_input") == "skip_input":
        raise layer.unsupported(f"its mode is {mode!r} with input {layer.s('input_mode')!r}")
    operator, order, attributes = MODES[mode]
    if not layer.flag("time_major", True):
        x, h, c = (g.Transpose(value, perm=[1, 0, 2]) for value in (x, h, c))
    directions = 2 if layer.s("direction", "unidirectional") == "bidirectional" else 1
    layers, hidden = layer.size(h, 0) // directions, layer.size(h, 2)
    packed = _Packed(layer, layer.constant(g, params, "the parameters"))
    features, gates = layer.size(x, 2), len(order)
    sizes = [features if depth == 0 else hidden * directions for depth in range(layers)]
    matrices = [
        [([packed.take(hidden, size) for _ in range(gates)], [packed.take(hidden, hidden) for _ in range(gates)])
         for _ in range(directions)] for size in sizes
    ]  # fmt: skip
    biases = [[[packed.take(hidden) for _ in range(2 * gates)] for _ in range(directions)] for _ in range(layers)]
    attributes = {**attributes, "hidden_size": hidden}
    if directions == 2:
        attributes["direction"] = "bidirectional"
        if "activations" in attributes:
            attributes["activations"] = attributes["activations"] * 2
    ends: list[list[Value]] = [[], []]
    for depth in range(layers):
        w = np.stack([np.concatenate([cell[0][gate] for gate in order]) for cell in matrices[depth]])
        r = np.stack([np.concatenate([cell[1][gate] for gate in order]) for cell in matrices[depth]])
        b = np.stack([np.concatenate([cell[half * gates + gate] for half in (0, 1) for gate in order])
                      for cell in biases[depth]])  # fmt: skip
        x = _cudnn_layer(
            g, layer, x, (w, r, b), _states(g, operator, (h, c), depth, directions), operator, attributes, ends
        )
    joined = [g.Concat(*end, axis=0) if len(end) > 1 else end[0] if end else c for end in ends]
    if not layer.flag("time_major", True):
        x, *joined = (g.Transpose(value, perm=[1, 0, 2]) for value in (x, *joined))
    return [x, *joined]


def _states(g: Builder, operator: str, states: Sequence[Value], depth: int, directions: int) -> list[Value]:
    first, last = depth * directions, (depth + 1) * directions
    return [g.Slice(state, [first], [last], [0]) for state in (states if operator == "LSTM" else states[:1])]


def _cudnn_layer(
    g: Builder, layer: Layer, x: Value, arrays: tuple[Array, Array, Array], states: Sequence[Value], operator: str,
    attributes: dict[str, Any], ends: list[list[Value]],
) -> Value:  # fmt: skip
    dtype = layer.element(x).numpy()
    weights = [g.weight(f"{layer.name}.{name}", array.astype(dtype)) for name, array in zip("WRB", arrays, strict=True)]
    outputs = 3 if operator == "LSTM" else 2
    found = g.ops(operator, x, *weights, None, *states, outputs=outputs, **attributes)
    for end, value in zip(ends, found[1:], strict=False):
        end.append(value)
    merged = g.Transpose(found[0], perm=[0, 2, 1, 3])
    return g.Reshape(merged, [0, 0, -1])
