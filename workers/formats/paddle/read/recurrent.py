"""Recurrent layers: the ``rnn`` operator of Paddle 2 and 3, and fluid's lstm, gru and gru_unit on one sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.dims import times
from workers.formats.paddle.read.layer import I32, Array, Layer, Value, cast, reads
from workers.formats.paddle.read.vectors import reshaped
from workers.hub.graph import GraphBuilder

LAYERS = 256


@dataclass(frozen=True, slots=True)
class Mode:
    """``order``: where ONNX's gates stand among Paddle's."""

    operator: str
    order: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


# Paddle has i, f, c, o and r, z, c; ONNX i, o, f, c and z, r, h. The reset gate acts behind the product.
MODES = {
    "LSTM": Mode("LSTM", (0, 3, 1, 2)),
    "GRU": Mode("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "RNN_TANH": Mode("RNN", (0,)),
    "RNN_RELU": Mode("RNN", (0,), {"activations": ["Relu"]}),
}


def ordered(array: Array, order: Sequence[int], units: int) -> Array:
    """[gates * units, ...] with the gates in another order."""
    gates = array.reshape(len(order), units, *array.shape[1:])
    return gates[list(order)].reshape(array.shape)


def stacked(
    g: GraphBuilder, layer: Layer, label: str, make: Callable[[], Array], shape: list[int], like: Value
) -> Value:
    """A weight put together when it is written."""
    dtype = layer.element(like)

    def build() -> ir.TensorProtocol:
        return ir.Tensor(make().reshape(shape).astype(dtype.numpy(), copy=False))

    return g.weight(f"{layer.name}.{label}", ir.LazyTensor(build, dtype=dtype, shape=ir.Shape(shape)))


@reads("rnn", "cudnn_lstm")
def rnn(g: GraphBuilder, layer: Layer) -> dict[str, Value | list[Value]]:
    """Input [T, N, I], states [layers * directions, N, H]; outputs [T, N, directions * H] and the last states.

    All weights first, W and U of each layer and direction, then all biases alike.
    """
    word = layer.word("mode", "LSTM")
    mode = MODES.get(word)
    if mode is None or layer.op.type == "cudnn_lstm":
        raise layer.unsupported(f"it is a recurrent layer of the kind {word!r} for CUDA alone")
    x = layer.x("Input")
    layer.rank(x, 3)
    units, layers = layer.integer("hidden_size"), layer.integer("num_layers", 1)
    directions = 2 if layer.flag("is_bidirec") else 1
    if not 1 <= layers <= LAYERS or not 1 <= units <= 2**20:
        raise layer.malformed(f"it has {layers} layers of {units} units")
    weights = _weights(layer, layers, directions)
    lengths = layer.maybe("SequenceLength")
    lengths = cast(g, lengths, I32) if lengths is not None else None
    states = layer.all("PreState")
    if len(states) != (2 if mode.operator == "LSTM" else 1):
        raise layer.malformed(f"it has {len(states)} states")
    last: list[list[Value]] = [[] for _ in states]
    for level in range(layers):
        start = [_rows(g, layer, state, level, layers, directions) for state in states]
        x, ends = _level(
            g, layer, mode, x, weights[level * directions : (level + 1) * directions], units, start, lengths
        )
        for found, end in zip(last, ends, strict=True):
            found.append(end)
    joined = [ends[0] if layers == 1 else g.Concat(*ends, axis=0) for ends in last]
    return {"Out": x, "State": joined}


def _weights(layer: Layer, layers: int, directions: int) -> list[list[Array]]:
    """[W, U, b, c] of every layer and direction."""
    found = []
    for value in layer.all("WeightList"):
        array = GraphBuilder.const(value)
        if array is None:
            raise layer.unsupported("its weights are computed in the graph, not stored")
        found.append(array)
    cells = layers * directions
    if len(found) not in (4 * cells, 2 * cells):
        raise layer.malformed(f"it has {len(found)} weights for {cells} layers and directions")
    rows = found[0].shape[0] if found[0].ndim else 0
    none = [np.zeros(rows, found[0].dtype)] * (2 * cells) if len(found) == 2 * cells else []
    biases = found[2 * cells :] or none
    return [[found[2 * i], found[2 * i + 1], biases[2 * i], biases[2 * i + 1]] for i in range(cells)]


def _rows(g: GraphBuilder, layer: Layer, state: Value, level: int, layers: int, directions: int) -> Value | None:
    """The states of one layer; zeros are what ONNX starts with anyway."""
    if _is_zero(layer, state):
        return None
    if layers == 1:
        return state
    return g.Slice(state, [level * directions], [(level + 1) * directions], [0])


def _is_zero(layer: Layer, state: Value) -> bool:
    array = GraphBuilder.const(state)
    if array is not None:
        return not array.any()
    node = state.producer()
    if node is None or node.op_type != "Expand":
        return False
    base = GraphBuilder.const(node.inputs[0])
    return base is not None and not base.any()


def _level(
    g: GraphBuilder, layer: Layer, mode: Mode, x: Value, cells: Sequence[Sequence[Array]], units: int,
    start: Sequence[Value | None], lengths: Value | None,
) -> tuple[Value, list[Value]]:  # fmt: skip
    """One layer in all its directions."""
    rows, width, many = len(mode.order) * units, layer.size(x, 2), len(cells)
    shapes = [(rows, width), (rows, units), (rows,), (rows,)]
    for cell in cells:
        for array, shape in zip(cell, shapes, strict=True):
            if array.shape != shape:
                raise layer.malformed(f"a weight has the shape {list(array.shape)}, it takes {list(shape)}")
    w = stacked(g, layer, "W", lambda: np.stack([ordered(c[0], mode.order, units) for c in cells]),
                [many, rows, width], x)  # fmt: skip
    r = stacked(g, layer, "R", lambda: np.stack([ordered(c[1], mode.order, units) for c in cells]),
                [many, rows, units], x)  # fmt: skip
    b = stacked(g, layer, "B", lambda: np.stack([np.concatenate([ordered(part, mode.order, units) for part in c[2:]])
                                                 for c in cells]), [many, 2 * rows], x)  # fmt: skip
    attributes = dict(mode.attributes)
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * many
    outputs = g.ops(
        mode.operator, x, w, r, b, lengths, *start, outputs=1 + len(start), hidden_size=units,
        direction="bidirectional" if many == 2 else "forward", **attributes,
    )  # fmt: skip
    time, batch = layer.shape(x)[:2]
    if many == 1:
        return g.Squeeze(outputs[0], [1]), outputs[1:]
    side_by_side = g.Transpose(outputs[0], perm=[0, 2, 1, 3])
    return reshaped(g, layer, side_by_side, [time, batch, times([many, units])]), outputs[1:]


# --- fluid, on one sequence -------------------------------------------------------------------------------------------

ACTIVATIONS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "identity": "Affine"}


def _activation(layer: Layer, key: str, default: str) -> str:
    word = layer.word(key, default)
    if word not in ACTIVATIONS or word == "identity":
        raise layer.unsupported(f"its {key} is {word!r}")
    return ACTIVATIONS[word]


def _constant(layer: Layer, slot: str) -> Array:
    array = GraphBuilder.const(layer.x(slot))
    if array is None:
        raise layer.unsupported(f"its {slot} is computed in the graph, not stored")
    if array.ndim != 2:
        raise layer.malformed(f"its {slot} has {array.ndim} axes")
    return array


def _sequence(g: GraphBuilder, layer: Layer) -> Value:
    """[T, width] -> [T, 1, width]: the rows are one sequence."""
    x = layer.x("Input")
    layer.rank(x, 2)
    one_sequence(layer)
    return g.Unsqueeze(x, [1])


def one_sequence(layer: Layer) -> None:
    """Say that a batch of sequences of several lengths (LoD) is read as one sequence."""
    note = Note(
        "one-sequence",
        "The model takes sequences of several lengths joined in one tensor (LoD). ONNX has no such tensors: the "
        "converted model takes one sequence at a time.",
    )
    if note not in layer.scope.notes:
        layer.scope.notes.append(note)


def _state(g: GraphBuilder, layer: Layer, slot: str) -> Value | None:
    x = layer.maybe(slot)
    return None if x is None else g.Unsqueeze(x, [0])


@reads("lstm", "dynamic_lstm")
def lstm(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Input already multiplied, [T, 4H] as c, i, f, o; Weight [H, 4H] alike; Bias [1, 4H], with peepholes [1, 7H]."""
    x, weight, bias = _sequence(g, layer), _constant(layer, "Weight"), _constant(layer, "Bias").reshape(-1)
    units = weight.shape[0]
    if weight.shape != (units, 4 * units) or bias.size not in (4 * units, 7 * units) or layer.size(x, 2) != 4 * units:
        raise layer.malformed(f"its weight has the shape {list(weight.shape)}")
    order = (1, 3, 2, 0)  # ONNX: i, o, f, c
    peepholes = layer.flag("use_peepholes", True) and bias.size == 7 * units
    rows = np.eye(4 * units, dtype=weight.dtype)
    w = stacked(g, layer, "W", lambda: ordered(rows, order, units), [1, 4 * units, 4 * units], x)
    r = stacked(g, layer, "R", lambda: ordered(np.ascontiguousarray(weight.T), order, units), [1, 4 * units, units], x)
    none = np.zeros(4 * units, bias.dtype)
    b = stacked(g, layer, "B", lambda: np.concatenate([ordered(bias[: 4 * units], order, units), none]),
                [1, 8 * units], x)  # fmt: skip
    p = None
    if peepholes:
        p = stacked(g, layer, "P", lambda: bias[4 * units :].reshape(3, units)[[0, 2, 1]], [1, 3 * units], x)
    words = [_activation(layer, "gate_activation", "sigmoid"), _activation(layer, "candidate_activation", "tanh"),
             _activation(layer, "cell_activation", "tanh")]  # fmt: skip
    states = [_state(g, layer, slot) for slot in ("H0", "C0")]
    if layer.wants("Cell") and _used(layer, "Cell"):
        raise layer.unsupported("the cells of all steps are asked for; ONNX's LSTM gives the last only")
    y, _, _ = g.ops("LSTM", x, w, r, b, None, *states, p, outputs=3, hidden_size=units, activations=words,
                    direction="reverse" if layer.flag("is_reverse") else "forward")  # fmt: skip
    return {"Hidden": reshaped(g, layer, y, [layer.shape(x)[0], units])}


