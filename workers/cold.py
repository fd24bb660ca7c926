"""The job of a command line, done in a process that has imported nothing of the engine yet.

``python -m workers.cold FOLDER`` is the same as a program of its own.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module

# Each of them is imported from here rather than from the depth of another's imports: the interpreter's stack grows by
# 16 KiB pieces, and calls that cross the end of one map and unmap the next each time.
FIRST = ("numpy", "pydantic", "onnx", "onnx_ir", "workers.child")


def prepare() -> Callable[[str], int]:
    """``workers.child.main``. Imports make no garbage, and looking for it takes a fifth of their time."""
    gc.disable()
    for name in FIRST:
        import_module(name)
    gc.enable()
    gc.freeze()
    entry: Callable[[str], int] = import_module("workers.child").main
    return entry


if __name__ == "__main__":
    ended = prepare()(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # nothing is left to tidy that the kernel does not
