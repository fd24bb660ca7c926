"""One pass over the layers of a net: every layer through its reading function, outputs as values, names at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx

from workers.errors import LimitExceeded, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Note, Progress
from workers.formats.darknet.assemble import Assembled
from workers.formats.darknet.net import INPUT, Net, Step
from workers.formats.darknet.read.decode import suppressed
from workers.formats.darknet.read.inputs import Plan
from workers.formats.darknet.read.layer import Layer, Scope, Value, Variant, reads
from workers.formats.darknet.weights import Cursor
from workers.hub.graph import GraphBuilder
from workers.hub.naming import unique

# Layers that take other layers' outputs, and those of them that do not take the previous one's.
JOINS = ("route", "shortcut", "sam", "scale_channels")
SOURCES_ONLY = ("route", "implicit")
# A layer becomes a handful of nodes, an unrolled loop some thousands.
NODES = 50_000


@dataclass(slots=True)
class Pass:
    """The state of one pass: what every layer's value is, and what could not be read."""

    net: Net
    g: GraphBuilder
    scope: Scope
    values: dict[int, Value] = field(default_factory=dict)
    refused: list[Unsupported] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def run(source: Assembled, variant: Variant, plan: Plan, decode: bool, progress: Progress) -> Pass:
    """Read all layers.

    Raises UnsupportedOperators with every layer that cannot be read, or the first MalformedModel; ``FreeAxis`` when a
    free axis is in the way. Whether the weights were enough, and not too many, ``state.scope.cursor`` tells.
    """
    net = source.net
    g = GraphBuilder("darknet")
    data = g.input(INPUT, plan.shape)
    image = (plan.shape[-2], plan.shape[-1]) if len(plan.shape) == 4 else (None, None)
    scope = Scope(
        variant, Cursor(source.weights), source.trees, data, image, net.file, plan.steps, plan.streams, decode
    )  # fmt: skip
    state = Pass(net, g, scope)
    for step in net.steps:
        progress(step.index, len(net.steps), f"{step.name} ({step.type})")
        _step(state, step)
        if len(g.made) > NODES:
            raise LimitExceeded(
                "nodes", f"layer {step.name!r} takes the graph beyond {NODES:,} nodes", limit=NODES, file=net.file,
                layer=step.name,
            )  # fmt: skip
    if state.refused:
        raise UnsupportedOperators("darknet", state.refused)
    return state


def _step(state: Pass, step: Step) -> None:
    """One layer. Below a layer that could not be read nothing has a shape; only its type is looked at."""
    rule = reads.find(step.type, step.name)
    if rule is None:
        state.refused.append(Unsupported(step.name, step.type, reads.why_not(step.type)))
        return
    values = {-1: state.scope.data, **state.values} if step.index == 0 else state.values
    wanted = [] if step.type in SOURCES_ONLY else [step.index - 1]
    wanted += step.sources if step.type in JOINS else ()
    if any(index not in values for index in wanted):
        return
    inputs: list[Value | None] = [None] if step.type in SOURCES_ONLY else []
    inputs += [values[index] for index in wanted]
    layer = Layer(step, state.scope)
    try:
        with state.g.layer(step.name, step.type):
            value = rule(state.g, layer, *inputs)
    except UnsupportedLayer as error:
        state.refused.append(error.item)
        return
    except onnx.shape_inference.InferenceError as error:
        raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error
    layer.budget(*(size for size in GraphBuilder.shape(value)[1:] if isinstance(size, int)))
    state.notes.extend(layer.notes)
    state.values[step.index] = value


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


# --- outputs and names ------------------------------------------------------------------------------------------------


def finish(state: Pass) -> None:
    """Declare the outputs and call every value as Darknet counts its layer."""
    if state.scope.decode:
        outputs = suppressed(state.g, state.net, state.scope)
        names = {value: name for value, name in outputs}
        last = state.net.steps[state.net.outputs[-1]]
        ends = [(value, name, last) for value, name in outputs]
    else:
        steps = [state.net.steps[index] for index in state.net.outputs]
        names = {}
        ends = [(state.values[step.index], step.name, step) for step in steps]
        names.update((value, name) for value, name, _ in reversed(ends))
    for step in state.net.steps:
        names.setdefault(state.values[step.index], step.name)
    _name(state.g, names)
    for value, name, step in ends:
        with state.g.layer(step.name, step.type):
            state.g.output(value, name)


def _name(g: GraphBuilder, names: dict[Value, str]) -> None:
    """Layers' values by their names; all others by names that these leave free."""
    graph = g.graph
    taken = {value.name or "" for value in graph.inputs} | set(graph.initializers)
    inner = [node for node in graph.all_nodes() if node.graph is not graph]
    taken |= {value.name or "" for node in inner for value in (*node.outputs, *node.inputs) if value is not None}
    computed = [value for node in graph for value in node.outputs]
    for value in computed:
        if value in names:
            value.name = unique(names[value], taken)
    for value in computed:
        if value not in names:
            value.name = unique(value.name or "value", taken)
