"""Nodes of opsets after 21, and of ONNX's preview domain: taken as they are, or spelt out.

Spelt out by our own rules (``newest``), or by the body that ONNX gives the operator.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from workers.errors import Unsupported, UnsupportedLayer, UnsupportedVersion
from workers.hub import OPSET
from workers.hub.graph import GraphBuilder
from workers.hub.node import Node
from workers.hub.normalise.dead import prune
from workers.hub.normalise.opset.edit import replace, told_of
from workers.hub.normalise.opset.newest import RULES, widened
from workers.hub.provenance import layer_of
from workers.hub.schemas import untaken_type

DOMAIN = "onnxhub.newer"
PREVIEW = "ai.onnx.preview"
HALVES = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
FLOATS = (*HALVES, ir.DataType.FLOAT, ir.DataType.DOUBLE)
DEPTH = 8


def bring_down(model: ir.Model) -> list[str]:
    """Make every newer node one of opset 21; the source layers that were spelt out.

    Raises UnsupportedVersion naming all nodes that neither opset 21 nor a rule nor a function body can say.
    """
    expanded: list[str] = []
    for _ in range(DEPTH):
        foreign = [node for node in model.graph.all_nodes() if _is_foreign(node)]
        if not foreign:
            return expanded
        refused = [_spell_out(model, node) for node in foreign]
        _refuse([item for item in refused if item is not None])
        expanded += [layer_of(node) for node in foreign]
        InlinePass()(model)
        model.functions.clear()
        prune(model)
    _refuse([_unsaid(node) for node in foreign])
    return expanded


def _is_foreign(node: ir.Node) -> bool:
    if node.domain == PREVIEW:
        return _body(node) is not None
    return node.domain == "" and not _same_words(node)


def _spell_out(model: ir.Model, node: ir.Node) -> Unsupported | None:
    """Replace the node, or prepare that; else what there is to say about it."""
    view = Node(node)
    rule = widened if _only_bfloat16_is_new(view) else RULES.get(node.op_type) if node.domain == "" else None
    if rule is None:
        return None if _make_call(model, node) else _unsaid(node)
    g = GraphBuilder(graph=node.graph, before=node)
    try:
        with g.layer(view.layer, view.layer_type), told_of(view):
            results = list(rule(g, view))
    except UnsupportedLayer as error:
        return error.item
    replace(view, *results)
    return None


def _only_bfloat16_is_new(node: Node) -> bool:
    """Opset 21 has the operator with all its words, but not for bfloat16."""
    if node.raw.domain or not onnx.defs.has(node.op, OPSET, "") or node.dtype() is not ir.DataType.BFLOAT16:
        return False
    ours = onnx.defs.get_schema(node.op, OPSET, "")
    return set(node.raw.attributes) <= set(ours.attributes) and untaken_type(node, ours) == "tensor(bfloat16)"


def _unsaid(node: ir.Node) -> Unsupported:
    return Unsupported(layer_of(node), node.op_type, f"opset {OPSET} has no such {node.op_type}")


def _refuse(items: list[Unsupported]) -> None:
    if items:
        raise UnsupportedVersion(
            f"opset {OPSET} cannot say {'; '.join(map(str, items))}",
            hint=f"Export the model at opset {OPSET} or older.",
            unsupported=[{"layer": item.layer, "op": item.type, "reason": item.reason} for item in items],
        )


def _same_words(node: ir.Node) -> bool:
    """Whether opset 21 says the same in the same words; attributes that it lacks go where they change nothing."""
    version = node.version or OPSET
    if version <= OPSET:
        return True
    if not onnx.defs.has(node.op_type, version, "") or not onnx.defs.has(node.op_type, OPSET, ""):
        return False
    newer = onnx.defs.get_schema(node.op_type, version, "")
    ours = onnx.defs.get_schema(node.op_type, OPSET, "")
    if newer.since_version == ours.since_version:
        return True
    view = Node(node)
    if _means_more(view, newer.since_version) or len(node.inputs) > ours.max_input:
        return False
    for name, attribute in list(node.attributes.items()):
        if name in ours.attributes or name not in newer.attributes:
            continue
        if not _is_idle(view, attribute, newer.attributes[name].default_value):
            return False
        del node.attributes[name]
    return untaken_type(view, ours) is None


def _is_idle(node: Node, attribute: ir.Attr, default: onnx.AttributeProto) -> bool:
    """An attribute at its default, or one that asks for the type that comes out anyway, or that applies to others."""
    if default.type and ir.serde.deserialize_attribute(default).value == attribute.value:
        return True
    if attribute.name in ("output_dtype", "precision"):
        scale = node.dtype(1)
        return scale is not None and attribute.as_int() == scale.value
    if attribute.name == "stash_type":
        return node.dtype() not in HALVES
    # round_mode is about one type only, which opset 21 does not have.
    return attribute.name == "round_mode" and node.i("to") != ir.DataType.FLOAT8E8M0.value


def _means_more(node: Node, since: int) -> bool:
    """The same words with a wider meaning: remainders of floating-point numbers, ranges summed in float."""
    if node.op == "Mod":
        return node.dtype() in FLOATS and not node.i("fmod")
    return node.op == "Range" and since >= 27 and node.dtype() in HALVES


def _make_call(model: ir.Model, node: ir.Node) -> bool:
    """Turn the node into a call of a function with its operator's body; false when there is no body."""
    proto = _body(node)
    if proto is None:
        return False
    name = f"{node.op_type}{len(model.functions)}"
    version = node.version or (1 if node.domain else OPSET)
    for attribute in onnx.defs.get_schema(node.op_type, version, node.domain).attributes.values():
        if attribute.default_value.name and attribute.name not in node.attributes:
            node.attributes.add(ir.serde.deserialize_attribute(attribute.default_value))
    proto.domain, proto.name = DOMAIN, name
    _fit_outputs(proto, len(node.outputs))
    function = ir.serde.deserialize_function(proto)
    words = model.opset_imports.get("", OPSET) if node.domain else version
    for inner in function.all_nodes():
        inner.version = function.opset_imports.get(inner.domain, words)
    for graph in [each.name for each in node.attributes.values() if each.type == ir.AttributeType.GRAPH]:
        del node.attributes[graph]  # the body was made for this node, the graph is part of it
    function.opset_imports.clear()
    model.functions[function.identifier()] = function
    node.domain, node.op_type, node.version = DOMAIN, name, None
    return True


