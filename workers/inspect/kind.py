"""What one file of an upload is to a format."""

from __future__ import annotations

from dataclasses import dataclass

CONTROL = bytes(byte for byte in range(32) if byte < 9 or byte > 13)


@dataclass(frozen=True, slots=True)
class Kind:
    """``role`` of a file among a model's, a word of the format's own, and in words what it is."""

    role: str
    what: str


def is_text(head: bytes | memoryview) -> bool:
    """Text has no control characters but white space; protobuf, whose first byte is a tag, has."""
    return len(bytes(head).translate(None, CONTROL)) == len(head)
