"""One pass over the operators of a graph: every one through its reading function, results named as the blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import Signature, signature

import onnx
import onnx_ir as ir

from workers.errors import InvalidOptions, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.caffe2.file import Stored
from workers.formats.caffe2.net import Blob, Graph, written_names
from workers.formats.caffe2.operators import Net, Operator
from workers.formats.caffe2.read.inputs import Shapes
from workers.formats.caffe2.read.layer import Array, Layer, Rule, Scope, Value, reads
from workers.formats.caffe2.read.layout import settle
from workers.formats.caffe2.slots import DATA_ONLY
from workers.formats.contract import Note, Progress
from workers.hub.graph import GraphBuilder
from workers.hub.legalise.fold import fold
from workers.hub.naming import unique

_SIGNATURES: dict[Rule, Signature] = {}
# Elements of the constants that are computed with while reading: sizes and indices, not weights.
SMALL = 4096


@dataclass(slots=True)
class Pass:
    """The state of one pass: what every blob's value is, and what could not be read."""

    graph: Graph
    g: GraphBuilder
    scope: Scope
    values: dict[Blob, Value] = field(default_factory=dict)
    refused: list[Unsupported] = field(default_factory=list)
    lacking: dict[Blob, str] = field(default_factory=dict)
    output_names: list[str] = field(default_factory=list)


def run(graph: Graph, shapes: Shapes, types: Mapping[str, ir.DataType], progress: Progress) -> Pass:
    """Read all operators with inputs of these shapes and types.

    Raises UnsupportedOperators with every layer that cannot be read, MalformedModel for the first that does not fit
    its inputs; ``FreeAxis`` when a free axis is in the way.
    """
    scope = Scope(graph.source.net_file, graph.training)
    state = Pass(graph, GraphBuilder("caffe2"), scope)
    scope.inner = partial(read_inner, state)
    for blob in graph.inputs:
        state.values[blob] = state.g.input(blob.name, shapes[blob.name], types[blob.name])
    read = {blob for step in graph.steps for blob in step.needs()} | set(graph.outputs)
    for count, step in enumerate(graph.steps):
        progress(count, len(graph.steps), f"{step.op.name} ({step.op.type})")
        inputs = [_value(state, blob) for blob in step.inputs]
        outer = {name: _value(state, blob) for name, blob in step.reads.items()}
        if any(value is None for value in _needed(step.op, inputs)):
            _refuse_lacking(state, step.op, step.inputs)
            continue
        used = [blob.name for blob in step.outputs if blob in read]
        found = _operator(state, state.g, step.op, inputs, {k: v for k, v in outer.items() if v is not None}, used)
        if found is not None:
            _keep(state, step.op, [*step.outputs, *step.writes.values()], found)
    if state.refused:
        raise UnsupportedOperators("caffe2", state.refused)
    return state


def _needed(op: Operator, inputs: Sequence[Value | None]) -> Sequence[Value | None]:
    return inputs[:1] if op.type in DATA_ONLY else inputs


def _refuse_lacking(state: Pass, op: Operator, blobs: Sequence[Blob]) -> None:
    """An operator that reads what is not made at inference. Below one that could not be read nothing has a shape."""
    for blob in blobs:
        if blob in state.lacking:
            reason = f"its input {blob.name!r} is {state.lacking[blob]}"
            state.refused.append(Unsupported(op.name, op.type, reason))
            return
    if reads.find(op.type, op.name) is None:
        state.refused.append(Unsupported(op.name, op.type, reads.why_not(op.type)))


