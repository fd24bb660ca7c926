"""Quantised operators of their own kind as float operators between conversions: the one form that the hub has."""

from __future__ import annotations

import onnx_ir as ir

from workers.hub.graph import GraphBuilder, Value
from workers.hub.node import Node
from workers.hub.normalise.change import changed
from workers.hub.normalise.opset.edit import take_over
from workers.hub.provenance import layer_of, layer_type_of
from workers.options import Options
from workers.report.schema import Change


def unpack_quantised(model: ir.Model, options: Options) -> list[Change]:
    """QLinearConv and QLinearMatMul become DequantizeLinear, the float operator, QuantizeLinear.

    Weights stay integers. Their axis of scales is the output channel's; products of stacked matrices whose factors
    have a scale a row or column stay as they are, for no axis of DequantizeLinear says that.
    """
    done = []
    for graph in list(model.graphs()):
        builder = GraphBuilder(graph=graph)
        for raw in list(graph):
            if raw.domain or raw.op_type not in ("QLinearConv", "QLinearMatMul") or not _is_sayable(Node(raw)):
                continue
            _unpack(builder.ahead_of(raw), raw)
            graph.remove(raw, safe=True)
            done.append(layer_of(raw))
    return changed("qdq", "Quantised operators became float operators between conversions.", done)


def _is_sayable(node: Node) -> bool:
    """Every scale is one number, or one a channel where DequantizeLinear has them; the result's type is known."""
    if node.shape(0) is None or node.dtype(1) is not ir.DataType.FLOAT or node.dtype(4) is not ir.DataType.FLOAT:
        return False
    scales = [node.shape(index) for index in (1, 4, 6)]
    if any(shape is None or len(shape) > 1 for shape in scales):
        return False
    single = [shape in ((), (1,)) for shape in scales]
    flat = node.op == "QLinearConv" or node.shape(3) is not None
    return single[0] and single[2] and (single[1] or flat)


def _unpack(g: GraphBuilder, raw: ir.Node) -> None:
    node = Node(raw)
    with g.layer(layer_of(raw), layer_type_of(raw)):
        a = g.DequantizeLinear(*node.inputs[0:3])
        # A single scale has no axis, and can be said before opset 13, which brought the attribute.
        axis = None if node.shape(4) in ((), (1,)) else 0 if node.op == "QLinearConv" else -1
        b = g.DequantizeLinear(*node.inputs[3:6], **({} if axis is None else {"axis": axis}))
        if node.op == "QLinearMatMul":
            y = g.MatMul(a, b)
        else:
            attributes = {name: each.value for name, each in raw.attributes.items()}
            y = g.Conv(a, b, _bias(g, node), **attributes)
        take_over(raw.outputs[0], g.QuantizeLinear(y, *node.inputs[6:8]))


def _bias(g: GraphBuilder, node: Node) -> Value | None:
    """Integers of the scale of the product."""
    bias = node.input(8)
    return None if bias is None else g.Mul(g.Cast(bias, to=1), g.Mul(node.x(1), node.x(4)))
