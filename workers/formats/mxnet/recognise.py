"""What each uploaded file is to MXNet, told by its content: symbol files and parameter files have arbitrary names."""

from __future__ import annotations

import re

from workers.formats.contract import Evidence
from workers.formats.mxnet.file import is_params
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

SYMBOL, PARAMS, OTHER = "symbol", "params", "other"
# A symbol's keys may stand in any order: the head and the tail of the file are searched, never the whole.
HEAD, TAIL = 1 << 16, 1 << 20
SUFFIXES = (".params", "-symbol.json")

_NODES, _HEADS = re.compile(rb'"nodes"\s*:\s*\['), re.compile(rb'"heads"\s*:\s*\[')
_NODE = re.compile(rb'"op"\s*:\s*"')
_COMPILED = re.compile(rb'"op"\s*:\s*"tvm_op"')


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head and the tail of a text, at the first bytes of a binary."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    if is_params(head):
        return Kind(PARAMS, "an MXNet parameter file")
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_text(head) and head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return _json_kind(file, head)
    return Kind(OTHER, "no MXNet file")


def _json_kind(file: UploadedFile, head: bytes) -> Kind:
    tail = bytes(file.map()[-TAIL:])
    if not ((_NODES.search(head) or _NODES.search(tail)) and (_HEADS.search(head) or _HEADS.search(tail))):
        return Kind(OTHER, "JSON, but no symbol")
    if _COMPILED.search(head):
        return Kind(OTHER, "a graph compiled by TVM, which holds programs instead of layers")
    if _NODE.search(head) or _NODE.search(tail):
        return Kind(SYMBOL, "an MXNet symbol")
    return Kind(OTHER, "JSON, but no symbol")


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is an MXNet model, and from which file that shows."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    symbol, params = by_role.get(SYMBOL), by_role.get(PARAMS)
    if symbol is not None and params is not None:
        return Evidence(0.98, f"{symbol.name!r} is an MXNet symbol and {params.name!r} a file of MXNet parameters")
    if symbol is not None:
        return Evidence(0.9, f"{symbol.name!r} is an MXNet symbol")
    if params is not None:
        return Evidence(0.9, f"{params.name!r} is a file of MXNet parameters, without a symbol")
    return None
