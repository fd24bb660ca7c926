"""``python -m workers``: the engine's commands without any service."""

import signal
import sys

from workers import surroundings

if sys.argv[1:2] in (["convert"], ["inspect"]):  # those that read what a stranger made
    surroundings.tidy("workers")

from workers.commands import app

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # an end that tidies up

app(prog_name="onnxhub")
