"""Running cells over sequences: ONNX's fused operators, or a Scan over single steps; masks of any shape.

A masked step changes nothing and repeats the last output. The fused operators only know lengths, so the steps that
count are moved to the front, run, and their results spread out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.keras.read.cells import Cell, fused, step
from workers.formats.keras.read.layer import F32, I32, I64, Array, Layer
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Dim

OPERATORS = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
# Where ONNX's gates (i, o, f, c) stand among Keras' (i, f, c, o).
LSTM_ORDER = (0, 3, 1, 2)
Step = Callable[[GraphBuilder, Value, Sequence[Value]], tuple[Value, list[Value]]]


def reversed_steps(g: GraphBuilder, x: Value, axis: int = 0) -> Value:
    return g.Slice(x, [-1], [np.iinfo(np.int64).min], [axis], [-1])


def run_cell(
    g: GraphBuilder, layer: Layer, cell: Cell, label: str, x: Value, mask: Value | None, states: Sequence[Value],
    backwards: bool,
) -> tuple[Value, list[Value]]:  # fmt: skip
    """Outputs [time, batch, units] in the order of the steps as they are run, and the last states [batch, units]."""
    if backwards and mask is not None:
        x, mask, backwards = reversed_steps(g, x), reversed_steps(g, mask, 1), False
    if fused(cell) is None:

        def one(body: GraphBuilder, value: Value, before: Sequence[Value]) -> tuple[Value, list[Value]]:
            after = step(body, g, cell, f"{label}step.", value, before)
            return after[0], after

        starts = list(states) or [zeros(g, layer, x, [cell.units])] * cell.states
        return scanned(g, layer, one, x, mask, starts, backwards)
    if mask is None:
        y, ends = run_fused(g, layer, [cell], label, x, states, None, "reverse" if backwards else "forward")
        y = g.Squeeze(y, [1])
        return (reversed_steps(g, y) if backwards else y), [g.Squeeze(end, [0]) for end in ends]
    packed = Packed(g, layer, x, mask)
    y, ends = run_fused(g, layer, [cell], label, packed.x, states, packed.lengths, "forward")
    return packed.spread(g.Squeeze(y, [1])), [g.Squeeze(end, [0]) for end in ends]


def zeros(g: GraphBuilder, layer: Layer, x: Value, tail: Sequence[int]) -> Value:
    """A state of zeros [batch, *tail] for a sequence [time, batch, ...]."""
    batch = g.Concat(g.Shape(x, start=1, end=2), list(tail), axis=0)
    state = g.Expand(np.zeros([1] * (1 + len(tail)), layer.element(x).numpy()), batch)
    state.shape = ir.Shape([g.shape(x)[1], *tail])
    return state


# --- fused -----------------------------------------------------------------------------------------------------------


def run_fused(
    g: GraphBuilder, layer: Layer, cells: Sequence[Cell], label: str, x: Value, states: Sequence[Value],
    lengths: Value | None, direction: str,
) -> tuple[Value, list[Value]]:  # fmt: skip
    """One ONNX operator: [time, directions, batch, units] and the last states [directions, batch, units]."""
    first = cells[0]
    dtype, units, width = layer.element(x), first.units, layer.fixed(g.shape(x)[2:])[0]
    if any(cell.kernel.shape[0] != width for cell in cells):
        raise layer.malformed(f"its kernel has {first.kernel.shape[0]} rows for {width} features")
    gates = first.kernel.shape[1]

    def weight(name: str, shape: Sequence[int], pick: Callable[[Cell], Array]) -> Value:
        return layer.lazy(
            g, f"{label}{name}", [len(cells), *shape], lambda: np.stack([pick(cell) for cell in cells]), dtype
        )

    w = weight("W", [gates, width], lambda cell: _ordered(cell, cell.kernel.T))
    r = weight("R", [gates, units], lambda cell: _ordered(cell, cell.recurrent.T))
    b = None
    if first.bias is not None:
        b = weight("B", [2 * gates], lambda cell: np.concatenate([_ordered(cell, row) for row in _both(cell)]))
    starts: list[Value | None] = []
    for index in range(first.states if states else 0):
        per = [g.Unsqueeze(states[index + place * first.states], [0]) for place in range(len(cells))]
        starts.append(per[0] if len(per) == 1 else g.Concat(*per, axis=0))
    outputs = g.ops(
        OPERATORS[first.kind], x, w, r, b, lengths, *starts, outputs=1 + first.states, hidden_size=units,
        direction=direction, **_activations(cells),
    )  # fmt: skip
    return outputs[0], outputs[1:]


def _activations(cells: Sequence[Cell]) -> dict[str, Any]:
    found = [entry for cell in cells for entry in fused(cell) or []]
    alphas = [alpha for _, alpha, _ in found if alpha is not None]
    betas = [beta for _, _, beta in found if beta is not None]
    attributes: dict[str, Any] = {"activations": [name for name, _, _ in found]}
    if alphas:
        attributes["activation_alpha"] = alphas
    if betas:
        attributes["activation_beta"] = betas
    if cells[0].kind == "GRU":
        attributes["linear_before_reset"] = int(cells[0].reset_after)
    return attributes


def _both(cell: Cell) -> Array:
    assert cell.bias is not None
    return cell.bias


def _ordered(cell: Cell, rows: Array) -> Array:
    """Gates along the first axis in ONNX's order."""
    if cell.kind != "LSTM":
        return rows
    return rows.reshape(4, cell.units, *rows.shape[1:])[list(LSTM_ORDER)].reshape(rows.shape)


