"""Inference of one node survives what ONNX's own does not."""

from __future__ import annotations

import onnx
import pytest

from workers.hub.graph import GraphBuilder


def test_a_negative_size_is_an_error_and_not_the_end_of_the_process() -> None:
    g = GraphBuilder("net")
    pooled = g.MaxPool(g.input("x", [1, 3, 2, 4]), kernel_shape=[5, 1])
    assert GraphBuilder.shape(pooled) == (1, 3, -2, 4)
    with pytest.raises(onnx.shape_inference.InferenceError, match=r"would have the shape \[1,3,-2,4\]"):
        g.Slice(pooled, [-1], [-(1 << 62)], [2], [-1])
