"""What OpenCV's Torch7 importer is known to compute otherwise than Torch, found in the very modules of a network.

Each row was seen: the module run in OpenCV 4.14 against what Lua Torch recorded. What OpenCV lacks altogether needs no
row: it refuses that itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import onnx_ir as ir

from workers.errors import ConversionError
from workers.formats.torch7.assemble import assemble
from workers.formats.torch7.objects import Object, Storage
from workers.formats.torch7.read import KNOWN
from workers.formats.torch7.read.inputs import BRANCHES, modules_of
from workers.hub.node import shape_of
from workers.hub.provenance import layer_of, layer_type_of
from workers.inspect.upload import Upload

SOFTMAX = ("SoftMax", "LogSoftMax")
# Modules that hand on the very memory of their input.
PASSES = frozenset({"nn.Identity", "nn.View", "nn.Reshape", "nn.Squeeze", "nn.Unsqueeze", "nn.Contiguous", "nn.Copy"})


def doubts(files: Iterable[Path], model: ir.Model) -> list[str]:
    """One sentence a module on what OpenCV computes otherwise; usually none."""
    try:
        source = assemble(Upload.of(*files), KNOWN)
    except ConversionError:
        return []
    found = []
    if any(note.code == "other-networks" for note in source.notes):
        found.append("OpenCV joins all networks of the file into one")
    for item in _walk(source.module):
        words = _doubt(item)
        if words:
            found.append(f"{item.class_name}: {words}")
    return list(dict.fromkeys([*found, *_ranks(model)]))


def _walk(module: Object, depth: int = 0) -> Iterable[Object]:
    yield module
    if depth < 60:
        for item in modules_of(module):
            yield from _walk(item, depth + 1)


def _doubt(item: Object) -> str:
    if item.class_name == "nn.Normalize" and item.get("p") == math.inf:
        return "OpenCV does not know the infinity norm"
    size = item.get("size")
    if item.class_name == "nn.View" and item.get("numInputDims") is None and isinstance(size, Storage):
        return "OpenCV keeps the batch apart, Torch takes -1 of all values" if -1 in size.integers()[:64] else ""
    if item.class_name in BRANCHES and any(_writes(branch) for branch in modules_of(item)):
        return "OpenCV gives every branch the input as it was, Torch as the branches before have overwritten it"
    return ""


def _writes(module: Object, depth: int = 0) -> bool:
    """Whether a branch begins by writing into its input."""
    if depth > 60:
        return False
    if module.class_name == "nn.Sequential":
        for item in modules_of(module):
            if item.class_name not in PASSES:
                return _writes(item, depth + 1)
        return False
    return module.get("inplace") is True


def _ranks(model: ir.Model) -> list[str]:
    """OpenCV has no vectors, and normalises over the second axis whatever the number of axes."""
    found = []
    for node in model.graph:
        shape = shape_of(node.inputs[0]) if node.inputs and node.inputs[0] is not None else None
        if layer_type_of(node).partition(".")[2] in SOFTMAX and shape is not None and len(shape) in (1, 3):
            found.append(f"module {layer_of(node)!r}: OpenCV normalises over the second axis, Torch over the first")
    if any(value.shape is not None and len(value.shape) == 1 for value in model.graph.outputs):
        found.append("OpenCV gives a vector as a matrix")
    return found
