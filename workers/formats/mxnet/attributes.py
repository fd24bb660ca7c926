"""The attributes of a node, which MXNet stores as strings, as numbers, flags and tuples.

``(3, 3)``, ``[3,3]``, ``3``, ``(2L, 2L)`` and ``()`` are tuples of integers, ``None`` may stand for a whole value or
inside a tuple. ValueError says what cannot be understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LIMIT, LENGTH = 2**63, 4096
_INTEGER = re.compile(r"^[+-]?\d{1,20}L?$")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_GROUP = re.compile(r"[(\[]([^()\[\]]*)[)\]]")


def integer(text: str) -> int:
    """An integer of 64 bits; python 2 wrote an L behind it."""
    word = text.strip()
    if not _INTEGER.match(word) or not -LIMIT <= int(word.removesuffix("L")) < LIMIT:
        raise ValueError(f"{shown(text)} is no integer")
    return int(word.removesuffix("L"))


def real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no number") from None


def flag(text: str) -> bool:
    found = _FLAGS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"{shown(text)} is neither True nor False")
    return found


def items(text: str, convert: Callable[[str], T]) -> tuple[T | None, ...]:
    """A tuple; a bare value is one of length 1, None inside it stands for an absent value."""
    inner = text.strip()
    if inner[:1] in "([" and inner[-1:] in ")]" and inner:
        inner = inner[1:-1]
    words = [word.strip() for word in inner.split(",")]
    if words and words[-1] == "":
        words.pop()
    if len(words) > LENGTH:
        raise ValueError(f"{len(words)} values are absurdly many")
    return tuple(None if word == "None" else convert(word) for word in words)


def groups(text: str) -> list[tuple[int, ...]]:
    """A tuple of tuples: ``((0, 0), (1, 2))``."""
    found = [items(match, integer) for match in _GROUP.findall(text)]
    return [tuple(item for item in group if item is not None) for group in found]


def shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
