"""Loop bodies that are recurrent cells, turned back into ONNX's LSTM, GRU and RNN.

The body is read backwards from the next states: products of gates, activations, and under them affine functions of
the step's input x and the state h. Whatever does not fit stays a Loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.read.affine import Affine, Reading, mirrored, unwrapped
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, TensorList, Value
from workers.formats.tensorflow.read.loops import Draft, counts, listed, trips
from workers.formats.tensorflow.read.network import Scope
from workers.hub.node import shape_of


@dataclass(frozen=True, slots=True)
class Gate:
    """An activation of an affine function."""

    activation: tuple[str, float, float]
    inside: Affine


@dataclass(slots=True)
class Cell:
    """``gates`` in ONNX's order. ``states`` are the variables h and, in an LSTM, c."""

    operator: str
    gates: list[Gate]
    states: list[int]
    activations: list[tuple[str, float, float]]
    attributes: dict[str, Any] = field(default_factory=dict)
    recurrent_bias: Affine | None = None


def recurrent(scope: Scope, layer: Layer, starts: Sequence[Entity], draft: Draft) -> dict[int, Entity] | None:
    """The loop's results as recurrent layers' outputs; None where its body is no stack of such cells."""
    counters = [i for i in draft.results if counts(scope.g, draft, i, starts[i])]
    stack = _stack(scope.g, draft, counters)
    rounds = trips(scope, starts, draft) if stack is not None else None
    if stack is None or rounds is None or not _whole(scope.g, rounds, stack[0][1]):
        return None
    if not _lists_fit(draft, [cell for cell, _ in stack], starts):
        return None
    results: dict[int, Entity] = {index: _counted(scope.g, layer, starts[index], rounds) for index in counters}
    source = stack[0][1]
    for cell, _ in stack:
        source = _emit(scope, layer, starts, draft, cell, source, rounds, results)
    return results


def _stack(g: Builder, draft: Draft, counters: Sequence[int]) -> list[tuple[Cell, Value]] | None:
    """The cells from the one that reads the input to the last, each with what it reads."""
    states = [i for i in draft.results if i not in counters]
    found: list[tuple[Cell, Value]] = []
    feed: Value | None = None
    while states:
        reading = Reading(g, draft, counters, feed)
        cell = _cell(reading, states)
        source = reading.source
        if cell is None or source is None or not _fits(draft, cell):
            return None
        found.append((cell, source))
        states = [index for index in states if index not in cell.states]
        feed = draft.results[cell.states[0]]
    return found if counters and found else None


def _cell(reading: Reading, states: list[int]) -> Cell | None:
    for pair in permutations(states, 2):
        cell = _lstm(reading, list(pair))
        if cell is not None:
            return cell
    for index in states:
        cell = _gru(reading, index) or _rnn(reading, index)
        if cell is not None and all(gate.inside.complete for gate in cell.gates):
            return cell
    return None


def _whole(g: Builder, rounds: Value, source: Value) -> bool:
    """Whether the loop runs over all of the source's steps."""
    known, shape = g.contents(rounds), shape_of(source)
    if known is None or shape is None or known.items[0] is None:
        return False
    return known.items[0] == shape[0]


def _fits(draft: Draft, cell: Cell) -> bool:
    """Whether the states are matrices of one width, and every gate has one weight each for input and state."""
    hidden = [shape_of(draft.inputs[index]) for index in cell.states]
    sizes = {shape[-1] for shape in hidden if shape is not None and len(shape) == 2}
    same = len(sizes) == 1 and isinstance(next(iter(sizes)), int) and None not in hidden
    return same and all(gate.inside.complete for gate in cell.gates)


def _lists_fit(draft: Draft, cells: Sequence[Cell], starts: Sequence[Entity]) -> bool:
    """Lists may hold the outputs h of one of the cells only."""
    outputs = {id(draft.results[cell.states[0]]) for cell in cells}
    return all(
        isinstance(starts[index], TensorList) and not _filled(starts[index]) and id(item) in outputs
        for index, item in draft.written.items()
    )


def _filled(entity: Entity) -> bool:
    return isinstance(entity, TensorList) and (entity.dense is not None or bool(entity.writes))


# --- the three cells --------------------------------------------------------------------------------------------------


def _gate(reading: Reading, value: Value, h: Value) -> Gate | None:
    found = reading.activation(value)
    if found is None:
        return None
    inside = reading.affine(found[1], h)
    return Gate(found[0], inside) if inside is not None else None


def _lstm(reading: Reading, states: list[int]) -> Cell | None:
    """c' = f * c + i * g, h' = o * act(c'). ONNX's order: i, o, f, g."""
    draft = reading.draft
    for h_index, c_index in (states,):
        h, c = draft.inputs[h_index], draft.inputs[c_index]
        after_h, after_c = draft.results[h_index], draft.results[c_index]
        for o_value, squashed in reading.pairs(after_h, "Mul"):
            last = reading.activation(squashed)
            if last is None or unwrapped(last[1]) is not unwrapped(after_c):
                continue
            kept = [(f, new) for one, new in reading.pairs(after_c, "Add") for f, old in reading.pairs(one, "Mul")
                    if unwrapped(old) is c]  # fmt: skip
            for f_value, new in kept:
                for i_value, g_value in reading.pairs(new, "Mul"):
                    gates = [_gate(reading, value, h) for value in (i_value, o_value, f_value, g_value)]
                    cell = _lstm_of(gates, last[0], [h_index, c_index])
                    if cell is not None:
                        return cell
    return None


