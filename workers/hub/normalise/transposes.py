"""Transposes that follow each other are one; before a Reshape, those that only move axes of size one are none."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.node import Node, shape_of
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def merge_transposes(model: ir.Model, options: Options) -> list[Change]:
    """Let every Transpose read what is in front of another; one that gives its input back goes.

    The elements and their order stay; a Transpose that others read as well stays for those.
    """
    merged = []
    for graph in model.graphs():
        for node in list(graph):
            if node.domain:
                continue
            if node.op_type == "Transpose" and _composed(node):
                merged.append(layer_of(node))
                _drop_identity(node, graph)
            elif node.op_type == "Reshape" and _reads_in_order(node):
                merged.append(layer_of(node))
    return changed("transposes", "Transposes without need were merged with what reads them.", merged)


def _composed(node: ir.Node) -> bool:
    inner = _transpose_before(node)
    if inner is None:
        return False
    first, second = Node(inner).ints("perm"), Node(node).ints("perm")
    if len(first) != len(second) or not first:
        return False
    node.replace_input_with(0, inner.inputs[0])
    node.attributes["perm"] = ir.AttrInt64s("perm", [first[axis] for axis in second])
    return True


def _transpose_before(node: ir.Node) -> ir.Node | None:
    value = node.inputs[0] if node.inputs else None
    inner = None if value is None else value.producer()
    same = inner is not None and inner.op_type == "Transpose" and not inner.domain and inner.graph is node.graph
    return inner if same else None


def _drop_identity(node: ir.Node, graph: ir.Graph) -> None:
    perm, output, source = Node(node).ints("perm"), node.outputs[0], node.inputs[0]
    if list(perm) != sorted(perm) or output.is_graph_output() or source is None:
        return
    output.replace_all_uses_with(source)
    graph.remove(node, safe=True)


def _reads_in_order(node: ir.Node) -> bool:
    """Whether the Reshape was made to read the Transpose's input, whose elements come in the same order."""
    inner, view = _transpose_before(node), Node(node)
    source = None if inner is None else inner.inputs[0]
    sizes, wanted = None if source is None else shape_of(source), view.const(1)
    perm = Node(inner).ints("perm") if inner is not None else ()
    if not perm or sizes is None or wanted is None:
        return False
    copied = [] if view.i("allowzero") else [place for place, size in enumerate(wanted.tolist()) if size == 0]
    moved = [axis for axis in perm if sizes[axis] != 1]
    if moved != sorted(moved) or any(place >= len(perm) or perm[place] != place for place in copied):
        return False
    node.replace_input_with(0, source)
    return True