def _used(layer: Layer, slot: str) -> bool:
    """Whether any operator reads this output."""
    names = set(layer.op.outputs.get(slot, ()))
    readers = (name for block in layer.scope.program.blocks for op in block.ops for name in op.reads())
    fetched = {value for value, _ in layer.scope.program.fetches}
    return bool(names & fetched) or any(name in names for name in readers)


@reads("gru", "dynamic_gru")
def gru(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """Input already multiplied, [T, 3H] as u, r, c; Weight [H, 3H]: [H, 2H] for u and r, then [H, H] for c."""
    x, weight = _sequence(g, layer), _constant(layer, "Weight")
    units = weight.shape[0]
    if weight.shape != (units, 3 * units) or layer.size(x, 2) != 3 * units:
        raise layer.malformed(f"its weight has the shape {list(weight.shape)}")
    flat = weight.reshape(-1)
    gates, candidate = flat[: 2 * units * units].reshape(units, 2 * units), flat[2 * units * units :]
    bias = GraphBuilder.const(layer.maybe("Bias"))
    known = np.zeros(3 * units, weight.dtype) if bias is None else bias.reshape(-1)
    sign = np.ones(3 * units, weight.dtype)
    if not layer.flag("origin_mode"):
        sign[:units] = -1  # h = (1 - u) h' + u c; ONNX has it the other way round, and 1 - s(x) is s(-x)
    recurrent = np.concatenate([gates.T, candidate.reshape(units, units).T]) * sign[:, None]
    w = stacked(g, layer, "W", lambda: np.diag(sign), [1, 3 * units, 3 * units], x)
    r = stacked(g, layer, "R", lambda: recurrent, [1, 3 * units, units], x)
    b = stacked(g, layer, "B", lambda: np.concatenate([known * sign, np.zeros_like(known)]), [1, 6 * units], x)
    words = [_activation(layer, "gate_activation", "sigmoid"), _activation(layer, "activation", "tanh")]
    if words[0] != "Sigmoid":
        raise layer.unsupported(f"its gates use {words[0]}")
    y, _ = g.ops("GRU", x, w, r, b, None, _state(g, layer, "H0"), outputs=2, hidden_size=units, activations=words,
                 direction="reverse" if layer.flag("is_reverse") else "forward")  # fmt: skip
    return {"Hidden": reshaped(g, layer, y, [layer.shape(x)[0], units])}


@reads("gru_unit")
def gru_unit(g: GraphBuilder, layer: Layer) -> dict[str, Value]:
    """One step in plain operators."""
    x, before, weight, bias = (layer.x("Input"), layer.x("HiddenPrev"), _constant(layer, "Weight"), layer.maybe("Bias"))
    units = weight.shape[0]
    words = {0: "Identity", 1: "Sigmoid", 2: "Tanh", 3: "Relu"}
    outer, inner = words.get(layer.integer("activation", 2)), words.get(layer.integer("gate_activation", 1))
    if outer is None or inner is None or weight.shape != (units, 3 * units):
        raise layer.malformed("its activations or its weight make no sense")
    flat = weight.reshape(-1)
    x = x if bias is None else g.Add(x, bias)
    gates = g.constant(np.ascontiguousarray(flat[: 2 * units * units].reshape(units, 2 * units)))
    candidate = g.constant(np.ascontiguousarray(flat[2 * units * units :].reshape(units, units)))
    front, tail = g.ops("Split", x, [2 * units, units], outputs=2, axis=1)
    update, reset = g.ops(
        "Split", g.op(inner, g.Add(front, g.MatMul(before, gates))), [units, units], outputs=2, axis=1
    )
    held = g.Mul(reset, before)
    new = g.op(outer, g.Add(tail, g.MatMul(held, candidate)))
    a, b = (before, new) if layer.flag("origin_mode") else (new, before)
    hidden = g.Add(b, g.Mul(update, g.Sub(a, b)))
    return {"Hidden": hidden, "ResetHiddenPrev": held, "Gate": g.Concat(update, reset, new, axis=1)}