def _fit_outputs(proto: onnx.FunctionProto, count: int) -> None:
    """As many outputs as the node has; one that this form of the operator does not compute is a mere copy, unread."""
    del proto.output[count:]
    made = {name for step in proto.node for name in step.output}
    for name in proto.output:
        if name not in made:
            proto.node.append(onnx.helper.make_node("Identity", [proto.input[0]], [name]))


def _body(node: ir.Node) -> onnx.FunctionProto | None:
    """The operator's function body, at the oldest opset that it is written for."""
    version = node.version or (1 if node.domain else OPSET)
    if not onnx.defs.has(node.op_type, version, node.domain):
        return None
    schema: Any = onnx.defs.get_schema(node.op_type, version, node.domain)
    data = b""
    if schema.has_function:
        data = schema.get_function_with_opset_version(min(schema.function_opset_versions))
    elif schema.has_context_dependent_function:
        known = min(schema.context_dependent_function_opset_versions)
        types = [
            b"" if value is None or value.type is None else ir.serde.serialize_value(value).type.SerializeToString()
            for value in node.inputs
        ]
        data = schema.get_context_dependent_function_with_opset_version(
            known, ir.serde.serialize_node(node).SerializeToString(), types
        )
    if not data:
        return None
    function = onnx.FunctionProto()
    function.ParseFromString(data)
    return function
