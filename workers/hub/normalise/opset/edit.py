"""Small edits of a node in place, which adapters share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.errors import UnsupportedLayer
from workers.hub.graph import GraphBuilder
from workers.hub.node import Node


def set_input(node: Node, index: int, value: ir.Value) -> None:
    """Make ``value`` input ``index``; inputs before it that were not there are left out."""
    if index >= len(node.raw.inputs):
        node.raw.resize_inputs(index + 1)
    node.raw.replace_input_with(index, value)


def attribute_to_input(
    g: GraphBuilder, node: Node, name: str, index: int, dtype: npt.DTypeLike, shape: Any = None
) -> None:
    """Move attribute ``name``, where the node has it, to input ``index``; ``shape`` () makes it a scalar."""
    attribute = node.raw.attributes.pop(name, None)
    if attribute is None:
        return
    array = np.asarray(attribute.value, dtype)
    set_input(node, index, g.constant(array if shape is None else array.reshape(shape)))


def replace(node: Node, *values: ir.Value) -> None:
    """Let the node's users read ``values`` instead; names and graph outputs pass over to them."""
    for output, value in zip(node.outputs, values, strict=False):
        take_over(output, value)
    graph = node.raw.graph
    assert graph is not None
    graph.remove(node.raw, safe=True)


def take_over(output: ir.Value, value: ir.Value) -> None:
    """Let the users of ``output`` read ``value``, under its name."""
    name, type_, shape = output.name, output.type, output.shape
    output.name = f"{name}_replaced"
    output.replace_all_uses_with(value, replace_graph_outputs=True)
    value.name = name
    value.type, value.shape = value.type or type_, value.shape or shape


BROKEN = (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError)


@contextmanager
def told_of(node: Node) -> Iterator[None]:
    """Inside, what a rule trips over in a node that says nonsense is a refusal of that node."""
    try:
        yield
    except BROKEN as error:
        raise refuse(node, f"its inputs and attributes do not fit together: {error}") from error


def refuse(node: Node, reason: str) -> UnsupportedLayer:
    return UnsupportedLayer("onnx", node.layer, node.op, reason)
