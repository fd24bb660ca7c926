"""Caffe2's own environment computes what was recorded, from the files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.caffe2.nets import normal, operator, pair, save
from tests.workers.formats.cases import assert_same, cases
from tests.workers.toolchains.asking import answer, needs
from workers.formats import caffe2
from workers.formats.caffe2.read import read
from workers.formats.contract import ReadRequest
from workers.inspect.upload import Upload
from workers.options import Options
from workers.toolchains import ToolRefused

needs_caffe2 = needs("caffe2", "run:caffe2")


@needs_caffe2
def test_inner_outputs_and_timed_runs(tmp_path: Path) -> None:
    ops = [operator("Relu", ["x"], ["a"]), operator("Exp", ["a"], ["y"]), operator("Sqr", ["y"], ["x"])]
    x = normal(2, 3)
    result = answer(
        "run:caffe2", save(tmp_path, *pair(ops, {}, ["x"], ["y"])), {"x": x}, ["a", "y"], tmp_path / "work", runs=3
    )
    assert_same({"a": np.maximum(x, 0), "y": np.exp(np.maximum(x, 0))}, result.outputs)
    assert result.seconds is not None and result.seconds > 0


@needs_caffe2
@pytest.mark.parametrize(
    ("outputs", "inputs", "words"),
    [
        (["z"], {"x": normal(2, 3)}, "Caffe2 made no blob 'z'"),
        (["y"], {"x": normal(2, 3), "other": normal(1)}, "the net has no input other"),
        (["y"], {"x": normal(3)}, "enforce fail"),
    ],
)
def test_what_caffe2_will_not_run_is_told(
    outputs: list[str], inputs: dict[str, Any], words: str, tmp_path: Path
) -> None:
    files = save(tmp_path, *pair([operator("Transpose", ["x"], ["y"], axes=[1, 0])], {}, ["x"], ["y"]))
    with pytest.raises(ToolRefused, match=words) as caught:
        answer("run:caffe2", files, inputs, outputs, tmp_path / "work")
    assert caught.value.kind == "unsupported"


def test_doubts_are_raised_where_caffe2_trains(tmp_path: Path) -> None:
    (verifier,) = caffe2.FORMAT.verify
    assert verifier.doubts is not None
    ops = [operator("Dropout", ["x"], ["d", "m"]), operator("Relu", ["d"], ["y"])]
    files = save(tmp_path, *pair(ops, {}, ["x"], ["y"]))
    model = read(ReadRequest(Upload.of(*files), Options(input_shapes={"x": [1, 3]}))).model
    (said,) = verifier.doubts(files, model)
    assert "Dropout" in said and "at random" in said
    (lenet,) = cases("caffe2", "lenet_minidb")
    assert verifier.doubts(lenet.files, read(lenet.request()).model) == []
