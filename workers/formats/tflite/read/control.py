"""Graphs within graphs: conditions, loops, calls, and the variables that an initialisation fills."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.tflite.read.held import Held
from workers.formats.tflite.read.layer import BOOL, F32, Layer, Out, Value, reads
from workers.formats.tflite.read.resources import handle, named
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim, shape_of


def _inner(layer: Layer, g: GraphBuilder, index: int, inputs: Sequence[Held]) -> list[Held]:
    assert layer.scope.inner is not None
    return layer.scope.inner(g, index, inputs)


def _inputs(layer: Layer, start: int = 0) -> list[Held]:
    return [layer.held(index) for index in range(start, len(layer.inputs))]


def _stored(layer: Layer, g: GraphBuilder, held: Held) -> Value:
    """The tensor as it crosses a graph's border: in the file's order, quantised as it is stored."""
    if held.tensor.type in ("resource", "variant") or held.tensor.type.startswith("complex"):
        raise layer.unsupported(f"a tensor of type {held.tensor.type} crosses the border of its graph")
    return held.value(g, real=layer.scope.dequantize)


def _own(g: GraphBuilder, value: Value) -> Value:
    """A graph's output must come from one of its own nodes."""
    return value if any(value in node.outputs for node in g.made) and not value.is_graph_output() else g.Identity(value)


def _crossed(layer: Layer, value: Value) -> Out:
    return Out(value, real=layer.scope.dequantize)


@reads("IF")
def if_(g: GraphBuilder, layer: Layer) -> list[Out]:
    """The branches see the tensors around them; both give the same number of outputs."""
    bodies, results = [], []
    for name in ("then", "else"):
        body = g.inner(f"{layer.name}_{name}")
        found = _inner(layer, body, layer.i(f"{name}_subgraph_index"), _inputs(layer, 1))
        results.append([_stored(layer, body, held) for held in found])
        for value in results[-1]:
            body.output(_own(body, value))
        bodies.append(body.graph)
    if len(results[0]) != len(results[1]) or len(results[0]) < len(layer.outs) or not results[0]:
        raise layer.malformed(f"its branches have {len(results[0])} and {len(results[1])} outputs")
    chosen = layer.x(g, 0)
    if layer.rank(0):
        chosen = g.Reshape(chosen, np.zeros(0, np.int64))
    outputs = g.ops("If", cast(g, chosen, BOOL), outputs=len(results[0]), then_branch=bodies[0], else_branch=bodies[1])
    for output, one, two in zip(outputs, *results, strict=True):
        output.type = one.type
        output.shape = _common(shape_of(one), shape_of(two))
    return [_crossed(layer, output) for output in outputs]


def _common(one: Sequence[Dim] | None, two: Sequence[Dim] | None) -> ir.Shape | None:
    """What two shapes agree in."""
    if one is None or two is None or len(one) != len(two):
        return None
    return ir.Shape([a if a == b else None for a, b in zip(one, two, strict=True)])


@reads("WHILE", "STABLEHLO_WHILE")
def while_(g: GraphBuilder, layer: Layer) -> list[Out]:
    """ONNX's loop asks before the first round and after each; a shape that a round changes is left open."""
    start = _inputs(layer)
    if not start:
        raise layer.malformed("it carries nothing")
    shapes = [held.dims() for held in start]
    body, after = _round(g, layer, start, shapes)
    settled = [shape if shape == shape_of(value) else _open(shape, value) for shape, value in
               zip(shapes, after, strict=True)]  # fmt: skip
    if settled != shapes:
        body, after = _round(g, layer, start, settled)
    first = _yes(g, layer, start)
    begin = [_stored(layer, g, held) for held in start]
    outputs = g.ops("Loop", None, first, *begin, outputs=len(begin), body=body.graph)
    for output, value, shape in zip(outputs, begin, settled, strict=True):
        output.type = value.type
        output.shape = None if shape is None else ir.Shape(list(shape))
    return [_crossed(layer, output) for output in outputs]


def _open(shape: Sequence[Dim] | None, value: Value) -> tuple[Dim, ...] | None:
    other = shape_of(value)
    if shape is None or other is None or len(shape) != len(other):
        return None
    return tuple(a if a == b else None for a, b in zip(shape, other, strict=True))


