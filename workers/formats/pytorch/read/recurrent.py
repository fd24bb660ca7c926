"""Recurrent layers: all layers and directions of nn.LSTM, nn.GRU and nn.RNN, and single cells.

Torch orders gates i, f, g, o (LSTM) and r, z, n (GRU), ONNX i, o, f, c and z, r, h; torch's GRU is ONNX's with
linear_before_reset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.pytorch.read.dense import linear
from workers.formats.pytorch.read.layer import Layer, TimeMajor, origin, reads
from workers.hub.graph import GraphBuilder, Value

_ORDER = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def _ordered(g: GraphBuilder, layer: Layer, x: Value, kind: str) -> Value:
    """The gates' rows in ONNX's order; a constant is re-ordered at once."""
    order = _ORDER[kind]
    if len(order) == 1:
        return x
    known = g.const(x)
    if known is not None:
        parts = np.split(known, len(order), axis=0)
        return layer.scope.root.weight(f"{x.name}.onnx", np.concatenate([parts[i] for i in order]))
    rows = g.ops("Split", x, outputs=len(order), axis=0, num_outputs=len(order))
    return g.Concat(*(rows[i] for i in order), axis=0)


def _stacked(g: GraphBuilder, parts: list[Value]) -> Value:
    wide = [g.Unsqueeze(part, [0]) for part in parts]
    return wide[0] if len(wide) == 1 else g.Concat(*wide, axis=0)


def run(
    g: GraphBuilder, layer: Layer, kind: str, x: Value, states: list[Value], params: list[Value], has_biases: bool,
    num_layers: int, bidirectional: bool, batch_first: bool, activation: str = "Tanh", proj: bool = False,
) -> tuple[Value, list[Value]]:  # fmt: skip
    """Output and last states, as torch gives them. ``x`` [time, batch, in] or, ``batch_first``, [batch, time, in]."""
    if proj:
        raise layer.unsupported("LSTMs with projections (proj_size) have no counterpart in ONNX")
    source = origin(x)
    if not batch_first and layer.rank(x) == 3 and source is x and source.name in layer.scope.batch_first:
        raise TimeMajor(str(source.name))
    unbatched = layer.rank(x) == 2
    if unbatched:
        x = g.Unsqueeze(x, [0 if batch_first else 1])
        states = [g.Unsqueeze(state, [1]) if layer.rank(state) == 2 else state for state in states]
    x = g.Transpose(x, perm=[1, 0, 2]) if batch_first else x
    ways, per = 2 if bidirectional else 1, 4 if has_biases else 2
    if len(params) != num_layers * ways * per:
        raise layer.malformed(f"it has {len(params)} parameters for {num_layers} layers")
    last: list[list[Value]] = [[] for _ in states]
    for index in range(num_layers):
        own = params[index * ways * per : (index + 1) * ways * per]
        begin = [
            state if num_layers == 1 else g.Slice(state, [index * ways], [(index + 1) * ways], [0]) for state in states
        ]
        x, ends = _one(g, layer, kind, x, begin, own, per, ways, activation)
        for held, end in zip(last, ends, strict=True):
            held.append(end)
    finals = [held[0] if len(held) == 1 else g.Concat(*held, axis=0) for held in last]
    x = g.Transpose(x, perm=[1, 0, 2]) if batch_first else x
    if unbatched:
        x, finals = g.Squeeze(x, [0 if batch_first else 1]), [g.Squeeze(end, [1]) for end in finals]
    return x, finals


def _one(
    g: GraphBuilder, layer: Layer, kind: str, x: Value, begin: list[Value], own: list[Value], per: int, ways: int,
    activation: str, reverse: bool = False,
) -> tuple[Value, list[Value]]:  # fmt: skip
    groups = [own[way * per : (way + 1) * per] for way in range(ways)]
    w, r = (_stacked(g, [_ordered(g, layer, group[i], kind) for group in groups]) for i in (0, 1))
    hidden = layer.static(groups[0][1], 1)
    bias = None
    if per == 4:
        both = [
            g.Concat(_ordered(g, layer, group[2], kind), _ordered(g, layer, group[3], kind), axis=0) for group in groups
        ]
        bias = _stacked(g, both)
    settings: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "bidirectional" if ways == 2 else "reverse" if reverse else "forward",
    }
    if kind == "GRU":
        settings["linear_before_reset"] = 1
    if kind == "RNN":
        settings["activations"] = [activation] * ways
    y, *ends = g.ops(kind, x, w, r, bias, None, *begin, outputs=1 + len(begin), **settings)
    time, batch = layer.dim(x, 0), layer.dim(x, 1)
    for end in ends:
        layer.shaped(end, [ways, batch, hidden])
    if ways == 1:
        return layer.shaped(g.Squeeze(y, [1]), [time, batch, hidden]), ends
    joined = g.Reshape(g.Transpose(y, perm=[0, 2, 1, 3]), [0, 0, ways * hidden])
    return layer.shaped(joined, [time, batch, ways * hidden]), ends


def _read(g: GraphBuilder, layer: Layer, kind: str, activation: str, input: Value, args: tuple[Any, ...]) -> Any:
    if isinstance(args[1], ir.Value):
        raise layer.unsupported("packed sequences hold rows of several lengths; save the model for padded ones")
    hx, params, has_biases, num_layers, _, _, bidirectional, batch_first = args
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    per = 4 if has_biases else 2
    count = layer.integer(num_layers) * (2 if bidirectional else 1)
    y, ends = run(
        g, layer, kind, input, states, list(params), bool(has_biases), layer.integer(num_layers), bool(bidirectional),
        bool(batch_first), activation, proj=kind == "LSTM" and len(params) == count * (per + 1),
    )  # fmt: skip
    return (y, *ends)


@reads("aten::lstm")
def lstm(g: GraphBuilder, layer: Layer, input: Value, *args: Any, **named: Any) -> Any:
    return _read(g, layer, "LSTM", "Tanh", input, _positional(args, named))


@reads("aten::gru")
def gru(g: GraphBuilder, layer: Layer, input: Value, *args: Any, **named: Any) -> Any:
    return _read(g, layer, "GRU", "Tanh", input, _positional(args, named))


@reads("aten::rnn_tanh", "aten::rnn_relu")
def rnn(g: GraphBuilder, layer: Layer, input: Value, *args: Any, **named: Any) -> Any:
    return _read(g, layer, "RNN", "Relu" if layer.type.endswith("relu") else "Tanh", input, _positional(args, named))


@reads("aten::mkldnn_rnn_layer")
def mkldnn_rnn_layer(
    g: GraphBuilder, layer: Layer, input: Value, weight0: Value, weight1: Value, weight2: Value, weight3: Value,
    hx_: Value, cx_: Value, reverse: Any, batch_sizes: Any, mode: Any, hidden_size: Any, num_layers: Any,
    has_biases: Any, bidirectional: Any, batch_first: Any, train: Any,
) -> tuple[Value, Value, Value, Value]:  # fmt: skip
    """One layer and direction of an LSTM, as torch 2.1 exported it."""
    if layer.integer(mode) != 2:
        raise layer.unsupported("only LSTMs are read in this form")
    own = [weight0, weight1, weight2, weight3] if has_biases else [weight0, weight1]
    states = [g.Unsqueeze(x, [0]) if layer.rank(x) == 2 else x for x in (hx_, cx_)]
    x = g.Transpose(input, perm=[1, 0, 2]) if batch_first else input
    y, ends = _one(g, layer, "LSTM", x, states, own, len(own), 1, "Tanh", bool(reverse))
    y = g.Transpose(y, perm=[1, 0, 2]) if batch_first else y
    last = [layer.shaped(g.Squeeze(e, [0]), layer.dims(h)) if layer.rank(h) == 2 else e
            for e, h in zip(ends, (hx_, cx_), strict=True)]  # fmt: skip
    return y, last[0], last[1], y


_NAMES = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first")


def _positional(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    return (*args, *(named[name] for name in _NAMES[len(args) :] if name in named))


# --- cells ---------------------------------------------------------------------------------------------------------


@reads("aten::lstm_cell")
def lstm_cell(
    g: GraphBuilder, layer: Layer, input: Value, hx: list[Value], w_ih: Value, w_hh: Value, b_ih: Value | None = None,
    b_hh: Value | None = None,
) -> tuple[Value, Value]:  # fmt: skip
    """One step, in plain operators: a cell inside a loop is not a sequence."""
    h, c = hx
    gates = g.Add(linear(g, layer, input, w_ih, b_ih), linear(g, layer, h, w_hh, b_hh))
    i, f, n, o = g.ops("Split", gates, outputs=4, axis=-1, num_outputs=4)
    cell = g.Add(g.Mul(g.Sigmoid(f), c), g.Mul(g.Sigmoid(i), g.Tanh(n)))
    return g.Mul(g.Sigmoid(o), g.Tanh(cell)), cell


@reads("aten::gru_cell")
def gru_cell(
    g: GraphBuilder, layer: Layer, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None,
    b_hh: Value | None = None,
) -> Value:  # fmt: skip
    xs = g.ops("Split", linear(g, layer, input, w_ih, b_ih), outputs=3, axis=-1, num_outputs=3)
    hs = g.ops("Split", linear(g, layer, hx, w_hh, b_hh), outputs=3, axis=-1, num_outputs=3)
    reset, update = (g.Sigmoid(g.Add(xs[k], hs[k])) for k in (0, 1))
    new = g.Tanh(g.Add(xs[2], g.Mul(reset, hs[2])))
    return g.Add(new, g.Mul(update, g.Sub(hx, new)))


@reads("aten::rnn_tanh_cell", "aten::rnn_relu_cell")
def rnn_cell(
    g: GraphBuilder, layer: Layer, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None,
    b_hh: Value | None = None,
) -> Value:  # fmt: skip
    total = g.Add(linear(g, layer, input, w_ih, b_ih), linear(g, layer, hx, w_hh, b_hh))
    return g.Relu(total) if "relu" in layer.type else g.Tanh(total)
