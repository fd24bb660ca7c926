"""Questions to ONNX's operator definitions that both ways between opsets ask."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from workers.hub.node import Node


def untaken_type(node: Node, schema: onnx.defs.OpSchema, but: Collection[int] = ()) -> str | None:
    """The element type of an input that ``schema`` does not take, as ONNX spells it: ``tensor(int32)``.

    Inputs numbered in ``but`` are not looked at.
    """
    allowed = {constraint.type_param_str: set(constraint.allowed_type_strs) for constraint in schema.type_constraints}
    for index, value in enumerate(node.inputs):
        if value is None or value.dtype is None or not schema.inputs or index in but:
            continue
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        name = f"tensor({onnx.helper.tensor_dtype_to_string(value.dtype.value).rpartition('.')[2].lower()})"
        if index < len(schema.inputs) and name not in allowed.get(formal.type_str, {formal.type_str}):
            return name
    return None