def _operator(
    state: Pass,
    g: GraphBuilder,
    op: Operator,
    inputs: Sequence[Value | None],
    outer: Mapping[str, Value],
    used: Sequence[str] | None = None,
) -> list[Value | None] | None:
    """The results of one operator, None for those it has none of; None at all when it could not be read."""
    rule = reads.find(op.type, op.name)
    if rule is None:
        state.refused.append(Unsupported(op.name, op.type, reads.why_not(op.type)))
        return None
    layer = Layer(op, state.scope, outer, used)
    xs = [value for value in _needed(op, inputs) if value is not None]
    start = len(g.made)
    try:
        with g.layer(op.name, op.type):
            result = _call(rule, g, layer, xs)
            results: list[Value | None] = [result] if isinstance(result, ir.Value) else list(result)
            results = _folded(g, start, results, state.scope)
    except UnsupportedLayer as error:
        state.refused.append(error.item)
        return None
    except UnsupportedOperators as error:
        state.refused.extend(error.items)
        return None
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error
    made = {id(value) for node in g.made[start:] for value in node.outputs}
    for name, value in zip(op.outputs, results, strict=False):
        if value is not None and id(value) in made and name:
            g.rename(value, name)
    return results


def _call(rule: Rule, g: GraphBuilder, layer: Layer, xs: Sequence[Value]) -> Value | Sequence[Value | None]:
    form = _SIGNATURES.setdefault(rule, signature(rule))
    try:
        form.bind(g, layer, *xs)
    except TypeError:
        raise layer.malformed(f"it has {len(xs)} inputs where the type takes {len(form.parameters) - 2}") from None
    return rule(g, layer, *xs)


def _keep(state: Pass, op: Operator, blobs: Sequence[Blob], results: Sequence[Value | None]) -> None:
    for place, blob in enumerate(blobs):
        value = results[place] if place < len(results) else None
        if value is None:
            state.lacking[blob] = f"not made by {op.type} at inference"
        else:
            state.values[blob] = value


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


# --- constants -------------------------------------------------------------------------------------------------------


def _folded(g: GraphBuilder, start: int, results: list[Value | None], scope: Scope) -> list[Value | None]:
    """Nodes of small constants are computed at once, so that the shapes and sizes they make are known."""
    replaced: dict[Value, Value] = {}
    for node in list(g.made[start:]):
        for place, value in enumerate(node.inputs):
            if value is not None and value in replaced:
                node.replace_input_with(place, replaced[value])
        arrays = _computed(node)
        if arrays is None:
            continue
        for output, array in zip(node.outputs, arrays, strict=False):
            replaced[output] = g.constant(array)
            if output in scope.quantised:
                scope.quantised[replaced[output]] = scope.quantised[output]
        g.graph.remove(node)
        g.made.remove(node)
    return [value if value is None else replaced.get(value, value) for value in results]


def _computed(node: ir.Node) -> list[Array] | None:
    for value in node.inputs:
        if value is not None and (value.const_value is None or value.const_value.size > SMALL):
            return None
    if any(output.shape is not None and output.shape.is_static() and _size(output) > SMALL for output in node.outputs):
        return None
    try:
        return fold(node)
    except Exception:  # what the reference refuses to compute stays a node, and fails where it is run
        return None


def _size(value: Value) -> int:
    total = 1
    for dim in value.shape or ():
        total *= dim if isinstance(dim, int) else 1
    return total


# --- values ----------------------------------------------------------------------------------------------------------


def _value(state: Pass, blob: Blob) -> Value | None:
    """The value of a blob; a stored parameter becomes an initialiser at its first use. None below what was not read."""
    found = state.values.get(blob)
    if found is None and blob.version == 0 and blob.name in state.graph.source.params:
        found = state.values[blob] = stored(state.g, state.graph.source.params[blob.name])
    return found


def stored(g: GraphBuilder, record: Stored) -> Value:
    """A parameter as an initialiser: a view on the file, or joined from its pieces when it is written."""
    if record.view is not None:
        return g.weight(record.name, record.view)
    make = record.make
    tensor = ir.LazyTensor(lambda: ir.Tensor(make()), dtype=ir.DataType.from_numpy(record.dtype),
                           shape=ir.Shape(record.shape))  # fmt: skip
    return g.weight(record.name, tensor)


