"""One pass over the layers of a net: every layer through its reading function, blobs as values, names at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import Signature, signature

import onnx
import onnx_ir as ir

from workers.errors import MalformedModel, MissingFile, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.caffe.net import Blob, Net, Step
from workers.formats.caffe.read.inputs import Shapes
from workers.formats.caffe.read.layer import Layer, MissingBlobs, Rule, Value, reads
from workers.formats.caffe.weights import Weights
from workers.formats.contract import Note, Progress
from workers.hub.graph import GraphBuilder
from workers.hub.naming import unique

_SIGNATURES: dict[Rule, Signature] = {}


@dataclass(slots=True)
class Pass:
    """The state of one pass: what every blob's value is, what could not be read, whose weights are missing."""

    net: Net
    weights: Weights
    g: GraphBuilder
    values: dict[Blob, Value] = field(default_factory=dict)
    made: dict[str, Value] = field(default_factory=dict)
    refused: list[Unsupported] = field(default_factory=list)
    missing: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def run(net: Net, shapes: Shapes, weights: Weights, progress: Progress) -> Pass:
    """Read all layers with inputs of these shapes.

    Raises UnsupportedOperators with every layer that cannot be read, else MissingFile or MalformedModel with every
    layer whose weights are in no file, or the first MalformedModel; ``FreeAxis`` when a free axis is in the way.
    """
    state = Pass(net, weights, GraphBuilder(net.name or "caffe"))
    for entry in net.inputs:
        if entry.blob.name in shapes:
            state.values[entry.blob] = state.g.input(entry.blob.name, shapes[entry.blob.name])
    for index, step in enumerate(net.steps):
        progress(index, len(net.steps), f"{step.record.name} ({step.record.type})")
        _step(state, step)
    if state.refused:
        raise UnsupportedOperators("caffe", state.refused)
    if state.missing:
        raise _missing(state)
    return state


def _step(state: Pass, step: Step) -> None:
    """One layer. Below a layer that could not be read nothing has a shape; only its type is looked at."""
    record = step.record
    rule = reads.find(record.type, record.name)
    if rule is None:
        state.refused.append(Unsupported(record.name, record.type, reads.why_not(record.type)))
        return
    if any(blob not in state.values for blob in step.bottoms):
        return
    layer = _layer(state, step)
    xs = [state.values[blob] for blob in step.bottoms]
    try:
        with state.g.layer(record.name, record.type):
            result = _call(rule, state.g, layer, xs)
    except UnsupportedLayer as error:
        state.refused.append(error.item)
        return
    except MissingBlobs:
        state.missing.append(step)
        return
    except onnx.shape_inference.InferenceError as error:
        raise layer.malformed(f"its bottoms do not fit it: {_plain(error)}") from error
    state.notes.extend(layer.notes)
    if layer.lacks_weights:
        state.missing.append(step)
    _check_blobs(layer)
    tops = [result] if isinstance(result, ir.Value) else list(result)
    if len(tops) < len(step.tops):
        raise layer.malformed(f"it has {len(step.tops)} tops where the type makes {len(tops)}")
    for blob, value in zip(step.tops, tops, strict=False):
        state.values.setdefault(blob, value)


def _layer(state: Pass, step: Step) -> Layer:
    """The layer with its blobs; a shared parameter's blob is its owner's, where that has one."""
    name = step.record.name
    stored = list(state.weights.layers.get(name, ()))
    owners = [f"{name}:{index}" for index in range(max(len(stored), len(step.record.param)))]
    for index in range(len(owners)):
        owner, place = state.net.owners.get((name, index), (name, index))
        theirs = state.weights.layers.get(owner, ())
        if place < len(theirs):
            owners[index] = f"{owner}:{place}"
            if index < len(stored):
                stored[index] = theirs[place]
            elif index == len(stored):
                stored.append(theirs[place])
    return Layer(step, stored, owners, state.made, state.weights.file)


def _call(rule: Rule, g: GraphBuilder, layer: Layer, xs: Sequence[Value]) -> Value | Sequence[Value]:
    form = _SIGNATURES.setdefault(rule, signature(rule))
    try:
        form.bind(g, layer, *xs)
    except TypeError:
        takes = len(form.parameters) - 2
        raise layer.malformed(f"it has {len(xs)} bottoms where the type takes {takes}") from None
    return rule(g, layer, *xs)


def _check_blobs(layer: Layer) -> None:
    """Caffe wants as many blobs in the file as the layer has: one that no one read means another kind of layer."""
    if layer.stored and layer.used and len(layer.used) != len(layer.stored):
        raise layer.malformed(f"the graph needs {len(layer.used)} blobs, {layer.file!r} has {len(layer.stored)}")
    if not layer.used and layer.stored:
        raise layer.malformed(f"it takes no blobs, but {layer.file!r} has {len(layer.stored)} for it")


def _missing(state: Pass) -> MissingFile | MalformedModel:
    """No weights file at all, or one without these layers."""
    names = [repr(step.record.name) for step in state.missing]
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    plural = "layers need" if len(names) > 1 else "layer needs"
    if not state.weights.file:
        return MissingFile(
            f"the weights are missing: {len(names)} {plural} them ({listed})", layer=state.missing[0].record.name,
            hint="Add the file with the weights, usually called *.caffemodel or *.caffemodel.h5.",
        )  # fmt: skip
    return MalformedModel(
        f"{state.weights.file!r} has no weights for {listed}; Caffe would fill them at random",
        file=state.weights.file, layer=state.missing[0].record.name,
        hint="Upload the weights of this very net: layers are matched by name.",
    )  # fmt: skip


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


# --- names ------------------------------------------------------------------------------------------------------------


def name_values(state: Pass) -> None:
    """Call every value as Caffe calls its blob; of a blob written in place, earlier values get a number."""
    wanted = _wanted_names(state)
    graph = state.g.graph
    taken = {value.name for value in graph.inputs} | set(graph.initializers)
    inner = [node for node in graph.all_nodes() if node.graph is not graph]
    taken.update(value.name for node in inner for value in (*node.outputs, *node.inputs) if value is not None)
    for value, name in wanted.items():
        value.name = unique(name, taken)
    for value in [value for node in graph for value in node.outputs if value not in wanted]:
        value.name = unique(value.name or "value", taken)


def _wanted_names(state: Pass) -> dict[Value, str]:
    """The name of every computed blob's value; one that is an output under several names keeps its output's."""
    wanted: dict[Value, str] = {}
    for blob, value in state.values.items():
        if not (value.is_graph_input() or value.is_initializer()):
            wanted.setdefault(value, blob.name if blob.last else f"{blob.name}_{blob.version}")
    for blob in state.net.outputs:
        if state.values[blob] in wanted:
            wanted[state.values[blob]] = blob.name
    return wanted


def add_outputs(state: Pass) -> None:
    """The net's outputs, each under its blob's name."""
    for blob in state.net.outputs:
        value = state.values[blob]
        maker = blob.maker.record if blob.maker is not None else None
        with state.g.layer(maker.name if maker else "", maker.type if maker else ""):
            state.g.output(value, blob.name)
