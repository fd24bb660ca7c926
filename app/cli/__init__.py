"""The service's commands, and what ``--help`` says of the engine's, which ``workers.launch`` does itself."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import remote

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Turn a model of any deep-learning framework into ONNX, and ONNX into a model of any framework, with proof.",
)

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def serve() -> None:
    """Run the API, the page and one worker on this machine; no other server is needed."""
    from app.serve import serve as run
    from app.settings import Settings

    raise typer.Exit(run(Settings()))


@app.command()
def api() -> None:
    """Run the API alone; ONNXHUB_BROKER_URL names the broker."""
    from app.serve import run_api
    from app.settings import Settings

    raise typer.Exit(run_api(Settings()))


@app.command()
def worker() -> None:
    """Run a worker alone; ONNXHUB_BROKER_URL names the broker."""
    from app.serve import run_worker
    from app.settings import Settings

    raise typer.Exit(run_worker(Settings()))


@app.command(context_settings=PASSED_ON)
def convert(context: typer.Context) -> None:
    """Convert FILE... --to TARGET --out DIR, here or with --server URL on a service."""
    raise typer.Exit(remote.main(context.args))


@app.command()
def inspect() -> None:
    """Say what FILE... is: inputs, outputs, operators, parameters, findings, and what blocks which target."""


@app.command()
def formats() -> None:
    """List what this installation reads, writes and can verify."""


@app.command()
def run() -> None:
    """Run a converted artifact in its own runtime: DIR --inputs in.npz --out out.npz."""


@app.command()
def toolchain() -> None:
    """List the frameworks' environments, or install one: list | install NAME."""


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"onnxhub {installed('onnxhub')}")
        raise typer.Exit
