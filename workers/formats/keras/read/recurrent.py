"""Recurrent layers, alone, around any cells, in both directions, and convolutional ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from workers.formats.keras.net import Spec
from workers.formats.keras.read.cells import Cell, cell_of, fused
from workers.formats.keras.read.dense import floating
from workers.formats.keras.read.layer import Layer, Result, reads
from workers.formats.keras.read.network import tensors
from workers.formats.keras.read.sequences import reversed_steps, run_cell, run_fused
from workers.formats.keras.read.tensor import Tensor
from workers.formats.keras.weights import Stock
from workers.hub.graph import GraphBuilder, Value

TIME_MAJOR = (1, 0, 2)


@dataclass(frozen=True, slots=True)
class Run:
    """What a recurrent layer does with its cells."""

    cells: list[Cell]
    sequences: bool
    states: bool
    backwards: bool
    zero: bool


@reads("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", "RNN")
def recurrent(g: GraphBuilder, layer: Layer, x: Tensor, *more: Tensor) -> Result:
    """Further inputs are the states to begin with."""
    return _results(g, layer, floating(g, layer, x), _states(g, layer, more), plan(layer, layer.spec, layer.stock))


def plan(layer: Layer, spec: Spec, stock: Stock) -> Run:
    """The cells of a layer's configuration and its options."""
    inner = Layer(spec, stock, layer.scope, layer.name)
    if inner.flag("stateful", False):
        layer.note(
            "stateful-layer", "The layer keeps its state from one batch to the next; the converted model begins every "
            "call from zeros, as the layer does after reset_states().",
        )  # fmt: skip
    if inner.flag("time_major", False):
        raise layer.unsupported("it is time_major; build it with batches in the first axis")
    cells = [cell_of(layer, *found) for found in _cells(layer, spec, stock)]
    if not cells:
        raise layer.malformed("it has no cell")
    return Run(
        cells, inner.flag("return_sequences", False), inner.flag("return_state", False),
        inner.flag("go_backwards", False), inner.flag("zero_output_for_mask", False),
    )  # fmt: skip


def _cells(layer: Layer, spec: Spec, stock: Stock) -> list[tuple[Spec, Stock]]:
    """The cells from the bottom up, each with its weights."""
    if spec.kind == "RNN":
        cell = spec.inner.get("cell")
        if cell is None:
            raise layer.malformed("it has no cell")
        return _cells(layer, cell, stock.inner.get("cell", Stock()))
    if spec.kind == "StackedRNNCells":
        return [pair for key, cell in spec.inner.items()
                for pair in _cells(layer, cell, stock.inner.get(key, Stock()))]  # fmt: skip
    own = stock.inner.get("cell", stock) if not spec.kind.startswith("CuDNN") else stock
    return [(spec, own if own.own else stock)]


def _states(g: GraphBuilder, layer: Layer, more: Sequence[Tensor]) -> list[Value]:
    given = [*more, *tensors(list(layer.args[1:])), *tensors(layer.kwargs.get("initial_state"))]
    return [floating(g, layer, state).plain(g) for state in given]


def _mask(g: GraphBuilder, layer: Layer, x: Tensor) -> Value | None:
    given = layer.kwargs.get("mask")
    return given.plain(g) if isinstance(given, Tensor) else x.mask


def _results(g: GraphBuilder, layer: Layer, x: Tensor, states: Sequence[Value], run: Run, label: str = "") -> Result:
    layer.rank(x, 3)
    mask = _mask(g, layer, x)
    y, ends = sequence(g, layer, x.to(g, TIME_MAJOR), mask, states, run, label)
    first = _output(g, layer, run, y, ends[-run.cells[-1].states], mask)
    if run.sequences:
        first.mask = mask
    return [first, *(Tensor(end, (0, 1)) for end in ends)] if run.states else first


def _output(g: GraphBuilder, layer: Layer, run: Run, y: Value, last: Value, mask: Value | None) -> Tensor:
    if not run.sequences:
        return Tensor(last, (0, 1))
    if run.zero and mask is not None:
        counted = reversed_steps(g, mask, 1) if run.backwards else mask
        y = g.Where(g.Unsqueeze(g.Transpose(counted, perm=[1, 0]), [2]), y, layer.number(y, 0))
    return Tensor(y, TIME_MAJOR)


def sequence(
    g: GraphBuilder, layer: Layer, x: Value, mask: Value | None, states: Sequence[Value], run: Run, label: str = ""
) -> tuple[Value, list[Value]]:
    """Cells one above the other: each runs over the whole sequence of the one below."""
    wanted = sum(cell.states for cell in run.cells)
    if states and len(states) != wanted:
        raise layer.malformed(f"it is given {len(states)} states and has {wanted}")
    ends: list[Value] = []
    at, y = 0, x
    for place, cell in enumerate(run.cells):
        own = list(states[at : at + cell.states])
        at += cell.states
        mark = f"{label}cell_{place}." if len(run.cells) > 1 else label
        y, last = run_cell(g, layer, cell, mark, y, mask, own, run.backwards and place == 0)
        if run.backwards and place == 0 and mask is not None:
            mask = reversed_steps(g, mask, 1)
        ends += last
    return y, ends


