"""Recurrent layers whose weights are one matrix, or one vector: SeqLSTM, SeqGRU, torch-rnn's and cudnn's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from workers.formats.torch7.objects import Array
from workers.formats.torch7.read.layer import Layer, Value, flows
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run
from workers.formats.torch7.read.recurrent import STEPS, lstm_step, zeros

# Where ONNX's gates i, o, f, c stand among i, f, o, g; its z, r, h among r, z, h.
LSTM, GRU, TANH = (0, 2, 1, 3), (1, 0, 2), (0,)
OPERATORS = {4: "LSTM", 3: "GRU", 1: "RNN"}


@flows("nn.LSTM")
def lstm(run: Run, layer: Layer, data: Data) -> Data:
    """Two classes of one name: torch-rnn's has a weight and takes [N, T, D], Element-Research's a step network."""
    if layer.tensor("weight") is None:
        return lstm_step(run, layer, data)
    return _sequence(run, layer, data, LSTM, batch_first=True)


@flows("nn.VanillaRNN")
def vanilla_rnn(run: Run, layer: Layer, data: Data) -> Data:
    """torch-rnn's: h = tanh(x Wx + h Wh + b)."""
    return _sequence(run, layer, data, TANH, batch_first=True)


@flows("nn.SeqGRU")
def seq_gru(run: Run, layer: Layer, data: Data) -> Data:
    """Columns r, u, candidate; the candidate gets r * h before its product."""
    return _sequence(run, layer, data, GRU, batch_first=layer.flag("batchfirst"))


@flows("nn.SeqLSTM", "nn.SeqLSTMP")
def seq_lstm(run: Run, layer: Layer, data: Data) -> Data:
    """Columns i, f, o, g; SeqLSTMP projects the output by weightO."""
    if layer.type == "nn.SeqLSTMP" or layer.flag("maskzero"):
        return _unrolled(run, layer, data)
    return _sequence(run, layer, data, LSTM, batch_first=layer.flag("batchfirst"))


def _inputs(run: Run, layer: Layer, data: Data, cell: bool) -> tuple[Value, Value | None, Value | None]:
    """x, h0 and c0 of x alone, {h0, x} or {c0, h0, x}."""
    refs = layer.table(data, 2, 3 if cell else 2) if isinstance(data, list) else [layer.one(data)]
    values = [layer.floats(run.g, ref.read()) for ref in refs]
    x = values[-1]
    layer.rank(x, 3)
    return x, values[-2] if len(values) > 1 else None, values[0] if len(values) > 2 else None


def _sizes(layer: Layer, x: Value, gates: int) -> tuple[int, int]:
    """Features and units, from the weight [D + H, gates * H]."""
    shape = layer.needed("weight").shape
    features = layer.size(x, 2)
    if len(shape) != 2 or shape[1] % gates or shape[0] <= features:
        raise layer.malformed(f"its weight of shape {list(shape)} does not fit {features} features")
    return features, shape[1] // gates


def _sequence(run: Run, layer: Layer, data: Data, order: tuple[int, ...], *, batch_first: bool) -> Data:
    """ONNX's layer of one direction, over [T, N, D]."""
    g, gates = run.g, len(order)
    x, hidden, cell = _inputs(run, layer, data, gates == 4)
    features, units = _sizes(layer, x, gates)
    rows = gates * units
    if layer.needed("weight").shape[0] != features + units or layer.needed("bias").size != rows:
        raise layer.malformed(f"its weight of shape {list(layer.needed('weight').shape)} does not fit its input")

    def block(low: int, high: int) -> Callable[[], Array]:
        return lambda: _ordered(layer.array("weight")[low:high].T, order, units)[None]

    w = _once(run, layer, "W", (1, rows, features), block(0, features))
    r = _once(run, layer, "R", (1, rows, units), block(features, features + units))
    b = _once(run, layer, "B", (1, 2 * rows), lambda: np.concatenate(
        [_ordered(layer.array("bias").reshape(rows, 1), order, units).reshape(-1), np.zeros(rows)])[None])  # fmt: skip
    if batch_first:
        x = g.Transpose(x, perm=[1, 0, 2])
    states = [g.Unsqueeze(state, [0]) if state is not None else None for state in (hidden, cell)]
    result = g.ops(
        OPERATORS[gates], x, w, r, b, None, states[0], states[1] if gates == 4 else None, outputs=1, hidden_size=units,
    )[0]  # fmt: skip
    result = g.Squeeze(result, [1])
    return Ref(g.Transpose(result, perm=[1, 0, 2]) if batch_first else result)


def _once(run: Run, layer: Layer, label: str, shape: Sequence[int], make: Callable[[], Array]) -> Value:
    """A weight made once for all who share the module's."""
    key = (layer.needed("weight").key, "recurrent", label)
    if key not in layer.scope.weights:
        layer.scope.weights[key] = layer.made(run.g, f"{layer.name}.{label}", shape, make)
    return layer.scope.weights[key]


def _ordered(rows: Array, order: tuple[int, ...], units: int) -> Array:
    """[gates * H, ...] with the gates in ONNX's order."""
    return rows.reshape(len(order), units, -1)[list(order)].reshape(len(order) * units, -1)


def _unrolled(run: Run, layer: Layer, data: Data) -> Data:
    """Step by step: a projection, or rows of zeros that set the states to zero."""
    g = run.g
    x, hidden, cell = _inputs(run, layer, data, True)
    features, units = _sizes(layer, x, 4)
    outs = layer.needed("weight").shape[0] - features
    if layer.flag("batchfirst"):
        x = g.Transpose(x, perm=[1, 0, 2])
    count = layer.size(x, 0)
    if count > STEPS:
        raise layer.unsupported(f"{count} steps are too many to be unrolled")
    weight, bias = layer.weight(g, "weight"), layer.weight(g, "bias", (4 * units,))
    project = layer.weight(g, "weightO") if layer.tensor("weightO") else None
    steps = [g.Gather(x, step, axis=0) for step in range(count)]
    h = hidden if hidden is not None else zeros(run, steps[0], 2, outs)
    c = cell if cell is not None else zeros(run, steps[0], 2, units)
    results = []
    for step in steps:
        gates = g.Gemm(g.Concat(step, h, axis=1), weight, bias)
        i, f, o, candidate = g.ops("Split", gates, outputs=4, axis=1, num_outputs=4)
        c = g.Add(g.Mul(g.Sigmoid(i), g.Tanh(candidate)), g.Mul(g.Sigmoid(f), c))
        h = g.Mul(g.Sigmoid(o), g.Tanh(c))
        h = g.MatMul(h, project) if project is not None else h
        if layer.flag("maskzero"):
            kept = g.Cast(g.Greater(g.ReduceSumSquare(step, [1], keepdims=1), np.float32(0)), to=1)
            h, c = g.Mul(h, kept), g.Mul(c, kept)
        results.append(g.Unsqueeze(h, [0]))
    result = g.Concat(*results, axis=0) if count > 1 else results[0]
    return Ref(g.Transpose(result, perm=[1, 0, 2]) if layer.flag("batchfirst") else result)
