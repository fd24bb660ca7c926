"""Names that nothing else bears."""

from __future__ import annotations


def unique(name: str, taken: set[str] | set[str | None], joint: str = "_") -> str:
    """``name``, or ``name_1``, ``name_2``, ...; the result is added to ``taken``."""
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}{joint}{count}"
    taken.add(candidate)
    return candidate
