"""``python -m workers``: the engine's commands without any service."""

from workers.commands import app

app(prog_name="onnxhub")
