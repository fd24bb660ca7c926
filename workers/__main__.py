"""``python -m workers``: the engine's commands without any service."""

import sys

from workers import surroundings

if sys.argv[1:2] in (["convert"], ["inspect"]):  # those that read what a stranger made
    surroundings.tidy("workers")

from workers.commands import app

app(prog_name="onnxhub")
