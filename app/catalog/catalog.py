"""What the live workers announced, put together: formats, conversions, the options' schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from app.context import Hub
from app.db import workers


@dataclass(frozen=True, slots=True)
class Catalog:
    """``formats`` by name, as the workers describe them; ``workers`` and ``slots`` count who is there to do it."""

    formats: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    engine: str = ""
    workers: int = 0
    slots: int = 0
    devices: tuple[str, ...] = ()

    def sources(self) -> list[str]:
        return [name for name, format in self.formats.items() if format.get("read")]

    def targets(self) -> list[str]:
        return [name for name, format in self.formats.items() if format.get("write")]


def current(hub: Hub) -> Catalog:
    """The union over all live workers: some worker can do each of these things now."""
    with hub.db.read() as session:
        found = workers.alive(session, timedelta(seconds=hub.settings.worker_alive_seconds))
    formats: dict[str, dict[str, Any]] = {}
    for worker in found:
        for format in worker.capabilities.get("formats", []):
            formats[format["name"]] = _union(formats.get(format["name"]), format)
    newest = found[-1].capabilities if found else {}
    return Catalog(
        formats=formats,
        options=newest.get("options", {}),
        engine=newest.get("engine", ""),
        workers=len(found),
        slots=sum(worker.slots for worker in found),
        devices=tuple(sorted({device for worker in found for device in worker.capabilities.get("devices", [])})),
    )


def _union(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """Two workers' words on one format: what either can do, can be done."""
    if one is None:
        return other
    verify = {entry["action"]: entry for entry in [*one.get("verify", []), *other.get("verify", [])]}
    for entry in [*one.get("verify", []), *other.get("verify", [])]:
        if entry["available"]:
            verify[entry["action"]] = entry
    able = {key: bool(one.get(key)) or bool(other.get(key)) for key in ("read", "write")}
    return {**one, **other, **able, "verify": list(verify.values())}
