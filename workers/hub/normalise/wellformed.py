"""Nodes are what their operator's definition asks for, before any pass relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import onnx_ir as ir

from workers.errors import CheckerFailed
from workers.hub.graph import BUILT
from workers.hub.normalise.change import A_FEW
from workers.hub.provenance import layer_of
from workers.options import Options
from workers.report.schema import Change


def check_nodes(model: ir.Model, options: Options) -> list[Change]:
    """Attributes have their types, those that must be there are, and inputs and outputs are as many as there may be.

    Attributes that no definition knows are left to ONNX's checker, for older ones do. A model that was built node by
    node has been through this. Raises CheckerFailed naming the nodes.
    """
    if BUILT in model.meta:
        return []
    faults: list[tuple[ir.Node, str]] = []
    for node in model.graph.all_nodes():
        version = node.version or 1
        if node.domain == "" and onnx.defs.has(node.op_type, version, ""):
            schema = onnx.defs.get_schema(node.op_type, version, "")
            faults += [(node, fault) for fault in (*_attributes(node, schema), *_ends(node, schema))]
    if faults:
        told = "; ".join(f"{layer_of(node)!r} ({node.op_type}): {fault}" for node, fault in faults[:A_FEW])
        raise CheckerFailed(told, layer=layer_of(faults[0][0]), op=faults[0][0].op_type)
    return []


def _attributes(node: ir.Node, schema: onnx.defs.OpSchema) -> Iterator[str]:
    known, newest = schema.attributes, onnx.defs.get_schema(schema.name, "").attributes
    for name, attribute in node.attributes.items():
        if attribute.is_ref():
            yield f"its attribute {name!r} refers to {attribute.ref_attr_name!r} of a function, and it is in none"
        elif (told := known.get(name, newest.get(name))) is not None and attribute.type != _type_of(told):
            yield f"its attribute {name!r} is of the type {attribute.type.name}, not {_type_of(told).name}"
        elif _is_no_text(attribute):
            yield f"its attribute {name!r} is no UTF-8 text"
    for name, told in known.items():
        if told.required and name not in node.attributes:
            yield f"it has no attribute {name!r}"
    if node.op_type == "Constant" and len(node.attributes) != 1:
        yield f"it has {len(node.attributes)} attributes, and only one can be its value"


def _type_of(told: onnx.defs.OpSchema.Attribute) -> ir.AttributeType:
    kind: Any = told.type  # an enumeration of C++'s, whose numbers are those of AttributeProto
    return ir.AttributeType(kind.value)


def _is_no_text(attribute: ir.Attr) -> bool:
    if attribute.type == ir.AttributeType.STRING:
        return isinstance(attribute.value, bytes)
    return attribute.type == ir.AttributeType.STRINGS and any(isinstance(text, bytes) for text in attribute.value)


def _ends(node: ir.Node, schema: onnx.defs.OpSchema) -> Iterator[str]:
    inputs, outputs = len(node.inputs), len(node.outputs)
    if not schema.min_input <= inputs <= schema.max_input:
        yield f"it has {inputs} inputs, and {schema.name} takes {_from_to(schema.min_input, schema.max_input)}"
    if not schema.min_output <= outputs <= schema.max_output:
        yield f"it has {outputs} outputs, and {schema.name} gives {_from_to(schema.min_output, schema.max_output)}"
    for value, formal in zip(node.inputs, schema.inputs, strict=False):
        if value is None and formal.option == onnx.defs.OpSchema.FormalParameterOption.Single:
            yield f"its input {formal.name!r} is left out"


def _from_to(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} or more" if most > least + 1000 else f"{least} to {most}"
