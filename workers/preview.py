"""What an upload is, and what would block which target, without writing anything: ``onnxhub inspect``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from workers.errors import ConversionError
from workers.formats import all_formats
from workers.formats.contract import Format
from workers.hub.describe import describe
from workers.hub.normalise import normalise
from workers.pipeline import Conversion, open_upload, remaining, source_of
from workers.report.schema import Hub, Report, Source


class Prospect(BaseModel):
    """One target: can it be written, and if not which layers stand in the way."""

    model_config = ConfigDict(extra="forbid")

    target: str
    title: str
    possible: bool
    error: dict[str, Any] | None = None


class Preview(BaseModel):
    """``hub`` is absent, and ``error`` tells why, when the files were recognised but cannot be read."""

    model_config = ConfigDict(extra="forbid")

    source: Source
    hub: Hub | None = None
    targets: list[Prospect] = []
    error: dict[str, Any] | None = None


def preview(job: Conversion) -> Preview:
    """Read and normalise, then ask every writer whether it could; raises when the files are not even recognised."""
    opened = open_upload(job, Report(engine="", verdict=None))
    hub, changes = normalise(opened.reading.model, remaining(job.options, opened.reading))
    return Preview(
        source=source_of(opened),
        hub=describe(hub, changes, []),
        targets=[_prospect(format, hub) for format in all_formats().values() if format.legalise is not None],
    )


def _prospect(format: Format, hub: Any) -> Prospect:
    assert format.legalise is not None
    try:
        format.legalise(hub.clone())
    except ConversionError as error:
        return Prospect(target=format.name, title=format.title, possible=False, error=error.problem())
    return Prospect(target=format.name, title=format.title, possible=True)
