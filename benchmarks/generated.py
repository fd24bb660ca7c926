"""Well-known networks as ONNX, with random weights scaled to keep activations in bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value

D = ir.DataType


class Random:
    """Weights from one seed."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape: int, gain: float = 1.0) -> Any:
        fan_in = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        return self.rng.standard_normal(shape, dtype=np.float32) * np.float32(gain * np.sqrt(2 / fan_in))

    def norm(self, channels: int) -> list[Any]:
        """Scale, bias, mean and variance."""
        spread = [self.rng.uniform(low, high, channels).astype(np.float32)
                  for low, high in ((0.5, 1.0), (-0.1, 0.1), (-0.1, 0.1), (0.8, 1.2))]  # fmt: skip
        return spread


def conv(g: GraphBuilder, w: Random, x: Value, out: int, kernel: int, stride: int = 1, group: int = 1) -> Value:
    """Convolution and batch norm."""
    channels = g.shape(x)[1]
    assert isinstance(channels, int)
    pad = [kernel // 2] * 4
    y = g.Conv(x, w(out, channels // group, kernel, kernel), strides=[stride] * 2, pads=pad, group=group,
               kernel_shape=[kernel] * 2)  # fmt: skip
    return g.BatchNormalization(y, *w.norm(out))


def classifier(g: GraphBuilder, w: Random, x: Value, classes: int = 1000) -> None:
    flat = g.Flatten(g.GlobalAveragePool(x))
    channels = g.shape(x)[1]
    assert isinstance(channels, int)
    g.output(g.Gemm(flat, w(classes, channels), np.zeros(classes, np.float32), transB=1), "y")


def resnet50() -> ir.Model:
    g, w = GraphBuilder("resnet50"), Random()
    x = g.Relu(conv(g, w, g.input("x", ["batch", 3, 224, 224]), 64, 7, 2))
    x = g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(count):
            stride = 2 if stage and not block else 1
            y = g.Relu(conv(g, w, x, width, 1))
            y = g.Relu(conv(g, w, y, width, 3, stride))
            y = conv(g, w, y, 4 * width, 1)
            x = g.Relu(g.Add(y, x if block else conv(g, w, x, 4 * width, 1, stride)))
    classifier(g, w, x)
    return g.model()


def mobilenet_v2() -> ir.Model:
    g, w = GraphBuilder("mobilenet_v2"), Random()

    def six(x: Value) -> Value:
        return g.Clip(x, np.float32(0), np.float32(6))

    x = six(conv(g, w, g.input("x", ["batch", 3, 224, 224]), 32, 3, 2))
    for expand, out, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(count):
            channels = g.shape(x)[1]
            assert isinstance(channels, int)
            step, wide = (stride if block == 0 else 1), channels * expand
            y = x if expand == 1 else six(conv(g, w, x, wide, 1))
            y = six(conv(g, w, y, wide, 3, step, wide))
            y = conv(g, w, y, out, 1)
            x = g.Add(x, y) if step == 1 and channels == out else y
    classifier(g, w, six(conv(g, w, x, 1280, 1)))
    return g.model()


def yolo_v3() -> ir.Model:
    g, w = GraphBuilder("yolo_v3"), Random()

    def leaky(x: Value, out: int, kernel: int, stride: int = 1) -> Value:
        return g.LeakyRelu(conv(g, w, x, out, kernel, stride), alpha=0.1)

    x = leaky(g.input("x", ["batch", 3, 416, 416]), 32, 3)
    kept = []
    for width, count in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        x = leaky(x, width, 3, 2)
        for _ in range(count):
            x = g.Add(x, leaky(leaky(x, width // 2, 1), width, 3))
        kept.append(x)
    for level, width in enumerate((512, 256, 128)):
        if level:
            x = g.Resize(leaky(x, width, 1), None, np.array([1, 1, 2, 2], np.float32), mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
            x = g.Concat(x, kept[-1 - level], axis=1)
        for _ in range(2):
            x = leaky(leaky(x, width, 1), 2 * width, 3)
        x = leaky(x, width, 1)
        head = leaky(x, 2 * width, 3)
        g.output(g.Conv(head, w(255, 2 * width, 1, 1), np.zeros(255, np.float32)), f"y{level}")
    return g.model()


def bert_base(layers: int = 12, width: int = 768, heads: int = 12, length: int = 128) -> ir.Model:
    g, w = GraphBuilder("bert_base"), Random()

    def norm(x: Value) -> Value:
        return g.LayerNormalization(x, np.ones(width, np.float32), np.zeros(width, np.float32), axis=-1)

    def linear(x: Value, rows: int, columns: int) -> Value:
        return g.Add(g.MatMul(x, w(rows, columns, gain=0.5)), np.zeros(columns, np.float32))

    ids = g.input("x", ["batch", length], D.INT64)
    x = norm(g.Add(g.Gather(w(30522, width), ids, axis=0), w(length, width)))
    for _ in range(layers):
        split = [g.Reshape(linear(x, width, width), [0, length, heads, width // heads]) for _ in range(3)]
        query, key, value = (
            g.Transpose(part, perm=order)
            for part, order in zip(split, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True)
        )
        scores = g.Mul(g.MatMul(query, key), np.float32(1 / np.sqrt(width // heads)))
        context = g.Transpose(g.MatMul(g.Softmax(scores, axis=-1), value), perm=[0, 2, 1, 3])
        x = norm(g.Add(x, linear(g.Reshape(context, [0, length, width]), width, width)))
        y = linear(x, width, 4 * width)
        half = g.Mul(y, np.float32(0.5))
        y = g.Mul(half, g.Add(g.Erf(g.Div(y, np.float32(np.sqrt(2)))), np.float32(1)))
        x = norm(g.Add(x, linear(y, 4 * width, width)))
    g.output(x, "y")
    return g.model()


def lstm(layers: int = 2, width: int = 512, length: int = 64) -> ir.Model:
    g, w = GraphBuilder("lstm"), Random()
    x = g.Transpose(g.input("x", ["batch", length, 128]), perm=[1, 0, 2])
    for layer in range(layers):
        size = width if layer else 128
        weights = [w(1, 4 * width, size, gain=0.5), w(1, 4 * width, width, gain=0.5), w(1, 8 * width) * 0]
        x = g.Squeeze(g.ops("LSTM", x, *weights, outputs=1, hidden_size=width)[0], [1])
    last = g.Squeeze(g.Slice(x, [-1], [length], [0]), [0])
    g.output(g.Gemm(last, w(width, 1000), np.zeros(1000, np.float32)), "y")
    return g.model()


NETWORKS: dict[str, Callable[[], ir.Model]] = {
    "ResNet-50": resnet50, "MobileNetV2": mobilenet_v2, "YOLOv3": yolo_v3, "BERT-base": bert_base, "LSTM": lstm,
}  # fmt: skip


def inputs_of(model: ir.Model) -> Sequence[Any]:
    """One sample: indices for integers, normal numbers for floats."""
    rng = np.random.default_rng(1)
    arrays = []
    for value in model.graph.inputs:
        shape = [dim if isinstance(dim, int) else 1 for dim in value.shape or ()]
        whole = value.dtype is D.INT64
        arrays.append(rng.integers(0, 1000, shape) if whole else rng.standard_normal(shape, dtype=np.float32))
    return arrays
