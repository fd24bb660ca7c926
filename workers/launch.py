"""``onnxhub``: the engine's commands and the service's, each loading no more than it needs."""

from __future__ import annotations

import signal
import sys

from workers import surroundings

JAILED = ("convert", "inspect")
"""Commands that read what a stranger made."""
ENGINE = (*JAILED, "formats", "run", "toolchain")


def main() -> None:
    """Do the command of the process's arguments; ``convert`` with ``--server`` is the service's."""
    arguments = sys.argv[1:]
    remote = any(argument == "--server" or argument.startswith("--server=") for argument in arguments)
    command = arguments[0] if arguments else ""
    if command in ENGINE and not (command == "convert" and remote):
        engine(command)
    else:
        from app.cli import app

        app(prog_name="onnxhub")


def engine(command: str) -> None:
    """A command of the engine's. The child of one that reads foreign files is forked before anything else is loaded."""
    heeded = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who interrupts what only loads wants no traceback
    if command in JAILED:
        surroundings.tidy("workers")
        from workers.engine import start_ahead

        start_ahead()
    from workers.commands import app

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # an end that tidies up
    app(prog_name="onnxhub")
