"""What each uploaded file is to Caffe2, told by its content: the names of files and of nets are arbitrary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from workers.formats.caffe2.file import META_KEY, is_minidb
from workers.formats.contract import Evidence
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.protobuf import LENGTH, VARINT, scan
from workers.inspect.upload import Upload, UploadedFile

NET, TEXT, DATABASE, META, TENSORS, BLOB, SHAPES, FOREIGN, OTHER = (
    "net", "text", "database", "meta", "tensors", "blob", "shapes", "foreign", "other",
)  # fmt: skip
HEAD = 1 << 16
SUFFIXES = (".minidb",)
Entry = tuple[int, int, Any]
LMDB_AT, LMDB = 16, b"\xde\xc0\xef\xbe"

_TYPE = re.compile(rb"[A-Za-z][A-Za-z0-9_]*\Z")
_OPERATOR = re.compile(r"(?:^|[;}>])\s*op\s*:?\s*[{<]", re.MULTILINE)
_ENDS = re.compile(r"^\s*external_(?:input|output)\s*:", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_META_KEY = re.compile(rb"_(?:NET|BLOB)_TYPE")
_SHAPES = re.compile(rb'\A\s*\{\s*"[^"]*"\s*:\s*\[\s*\d+\s*,\s*\[')
_LEVELDB = re.compile(r"(?:CURRENT|MANIFEST-\d+|\d+\.(?:ldb|sst))\Z")


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head of a file, never at the whole."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    name = PurePosixPath(file.name).name
    if head[LMDB_AT : LMDB_AT + 4] == LMDB:
        return Kind(FOREIGN, "an LMDB database")
    if _LEVELDB.match(name):
        return Kind(FOREIGN, "a part of a LevelDB database")
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_minidb(head, file.size):
        with_net = head[8 : 8 + len(META_KEY)] == META_KEY
        return Kind(DATABASE, "a Caffe2 predictor database" if with_net else "a Caffe2 database of parameters")
    if _SHAPES.match(head):
        return Kind(SHAPES, "a table of input types and shapes")
    if is_text(head):
        return _text_kind(head)
    return _binary_kind(file.map())


def _text_kind(head: bytes) -> Kind:
    text = _COMMENT.sub("", head.decode("utf-8", "replace")).lstrip("\ufeff")
    if _OPERATOR.search(text) and ("type:" in text.replace(" ", "") or _ENDS.search(text)):
        return Kind(TEXT, "a Caffe2 net in text format")
    return Kind(OTHER, "a text without Caffe2 operators")


def _binary_kind(data: memoryview) -> Kind:
    fields = []
    for entry in scan(data):
        fields.append(entry)
        if len(fields) >= 16:
            break
    if not fields or any(not 1 <= number <= 9 for number, _, _ in fields):
        return Kind(OTHER, "no known Caffe2 file")
    operators = [value for number, wire, value in fields if (number, wire) == (2, LENGTH)]
    if operators and all(map(_is_operator, operators)):
        return Kind(NET, "a Caffe2 net in binary format")
    first = fields[0]
    if all((number, wire) == (1, LENGTH) for number, wire, _ in fields) and _is_tensor(first[2]):
        return Kind(TENSORS, "a Caffe2 file of tensors")
    if _is_blob(fields):
        return Kind(BLOB, "a single Caffe2 blob")
    if _is_meta(fields):
        return Kind(META, "a Caffe2 MetaNetDef")
    return Kind(OTHER, "no known Caffe2 file")


def _is_operator(value: memoryview) -> bool:
    """An OperatorDef: a type in one word, and nothing but texts where Caffe has numbers."""
    inner = list(scan(value[:HEAD]))
    types = [bytes(content) for number, wire, content in inner if (number, wire) == (4, LENGTH)]
    if len(types) != 1 or not _TYPE.match(types[0]):
        return False
    names = [content for number, wire, content in inner if wire == LENGTH and number in (1, 2)]
    texts = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11}
    return bool(names) and all(wire == LENGTH if number in texts else wire == VARINT for number, wire, _ in inner)


def _is_tensor(value: memoryview) -> bool:
    inner = list(scan(value[: 1 << 12]))
    return bool(inner) and inner[0][0] == 1 and (2, VARINT) in {(number, wire) for number, wire, _ in inner}


def _is_blob(fields: Sequence[Entry]) -> bool:
    """Name, type, then a tensor."""
    kinds = [(number, wire) for number, wire, _ in fields]
    if kinds[:3] != [(1, LENGTH), (2, LENGTH), (3, LENGTH)]:
        return False
    return bytes(fields[1][2][:6]) == b"Tensor"


def _is_meta(fields: Sequence[Entry]) -> bool:
    """Maps of blobs and nets, whose keys Caffe2 fixed."""
    return any(
        number in (1, 2) and wire == LENGTH and _META_KEY.search(bytes(value[:256])) is not None
        for number, wire, value in fields
    )


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a Caffe2 model, and from which files that shows."""
    by_role: dict[str, list[str]] = {}
    kinds = [(file, kind_of(file)) for file in upload.files]
    for file, kind in kinds:
        by_role.setdefault(kind.role, []).append(file.name)
    nets = by_role.get(NET, []) + by_role.get(TEXT, [])
    if len(nets) > 1:
        return Evidence(0.98, f"{nets[0]!r} and {nets[1]!r} are Caffe2 nets")
    if nets:
        return Evidence(0.92, f"{nets[0]!r} is a Caffe2 net")
    if DATABASE in by_role:
        what = next(kind.what for file, kind in kinds if kind.role == DATABASE)
        return Evidence(0.97, f"{by_role[DATABASE][0]!r} is {what}")
    for role, words in ((META, "a Caffe2 MetaNetDef"), (TENSORS, "a file of Caffe2 tensors"), (BLOB, "a Caffe2 blob")):
        if role in by_role:
            return Evidence(0.6, f"{by_role[role][0]!r} looks like {words}, without a net")
    if FOREIGN in by_role:
        return Evidence(0.2, f"{by_role[FOREIGN][0]!r} belongs to a database, in which Caffe2 may keep a model")
    return None
