# ruff: noqa: B006 (typer wants literal lists as defaults, and copies them)
"""The engine's commands: convert, inspect, formats, run, toolchain. Exit statuses are a contract with scripts.

0 all targets written and nothing mismatched; 1 the source or a target cannot be converted; 2 wrong usage; 3 a parity
mismatch.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from workers import engine, terminal, toolchains
from workers.errors import ConversionError, ParityFailed
from workers.layout import CARD, RESULTS
from workers.progress import Progress

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
tools = typer.Typer(no_args_is_help=True)
app.add_typer(tools, name="toolchain", help="The frameworks' own environments.")

CANNOT, USAGE, MISMATCH = 1, 2, 3

Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, help="The model's files, or one archive of them.")
]
From = Annotated[str | None, typer.Option("--from", help="The source format, when the files alone do not tell.")]
OptionsFile = Annotated[Path | None, typer.Option("--options", exists=True, help="A JSON file with the options.")]
Shapes = Annotated[list[str], typer.Option("--input", help="An input's shape, name=1,3,224,224; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else.")]


@app.command()
def convert(
    files: Files,
    to: Annotated[list[str], typer.Option("--to", help="A target format; repeatable.")],
    folder: Annotated[Path, typer.Option("--out", file_okay=False, help="Where the results go.")],
    source: From = None,
    options: OptionsFile = None,
    shapes: Shapes = [],
    samples: Annotated[list[Path], typer.Option(exists=True, help="An .npz of inputs and outputs; repeatable.")] = [],
    verify: Annotated[str, typer.Option(help="none, hub or target.")] = "target",
    as_json: Json = False,
) -> None:
    """Convert FILE... to every target and prove each step."""
    if verify not in ("none", "hub", "target"):
        raise typer.BadParameter("verify is one of none, hub, target")
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "action": "convert",
        "source": source,
        "targets": to,
        "options": _options(options, shapes),
        "verify": verify,
        "samples": [str(path.resolve()) for path in samples],
    }
    with _staging(folder) as staged:
        problem = _do(files, request, staged, quiet=as_json, extra=samples)
        _move_over(staged, folder, to)
    report = folder / "report.json"
    if as_json:
        print(report.read_text() if report.exists() else json.dumps({"error": problem}))
    elif report.exists():
        _sum_up(json.loads(report.read_text()), folder)
    _finish(problem, as_json)


@app.command()
def inspect(
    files: Files, source: From = None, options: OptionsFile = None, shapes: Shapes = [], as_json: Json = False
) -> None:
    """Say what FILE... is: inputs, outputs, operators, parameters, findings, and what blocks which target."""
    request = {"action": "inspect", "source": source, "options": _options(options, shapes)}
    with _staging(Path(tempfile.gettempdir())) as staged:
        problem = _do(files, request, staged, quiet=as_json)
        found = staged / "inspect.json"
        preview: dict[str, Any] = json.loads(found.read_text()) if found.exists() else {"error": problem}
    if as_json:
        print(json.dumps(preview, indent=2))
    elif problem is None:
        terminal.preview(preview)
    _finish(problem, as_json)


@app.command()
def formats(as_json: Json = False) -> None:
    """List what this installation reads, writes and can verify."""
    from workers.formats import all_formats

    rows = []
    for format in all_formats().values():
        reads, writes = format.read is not None, format.write is not None
        verify = [verifier.title for verifier in format.verify if toolchains.find(verifier.action) is not None]
        rows.append({"name": format.name, "title": format.title, "read": reads, "write": writes, "verify": verify})
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        terminal.formats(rows)


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A target's folder of a conversion.")],
    inputs: Annotated[Path, typer.Option(exists=True, help="An .npz with the inputs.")],
    output: Annotated[Path, typer.Option("--out", help="Where the outputs go.")],
) -> None:
    """Run a converted artifact in its own runtime."""
    from workers import artifact  # these load numpy and onnxruntime, which the other commands leave to the job
    from workers.parity import npz

    try:
        results = artifact.run(folder, inputs)
    except ConversionError as error:
        _finish(error.problem(), as_json=False)
        return
    npz.save(output, results)
    for name, array in results.items():
        terminal.say(f"{name}: {array.dtype} {list(array.shape)}")


@tools.command("list")
def toolchain_list(as_json: Json = False) -> None:
    """List the environments and what each can do."""
    rows = [
        {"name": t.name, "title": t.title, "provides": list(t.provides), "installed": t.installed}
        for t in toolchains.listing()
    ]
    if as_json:
        print(json.dumps(rows))
    else:
        terminal.toolchains(rows)


@tools.command("install")
def toolchain_install(name: str) -> None:
    """Build an environment; at once when it is already there."""
    try:
        toolchains.install(name, on_line=terminal.whisper)
    except ConversionError as error:
        _finish(error.problem(), as_json=False)


def _do(
    files: Sequence[Path], request: dict[str, Any], staged: Path, *, quiet: bool, extra: Sequence[Path] = ()
) -> dict[str, Any] | None:
    """Run one job in the jail with progress on the terminal; the problem that ended it, or None."""
    with Progress(quiet) as progress:
        return engine.run(files, request, staged, on_event=progress.show, extra=extra)


def _sum_up(report: dict[str, Any], folder: Path) -> None:
    """Who was held against what, and where the files are."""
    if made := [*report["comparisons"], *(c for target in report["targets"] for c in target["comparisons"])]:
        terminal.comparisons(made)
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _options(file: Path | None, shapes: Sequence[str]) -> dict[str, Any]:
    """``options.json`` with the shapes of ``--input`` on top."""
    options: dict[str, Any] = json.loads(file.read_text()) if file else {}
    if not isinstance(options, dict):
        raise typer.BadParameter(f"{file} does not hold a JSON object")
    for shape in shapes:
        name, equals, dims = shape.rpartition("=")
        if not equals:
            raise typer.BadParameter(f"--input {shape}: write name=1,3,224,224")
        options.setdefault("input_shapes", {})[name] = [
            int(d) if d.strip().isdigit() else d.strip() or None for d in dims.split(",")
        ]
    return options


@contextmanager
def _staging(beside: Path) -> Iterator[Path]:
    """A fresh folder on the same disk, so that results appear whole or not at all."""
    staged = Path(tempfile.mkdtemp(prefix=".onnxhub-", dir=beside)).resolve()
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _move_over(staged: Path, folder: Path, targets: Sequence[str]) -> None:
    """Put the results in place of those of an earlier run, none of which may be taken for this one's."""
    earlier = [target for target in targets if (folder / target / CARD).exists()]
    for name in (*RESULTS, *earlier):
        old = folder / name
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
    for entry in staged.iterdir():
        entry.replace(folder / entry.name)


def _finish(problem: dict[str, Any] | None, as_json: bool) -> None:
    if problem is None:
        return
    if not as_json:
        terminal.problem(problem)
    raise typer.Exit(MISMATCH if problem.get("type") == ParityFailed.type else CANNOT)
