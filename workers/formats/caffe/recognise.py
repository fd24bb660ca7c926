"""What each uploaded file is to Caffe, told by its content: names are arbitrary and often misleading."""

from __future__ import annotations

import math
import re
from typing import Any

from workers.errors import ConversionError, MalformedModel
from workers.formats.caffe.schema import SCHEMA
from workers.formats.caffe.upgrade import V0_TYPES
from workers.formats.contract import Evidence
from workers.inspect.hdf5 import SIGNATURE, open_hdf5
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.protobuf import LENGTH, VARINT, decode, scan
from workers.inspect.upload import Upload, UploadedFile

PROTOTXT, CAFFEMODEL, HDF5, SOLVER, MEAN, STATE, OTHER = (
    "prototxt", "caffemodel", "hdf5", "solver", "mean", "solverstate", "other",
)  # fmt: skip
HEAD = 1 << 16
# Names under which users expect a Caffe file; a file so named that is none is worth an error, not silence.
SUFFIXES = (".caffemodel", ".prototxt", ".caffemodel.h5", ".pbtxt", ".prototext")

_LAYER = re.compile(r"(?:^|[;}>])\s*layers?\s*:?\s*[{<]", re.MULTILINE)
_SOLVER = re.compile(
    r"^\s*(?:base_lr|train_net|test_net|lr_policy|max_iter|solver_mode|snapshot_prefix)\s*:", re.MULTILINE
)
_COMMENT = re.compile(r"#[^\n]*")


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head of a text, at the outermost records of a binary; never at the whole."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    if head.startswith(SIGNATURE):
        return _hdf5_kind(file)
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_text(head):
        return _text_kind(head)
    return _binary_kind(file.map())


def _hdf5_kind(file: UploadedFile) -> Kind:
    """Weights have a group ``data`` (and ``diff``), solver states ``history``; a damaged file counts as weights."""
    try:
        with open_hdf5(file) as opened:
            names = opened.names()
    except MalformedModel:
        return Kind(HDF5, "a damaged HDF5 file")
    if "history" in names and "data" not in names:
        return Kind(STATE, "a solver's state in HDF5")
    return Kind(HDF5, "HDF5 weights") if names and names <= {"data", "diff"} else Kind(OTHER, "another HDF5 file")


def _text_kind(head: bytes) -> Kind:
    text = _COMMENT.sub("", head.decode("utf-8", "replace")).lstrip("\ufeff")
    if _LAYER.search(text):
        return Kind(PROTOTXT, "a Caffe net in text format")
    if _SOLVER.search(text):
        return Kind(SOLVER, "a solver's settings")
    return Kind(OTHER, "a text without Caffe layers")


def _binary_kind(data: memoryview) -> Kind:
    fields = []
    for entry in scan(data):
        fields.append(entry)
        if len(fields) >= 64:
            break
    shape = [(number, wire) for number, wire, _ in fields]
    layers = [value for number, wire, value in fields if wire == LENGTH and number in (2, 100)]
    if layers and {number for number, _ in shape} <= {*range(1, 9), 100} and _is_layer(fields):
        return Kind(CAFFEMODEL, "a Caffe net in binary format")
    if _is_blob(fields):
        return Kind(MEAN, "a single Caffe blob, usually a mean image")
    state = {(1, VARINT), (2, LENGTH), (3, LENGTH), (4, VARINT)}
    if shape and shape[0] == (1, VARINT) and set(shape) <= state and (3, LENGTH) in shape:
        return Kind(STATE, "a solver's state")
    return Kind(OTHER, "no known Caffe file")


def _is_blob(fields: list[tuple[int, int, Any]]) -> bool:
    """A BlobProto whose numbers fill its shape, given as four old dimensions or as one list."""
    by_number = {number: value for number, wire, value in fields if wire == (VARINT if number < 5 else LENGTH)}
    if len(by_number) != len(fields) or not by_number.keys() <= set(range(1, 10)):
        return False
    dims = [by_number[number] for number in range(1, 5) if number in by_number]
    if not dims and 7 in by_number:
        try:
            dims = list(decode(by_number[7], SCHEMA["BlobShape"]).dim)
        except ConversionError:
            return False
    size = len(by_number.get(5, b"")) / 4 or len(by_number.get(8, b"")) / 8
    return bool(dims) and 0 < math.prod(dims) == size


def _is_layer(fields: list[tuple[int, int, memoryview]]) -> bool:
    """Whether the first layer is Caffe's: other nets (Caffe2, CNTK, TensorFlow) have the same outline around theirs."""
    number, value = next((number, value) for number, wire, value in fields if wire == LENGTH and number in (2, 100))
    inner = {(entry, wire): content for entry, wire, content in scan(value[:HEAD])}
    if number == 100:
        return _is_word(inner.get((2, LENGTH))) and not inner.keys() & {(1, VARINT), (2, VARINT)}
    if (1, LENGTH) in inner:
        flat = {(entry, wire): content for entry, wire, content in scan(inner[1, LENGTH])}
        return _is_word(flat.get((2, LENGTH))) and bytes(flat[2, LENGTH]).decode() in {*V0_TYPES, "padding"}
    names = [inner[entry, LENGTH] for entry in (2, 3, 4) if (entry, LENGTH) in inner]
    return (5, VARINT) in inner and bool(names) and all(map(_is_word, names))


def _is_word(value: memoryview | None) -> bool:
    """A name or a type: printable, in one line."""
    return (
        value is not None and 0 < len(value) < 1024 and is_text(value) and str(value, "utf-8", "replace").isprintable()
    )


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a Caffe model, and from which file that shows."""
    kinds = [(file, kind_of(file)) for file in upload.files]
    by_role = {kind.role: file for file, kind in reversed(kinds)}
    net, weights = by_role.get(PROTOTXT), by_role.get(CAFFEMODEL)
    if net is not None and weights is not None:
        return Evidence(0.98, f"{net.name!r} is a Caffe net in text format and {weights.name!r} one with weights")
    if net is not None:
        return Evidence(0.9, f"{net.name!r} is a Caffe net in text format")
    if weights is not None:
        return Evidence(0.9, f"{weights.name!r} is a Caffe net in binary format")
    hdf5 = by_role.get(HDF5)
    if hdf5 is not None and (".caffemodel" in hdf5.name.lower() or kind_of(hdf5).what == "HDF5 weights"):
        return Evidence(0.6, f"{hdf5.name!r} looks like Caffe's HDF5 weights, without a net")
    for role, words in ((SOLVER, "a solver's settings"), (STATE, "a solver's state"), (MEAN, "a single blob")):
        if role in by_role:
            return Evidence(0.3, f"{by_role[role].name!r} looks like {words} of Caffe's, without a net")
    return None
