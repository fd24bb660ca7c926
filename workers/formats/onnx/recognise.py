"""Which uploaded file is an ONNX model, told by its fields."""

from __future__ import annotations

from typing import Any

from workers.formats.contract import Evidence
from workers.inspect.names import shown
from workers.inspect.protobuf import LENGTH, VARINT, scan
from workers.inspect.upload import Upload, UploadedFile

# Of ModelProto: ir_version, graph, opset_import; with the wire types that they must have.
IR_VERSION, GRAPH, OPSET_IMPORT = 1, 7, 8
WIRES = {1: VARINT, 2: LENGTH, 3: LENGTH, 4: LENGTH, 5: VARINT, 6: LENGTH, 7: LENGTH, 8: LENGTH, 14: LENGTH, 20: LENGTH,
         25: LENGTH, 26: LENGTH}  # fmt: skip
HIGHEST_IR = 1 << 16


def is_model(file: UploadedFile) -> bool:
    """A message with an IR version and a graph and no field that ModelProto has not."""
    found: dict[int, Any] = {}
    for number, wire, value in scan(file.map()):
        if WIRES.get(number) != wire:
            return False
        found.setdefault(number, value)
    return 0 < found.get(IR_VERSION, 0) <= HIGHEST_IR and GRAPH in found


def sniff(upload: Upload) -> Evidence | None:
    """One model among the files; the others may be its external data."""
    models = [file for file in upload.files if file.size and is_model(file)]
    if not models:
        return None
    names = ", ".join(shown(file.name) for file in models)
    return Evidence(0.95, f"{names} is a message with an IR version, an opset import and a graph, as ONNX has them")
