"""Step nets that are an LSTM or a GRU, told by their operators, as ONNX's layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.operators import Operator
from workers.formats.caffe2.read.layer import Array, Layer, Value
from workers.formats.caffe2.read.recurrence import Buffers, Recurrence, initial_state
from workers.formats.caffe2.read.sizes import size_of
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder


@dataclass(frozen=True, slots=True)
class _Step:
    """The operators of a step net by what they write; a name that is written twice stands for both in turn."""

    made: dict[str, list[Operator]]
    last: Operator

    def maker(self, name: str, before: Operator) -> Operator | None:
        """The operator whose result ``before`` reads under this name."""
        found = [op for op in self.made.get(name, ()) if op is not before]
        return found[-1] if found else None


def as_cell(g: GraphBuilder, layer: Layer, r: Recurrence) -> Buffers | None:
    """The states by ONNX's LSTM or GRU where the step is one, else None."""
    step = _step(r.net.operators)
    if step is None or len(r.sequences) != 1:
        return None
    if step.last.type == "LSTMUnit":
        return _lstm(g, layer, r, step)
    return _gru(g, layer, r, step)


def _step(operators: Sequence[Operator]) -> _Step | None:
    if not operators or operators[-1].type not in ("LSTMUnit", "GRUUnit"):
        return None
    made: dict[str, list[Operator]] = {}
    for op in operators:
        for name in op.outputs:
            made.setdefault(name, []).append(op)
    return _Step(made, operators[-1])


def _dense(g: GraphBuilder, r: Recurrence, op: Operator | None) -> tuple[str, Array, Array] | None:
    """The input of an FC over the last axis, its weight and its bias, where these are parameters."""
    if op is None or op.type != "FC" or len(op.inputs) != 3 or "axis" not in op.args or op.args["axis"].i != 2:
        return None
    arrays = [g.const(r.around[name]) if name in r.around else None for name in op.inputs[1:]]
    if arrays[0] is None or arrays[1] is None or arrays[0].ndim != 2 or "axis_w" in op.args:
        return None
    return op.inputs[0], arrays[0], arrays[1].reshape(-1)


def _number(op: Operator, key: str, default: float) -> float:
    arg = op.args.get(key)
    return default if arg is None else float(arg.f if arg.has("f") else arg.i)


# --- LSTM ------------------------------------------------------------------------------------------------------------


def _lstm(g: GraphBuilder, layer: Layer, r: Recurrence, step: _Step) -> Buffers | None:
    """{FC of the hidden state, Sum with the input, LSTMUnit}."""
    unit = step.last
    (sequence,) = r.sequences
    states = _states(r, unit.inputs[:2], unit.outputs[:2])
    total = step.maker(unit.inputs[2], unit) if len(unit.inputs) > 3 else None
    if states is None or total is None or total.type not in ("Sum", "Add") or len(r.net.operators) != 3:
        return None
    parts = [name for name in total.inputs if name != sequence]
    if len(total.inputs) != 2 or len(parts) != 1 or _asks_for_all(layer, r, states[1]):
        return None
    dense = _dense(g, r, step.maker(parts[0], total))
    if dense is None or dense[0] != unit.inputs[0]:
        return None
    width = dense[1].shape[1]
    if dense[1].shape[0] != 4 * width or dense[2].size != 4 * width:
        return None
    x, w, bias = _projected(g, layer, r.sequences[sequence], 4 * width)
    shift = np.zeros(4 * width, np.float32)
    shift[width : 2 * width] = _number(unit, "forget_bias", 0.0)
    # Both keep i, f, o, candidate; ONNX wants i, o, f, candidate.
    order = [0, 2, 1, 3]
    lengths = _lengths_of(r, unit, 4)
    return _run(g, layer, r, "LSTM", states, [x, _turned(w, order), _turned(dense[1], order),
                np.concatenate([_turned(bias + shift, order), _turned(dense[2], order)])], lengths,
                drops=bool(_number(unit, "drop_states", 0)))  # fmt: skip


def _asks_for_all(layer: Layer, r: Recurrence, state: str) -> bool:
    """Whether anybody reads a state after every step: ONNX's LSTM gives the last cell state only."""
    return any(alias.state == state and alias.offset != -1 and alias.name in layer.used for alias in r.aliases)


