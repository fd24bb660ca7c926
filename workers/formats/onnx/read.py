"""ONNX files -> the hub: the graph as it stands, its weights mapped. Bringing it to one opset is the normal form's."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from workers.errors import AmbiguousFormat, MalformedModel, Unsupported, UnsupportedOperators, UnsupportedVersion
from workers.formats.contract import Note, Reading, ReadRequest
from workers.formats.onnx.maps import unzip_maps
from workers.formats.onnx.own import add_functions
from workers.formats.onnx.recognise import is_model
from workers.formats.onnx.sizes import free_axes
from workers.hub.external import Among
from workers.hub.load import parse, to_ir
from workers.hub.normalise.contrib import is_known
from workers.hub.normalise.contrib.rule import ML
from workers.hub.normalise.opset.newer import PREVIEW
from workers.hub.provenance import layer_of
from workers.inspect.upload import UploadedFile

NEWEST_IR = int(onnx.IR_VERSION)
NEWEST_OPSET = int(onnx.defs.onnx_opset_version())


def read(request: ReadRequest) -> Reading:
    """The uploaded ONNX model. Raises ConversionError for damage, foreign files, unknown versions and operators."""
    file = _model(request.upload.files)
    store = Among(file, request.upload.files)
    proto, weights = parse(file, store)
    _check_versions(proto, file.name)
    free = [*free_axes(proto, file.name), *unzip_maps(proto)]
    model = to_ir(proto, weights)
    own = add_functions(model)
    _check_operators(model)
    used = tuple(dict.fromkeys((file.name, *store.used)))
    left = [other.name for other in request.upload.files if other.name not in used]
    notes = tuple(Note("unused-file", f"{name!r} is no part of the model", name) for name in left)
    version = f"IR {proto.ir_version}, opset {model.opset_imports.get('', 0)}"
    return Reading(model, used, version, (*free, *own, *notes))


def _model(files: tuple[UploadedFile, ...]) -> UploadedFile:
    models = [file for file in files if file.size and is_model(file)]
    if len(models) > 1:
        raise AmbiguousFormat(
            f"there are {len(models)} ONNX models: {', '.join(file.name for file in models)}",
            hint="Upload one model with its own external data.",
        )
    if not models:
        raise MalformedModel("none of the files is a complete ONNX model", file=files[0].name if files else None)
    return models[0]


def _check_versions(proto: onnx.ModelProto, file: str) -> None:
    if proto.ir_version > NEWEST_IR:
        raise UnsupportedVersion(
            f"{file!r} is of IR version {proto.ir_version}; the newest that is known is {NEWEST_IR}", file=file
        )
    for opset in proto.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > NEWEST_OPSET:
            raise UnsupportedVersion(
                f"{file!r} is of opset {opset.version}; the newest that is known is {NEWEST_OPSET}", file=file
            )


def _check_operators(model: ir.Model) -> None:
    """Operators of other domains are refused unless the file itself defines them as functions.

    Those of ONNX's own for classical machine learning stay as they are: the target ONNX has them.
    """
    refused = []
    for node in model.graph.all_nodes():
        if node.domain in ("", "ai.onnx", PREVIEW) or node.op_identifier() in model.functions:
            continue
        if is_known(node.domain, node.op_type) or _is_classical(node):
            continue
        reason = f"the operator domain {node.domain!r} is not ONNX's own, and the file does not define the operator"
        if node.domain == "com.microsoft.nchwc":
            reason = "onnxruntime's optimiser laid its channels out for one processor; save it at the level 'extended'"
        refused.append(Unsupported(layer_of(node), f"{node.domain}::{node.op_type}", reason))
    if refused:
        raise UnsupportedOperators("onnx", refused)


def _is_classical(node: ir.Node) -> bool:
    return node.domain == ML and bool(onnx.defs.has(node.op_type, ML))
