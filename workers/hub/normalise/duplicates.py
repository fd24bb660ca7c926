"""Equal initialisers are stored once."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import onnx_ir as ir

from workers.hub.normalise.change import changed
from workers.hub.save import raw_bytes
from workers.options import Options
from workers.report.schema import Change

Kind = tuple[ir.DataType, tuple[int, ...]]


def merge_equal(model: ir.Model, options: Options) -> list[Change]:
    """Let one initialiser serve all uses of those with the same type, shape and bytes; names of the first survive.

    Only candidates of equal type and shape are read at all.
    """
    kinds: dict[Kind, list[ir.Value]] = defaultdict(list)
    for value in model.graph.initializers.values():
        tensor = value.const_value
        if tensor is not None and tensor.dtype != ir.DataType.STRING and not value.is_graph_output():
            kinds[tensor.dtype, tuple(tensor.shape.numpy())].append(value)
    merged = []
    for values in kinds.values():
        first: dict[bytes, ir.Value] = {}
        for value in values if len(values) > 1 else ():
            assert value.const_value is not None  # asked above
            kept = first.setdefault(hashlib.sha256(raw_bytes(value.const_value).data).digest(), value)
            if kept is not value:
                value.replace_all_uses_with(kept)
                merged.append(value.name or "")
                del model.graph.initializers[value.name or ""]
    return changed("equal-initialisers", "Equal initialisers are stored once.", merged)
