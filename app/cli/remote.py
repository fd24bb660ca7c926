"""``onnxhub convert ... --server URL``: the same command, done by a service.

Exit statuses as of a local conversion, and 4 service unreachable or timed out, 5 not authorised, 6 queue full.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from app.client import Client, ServiceError

CANNOT, MISMATCH, UNREACHABLE, UNAUTHORISED, QUEUE_FULL = 1, 3, 4, 5, 6
STATUSES = {0: UNREACHABLE, 401: UNAUTHORISED, 403: UNAUTHORISED, 429: QUEUE_FULL, 503: QUEUE_FULL}

command = typer.Typer(add_completion=False)
err = Console(stderr=True)


@command.command()
def convert(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    to: Annotated[list[str], typer.Option("--to")],
    folder: Annotated[Path, typer.Option("--out", file_okay=False)],
    server: Annotated[str, typer.Option("--server", help="The service's root URL.")],
    key: Annotated[str | None, typer.Option("--key", envvar="ONNXHUB_API_KEY", help="An API key.")] = None,
    source: Annotated[str | None, typer.Option("--from")] = None,
    options: Annotated[Path | None, typer.Option(exists=True)] = None,
    shapes: Annotated[list[str], typer.Option("--input")] = [],  # noqa: B006 (typer wants a literal default)
    samples: Annotated[list[Path], typer.Option(exists=True)] = [],  # noqa: B006
    verify: str = "target",
    timeout: float = 3600.0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Upload FILE..., wait, and download everything into --out."""
    fields = [("target", target) for target in to]
    fields += [("inputs", shape.replace("=", ":", 1)) for shape in shapes]
    fields += [("verify", verify)]
    fields += [("source", source)] if source else []
    fields += [("options", options.read_text(encoding="utf-8"))] if options else []
    client = Client(server.rstrip("/"), key, timeout)
    try:
        job = client.wait(client.submit(files, fields, samples), lambda job: None if as_json else _show(job))
        folder.mkdir(parents=True, exist_ok=True)
        client.download(job, folder)
    except ServiceError as error:
        _say(error.problem, as_json)
        raise typer.Exit(STATUSES.get(error.status, CANNOT)) from None
    except TimeoutError as error:
        _say({"detail": str(error)}, as_json)
        raise typer.Exit(UNREACHABLE) from None
    raise typer.Exit(_finish(job, folder, as_json))


def _show(job: dict[str, Any]) -> None:
    err.print(f"{job['status']} {job.get('stage') or ''} {job.get('progress') or 0:.0%}", style="dim", highlight=False)


def _say(problem: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": problem}))
    else:
        err.print(str(problem.get("detail") or problem.get("title")), markup=False, style="red")


def _finish(job: dict[str, Any], folder: Path, as_json: bool) -> int:
    report = folder / "report.json"
    if as_json and report.exists():
        sys.stdout.write(report.read_text(encoding="utf-8"))
    if job["status"] == "succeeded":
        return 0
    problem = job.get("error") or {"detail": f"the job was {job['status']}"}
    _say(problem, as_json and not report.exists())
    return MISMATCH if str(problem.get("type", "")).endswith("parity-failed") else CANNOT


def main(arguments: list[str]) -> int:
    """Run the command on ``arguments``; its exit status."""
    try:
        result = typer.main.get_command(command).main(arguments, prog_name="onnxhub convert", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    return int(result or 0)
