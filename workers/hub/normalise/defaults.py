"""Defaults are written out, so that a writer never looks them up."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import AddDefaultAttributesPass

from workers.options import Options
from workers.report.schema import Change

# These say the same as being absent, and some readers take their presence for more.
LEFT_OUT = ("auto_pad",)


def write_onesided(model: ir.Model, options: Options) -> list[Change]:
    """Half of a spectrum is STFT's default; ONNX's shape inference takes the whole for it when it is not written."""
    for node in model.graph.all_nodes():
        if node.op_type == "STFT" and node.domain == "" and "onesided" not in node.attributes:
            node.attributes.add(ir.AttrInt64("onesided", 1))
    return []


def write_defaults(model: ir.Model, options: Options) -> list[Change]:
    """Add every attribute that has a default; nothing that a report would mention."""
    AddDefaultAttributesPass()(model)
    for node in model.graph.all_nodes():
        for name in LEFT_OUT:
            attribute = node.attributes.get(name)
            if attribute is not None and attribute.as_string() == "NOTSET":
                del node.attributes[name]
    return []
