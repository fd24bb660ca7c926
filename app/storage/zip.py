"""A ZIP made while it is sent: stored, not compressed, since weights do not shrink; nothing is kept."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

BLOCK = 256 << 10


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    path: Path


class _Sink:
    """What the archive writes to; it cannot seek, so sizes follow each member."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: take() is what empties it."""

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def stream(members: Sequence[Member], moment: datetime) -> Iterator[bytes]:
    """The archive in blocks; equal members and moment give equal bytes."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # type: ignore[call-overload]
        for member in members:
            info = zipfile.ZipInfo(member.name, moment.timetuple()[:6])
            info.external_attr = 0o644 << 16
            with member.path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    yield sink.take()
    yield sink.take()
