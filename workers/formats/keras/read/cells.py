"""Recurrent cells as records of their weights, whichever version stored them, and one step of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.formats.keras.net import Spec
from workers.formats.keras.read.activation import function, name_of
from workers.formats.keras.read.layer import Array, Layer
from workers.formats.keras.weights import Stock
from workers.hub.graph import GraphBuilder, Value

GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
KINDS = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU", "CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
# Order of the gates in Keras 1's single arrays.
GATES1 = {"LSTM": "ifco", "GRU": "zrh"}


@dataclass(frozen=True, slots=True)
class Cell:
    """``kernel`` [in, gates * units], ``recurrent`` [units, gates * units], ``bias`` [2, gates * units] (for the input,
    for the state) in the order i, f, c, o or z, r, h. Activations are values of the configuration."""

    layer: Layer
    kind: str
    units: int
    kernel: Array
    recurrent: Array
    bias: Array | None
    activation: Any
    gate: Any
    reset_after: bool

    @property
    def states(self) -> int:
        return 2 if self.kind == "LSTM" else 1


def cell_of(layer: Layer, spec: Spec, stock: Stock) -> Cell:
    """The cell of a recurrent layer, or a cell in an RNN layer's configuration."""
    kind = KINDS.get(spec.kind, spec.kind)
    if kind not in GATES:
        raise layer.unsupported(f"its cell {spec.type!r} is none of Keras' own; no code of the file's is run")
    inner = Layer(spec, stock, layer.scope, layer.name)
    units = inner.integer("units")
    if spec.generation == 1:
        kernel, recurrent, bias = _parts1(inner, kind)
    else:
        kernel, recurrent = inner.array("kernel"), inner.array("recurrent_kernel")
        bias = inner.array("bias") if inner.flag("use_bias", True) else None
    width = GATES[kind] * units
    if kernel.ndim != 2 or kernel.shape[1] != width or recurrent.shape != (units, width):
        raise layer.malformed(
            f"its weights have the shapes {list(kernel.shape)} and {list(recurrent.shape)} for {units} units"
        )
    cudnn = spec.kind.startswith("CuDNN")
    after = cudnn or inner.flag("reset_after", spec.generation >= 3)
    return Cell(
        layer, kind, units, kernel, recurrent, _biases(layer, bias, width), inner.config.get("activation", "tanh"),
        inner.config.get("recurrent_activation", "sigmoid" if cudnn or spec.generation > 2 else "hard_sigmoid"), after,
    )  # fmt: skip


def _parts1(layer: Layer, kind: str) -> tuple[Array, Array, Array | None]:
    """Keras 1: three arrays a gate, or already joined ones."""
    if layer.owns("kernel"):
        return layer.array("kernel"), layer.array("recurrent_kernel"), layer.array("bias")
    if kind not in GATES1:
        return layer.array("kernel"), layer.array("recurrent_kernel"), layer.array("bias")
    units = layer.integer("units")
    shapes: tuple[tuple[str, list[int | None]], ...] = (
        ("kernel", [None, units]), ("recurrent_kernel", [units, units]), ("bias", [units]),
    )  # fmt: skip
    parts = [[layer.array(f"{name}_{gate}", *shape) for gate in GATES1[kind]] for name, shape in shapes]
    if len({part.shape for part in parts[0]}) != 1:
        raise layer.malformed("its gates have kernels of different shapes")
    kernel, recurrent, bias = (np.concatenate(part, axis=-1) for part in parts)
    return kernel, recurrent, bias


def _biases(layer: Layer, bias: Array | None, width: int) -> Array | None:
    """[2, width]: the state's own is zero where the layer has one bias."""
    if bias is None:
        return None
    if bias.size == 2 * width:
        return bias.reshape(2, width)
    if bias.size != width:
        raise layer.malformed(f"its bias has {bias.size} values, the layer needs {width}")
    return np.stack([bias.reshape(-1), np.zeros(width, bias.dtype)])


