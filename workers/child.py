"""The jailed process that does one job: it reads a folder's ``request.json`` and leaves ``result.json`` in it.

Whoever starts it (the service's worker, the command line) holds the limits and trusts nothing but the files written
here and the JSON lines on descriptor 3: ``{"event": "stage", "name"}`` and ``{"event": "progress", "done", "total",
"what"}``. No exception leaves this module: whatever happens, ``result.json`` says how the job ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from workers import sandbox, settings
from workers.errors import ConversionError, InvalidOptions, LimitExceeded, ParityFailed
from workers.inspect.upload import UploadedFile
from workers.options import DEFAULTS, Options
from workers.pipeline import Conversion, Verify, convert
from workers.preview import preview
from workers.report.schema import Report

EVENTS = 3
# A net of ten thousand layers must not drown its parent in events.
QUIET_SECONDS = 0.1


class Request(BaseModel):
    """``request.json``. Paths are absolute; ``out`` exists and is empty."""

    model_config = ConfigDict(extra="ignore")

    action: str = "convert"
    out: Path | None = None
    source: str | None = None
    targets: list[str] = []
    options: dict[str, Any] = {}
    verify: Verify = "target"
    samples: list[Path] = []
    on_mismatch: str = "fail"

    @field_validator("samples", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [] if value is None else [value] if isinstance(value, str) else value


class Events:
    """Progress as JSON lines on descriptor 3, when it is open."""

    def __init__(self) -> None:
        self._last = 0.0

    def stage(self, name: str) -> None:
        self._send({"event": "stage", "name": name})

    def progress(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done == total or now - self._last >= QUIET_SECONDS:
            self._last = now
            self._send({"event": "progress", "done": done, "total": total, "what": what[:200]})

    def _send(self, event: dict[str, Any]) -> None:
        try:
            os.write(EVENTS, json.dumps(event).encode() + b"\n")
        except OSError:
            return  # nobody listens


def main(folder: str) -> int:
    """Do the job in ``folder``; 0 when ``result.json`` tells how it ended, whichever way."""
    root = Path(folder)
    try:
        _run(root)
        result: dict[str, Any] = {"ok": True}
    except ConversionError as error:
        result = {"ok": False, "error": error.problem()}
    except MemoryError:
        result = {
            "ok": False,
            "error": LimitExceeded("memory", "The conversion needed more memory than it may have").problem(),
        }
    except Exception as error:  # the last line of defence: the parent must learn what happened
        traceback.print_exc()
        result = {"ok": False, "error": _internal(error)}
    temporary = root / "result.json.part"
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.rename(root / "result.json")
    return 0


def _internal(error: Exception) -> dict[str, Any]:
    """A fault of ours: the place in our code, never a path of this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/workers/" in frame.filename] or list(frames)
    place = ours[-1]
    where = f"{place.filename.rpartition('/workers/')[2]}:{place.lineno} in {place.name}"
    return ConversionError(
        f"onnxhub itself failed ({type(error).__name__}: {str(error)[:300]}) at {where}",
        hint="This is a fault of onnxhub, not of the model; please report it with the model's inspect output.",
    ).problem()


def _guarded() -> None:
    """Refuse to go on outside a complete sandbox, where one is required."""
    if not settings.sandbox_required():
        return
    layers = sandbox.held()
    lost = [f"{layer.name} ({layer.detail})" if layer.detail else layer.name for layer in layers if not layer.held]
    if lost or not layers:
        raise ConversionError(
            f"The sandbox does not hold on this machine: {', '.join(lost) or 'the job was started outside of it'}",
            hint="Use a kernel with Landlock and seccomp, or set ONNXHUB_REQUIRE_SANDBOX=0 to work without.",
        )


def _run(root: Path) -> None:
    _guarded()
    request = Request.model_validate_json((root / "request.json").read_bytes())
    work = root / "work"
    work.mkdir(exist_ok=True)
    out = request.out or root / "out"
    job = Conversion(
        files=_files(root / "in"),
        targets=tuple(request.targets),
        out=out,
        work=work,
        source=request.source,
        options=_options(request.options),
        samples=tuple(request.samples),
        verify=request.verify,
        sandbox=tuple(sandbox.held()),
        watch=Events(),
    )
    if request.action == "inspect":
        (out / "inspect.json").write_text(preview(job).model_dump_json(indent=2), encoding="utf-8")
        return
    _judge(convert(job), request.on_mismatch)


def _judge(report: Report, on_mismatch: str) -> None:
    """A model that computes something else is a failure, unless the user asked for a warning only."""
    if report.verdict != "mismatched" or on_mismatch != "fail":
        return
    worst = [
        c
        for c in [*report.comparisons, *(c for t in report.targets for c in t.comparisons)]
        if c.verdict == "mismatched"
    ]
    first = worst[0]
    layer = first.divergence.layer if first.divergence else None
    raise ParityFailed(
        f"{first.subject} disagrees with {first.against}: {first.reason}",
        layer=layer,
        hint="The artifacts and the report are kept; on_mismatch=warn turns this into a warning.",
    )


def _files(folder: Path) -> tuple[UploadedFile, ...]:
    """The uploaded files by the manifest, which gives the user's names to neutral ones on disk."""
    entries = json.loads((folder / "manifest.json").read_bytes())
    return tuple(
        UploadedFile(entry["name"], folder / entry["path"], (folder / entry["path"]).stat().st_size)
        for entry in entries
    )


def _options(given: dict[str, Any]) -> Options:
    if not given:
        return DEFAULTS
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors()[:10])
        raise InvalidOptions(
            f"The options are not valid: {told}", hint="See the options of GET /v1/conversions."
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
