"""ONNX's own function bodies as a rule for every operator that has one, at the hub's opset."""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir

from workers.hub import OPSET
from workers.hub.functions import spell_out
from workers.hub.graph import GraphBuilder
from workers.hub.legalise.rule import Results, Rule
from workers.hub.node import Node


def function_of(node: ir.Node) -> onnx.FunctionProto | None:
    """The body of ``node``'s operator, specialised to its attributes and input types where ONNX asks for that."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    if domain or not onnx.defs.has(node.op_type, OPSET, domain):
        return None
    schema: Any = onnx.defs.get_schema(node.op_type, OPSET, domain)
    body = schema.get_function_with_opset_version(OPSET) if schema.has_function else b""
    known = [version for version in schema.context_dependent_function_opset_versions if version <= OPSET]
    if not body and known:
        body = schema.get_context_dependent_function_with_opset_version(
            max(known), ir.serde.serialize_node(node).SerializeToString(), [_type_of(value) for value in node.inputs]
        )
    if not body:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(body)
    # A body with loops or branches reaches into itself by name; no target is helped by those.
    inner = any(attribute.HasField("g") or attribute.graphs for step in function.node for attribute in step.attribute)
    return None if inner else function


def _type_of(value: ir.Value | None) -> bytes:
    if value is None or value.type is None:
        return b""
    return bytes(ir.serde.serialize_value(value).type.SerializeToString())


def expand(g: GraphBuilder, node: Node) -> Results:
    """Inline the function body: its inputs are the node's, its attributes the node's or their defaults."""
    function = function_of(node.raw)
    if function is None:
        return None
    del function.output[len(node.outputs) :]  # a body made for this node computes no others
    attributes = {a.name: a for a in (*_defaults(node), *ir.serde.serialize_node(node.raw).attribute)}
    return spell_out(g, function, [node.input(index) for index in range(len(function.input))], attributes)


def _defaults(node: Node) -> list[onnx.AttributeProto]:
    schema = onnx.defs.get_schema(node.op, OPSET, "")
    return [attribute.default_value for attribute in schema.attributes.values() if attribute.default_value.name]


FUNCTION_BODY = Rule("function-body", "*", "The operator is spelt out as ONNX itself defines it.", expand)
