"""The model comes to speak opset 21."""

from __future__ import annotations

import onnx_ir as ir

from workers.errors import UnsupportedVersion
from workers.hub import OPSET
from workers.options import Options
from workers.report.schema import Change


def convert_opset(model: ir.Model, options: Options) -> list[Change]:
    """Nothing to do for what our readers make. Raises UnsupportedVersion for another opset."""
    version = model.opset_imports.get("", OPSET)
    if version != OPSET:
        raise UnsupportedVersion(f"the model is of opset {version}; only {OPSET} is understood")
    for node in model.graph.all_nodes():
        node.version = None
    return []
