"""What a toolchain's folder says: ``toolchain.toml``, its lock file, its tool."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """``toolchain.toml``. ``python`` is a minor version, ``provides`` actions: run:<format>, export:<format>."""

    name: str
    title: str
    python: str
    provides: list[str]
    timeout_s: float = 600
    memory_mb: int = 8192


@dataclass(frozen=True, slots=True)
class Place:
    """A toolchain as this installation has it: its definition, its folder in our code, and where it is built."""

    definition: Definition
    folder: Path
    home: Path

    @property
    def lock(self) -> Path:
        return self.folder / "requirements.lock"

    @property
    def tool(self) -> Path:
        return self.folder / "tool.py"

    @property
    def environment(self) -> Path:
        """The virtual environment: another lock, or another Python, is another folder."""
        digest = hashlib.sha256(self.definition.python.encode() + self.lock.read_bytes()).hexdigest()[:12]
        return self.home / f"{self.definition.name}-{digest}"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def interpreter(self) -> Path:
        """The installation behind the virtual environment: its ``bin/python``'s own prefix."""
        return self.python.resolve().parent.parent

    @property
    def stamp(self) -> Path:
        """Written last: without it a folder is the rest of an interrupted build."""
        return self.environment / "onnxhub-installed"

    @property
    def installed(self) -> bool:
        return self.stamp.exists()


def home() -> Path:
    """``ONNXHUB_TOOLCHAINS``, or ``toolchains`` below ``ONNXHUB_HOME`` (default ``~/.local/share/onnxhub``)."""
    given = os.environ.get("ONNXHUB_TOOLCHAINS")
    if given:
        return Path(given).resolve()
    state = os.environ.get("ONNXHUB_HOME")
    return ((Path(state) if state else Path.home() / ".local/share/onnxhub") / "toolchains").resolve()


@cache
def _definitions() -> dict[str, tuple[Definition, Path]]:
    import tomllib  # a job that verifies nothing needs no toolchain

    found = {}
    for lock in sorted(HERE.glob("*/requirements.lock")):
        text = (lock.parent / "toolchain.toml").read_text(encoding="utf-8")
        definition = Definition(**tomllib.loads(text))
        found[definition.name] = (definition, lock.parent)
    return found


def places() -> dict[str, Place]:
    """Every toolchain that onnxhub knows, installed or not, by name."""
    return {name: Place(definition, folder, home()) for name, (definition, folder) in _definitions().items()}
