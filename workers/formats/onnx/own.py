"""Functions of the user's as the model's own: for operators of other domains that the file does not define."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from workers.formats.contract import Note
from workers.formats.custom import Call, active


def add_functions(model: ir.Model) -> list[Note]:
    """Define operators by the upload's functions, which are inlined like the model's own."""
    notes = []
    for node in model.graph.all_nodes():
        if node.domain in ("", "ai.onnx") or node.op_identifier() in model.functions:
            continue
        call = active().find(node.op_type, node.name or "")
        if call is None:
            continue
        if call.function.domain.startswith("layer:"):
            node.op_type = f"{node.op_type}_{len(model.functions)}"
        _define(model, call, (node.domain, node.op_type))
        notes.append(Note("custom-layer", f"{node.name!r} was read by {call.shown}", node.name))
    return notes


def _define(model: ir.Model, call: Call, key: tuple[str, str]) -> None:
    call.used.add((call.function.domain, call.function.name))
    for (domain, name), function in {**call.library, key: call.function}.items():
        defined = onnx.FunctionProto()
        defined.CopyFrom(function)
        defined.domain, defined.name = domain, name
        model.functions.setdefault((domain, name, ""), ir.serde.deserialize_function(defined))
        model.opset_imports.setdefault(domain, 1)