def read_inner(state: Pass, g: GraphBuilder, net: Net, values: Mapping[str, Value]) -> dict[str, Value]:
    """The blobs after a nested net has run on ``values``, by name. Raises UnsupportedOperators."""
    inner = Pass(state.graph, g, state.scope)
    current = dict(values)
    for op in net.operators:
        inputs = [current.get(name) for name in op.inputs]
        missing = [name for name, value in zip(op.inputs, inputs, strict=True) if value is None]
        if missing:
            raise UnsupportedOperators(
                "caffe2", [Unsupported(op.name, op.type, f"no blob {missing[0]!r} is made before its nested net")]
            )
        found = _operator(inner, g, op, inputs, current)
        if inner.refused or found is None:
            raise UnsupportedOperators("caffe2", inner.refused)
        current.update((name, value) for name, value in zip(_writes(op), found, strict=False) if value is not None)
    return current


def _writes(op: Operator) -> list[str]:
    return [*op.outputs, *written_names(op)]


# --- names and outputs -----------------------------------------------------------------------------------------------


def name_values(state: Pass) -> None:
    """Call every value as its blob: outputs first, and of a blob written in place the earlier values by a number."""
    graph = state.g.graph
    wanted: dict[Value, str] = {value: name for value, name in zip(graph.outputs, state.output_names, strict=True)}
    for blob, value in state.values.items():
        producer = value.producer()
        if producer is not None and producer.graph is graph:
            last = state.graph.last.get(blob.name) == blob
            wanted.setdefault(value, blob.name if last else f"{blob.name}_{blob.version}")
    taken: set[str | None] = {value.name for value in graph.inputs}
    for value in graph.outputs:
        name = wanted.pop(value)
        value.name = unique(name, taken)
        if value.name != name:
            detail = f"The output {name!r} has the name of an input, which it overwrites; it is called {value.name!r}."
            state.scope.notes.append(Note("renamed-output", detail, name))
    for value in [*graph.initializers.values(), *_inner_values(graph)]:
        value.name = unique(value.name or "const", taken)
    for value, name in wanted.items():
        value.name = unique(name, taken)
    outputs = set(graph.outputs)
    for value in [value for node in graph for value in node.outputs if value not in wanted and value not in outputs]:
        value.name = unique(value.name or "value", taken)


def _inner_values(graph: ir.Graph) -> list[Value]:
    """Inputs, initialisers and results of all nested graphs."""
    inner: dict[ir.Graph, None] = {}
    for node in graph.all_nodes():
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                inner[attribute.as_graph()] = None
    return [
        value for part in inner
        for value in (*part.inputs, *part.initializers.values(), *(out for node in part for out in node.outputs))
    ]  # fmt: skip


def add_outputs(state: Pass) -> list[Note]:
    """The outputs; nodes and initialisers that none of them needs go.

    Exporters list blobs that are never made at inference, such as the masks of dropout: these are left out, and said.
    """
    turned = settle(state.g)
    state.values = {blob: turned.get(value, value) for blob, value in state.values.items()}
    makers = {blob: step.op for step in state.graph.steps for blob in step.made()}
    notes = []
    for blob in state.graph.outputs:
        value = _value(state, blob)
        op = makers.get(blob)
        if value is None:
            detail = f"The output {blob.name!r} is {state.lacking.get(blob, 'never made')}; it was left out."
            notes.append(Note("missing-output", detail, op.name if op else None))
            continue
        with state.g.layer(op.name if op else blob.name, op.type if op else "Copy"):
            state.g.output(value)
            state.output_names.append(blob.name)
    if not state.g.graph.outputs:
        raise InvalidOptions(
            "none of the net's outputs is made at inference", hint="Name the outputs in the option 'outputs'."
        )
    _drop_unused(state.g.graph)
    return notes


def _drop_unused(graph: ir.Graph) -> None:
    """Nodes and initialisers that no output needs."""
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            graph.remove(node, safe=True)
    used = {value for node in graph.all_nodes() for value in node.inputs}
    for name, value in list(graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del graph.initializers[name]
