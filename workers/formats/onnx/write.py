"""The hub -> an ONNX file: at opset 21 as it stands, at another opset as far as its operators can be said there.

An operator whose definition is the same at the wanted opset is written as it is; ``lower`` re-spells those whose
definition only moved a parameter between attributes and inputs; the rest is legalised into operators that the opset
has, by rules and ONNX's own function bodies, or refused by name.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir

from workers.errors import InvalidOptions, UnsupportedVersion
from workers.formats.contract import Note, WriteRequest, Written
from workers.formats.onnx import lower
from workers.formats.rules import Writes
from workers.hub import OPSET
from workers.hub import legalise as legalisation
from workers.hub.node import Node
from workers.hub.save import save
from workers.hub.skeleton import is_large, skeleton

# The lowest IR version that an opset allows: the one that came out with it.
IR_VERSIONS = {9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10,
               23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14}  # fmt: skip
FILE = "model.onnx"


def write(request: WriteRequest) -> Written:
    """``model.onnx``, with ``model.onnx.data`` beside it for large weights or when the options ask for it."""
    model, opset = request.model, request.options.opset or OPSET
    notes: list[Note] = []
    if opset > OPSET:
        _raise(model, opset)
    elif opset < OPSET:
        notes = legalisation.legalise(model, At(opset), system=f"ONNX opset {opset}")
        lower.lower(model, opset)
    model.opset_imports[""] = opset
    model.ir_version = _ir_version(opset)
    files = save(model, request.folder / FILE, external=request.options.external_data)
    return Written(
        files=tuple(path.name for path in files),
        input_names=tuple(value.name or "" for value in model.graph.inputs),
        output_names=tuple(value.name or "" for value in model.graph.outputs),
        changes=tuple(notes),
    )


def legalise(model: ir.Model) -> list[Note]:
    """At the hub's own opset there is nothing to do."""
    return []


class At(Writes[Any]):
    """What opset ``opset`` can say of opset 21."""

    def __init__(self, opset: int) -> None:
        super().__init__("onnx")
        self.opset = opset

    def why_not(self, node: Node) -> str | None:
        return lower.why_not(node, self.opset)


def _ir_version(opset: int) -> int:
    if opset not in IR_VERSIONS or opset > onnx.defs.onnx_opset_version():
        raise InvalidOptions(f"opset {opset} cannot be written; 9 to {onnx.defs.onnx_opset_version()} can")
    return IR_VERSIONS[opset]


def _raise(model: ir.Model, opset: int) -> None:
    """To a newer opset by ONNX's converter, on the skeleton."""
    _ir_version(opset)
    large = {name: v.const_value for name, v in model.graph.initializers.items() if is_large(v.const_value)}
    try:
        converted = onnx.version_converter.convert_version(skeleton(model), opset)
    except (RuntimeError, ValueError) as error:
        words = " ".join(str(error).split())[:400]
        raise UnsupportedVersion(f"the model cannot be brought to opset {opset}: {words}") from error
    fresh = ir.serde.deserialize_model(converted)
    for name, value in fresh.graph.initializers.items():
        if name in large:
            value.const_value = large[name]
    model.graph = fresh.graph