def _lstm_of(gates: Sequence[Gate | None], last: tuple[str, float, float], states: list[int]) -> Cell | None:
    found = [gate for gate in gates if gate is not None]
    if len(found) != 4 or len({gate.activation for gate in found[:3]}) != 1:
        return None
    if found[0].activation[0] not in ("Sigmoid", "HardSigmoid"):
        return None
    return Cell("LSTM", found, states, [found[0].activation, found[3].activation, last])


def _gru(reading: Reading, index: int) -> Cell | None:
    """h' = z * h + (1 - z) * n, the reset gate before or behind the product with h. ONNX's order: z, r, n."""
    h, after = reading.draft.inputs[index], reading.draft.results[index]
    for one, two in reading.pairs(after, "Add"):
        for z, old in reading.pairs(one, "Mul"):
            if unwrapped(old) is not h:
                continue
            for rest, new in reading.pairs(two, "Mul"):
                if mirrored(reading.g, rest) is not None and mirrored(reading.g, rest) is unwrapped(z):
                    cell = _gru_of(reading, z, new, h, index)
                    if cell is not None:
                        return cell
    return None


def _gru_of(reading: Reading, z: Value, new: Value, h: Value, index: int) -> Cell | None:
    update, found = _gate(reading, z, h), reading.activation(new)
    if update is None or found is None:
        return None
    candidate = reading.candidate(found[1], h)
    if candidate is None:
        return None
    reset = _gate(reading, candidate.reset, h)
    if reset is None or reset.activation != update.activation:
        return None
    gates = [update, reset, Gate(found[0], candidate.inside)]
    attributes = {"linear_before_reset": int(candidate.after)}
    return Cell("GRU", gates, [index], [update.activation, found[0]], attributes, candidate.bias)


def _rnn(reading: Reading, index: int) -> Cell | None:
    gate = _gate(reading, reading.draft.results[index], reading.draft.inputs[index])
    return Cell("RNN", [gate], [index], [gate.activation]) if gate is not None else None


# --- writing them -----------------------------------------------------------------------------------------------------


def _emit(
    scope: Scope, layer: Layer, starts: Sequence[Entity], draft: Draft, cell: Cell, source: Value, rounds: Value,
    results: dict[int, Entity],
) -> Value:  # fmt: skip
    """One layer; its outputs h of all steps."""
    g = scope.g
    hidden = int(shape_of(draft.inputs[cell.states[0]])[-1])  # type: ignore[index, arg-type]
    features = cell.gates[0].inside.x_size
    dtype = layer.element(source)
    count = len(cell.gates)
    name = layer.name

    def stack(part: str) -> Any:
        return lambda: np.concatenate([np.asarray(getattr(gate.inside, part)(hidden)) for gate in cell.gates])[None]

    w = g.lazy(f"{name}.W", stack("input_weights"), dtype, [1, count * hidden, features])
    r = g.lazy(f"{name}.R", stack("state_weights"), dtype, [1, count * hidden, hidden])

    def biases() -> Any:
        first = [gate.inside.bias(hidden) for gate in cell.gates]
        second = [np.zeros(hidden, first[0].dtype) for _ in cell.gates]
        if cell.recurrent_bias is not None:
            second[-1] = cell.recurrent_bias.bias(hidden)
        return np.concatenate([*first, *second])[None]

    b = g.lazy(f"{name}.B", biases, dtype, [1, 2 * count * hidden])
    begin = [_start(g, starts[index]) for index in cell.states]
    outputs = 2 if len(cell.states) == 1 else 3
    found = g.ops(
        cell.operator, source, w, r, b, None, *begin, outputs=outputs, hidden_size=hidden,
        **_activations(cell), **cell.attributes,
    )  # fmt: skip
    for index, value in zip(cell.states, found[1:], strict=True):
        results[index] = g.Squeeze(value, [0])
    steps = g.Squeeze(found[0], [1])
    for index, item in draft.written.items():
        if item is draft.results[cell.states[0]]:
            results[index] = listed(scope, layer, starts[index], steps, rounds)
    return steps


def _start(g: Builder, start: Entity) -> Value | None:
    """A first state, left out where it is all zeros."""
    assert isinstance(start, ir.Value)
    node = start.producer()
    if node is not None and node.op_type == "Expand":
        fill = g.const(node.inputs[0]) if g.is_const(node.inputs[0]) else None
        if fill is not None and not fill.any():
            return None
    return g.Unsqueeze(start, [0])


def _counted(g: Builder, layer: Layer, start: Entity, rounds: Value) -> Value:
    assert isinstance(start, ir.Value)
    return g.Cast(rounds, to=int(layer.element(start)))


def _activations(cell: Cell) -> dict[str, Any]:
    """Named only where they are not ONNX's own; HardSigmoid and the like with their parameters."""
    names = [name for name, _, _ in cell.activations]
    if names == {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[cell.operator]:
        return {}
    found: dict[str, Any] = {"activations": names}
    if any(alpha or beta for _, alpha, beta in cell.activations):
        found["activation_alpha"] = [alpha for _, alpha, _ in cell.activations]
        found["activation_beta"] = [beta for _, _, beta in cell.activations]
    return found
