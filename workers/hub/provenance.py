"""Where a node came from: the name and type of the source layer, kept in its metadata through all passes."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

LAYER = "onnxhub.layer"
LAYER_TYPE = "onnxhub.layer_type"
# Of a whole model: its source rounds to eight bits as it runs, where the model computes in floats.
COARSE_SOURCE = {"onnxhub.source_arithmetic": "eight bits"}


def mark(node: ir.Node, layer: str, layer_type: str) -> None:
    """Say that ``node`` was made for the source layer ``layer``, unless it already has a source."""
    node.metadata_props.setdefault(LAYER, layer)
    node.metadata_props.setdefault(LAYER_TYPE, layer_type)


def layer_of(node: ir.Node) -> str:
    """The source layer's name; a node without one goes by its own name."""
    return node.metadata_props.get(LAYER) or node.name or node.op_type


def layer_type_of(node: ir.Node) -> str:
    """The source layer's type; a node without one goes by its operator."""
    return node.metadata_props.get(LAYER_TYPE) or node.op_type


def inherit(new: Iterable[ir.Node], old: ir.Node) -> None:
    """Give nodes that replace ``old`` its source."""
    for node in new:
        mark(node, layer_of(old), layer_type_of(old))
