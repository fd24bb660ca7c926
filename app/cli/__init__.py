"""The command line. ``serve`` and ``--server`` talk HTTP; the engine's commands go to ``python -m workers``.

The service never imports the engine, so ``onnxhub convert`` on a laptop replaces this process by the engine's own,
before anything else is loaded.
"""

from __future__ import annotations

import os
import sys

ENGINE = ("convert", "inspect", "formats", "run", "toolchain")


def main() -> None:
    """Become the engine's process for its commands; do the others here."""
    arguments = sys.argv[1:]
    remote = any(argument == "--server" or argument.startswith("--server=") for argument in arguments)
    if arguments[:1] and arguments[0] in ENGINE and not (arguments[0] == "convert" and remote):
        # -P: no module comes from the folder in which the command is given
        os.execv(sys.executable, [sys.executable, "-P", "-m", "workers", *arguments])
    from app.cli.commands import app

    app()
