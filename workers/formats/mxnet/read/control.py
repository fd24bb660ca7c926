"""Loops and branches: their sub-graphs become the bodies of Scan, Loop and If.

A sub-graph's variables stand for inputs of the node; what is not looped over is read from the graph around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.layer import cast
from workers.formats.mxnet.read.elementwise import truth
from workers.formats.mxnet.read.layer import Layer, Value, reads
from workers.formats.mxnet.symbol import Symbol
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


def _graph(layer: Layer, index: int, of: int) -> Symbol:
    if len(layer.node.subgraphs) != of:
        raise layer.malformed(f"it has {len(layer.node.subgraphs)} sub-graphs; it takes {of}")
    return layer.node.subgraphs[index]


def _locations(layer: Layer, key: str, limit: int) -> list[int]:
    found = list(layer.integers(key))
    if any(not 0 <= place < limit for place in found):
        raise layer.malformed(f"its {key} {found} do not exist among {limit} inputs")
    return found


def _inner(layer: Layer, body: GraphBuilder, symbol: Symbol, values: Sequence[Value]) -> list[Value]:
    if layer.scope.inner is None:
        raise layer.unsupported("it stands where no sub-graph can be read")
    return layer.scope.inner(body, symbol, values)


def _typed(outputs: Sequence[Value], like: Sequence[Value], front: Dim | None = None, lead: bool = False) -> None:
    """The types of a loop's results, which inference does not find through captured values."""
    for output, value in zip(outputs, like, strict=True):
        output.type = ir.TensorType(value.dtype) if value.dtype is not None else None
        dims = [dim if isinstance(dim, int) else dim.value for dim in value.shape] if value.shape is not None else None
        output.shape = None if dims is None else ir.Shape([front, *dims] if lead else dims)


