"""What each uploaded file is to Keras, told by its content."""

from __future__ import annotations

import re
from typing import Any

from workers.errors import ConversionError
from workers.formats.contract import Evidence
from workers.formats.keras.container import is_container
from workers.formats.keras.stored import has_names
from workers.inspect.hdf5 import SIGNATURE, is_group, is_own, open_hdf5
from workers.inspect.kind import Kind
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

ARCHIVE, MODEL, WEIGHTS, TREE, JSON, YAML, METADATA, OTHER = (
    "archive", "model", "weights", "tree", "json", "yaml", "metadata", "other",
)  # fmt: skip
HEAD, TAIL = 1 << 16, 1 << 16
SUFFIXES = (".keras", ".h5", ".hdf5", ".hdf", ".keras2")
_CLASS = re.compile(rb'"class_name"\s*:\s*"')
_CONFIG = re.compile(rb'"config"\s*:\s*[\[{]')
_MARK = re.compile(
    rb'"keras_version"|"backend"\s*:|"registered_name"|"inbound_nodes"|"class_name"\s*:\s*"(?:Sequential|Model|Functional)"'
)
_YAML = re.compile(rb"^class_name\s*:\s*\S+\s*$", re.MULTILINE)
_META = re.compile(rb'^\s*\{\s*"keras_version"\s*:\s*"[^"]*"\s*,\s*"date_saved"')


def kind_of(file: UploadedFile) -> Kind:
    """Look at the names in a container, the head of a text; never at the weights."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    if head.startswith(SIGNATURE):
        return _hdf5_kind(file)
    if is_container(file):
        return Kind(ARCHIVE, "a .keras archive")
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    return _text_kind(file, head)


def _hdf5_kind(file: UploadedFile) -> Kind:
    try:
        with open_hdf5(file) as opened, opened.guarded("/"):
            attributes, names = set(opened.handle.attrs), set(opened.handle)
            if "model_config" in attributes:
                return Kind(MODEL, "a whole Keras model in HDF5")
            if has_names(opened):
                return Kind(WEIGHTS, "Keras weights in HDF5")
            if names & {"layers", "vars", "_layer_checkpoint_dependencies"} and _has_vars(opened.handle):
                return Kind(TREE, "Keras weights (.weights.h5)")
    except ConversionError:
        role = MODEL if file.name.lower().endswith((".h5", ".keras", ".hdf5")) else OTHER
        return Kind(role, "a damaged HDF5 file")
    return Kind(OTHER, "an HDF5 file that is not Keras'")


def _has_vars(group: Any, depth: int = 0) -> bool:
    """Whether one of the first groups holds ``vars``, as every layer of Keras 3 does."""
    for name in list(group)[:64]:
        link = group.get(name, getlink=True)
        if not is_own(link):
            continue
        if name == "vars" or (depth < 6 and is_group(group[name]) and _has_vars(group[name], depth + 1)):
            return True
    return False


def _text_kind(file: UploadedFile, head: bytes) -> Kind:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    # to_json's result put through json.dump once more is a JSON string; users do that often.
    if start.startswith((b"{", b'"{')):
        if _META.match(start):
            return Kind(METADATA, "a .keras archive's metadata")
        ends = (head + bytes(file.map()[-TAIL:])).replace(b'\\"', b'"')
        if _CLASS.search(ends) and _CONFIG.search(ends) and _MARK.search(ends):
            return Kind(JSON, "a Keras architecture in JSON")
        return Kind(OTHER, "JSON, but no Keras architecture")
    text = head + b"\n" + bytes(file.map()[-TAIL:])
    if _YAML.search(text) and re.search(rb"^config\s*:", text, re.MULTILINE):
        return Kind(YAML, "a Keras architecture in YAML")
    return Kind(OTHER, "no Keras file")


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a Keras model, and from which file that shows."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    for role, words in ((ARCHIVE, "a .keras archive"), (MODEL, "a whole Keras model in HDF5")):
        if role in by_role:
            return Evidence(0.98, f"{by_role[role].name!r} is {words}")
    text = by_role.get(JSON) or by_role.get(YAML)
    weights = by_role.get(WEIGHTS) or by_role.get(TREE)
    if text is not None and weights is not None:
        return Evidence(0.97, f"{text.name!r} is a Keras architecture and {weights.name!r} its weights")
    if text is not None:
        return Evidence(0.9, f"{text.name!r} is a Keras architecture, without weights")
    if weights is not None:
        return Evidence(0.9, f"{weights.name!r} holds Keras weights, without the architecture")
    return None
