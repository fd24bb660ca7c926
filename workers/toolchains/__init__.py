"""Foreign environments: a framework's own code runs in one, from a stand-alone script, and never in our process."""

from __future__ import annotations

from dataclasses import dataclass

from workers.toolchains.definition import home, places
from workers.toolchains.install import install
from workers.toolchains.run import Call, Toolchain, ToolRefused, ToolResult


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of ``onnxhub toolchain list``."""

    name: str
    title: str
    provides: tuple[str, ...]
    installed: bool


def listing() -> list[Listed]:
    """Every toolchain that onnxhub knows."""
    return [
        Listed(name, place.definition.title, tuple(place.definition.provides), place.installed)
        for name, place in places().items()
    ]


def find(action: str) -> Toolchain | None:
    """The first installed toolchain that provides ``action`` (``run:caffe``), or None."""
    for place in places().values():
        if action in place.definition.provides and place.installed:
            return Toolchain(place)
    return None


__all__ = ["Call", "Listed", "ToolRefused", "ToolResult", "Toolchain", "find", "home", "install", "listing", "places"]
