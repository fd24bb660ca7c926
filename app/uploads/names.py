"""What users call their files: kept as a label, never used as a path."""

from __future__ import annotations

import re
import unicodedata

MAX_PART = 200
MAX_NAME = 1000
# Control and format characters (among them the ones that turn writing round), surrogates, and line separators.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_DRIVE = re.compile(r"^[A-Za-z]:")


def clean(name: str) -> str:
    """A relative POSIX name without tricks: ``..\\..\\a/b.h5`` becomes ``a/b.h5``; an empty one ``file``."""
    name = unicodedata.normalize("NFC", name)
    name = "".join("_" if unicodedata.category(c) in _HIDDEN else c for c in name[: 4 * MAX_NAME])
    parts = [part.strip() for part in _DRIVE.sub("", name).replace("\\", "/").split("/")]
    kept = [_short(part) for part in parts if part not in ("", ".", "..")]
    while len("/".join(kept)) > MAX_NAME:
        kept.pop(0)
    return "/".join(kept) or "file"


def _short(part: str) -> str:
    """At most MAX_PART characters, the ending kept."""
    if len(part) <= MAX_PART:
        return part
    stem, dot, ending = part.rpartition(".")
    if not dot or len(ending) > 16:
        return part[:MAX_PART]
    return stem[: MAX_PART - len(ending) - 1] + "." + ending
