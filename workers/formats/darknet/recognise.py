"""What each uploaded file is to Darknet, told by its content: names are arbitrary and often misleading."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np

from workers.formats.contract import Evidence
from workers.formats.darknet.file import parse_header
from workers.inspect.kind import Kind, is_text
from workers.inspect.magic import kind_by_magic
from workers.inspect.upload import Upload, UploadedFile

CFG, WEIGHTS, NAMES, DATA, TREE, OTHER = "cfg", "weights", "names", "data", "tree", "other"
HEAD = 1 << 16
# Names under which users expect a Darknet file; a file so named that is none is worth an error, not silence.
SUFFIXES = (".weights", ".cfg")

_SECTION = re.compile(r"^\s*\[([^\]\n]+)\]", re.MULTILINE)
_COMMENT = re.compile(r"^\s*[#;].*$", re.MULTILINE)
_DATA = re.compile(r"^\s*(?:classes|train|valid|names|backup|labels|top|map|eval|results)\s*=", re.MULTILINE)
_TREE = re.compile(r"\A(?:\s*\S+[ \t]+-?\d+[ \t]*\r?(?:\n|\Z)){2,}")


def kind_of(file: UploadedFile) -> Kind:
    """Look at the head of a file, never at the whole."""
    if file.size == 0:
        return Kind(OTHER, "empty")
    head = file.head(HEAD)
    other = kind_by_magic(head)
    if other is not None:
        return Kind(OTHER, other)
    if is_text(head):
        return _text_kind(head.decode("utf-8", "replace").lstrip("\ufeff"), file)
    return _binary_kind(head, file)


def _text_kind(text: str, file: UploadedFile) -> Kind:
    plain = _COMMENT.sub("", text)
    section = _SECTION.search(plain)
    if section is not None and not plain[: section.start()].strip():
        if section.group(1).strip().lower() in ("net", "network"):
            return Kind(CFG, "a Darknet net")
        return Kind(OTHER, f"a text of sections that begins with [{section.group(1)[:40]}]")
    if _TREE.match(plain):
        return Kind(TREE, "a tree of classes")
    if len(_DATA.findall(plain)) >= 2:
        return Kind(DATA, "settings of Darknet's command line")
    suffix = PurePosixPath(file.name).suffix.lower()
    if suffix in (".names", ".labels", ".list") or (suffix == ".txt" and _is_list(plain)):
        return Kind(NAMES, "a list of class names")
    return Kind(OTHER, "a text without Darknet sections")


def _is_list(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and max(map(len, lines)) <= 64 and not any(char in text for char in "{}[]<>:=")


def _binary_kind(head: bytes, file: UploadedFile) -> Kind:
    """A header of small numbers, then float32 of the size that parameters have."""
    if len(head) < 16:
        return Kind(OTHER, "no known Darknet file")
    header = parse_header(head.ljust(20, b"\0"))
    known = header.major in (0, 1) and 0 <= header.minor <= 9 and 0 <= header.revision <= 20
    ancient = header.transposed and 0 <= header.major < 10_000 and 0 <= header.minor < 10_000 and header.revision < 100
    if not known and not (ancient and file.name.lower().endswith(".weights")):
        return Kind(OTHER, "no known Darknet file")
    if header.major == header.minor == header.revision == 0:
        return Kind(OTHER, "binary data that begins with zeros")
    end = header.size + (len(head) - header.size) // 4 * 4
    values = np.abs(np.frombuffer(head[header.size : end], "<f4")) if end > header.size else np.empty(0, np.float32)
    with np.errstate(invalid="ignore"):
        plain = (values == 0) | ((values > 1e-30) & (values < 1e12))
    if values.size and float(plain.mean()) < 0.95:
        return Kind(OTHER, "binary data that is no float32")
    return Kind(WEIGHTS, f"weights of Darknet {header.version}")


def sniff(upload: Upload) -> Evidence | None:
    """How sure the files are Darknet's: a cfg says it all, weights have a header of three small numbers only."""
    by_role: dict[str, UploadedFile] = {}
    for file in upload.files:
        by_role.setdefault(kind_of(file).role, file)
    cfg, weights = by_role.get(CFG), by_role.get(WEIGHTS)
    if cfg is not None and weights is not None:
        return Evidence(0.98, f"{cfg.name!r} is a Darknet net, {weights.name!r} has the header of its weights")
    if cfg is not None:
        return Evidence(0.85, f"{cfg.name!r} is a Darknet net: it begins with [net]")
    if weights is not None:
        score = 0.9 if weights.suffix in (".weights", ".backup") else 0.5
        return Evidence(score, f"{weights.name!r} has the header of Darknet's weights, without a net")
    return None
