"""Floats everywhere on request: what was quantised is computed with real numbers, held to the range that it had."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx_ir as ir

from workers.hub.graph import GraphBuilder
from workers.hub.node import Array, Node, constant_of
from workers.hub.normalise.change import changed
from workers.hub.normalise.opset.edit import take_over
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change

# Operators that move elements, or choose among them, do the same to the floats: their first input is what counts.
MOVES = frozenset({"Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


def dequantise(model: ir.Model, options: Options) -> list[Change]:
    """Turn quantised operators, weights, inputs and outputs of the main graph into floats.

    A pair of QuantizeLinear and DequantizeLinear becomes a Clip to the range of its integers: it is exact but for the
    rounding, which is what the user wants to be rid of. What has no float counterpart stays.
    """
    if not options.dequantize:
        return []
    graph = model.graph
    _free_inputs(graph)
    real: dict[ir.Value, tuple[ir.Value, ir.Node]] = {}
    done = []
    for raw in list(graph):
        if raw.domain == "" and _to_floats(graph, raw, real):
            done.append(layer_of(raw))
    _free_outputs(graph, real)
    return changed("dequantize", "Quantised layers compute in floats, as the options ask.", done)


def _free_inputs(graph: ir.Graph) -> None:
    """An input of integers that is only turned into floats is given as floats."""
    for value in graph.inputs:
        readers = [use.node for use in value.uses()]
        if readers and all(node.op_type == "DequantizeLinear" for node in readers) and not value.is_graph_output():
            value.type = ir.TensorType(ir.DataType.FLOAT)
            for node in readers:
                node.outputs[0].replace_all_uses_with(value)


def _to_floats(graph: ir.Graph, raw: ir.Node, real: dict[ir.Value, tuple[ir.Value, ir.Node]]) -> bool:
    """Whether the node was replaced; ``real``: a quantised value's floats, and the QuantizeLinear they come from."""
    source = raw.inputs[0] if raw.inputs else None
    if source is None:
        return False
    if raw.op_type == "QuantizeLinear":
        held = _held(graph, raw, source)
        if held is None:
            return False
        real[raw.outputs[0]] = held, raw
        return True
    if raw.op_type == "DequantizeLinear":
        return _dequantised(graph, raw, source, real)
    if raw.op_type in MOVES and source in real:
        values, by = real[source]
        g = GraphBuilder(graph=graph, before=raw)
        with g.layer(layer_of(raw), layer_type_of(raw)):
            attributes = {name: each.value for name, each in raw.attributes.items()}
            real[raw.outputs[0]] = g.op(raw.op_type, values, *raw.inputs[1:], **attributes), by
        return True
    return False


def _dequantised(
    graph: ir.Graph, raw: ir.Node, source: ir.Value, real: dict[ir.Value, tuple[ir.Value, ir.Node]]
) -> bool:
    output = raw.outputs[0]
    found = real.get(source)
    if found is not None and _same_scale(raw, found[1]):
        if output.is_graph_output():
            g = GraphBuilder(graph=graph, before=raw)
            with g.layer(layer_of(raw), layer_type_of(raw)):
                take_over(output, g.Identity(found[0]))
            graph.remove(raw, safe=True)
        else:
            output.replace_all_uses_with(found[0])
        return True
    tensor = source.const_value
    scale, zero = Node(raw).const(1), Node(raw).const(2)
    if tensor is None or scale is None or source.is_graph_input() or output.is_graph_output():
        return False
    if Node(raw).i("block_size"):
        return False
    lazy = ir.LazyTensor(partial(_weights, tensor, scale, zero, Node(raw).i("axis", 1)), dtype=ir.DataType.FLOAT,
                         shape=ir.Shape(tensor.shape.numpy()))  # fmt: skip
    output.replace_all_uses_with(GraphBuilder(graph=graph).weight(f"{source.name}.real", lazy))
    return True


def _weights(tensor: ir.TensorProtocol, scale: Array, zero: Array | None, axis: int) -> ir.TensorProtocol:
    array = tensor.numpy()
    shape = [1] * array.ndim
    if scale.size > 1:
        shape[axis] = -1
    shifted = array.astype(np.int32) - (0 if zero is None else zero.astype(np.int32).reshape(shape))
    return ir.Tensor(np.asarray(shifted * scale.reshape(shape).astype(np.float32), np.float32))


def _held(graph: ir.Graph, raw: ir.Node, source: ir.Value) -> ir.Value | None:
    """The floats, held to the range of the integers that they were rounded to; None for a scale that is computed."""
    node = Node(raw)
    scale, zero, dtype = node.const(1), node.const(2), raw.outputs[0].dtype
    if scale is None or scale.size != 1 or (node.input(2) is not None and zero is None) or dtype is None:
        return None
    if source.dtype is not ir.DataType.FLOAT or dtype.is_floating_point():
        return None
    limits = np.iinfo(dtype.numpy()) if dtype.bitwidth >= 8 else None
    if limits is None:
        return None
    point, step = 0 if zero is None else int(zero.reshape(-1)[0]), float(scale.reshape(-1)[0])
    bounds = [np.asarray((limit - point) * step, np.float32) for limit in (limits.min, limits.max)]
    g = GraphBuilder(graph=graph, before=raw)
    with g.layer(layer_of(raw), layer_type_of(raw)):
        return g.Clip(source, *bounds)


def _same_scale(a: ir.Node, b: ir.Node) -> bool:
    for index in (1, 2):
        left, right = (constant_of(Node(node).input(index)) for node in (a, b))
        if (left is None) != (right is None):
            return False
        if left is not None and right is not None and not np.array_equal(left, right):
            return False
    return True


def _free_outputs(graph: ir.Graph, real: dict[ir.Value, tuple[ir.Value, ir.Node]]) -> None:
    """An output of integers whose floats are known is given as floats."""
    for index, value in enumerate(list(graph.outputs)):
        if value in real:
            held, by = real[value]
            name, value.name = value.name, f"{value.name}.integers"
            g = GraphBuilder(graph=graph)
            with g.layer(layer_of(by), layer_type_of(by)):
                copy = g.Identity(held)
            copy.name = name
            graph.outputs[index] = copy
