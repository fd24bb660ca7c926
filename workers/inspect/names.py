"""File names out of archives: what may become a path on this machine, and what will not."""

from __future__ import annotations

import re
import unicodedata

from workers.errors import UnsafeArchive

PART, PATH, DEPTH = 255, 1024, 16
"""Bytes of one part and of the whole name, and folders in it."""

# Names that Windows gives to devices, with any ending.
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.IGNORECASE)

# What archivers add on their own: no part of a model.
LITTER = re.compile(r"(^|/)(__MACOSX/.*|\.DS_Store|Thumbs\.db|desktop\.ini)$")

# Categories of Unicode that a reader of the name cannot see: controls, formats (bidi), surrogates, line separators.
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def shown(name: str) -> str:
    """A name for a message: at most 200 characters, nothing invisible."""
    return "".join(
        char if unicodedata.category(char) not in INVISIBLE else f"\\u{ord(char):04x}" for char in name[:200]
    )


def why_unsafe(name: str) -> str | None:
    """The reason why ``name`` will not be used as a relative path, in words; None when it may be."""
    parts = name.split("/")
    if any(unicodedata.category(char) in INVISIBLE for char in name):
        return "has control or direction characters in its name"
    if "\\" in name or ":" in name:
        return "has a back slash or a colon in its name"
    if name.startswith("/"):
        return "has an absolute path"
    if any(part in ("..", ".", "") for part in parts):
        return "leads out of the archive, or is no plain path"
    if len(name.encode()) > PATH or any(len(part.encode()) > PART for part in parts) or len(parts) > DEPTH:
        return "has too long a name"
    if any(DEVICES.match(part) or part.endswith((" ", ".")) for part in parts):
        return "has the name of a device, or ends with a dot or a space"
    return None


class Names:
    """The names taken so far: no two members may fall on the same path, whatever the file system's view of case."""

    def __init__(self, archive: str) -> None:
        self.archive = archive
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}

    def claim(self, name: str) -> str | None:
        """The member's name as a safe relative path, None for litter; UnsafeArchive otherwise."""
        if LITTER.search(name):
            return None
        name = name.removeprefix("./")
        reason = why_unsafe(name)
        if reason:
            raise self.refuse(name, reason)
        key = _folded(name)
        clash = self.files.get(key) or self.folders.get(key)
        if clash:
            raise self.refuse(name, f"falls on the same path as '{shown(clash)}'")
        self.files[key] = name
        parts = name.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            taken = self.files.get(_folded(folder))
            if taken or self.folders.setdefault(_folded(folder), folder) != folder:
                raise self.refuse(name, f"falls on the same path as '{shown(taken or folder)}'")
        return name

    def refuse(self, name: str, reason: str) -> UnsafeArchive:
        return UnsafeArchive(
            f"the member '{shown(name)}' of {self.archive!r} {reason}",
            file=self.archive,
            hint="Pack plain files with plain relative names.",
        )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
