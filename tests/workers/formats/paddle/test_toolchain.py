"""Paddle's own environment computes what was recorded, from the files as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import cases
from tests.workers.toolchains.asking import needs
from workers.toolchains import ToolRefused, find

needs_paddle = needs("paddle", "run:paddle")


@needs_paddle
@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ({"x": (1, 784), "other": (1,)}, ["fetch_name_0"], "the program has no input other"),
        ({"x": (1, 784)}, ["inner"], "Paddle's predictor does not give inner"),
        ({}, ["fetch_name_0"], "the program also takes x"),
    ],
)
def test_what_paddle_will_not_run_is_told(
    inputs: dict[str, tuple[int, ...]], outputs: list[str], words: str, tmp_path: Path
) -> None:
    toolchain = find("run:paddle")
    assert toolchain is not None
    (case,) = cases("paddle", "p3_mlp_json")
    arrays = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
    with pytest.raises(ToolRefused, match=words):
        toolchain.run("run:paddle", case.files, arrays, work=tmp_path, output_names=outputs)
