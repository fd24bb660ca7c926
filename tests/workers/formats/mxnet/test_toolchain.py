"""MXNet's own environment computes what was recorded, from the files as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.formats.cases import assert_same, cases
from tests.workers.formats.mxnet.graphs import node, normal, read_graph, save, symbol
from tests.workers.toolchains.asking import answer, needs
from workers.formats import mxnet
from workers.formats.mxnet.read import read
from workers.toolchains import ToolRefused

needs_mxnet = needs("mxnet", "run:mxnet")


@needs_mxnet
def test_inner_outputs_and_timed_runs(tmp_path: Path) -> None:
    graph = symbol(node("relu", "a", "x"), node("exp", "y", "a"))
    x = normal(2, 3)
    result = answer("run:mxnet", save(tmp_path, graph), {"x": x}, ["a", "y_output"], tmp_path / "work", runs=3)
    assert_same({"a": np.maximum(x, 0), "y_output": np.exp(np.maximum(x, 0))}, result.outputs)
    assert result.seconds is not None and result.seconds > 0


@needs_mxnet
@pytest.mark.parametrize(
    ("outputs", "inputs", "words"),
    [
        (["z"], {"x": normal(2, 3)}, "MXNet has no output 'z'"),
        (["y"], {"x": normal(2, 3), "other": normal(1)}, "the graph has no input other"),
        (["y"], {"x": normal(3)}, "Error in operator y"),
    ],
)
def test_what_mxnet_will_not_run_is_told(
    outputs: list[str], inputs: dict[str, Any], words: str, tmp_path: Path
) -> None:
    graph = symbol(node("transpose", "y", "x", axes=(1, 0)))
    with pytest.raises(ToolRefused, match=words) as caught:
        answer("run:mxnet", save(tmp_path, graph), inputs, outputs, tmp_path / "work")
    assert caught.value.kind == "unsupported"


def test_doubts_are_raised_where_mxnet_was_seen_to_be_wrong(tmp_path: Path) -> None:
    (verifier,) = mxnet.FORMAT.verify
    assert verifier.doubts is not None
    crnn, lstm = cases("mxnet", "crnn_ocr_gluon", "lstm_lm_gluon")
    (said,) = verifier.doubts([], read(crnn.request()).model)
    assert "MKL-DNN" in said
    assert verifier.doubts([], read(lstm.request()).model) == []
    flip = symbol(node("_image_flip_left_right", "y", "x"))
    (said,) = verifier.doubts([], read_graph(tmp_path, flip, input_shapes={"x": [4, 5, 3]}).model)
    assert "odd width" in said and "'y'" in said
