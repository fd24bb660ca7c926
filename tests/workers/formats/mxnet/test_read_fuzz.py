"""Damaged uploads end in a model or in one of the product's own errors: a short run of fuzz.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers.formats.mxnet.fuzz import run


@pytest.mark.parametrize("seed", [0, 10_000, 20_000])
def test_damaged_files_end_in_a_model_or_a_refusal(seed: int, tmp_path: Path) -> None:
    seen, wrong = run(300, seed, tmp_path)
    assert not wrong, wrong[0]
    assert seen["malformed-model"] > 50 and seen["model"] > 20, seen
