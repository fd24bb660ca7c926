"""Branches, loops and blocks, whose nets work on the blobs of the net around them.

A branch that does not write a blob leaves it as it was; a loop carries the blobs that it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from workers.formats.caffe2.net import written_names
from workers.formats.caffe2.operators import Net
from workers.formats.caffe2.read.layer import BOOL, I64, Layer, Value, reads
from workers.formats.layer import cast
from workers.hub.graph import GraphBuilder
from workers.hub.node import Dim


def inner_net(layer: Layer, key: str) -> Net:
    found = layer.op.nets.get(key)
    if found is None:
        raise layer.malformed(f"its argument {key} is no net")
    return found


def run_net(layer: Layer, g: GraphBuilder, net: Net, values: Mapping[str, Value]) -> dict[str, Value]:
    """The blobs after the net has run on ``values``."""
    if layer.scope.inner is None:
        raise layer.unsupported("it stands where no nested net can be read")
    return layer.scope.inner(g, net, values)


def own(body: GraphBuilder, value: Value) -> Value:
    """A value of the body itself, and one that is no output yet: others are copied."""
    producer = value.producer()
    inside = value.is_graph_input() if producer is None else producer.graph is body.graph
    return value if inside and not value.is_graph_output() else body.op("Identity", value)


def typed(outputs: Sequence[Value], like: Sequence[Value], front: Dim | None = None, *, lead: bool = False) -> None:
    """The types of results that inference does not find through captured values."""
    for output, value in zip(outputs, like, strict=True):
        output.type = ir.TensorType(value.dtype) if value.dtype is not None else None
        dims = [dim if isinstance(dim, int) else dim.value for dim in value.shape] if value.shape is not None else None
        output.shape = None if dims is None else ir.Shape([front, *dims] if lead else dims)


def yes(g: GraphBuilder, layer: Layer, value: Value) -> Value:
    """A condition as a truth value without axes."""
    truth = cast(g, value, BOOL)
    return truth if layer.shape(truth) == () else g.Reshape(truth, g.constant(np.empty(0, np.int64)))


def _results(layer: Layer) -> list[str]:
    """What the operator writes: its outputs, and blobs that its nets write besides."""
    return [*layer.op.outputs, *written_names(layer.op)]


@reads("If", "AsyncIf")
def if_(g: GraphBuilder, layer: Layer, condition: Value, *rest: Value) -> list[Value | None]:
    """Both branches yield all the blobs that either writes; one that has no value after the other is lost."""
    before = {**layer.outer, **dict(zip(layer.op.inputs[1:], rest, strict=True))}
    afters, bodies = [], []
    for key in ("then_net", "else_net"):
        body = g.inner(f"{layer.name}_{key}")
        after = dict(before)
        if key == "then_net" or key in layer.op.nets:
            after = run_net(layer, body, inner_net(layer, key), before)
        afters.append(after)
        bodies.append(body)
    wanted = [name for name in _results(layer) if all(name in after for after in afters)]
    found = [[own(body, after[name]) for name in wanted] for body, after in zip(bodies, afters, strict=True)]
    for body, values in zip(bodies, found, strict=True):
        for value in values:
            body.output(value)
    if not wanted:
        return [None for _ in _results(layer)]
    then, other = (body.graph for body in bodies)
    outputs = g.ops("If", yes(g, layer, condition), outputs=len(wanted), then_branch=then, else_branch=other)
    by_name = dict(zip(wanted, _merged(layer, outputs, found), strict=True))
    return [by_name.get(name) for name in _results(layer)]


def _merged(layer: Layer, outputs: list[Value], found: Sequence[Sequence[Value]]) -> list[Value]:
    """The outputs with what both branches know of their shapes."""
    typed(outputs, found[0])
    for output, one, two in zip(outputs, *found, strict=True):
        if one.shape is not None and two.shape is not None and one.shape != two.shape:
            if len(one.shape) != len(two.shape):
                output.shape = None
                continue
            pairs = zip(layer.shape(one), layer.shape(two), strict=True)
            output.shape = ir.Shape([a if a == b else None for a, b in pairs])
    return outputs


@reads("While")
def while_(g: GraphBuilder, layer: Layer, condition: Value, *rest: Value) -> list[Value]:
    """The condition's net, then the condition, then the loop's net, again and again."""
    loop, test = inner_net(layer, "loop_net"), layer.op.nets.get("cond_net")
    flag = layer.op.inputs[0]
    before = {**layer.outer, **dict(zip(layer.op.inputs, (condition, *rest), strict=True))}
    if test is not None:
        before = run_net(layer, g, test, before)
    carried = list(dict.fromkeys((flag, *_results(layer))))
    missing = [name for name in carried if name not in before]
    if missing:
        raise layer.unsupported(f"the blob {missing[0]!r} has no value when its loop is never taken")
    starts = [before[name] for name in carried]
    body = g.inner(f"{layer.name}_body")
    body.input(f"{layer.name}_iteration", [], I64)
    body.input(f"{layer.name}_goes_on", [], BOOL)
    inputs = [body.input(f"{layer.name}_variable", layer.shape(value), layer.element(value)) for value in starts]
    after = run_net(layer, body, loop, {**before, **dict(zip(carried, inputs, strict=True))})
    if test is not None:
        after = run_net(layer, body, test, after)
    goes_on = own(body, yes(body, layer, after[flag]))
    ends = [after[name] for name in carried]
    for name, start, end in zip(carried, starts, ends, strict=True):
        if layer.element(start) != layer.element(end) or layer.shape(start) != layer.shape(end):
            raise layer.unsupported(f"the blob {name!r} changes its shape or type from round to round")
    body.output(goes_on)
    for end in ends:
        body.output(own(body, end))
    outputs = g.ops("Loop", None, yes(g, layer, before[flag]), *starts, outputs=len(starts), body=body.graph)
    typed(outputs, starts)
    by_name = dict(zip(carried, outputs, strict=True))
    return [by_name[name] for name in _results(layer)]


@reads("Do")
def do(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """A block: its net sees the outer blobs under names of its own."""
    net, names, places = inner_net(layer, "net"), layer.words("inner_blobs"), layer.integers("outer_blobs_idx")
    outer = [*layer.op.inputs, *layer.op.outputs]
    if len(names) != len(places) or any(not 0 <= place < len(outer) for place in places):
        raise layer.malformed("its inner_blobs and outer_blobs_idx do not fit its inputs and outputs")
    bound = {name: outer[place] for name, place in zip(names, places, strict=True)}
    before = {**layer.outer, **dict(zip(layer.op.inputs, xs, strict=True))}
    after = run_net(layer, g, net, {name: before[blob] for name, blob in bound.items() if blob in before})
    given = {blob: after[name] for name, blob in bound.items() if name in after}
    results = []
    for blob in _results(layer):
        value = given.get(blob, before.get(blob))
        if value is None:
            break
        results.append(value)
    return results


@reads("ONNXWhile")
def onnx_while(g: GraphBuilder, layer: Layer, *xs: Value) -> list[Value]:
    """ONNX's own Loop: inputs and outputs of the body stand in ONNX's order."""
    body_net = inner_net(layer, "body")
    if len(xs) < 2:
        raise layer.malformed(f"it has {len(xs)} inputs")
    starts = list(xs[2:])
    if len(body_net.inputs) < 2 + len(starts) or len(body_net.outputs) < 1 + len(starts):
        raise layer.malformed("its body does not take and give what it carries")
    body = g.inner(f"{layer.name}_body")
    inputs = [body.input(f"{layer.name}_iteration", [], I64), body.input(f"{layer.name}_goes_on", [], BOOL)]
    inputs += [body.input(f"{layer.name}_variable", layer.shape(x), layer.element(x)) for x in starts]
    around = {name: value for name, value in layer.outer.items() if name not in body_net.inputs}
    after = run_net(layer, body, body_net, {**around, **dict(zip(body_net.inputs, inputs, strict=False))})
    ends = []
    for place, name in enumerate(body_net.outputs):
        if name not in after:
            raise layer.malformed(f"its body does not make {name!r}")
        value = after[name]
        ends.append(yes(body, layer, value) if place == 0 else value)
        body.output(own(body, ends[-1]))
    trips = g.Reshape(cast(g, xs[0], I64), g.constant(np.empty(0, np.int64))) if layer.flag("has_trip_count") else None
    first = yes(g, layer, xs[1]) if layer.flag("has_cond") else np.asarray(True)
    outputs = g.ops("Loop", trips, first, *starts, outputs=len(ends) - 1, body=body.graph)
    typed(outputs[: len(starts)], ends[1 : 1 + len(starts)])
    typed(outputs[len(starts) :], ends[1 + len(starts) :], None, lead=True)
    return outputs
