"""Paddle's own environment computes what was recorded, from the files as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.workers.formats.cases import Case, assert_same, cases
from workers.toolchains import Call, ToolRefused, ToolResult, find

needs_paddle = pytest.mark.skipif(find("run:paddle") is None, reason="run: onnxhub toolchain install paddle")


@needs_paddle
@pytest.mark.parametrize("case", cases("paddle"), ids=str)
def test_recorded_models_run(case: Case, tmp_path: Path) -> None:
    toolchain = find("run:paddle")
    assert toolchain is not None
    samples = [case.sample(index) for index in range(2)]
    calls = [Call("run:paddle", case.files, sample.inputs, case.output_names) for sample in samples]
    for sample, result in zip(samples, toolchain.run_all(calls, work=tmp_path), strict=True):
        assert isinstance(result, ToolResult), result
        assert_same(sample.outputs, result.outputs)
        assert result.versions["paddle"] == "3.3.1"


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
