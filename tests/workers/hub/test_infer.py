"""Inference of one node survives what ONNX's own does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from workers.hub.elements import Reordered
from workers.hub.graph import GraphBuilder


def test_a_negative_size_is_an_error_and_not_the_end_of_the_process() -> None:
    g = GraphBuilder("net")
    pooled = g.MaxPool(g.input("x", [1, 3, 2, 4]), kernel_shape=[5, 1])
    assert GraphBuilder.shape(pooled) == (1, 3, -2, 4)
    with pytest.raises(onnx.shape_inference.InferenceError, match=r"would have the shape \[1,3,-2,4\]"):
        g.Slice(pooled, [-1], [-(1 << 62)], [2], [-1])


def test_weights_are_not_looked_at_for_shapes() -> None:
    """Each look would map pages of the file that they lie in."""

    def fetched() -> np.ndarray[Any, Any]:
        raise AssertionError("the weight was read")

    g = GraphBuilder()
    x = g.input("x", ["n", 100, 4, 4])
    weights = [g.weight(name, Reordered(fetched, ir.DataType.FLOAT, [100])) for name in "abcd"]
    assert GraphBuilder.shape(g.BatchNormalization(x, *weights))[1:] == (100, 4, 4)
