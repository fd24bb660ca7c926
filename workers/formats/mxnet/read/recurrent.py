"""The fused recurrent layer, whose parameters are one packed vector, as ONNX's LSTM, GRU and RNN.

Packing: for every layer and direction W_i2h [gates*H, in] and W_h2h [gates*H, H]; then, in the same order, both biases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.dims import times
from workers.formats.layer import cast
from workers.formats.mxnet.read.layer import I32, Array, Layer, Value, reads
from workers.formats.mxnet.read.shaping import reshaped
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


@dataclass(frozen=True, slots=True)
class _Mode:
    """``order``: where ONNX's gates stand among MXNet's."""

    operator: str
    order: tuple[int, ...]
    attributes: dict[str, Any]


# MXNet has i, f, g, o and r, z, n; ONNX i, o, f, c and z, r, h. The new gate of MXNet's GRU is reset after its product.
MODES = {
    "lstm": _Mode("LSTM", (0, 3, 1, 2), {}),
    "gru": _Mode("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "rnn_tanh": _Mode("RNN", (0,), {}),
    "rnn_relu": _Mode("RNN", (0,), {"activations": ["Relu"]}),
}
LAYERS = 256


class _Packed:
    """The packed vector in pieces: a slice that lies within one is a view."""

    def __init__(self, layer: Layer, pieces: Sequence[Array]) -> None:
        self.layer = layer
        self.pieces = pieces
        self.total = sum(piece.size for piece in pieces)
        self.at = 0

    def take(self, *shape: int) -> Callable[[], Array]:
        """A function for the next values in this shape."""
        first, size = self.at, int(np.prod(shape))
        self.at += size
        if self.at > self.total:
            raise self.layer.malformed(f"its parameters have {self.total} values, which are too few")
        return lambda: self._slice(first, first + size).reshape(shape)

    def _slice(self, first: int, last: int) -> Array:
        found, start = [], 0
        for piece in self.pieces:
            low, high = max(first - start, 0), min(last - start, piece.size)
            if low < high:
                found.append(piece[low:high])
            start += piece.size
        return found[0] if len(found) == 1 else np.concatenate(found)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One layer in one direction: its four arrays, made when they are written."""

    w: Callable[[], Array]
    r: Callable[[], Array]
    bw: Callable[[], Array]
    br: Callable[[], Array]


@reads("RNN", "_npx_rnn")
def rnn(g: GraphBuilder, layer: Layer, x: Value, parameters: Value, *more: Value) -> list[Value]:
    """data [T, N, I], states [layers * directions, N, H]; outputs [T, N, directions * H] and the last states."""
    mode = MODES.get(layer.word("mode", ""))
    if mode is None:
        raise layer.malformed(f"its mode is {layer.word('mode', '')!r}")
    _check(layer)
    layer.rank(x, 3)
    units, layers = layer.integer("state_size"), layer.integer("num_layers")
    directions = 2 if layer.flag("bidirectional", False) else 1
    if not 1 <= layers <= LAYERS or not 1 <= units <= 2**20:
        raise layer.malformed(f"it has {layers} layers of {units} units")
    states, lengths = _states(g, layer, more, mode, layers * directions, layer.shape(x)[1])
    cells = _cells(g, layer, mode, parameters, layers, directions, units, layer.size(x, 2))
    last: list[list[Value]] = [[] for _ in states]
    for level in range(layers):
        start = [None if state is None else _rows(g, state, level, layers, directions) for state in states]
        x, ends = _level(g, layer, mode, x, cells[level * directions : (level + 1) * directions], units, start, lengths)
        for found, end in zip(last, ends, strict=True):
            found.append(end)
    joined = [ends[0] if layers == 1 else g.Concat(*ends, axis=0) for ends in last]
    return [x, *joined] if layer.flag("state_outputs", False) else [x]


def _check(layer: Layer) -> None:
    if layer.has("projection_size"):
        raise layer.unsupported("ONNX's LSTM projects no state")
    if layer.has("lstm_state_clip_min") or layer.has("lstm_state_clip_max"):
        raise layer.unsupported("ONNX's LSTM clips the gates, not the state")


