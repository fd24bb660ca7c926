"""Sequences are Python lists; an optional is the value itself, or None."""

from __future__ import annotations

import onnx_ir as ir

from workers.formats.pytorch.write import text
from workers.formats.pytorch.write.activation import axis
from workers.formats.pytorch.write.integers import Int, Ints
from workers.formats.pytorch.write.net import NetWriter
from workers.formats.pytorch.write.registry import writes
from workers.hub.node import Node


@writes("SequenceEmpty")
def sequence_empty(net: NetWriter, node: Node) -> None:
    net.set(node, "[]")


@writes("SequenceConstruct")
def sequence_construct(net: NetWriter, node: Node) -> None:
    net.set(node, f"[{', '.join(net.plain(value) for value in node.inputs if value is not None)}]")


@writes("SequenceAt")
def sequence_at(net: NetWriter, node: Node) -> None:
    net.set(node, f"{net.plain(node.x(0))}[{net.integer(node, 1)}]")


@writes("SequenceInsert")
def sequence_insert(net: NetWriter, node: Node) -> None:
    items, item = net.plain(node.x(0)), net.plain(node.x(1))
    if node.input(2) is None:
        net.set(node, f"[*{items}, {item}]")
    else:
        place = net.integer(node, 2)
        net.set(node, f"[*{items}[:{place}], {item}, *{items}[{place}:]]")


@writes("SequenceErase")
def sequence_erase(net: NetWriter, node: Node) -> None:
    items = net.plain(node.x(0))
    if node.input(1) is None:
        net.set(node, f"{items}[:-1]")
    else:
        place = f"{net.integer(node, 1)} % len({items})"
        net.set(node, f"[each for i, each in enumerate({items}) if i != {place}]")


@writes("SequenceLength")
def sequence_length(net: NetWriter, node: Node) -> None:
    net.bind_ints(node.outputs[0], Ints((Int(f"len({net.plain(node.x(0))})", True),), True))


@writes("ConcatFromSequence")
def concat_from_sequence(net: NetWriter, node: Node) -> None:
    function = "torch.stack" if node.i("new_axis") else "torch.cat"
    net.set(node, f"{function}({net.plain(node.x(0))}, dim={node.i('axis')})")


@writes("SplitToSequence")
def split_to_sequence(net: NetWriter, node: Node) -> None:
    """Without sizes each part has one element, whose axis is dropped unless keepdims."""
    x, dim = net.x(node), axis(node, 0)
    if node.input(1) is None:
        parts = f"{x}.split(1, dim={dim})" if node.i("keepdims", 1) else f"{x}.unbind({dim})"
    else:
        known = net.items(node, 1)
        scalar = node.shape(1) == ()
        sizes = str(known[0]) if scalar and known else net.ints(node, 1)
        parts = f"{x}.split({sizes}, dim={dim})"
    net.set(node, f"list({parts})")


@writes("SequenceMap")
def sequence_map(net: NetWriter, node: Node) -> None:
    """Further inputs that are sequences go along, tensors are the same in every round."""
    body = node.graph("body")
    results = [net.name_of(value) for value in node.outputs]
    for name in results:
        net.line(f"{name} = []")
    names, sources = [], []
    for index, inner in enumerate(body.inputs):
        outer = node.x(index)
        if isinstance(outer.type, ir.SequenceType):
            names.append(net.name_of(inner))
            sources.append(net.plain(outer))
        else:
            net.alias(inner, net.plain(outer))
    over = sources[0] if len(sources) == 1 else f"zip({', '.join(sources)}, strict=True)"
    with net.block(f"for {', '.join(names)} in {over}:"):
        net.nodes(body)
        for name, value in zip(results, body.outputs, strict=True):
            net.line(f"{name}.append({net.plain(value)})")


@writes("Optional")
def optional(net: NetWriter, node: Node) -> None:
    if node.input(0) is None:
        net.set(node, "None")
    else:
        net.alias_of(node.outputs[0], node.x(0))


@writes("OptionalGetElement")
def optional_get_element(net: NetWriter, node: Node) -> None:
    net.alias_of(node.outputs[0], node.x(0))


@writes("OptionalHasElement")
def optional_has_element(net: NetWriter, node: Node) -> None:
    there = "False" if node.input(0) is None else f"{net.plain(node.x(0))} is not None"
    net.set(node, text.call("torch.tensor", there))
