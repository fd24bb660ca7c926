"""Damaged uploads of every system end in a model or in a refusal: a short run of ``tests/fuzzing.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import fuzz
from tests.workers.formats.cases import systems

HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", [100_000, 200_000])
@pytest.mark.parametrize("system", [name for name in (*systems(), "onnx") if (HERE / name / "mutations.py").exists()])
def test_damaged_uploads_end_in_a_model_or_a_refusal(system: str, seed: int, tmp_path: Path) -> None:
    ends = fuzz(system, 200, seed, tmp_path)
    assert not ends.faults, ends.faults[0]
    assert sum(ends.seen.values()) == 200 and ends.seen["model"] < 190, ends.seen