class Packed:
    """Steps that count moved to the front of each sequence; ``spread`` puts results back to their places."""

    def __init__(self, g: GraphBuilder, layer: Layer, x: Value, mask: Value) -> None:
        self.g = g
        ones = cast(g, mask, I64)
        self.counts = g.CumSum(ones, np.asarray(1))
        self.lengths = g.ReduceSum(cast(g, mask, I32), [1], keepdims=0)
        steps = g.Shape(mask, start=1, end=2)
        # Distinct keys, larger for steps that count and for earlier ones: sorted, they are the new order.
        falling = g.Neg(g.Unsqueeze(g.Range(np.asarray(0), g.Squeeze(steps), np.asarray(1)), [0]))
        keys = g.Add(cast(g, falling, F32), cast(g, g.Mul(ones, steps), F32))
        order = g.ops("TopK", keys, steps, outputs=2, axis=1, largest=1, sorted=1)[1]
        series = g.Transpose(x, perm=[1, 0, 2])
        picked = g.GatherND(series, g.Unsqueeze(order, [2]), batch_dims=1)
        self.x = g.Transpose(picked, perm=[1, 0, 2])
        self.x.shape = x.shape

    def spread(self, y: Value) -> Value:
        """The result of the last step that counted, zeros in front of the first one."""
        g = self.g
        series = g.Transpose(y, perm=[1, 0, 2])
        padded = g.Pad(series, [0, 1, 0, 0, 0, 0], np.asarray(0, (y.dtype or F32).numpy()))
        spread = g.Transpose(g.GatherND(padded, g.Unsqueeze(self.counts, [2]), batch_dims=1), perm=[1, 0, 2])
        spread.shape = y.shape
        return spread


# --- step by step ----------------------------------------------------------------------------------------------------


def scanned(
    g: GraphBuilder, layer: Layer, one: Step, x: Value, mask: Value | None, states: Sequence[Value], backwards: bool
) -> tuple[Value, list[Value]]:
    """A Scan over axis 0; with a mask every step keeps the states, and the output, of what does not count."""
    shape = g.shape(x)
    probe, kept = _body(g, layer, one, x, mask, states, None)
    tail = [dim for dim in g.shape(kept)[1:]]
    starts = list(states)
    if mask is not None:
        first = zeros(g, layer, x, layer.fixed(tail))
        starts.append(first)
        probe, kept = _body(g, layer, one, x, mask, states, first)
    series = [x] if mask is None else [x, g.Unsqueeze(g.Transpose(mask, perm=[1, 0]), [2])]
    outputs = g.ops(
        "Scan", *starts, *series, outputs=len(starts) + 1, body=probe.graph, num_scan_inputs=len(series),
        scan_input_directions=[int(backwards)] * len(series),
    )  # fmt: skip
    y = outputs[-1]
    y.type, y.shape = ir.TensorType(layer.element(x)), ir.Shape([shape[0], shape[1], *tail])
    ends = outputs[: len(states)]
    for end, start in zip(ends, states, strict=True):
        end.type, end.shape = start.type, start.shape
    return y, ends


def _body(
    g: GraphBuilder, layer: Layer, one: Step, x: Value, mask: Value | None, states: Sequence[Value], last: Value | None
) -> tuple[GraphBuilder, Value]:
    """The sub-graph of one step, and its output."""
    body = g.inner(f"{layer.name}_body")
    dtype, shape = layer.element(x), g.shape(x)
    carried = [body.input(f"{layer.name}_state", _dims(g, state), dtype) for state in states]
    before = None if last is None else body.input(f"{layer.name}_last", _dims(g, last), dtype)
    value = body.input(f"{layer.name}_input", shape[1:], dtype)
    counts = None
    if mask is not None:
        counts = body.input(f"{layer.name}_counts", [shape[1], 1], ir.DataType.BOOL)
    y, after = one(body, value, carried)
    if counts is not None and before is not None:
        axes = list(range(2, len(g.shape(y))))
        here = body.Unsqueeze(counts, axes) if axes else counts
        after = [body.Where(here, new, old) for new, old in zip(after, carried, strict=True)]
        y = body.Where(here, y, before)
        after = [*after, body.Identity(y)]
    for index, state in enumerate(after):
        body.output(body.Identity(state) if index == 0 and state is y else state)
    body.output(y)
    return body, y


def _dims(g: GraphBuilder, value: Value) -> Sequence[Dim]:
    return g.shape(value)
