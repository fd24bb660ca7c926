"""Recurrence: units of one step, and networks that run a step's net along the time axis.

A step's net that is an LSTM or a GRU becomes ONNX's layer (``cells``), any other the body of a Scan.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.read.cells import as_cell
from workers.formats.caffe2.read.control import inner_net, own, run_net, typed
from workers.formats.caffe2.read.layer import I32, Layer, Value, reads
from workers.formats.caffe2.read.recurrence import Alias, Buffers, Link, Recurrence, initial_state
from workers.formats.caffe2.read.sizes import size_of
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder


@reads("RecurrentNetwork")
def recurrent_network(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Sequences [T, N, D]; outputs are the states after all steps, or after the last [1, N, H]."""
    found = _recurrence(layer, xs)
    states = as_cell(g, layer, found) or _scan(g, layer, found)
    results = []
    for name in layer.op.outputs:
        alias = next((alias for alias in found.aliases if alias.name == name), None)
        if alias is None:
            break
        results.append(states(alias.state, alias.offset))
    return results


def _recurrence(layer: Layer, xs: Sequence[Value]) -> Recurrence:
    net, names = inner_net(layer, "step_net"), layer.op.inputs
    states, starts = layer.words("recurrent_states"), layer.integers("initial_recurrent_state_ids")
    internal, external = layer.words("link_internal"), layer.words("link_external")
    offsets, windows = layer.integers("link_offset"), layer.integers("link_window")
    if not xs or layer.rank(xs[0], 3) != 3:
        raise layer.malformed("its first input is no sequence [time, batch, features]")
    if len(states) != len(starts) or any(not 0 <= place < len(xs) for place in starts):
        raise layer.malformed("its recurrent_states do not fit its initial_recurrent_state_ids")
    if not len(internal) == len(external) == len(offsets):
        raise layer.malformed("its links are of different lengths")
    if any(window != 1 for window in windows):
        raise layer.unsupported("its links are windows over several steps")
    sources, targets = layer.words("alias_src"), layer.words("alias_dst")
    ends = layer.integers("alias_offset")
    if not len(sources) == len(targets) == len(ends) or any(source not in states for source in sources):
        raise layer.malformed("its aliases do not fit its states")
    values = dict(zip(names, xs, strict=True))
    links = tuple(Link(*parts) for parts in zip(internal, external, offsets, strict=True))
    for link in links:
        if link.external in states:
            if link.offset not in (0, 1):
                raise layer.unsupported(f"its state {link.external!r} is read {link.offset} steps away")
        elif link.external not in values or link.offset != 0:
            raise layer.malformed(f"its link to {link.external!r} leads nowhere")
    sequences = {link.internal: values[link.external] for link in links if link.external not in states}
    initial = {state: xs[place] for state, place in zip(states, starts, strict=True)}
    return Recurrence(
        net, tuple(states), initial, links, tuple(Alias(*parts) for parts in zip(sources, targets, ends, strict=True)),
        layer.word("timestep", "timestep"), sequences, {**layer.outer, **values},
    )  # fmt: skip


def _scan(g: GraphBuilder, layer: Layer, r: Recurrence) -> Buffers:
    sequences = list(r.sequences)
    if not sequences:
        raise layer.unsupported("it runs over no sequence")
    first = r.sequences[sequences[0]]
    steps, batch = layer.shape(first)[0], size_of(g, layer, first, 1)
    starts = {state: initial_state(g, layer, r.initial[state], batch) for state in r.states}
    body = g.inner(f"{layer.name}_step")
    inner = {name: value for name, value in r.around.items() if name not in r.sequences}
    carried = [body.input(f"{layer.name}_state", layer.shape(starts[s]), layer.element(starts[s])) for s in r.states]
    clock = body.input(f"{layer.name}_time", [1], I32)
    rows = []
    for name in sequences:
        value = r.sequences[name]
        layer.same(layer.shape(value)[0], steps, "the number of steps")
        rows.append(body.input(f"{layer.name}_input", layer.shape(value)[1:], layer.element(value)))
        with body.layer(layer.name, layer.type):
            inner[name] = body.Unsqueeze(rows[-1], [0])
    for state, value in zip(r.states, carried, strict=True):
        entry = r.step_input(state)
        if entry is not None:
            inner[entry] = value
    inner[r.timestep] = clock
    after = run_net(layer, body, r.net, inner)
    ends = []
    for state in r.states:
        made = r.step_output(state)
        if made is None or made not in after:
            raise layer.malformed(f"its step makes no new {state!r}")
        ends.append(after[made])
    with body.layer(layer.name, layer.type):
        for value in ends:
            body.output(own(body, value))
        for value in ends:
            body.output(body.Squeeze(value, [0]))
    stop = g.Squeeze(g.Shape(first, start=0, end=1), [0]) if not isinstance(steps, int) else np.asarray(steps)
    times = g.Unsqueeze(cast(g, g.Range(np.asarray(0), stop, np.asarray(1)), I32), [1])
    inputs = [*starts.values(), times, *(r.sequences[name] for name in sequences)]
    outputs = g.ops("Scan", *inputs, outputs=2 * len(ends), body=body.graph, num_scan_inputs=1 + len(sequences))
    typed(outputs[: len(ends)], ends)
    buffers = Buffers(g, layer, starts)
    for place, (state, end) in enumerate(zip(r.states, ends, strict=True)):
        every = outputs[len(ends) + place]
        typed([every], [end])
        every.shape = None if end.shape is None else _long(layer, end, steps)
        buffers.last[state], buffers.every[state] = outputs[place], every
    return buffers


def _long(layer: Layer, end: Value, steps: object) -> ir.Shape:
    return ir.Shape([steps if isinstance(steps, int | str) else None, *layer.shape(end)[1:]])


