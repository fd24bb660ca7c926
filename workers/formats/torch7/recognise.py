"""Whether a file is a serialised Torch7 object, told by its first bytes: its name may be anything."""

from __future__ import annotations

import re

from workers.formats.contract import Evidence
from workers.formats.torch7.file import is_ascii, is_t7
from workers.inspect.kind import Kind
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

NETWORK, OBJECT, OTHER = "network", "object", "other"
HEAD = 1 << 16
SUFFIXES = (".t7", ".th7", ".t7b")
_CLASS = re.compile(rb"\b(?:nn|cudnn|inn|nngraph|ccn2|fbnn|rnn)\.[A-Z]\w+")
_TORCH = re.compile(rb"\btorch\.\w+(?:Tensor|Storage)")


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head of a file."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    if not is_t7(head):
        return Kind(OTHER, kind_by_magic(head) or "no object of Torch7's")
    how = "ASCII" if is_ascii(head) else "binary"
    found = _CLASS.search(head)
    if found is not None:
        return Kind(NETWORK, f"a Torch7 file ({how}) with the module {found[0].decode()}")
    if _TORCH.search(head):
        return Kind(OBJECT, f"a Torch7 file ({how}) of tensors")
    return Kind(OBJECT, f"begins like a Torch7 file ({how})")


def sniff(upload: Upload) -> Evidence | None:
    """How sure the upload is Torch7's: a module's class name says it all."""
    found = [(file, kind_of(file)) for file in upload.files]
    for file, kind in found:
        if kind.role == NETWORK:
            return Evidence(0.98, f"{file.name!r} is {kind.what}")
    for file, kind in found:
        if kind.role == OBJECT:
            sure = "tensors" in kind.what or file.name.lower().endswith(SUFFIXES)
            return Evidence(0.9 if sure else 0.5, f"{file.name!r} is {kind.what}".replace("is begins", "begins"))
    return None
