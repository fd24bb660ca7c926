"""One pass over the operators of a net: every node through its reading function, results named as MXNet names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import Signature, signature

import numpy as np
import onnx
import onnx_ir as ir

from workers.errors import MalformedModel, Unsupported, UnsupportedLayer, UnsupportedOperators
from workers.formats.contract import Progress
from workers.formats.mxnet.assemble import Assembled
from workers.formats.mxnet.file import Array, StoredArray
from workers.formats.mxnet.names import entry_name
from workers.formats.mxnet.net import Net, wanted_inputs
from workers.formats.mxnet.read.deduce import deduce
from workers.formats.mxnet.read.inputs import Shapes, is_widened, missing_shapes
from workers.formats.mxnet.read.layer import Layer, Rule, Scope, Value, reads
from workers.formats.mxnet.symbol import Entry, Node, Symbol
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim

_SIGNATURES: dict[Rule, Signature] = {}
_NARROW = ("float16", "bfloat16")


@dataclass(slots=True)
class Pass:
    """The state of one pass over one graph: what every result's value is, and what could not be read.

    ``params`` are the arrays by variable name, ``unknown`` the inputs whose shape is still to be found.
    """

    symbol: Symbol
    g: GraphBuilder
    scope: Scope
    params: Mapping[str, StoredArray] = field(default_factory=dict)
    widen: bool = True
    values: dict[Entry, Value] = field(default_factory=dict)
    unknown: dict[Value, str] = field(default_factory=dict)
    refused: list[Unsupported] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=dict)


def run(net: Net, source: Assembled, shapes: Shapes, types: Mapping[str, ir.DataType], progress: Progress) -> Pass:
    """Read all operators with inputs of these shapes and types.

    Raises UnsupportedOperators with every layer that cannot be read, InvalidOptions naming inputs of unknown shape,
    MalformedModel for the first layer that does not fit its inputs; ``FreeAxis`` when a free axis is in the way.
    """
    scope = Scope(source.symbol_file, source.symbol.np_shape)
    widen = is_widened(dict(types))
    state = Pass(net.symbol, GraphBuilder("mxnet"), scope, source.params, widen)
    scope.inner = partial(read_inner, state)
    state.used = _used(net.symbol, net.order, [entry for entry, _ in net.outputs])
    places = [((index, 0), net.symbol.nodes[index].name) for index in net.inputs]
    for entry, name in [*places, *net.cuts.items()]:
        _add_input(state, entry, name, shapes.get(name), types[name])
    for count, index in enumerate(net.order):
        node = net.symbol.nodes[index]
        progress(count, len(net.order), f"{node.name} ({node.op})")
        _node(state, index)
        if state.unknown and any(state.values.get(entry) in state.unknown for entry in wanted_inputs(node)):
            raise missing_shapes(net, source, list(state.unknown.values()))
    if state.refused:
        raise UnsupportedOperators("mxnet", state.refused)
    if state.unknown:
        raise missing_shapes(net, source, list(state.unknown.values()))
    for entry, _ in net.outputs:
        _value(state, entry)
    return state


def _add_input(state: Pass, entry: Entry, name: str, shape: Sequence[Dim] | None, dtype: ir.DataType) -> None:
    value = state.g.input(name, shape if shape is not None else [None], dtype)
    state.values[entry] = value
    if shape is None:
        state.unknown[value] = name
        return
    for axis, size in enumerate(shape):
        if isinstance(size, str):
            state.scope.symbols.setdefault(size, (value, axis))


def _used(symbol: Symbol, order: Sequence[int], heads: Sequence[Entry]) -> dict[int, int]:
    """How many outputs of each node someone reads."""
    used: dict[int, int] = {}
    for entry in [*heads, *(entry for index in order for entry in wanted_inputs(symbol.nodes[index]))]:
        used[entry[0]] = max(used.get(entry[0], 1), entry[1] + 1)
    return used


# --- one node --------------------------------------------------------------------------------------------------------


def _node(state: Pass, index: int) -> None:
    """One operator. Below one that could not be read nothing has a shape; only its type is looked at."""
    node = state.symbol.nodes[index]
    rule = reads.find(node.attrs.get("op_type", "") if node.op == "Custom" else node.op, node.name)
    if rule is None:
        state.refused.append(Unsupported(node.name, node.op, reads.why_not(node.op)))
        return
    layer = Layer(node, state.scope, state.used.get(index, 1))
    xs = []
    for entry in wanted_inputs(node):
        value = _value(state, entry)
        if value is None:
            return
        xs.append(value)
    if not _known(state, layer, xs):
        return
    start = len(state.g.made)
    try:
        with state.g.layer(node.name, node.op):
            result = _call(rule, state.g, layer, xs)
    except UnsupportedLayer as error:
        state.refused.append(error.item)
        return
    except UnsupportedOperators as error:
        state.refused.extend(error.items)
        return
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise layer.malformed(f"its inputs do not fit it: {_plain(error)}") from error
    _keep(state, index, [result] if isinstance(result, ir.Value) else list(result), start)


def _call(rule: Rule, g: GraphBuilder, layer: Layer, xs: Sequence[Value]) -> Value | Sequence[Value]:
    form = _SIGNATURES.setdefault(rule, signature(rule))
    try:
        form.bind(g, layer, *xs)
    except TypeError:
        raise layer.malformed(f"it has {len(xs)} inputs where the type takes {len(form.parameters) - 2}") from None
    return rule(g, layer, *xs)


def _keep(state: Pass, index: int, results: Sequence[Value], start: int) -> None:
    """The results as values of the node's outputs; those it made itself get MXNet's name."""
    node = state.symbol.nodes[index]
    made = {id(value) for new in state.g.made[start:] for value in new.outputs}
    for output, value in enumerate(results):
        if id(value) in made:
            state.g.rename(value, entry_name(node, output))
        state.values.setdefault((index, output), value)
    if state.used.get(index, 1) > len(results):
        layer = Layer(node, state.scope)
        state.refused.append(layer.unsupported(f"its output {len(results)} is of use in training only").item)


def _known(state: Pass, layer: Layer, xs: Sequence[Value]) -> bool:
    """Whether all inputs have a shape, those included that only this layer tells."""
    for slot, value in enumerate(xs):
        if value in state.unknown:
            shape = deduce(layer, slot, xs, set(state.unknown))
            if shape is None:
                return False
            value.shape = ir.Shape(shape)
            del state.unknown[value]
    return True


def _plain(error: Exception) -> str:
    """The inference error without the node dump in front of it."""
    return str(error).strip().splitlines()[-1][:300]


# --- values ----------------------------------------------------------------------------------------------------------


def _value(state: Pass, entry: Entry) -> Value | None:
    """The value of an entry; a parameter becomes an initialiser at its first use. None below what was not read."""
    found = state.values.get(entry)
    node = state.symbol.nodes[entry[0]]
    if found is not None or not node.is_variable:
        return found
    if entry[1] != 0:
        raise MalformedModel(
            f"output {entry[1]} of the variable {node.name!r} is asked for", file=state.scope.file, layer=node.name
        )
    stored = state.params[node.name]
    if stored.data is None:
        _refuse_array(state, node, stored)
        return None
    array = stored.data
    tensor = _wide(array) if state.widen and array.dtype.name in _NARROW else array
    value = state.values[entry] = state.g.weight(node.name, tensor)
    return value


def _refuse_array(state: Pass, node: Node, stored: StoredArray) -> None:
    if not stored.sparse:
        raise MalformedModel(
            f"the array {node.name!r} was saved without ever having had a value", file=state.scope.file,
            layer=node.name, hint="Run the network once before saving it.",
        )  # fmt: skip
    reason = f"the array is stored as {stored.sparse}; save it after .tostype('default')"
    item = Unsupported(node.name, f"{stored.sparse} array", reason)
    if item not in state.refused:
        state.refused.append(item)


def _wide(array: Array) -> ir.LazyTensor:
    """A half-precision parameter as float32, made only when it is written."""

    def make() -> ir.TensorProtocol:
        return ir.Tensor(array.astype(np.float32))

    return ir.LazyTensor(make, dtype=ir.DataType.FLOAT, shape=ir.Shape(array.shape))


# --- sub-graphs ------------------------------------------------------------------------------------------------------


def read_inner(state: Pass, g: GraphBuilder, symbol: Symbol, values: Sequence[Value]) -> list[Value]:
    """The outputs of a control-flow node's sub-graph, whose variables stand for ``values`` in their order.

    Raises UnsupportedOperators with the sub-graph's layers that cannot be read.
    """
    inner = Pass(symbol, g, state.scope, {}, state.widen)
    variables = [index for index, node in enumerate(symbol.nodes) if node.is_variable]
    if len(variables) != len(values):
        raise MalformedModel(
            f"a sub-graph of {state.scope.file!r} has {len(variables)} variables for {len(values)} inputs",
            file=state.scope.file,
        )  # fmt: skip
    inner.values = {(index, 0): value for index, value in zip(variables, values, strict=True)}
    order = [index for index, node in enumerate(symbol.nodes) if not node.is_variable]
    inner.used = _used(symbol, order, symbol.heads)
    for index in order:
        _node(inner, index)
    if inner.refused:
        raise UnsupportedOperators("mxnet", inner.refused)
    found = [_value(inner, head) for head in symbol.heads]
    return [value for value in found if value is not None]


def add_outputs(state: Pass, net: Net) -> None:
    """The net's outputs, each under its name; initialisers that nothing uses go."""
    for entry, name in net.outputs:
        node = state.symbol.nodes[entry[0]]
        with state.g.layer(node.name, node.op):
            state.g.output(state.values[entry], name)
    used = {value for node in state.g.graph.all_nodes() for value in node.inputs}
    for name, value in list(state.g.graph.initializers.items()):
        if value not in used and not value.is_graph_output():
            del state.g.graph.initializers[name]
