"""Mutated uploads end in a model or in a refusal, never in another exception."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz_darknet import attempt, uploads
from tests.workers.formats.cases import cases


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mutated_uploads_end_in_a_model_or_a_refusal(tmp_path: Path, seed: int) -> None:
    ends: Counter[str] = Counter()
    for _, case, files, decode in uploads(150, seed, cases("darknet")):
        ends[attempt(tmp_path, case, files, decode)] += 1
    assert ends["malformed-model"] > 20 and ends["model"] > 5, ends
