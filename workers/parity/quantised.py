"""Outputs that come out of quantised arithmetic: two right runtimes may round them to neighbouring steps.

One accumulates in 32-bit integers, the other in floats; a sum that lies between two steps goes either way.
"""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.node import Node
from workers.hub.provenance import COARSE_SOURCE
from workers.options import COARSER, Tolerance
from workers.parity.tolerance import FLOAT32

# What moves elements, or lets them come no further apart than their inputs were.
CARRIES = frozenset(
    ("Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Split", "Relu", "Clip",
     "LeakyRelu", "Sigmoid", "Tanh", "Softmax", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
     "ReduceMax", "ReduceMean", "Pad", "Expand", "Tile", "DepthToSpace", "SpaceToDepth")
)  # fmt: skip
DEPTH = 32
ROUNDING = 1e-3
"""The share of a step by which float arithmetic may miss it."""


def tolerances(model: ir.Model) -> dict[str, Tolerance]:
    """By output name, one quantisation step: a scale for floats, 1 for integers. Other outputs are not named.

    Where the source rounds to eight bits as it runs and the model does not, all outputs have the bounds of eight bits.
    """
    found = {}
    coarse = COARSE_SOURCE.items() <= model.metadata_props.items()
    for output in model.graph.outputs:
        step = _step(output)
        if step is not None and output.name:
            atol = FLOAT32.atol + step * (1 + ROUNDING)
            found[output.name] = Tolerance(rtol=FLOAT32.rtol, atol=atol, cosine=-1.0)
        elif coarse and output.name:
            found[output.name] = COARSER["int8"]
    return found


def _step(value: ir.Value) -> float | None:
    """How far apart the nearest different values of ``value`` are; None where it is not quantised."""
    for _ in range(DEPTH):
        producer = value.producer()
        if producer is None or producer.domain not in ("", "ai.onnx"):
            return None
        node = Node(producer)
        if node.op in ("QuantizeLinear", "DynamicQuantizeLinear"):
            return 1.0
        if node.op == "DequantizeLinear":
            scale = node.const(1)
            computed = node.x().producer() is not None
            return float(scale.max()) if computed and scale is not None and scale.size else None
        if node.op not in CARRIES or node.input(0) is None:
            return None
        value = node.x()
    return None