def step(
    g: GraphBuilder, outer: GraphBuilder, cell: Cell, label: str, x: Value, states: Sequence[Value]
) -> list[Value]:
    """The next states [batch, units]; the first of them is the output. Weights go into the graph around."""
    layer, units = cell.layer, cell.units
    dtype = layer.element(x)

    def weight(name: str, array: Array) -> Value:
        return layer.weight(outer, f"{label}{name}", array, dtype)

    bias = cell.bias
    inputs = g.MatMul(x, weight("kernel", cell.kernel))
    inputs = inputs if bias is None else g.Add(inputs, weight("bias", bias[0]))
    before = states[0]
    if cell.kind == "GRU" and not cell.reset_after:
        return [_gru_before(g, cell, weight, inputs, before)]
    hidden = g.MatMul(before, weight("recurrent_kernel", cell.recurrent))
    hidden = hidden if bias is None else g.Add(hidden, weight("state_bias", bias[1]))
    if cell.kind == "SimpleRNN":
        return [function(g, layer, g.Add(inputs, hidden), cell.activation)]
    if cell.kind == "GRU":
        xs, hs = _split(g, inputs, 3, units), _split(g, hidden, 3, units)
        update, reset = (function(g, layer, g.Add(xs[i], hs[i]), cell.gate) for i in range(2))
        fresh = function(g, layer, g.Add(xs[2], g.Mul(reset, hs[2])), cell.activation)
        return [_mixed(g, layer, update, before, fresh)]
    parts = _split(g, g.Add(inputs, hidden), 4, units)
    i, f, o = (function(g, layer, parts[place], cell.gate) for place in (0, 1, 3))
    kept = g.Add(g.Mul(f, states[1]), g.Mul(i, function(g, layer, parts[2], cell.activation)))
    return [g.Mul(o, function(g, layer, kept, cell.activation)), kept]


def _gru_before(g: GraphBuilder, cell: Cell, weight: Any, inputs: Value, before: Value) -> Value:
    """The state is reset before it is multiplied."""
    layer, units = cell.layer, cell.units
    xs = _split(g, inputs, 3, units)
    gates = _split(g, g.MatMul(before, weight("gates", cell.recurrent[:, : 2 * units])), 2, units)
    update, reset = (function(g, layer, g.Add(xs[i], gates[i]), cell.gate) for i in range(2))
    hidden = g.MatMul(g.Mul(reset, before), weight("fresh", cell.recurrent[:, 2 * units :]))
    return _mixed(g, layer, update, before, function(g, layer, g.Add(xs[2], hidden), cell.activation))


def _mixed(g: GraphBuilder, layer: Layer, update: Value, before: Value, fresh: Value) -> Value:
    return g.Add(g.Mul(update, before), g.Mul(g.Sub(layer.number(update, 1), update), fresh))


def _split(g: GraphBuilder, x: Value, count: int, units: int) -> list[Value]:
    return g.ops("Split", x, [units] * count, outputs=count, axis=-1)


# Activations that ONNX's recurrent operators know: name, alpha, beta.
FUSED: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None), "sigmoid": ("Sigmoid", None, None), "relu": ("Relu", None, None),
    "softsign": ("Softsign", None, None), "softplus": ("Softplus", None, None), "linear": ("Affine", 1.0, 0.0),
    "elu": ("Elu", 1.0, None), "leaky_relu": ("LeakyRelu", 0.2, None),
}  # fmt: skip


def fused(cell: Cell) -> list[tuple[str, float | None, float | None]] | None:
    """The cell's activations in ONNX's words, None when it has others."""
    found: list[tuple[str, float | None, float | None]] = []
    values = {"SimpleRNN": [cell.activation], "GRU": [cell.gate, cell.activation],
              "LSTM": [cell.gate, cell.activation, cell.activation]}[cell.kind]  # fmt: skip
    for value in values:
        name = name_of(cell.layer, value)
        if name == "hard_sigmoid":
            found.append(("HardSigmoid", 1 / 6 if cell.layer.generation >= 3 else 0.2, 0.5))
        elif name in FUSED:
            found.append(FUSED[name])
        else:
            return None
    return found
