"""Asking an installed toolchain, as the tests of every one do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workers.toolchains import ToolResult, find


def needs(name: str, action: str) -> pytest.MarkDecorator:
    """Skips a test where the toolchain ``name`` is not installed, and says how it is."""
    return pytest.mark.skipif(find(action) is None, reason=f"run: onnxhub toolchain install {name}")


def answer(
    action: str, files: Sequence[Path], inputs: Mapping[str, Any], outputs: Sequence[str], work: Path, **options: Any
) -> ToolResult:
    toolchain = find(action)
    assert toolchain is not None
    return toolchain.run(action, files, inputs, work=work, output_names=outputs, options=options)
