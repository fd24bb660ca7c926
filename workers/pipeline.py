"""One conversion from the uploaded files to the written targets and the report. Read it as the table of contents.

``files -> inspect -> sniff -> read -> normalise -> hub.onnx -> check -> (write -> verify) a target -> report``
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import onnx_ir as ir

from workers import __version__
from workers.card import leave_card
from workers.errors import ConversionError, UnsupportedConversion, UnsupportedOperators
from workers.formats import all_formats, custom
from workers.formats.contract import Evidence, Format, Reading, ReadRequest, WriteRequest
from workers.formats.contract import Note as FormatNote
from workers.hub import OPSET
from workers.hub.check import check
from workers.hub.describe import describe
from workers.hub.normalise import normalise
from workers.hub.save import save
from workers.inspect import archives
from workers.inspect.sniff import sniff
from workers.inspect.upload import Upload, UploadedFile
from workers.layout import HUB
from workers.options import DEFAULTS, Options
from workers.report import html, json
from workers.report.schema import Change, File, Layer, Note, Report, Source, Stage, Target, Verdict

if TYPE_CHECKING:
    from workers.verification import Bench

Verify = Literal["none", "hub", "target"]


class Watch(Protocol):
    """Told what is going on: stages as they begin, and source layers or nodes within one."""

    def stage(self, name: str) -> None: ...

    def progress(self, done: int, total: int, what: str) -> None: ...


class Unwatched:
    def stage(self, name: str) -> None:
        """Nobody looks."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Nobody looks."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What to convert. ``out`` receives the artifacts, ``work`` is scratch space; both exist and are empty."""

    files: tuple[UploadedFile, ...]
    targets: tuple[str, ...]
    out: Path
    work: Path
    source: str | None = None
    options: Options = DEFAULTS
    samples: tuple[Path, ...] = ()
    verify: Verify = "target"
    sandbox: tuple[Layer, ...] = ()
    watch: Watch = field(default_factory=Unwatched)


@dataclass(slots=True)
class Opened:
    """The upload after inspecting, sniffing and reading; ``texts`` are the user's own functions beside it."""

    upload: Upload
    format: Format
    evidence: Evidence
    reading: Reading
    texts: tuple[UploadedFile, ...] = ()


def convert(job: Conversion) -> Report:
    """Run the whole way and write ``hub.onnx``, ``<target>/...``, ``report.json`` and ``report.html`` into ``job.out``.

    Raises the ConversionError that ended it; the report written so far then lies in ``job.out`` as well. A target that
    cannot be written does not stop the others: its error stands in its part of the report, and is raised at the end.
    """
    targets = [_writer(name) for name in dict.fromkeys(job.targets)]
    report = Report(
        engine=f"onnxhub {__version__}",
        verdict=None,
        sandbox=list(job.sandbox),
        environment=_environment(),
        options=job.options.model_dump(mode="json", exclude_defaults=True),
    )
    try:
        _convert(job, targets, report)
    except ConversionError as error:
        error.stage = error.stage or (report.stages[-1].name if report.stages else None)
        report.error = error.problem()
        raise
    finally:
        _write_report(job, report)
    return report


def _convert(job: Conversion, targets: Sequence[Format], report: Report) -> None:
    opened = open_upload(job, report)
    report.source = source_of(opened)
    with _stage(job, report, "normalise"):
        hub, changes = normalise(opened.reading.model, remaining(job.options, opened.reading))
        hub_files = save(hub, job.out / HUB)
        check(hub)
        report.hub = describe(hub, changes, [_file(path, job.out) for path in hub_files])
    bench = None
    if job.verify != "none":
        from workers.verification import Bench  # loads onnxruntime, which a conversion alone does without

        bench = Bench(job.out / HUB, hub, job.out, job.work, job.options, job.watch.progress)
        with _stage(job, report, "check"):
            bench.prepare(job.samples)
            report.comparisons = bench.check_hub(opened.format, [file.path for file in opened.upload.files])
            report.samples = [_file(path, job.out) for path in bench.saved_samples]
    for format in targets:
        report.targets.append(_target(job, report, hub, format, bench))
    report.verdict = _overall(report, job.verify)
    failed = [target.error for target in report.targets if target.error]
    if failed:
        raise _Refused(failed[0], all_failed=len(failed) == len(targets))


class _Refused(ConversionError):
    """A target's error, raised once every other target had its turn."""

    def __init__(self, problem: dict[str, object], *, all_failed: bool) -> None:
        super().__init__(str(problem["detail"]))
        self._problem = problem
        self.all_failed = all_failed

    def problem(self) -> dict[str, object]:
        return self._problem


