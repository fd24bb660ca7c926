"""Handles of what an initialisation fills: a name flows through the graph in place of a variable or a table."""

from __future__ import annotations

import numpy as np

from workers.formats.tflite.read.layer import TEXT, Layer, Out


def handle(name: str) -> Out:
    """A name in place of what it stands for."""
    return Out(array=lambda: np.zeros(0, object), shape=(0,), dtype=TEXT, known=np.asarray(name, object))


def named(layer: Layer, what: str) -> str:
    """The name that the first input is; ``what`` it is the name of, in words."""
    known = layer.held(0).known
    if known is None or not isinstance(known.flat[0], str):
        raise layer.unsupported(f"which {what} it means is known only when the model runs")
    return str(known.flat[0])
