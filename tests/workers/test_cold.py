"""What a cold start may load: a command line must not wait for what its job does not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = "import json, sys; import {module}; print(json.dumps(sorted(sys.modules)))"


def loaded_by(module: str) -> set[str]:
    program = PROGRAM.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout)
    return {name.partition(".")[0] if not name.startswith(("onnx.", "workers.")) else name for name in names}


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("workers.commands", {"numpy", "onnx", "pydantic", "rich", "workers.child"}),
        ("workers.child", {"mpmath", "onnx.reference", "workers.verification", "h5py", "rich", "typer"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(module: str, without: set[str]) -> None:
    loaded = loaded_by(module)
    assert module in loaded and not loaded & without


def test_symbolic_sizes_still_find_their_arithmetic() -> None:
    program = "import workers, onnx_ir, sys; assert 'mpmath' not in sys.modules; print(onnx_ir.SymbolicDim('n') + 1)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("n + 1", "1 + n")
