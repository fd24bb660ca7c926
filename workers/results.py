"""What a jailed child left behind, distrusted: which files become artifacts, and what the report says in short."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from workers.claim import Made
from workers.errors import ConversionError, LimitExceeded
from workers.layout import HUB
from workers.report.schema import Comparison, Metrics, Note, Report

MAX_ARTIFACTS = 10_000
MAX_JSON = 64 << 20
MAX_WARNINGS = 200
MAX_ERROR = 1 << 20
MAX_ERROR_WORDS = 20_000
KINDS = {"report.json": "report", "report.html": "report", HUB: "hub"}


@dataclass(frozen=True, slots=True)
class Summary:
    """The columns of a job row that come out of its report."""

    detected: dict[str, Any] | None = None
    results: list[Any] = field(default_factory=list)
    stages: list[Any] = field(default_factory=list)
    warnings: list[Any] = field(default_factory=list)
    verification: dict[str, Any] | None = None


def collect(out: Path, stopped: Callable[[], bool]) -> list[tuple[Made, Path]]:
    """Every regular file below ``out`` with its digest, sorted by name. Links and special files are no results."""
    made = []
    for path in _regular_files(out):
        if stopped():
            break
        name = path.relative_to(out).as_posix()
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        made.append((Made(name, _kind(name), path.stat().st_size, sha256), path))
        if len(made) > MAX_ARTIFACTS:
            raise LimitExceeded("members", f"The job made more than {MAX_ARTIFACTS} files", limit=MAX_ARTIFACTS)
    return sorted(made, key=lambda pair: pair[0].name)


def _regular_files(out: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(out, followlinks=False):
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            relative = path.relative_to(out).as_posix()
            if (
                stat.S_ISREG(status.st_mode)
                and status.st_nlink == 1
                and relative.isprintable()
                and len(relative) < 1000
            ):
                yield path


def _kind(name: str) -> str:
    top = PurePosixPath(name).parts[0]
    if name in KINDS:
        return KINDS[name]
    if top in ("samples", "divergence"):
        return top
    return "hub" if top.startswith("hub.") else "target"


def read_json(path: Path) -> Any:
    """A JSON file that the child wrote, if it is one of bearable size; else None."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or path.lstat().st_size > MAX_JSON:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def error_of(result: Any) -> dict[str, Any] | None:
    """The problem in ``result.json``; None when the child succeeded."""
    if isinstance(result, dict) and result.get("ok") is True:
        return None
    told = result.get("error") if isinstance(result, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        return ConversionError("The conversion process ended without a result").problem()
    if len(json.dumps(told)) > MAX_ERROR:
        return {
            key: str(told[key])[:MAX_ERROR_WORDS] for key in ("type", "title", "detail", "stage", "hint") if key in told
        }
    return told


def summary(report_file: Path) -> Summary:
    """What a client sees of the report in the job resource; nothing when there is no valid report."""
    content = read_json(report_file)
    if content is None:
        return Summary()
    try:
        report = Report.model_validate(content)
    except ValidationError:
        return Summary()
    return Summary(
        detected=_detected(report),
        results=[
            {
                "format": t.format,
                "title": t.title,
                "verdict": t.verdict,
                "error": t.error,
                "files": [f.name for f in t.files],
            }
            for t in report.targets
        ],
        stages=[stage.model_dump() for stage in report.stages],
        warnings=[note.model_dump() for note in _notes(report)][:MAX_WARNINGS],
        verification=_verification(report),
    )


def _detected(report: Report) -> dict[str, Any] | None:
    source = report.source
    if source is None:
        return None
    files = [file.name for file in source.files]
    return {"format": source.format, "version": source.version, "files": files, "evidence": source.evidence}


def _notes(report: Report) -> list[Note]:
    return [*(report.source.notes if report.source else []), *(note for t in report.targets for note in t.notes)]


def _verification(report: Report) -> dict[str, Any] | None:
    """The verdict over all, who the worst comparison was with, and one line for each comparison."""
    comparisons = [*report.comparisons, *(c for target in report.targets for c in target.comparisons)]
    if report.verdict is None and not comparisons:
        return None
    lines = [_line(comparison) for comparison in comparisons]
    deciding = [line for line in lines if line["verdict"] == report.verdict]
    with_numbers = [line for line in lines if line["worst"]]
    worst = max(with_numbers, key=lambda line: float(line["worst"]["ratio"]), default=None)
    return {
        "verdict": report.verdict,
        "against": ", ".join(dict.fromkeys(line["against"] for line in deciding)) or None,
        "reason": next((line["reason"] for line in deciding if line["reason"]), ""),
        "worst": {"subject": worst["subject"], **worst["worst"]} if worst else None,
        "comparisons": lines,
    }


def _line(comparison: Comparison) -> dict[str, Any]:
    tensors = [tensor for sample in comparison.samples for tensor in sample.tensors]
    worst = max(tensors, key=lambda tensor: tensor.ratio, default=None)
    return {
        "subject": comparison.subject,
        "against": comparison.against,
        "verdict": comparison.verdict,
        "reason": comparison.reason,
        "samples": len(comparison.samples),
        "worst": None if worst is None else _numbers(worst),
        "diverges_at": comparison.divergence.layer if comparison.divergence else None,
    }


def _numbers(tensor: Metrics) -> dict[str, Any]:
    """JSON knows no infinity: it is told as text, as in the report."""
    numbers = {"max_abs": tensor.max_abs, "ratio": tensor.ratio, "cosine": tensor.cosine}
    return {"output": tensor.name, **{k: v if abs(v) < float("inf") else str(v) for k, v in numbers.items()}}
