"""Everything that a job may need, imported at once: what a warm process does before it forks its first job."""

from __future__ import annotations

from importlib import import_module

from workers.child import main
from workers.formats import all_formats
from workers.formats.contract import Lazy

for _module in ("workers.verification", "onnx.reference"):
    import_module(_module)

for _format in all_formats().values():
    for _function in (_format.read, _format.write, _format.legalise):
        if isinstance(_function, Lazy):
            import_module(_function.module)

__all__ = ["main"]
