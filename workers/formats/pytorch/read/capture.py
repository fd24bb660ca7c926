"""Weights with their source: model.py runs in the torch toolchain's jail and nowhere else, to be captured as a graph.

The weights are read symbolically here, so that no pickle of an upload is ever loaded; they go in as plain arrays.
``ONNXHUB_MODEL_CODE=0`` forbids running uploaded source; nothing else of PyTorch's files needs it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers import toolchains
from workers.errors import (
    ConversionError,
    InvalidOptions,
    MissingFile,
    ToolchainMissing,
    UnsafeModel,
    UnsupportedConversion,
)
from workers.formats.contract import Note, ReadRequest
from workers.formats.pytorch.archive import Archive
from workers.formats.pytorch.checkpoint import Checkpoint, read_legacy, read_safetensors, read_zip
from workers.formats.pytorch.recognise import (
    LEGACY_WEIGHTS,
    PROGRAM,
    SCRIPT,
    SOURCE,
    WEIGHT_ROLES,
    WEIGHTS,
    kind_of,
)
from workers.inspect.upload import UploadedFile

Captured = tuple[UploadedFile, str, tuple[str, ...], tuple[Note, ...]]
ALLOW = "ONNXHUB_MODEL_CODE"
_HINT = (
    "Upload a TorchScript file (torch.jit.save) or an exported program (torch.export.save), which hold the graph, or "
    "the state_dict together with the source (model.py)."
)
_WORDS = {
    "export": "The graph was taken from the source by torch.export, which follows it with symbolic sizes.",
    "trace": "The graph was taken by running the source once (torch.jit.trace): it holds the branches of that run.",
    "script": "The graph was taken from the source's syntax tree (torch.jit.script): branches and loops survive.",
}


@contextmanager
def captured(request: ReadRequest) -> Iterator[Captured]:
    """A graph file made of the uploaded source and weights, there as long as the context lasts."""
    weights, source = _pair(request)
    found = _weights(weights)
    _refuse(found, weights, source)
    assert source is not None
    toolchain = toolchains.find("capture:pytorch")
    if toolchain is None:
        raise ToolchainMissing(
            "weights with source need PyTorch itself, which is not installed",
            hint="Install it with 'onnxhub toolchain install torch', or upload a TorchScript file or exported program.",
        )
    with tempfile.TemporaryDirectory(prefix="onnxhub-capture-") as folder:
        try:
            result = toolchain.run(
                "capture:pytorch", [source.path], dict(found.tensors), work=Path(folder),
                options=_options(request, found),
                on_event=lambda event: None,
            )  # fmt: skip
        except toolchains.ToolRefused as refused:
            raise _explained(refused, source) from refused
        path = result.files[0] if result.files else None
        if path is None:
            raise ConversionError("the torch toolchain left no graph", file=source.name)
        role = PROGRAM if path.suffix == ".pt2" else SCRIPT
        file = UploadedFile(path.name, path, path.stat().st_size)
        yield file, role, (weights.name, source.name), _notes(result.answer, found, weights)


def _pair(request: ReadRequest) -> tuple[UploadedFile, UploadedFile | None]:
    files = request.upload.files
    weights = [file for file in files if kind_of(file).role in WEIGHT_ROLES]
    if not weights:
        raise MissingFile("the upload holds no PyTorch model: neither a graph nor weights", hint=_HINT)
    if len(weights) > 1:
        names = ", ".join(repr(file.name) for file in weights)
        raise MissingFile(f"the upload holds several files of weights: {names}; send one")
    sources = [file for file in files if kind_of(file).role == SOURCE]
    named = [file for file in sources if file.name.rpartition("/")[2] == "model.py"]
    entry = request.options.entry
    holding = [file for file in sources if entry and entry.encode() in bytes(file.map())]
    return weights[0], next(iter(named or holding or sources), None)


def _weights(file: UploadedFile) -> Checkpoint:
    role = kind_of(file).role
    if role == WEIGHTS:
        return read_zip(Archive(file))
    return read_legacy(file) if role == LEGACY_WEIGHTS else read_safetensors(file)


def _refuse(found: Checkpoint, weights: UploadedFile, source: UploadedFile | None) -> None:
    """Everything that ends the reading before any code runs."""
    if found.dangerous:
        names = ", ".join(str(name) for name in found.dangerous[:5])
        raise UnsafeModel(
            f"the pickle in {weights.name!r} would call {names} when loaded; nothing of it was run", file=weights.name,
            hint="Save the weights alone, torch.save(model.state_dict(), ...), or as safetensors.",
        )  # fmt: skip
    classes = ", ".join(str(name) for name in found.classes[:5])
    if source is None and found.module is not None:
        raise UnsafeModel(
            f"{weights.name!r} is a whole pickled module ({found.module}): it names classes ({classes}) whose code is "
            "not in it, and loading it would run that code", file=weights.name, hint=_HINT,
        )  # fmt: skip
    if source is None:
        raise MissingFile(
            f"{weights.name!r} holds {len(found.tensors)} weights and no graph: which layers they belong to stands "
            "only in the model's source", file=weights.name, hint=_HINT,
        )  # fmt: skip
    if not found.tensors:
        raise MissingFile(f"{weights.name!r} holds no weights", file=weights.name, hint=_HINT)
    if os.environ.get(ALLOW, "1") == "0":
        raise UnsupportedConversion(
            "this installation does not run uploaded source code", file=source.name,
            hint="Upload a TorchScript file (torch.jit.save) or an exported program (torch.export.save).",
        )  # fmt: skip


def _options(request: ReadRequest, found: Checkpoint) -> dict[str, Any]:
    options = request.options
    entry = options.entry or (found.module.name if found.module is not None else None)
    return {
        "types": [array.dtype.name for array in found.tensors.values()], "aliases": found.aliases,
        "entry": entry, "args": options.args, "capture": options.capture, "dynamic": options.dynamic_batch,
        "shapes": options.input_shapes, "dtypes": options.input_dtypes,
    }  # fmt: skip


def _explained(refused: toolchains.ToolRefused, source: UploadedFile) -> ConversionError:
    if refused.kind == "invalid":
        return InvalidOptions(f"{source.name!r}: {refused.detail}", file=source.name)
    return InvalidOptions(
        f"{source.name!r}: {refused.detail}", file=source.name,
        hint="Try the option capture=trace or capture=script, or save the model as TorchScript yourself.",
    )  # fmt: skip


def _notes(answer: dict[str, Any], found: Checkpoint, weights: UploadedFile) -> tuple[Note, ...]:
    way = str(answer.get("way"))
    notes = [Note("capture", _WORDS.get(way, way), str(answer.get("entry")))]
    failed = answer.get("failed")
    if isinstance(failed, dict):
        notes += [Note("capture-failed", f"{key} was tried first: {str(value)[:300]}") for key, value in failed.items()]
    if answer.get("reason"):
        notes.append(Note("fixed-batch", f"The batch size is fixed: {str(answer['reason'])[:300]}"))
    if found.module is not None:
        detail = f"{weights.name!r} is a whole pickled module; its weights were taken out without loading it."
        notes.append(Note("pickled-module", detail, str(found.module)))
    if found.container:
        notes.append(Note("checkpoint", f"The weights are those under {found.container!r}.", weights.name))
    return tuple(notes)