# --- units of one step -----------------------------------------------------------------------------------------------


def _valid(g: GraphBuilder, layer: Layer, lengths: Value | None, time: Value) -> Value | None:
    """[1, N, 1]: whether a sequence has this step."""
    if lengths is None:
        return None
    inside = g.Less(g.Reshape(cast(g, time, layer.element(lengths)), [1]), lengths)
    return g.Unsqueeze(inside, [0, 2])


def _masked(g: GraphBuilder, layer: Layer, valid: Value | None, new: Value, old: Value) -> Value:
    """Behind its end a sequence keeps its state, or (drop_states) loses it."""
    if valid is None:
        return new
    return g.Where(valid, new, layer.number(new, 0) if layer.flag("drop_states") else old)


def _lengths(layer: Layer, rest: Sequence[Value]) -> tuple[Value | None, Value]:
    """The optional lengths, and the number of the step."""
    with_lengths = layer.flag("sequence_lengths", True)
    if len(rest) != 1 + with_lengths:
        raise layer.malformed(f"it has {len(rest)} inputs behind its gates")
    return (rest[0], rest[1]) if with_lengths else (None, rest[0])


@reads("LSTMUnit")
def lstm_unit(g: GraphBuilder, layer: Layer, hidden: Value, cell: Value, gates: Value, *rest: Value) -> list[Value]:
    """Gates [1, N, 4H] in the order input, forget, output, candidate; forget_bias is added to the second."""
    lengths, time = _lengths(layer, rest)
    width = layer.size(cell, layer.rank(cell) - 1)
    layer.same(layer.shape(gates)[-1], 4 * width, "the number of its gates")
    i, f, o, c = g.ops("Split", gates, [width] * 4, outputs=4, axis=-1)
    bias = layer.real("forget_bias", 0.0)
    forget = g.Add(f, layer.number(f, bias)) if bias else f
    new_cell = g.Add(g.Mul(g.Sigmoid(forget), cell), g.Mul(g.Sigmoid(i), g.Tanh(c)))
    new_hidden = g.Mul(g.Sigmoid(o), g.Tanh(new_cell))
    valid = _valid(g, layer, lengths, time)
    return [_masked(g, layer, valid, new_hidden, hidden), _masked(g, layer, valid, new_cell, cell)]


@reads("GRUUnit")
def gru_unit(g: GraphBuilder, layer: Layer, hidden: Value, gates: Value, *rest: Value) -> Value:
    """Gates [1, N, 3H]: reset (used before), update, candidate: h' = z h + (1 - z) tanh(c) with z = sigmoid(update)."""
    lengths, time = _lengths(layer, rest)
    width = layer.size(hidden, layer.rank(hidden) - 1)
    layer.same(layer.shape(gates)[-1], 3 * width, "the number of its gates")
    _, update, candidate = g.ops("Split", gates, [width] * 3, outputs=3, axis=-1)
    z = g.Sigmoid(update)
    new = g.Add(g.Mul(z, hidden), g.Mul(g.Sub(layer.number(z, 1), z), g.Tanh(candidate)))
    return _masked(g, layer, _valid(g, layer, lengths, time), new, hidden)


# --- a stack in one operator -----------------------------------------------------------------------------------------


@reads("InferenceLSTM")
def inference_lstm(g: GraphBuilder, layer: Layer, x: Value, hidden: Value, cell: Value, *weights: Value) -> list[Value]:
    """PyTorch's LSTM: weights (w_ih, w_hh[, b_ih, b_hh]) by layer and direction, gates in the order i, f, g, o."""
    count, biases = layer.integer("num_layers", 1), layer.flag("has_biases", True)
    directions = 1 + layer.flag("bidirectional")
    each = 4 if biases else 2
    if len(weights) != count * directions * each or not 1 <= count <= 256:
        raise layer.malformed(f"it has {len(weights)} weights for {count} layers")
    layer.rank(x, 3)
    batch_first = layer.flag("batch_first")
    y = g.Transpose(x, perm=[1, 0, 2]) if batch_first else x
    last_hidden, last_cell = [], []
    for index in range(count):
        own_weights = weights[index * directions * each : (index + 1) * directions * each]
        sets = [own_weights[place * each : (place + 1) * each] for place in range(directions)]
        w, r, *b = (_joined(g, layer, [part[slot] for part in sets]) for slot in range(each))
        bias = g.Concat(*b, axis=1) if b else None
        low, high = index * directions, (index + 1) * directions
        states = [state if count == 1 else g.Slice(state, [low], [high], [0]) for state in (hidden, cell)]
        out, h, c = g.ops(
            "LSTM", y, w, r, bias, None, *states, outputs=3, hidden_size=layer.size(weights[1], 1),
            direction="bidirectional" if directions == 2 else "forward",
        )  # fmt: skip
        turned = g.Transpose(out, perm=[0, 2, 1, 3])
        y = g.Reshape(turned, [0, 0, directions * layer.size(weights[1], 1)])
        last_hidden.append(h)
        last_cell.append(c)
    ends = [parts[0] if count == 1 else g.Concat(*parts, axis=0) for parts in (last_hidden, last_cell)]
    return [g.Transpose(y, perm=[1, 0, 2]) if batch_first else y, *ends][: layer.outputs]


def _joined(g: GraphBuilder, layer: Layer, parts: Sequence[Value]) -> Value:
    """Weights of all directions in ONNX's order of gates: i, o, f, g."""
    found = []
    for part in parts:
        array = g.const(part)
        if array is None or array.shape[0] % 4:
            raise layer.unsupported("its weights are computed while the net runs")
        i, f, c, o = np.split(array, 4)
        found.append(np.concatenate([i, o, f, c]))
    return g.weight(f"{layer.name}.weight", np.stack(found))