# --- both directions -------------------------------------------------------------------------------------------------


@reads("Bidirectional")
def bidirectional(g: GraphBuilder, layer: Layer, x: Tensor, *more: Tensor) -> Result:
    """The second layer's sequence is turned back into the order of the first's."""
    specs = [layer.spec.inner.get(key) for key in ("forward_layer", "backward_layer")]
    if specs[0] is None or specs[1] is None:
        raise layer.malformed("it holds no layer")
    if specs[0].kind.startswith("ConvLSTM"):
        raise layer.unsupported(f"it runs a {specs[0].type} in both directions; build the two layers one by one")
    x = floating(g, layer, x)
    stocks = [layer.stock.inner.get(key, Stock()) for key in ("forward_layer", "backward_layer")]
    inner = [Layer(spec, stock, layer.scope, layer.name) for spec, stock in zip(specs, stocks, strict=True) if spec]
    for one in inner:
        one.config = {"dtype": layer.config.get("dtype"), **one.config}
    runs = [plan(layer, spec, stock) for spec, stock in zip(specs, stocks, strict=True) if spec]
    if _tensorflow_keras(layer):
        runs = [replace(run, zero=run.sequences) for run in runs]
    states = _states(g, layer, more)
    half = len(states) // 2
    layer.rank(x, 3)
    mask = _mask(g, layer, x)
    if _one_operator(runs, mask):
        pair = _together(g, layer, x, states, runs)
    else:
        pair = []
        for run, own, label in zip(runs, (states[:half], states[half:]), ("forward.", "backward."), strict=True):
            y, ends = sequence(g, layer, x.to(g, TIME_MAJOR), mask, own, run, label)
            zero = _output(g, layer, run, y, ends[-run.cells[-1].states], mask)
            turned = reversed_steps(g, zero.value) if run.backwards and run.sequences else zero.value
            pair.append((turned, ends))
    found = _merged(g, layer, runs[0], [value for value, _ in pair])
    if runs[0].sequences:
        for one_result in found:
            one_result.mask = mask
    if runs[0].states:
        return [*found, *(Tensor(end, (0, 1)) for _, last in pair for end in last)]
    return found[0] if len(found) == 1 else found


def _tensorflow_keras(layer: Layer) -> bool:
    """tf.keras makes the outputs of masked steps zero inside a Bidirectional; Keras 2.3 and before did not."""
    alone = layer.scope.version.startswith(("2.0.", "2.1.", "2.2.", "2.3.")) and "tf" not in layer.scope.version
    return layer.generation == 2 and not alone


def _one_operator(runs: Sequence[Run], mask: Value | None) -> bool:
    """Whether one ONNX operator runs both directions."""
    a, b = runs
    if mask is not None or len(a.cells) != 1 or len(b.cells) != 1 or a.backwards or not b.backwards:
        return False
    one, two = a.cells[0], b.cells[0]
    a_form, b_form = ((cell.kind, cell.units, cell.reset_after, cell.bias is None) for cell in (one, two))
    known = fused(one) is not None and fused(two) is not None
    return known and a_form == b_form and one.kernel.shape == two.kernel.shape


def _together(
    g: GraphBuilder, layer: Layer, x: Tensor, states: Sequence[Value], runs: Sequence[Run]
) -> list[tuple[Value, list[Value]]]:
    cells = [run.cells[0] for run in runs]
    if states and len(states) != 2 * cells[0].states:
        raise layer.malformed(f"it is given {len(states)} states and has {2 * cells[0].states}")
    y, ends = run_fused(g, layer, cells, "", x.to(g, TIME_MAJOR), states, None, "bidirectional")
    parts = [[g.Squeeze(part, [0]) for part in g.ops("Split", end, outputs=2, axis=0, num_outputs=2)] for end in ends]
    pair = []
    for place in range(2):
        last = [part[place] for part in parts]
        value = g.Squeeze(g.Slice(y, [place], [place + 1], [1]), [1]) if runs[place].sequences else last[0]
        pair.append((value, last))
    return pair


def _merged(g: GraphBuilder, layer: Layer, run: Run, pair: Sequence[Value]) -> list[Tensor]:
    mode = layer.config.get("merge_mode", "concat")
    order = TIME_MAJOR if run.sequences else (0, 1)
    a, b = pair
    if mode is None:
        return [Tensor(a, order), Tensor(b, order)]
    if mode == "concat":
        return [Tensor(g.Concat(a, b, axis=-1), order)]
    operators = {"sum": "Add", "ave": "Add", "mul": "Mul"}
    if not isinstance(mode, str) or mode not in operators:
        raise layer.malformed(f"its merge_mode is {str(mode)[:40]!r}")
    y = g.op(operators[mode], a, b)
    return [Tensor(g.Mul(y, layer.number(y, 0.5)) if mode == "ave" else y, order)]