def open_upload(job: Conversion, report: Report) -> Opened:
    """The first three stages, which ``inspect`` shares: bounded unpacking, sniffing, reading."""
    with _stage(job, report, "inspect"):
        upload, functions = custom.taken_from(_unpacked(job))
        format, evidence = sniff(upload, all_formats(), job.source)
        if format.read is None:
            raise UnsupportedConversion(f"onnxhub writes {format.title} but cannot read it")
    with _stage(job, report, "read"):
        try:
            with custom.use(functions):
                reading = format.read(ReadRequest(upload, job.options, job.watch.progress))
        except UnsupportedOperators as error:
            error.hint = error.hint or custom.HINT
            raise
        unused = [
            FormatNote("unused-function", f"no layer was read by the function {name!r}", file)
            for name, file in functions.unused()
        ]
    return Opened(upload, format, evidence, replace(reading, notes=(*reading.notes, *unused)), functions.texts)


def _unpacked(job: Conversion) -> Upload:
    """The uploaded files with archives replaced by their members."""
    files: list[UploadedFile] = []
    for index, file in enumerate(job.files):
        if archives.is_archive(file):
            files += archives.unpack(file, job.work / f"unpacked{index}")
        else:
            files.append(file)
    return Upload(tuple(files))


def remaining(options: Options, reading: Reading) -> Options:
    """The options without those that the reader has already applied."""
    return options.model_copy(update={name: getattr(DEFAULTS, name) for name in reading.applied})


def _target(job: Conversion, report: Report, hub: ir.Model, format: Format, bench: Bench | None) -> Target:
    """Legalise, write and verify one target; its failure is its own."""
    target = Target(format=format.name, title=format.title, verdict=None)
    folder = job.out / format.name
    folder.mkdir()
    try:
        with _stage(job, report, f"write:{format.name}"):
            assert format.write is not None  # _writer saw to it
            request = WriteRequest(hub.clone(), folder, "model", job.options, job.watch.progress)
            written = format.write(request)
            leave_card(folder, format.name, written)
            target.changes = [_change(note) for note in written.changes]
            target.notes = [_note(note) for note in written.notes]
        if bench is not None and job.verify == "target":
            with _stage(job, report, f"verify:{format.name}"):
                target.notes += [_note(note) for note in bench.export(format, folder, written)]
                target.comparisons = bench.check_target(format, folder, written)
                target.verdict = _worst([comparison.verdict for comparison in target.comparisons])
    except ConversionError as error:
        error.stage = error.stage or report.stages[-1].name
        target.error = error.problem()
    target.files = [_file(path, job.out) for path in sorted(folder.rglob("*")) if path.is_file()]
    return target


def _writer(name: str) -> Format:
    formats = all_formats()
    format = formats.get(name)
    if format is None or format.write is None:
        can = ", ".join(sorted(other.name for other in formats.values() if other.write))
        raise UnsupportedConversion(f"there is no target {name!r}", hint=f"Targets are: {can}.")
    return format


def _overall(report: Report, verify: Verify) -> Verdict | None:
    """The hub's verdict and every target's, the worst of them. Nothing was asked: no verdict."""
    if verify == "none":
        return None
    hub = best([comparison.verdict for comparison in report.comparisons])
    return _worst([hub, *(target.verdict for target in report.targets)])


ORDER: tuple[Verdict, ...] = ("mismatched", "unverified", "round_trip", "verified")


def _worst(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    given = [verdict for verdict in verdicts if verdict is not None]
    return min(given, key=ORDER.index) if given else None


def best(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The hub was held against several references: one that disagrees condemns it, else one that agrees proves it."""
    if "mismatched" in verdicts:
        return "mismatched"
    return max(verdicts, key=ORDER.index) if verdicts else None


@contextmanager
def _stage(job: Conversion, report: Report, name: str) -> Iterator[None]:
    """Announce a stage, time it, and record how it ended."""
    job.watch.stage(name)
    start = time.perf_counter()
    stage = Stage(name=name, status="failed", seconds=0.0)
    report.stages.append(stage)
    try:
        yield
        stage.status = "succeeded"
    finally:
        stage.seconds = round(time.perf_counter() - start, 4)


def _write_report(job: Conversion, report: Report) -> None:
    with _stage(job, Report(engine=report.engine, verdict=None), "report"):
        json.write_json(report, job.out / "report.json")
        html.write_html(report, job.out / "report.html")


def source_of(opened: Opened) -> Source:
    named = {file.name: file for file in opened.upload.files}
    used = [named[name] for name in opened.reading.files if name in named]
    return Source(
        format=opened.format.name,
        title=opened.format.title,
        version=opened.reading.version,
        evidence=opened.evidence.reason,
        files=[File(name=file.name, size=file.size, sha256=_digest(file.path)) for file in (*used, *opened.texts)],
        notes=[_note(note) for note in opened.reading.notes],
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(path: Path, root: Path) -> File:
    return File(name=path.relative_to(root).as_posix(), size=path.stat().st_size, sha256=_digest(path))


def _note(note: FormatNote) -> Note:
    return Note(code=note.code, detail=note.detail, where=note.where)


def _change(note: FormatNote) -> Change:
    return Change(name=note.code, detail=note.detail, count=1, layers=[note.where] if note.where else [])


def _environment() -> dict[str, str]:
    packages = {name: version(name) for name in ("onnx", "onnx-ir", "onnxruntime", "numpy")}
    return {"python": platform.python_version(), "opset": str(OPSET), **packages}
