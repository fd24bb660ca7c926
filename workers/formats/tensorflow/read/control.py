"""If, Case and While of TF2, and the loops of TF1: their sub-graphs become the bodies of If and Loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from workers.formats.tensorflow.dtypes import BOOL, I64
from workers.formats.tensorflow.graph import Graph, Ref
from workers.formats.tensorflow.read.builder import Builder
from workers.formats.tensorflow.read.layer import Entity, Layer, Value, cast, handles
from workers.formats.tensorflow.read.loops import Body, loop
from workers.formats.tensorflow.read.network import Scope, truth, what_is
from workers.hub.node import shape_of

Reader = Callable[[Builder], list[Entity]]


def own(body: Builder, value: Value) -> Value:
    """A value of the body itself: one from around it is copied in."""
    producer = value.producer()
    inside = value.is_graph_input() if producer is None else producer.graph is body.graph
    taken = value.is_graph_output() or (value.is_graph_input() and value.graph is not body.graph)
    return value if inside and not taken and not value.is_initializer() else copy(body, value)


def copy(body: Builder, value: Value) -> Value:
    node = ir.Node("", "Identity", [value], num_outputs=1, name=f"{value.name}_copy")
    node.outputs[0].name = body._value_name(f"{value.name}_copy")
    node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
    body.graph.append(node)
    body.made.append(node)
    return node.outputs[0]


def boolean(g: Builder, layer: Layer, x: Value) -> Value:
    """A predicate of any type as a truth value without axes."""
    dims = layer.shape(x)
    if dims and any(dim != 1 for dim in dims):
        return g.constant(np.array(0 not in dims))
    flag = x if x.dtype == BOOL else cast(g, x, BOOL)
    return g.Reshape(flag, g.constant(np.zeros(0, np.int64))) if dims else flag


def if_then_else(scope: Scope, layer: Layer, predicate: Value, then: Reader, other: Reader) -> list[Entity]:
    """Both branches read; results that are no tensors (handles, lists) must be the same on both sides."""
    g = scope.g
    chosen = boolean(g, layer, predicate)
    bodies = [g.inner(f"{layer.name}_{word}") for word in ("then", "else")]
    results = [read(body) for body, read in zip(bodies, (then, other), strict=True)]
    pairs = list(zip(*results, strict=True))
    made = [(one, two) for one, two in pairs if isinstance(one, ir.Value) and isinstance(two, ir.Value)]
    for one, two in pairs:
        if (one, two) not in made and one is not two:
            odd = two if isinstance(one, ir.Value) else one
            raise layer.unsupported(
                f"its branches give {what_is(odd) if not isinstance(odd, ir.Value) else 'a tensor'}"
            )
    for one, two in made:
        for body, value in zip(bodies, (one, two), strict=True):
            body.graph.outputs.append(_marked(body, layer, value))
    if not made:
        return [one for one, _ in pairs]
    outputs = g.ops("If", chosen, outputs=len(made), then_branch=bodies[0].graph, else_branch=bodies[1].graph)
    for output, (one, two) in zip(outputs, made, strict=True):
        output.type = ir.TensorType(layer.element(one))
        a, b = shape_of(one), shape_of(two)
        known = a is not None and b is not None and len(a) == len(b)
        output.shape = (
            ir.Shape([x if x == y else None for x, y in zip(a or (), b or (), strict=True)]) if known else None
        )
    found = iter(outputs)
    return [next(found) if isinstance(one, ir.Value) else one for one, _ in pairs]


def _marked(body: Builder, layer: Layer, value: Value) -> Value:
    with body.layer(layer.name, layer.type):
        return own(body, value)


@handles("If", "StatelessIf")
def if_(scope: Scope, layer: Layer, predicate: Entity, *xs: Entity) -> list[Entity]:
    names = layer.function("then_branch"), layer.function("else_branch")
    side = truth(scope.g, predicate)
    if side is not None:
        return scope.call(names[1 - side], layer, xs)
    if not isinstance(predicate, ir.Value):
        raise layer.unsupported(f"its predicate is {what_is(predicate)}")
    readers = [lambda body, name=name: scope.call(name, layer, xs, body) for name in names]
    return if_then_else(scope, layer, predicate, *readers)


@handles("Case", "StatelessCase")
def case(scope: Scope, layer: Layer, index: Entity, *xs: Entity) -> list[Entity]:
    """One of several functions by number; numbers out of range mean the last."""
    found = layer.node.attrs.get("branches")
    names = [str(item.name) for item in found.list.func] if found is not None else []
    if not names or not isinstance(index, ir.Value):
        raise layer.malformed("it has no branches, or its index is no tensor")
    return one_of(scope, layer, index, [partial(scope.call, name, layer, xs) for name in names])


def one_of(scope: Scope, layer: Layer, index: Value, readers: Sequence[Reader]) -> list[Entity]:
    """The results of one reader by number; numbers out of range mean the last."""
    if scope.g.is_const(index):
        number = int(layer.constant(scope.g, index, "the index").reshape(()))
        return readers[number if 0 <= number < len(readers) else -1](scope.g)

    def pick(place: int, g: Builder) -> list[Entity]:
        if place == len(readers) - 1:
            return readers[place](g)
        hit = g.Equal(cast(g, index, I64), np.array(place, np.int64))
        return if_then_else(scope.within(g, {}), layer, hit, readers[place], lambda body: pick(place + 1, body))

    return pick(0, scope.g)


# --- loops ------------------------------------------------------------------------------------------------------------


@handles("While", "StatelessWhile")
def while_(scope: Scope, layer: Layer, *xs: Entity) -> list[Entity]:
    """Loop variables go through both functions; one that the body hands back unchanged is seen from within."""
    condition, body = layer.function("cond"), layer.function("body")
    function = scope.graph.library.get(body)
    if function is None or len(function.outputs) != len(xs) or len(function.arguments) != len(xs):
        raise layer.malformed(f"the function {body!r} does not fit its {len(xs)} variables")
    same = [
        _source(function.graph, ref) == (argument, 0)
        for argument, (_, ref) in zip(function.arguments, function.outputs, strict=True)
    ]
    return loop(
        scope, layer, xs, same,
        Body(
            lambda g, values: scope.call(body, layer, values, g),
            lambda g, values: scope.call(condition, layer, values, g)[0],
        ),
    )  # fmt: skip


def _source(graph: Graph, ref: Ref) -> tuple[str, int]:
    """Where a value comes from, behind identities."""
    for _ in range(64):
        node = graph.nodes.get(ref.node)
        if node is None or node.op != "Identity" or not node.inputs:
            break
        ref = node.inputs[0]
    return ref.node, ref.index


@handles("Exit", "RefExit")
def exit_(scope: Scope, layer: Layer, *outside: Entity) -> Entity:
    """The whole loop is read at its first exit; the others find their values then."""
    frame = scope.frames.loops.get(layer.node.name)
    if frame is None:
        raise layer.malformed("it leaves a loop that the graph does not have")
    starts: list[Entity] = scope.read([variable.start for variable in frame.variables], layer.node.name)
    same = [_source(scope.graph, variable.back)[0] in (variable.switch, variable.merge) for variable in frame.variables]

    def inner(g: Builder, values: Sequence[Entity]) -> Scope:
        bound = {}
        for variable, value in zip(frame.variables, values, strict=True):
            bound[variable.merge, 0] = value
            bound[variable.switch, 1] = value
        return scope.within(g, bound)

    def step(g: Builder, values: Sequence[Entity]) -> list[Entity]:
        return inner(g, values).read([variable.back for variable in frame.variables], layer.node.name)

    def test(g: Builder, values: Sequence[Entity]) -> Entity:
        return inner(g, values).read([frame.condition], layer.node.name)[0]

    results = loop(scope, layer, starts, same, Body(step, test))
    found: dict[str, Entity] = {}
    for variable, result in zip(frame.variables, results, strict=True):
        for name in variable.exits:
            found[name] = result
            scope.values[name, 0] = result
    return found[layer.node.name]
