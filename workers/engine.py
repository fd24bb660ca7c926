"""One job of the command line, done by the jailed child in a folder of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workers import cold
from workers.errors import ConversionError
from workers.sandbox import Outcome, forked
from workers.settings import engine_environment, limits, readable_always


def run(
    files: Sequence[Path],
    request: dict[str, Any],
    out: Path,
    *,
    on_event: Callable[[dict[str, Any]], None],
    extra: Sequence[Path] = (),
) -> dict[str, Any] | None:
    """Do ``request`` on ``files`` into the folder ``out``; the problem that ended it, or None.

    ``extra``: further files that the job may read. Events are those of ``workers.child``.
    """
    folder = Path(tempfile.mkdtemp(prefix="onnxhub-job-")).resolve()
    try:
        (folder / "in").mkdir()
        manifest = [{"name": file.name, "path": str(file.resolve())} for file in files]
        (folder / "in" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        (folder / "request.json").write_text(json.dumps({**request, "out": str(out)}), encoding="utf-8")
        outcome = _child().run(
            folder,
            read=[*readable_always(), *(file.resolve() for file in (*files, *extra))],
            write=[folder, out],
            limits=limits(),
            env=engine_environment(),
            on_event=on_event,
        )
        return _problem(folder, outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_ahead: list[forked.Ahead] = []


def start_ahead() -> None:
    """Let the job's process import what it needs while the command line is still read."""
    _ahead.append(forked.Ahead(cold.prepare))


def _child() -> forked.Ahead:
    return _ahead.pop() if _ahead else forked.Ahead(cold.prepare)


def _problem(folder: Path, outcome: Outcome) -> dict[str, Any] | None:
    """What the child said, or what became of it when it could not say anything."""
    try:
        outcome.raise_for_status("the conversion")
        result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except ConversionError as error:
        return error.problem()
    except (OSError, ValueError):
        return ConversionError("The conversion process ended without a result").problem()
    return None if result.get("ok") is True else dict(result["error"])