def _turned(array: Array, order: Sequence[int]) -> Array:
    """Blocks of rows in another order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[place] for place in order])


def _states(r: Recurrence, inputs: Sequence[str], outputs: Sequence[str]) -> list[str] | None:
    """The states that the unit reads and writes, in its order."""
    found = []
    for entry, result in zip(inputs, outputs, strict=True):
        state = next((s for s in r.states if r.step_input(s) == entry and r.step_output(s) == result), None)
        if state is None:
            return None
        found.append(state)
    return found if len(found) == len(r.states) else None


def _lengths_of(r: Recurrence, unit: Operator, count: int) -> Value | None:
    """The lengths of the sequences, which stand in front of the number of the step."""
    if _number(unit, "sequence_lengths", 1) == 0 or len(unit.inputs) < count + 1:
        return None
    return r.around.get(unit.inputs[count - 1])


def _projected(g: GraphBuilder, layer: Layer, x: Value, width: int) -> tuple[Value, Array, Array]:
    """The input in front of its projection with that projection; an input that has none is projected by ones."""
    reshaped = x.producer()
    gemm = _producer(reshaped, "Reshape")
    before = _producer(gemm, "Gemm")
    if gemm is not None and before is not None and before.op_type == "Reshape" and len(gemm.inputs) == 3:
        weight, bias = g.const(gemm.inputs[1]), g.const(gemm.inputs[2])
        source = before.inputs[0]
        turned = gemm.attributes.get("transB")
        if weight is None or bias is None or source is None or turned is None:
            return _unprojected(x, width)
        if turned.as_int() == 1 and layer.rank(source) == 3 and weight.shape[0] == width:
            return source, weight, bias
    return _unprojected(x, width)


def _unprojected(x: Value, width: int) -> tuple[Value, Array, Array]:
    return x, np.eye(width, dtype=np.float32), np.zeros(width, np.float32)


def _producer(node: ir.Node | None, type: str) -> ir.Node | None:
    """What makes the first input of a node of this type."""
    if node is None or node.op_type != type or node.inputs[0] is None:
        return None
    return node.inputs[0].producer()


def _run(
    g: GraphBuilder, layer: Layer, r: Recurrence, type: str, states: Sequence[str], operands: Sequence[Value | Array],
    lengths: Value | None, *, drops: bool, after: int | None = None,
) -> Buffers:  # fmt: skip
    """ONNX's layer; behind its end a sequence has zeros there, and its last state (or, dropped, zeros) in Caffe2."""
    x, *weights = operands
    assert isinstance(x, ir.Value)
    batch = size_of(g, layer, x, 1)
    starts = {state: initial_state(g, layer, r.initial[state], batch) for state in r.states}
    arrays = [g.weight(f"{layer.name}.{label}", np.asarray(w)[None]) for label, w in
              zip(("w", "r", "b"), weights, strict=True)]  # fmt: skip
    width = layer.size(arrays[1], 2)
    steps = None if lengths is None else cast(g, lengths, ir.DataType.INT32)
    y, *ends = g.ops(type, x, *arrays, steps, *(starts[state] for state in states), outputs=1 + len(states),
                     hidden_size=width, linear_before_reset=after)  # fmt: skip
    every, last = g.Squeeze(y, [1]), dict(zip(states, ends, strict=True))
    buffers = Buffers(g, layer, starts)
    if lengths is not None:
        whole = _inside(g, layer, x, lengths)
        if drops:
            full = g.Unsqueeze(g.ReduceMin(g.Cast(whole, to=int(ir.DataType.INT32)), [0], keepdims=0), [0])
            gone = g.Equal(full, np.asarray(0, np.int32))
            last = {state: g.Where(gone, layer.number(end, 0), end) for state, end in last.items()}
        else:
            every = g.Where(whole, every, last[states[0]])
    buffers.every[states[0]] = every
    buffers.last.update(last)
    for state in states[1:]:
        buffers.every[state] = last[state]  # never asked for: see _lstm
    return buffers


