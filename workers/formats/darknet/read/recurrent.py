"""Layers with a state. Rows are steps of time: [T * streams, ...], all streams of a step together.

The state starts at zero. Darknet's own block layout is a fully connected (or convolutional) layer for every arrow;
where ONNX has the cell (GRU, LSTM) batch normalisation is folded into its matrices, elsewhere a known number of steps
is written out and a free one becomes a Scan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.darknet.file import Array
from workers.formats.darknet.read.activation import Function, function
from workers.formats.darknet.read.convolution import Kernel, convolve, kernel_of, padding_of
from workers.formats.darknet.read.dense import Dense
from workers.formats.darknet.read.layer import Layer, Value, reads
from workers.hub.graph import GraphBuilder

# So many steps are written out before a Scan is the smaller evil.
STEPS = 100
# (builder, what each input gives at this step, states) -> states; the first one is the output.
Step = Callable[[GraphBuilder, Sequence[Value], Sequence[Value]], list[Value]]
Block = Callable[[GraphBuilder, Value], Value]


def _begin(layer: Layer) -> None:
    if layer.whole("dontload"):
        raise layer.unsupported("dontload=1: its weights are not in the file, Darknet leaves them random")
    layer.note(
        "state-starts-at-zero",
        "Darknet carries the state of this layer from one call to the next; the converted model starts every call "
        "from zero.",
    )


def _dense(g: GraphBuilder, layer: Layer, inputs: int, outputs: int, label: str, then: Function) -> Block:
    values = Dense(layer, inputs, outputs, label).values(g)
    return lambda b, x: then(b, values.call(b, x))


# --- simple cells -----------------------------------------------------------------------------------------------------


@reads("rnn")
def rnn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """s = f(Wi x + bi) + f(Ws s + bs), plus the old s with ``shortcut=1``; y = f(Wo s + bo).

    ``hidden`` is the state's width in AlexeyAB's dialect, where ``logistic`` sets the second f; pjreddie's is
    ``output``. Blocks in the file: input, self, output.
    """
    _begin(layer)
    flat = layer.flat(g, x)
    outputs = layer.positive("output")
    hidden = layer.positive("hidden") if layer.variant.alexeyab else outputs
    then = own = function(layer, "activation", "logistic")
    if layer.variant.alexeyab and layer.whole("logistic") in (1, 2):
        own = _named(layer, "loggy" if layer.whole("logistic") == 2 else "logistic")
    blocks = (
        _dense(g, layer, layer.sizes(flat)[0], hidden, "input", then), _dense(g, layer, hidden, hidden, "self", own),
        _dense(g, layer, hidden, outputs, "output", then),
    )  # fmt: skip
    return _simple(g, layer, flat, blocks, (hidden,))


def _named(layer: Layer, name: str) -> Function:
    return function(layer, "", name)


@reads("crnn")
def crnn(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """rnn with convolutions. pjreddie: 3x3, padded by one, ``output_filters`` and ``hidden_filters``; AlexeyAB: size,
    stride, pad, groups, ``output`` and ``hidden``. Blocks in the file: input, self, output.

    pjreddie's confuses height and width: it takes the buffer for an image of W rows, and so do the layers after it.
    """
    _begin(layer)
    x = layer.image(g, x)
    channels, *plane = layer.sizes(x)
    if not layer.variant.alexeyab and plane[0] != plane[1]:
        plane = plane[::-1]
        x = g.Reshape(x, [0, channels, *plane])
    if layer.variant.alexeyab:
        outputs, hidden, groups = layer.positive("output"), layer.positive("hidden"), layer.positive("groups")
        size, padding = _kept_plane(layer)
    else:
        outputs, hidden, groups = layer.positive("output_filters"), layer.positive("hidden_filters"), 1
        size, padding = 3, 1
    then = function(layer, "activation", "logistic")
    layer.budget(max(outputs, hidden), *plane)
    blocks = tuple(
        _convolution(g, layer, (into, out), size, padding, groups, label, then)
        for into, out, label in (
            (channels, hidden, "input"), (hidden, hidden, "self"), (hidden, outputs, "output"),
        )
    )  # fmt: skip
    return _simple(g, layer, x, blocks, (hidden, *plane))


def _kept_plane(layer: Layer) -> tuple[int, int]:
    """Kernel size and padding of convolutions in a loop, whose output must be as large as their input."""
    size = layer.window("size", 3)
    padding = padding_of(layer, size)
    if layer.whole("xnor"):
        raise layer.unsupported("xnor=1: binary convolutions are computed otherwise with and without a GPU")
    if layer.window("stride") != 1 or 2 * padding != size - 1:
        raise layer.malformed("its convolutions must keep the size of the image: stride=1, padding=(size - 1)/2")
    if layer.window("dilation") != 1 and size > 1:
        raise layer.unsupported("dilated convolutions in a loop are in no known model")
    return size, padding


def _convolution(
    g: GraphBuilder, layer: Layer, channels: tuple[int, int], size: int, padding: int, groups: int, label: str,
    then: Function,
) -> Block:  # fmt: skip
    inputs, outputs = channels
    if inputs % groups or outputs % groups:
        raise layer.malformed(f"{inputs} and {outputs} channels do not make {groups} groups")
    shape = (outputs, inputs // groups, size, size)
    by: Kernel = kernel_of(g, layer, shape, bool(layer.whole("batch_normalize")), f"{label}.")
    return lambda b, x: then(b, convolve(b, x, by, [1, 1], padding, groups))


def _simple(g: GraphBuilder, layer: Layer, x: Value, blocks: tuple[Block, ...], state: tuple[int, ...]) -> Value:
    """The loop of rnn and crnn: only the state's own block is inside, the others see all rows at once."""
    into, own, out = blocks
    keep = bool(layer.whole("shortcut"))

    def step(b: GraphBuilder, inputs: Sequence[Value], states: Sequence[Value]) -> list[Value]:
        fresh = b.Add(inputs[0], own(b, states[0]))
        return [b.Add(states[0], fresh) if keep else fresh]

    return out(g, _over_time(g, layer, [into(g, x)], [state], step))


