"""cudnn's recurrent layers, whose parameters are one vector, as ONNX's LSTM, GRU and RNN.

For every layer and direction the matrices of all gates, first those on the input, then those on the state; behind all
matrices, in the same order, two biases a gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workers.formats.torch7.objects import Array
from workers.formats.torch7.read.layer import Layer, Value, flows
from workers.formats.torch7.read.memory import Data, Ref
from workers.formats.torch7.read.network import Run


@dataclass(frozen=True, slots=True)
class _Mode:
    """``order``: where ONNX's gates stand among cudnn's, i f g o and r z h; the new gate is reset after its product."""

    operator: str
    order: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


MODES = {
    "CUDNN_LSTM": _Mode("LSTM", (0, 3, 1, 2)),
    "CUDNN_GRU": _Mode("GRU", (1, 0, 2), {"linear_before_reset": 1}),
    "CUDNN_RNN_TANH": _Mode("RNN", (0,)),
    "CUDNN_RNN_RELU": _Mode("RNN", (0,), {"activations": ["Relu"]}),
}
OF_CLASS = {"LSTM": "CUDNN_LSTM", "BLSTM": "CUDNN_LSTM", "GRU": "CUDNN_GRU", "BGRU": "CUDNN_GRU",
            "RNNTanh": "CUDNN_RNN_TANH", "RNNReLU": "CUDNN_RNN_RELU"}  # fmt: skip
LAYERS = 256


class _Vector:
    """The packed vector, taken piece by piece."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.at = layer, 0
        self.flat = layer.array("weight").reshape(-1)

    def take(self, *shape: int) -> Array:
        first, self.at = self.at, self.at + int(np.prod(shape))
        if self.at > self.flat.size:
            raise self.layer.malformed(f"its weight has {self.flat.size} values, which are too few")
        return self.flat[first : self.at].reshape(shape)


@dataclass(slots=True)
class _Cell:
    """One layer in one direction: its two matrices and its two biases."""

    w: Array
    r: Array
    b: list[Array] = field(default_factory=list)


@flows("cudnn.RNN", "cudnn.LSTM", "cudnn.GRU", "cudnn.RNNTanh", "cudnn.RNNReLU", "cudnn.BLSTM", "cudnn.BGRU")
def rnn(run: Run, layer: Layer, data: Data) -> Data:
    """[T, N, D], or [N, T, D] with batchFirst, to the states of the last layer, both directions side by side."""
    g, mode = run.g, _mode(layer)
    x = layer.floats(g, layer.one(data).read())
    layer.rank(x, 3)
    units, layers = layer.positive("hiddenSize"), layer.positive("numLayers", 1)
    both = layer.module.text("bidirectional").endswith("BIDIRECTIONAL") and "UNI" not in layer.module.text(
        "bidirectional"
    )
    directions = layer.positive("numDirections", 2 if both or layer.type.startswith("cudnn.B") else 1)
    if layers > LAYERS or directions > 2 or layer.module.text("inputMode").endswith("SKIP_INPUT"):
        raise layer.unsupported(f"{layers} layers of {directions} directions, or an input that skips its matrix")
    if layer.flag("batchFirst"):
        x = g.Transpose(x, perm=[1, 0, 2])
    cells = _cells(layer, mode, layers * directions, directions, units, layer.size(x, 2))
    for level in range(layers):
        x = _level(run, layer, mode, x, cells[level * directions : (level + 1) * directions], units, level)
    return Ref(g.Transpose(x, perm=[1, 0, 2]) if layer.flag("batchFirst") else x)


def _mode(layer: Layer) -> _Mode:
    word = layer.module.text("mode") or OF_CLASS.get(layer.type.partition(".")[2], "")
    if word not in MODES:
        raise layer.malformed(f"its mode is {word!r}")
    return MODES[word]


def _cells(layer: Layer, mode: _Mode, count: int, directions: int, units: int, width: int) -> list[_Cell]:
    vector, rows = _Vector(layer), len(mode.order) * units
    widths = [width if number < directions else units * directions for number in range(count)]
    cells = [_Cell(vector.take(rows, wide), vector.take(rows, units)) for wide in widths]
    for cell in cells:
        cell.b = [vector.take(rows), vector.take(rows)]
    if vector.at != vector.flat.size:
        raise layer.malformed(f"its weight has {vector.flat.size} values, {vector.at} are needed")
    return cells


def _level(
    run: Run, layer: Layer, mode: _Mode, x: Value, cells: Sequence[_Cell], units: int, level: int
) -> Value:  # fmt: skip
    """One layer in all its directions: [T, N, D * H]."""
    g, rows = run.g, len(mode.order) * units

    def weight(label: str, pick: Callable[[_Cell], Array], *shape: int) -> Value:
        def make() -> Array:
            stacked = [_ordered(pick(cell), mode, units) for cell in cells]
            return np.stack(stacked).reshape(len(cells), *shape)

        key = (layer.needed("weight").key, "packed", label, level)
        if key not in layer.scope.weights:
            layer.scope.weights[key] = layer.made(g, f"{layer.name}.{label}", (len(cells), *shape), make)
        return layer.scope.weights[key]

    attributes = dict(mode.attributes)
    if "activations" in attributes:
        attributes["activations"] = attributes["activations"] * len(cells)
    w = weight("W", lambda cell: cell.w, rows, layer.size(x, 2))
    r = weight("R", lambda cell: cell.r, rows, units)
    b = weight("B", lambda cell: np.concatenate(cell.b), 2 * rows)
    result = g.ops(mode.operator, x, w, r, b, outputs=1, hidden_size=units,
                   direction="bidirectional" if len(cells) == 2 else "forward", **attributes)[0]  # fmt: skip
    if len(cells) == 1:
        return g.Squeeze(result, [1])
    time, batch = layer.shape(x)[:2]
    return layer.reshape(g, g.Transpose(result, perm=[0, 2, 1, 3]), [time, batch, len(cells) * units])


def _ordered(array: Array, mode: _Mode, units: int) -> Array:
    """The gates in ONNX's order; two biases are [2 * rows], matrices [rows, columns]."""
    gates = len(mode.order)
    if array.ndim == 1:
        return array.reshape(2, gates, units)[:, list(mode.order)].reshape(-1)
    return array.reshape(gates, units, -1)[list(mode.order)].reshape(array.shape)
