"""Small networks with one setting each that a converter may get wrong, made twice: right, and with a mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.save import save
from workers.parity.runtime import Session

Array = npt.NDArray[Any]


def weight(*shape: int, seed: int = 7) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(shape[-1]))


def conv_net(**mistake: Any) -> ir.Model:
    """[batch, 3, 12, 12] -> conv1, relu1, lrn1, bn1, pool1, leaky1, fc1, prob. ``mistake`` changes one setting."""
    it = {
        "pads": [1, 1, 1, 1],
        "epsilon": 1e-3,
        "alpha": 0.1,
        "transB": 1,
        "axis": 1,
        "size": 3,
        "bias": 0.0,
        **mistake,
    }
    g = GraphBuilder("conv_net")
    x: Value = g.input("data", ["batch", 3, 12, 12])
    with g.layer("conv1", "Convolution"):
        # pads [2, 2, 0, 0] keep the shape and shift the picture
        x = g.Conv(x, g.weight("conv1.w", weight(8, 3, 3, 3)), g.weight("conv1.b", weight(8)), pads=it["pads"])
    with g.layer("relu1", "ReLU"):
        x = g.Relu(x)
    with g.layer("lrn1", "LRN"):
        x = g.LRN(x, size=it["size"], alpha=0.5, beta=0.75)
    with g.layer("bn1", "BatchNorm"):
        scale, shift, mean = weight(8, seed=1), weight(8, seed=2) + np.float32(it["bias"]), weight(8, seed=3)
        variance = np.full(8, 0.01, np.float32)
        parts = [g.weight(f"bn1.{name}", array) for name, array in
                 {"scale": scale, "shift": shift, "mean": mean, "var": variance}.items()]  # fmt: skip
        x = g.BatchNormalization(x, *parts, epsilon=it["epsilon"])
    with g.layer("pool1", "Pooling"):
        x = g.MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])
    with g.layer("leaky1", "LeakyReLU"):
        x = g.LeakyRelu(x, alpha=it["alpha"])
    with g.layer("fc1", "InnerProduct"):
        x = g.Flatten(x)
        x = g.Gemm(x, g.weight("fc1.w", weight(288, 288)), g.weight("fc1.b", weight(288)), transB=it["transB"])
    with g.layer("prob", "Softmax"):
        x = g.Softmax(g.Reshape(x, [0, 16, 18]), axis=it["axis"])
    g.output(x, "prob")
    return g.model()


def lstm_net(order: str = "iofc") -> ir.Model:
    """[5, batch, 6] -> proj, lstm1, out; the gates of the weights stand in ``order``, ONNX's being iofc."""
    places = ["iofc".index(gate) for gate in order]
    w, r = weight(4, 8, 6), weight(4, 8, 8)
    g = GraphBuilder("lstm_net")
    x: Value = g.input("words", [5, "batch", 6])
    with g.layer("proj", "Dense"):
        x = g.Tanh(g.MatMul(x, g.weight("proj.w", weight(6, 6))))
    with g.layer("lstm1", "LSTM"):
        wide = [g.weight("lstm1.w", w[places].reshape(1, 32, 6)), g.weight("lstm1.r", r[places].reshape(1, 32, 8))]
        y, _, _ = g.ops("LSTM", x, *wide, outputs=3, hidden_size=8)
        x = g.Squeeze(y, [1])
    with g.layer("out", "Dense"):
        x = g.MatMul(x, g.weight("out.w", weight(8, 4)))
    g.output(x, "scores")
    return g.model()


def saved(model: ir.Model, path: Path) -> Path:
    save(model, path)
    return path


def faulty_writer(
    op_type: str, spoil: Callable[[ir.Node], None]
) -> Callable[[ir.Model], Callable[..., Mapping[str, Array]]]:
    """A target that computes ``op_type`` wrongly: parts are written as ONNX with every such node spoilt."""

    def rewrite(part: ir.Model) -> Callable[..., Mapping[str, Array]]:
        for node in part.graph:
            if node.op_type == op_type:
                spoil(node)
        return Session.of(part).run

    return rewrite