# --- gated cells ------------------------------------------------------------------------------------------------------


@reads("gru")
def gru(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """z, r = logistic(U x + W h), c = f(Uh x + Wh (r h)), h = z h + (1 - z) c; f is tanh with ``tanh=1`` (pjreddie).

    Six blocks: pjreddie's file has the state's z, r, h and then the input's, AlexeyAB's the input's first.
    """
    _begin(layer)
    flat = layer.flat(g, x)
    inputs, width = layer.sizes(flat)[0], layer.positive("output")
    sides = ("input", "state") if layer.variant.alexeyab else ("state", "input")
    found = {
        f"{side}_{gate}": Dense(layer, inputs if side == "input" else width, width, f"{side}_{gate}").folded()
        for side in sides for gate in "zrh"
    }  # fmt: skip
    tanh = not layer.variant.alexeyab and bool(layer.whole("tanh"))
    arrays = _stacked(layer, found, ("input", "state"), "zrh", (inputs, width))
    return _cell(g, layer, "GRU", flat, arrays, width, activations=["Sigmoid", "Tanh" if tanh else "Sigmoid"])


@reads("lstm")
def lstm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """i, f, o = logistic(U x + W h), g = tanh(U x + W h), c = f c + i g, h = o tanh(c).

    Eight blocks, the state's (w) before the input's (u): pjreddie i, f, o, g; AlexeyAB f, i, g, o.
    """
    _begin(layer)
    flat = layer.flat(g, x)
    inputs, width = layer.sizes(flat)[0], layer.positive("output")
    order = "figo" if layer.variant.alexeyab else "ifog"
    found = {
        f"{side}_{gate}": Dense(layer, width if side == "w" else inputs, width, f"{side}{gate}").folded()
        for side in "wu" for gate in order
    }  # fmt: skip
    arrays = _stacked(layer, found, ("u", "w"), "iofg", (inputs, width))
    return _cell(g, layer, "LSTM", flat, arrays, width)


def _stacked(
    layer: Layer, found: dict[str, tuple[Array, Array]], sides: tuple[str, str], gates: str, sizes: tuple[int, int]
) -> list[tuple[str, Array]]:
    """W [1, gates*o, i], R [1, gates*o, o] and B [1, 2*gates*o] in ONNX's order of gates."""
    inputs, width = sizes
    rows = len(gates) * width

    def stack(side: str) -> Callable[[], Array]:
        return lambda: np.concatenate([found[f"{side}_{gate}"][0] for gate in gates])[None]

    def biases() -> Array:
        return np.concatenate([found[f"{side}_{gate}"][1] for side in sides for gate in gates])[None]

    return [
        ("input.weights", layer.computed((1, rows, inputs), stack(sides[0]))),
        ("state.weights", layer.computed((1, rows, width), stack(sides[1]))),
        ("biases", layer.computed((1, 2 * rows), biases)),
    ]


def _cell(
    g: GraphBuilder, layer: Layer, op: str, x: Value, arrays: list[tuple[str, Array]], width: int,
    activations: list[str] | None = None,
) -> Value:  # fmt: skip
    """ONNX's own cell over [T, streams, i]; the output as rows again."""
    values = [layer.weight(g, label, array) for label, array in arrays]
    sequence = g.Reshape(x, [-1, layer.scope.streams, layer.sizes(x)[0]])
    outputs = 2 if op == "GRU" else 3
    y = g.ops(op, sequence, *values, outputs=outputs, hidden_size=width, activations=activations)[0]
    rows = g.Reshape(y, [-1, width])
    return _with_rows(rows, x, (width,))


def _with_rows(value: Value, like: Value, sizes: tuple[int, ...]) -> Value:
    """Shape inference loses the number of rows where it is free."""
    value.shape = ir.Shape([GraphBuilder.shape(like)[0], *sizes])
    return value


@reads("conv_lstm")
def conv_lstm(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """lstm with convolutions; with ``peephole`` the cell takes part in the gates: f and i see the old one, o the new.

    Every block has the layer's own activation (linear unless given) and normalisation. The cell is clipped to
    ``state_constrain`` after each step. Blocks: (vf, vi, vo), wf, wi, wg, wo, uf, ui, ug, uo.
    """
    _begin(layer)
    if layer.whole("bottleneck"):
        raise layer.unsupported("bottleneck=1 runs with a GPU only, and the build without one reads foreign memory")
    if (
        layer.word("lstm_activation", "tanh") != "tanh"
        or layer.whole("shortcut")
        or layer.number("time_normalizer", 1) != 1
    ):
        raise layer.unsupported("lstm_activation, shortcut and time_normalizer are used by the build with a GPU only")
    x = layer.image(g, x)
    channels, *plane = layer.sizes(x)
    outputs, groups = layer.positive("output"), layer.positive("groups")
    size, padding = _kept_plane(layer)
    layer.budget(outputs, *plane)
    then = function(layer, "activation", "linear")
    names = [*("vf", "vi", "vo")[: 3 if layer.whole("peephole") else 0], "wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo"]
    blocks = {
        name: _convolution(
            g, layer, (channels if name[0] == "u" else outputs, outputs), size, padding, groups, name, then
        )
        for name in names
    }  # fmt: skip
    inputs = [blocks[f"u{gate}"](g, x) for gate in "figo"]
    limit = float(layer.whole("state_constrain", (layer.scope.steps or 1) * 32))
    if "state_constrain" not in layer.options and layer.scope.steps is None:
        raise layer.free("its state is clipped to 32 times the number of steps")
    state = (outputs, *plane)
    return _over_time(g, layer, inputs, [state, state], _conv_lstm_step(blocks, limit))


def _conv_lstm_step(blocks: dict[str, Block], limit: float) -> Step:
    def gate(b: GraphBuilder, name: str, x: Value, h: Value, cell: Value) -> Value:
        total = b.Add(x, blocks[f"w{name}"](b, h))
        return b.Add(total, blocks[f"v{name}"](b, cell)) if f"v{name}" in blocks else total

    def step(b: GraphBuilder, inputs: Sequence[Value], states: Sequence[Value]) -> list[Value]:
        h, cell = states
        forget, write = (
            b.Sigmoid(gate(b, name, inputs[index], h, cell)) for index, name in enumerate("fi")
        )  # fmt: skip
        fresh = b.Add(b.Mul(forget, cell), b.Mul(write, b.Tanh(gate(b, "g", inputs[2], h, cell))))
        opened = b.Sigmoid(gate(b, "o", inputs[3], h, fresh))
        return [b.Mul(opened, b.Tanh(fresh)), b.Clip(fresh, -limit, limit) if limit else fresh]

    return step


# --- over time --------------------------------------------------------------------------------------------------------


def _over_time(
    g: GraphBuilder, layer: Layer, inputs: Sequence[Value], states: Sequence[tuple[int, ...]], step: Step
) -> Value:
    """The first state after every step, as rows; ``states`` are the sizes of one stream's."""
    streams, steps = layer.scope.streams, layer.scope.steps
    if steps is None or steps > STEPS:
        return _scanned(g, layer, inputs, states, step)
    initial = [g.Expand(0.0, [streams, *sizes]) for sizes in states]
    layer.note("unrolled", f"The {steps} steps are written out.")
    split = [
        g.ops("Split", value, outputs=steps, axis=0, num_outputs=steps) if steps > 1 else [value] for value in inputs
    ]
    current, outputs = list(initial), []
    for one in zip(*split, strict=True):
        current = step(g, one, current)
        outputs.append(current[0])
    return g.Concat(*outputs, axis=0) if steps > 1 else outputs[0]


def _scanned(
    g: GraphBuilder, layer: Layer, inputs: Sequence[Value], states: Sequence[tuple[int, ...]], step: Step
) -> Value:
    """The same as a Scan over the time axis; the body reads the weights from around it."""
    streams = layer.scope.streams
    initial = [g.Expand(0.0, [streams, *sizes]) for sizes in states]
    sequences = [g.Reshape(value, [-1, streams, *layer.sizes(value)]) for value in inputs]
    body = g.inner(f"{layer.name}_step")
    before = [body.input(f"{layer.name}_state_{i}", [streams, *sizes]) for i, sizes in enumerate(states)]
    ones = [body.input(f"{layer.name}_x_{i}", [streams, *layer.sizes(value)]) for i, value in enumerate(inputs)]
    fresh = step(body, ones, before)
    for value in (*fresh, fresh[0]):
        body.output(value)
    outputs = g.ops(
        "Scan", *initial, *sequences, outputs=len(states) + 1, body=body.graph, num_scan_inputs=len(inputs)
    )  # fmt: skip
    for value, sizes in zip(outputs, states, strict=False):
        value.type, value.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([streams, *sizes])
    last = outputs[-1]
    last.type = ir.TensorType(ir.DataType.FLOAT)
    last.shape = ir.Shape([layer.scope.steps, streams, *states[0]])
    return _with_rows(g.Reshape(last, [-1, *states[0]]), inputs[0], states[0])


@reads("history")
def history(g: GraphBuilder, layer: Layer, x: Value) -> Value:
    """The channels of this step and of the ``history_size - 1`` steps before it; zeros before the first."""
    _begin(layer)
    x = layer.image(g, x)
    rows = GraphBuilder.shape(x)[0]
    if layer.scope.steps is None or not isinstance(rows, int):
        raise layer.free("it looks back over a known number of steps")
    size = layer.window("history_size", 4)
    layer.budget(rows, size, *layer.sizes(x))
    parts = [x]
    for back in range(1, size):
        shift = min(back * layer.scope.streams, rows)
        moved = g.Pad(x, [shift, 0, 0, 0, 0, 0, 0, 0])
        parts.append(g.Slice(moved, [0], [rows], [0]))
    return g.Concat(*parts, axis=1) if size > 1 else x
