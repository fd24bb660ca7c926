"""VGG-16 with random weights as a frozen graph of about 530 MB, channels last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.networks import VGG_16, Network, Weights
from tests.workers.formats.tensorflow.graphs import Node, const, graph, node, placeholder

DENSE = (("fc6", 25088, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000))


def generate(folder: Path) -> Network:
    """Write the file into ``folder`` unless it is there."""
    path = folder / "vgg16_frozen.pb"
    if not path.exists():
        path.write_bytes(graph(*_nodes(Weights())))
    return Network("VGG-16", (path,))


def _nodes(weights: Weights) -> Iterator[Node]:
    yield placeholder("image", None, 224, 224, 3)
    below, channels = "image", 3
    for block, (width, depth) in enumerate(VGG_16, 1):
        for index in range(1, depth + 1):
            name = f"conv{block}_{index}"
            yield const(f"{name}/weights", weights.kernel(width, channels, 3, 3).transpose(2, 3, 1, 0))
            yield const(f"{name}/biases", weights.small(width))
            yield node(name, "Conv2D", below, f"{name}/weights", T="DT_FLOAT", strides=[1, 1, 1, 1], padding="SAME",
                       data_format="NHWC", dilations=[1, 1, 1, 1])  # fmt: skip
            yield node(f"{name}/BiasAdd", "BiasAdd", name, f"{name}/biases", T="DT_FLOAT", data_format="NHWC")
            yield node(f"{name}/Relu", "Relu", f"{name}/BiasAdd", T="DT_FLOAT")
            below, channels = f"{name}/Relu", width
        yield node(f"pool{block}", "MaxPool", below, T="DT_FLOAT", ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1],
                   padding="VALID", data_format="NHWC")  # fmt: skip
        below = f"pool{block}"
    yield const("shape", [-1, 25088], "int32")
    yield node("flat", "Reshape", below, "shape", T="DT_FLOAT", Tshape="DT_INT32")
    below = "flat"
    for name, inputs, units in DENSE:
        yield const(f"{name}/weights", weights.kernel(units, inputs).T)
        yield const(f"{name}/biases", weights.small(units))
        yield node(name, "MatMul", below, f"{name}/weights", T="DT_FLOAT", transpose_a=False, transpose_b=False)
        yield node(f"{name}/BiasAdd", "BiasAdd", name, f"{name}/biases", T="DT_FLOAT", data_format="NHWC")
        kind = "Softmax" if units == 1000 else "Relu"
        yield node(f"{name}/{kind}", kind, f"{name}/BiasAdd", T="DT_FLOAT")
        below = f"{name}/{kind}"
