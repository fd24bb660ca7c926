"""All families of operators; importing one registers its functions."""

from __future__ import annotations

from importlib import import_module

NAMES = (
    "activation", "attention", "convolution", "creation", "dense", "elementwise", "indexing", "joining", "logic",
    "normalization", "own", "padding", "pooling", "quantised", "recurrent", "reduction", "refusals", "resize", "shape",
    "sorting", "special",
)  # fmt: skip


def load() -> None:
    """Register everything, once."""
    for name in NAMES:
        import_module(f"workers.formats.pytorch.read.{name}")
