"""Modules that are found at once and run when they are first used.

onnx_ir imports sympy for arithmetic on symbolic sizes, which conversions hardly ever do: a fifth of a second and
30 MB of every cold start. onnx can read JSON and text, and join models: we ask for none of it. HDF5 is for the few
formats that use it. A second module that imports one of them makes it run: each has one place that does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

MODULES = frozenset(
    (
        "sympy",
        "onnx_ir._symbolic_shapes",
        "google.protobuf.json_format",
        "google.protobuf.text_format",
        "h5py",
        "onnx.compose",
        "onnx.gen_proto",
        "onnx.parser",
        "onnx.printer",
        "workers.terminal",
    )
)


class _Finder:
    """A finder that answers for ``MODULES`` only, with the ordinary loader put off."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in MODULES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def put_off() -> None:
    """Must come before the first import of onnx_ir."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