@reads("_foreach")
def foreach(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """Over axis 0 of the data: step outputs are stacked, the last states follow them."""
    symbol = _graph(layer, 0, 1)
    count = len(xs)
    data, states, rest = (_locations(layer, f"{key}_locs", count) for key in ("in_data", "in_state", "remain"))
    made = layer.integer("num_out_data", 0)
    if sorted([*data, *states, *rest]) != list(range(count)) or not data:
        raise layer.malformed("its inputs are not all data, states or values from around it")
    series, starts, around = xs[: len(data)], xs[len(data) : len(data) + len(states)], xs[len(data) + len(states) :]
    for x in series:
        layer.rank(x, *range(1, 33))
        layer.same(layer.shape(x)[0], layer.shape(series[0])[0], "the number of steps")
    body = g.inner(f"{layer.name}_body")
    inner: dict[int, Value] = dict(zip(rest, around, strict=True))
    carried = [body.input(f"{layer.name}_state", layer.shape(x), layer.element(x)) for x in starts]
    steps = [body.input(f"{layer.name}_step", layer.shape(x)[1:], layer.element(x)) for x in series]
    inner |= dict(zip(states, carried, strict=True)) | dict(zip(data, steps, strict=True))
    results = _inner(layer, body, symbol, [inner[place] for place in range(count)])
    if not 0 <= made <= len(results) or len(results) - made != len(states):
        raise layer.malformed(f"its sub-graph has {len(results)} outputs for {made} results and {len(states)} states")
    ends = [*results[made:], *results[:made]]
    for value in ends:
        body.output(_own(body, value))
    outputs = g.ops("Scan", *starts, *series, outputs=len(ends), body=body.graph, num_scan_inputs=len(series))
    _typed(outputs[: len(states)], starts)
    _typed(outputs[len(states) :], results[:made], layer.shape(series[0])[0], lead=True)
    return [*outputs[len(states) :], *outputs[: len(states)]]


def _own(body: GraphBuilder, value: Value) -> Value:
    """A value of the body itself: one from around it is copied in."""
    producer = value.producer()
    inside = value.is_graph_input() if producer is None else producer.graph is body.graph
    return value if inside else body.op("Identity", value)


@reads("_while_loop")
def while_loop(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """As long as the condition holds, ``max_iterations`` times at most; step outputs are filled up with zeros."""
    condition, function = (_graph(layer, index, 2) for index in range(2))
    count = len(xs)
    tested, used = _locations(layer, "cond_input_locs", count), _locations(layer, "func_input_locs", count)
    looped = _locations(layer, "func_var_locs", len(used))
    most, made = layer.integer("max_iterations"), layer.integer("num_out_data", 0)
    if not 1 <= most <= 2**31 or not looped:
        raise layer.malformed(f"it runs {most} times over {len(looped)} variables")
    places = [used[place] for place in looped]
    starts = [xs[place] for place in places]
    body = g.inner(f"{layer.name}_body")
    body.input(f"{layer.name}_iteration", [], ir.DataType.INT64)
    body.input(f"{layer.name}_goes_on", [], ir.DataType.BOOL)
    carried = [body.input(f"{layer.name}_variable", layer.shape(x), layer.element(x)) for x in starts]
    inner = {**dict(enumerate(xs)), **dict(zip(places, carried, strict=True))}
    results = _inner(layer, body, function, [inner[place] for place in used])
    if not 0 <= made <= len(results) or len(results) - made != len(starts):
        raise layer.malformed(f"its sub-graph has {len(results)} outputs for {made} results, {len(starts)} variables")
    after = {**dict(enumerate(xs)), **dict(zip(places, results[made:], strict=True))}
    goes_on = _yes(body, layer, _inner(layer, body, condition, [after[place] for place in tested]))
    for value in (goes_on, *results[made:], *results[:made]):
        body.output(_own(body, value))
    first = _yes(g, layer, _inner(layer, g, condition, [xs[place] for place in tested]))
    outputs = g.ops("Loop", np.asarray(most), first, *starts, outputs=len(results), body=body.graph)
    _typed(outputs[: len(starts)], starts)
    _typed(outputs[len(starts) :], results[:made], None, lead=True)
    return [*(_filled(g, layer, x, most) for x in outputs[len(starts) :]), *outputs[: len(starts)]]


def _yes(g: GraphBuilder, layer: Layer, found: Sequence[Value]) -> Value:
    """A condition as a truth value without axes."""
    if len(found) != 1:
        raise layer.malformed(f"its condition has {len(found)} outputs")
    return g.Reshape(truth(g, layer, found[0]), g.constant(np.zeros(0, np.int64)))


def _filled(g: GraphBuilder, layer: Layer, x: Value, most: int) -> Value:
    """Rows of zeros behind the steps that were made, up to ``most``."""
    rank = len(layer.shape(x))
    missing = g.Sub([most], g.Shape(x, end=1))
    pads = g.Concat([0] * rank, missing, *([[0] * (rank - 1)] if rank > 1 else []), axis=0)
    padded = g.Pad(x, pads, layer.number(x, 0))
    padded.shape = ir.Shape([most, *layer.shape(x)[1:]])
    return padded


@reads("_cond")
def cond(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """One of two sub-graphs by the value of a third."""
    count = len(xs)
    tested, *branches = (_locations(layer, f"{key}_input_locs", count) for key in ("cond", "then", "else"))
    chosen = _yes(g, layer, _inner(layer, g, _graph(layer, 0, 3), [xs[place] for place in tested]))
    bodies, results = [], []
    for index, (name, places) in enumerate(zip(("then", "else"), branches, strict=True)):
        body = g.inner(f"{layer.name}_{name}")
        found = _inner(layer, body, _graph(layer, index + 1, 3), [xs[place] for place in places])
        for value in found:
            body.output(_own(body, value))
        bodies.append(body.graph)
        results.append(found)
    if len(results[0]) != len(results[1]) or not results[0]:
        raise layer.malformed(f"its branches have {len(results[0])} and {len(results[1])} outputs")
    outputs = g.ops("If", cast(g, chosen, ir.DataType.BOOL), outputs=len(results[0]), then_branch=bodies[0],
                    else_branch=bodies[1])  # fmt: skip
    _typed(outputs, results[0])
    for output, one, two in zip(outputs, *results, strict=True):
        if layer.shape(one) != layer.shape(two):
            pairs = zip(layer.shape(one), layer.shape(two), strict=False)
            output.shape = ir.Shape([a if a == b else None for a, b in pairs])
    return outputs
