"""Weights of eight bits on request: integers with one scale a channel, turned back to floats before their layer."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Array, Node
from workers.hub.normalise.change import changed
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

FEWEST = 1024
"""Elements from which a weight is worth it."""


def quantise_weights(model: ir.Model, options: Options) -> list[Change]:
    """Store large weights of convolutions and products as int8: ``round(w / s)``, ``s = max|w| / 127`` a channel."""
    if options.weights != "int8":
        return []
    quantised = []
    for graph in model.graphs():
        builder = GraphBuilder(graph=graph)
        done: dict[tuple[ir.Value, int], ir.Value] = {}
        for raw in list(graph):
            node = Node(raw)
            axis, value = channel_axis(node), node.input(1)
            array = (
                node.const(1) if axis is not None and value is not None and value.dtype is ir.DataType.FLOAT else None
            )
            if axis is None or value is None or array is None or array.size < FEWEST:
                continue
            if (value, axis) not in done:
                g = builder.ahead_of(raw)
                with g.layer(layer_of(raw), layer_type_of(raw)):
                    done[value, axis] = _stored(g, value, array, axis)
            raw.replace_input_with(1, done[value, axis])
            quantised.append(layer_of(raw))
    return changed("int8-weights", "Weights are stored as eight-bit integers, one scale a channel.", quantised)


def channel_axis(node: Node) -> int | None:
    """The axis of the weight that the output's channels lie on; None for operators without such a weight."""
    rank = len(node.shape(1) or ())
    if node.raw.domain or rank < 2:
        return None
    if node.op == "Gemm":
        return 0 if node.i("transB") else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": rank - 1}.get(node.op)


def _stored(g: GraphBuilder, value: ir.Value, array: Array, axis: int) -> ir.Value:
    scale = scales(array, axis)
    lazy = ir.LazyTensor(partial(_integers, value.const_value, scale, axis), dtype=ir.DataType.INT8,
                         shape=ir.Shape(array.shape))  # fmt: skip
    weight = g.weight(f"{value.name}.int8", lazy)
    return g.DequantizeLinear(weight, g.weight(f"{value.name}.scale", scale), axis=axis)


def scales(array: Array, axis: int) -> Array:
    """One a channel; a channel of zeros has scale 1."""
    others = tuple(place for place in range(array.ndim) if place != axis)
    peak = np.abs(array).max(axis=others)
    return np.where(peak == 0, 1.0, peak / 127).astype(np.float32)


def _integers(tensor: ir.TensorProtocol | None, scale: Array, axis: int) -> ir.TensorProtocol:
    assert tensor is not None  # only constants are asked for
    shape = [1] * len(tensor.shape)
    shape[axis] = -1
    return ir.Tensor(np.clip(np.rint(tensor.numpy() / scale.reshape(shape)), -127, 127).astype(np.int8))
