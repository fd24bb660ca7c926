"""What a cold start may load: a command line must not wait for what its job does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[1] / "models"
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


def test_sniffing_loads_what_the_files_are_and_no_more() -> None:
    program = (
        "import sys; from pathlib import Path; from workers.formats import all_formats\n"
        "from workers.inspect.sniff import sniff; from workers.inspect.upload import Upload\n"
        "format, _ = sniff(Upload.of(Path(sys.argv[1])), all_formats())\n"
        "print(format.name, 'h5py._hl' in sys.modules, 'yaml' in sys.modules)"
    )
    seen = []
    for model in ("tflite/mlp_float/model.tflite", "keras/keras2_mlp_h5/model.h5"):
        command = [sys.executable, "-c", program, str(MODELS / model)]
        seen.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert seen == [["tflite", "False", "False"], ["keras", "True", "False"]]


def test_symbolic_sizes_still_find_their_arithmetic() -> None:
    program = "import workers, onnx_ir, sys; assert 'mpmath' not in sys.modules; print(onnx_ir.SymbolicDim('n') + 1)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("n + 1", "1 + n")
