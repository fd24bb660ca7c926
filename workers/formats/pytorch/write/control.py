"""Control flow as Python's own: ``if``, ``for``. Bodies see the variables around them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.integers import Int, Ints
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.formats.pytorch.write.types import torch_name
from workers.hub.node import Node, constant_of, shape_of


@writes("If")
def if_(net: NetWriter, node: Node) -> None:
    for value in node.outputs:
        net.name_of(value)
    condition = net.x(node)
    _branch(net, node, f"if {condition}:", node.graph("then_branch"))
    _branch(net, node, "else:", node.graph("else_branch"))


def _branch(net: NetWriter, node: Node, head: str, graph: ir.Graph) -> None:
    with net.block(head):
        net.nodes(graph)
        for outer, inner in zip(node.outputs, graph.outputs, strict=True):
            if net.target(outer) != "_":
                net.line(f"{net.name_of(outer)} = {net.plain(inner)}")


def _always(value: ir.Value | None) -> bool:
    """Whether the condition is left out or constantly true."""
    array = None if value is None else constant_of(value)
    return value is None or (array is not None and bool(array.reshape(-1)[0]))


def _assign(net: NetWriter, targets: Sequence[str], expressions: Sequence[str]) -> None:
    """All at once, so that a new value does not change the next one."""
    pairs = [(target, value) for target, value in zip(targets, expressions, strict=True) if target != value]
    if pairs:
        left, right = (", ".join(side) for side in zip(*pairs, strict=True))
        net.line(f"{left} = {right}")


@writes("Loop")
def loop(net: NetWriter, node: Node) -> None:
    """``for`` with at most M rounds, left when the condition falls; scan outputs are stacked."""
    body = node.graph("body")
    counter, condition, *carried = body.inputs
    count = len(carried)
    names = [net.fresh(value.name or "state") for value in carried]
    _assign(net, names, [net.plain(node.x(2 + i)) for i in range(count)])
    for value, name in zip(carried, names, strict=True):
        net.alias(value, name)
    lists = [net.fresh(f"{value.name or 'scan'}_list") for value in node.outputs[count:]]
    for name in lists:
        net.line(f"{name} = []")
    checked = not (_always(node.input(1)) and _always(body.outputs[0]))
    state = net.fresh(condition.name or "condition")
    if checked:
        net.line(f"{state} = {'True' if _always(node.input(1)) else net.x(node, 1)}")
    net.alias(condition, state if checked else "torch.tensor(True)")
    number = net.fresh(counter.name or "i")
    used = bool(counter.uses()) or counter.is_graph_output()
    rounds = f"range({net.integer(node, 0)})" if node.input(0) is not None else "itertools.count()"
    net.bind_ints(counter, Ints((Int(number, True),), True))
    with net.block(f"for {number if used else '_'} in {rounds}:"):
        if checked:
            with net.block(f"if not {state}:"):
                net.line("break")
        net.nodes(body)
        for name, value in zip(lists, body.outputs[1 + count :], strict=True):
            net.line(f"{name}.append({net.plain(value)})")
        ahead = [*body.outputs[1 : 1 + count], *(body.outputs[:1] if checked else ())]
        _assign(net, [*names, state] if checked else names, [net.plain(value) for value in ahead])
    for value, name in zip(node.outputs[:count], names, strict=True):
        net.alias(value, name)
    for value, name, inner in zip(node.outputs[count:], lists, body.outputs[1 + count :], strict=True):
        _stack(net, value, name, inner, 0)


def _stack(net: NetWriter, value: ir.Value, name: str, inner: ir.Value, axis: int) -> None:
    """Scan outputs along a new axis; of no rounds at all an empty tensor, where the element's shape is known."""
    if net.target(value) == "_":
        return
    shape = shape_of(inner)
    stacked = text.call("torch.stack", name, dim=None if axis == 0 else axis)
    if shape is not None and all(isinstance(dim, int) for dim in shape) and axis == 0 and inner.dtype is not None:
        empty = text.call("torch.empty", text.tuple_of(["0", *map(str, shape)]), dtype=torch_name(inner.dtype))
        stacked = f"{stacked} if {name} else {empty}"
    net.line(f"{net.name_of(value)} = {stacked}")


@writes("Scan")
def scan(net: NetWriter, node: Node) -> None:
    """A ``for`` over slices of the scanned inputs."""
    body, scanned = node.graph("body"), node.i("num_scan_inputs")
    count = len(body.inputs) - scanned
    states, slices = body.inputs[:count], body.inputs[count:]
    names = [net.fresh(value.name or "state") for value in states]
    _assign(net, names, [net.plain(node.x(i)) for i in range(count)])
    for value, name in zip(states, names, strict=True):
        net.alias(value, name)
    lists = [net.fresh(f"{value.name or 'scan'}_list") for value in node.outputs[count:]]
    for name in lists:
        net.line(f"{name} = []")
    variables = [net.name_of(value) for value in slices]
    sources = [_slices(net, node, i, count) for i in range(scanned)]
    over = sources[0] if scanned == 1 else f"zip({', '.join(sources)}, strict=True)"
    with net.block(f"for {', '.join(variables)} in {over}:"):
        net.nodes(body)
        for name, value in zip(lists, body.outputs[count:], strict=True):
            net.line(f"{name}.append({net.plain(value)})")
        _assign(net, names, [net.plain(value) for value in body.outputs[:count]])
    for value, name in zip(node.outputs[:count], names, strict=True):
        net.alias(value, name)
    directions = node.ints("scan_output_directions", (0,) * len(lists))
    axes = node.ints("scan_output_axes", (0,) * len(lists))
    for i, (value, name) in enumerate(zip(node.outputs[count:], lists, strict=True)):
        _stack(net, value, f"{name}[::-1]" if directions[i] else name, body.outputs[count + i], axes[i])


def _slices(net: NetWriter, node: Node, index: int, states: int) -> str:
    scanned = node.i("num_scan_inputs")
    axis = node.ints("scan_input_axes", (0,) * scanned)[index]
    parts = f"{net.plain(node.x(states + index))}.unbind({axis or ''})"
    return f"reversed({parts})" if node.ints("scan_input_directions", (0,) * scanned)[index] else parts
