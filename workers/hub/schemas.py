"""Questions to ONNX's operator definitions that both ways between opsets ask."""

from __future__ import annotations

from collections.abc import Collection

import onnx
import onnx_ir as ir

from workers.hub.node import Node


def untaken_type(node: Node, schema: onnx.defs.OpSchema, but: Collection[int] = ()) -> str | None:
    """The type of an input or output that ``schema`` does not take, as ONNX spells it: ``tensor(int32)``.

    Inputs numbered in ``but`` are not looked at.
    """
    allowed = {constraint.type_param_str: set(constraint.allowed_type_strs) for constraint in schema.type_constraints}
    for values, formals, left_out in ((node.inputs, schema.inputs, but), (node.outputs, schema.outputs, ())):
        for index, value in enumerate(values):
            if value is None or not formals or index in left_out:
                continue
            name = spelt(value.type)
            formal = formals[min(index, len(formals) - 1)].type_str
            if name is not None and name not in allowed.get(formal, {formal}):
                return name
    return None


def spelt(type_: ir.TypeProtocol | None) -> str | None:
    """``seq(tensor(float))``; None for a type that is unknown."""
    if isinstance(type_, ir.SequenceType | ir.OptionalType):
        inner = spelt(type_.elem_type)
        word = "seq" if isinstance(type_, ir.SequenceType) else "optional"
        return inner and f"{word}({inner})"
    if not isinstance(type_, ir.TensorType) or type_.dtype is ir.DataType.UNDEFINED:
        return None
    return f"tensor({onnx.helper.tensor_dtype_to_string(type_.dtype.value).rpartition('.')[2].lower()})"
