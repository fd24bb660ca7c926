"""What each uploaded file is to TensorFlow, told by its content and, where that is alike, by its name."""

from __future__ import annotations

import re

from workers.formats.contract import Evidence
from workers.formats.tensorflow.bundle import SHARD
from workers.formats.tensorflow.table import FOOTER, is_table
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.protobuf import LENGTH, VARINT, scan
from workers.inspect.upload import Upload, UploadedFile

SAVED_MODEL, SAVED_TEXT, GRAPH, GRAPH_TEXT, META, INDEX, DATA, TABLE, STATE, OTHER = (
    "saved_model", "saved_text", "graph", "graph_text", "meta", "index", "data", "table", "state", "other",
)  # fmt: skip
HEAD = 1 << 16
SUFFIXES = (".pb", ".pbtxt", ".meta", ".index")

_NODE_TEXT = re.compile(rb"(?:^|[\s}])node\s*:?\s*\{\s*(?:name|op)\s*:", re.MULTILINE)
_SAVED_TEXT = re.compile(rb"(?:^|\s)(?:saved_model_schema_version\s*:|meta_graphs\s*:?\s*\{)")
_STATE = re.compile(rb"^\s*model_checkpoint_path\s*:")
_WORD = re.compile(rb"[A-Za-z0-9.][A-Za-z0-9_.\\/>\-:]*\Z")
_OPERATOR = re.compile(rb"[A-Za-z_][A-Za-z0-9_>]*\Z")


def kind_of(file: UploadedFile) -> Kind:
    """Look at the outermost records of a binary, at the head of a text; never at the whole."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    if SHARD.search(file.name):
        return Kind(DATA, "the values of a TensorFlow checkpoint")
    if file.size >= FOOTER and is_table(file.map()[-FOOTER:]):
        return _table_kind(file)
    head = file.head(HEAD)
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_text(head[:4096]):
        return _text_kind(head)
    return _binary_kind(file)


def _table_kind(file: UploadedFile) -> Kind:
    if file.name.endswith(".index"):
        return Kind(INDEX, "the index of a TensorFlow checkpoint")
    return Kind(TABLE, "a TensorFlow checkpoint of version 1")


def _text_kind(head: bytes) -> Kind:
    if _SAVED_TEXT.search(head):
        return Kind(SAVED_TEXT, "a TensorFlow SavedModel in text format")
    if _STATE.search(head):
        return Kind(STATE, "the list of a folder's TensorFlow checkpoints")
    if _NODE_TEXT.search(head) and b"op:" in head.replace(b" ", b""):
        return Kind(GRAPH_TEXT, "a TensorFlow graph in text format")
    return Kind(OTHER, "a text without TensorFlow nodes")


def _binary_kind(file: UploadedFile) -> Kind:
    fields = []
    for entry in scan(file.map()):
        fields.append(entry)
        if len(fields) >= 32:
            break
    if not fields:
        return Kind(OTHER, "no known TensorFlow file")
    if is_graph(fields):
        return Kind(GRAPH, "a TensorFlow graph")
    by_number = {(number, wire): value for number, wire, value in fields}
    if (
        {number for number, _, _ in fields} <= {1, 2}
        and (2, LENGTH) in by_number
        and by_number.get((1, VARINT), 1) == 1
    ):
        inner = _limited(by_number[2, LENGTH])
        if is_meta(inner):
            return Kind(SAVED_MODEL, "a TensorFlow SavedModel")
    if is_meta(fields):
        return Kind(META, "a TensorFlow meta graph")
    return Kind(OTHER, "no known TensorFlow file")


def _limited(view: memoryview) -> list[tuple[int, int, memoryview]]:
    found = []
    for entry in scan(view):
        found.append(entry)
        if len(found) >= 32:
            break
    return found


def is_meta(fields: list[tuple[int, int, memoryview]]) -> bool:
    """A MetaGraphDef: its info, and a graph of TensorFlow's nodes."""
    graphs = [value for number, wire, value in fields if (number, wire) == (2, LENGTH)]
    if not graphs or any(wire != LENGTH or number > 7 for number, wire, _ in fields):
        return False
    return is_graph(_limited(graphs[0]))


def is_graph(fields: list[tuple[int, int, memoryview]]) -> bool:
    """A GraphDef: nodes that begin with a name and an operator (both of which ONNX keeps elsewhere)."""
    if any((number, wire) not in ((1, LENGTH), (2, LENGTH), (3, VARINT), (4, LENGTH)) for number, wire, _ in fields):
        return False
    nodes = [value for number, wire, value in fields if (number, wire) == (1, LENGTH)]
    if not nodes:
        return False
    parts: dict[int, memoryview] = {}
    for number, wire, value in scan(nodes[0]):
        if number > 7 or wire != LENGTH:
            return False
        parts.setdefault(number, value)
    if 1 not in parts or 2 not in parts or len(parts[1]) > 4096 or len(parts[2]) > 256:
        return False
    return bool(_WORD.match(bytes(parts[1])) and _OPERATOR.match(bytes(parts[2])))


SAYS = {
    SAVED_MODEL: (0.98, "is a TensorFlow SavedModel"),
    SAVED_TEXT: (0.98, "is a TensorFlow SavedModel in text format"),
    META: (0.95, "is a TensorFlow meta graph"),
    GRAPH: (0.95, "is a TensorFlow graph"),
    GRAPH_TEXT: (0.95, "is a TensorFlow graph in text format"),
    INDEX: (0.6, "is the index of a TensorFlow checkpoint, without a graph"),
    TABLE: (0.6, "is a TensorFlow checkpoint of version 1, without a graph"),
    DATA: (0.3, "looks like the values of a TensorFlow checkpoint, without their index"),
    STATE: (0.3, "names TensorFlow checkpoints, which are not there"),
}


def sniff(upload: Upload) -> Evidence | None:
    """Whether an upload is a TensorFlow model, and from which file that shows."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    for role, (score, words) in SAYS.items():
        if role in by_role:
            return Evidence(score, f"{by_role[role].name!r} {words}")
    return None