def _round(
    g: GraphBuilder, layer: Layer, start: Sequence[Held], shapes: Sequence[Sequence[Dim] | None]
) -> tuple[GraphBuilder, list[Value]]:
    """The loop's body: one round, then the question whether there is another."""
    body = g.inner(f"{layer.name}_body")
    body.input(f"{layer.name}_iteration", [], ir.DataType.INT64)
    body.input(f"{layer.name}_goes_on", [], ir.DataType.BOOL)
    carried = []
    for held, shape in zip(start, shapes, strict=True):
        real = layer.scope.dequantize or not held.quantised
        dtype = F32 if real and held.quantised else held.dtype
        value = body.input(f"{layer.name}_variable", list(shape or ()), dtype)
        if shape is None:
            value.shape = None
        carried.append(Held(held.tensor, held.dtype, held.quantization, {(real, False): value}))
    after = _inner(layer, body, layer.i("body_subgraph_index"), carried)
    if len(after) != len(carried):
        raise layer.malformed(f"its body gives {len(after)} of the {len(carried)} tensors that it takes")
    goes_on = _yes(body, layer, after)
    values = [_stored(layer, body, held) for held in after]
    for value in (goes_on, *values):
        body.output(_own(body, value))
    return body, values


def _yes(g: GraphBuilder, layer: Layer, state: Sequence[Held]) -> Value:
    found = _inner(layer, g, layer.i("cond_subgraph_index"), state)
    if len(found) != 1:
        raise layer.malformed(f"its condition has {len(found)} outputs")
    value = cast(g, found[0].value(g), BOOL)
    return value if found[0].dims() == () else g.Reshape(value, np.zeros(0, np.int64))


# --- calls -----------------------------------------------------------------------------------------------------------


def _results(layer: Layer, g: GraphBuilder, found: Sequence[Held]) -> list[Out]:
    """Tensors of an inlined graph as this layer's."""
    if len(found) < len(layer.outs):
        raise layer.malformed(f"its graph has {len(found)} outputs, it needs {len(layer.outs)}")
    return [as_out(layer, g, held) for held in found]


def as_out(layer: Layer, g: GraphBuilder, held: Held) -> Out:
    if held.array is not None and not held.quantised:
        return Out(array=held.array, shape=held.shape, dtype=held.dtype, known=held.known)
    if held.flat is not None and not held.forms:
        return Out(flat=held.flat)
    if held.rows is not None and not held.forms:
        return Out(rows=held.rows)
    real, first = next(iter(held.forms), (not held.quantised or layer.scope.dequantize, False))
    return Out(held.value(g, real=real, first=first), first=first, real=real, known=held.known)


@reads("CALL")
def call(g: GraphBuilder, layer: Layer) -> list[Out]:
    return _results(layer, g, _inner(layer, g, layer.i("subgraph"), _inputs(layer)))


@reads("STABLEHLO_COMPOSITE")
def stablehlo_composite(g: GraphBuilder, layer: Layer) -> list[Out]:
    """A named function with its definition, which is what is read."""
    return _results(layer, g, _inner(layer, g, layer.i("decomposition_subgraph_index"), _inputs(layer)))


# --- variables -------------------------------------------------------------------------------------------------------


@reads("CALL_ONCE")
def call_once(g: GraphBuilder, layer: Layer) -> list[Out]:
    """The initialisation, run before the first inference: it gives variables their values."""
    layer.scope.initialising = True
    try:
        _inner(layer, g, layer.i("init_subgraph_index"), [])
    finally:
        layer.scope.initialising = False
    return []


@reads("VAR_HANDLE")
def var_handle(g: GraphBuilder, layer: Layer) -> Out:
    """A name in place of a value."""
    name = f"{layer.op.options.get('container', '')}/{layer.op.options.get('shared_name', '')}"
    return handle(name)


@reads("ASSIGN_VARIABLE")
def assign_variable(g: GraphBuilder, layer: Layer) -> list[Out]:
    name = named(layer, "variable")
    if not layer.scope.initialising:
        raise layer.unsupported(
            f"it changes the variable {name.lstrip('/')!r}, which lives from one run to the next; ONNX "
            "models have no state: export the model with it as an input and an output"
        )
    layer.scope.variables[name] = layer.held(1)
    return []


@reads("READ_VARIABLE")
def read_variable(g: GraphBuilder, layer: Layer) -> Out:
    name = named(layer, "variable")
    found = layer.scope.variables.get(name)
    if found is None:
        raise layer.unsupported(f"nothing in the file gives the variable {name.lstrip('/')!r} a value")
    return as_out(layer, g, found)
