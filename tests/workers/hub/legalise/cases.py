"""Models that exercise one rule each, and the run of a model in onnxruntime before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from workers.hub.graph import GraphBuilder, Value

Build = Callable[..., object]
RNG = np.random.default_rng(7)


def weight(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """``build(g, *inputs)`` returns the outputs of a model that has the rule's operator."""

    rule: str
    shapes: Sequence[Sequence[int | str]]
    build: Build
    op: str = ""
    tolerance: float = 2e-5
    low: float = -2.0
    high: float = 2.0
    label: str = ""
    without: tuple[str, ...] = field(default=())


def built(shapes: Sequence[Sequence[int | str]], build: Build) -> ir.Model:
    """The model, its outputs in order; every node carries a source layer."""
    g = GraphBuilder()
    inputs = [g.input(f"x{index}", shape) for index, shape in enumerate(shapes)]
    with g.layer("layer1", "Source"):
        made = build(g, *inputs)
    for index, value in enumerate([made] if isinstance(made, ir.Value) else list(made)):  # type: ignore[call-overload]
        g.output(value, f"y{index}")
    return g.model()


def drawn(model: ir.Model, batch: int = 2, low: float = -2.0, high: float = 2.0) -> dict[str, np.ndarray]:
    """Inputs with every free axis of size ``batch``."""
    rng = np.random.default_rng(3)
    feeds = {}
    for value in model.graph.inputs:
        shape = [dim if isinstance(dim, int) else batch for dim in value.shape]  # type: ignore[union-attr]
        feeds[str(value.name)] = rng.uniform(low, high, shape).astype(np.float32)
    return feeds


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs by onnxruntime on one thread, without its own optimisations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


__all__ = ["Case", "Value", "built", "drawn", "run", "weight"]