def _states(
    g: GraphBuilder, layer: Layer, more: Sequence[Value], mode: _Mode, rows: int, batch: Dim
) -> tuple[list[Value | None], Value | None]:
    """The initial states (None: from zeros of whatever batch) and the lengths of the sequences."""
    count = 2 if mode.operator == "LSTM" else 1
    uses_lengths = layer.flag("use_sequence_length", False)
    if len(more) not in (count, count + uses_lengths):
        raise layer.malformed(f"it has {len(more)} inputs behind its parameters where its mode takes {count}")
    states: list[Value | None] = []
    for state in more[:count]:
        layer.rank(state, 3)
        layer.same(layer.shape(state)[0], rows, "the number of layers and directions")
        array = g.const(state)
        if state in layer.scope.zeros or (array is not None and not array.any()):
            states.append(None)
            continue
        layer.same(layer.shape(state)[1], batch, "the size of the batch")
        states.append(state)
    lengths = cast(g, more[count], I32) if uses_lengths and len(more) > count else None
    return states, lengths


def _rows(g: GraphBuilder, state: Value, level: int, layers: int, directions: int) -> Value:
    """The states of one layer."""
    if layers == 1:
        return state
    return g.Slice(state, [level * directions], [(level + 1) * directions], [0])


def _cells(
    g: GraphBuilder, layer: Layer, mode: _Mode, parameters: Value, layers: int, directions: int, units: int, width: int
) -> list[_Cell]:
    pieces = layer.scope.packed.get(parameters)
    if pieces is None:
        array = g.const(parameters)
        if array is None:
            raise layer.unsupported("its parameters are computed in the graph, not stored")
        pieces = [array.reshape(-1)]
    packed, rows = _Packed(layer, pieces), len(mode.order) * units
    widths = [width if level == 0 else units * directions for level in range(layers) for _ in range(directions)]
    weights = [(packed.take(rows, size), packed.take(rows, units)) for size in widths]
    biases = [(packed.take(rows), packed.take(rows)) for _ in widths]
    if packed.at != packed.total:
        raise layer.malformed(f"its parameters have {packed.total} values, the layer needs {packed.at}")
    return [_Cell(*pair, *bias) for pair, bias in zip(weights, biases, strict=True)]


def _level(
    g: GraphBuilder, layer: Layer, mode: _Mode, x: Value, cells: Sequence[_Cell], units: int,
    start: Sequence[Value | None], lengths: Value | None,
) -> tuple[Value, list[Value]]:  # fmt: skip
    """One layer in all its directions: [T, N, D*H] and the last states [D, N, H]."""
    rows, dtype = len(mode.order) * units, layer.element(x)
    width = layer.size(x, 2)

    def weight(label: str, pick: Callable[[_Cell], Array], *shape: int) -> Value:
        def make() -> ir.TensorProtocol:
            stacked = np.stack([_ordered(pick(cell), mode, units) for cell in cells])
            return ir.Tensor(stacked.reshape(len(cells), *shape).astype(dtype.numpy(), copy=False))

        lazy = ir.LazyTensor(make, dtype=dtype, shape=ir.Shape([len(cells), *shape]))
        return g.weight(f"{layer.name}.{label}", lazy)

    attributes = dict(mode.attributes)
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * len(cells)
    w = weight("W", lambda cell: cell.w(), rows, width)
    r = weight("R", lambda cell: cell.r(), rows, units)
    b = weight("B", lambda cell: np.stack([cell.bw(), cell.br()]), 2 * rows)
    outputs = g.ops(
        mode.operator, x, w, r, b, lengths, *start, outputs=1 + len(start), hidden_size=units,
        direction="bidirectional" if len(cells) == 2 else "forward", **attributes,
    )  # fmt: skip
    time, batch = layer.shape(x)[:2]
    if len(cells) == 1:
        return g.Squeeze(outputs[0], [1]), outputs[1:]
    side_by_side = g.Transpose(outputs[0], perm=[0, 2, 1, 3])
    return reshaped(g, layer, side_by_side, [time, batch, times([len(cells), units])]), outputs[1:]


def _ordered(array: Array, mode: _Mode, units: int) -> Array:
    """The gates in ONNX's order; biases are [2, rows], weights [rows, columns]."""
    if len(mode.order) == 1:
        return array
    if array.shape[0] == 2 and array.ndim == 2 and array.shape[1] == len(mode.order) * units:
        gates = array.reshape(2, len(mode.order), units)
        return gates[:, list(mode.order)].reshape(array.shape)
    gates = array.reshape(len(mode.order), units, -1)
    return gates[list(mode.order)].reshape(array.shape)
