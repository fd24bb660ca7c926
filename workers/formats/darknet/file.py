"""Darknet's files and nothing else: cfg text <-> sections, weights bytes <-> header and floats. Knows no ONNX.

A cfg is a list of sections of ``key=value`` lines, each section one layer; a weights file is a header of 16 or 20 bytes
and then float32 parameters without names or shapes, whose order and sizes only the cfg tells.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.errors import LimitExceeded, MalformedModel

Array = npt.NDArray[Any]

# A cfg of a thousand layers has some 50 KB; what is far beyond is no net.
CFG_BYTES, SECTIONS, KEYS = 16 << 20, 20_000, 2_000_000
TREE_LINES = 1_000_000
INT_MIN, INT_MAX = -(2**31), 2**31 - 1

_INT = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_EXPONENT = re.compile(r"\.?\d*[eE][+-]?\d")
_SPACE = str.maketrans("", "", " \t\r\v\f")


@dataclass(frozen=True, slots=True)
class Section:
    """One ``[type]`` with its options; ``line`` is where it begins. Of a repeated key the first value counts."""

    type: str
    line: int
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cfg:
    sections: tuple[Section, ...]
    ignored: tuple[int, ...] = ()
    """Numbers of lines without a key and a value, which Darknet skips with a message."""


def parse_cfg(text: bytes | memoryview, file: str | None = None) -> Cfg:
    """The sections of a cfg.

    All blanks are dropped first; a line that begins with ``#`` or ``;`` is a comment. Raises MalformedModel for a text
    that does not begin with a section, LimitExceeded for one that is no net by its size.
    """
    if len(text) > CFG_BYTES:
        raise LimitExceeded("size", f"{file!r} has {len(text):,} bytes; no cfg has", limit=CFG_BYTES, file=file)
    sections: list[Section] = []
    options: dict[str, str] = {}
    ignored: list[int] = []
    lines = bytes(text).decode("utf-8", "replace").lstrip("\ufeff").replace("\0", "").split("\n")
    for number, raw in enumerate(lines, start=1):
        line = raw.translate(_SPACE)
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            options = {}
            sections.append(Section(line[1:-1] if line[-1] == "]" else line, number, options))
            if len(sections) > SECTIONS:
                raise LimitExceeded("nodes", f"{file!r} has more than {SECTIONS:,} sections", limit=SECTIONS, file=file)
            continue
        key, sign, value = line.partition("=")
        if not sections:
            raise MalformedModel(f"line {number} of {file!r} stands before the first section", file=file)
        if not sign or not value:
            ignored.append(number)
        else:
            options.setdefault(key, value)
    return Cfg(tuple(sections), tuple(ignored))


def print_cfg(sections: Sequence[Section]) -> str:
    """The sections as Darknet reads them."""
    return "\n".join(
        f"[{section.type}]\n" + "".join(f"{key}={value}\n" for key, value in section.options.items())
        for section in sections
    )


def whole(value: str) -> int:
    """A number as C's ``atoi`` reads it: what follows the digits is ignored, no digits are 0.

    Raises ValueError beyond 32 bits, and for ``1e9``, of which atoi would take the 1.
    """
    found = _INT.match(value)
    if found is None:
        return 0
    number = int(found.group()) if len(found.group()) < 20 else 2**63
    if not INT_MIN <= number <= INT_MAX:
        raise ValueError(f"{value[:40]} does not fit into 32 bits")
    if _EXPONENT.match(value, found.end()):
        raise ValueError(f"{value[:40]} is no whole number; Darknet would take it for {number}")
    return number


def decimal(value: str) -> float:
    """A number as C's ``atof`` reads it, rounded to float32: what follows is ignored, no digits are 0."""
    found = _FLOAT.match(value)
    with np.errstate(over="ignore"):
        return float(np.float32(found.group())) if found is not None else 0.0


# --- weights --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Header:
    """``seen``: training images so far. ``size``: bytes of the header: ``seen`` has 4 of them, since 0.2 eight."""

    major: int
    minor: int
    revision: int
    seen: int
    size: int

    @property
    def version(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}"

    @property
    def transposed(self) -> bool:
        """Ancient files store connected weights as [inputs][outputs] and say so by a version beyond 1000."""
        return self.major > 1000 or self.minor > 1000


def parse_header(head: bytes | memoryview, file: str | None = None) -> Header:
    """Raises MalformedModel when the file is shorter than its header."""
    if len(head) < 16:
        raise MalformedModel(f"{file!r} has {len(head)} bytes: less than the header of Darknet's weights", file=file)
    major, minor, revision = struct.unpack_from("<3i", head)
    if major * 10 + minor < 2 or major > 1000 or minor > 1000:
        return Header(major, minor, revision, struct.unpack_from("<I", head, 12)[0], 16)
    if len(head) < 20:
        raise MalformedModel(f"{file!r} has {len(head)} bytes: less than the header of Darknet's weights", file=file)
    return Header(major, minor, revision, struct.unpack_from("<Q", head, 12)[0], 20)


def print_header(header: Header) -> bytes:
    versions = struct.pack("<3i", header.major, header.minor, header.revision)
    return versions + struct.pack("<Q" if header.size == 20 else "<I", header.seen)


def parse_weights(data: bytes | memoryview, file: str | None = None) -> tuple[Header, Array]:
    """The header and all parameters as one float32 view on ``data``, without copying."""
    header = parse_header(data, file)
    if (len(data) - header.size) % 4:
        raise MalformedModel(
            f"{file!r} has {len(data):,} bytes: after the header of {header.size} no whole number of float32", file=file
        )
    return header, np.frombuffer(data, "<f4", offset=header.size)


# --- trees ----------------------------------------------------------------------------------------------------------


def parse_tree(text: bytes | memoryview, file: str | None = None) -> tuple[int, ...]:
    """Sizes of the softmax groups of a class tree: consecutive lines ``name parent`` with the same parent."""
    sizes: list[int] = []
    last: int | None = None
    lines = bytes(text).decode("utf-8", "replace").splitlines()
    if len(lines) > TREE_LINES:
        raise LimitExceeded("size", f"{file!r} has {len(lines):,} lines", limit=TREE_LINES, file=file)
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            parent = whole(words[1]) if len(words) > 1 else -1
        except ValueError as error:
            raise MalformedModel(f"line {number} of {file!r}: {error}", file=file) from error
        if parent == last:
            sizes[-1] += 1
        else:
            sizes.append(1)
            last = parent
    return tuple(sizes)
