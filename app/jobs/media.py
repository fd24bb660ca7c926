"""The media type of a file by its name's ending."""

from __future__ import annotations

from pathlib import PurePosixPath

TYPES = {
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".prototxt": "text/plain; charset=utf-8",
    ".npz": "application/zip",
    ".zip": "application/zip",
}


def media_type(name: str) -> str:
    """Everything that is not text is bytes: no browser is to guess."""
    return TYPES.get(PurePosixPath(name).suffix.lower(), "application/octet-stream")