def _inside(g: GraphBuilder, layer: Layer, x: Value, lengths: Value) -> Value:
    """[T, N, 1]: whether a sequence has a step."""
    steps = size_of(g, layer, x, 0)
    stop = np.asarray(steps[0]) if isinstance(steps, list) else g.Squeeze(steps, [0])
    times = cast(g, g.Range(np.asarray(0), stop, np.asarray(1)), layer.element(lengths))
    return g.Unsqueeze(g.Less(g.Unsqueeze(times, [1]), g.Unsqueeze(lengths, [0])), [2])


# --- GRU -------------------------------------------------------------------------------------------------------------


def _gru(g: GraphBuilder, layer: Layer, r: Recurrence, step: _Step) -> Buffers | None:
    """{Split of the input, FC of reset, update and candidate, Sigmoid and Mul of the reset, Concat, GRUUnit}."""
    unit = step.last
    (sequence,) = r.sequences
    states = _states(r, unit.inputs[:1], unit.outputs[:1])
    joined = step.maker(unit.inputs[1], unit) if len(unit.inputs) > 2 else None
    if states is None or joined is None or joined.type != "Concat" or len(joined.inputs) != 3:
        return None
    hidden = unit.inputs[0]
    split = next((op for op in r.net.operators if op.type == "Split" and op.inputs[:1] == (sequence,)), None)
    if split is None or len(split.outputs) != 3 or "split" in split.args:
        return None
    gates = [_gate(g, r, step, name, part, joined) for name, part in zip(joined.inputs, split.outputs, strict=True)]
    if gates[0] is None or gates[1] is None or gates[2] is None or len(r.net.operators) not in (11, 12):
        return None
    if gates[0][0] != hidden or gates[1][0] != hidden:
        return None
    reset = _reset(step, gates[2], joined.inputs[0], hidden)
    if reset is None:
        return None
    width = gates[0][1].shape[1]
    if any(gate is None or gate[1].shape != (width, width) for gate in gates):
        return None
    x, w, bias = _projected(g, layer, r.sequences[sequence], 3 * width)
    # Reset, update, candidate here; update, reset, candidate in ONNX.
    order = [1, 0, 2]
    weights = np.concatenate([gate[1] for gate in gates if gate is not None])
    inner = np.concatenate([gate[2] for gate in gates if gate is not None])
    return _run(g, layer, r, "GRU", states, [x, _turned(w, order), _turned(weights, order),
                np.concatenate([_turned(bias, order), _turned(inner, order)])], _lengths_of(r, unit, 3),
                drops=bool(_number(unit, "drop_states", 0)), after=int(reset))  # fmt: skip


Gate = tuple[str, Array, Array]


def _gate(g: GraphBuilder, r: Recurrence, step: _Step, name: str, part: str, before: Operator) -> Gate | None:
    """What one gate's FC reads, its weight and its bias; of a candidate after the product the product's name."""
    total = step.maker(name, before)
    if total is None or total.type not in ("Sum", "Add") or part not in total.inputs or len(total.inputs) != 2:
        return None
    other = next((entry for entry in total.inputs if entry != part), None)
    maker = step.maker(other, total) if other is not None else None
    if maker is not None and maker.type == "Mul":
        for entry in maker.inputs:
            dense = _dense(g, r, step.maker(entry, maker))
            if dense is not None:
                return f"product:{maker.name}", dense[1], dense[2]
        return None
    return _dense(g, r, maker)


def _reset(step: _Step, gate: Gate, name: str, hidden: str) -> bool | None:
    """Whether the reset gate comes after the product (True) or before it (False); None when it is something else."""
    if gate[0].startswith("product:"):
        multiply = next((op for ops in step.made.values() for op in ops if f"product:{op.name}" == gate[0]), None)
        after = True
    else:
        multiply = step.maker(gate[0], step.last)
        after = False
        if multiply is None or multiply.type != "Mul" or hidden not in multiply.inputs:
            return None
    if multiply is None:
        return None
    for entry in multiply.inputs:
        sigmoid = step.maker(entry, multiply)
        if sigmoid is not None and sigmoid.type == "Sigmoid" and sigmoid.inputs == (name,):
            return after
    return None
